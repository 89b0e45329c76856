import { expect, it } from 'vitest';
import { FencedClients } from '../../../src/backend/rbd/fenced-clients.ts';
import { RadosSession } from '../../../src/backend/rbd/rados-session.ts';
import type { Cluster } from '../../../src/node-rados/lib/node-rados.ts';
import { ManualClock } from '../../base/manual-clock.ts';

it('is not taken for fenced because of a pool that is not there', async () => {
  const gone = Object.assign(new Error('no such pool'), { code: 'ENOENT' });
  const cluster = { addresses: '192.0.2.1:0/5', openPool: () => Promise.reject(gone) } as unknown as Cluster;
  const nobody = new FencedClients({
    isKnown: () => false,
    readBlocklist: async () => [],
    waitForFences: async () => {},
    clock: new ManualClock(),
  });
  const session = new RadosSession(cluster, nobody);
  const pool = session.pool('nope', '');
  // While the pool is still being opened.
  await expect(session.probe()).resolves.toBeUndefined();
  await expect(pool).rejects.toThrow('no such pool');
});
