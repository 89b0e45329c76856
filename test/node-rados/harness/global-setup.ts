/** Before the tests of node-rados: the addon built, one cluster up. When either cannot be had, says so and the tests are skipped. */
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { releaseOfThisNode, startCluster } from './ceph-cluster.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** ceph.conf of the cluster under test; empty when there is none. */
    cephConf: string;
    cephEnvironment: Record<string, string>;
  }
}

const PACKAGE = fileURLToPath(new URL('../../../src/node-rados', import.meta.url));

function say(text: string): void {
  process.stderr.write(`\n*** node-rados: ${text}\n`);
}

/** Builds the addon unless it is newer than its sources. */
function addonIsBuilt(): boolean {
  const changedMs = (path: string) => statSync(join(PACKAGE, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(join(PACKAGE, 'native')).map((name) => changedMs(join('native', name)));
  const neededMs = Math.max(...sources, changedMs('binding.gyp'));
  if (changedMs('build/Release/node_rados.node') >= neededMs) return true;
  const script = join(PACKAGE, 'scripts/build-addon.mjs');
  return spawnSync(process.execPath, [script], { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
}

export default function setup(project: TestProject): (() => void) | undefined {
  const skipAll = (why: string): undefined => {
    say(`ALL TESTS SKIPPED: ${why}`);
    project.provide('cephConf', '');
    project.provide('cephEnvironment', {});
  };
  // The cluster first: its installation brings the headers along.
  const cluster = startCluster(releaseOfThisNode(), say);
  if (cluster === null) return skipAll('there is no Ceph cluster to test with');
  if (!addonIsBuilt()) {
    cluster.stop();
    return skipAll('the addon does not build');
  }
  project.provide('cephConf', cluster.conf);
  project.provide('cephEnvironment', cluster.environment as Record<string, string>);
  return () => cluster.stop();
}
