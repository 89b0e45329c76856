/**
 * `npm start`: installs and builds what is missing or old, then serves. Arguments are those of `anagate serve`:
 * `npm start -- --address 192.0.2.10`. Uses nothing that is not in Node.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const LEAST_NODE = [20, 19];

function fail(message) {
  process.stderr.write(`npm start: ${message}\n`);
  process.exit(1);
}

function say(message) {
  process.stderr.write(`npm start: ${message}\n`);
}

/** When it was last changed, in ms; 0 when it is not there. */
function changedMs(path) {
  return statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** When the newest of the directory's files was changed. */
function newestMs(directory) {
  let newest = 0;
  for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
    const path = join(directory, entry.name);
    newest = Math.max(newest, entry.isDirectory() ? newestMs(path) : changedMs(path));
  }
  return newest;
}

function run(what, command, args) {
  say(what);
  // Standard output is for what the gateway says.
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error !== undefined) fail(`${command} does not start: ${error.message}`);
  if (status !== 0) fail(`"${[command, ...args].join(' ')}" failed; what it says above tells why`);
}

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1])) {
  fail(`Node ${process.versions.node} is too old; at least ${LEAST_NODE.join('.')} is needed`);
}

// npm writes this file when it has installed everything.
if (changedMs('node_modules/.package-lock.json') < changedMs('package-lock.json')) {
  run('installing packages', 'npm', ['ci', '--include=dev', '--no-audit', '--no-fund']);
}

const sourcesMs = Math.max(newestMs('src'), changedMs('tsconfig.json'), changedMs('tsconfig.build.json'));
if (changedMs('dist/main.js') < sourcesMs) run('building', process.execPath, ['scripts/build.mjs']);

// In this process: a signal from npm, a terminal or a service manager reaches the gateway itself.
const main = join(root, 'dist/main.js');
process.argv.splice(1, 1, main, 'serve');
await import(main);
