/** What operators do to a group of gateways under a host that writes, and gateways that die while they do it. */
import { afterEach, describe, expect, it } from 'vitest';
import { FAILOVER_SUBSYSTEM, useFailoverLab } from '../harness/failover-lab.ts';
import type { GatewayNode } from '../harness/gateway-node.ts';
import { IMAGES_PER_GROUP, LIMIT_MS, underWrites } from './scenario.ts';

const lab = useFailoverLab({ places: 4, imagesPerGroup: IMAGES_PER_GROUP, ceph: { lifeSeconds: 1800 } });

afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return;
  await lab.repair();
  await lab.balanced();
});

/** The owner of group 1, which is also its home. */
const owner = (): Promise<GatewayNode> => lab.owner(1);

describe('a gateway', () => {
  it('is restarted, each in its turn', async () => {
    await underWrites(lab, LIMIT_MS.planned, async () => {
      for (const node of lab.running) {
        expect(await node.stop('SIGTERM')).toBe(0);
        await node.start();
        await lab.balanced();
      }
    });
  });

  it('is drained and undrained', async () => {
    const node = await owner();
    await underWrites(lab, LIMIT_MS.planned, async () => {
      await lab.call('change_gateway', { gateway: node.name, action: 'drain' });
      await lab.untilMoved(node, 1);
      await lab.call('change_gateway', { gateway: node.name, action: 'undrain' });
    });
  });

  it('dies while it is drained', async () => {
    const node = await owner();
    const other = lab.running.find((one) => one !== node);
    await underWrites(lab, LIMIT_MS.crash, async () => {
      await lab.call('change_gateway', { gateway: node.name, action: 'drain' }, other);
      await lab.untilTakenFrom(node, 1);
      await node.stop('SIGKILL');
      await lab.untilMoved(node, 1);
      await node.start();
      await lab.call('change_gateway', { gateway: node.name, action: 'undrain' }, other);
    });
  });

  for (const victim of ['the one that gets its group back', 'the one that gives it back'])
    it(`dies during failback: ${victim}`, async () => {
      const home = await owner();
      await underWrites(lab, LIMIT_MS.silent, async () => {
        await home.stop('SIGKILL');
        await lab.untilMoved(home, 1);
        const stand = await owner();
        await home.start();
        await lab.untilTakenFrom(stand, 1);
        const dies = victim === 'the one that gives it back' ? stand : home;
        await dies.stop('SIGKILL');
        await dies.start();
      });
    });

  it('loses its listener: its group moves, and returns with it', async () => {
    const node = await owner();
    await underWrites(lab, LIMIT_MS.planned, async () => {
      await lab.unlisten(node);
      await lab.untilMoved(node, 1);
      await lab.listen(node);
    });
  });

  it('joins while the host is connected, listens by itself in a network of the subsystem, and gets its share', async () => {
    await underWrites(lab, LIMIT_MS.planned, async () => {
      const node = lab.place(4);
      const network = { subsystem_nqn: FAILOVER_SUBSYSTEM, network_mask: `${node.address}/32` };
      await lab.call('add_subsystem_network', network);
      await node.start();
      await lab.listens(node);
      await lab.connectHost();
      for (let n = 0; n < IMAGES_PER_GROUP; n++) await lab.addImage(4);
    });
    expect((await lab.anaGroups()).find(({ id }) => id === 4)).toMatchObject({
      owner: 'gw4',
      state: 'ACTIVE',
    });
  });

  it('is deleted and deployed anew under another name: it inherits the place', async () => {
    const old = lab.node(4);
    await underWrites(lab, LIMIT_MS.planned, async () => {
      await old.stop('SIGTERM');
      await lab.call('change_gateway', { gateway: old.name, action: 'delete' });
      const node = lab.place(4, 'successor');
      await node.start();
      await lab.listens(node);
      await lab.connectHost();
    });
    expect((await lab.anaGroups()).find(({ id }) => id === 4)).toMatchObject({ owner: 'successor' });
  });
});
