/**
 * The tests of src/node-rados against real Ceph clusters: `node scripts/test-rados.mjs [16] [20]`, both when none is named.
 *
 * 16 is Debian 12's own Ceph with this Node; 20 is Ceph 20.2 with a copy of this Node that loads its librbd
 * (scripts/ceph/ceph20.sh node). Each brings its cluster along; what cannot be had is said loudly and counts as skipped.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CEPH = join(ROOT, 'scripts', 'ceph');
const RELEASES = ['16', '20'];

function say(text) {
  process.stderr.write(`${text}\n`);
}

/** The Node that loads this release's librbd; null when it cannot be had. */
function nodeFor(release) {
  const { status, stdout, stderr } = spawnSync(join(CEPH, `ceph${release}.sh`), ['node'], {
    encoding: 'utf8',
  });
  if (status === 0) return stdout.trim().split('\n').at(-1);
  say(stderr.trim());
  return null;
}

const unknown = process.argv.slice(2).filter((word) => !RELEASES.includes(word));
if (unknown.length > 0) {
  say(`no such release: ${unknown.join(', ')}. There are: ${RELEASES.join(', ')}`);
  process.exit(64);
}
const wanted = process.argv.length > 2 ? process.argv.slice(2) : RELEASES;
let failed = 0;
for (const release of wanted) {
  say(`\n# node-rados with librbd of Ceph ${release}`);
  const node = nodeFor(release);
  if (node === null) {
    say(`*** SKIPPED: Ceph ${release} cannot be had here, see above`);
    continue;
  }
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, 'run', '--project', 'rados'];
  const env = { ...process.env, CEPH_RELEASE: release };
  const { status } = spawnSync(node, args, { cwd: ROOT, env, stdio: 'inherit' });
  if (status !== 0) failed += 1;
}
process.exit(failed === 0 ? 0 : 1);
