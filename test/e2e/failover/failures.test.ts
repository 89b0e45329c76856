/** Gateways that die, freeze and are cut off, and a Ceph that stalls, under a host that writes: docs/ha.md, for real. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { useFailoverLab } from '../harness/failover-lab.ts';
import type { GatewayNode } from '../harness/gateway-node.ts';
import { IMAGES_PER_GROUP, LIMIT_MS, LONG, underWrites } from './scenario.ts';

const lab = useFailoverLab({
  imagesPerGroup: IMAGES_PER_GROUP,
  ceph: { monitors: 3, lifeSeconds: LONG ? 3600 : 1800 },
});

afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return;
  await lab.repair(); // so that what comes next is judged by itself
  await lab.balanced();
});

async function incarnationOf(node: GatewayNode): Promise<string | undefined> {
  const { gateways } = await lab.call('list_gateways', {});
  return gateways.find(({ name }) => name === node.name)?.incarnation;
}

/** A gateway that owns a group and does not lead. */
async function owningFollower(): Promise<{ node: GatewayNode; group: number }> {
  const leader = await lab.leader();
  for (const { id, owner } of await lab.anaGroups())
    if (owner !== undefined && owner !== leader.name) return { node: lab.named(owner), group: id };
  throw new Error('the leader owns everything');
}

describe('a gateway', () => {
  it('is killed', async () => {
    const { node, group } = await owningFollower();
    await underWrites(lab, LIMIT_MS.crash, async () => {
      await node.stop('SIGKILL');
      await lab.untilMoved(node, group);
      await node.start();
    });
  });

  it('that leads is killed', async () => {
    const leader = await lab.leader();
    await underWrites(lab, LIMIT_MS.silent, async () => {
      await leader.stop('SIGKILL');
      for (const { id } of await lab.anaGroups()) await lab.untilMoved(leader, id);
      expect(await lab.leader()).not.toBe(leader);
      await leader.start();
    });
  });

  it('that leads is killed together with another', async () => {
    const leader = await lab.leader();
    const { node } = await owningFollower();
    await underWrites(lab, LIMIT_MS.silent, async () => {
      await Promise.all([leader.stop('SIGKILL'), node.stop('SIGKILL')]);
      for (const { id } of await lab.anaGroups()) {
        await lab.untilMoved(leader, id);
        await lab.untilMoved(node, id);
      }
      await Promise.all([leader.start(), node.start()]);
    });
  });

  it('two at once, neither leading, are killed', async () => {
    const leader = await lab.leader();
    const followers = lab.running.filter((node) => node !== leader);
    await underWrites(lab, LIMIT_MS.silent, async () => {
      await Promise.all(followers.map((node) => node.stop('SIGKILL')));
      for (const { id } of await lab.anaGroups())
        for (const node of followers) await lab.untilMoved(node, id);
      await Promise.all(followers.map((node) => node.start()));
    });
  });

  for (const seconds of LONG ? [5, 20, 60] : [5, 20])
    it(`is frozen for ${seconds} s with writes in its hands: fenced, and joins anew when it wakes`, async () => {
      const { node, group } = await owningFollower();
      const before = await incarnationOf(node);
      await underWrites(lab, LIMIT_MS.silent, async () => {
        node.signal('SIGSTOP');
        await Promise.all([sleep(seconds * 1000), lab.untilMoved(node, group)]);
        node.signal('SIGCONT');
      });
      expect(await incarnationOf(node)).not.toBe(before);
      expect(node.running).toBe(true);
    });

  it('that leads is frozen for 5 s', async () => {
    const leader = await lab.leader();
    await underWrites(lab, LIMIT_MS.silent, async () => {
      leader.signal('SIGSTOP');
      await sleep(5000);
      leader.signal('SIGCONT');
    });
  });

  for (const cable of ['ceph', 'all'] as const)
    it(`is cut off from ${cable === 'ceph' ? 'Ceph' : 'everything'}: others serve, and it comes back`, async () => {
      const { node, group } = await owningFollower();
      await underWrites(lab, LIMIT_MS.silent, async () => {
        await node.cut(cable);
        await lab.untilMoved(node, group);
        await sleep(2000);
        await node.heal();
      });
    });

  for (const how of ['silent', 'unplug'] as const)
    it(`is cut off from the hosts (${how}): hands over without a fence, and gets its group back`, async () => {
      const { node, group } = await owningFollower();
      const before = await incarnationOf(node);
      await underWrites(lab, LIMIT_MS.silent, async () => {
        await node.cut('host', how);
        await lab.untilMoved(node, group);
        await node.heal();
      });
      expect(await incarnationOf(node)).toBe(before);
    });
});

describe('Ceph', () => {
  const PAUSE_S = LONG ? 60 : 20;

  it(`is paused for ${PAUSE_S} s: nobody is fenced, nothing changes hands`, async () => {
    const blocklist = (): Promise<string> => lab.ceph.ceph('osd', 'blocklist', 'ls', '-f', 'json');
    const changes = async (): Promise<unknown> => (await lab.call('list_ownership_changes', {})).changes;
    const before = [await blocklist(), await changes()];
    const { linux } = await underWrites(lab, (PAUSE_S + 6) * 1000, async () => {
      await lab.ceph.ceph('osd', 'pause');
      await sleep(PAUSE_S * 1000);
      await lab.ceph.ceph('osd', 'unpause');
    });
    expect([await blocklist(), await changes()]).toEqual(before);
    for (const { longestGapMs } of linux.devices) expect(longestGapMs).toBeGreaterThan(PAUSE_S * 900);
  });

  it('has the client of a group put on its blocklist by somebody else: the group is served again', async () => {
    const [nsid] = lab.nsids(1);
    await underWrites(lab, LIMIT_MS.silent, async () => {
      const address = await lab.ceph.lockOwner(`rbd/disk${nsid}`);
      await lab.ceph.ceph('osd', 'blocklist', 'add', address);
      await sleep(3000);
    });
  });

  it('loses the leader of its monitors, and then a gateway dies', async () => {
    const status = JSON.parse(await lab.ceph.ceph('quorum_status', '-f', 'json'));
    const monitor = `mon.${status.quorum_leader_name}`;
    const { node, group } = await owningFollower();
    await underWrites(lab, LIMIT_MS.silent, async () => {
      await lab.ceph.script('kill', monitor);
      await sleep(1000);
      await node.stop('SIGKILL');
      await lab.untilMoved(node, group);
      await lab.ceph.script('revive', monitor);
      await node.start();
    });
  });
});
