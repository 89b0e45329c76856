/** The Ceph cluster that `npm run bench:rbd` measures: the one named by CEPH_CONF, or one of its own, in memory, for as long as it runs. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cephScript, releaseOfThisNode, startCluster } from '../../test/node-rados/harness/ceph-cluster.ts';

export interface BenchCluster {
  conf: string;
  pool: string;
  /** Process of the only OSD, when it runs here and is ours. */
  osdPid: number | undefined;
  describe: string;
  stop(): void;
}

/** Throws an Error of one line when there is none and none can be started. */
export async function benchCluster(pool: string): Promise<BenchCluster> {
  const named = process.env.CEPH_CONF;
  if (named !== undefined) {
    return { conf: named, pool, osdPid: undefined, describe: named, stop: () => undefined };
  }
  let reason = '';
  process.env.STORE = 'memstore';
  const cluster = startCluster(releaseOfThisNode(), (text) => {
    reason = text;
  });
  if (cluster === null) throw new Error(`no Ceph cluster: name one with CEPH_CONF. ${reason}`);
  try {
    await cephScript(cluster.environment, 'kill', 'mgr.x');
    makePool(cluster.conf, pool);
    const osdPid = Number(readFileSync(join(dirname(cluster.conf), 'osd.0.pid'), 'latin1'));
    const describe = `a Ceph ${releaseOfThisNode()} of its own, one OSD in memory`;
    return { conf: cluster.conf, pool, osdPid, describe, stop: cluster.stop };
  } catch (err) {
    cluster.stop();
    throw err;
  }
}

/**
 * A pool whose objects the memory store keeps in pages. It keeps those of the pools from before the setting in pieces as they
 * were written, and each random write then costs more than the one before.
 */
function makePool(conf: string, pool: string): void {
  run('ceph', '-c', conf, 'tell', 'osd.0', 'config', 'set', 'memstore_page_set', 'true');
  run('ceph', '-c', conf, 'osd', 'pool', 'create', pool, '8', '8');
  run('rbd', '-c', conf, 'pool', 'init', pool);
}

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}
