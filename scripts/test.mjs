/**
 * Runs the tests: `node scripts/test.mjs [STAGE...]`, all stages when none is named. `unit` stands for types and unit.
 *
 * Brings along what they need on a bare Debian (npm packages; for the Linux-host tests qemu and guest images, as root), says
 * what it does, goes on after a failed stage, and ends with one line: `N passed, N failed`. Types, lint, build and the
 * preparation of the Linux hosts count as one test each. Exit status 0 only when nothing failed.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** What the end-to-end tests boot; each is built once and kept in a cache outside the project. */
const LINUX_HOSTS = ['trixie', 'bookworm'];
const TOOLS = join(ROOT, 'node_modules', '.bin');

const STAGES = {
  types: () => single('types', join(TOOLS, 'tsc'), ['-p', 'tsconfig.json', '--noEmit']),
  lint: () =>
    single('lint', join(TOOLS, 'biome'), ['check', '--error-on-warnings', '--diagnostic-level=warn', '.']),
  unit: () => vitest('unit'),
  sim: () => vitest('sim'),
  process: () => vitest('process'),
  build: () => single('build', 'npm', ['run', '--silent', 'build']),
  conformance: () => vitest('conformance'),
  ceph16: () => ceph('16'),
  ceph20: () => ceph('20'),
  e2e: () => {
    const prepared = LINUX_HOSTS.map((suite) =>
      single(`Linux host, ${suite}`, join(ROOT, 'scripts', 'linux-host.sh'), ['build', '-s', suite]),
    );
    return prepared.some(({ failed }) => failed > 0)
      ? sum(prepared, cannotRunHosts())
      : sum(prepared, vitest('e2e'));
  },
};
const SHORTHANDS = { unit: ['types', 'unit'], ceph: ['ceph16', 'ceph20'], e2e: ['build', 'e2e'] };

/** @typedef {{ passed: number, failed: number, skipped: string[] }} Counts */

function say(text) {
  process.stdout.write(`${text}\n`);
}

/** Runs a command with its output passed through; true when its status is 0. */
function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  if (error !== undefined) say(`${command}: ${error.message}`);
  return status === 0;
}

/** A stage that passes or fails as a whole. */
function single(name, command, args) {
  const ok = run(command, args);
  say(ok ? `ok: ${name}` : `FAILED: ${name}`);
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: [] };
}

/** One vitest project; its own summary on the terminal, the numbers from its JSON report. */
function vitest(project, node = process.execPath, env = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'anagate-test-'));
  const file = join(folder, 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const entry = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
  const ok = run(node, [entry, 'run', '--project', project, ...reporters], env);
  const report = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  rmSync(folder, { recursive: true });
  const { numPassedTests: passed = 0, numFailedTests: failed = 0, testResults = [] } = report;
  const skipped = testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status !== 'passed' && status !== 'failed')
      .map(({ fullName }) => `${relative(ROOT, name)}: ${fullName}`),
  );
  // a file that cannot be loaded, or a hook or an error between tests: nothing failed by name, and yet it is not well
  return { passed, failed: ok ? failed : Math.max(failed, 1), skipped };
}

/**
 * The tests that need a Ceph cluster, on a real one: 16 is Debian 12's own with this Node, 20 is Ceph 20.2 with a copy of this
 * Node that loads its librbd. What cannot be had is said loudly; on a build machine it counts as failed.
 */
function ceph(release) {
  const script = join(ROOT, 'scripts', 'ceph', `ceph${release}.sh`);
  const { status, stdout, stderr } = spawnSync(script, ['node'], { encoding: 'utf8' });
  if (status === 0) return vitest('rados', stdout.trim().split('\n').at(-1), { CEPH_RELEASE: release });
  say(stderr.trim());
  say(`*** Ceph ${release} cannot be had here: its tests were NOT run`);
  return process.env.CI
    ? { passed: 0, failed: 1, skipped: [] }
    : { passed: 0, failed: 0, skipped: [`all tests with Ceph ${release}`] };
}

/** @returns {Counts} */
function cannotRunHosts() {
  say('');
  say('The Linux-host end-to-end tests were NOT run: their guests could not be made, see above.');
  say('They need Linux, root (network namespaces, taps), apt-get and a Debian mirror. What runs without:');
  say('    node scripts/test.mjs types lint unit sim process conformance');
  return { passed: 0, failed: 0, skipped: [] };
}

/** @returns {Counts} */
function sum(...counts) {
  const total = { passed: 0, failed: 0, skipped: [] };
  for (const { passed, failed, skipped } of counts.flat()) {
    total.passed += passed;
    total.failed += failed;
    total.skipped.push(...skipped);
  }
  return total;
}

/** `npm ci` when packages are missing or older than the lock file. */
function installPackages() {
  const installed = join(ROOT, 'node_modules', '.package-lock.json');
  const lock = join(ROOT, 'package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return true;
  say('# npm ci');
  return run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund']);
}

function chosenStages(words) {
  const unknown = words.filter((word) => !(word in STAGES) && !(word in SHORTHANDS));
  if (unknown.length > 0) {
    say(`no such stage: ${unknown.join(', ')}. There are: ${Object.keys(STAGES).join(', ')}`);
    process.exit(64);
  }
  const wanted = new Set(
    words.length > 0 ? words.flatMap((word) => SHORTHANDS[word] ?? [word]) : Object.keys(STAGES),
  );
  return Object.keys(STAGES).filter((stage) => wanted.has(stage));
}

const stages = chosenStages(process.argv.slice(2));
const began = performance.now();
const results = [];
if (installPackages()) {
  for (const stage of stages) {
    say(`\n# ${stage} (${Math.round((performance.now() - began) / 1000)} s)`);
    results.push(STAGES[stage]());
  }
} else {
  results.push({ passed: 0, failed: 1, skipped: [] });
}
const { passed, failed, skipped } = sum(results);
say('');
for (const name of skipped) say(`SKIPPED, not run: ${name}`);
say(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
