/** A real Ceph cluster on loopback for a test run: started by scripts/ceph/, stopped at the end, and by itself after a while. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const LIFE_S = 1800;
/** Below the ports that Linux gives to outgoing connections. */
const PORTS_FROM = 20_000;
const PORTS_OF_A_CLUSTER = 100;
const PORT_RANGES = 120;
/** Somebody else may have the ports. */
const ATTEMPTS = 3;

export type CephRelease = '16' | '20';

/** The release whose librbd this process loads: that of the tree when this Node was made by `ceph20.sh node`, else the system's. */
export function releaseOfThisNode(): CephRelease {
  const named = process.env.CEPH_RELEASE;
  if (named === '16' || named === '20') return named;
  return realpathSync(process.execPath).startsWith(process.env.CEPH_TREE ?? '/var/tmp/ceph20') ? '20' : '16';
}

/** Variables that the scripts take and that describe one cluster. */
function clusterEnvironment(folder: string, attempt: number): NodeJS.ProcessEnv {
  const port = PORTS_FROM + ((process.pid + attempt * 37) % PORT_RANGES) * PORTS_OF_A_CLUSTER;
  return { CEPH_DIR: join(folder, 'cluster'), CEPH_PORT: String(port), LIFE: String(LIFE_S), MGR: '1' };
}

export interface TestCluster {
  conf: string;
  environment: NodeJS.ProcessEnv;
  stop(): void;
}

/** Starts a cluster, as the script's variables `more` say. Null when that is not possible here; `say` is told why. */
export function startCluster(
  release: CephRelease,
  say: (text: string) => void,
  more: NodeJS.ProcessEnv = {},
): TestCluster | null {
  const script = join(ROOT, 'scripts/ceph', `ceph${release}.sh`);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const folder = mkdtempSync(join(tmpdir(), 'anagate-ceph-'));
    const environment = { ...clusterEnvironment(folder, attempt), ...more };
    const env = { ...process.env, ...environment };
    const conf = join(folder, 'cluster', 'ceph.conf');
    const stop = () => {
      spawnSync(script, ['stop'], { env });
      rmSync(folder, { recursive: true, force: true });
    };
    const { status, stderr } = spawnSync(script, ['start'], { env, encoding: 'utf8' });
    if (status === 0 && existsSync(conf)) return { conf, environment, stop };
    say(`Ceph ${release} does not start: ${stderr.trim().split('\n').slice(-3).join('; ')}`);
    stop();
  }
  return null;
}

/** Runs the script of the cluster under test: `kill osd.0`, `revive osd.0`. */
export async function cephScript(environment: NodeJS.ProcessEnv, ...words: string[]): Promise<void> {
  const script = join(ROOT, 'scripts/ceph', `ceph${releaseOfThisNode()}.sh`);
  await promisify(execFile)(script, words, { env: { ...process.env, ...environment } });
}
