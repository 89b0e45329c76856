/** What can happen to a group of gateways. Each ends by itself what lasts; what it leaves dead, `FailoverLab.repair` starts. */
import type { FailoverLab } from '../../test/e2e/harness/failover-lab.ts';
import type { Cable, Cut, GatewayNode } from '../../test/e2e/harness/gateway-node.ts';
import type { Dice } from './dice.ts';

export interface Fault {
  readonly name: string;
  /** How often, relative to the others. */
  readonly weight: number;
  strike(lab: FailoverLab, dice: Dice): Promise<void>;
}

/** A second fault may have found the same gateway. */
async function end(node: GatewayNode, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (node.running) await node.stop(signal);
}

/** It may be killed again on the way, or find its cable cut. */
async function start(node: GatewayNode): Promise<void> {
  if (!node.running) await node.start().catch(() => {});
}

async function freeze(node: GatewayNode, dice: Dice): Promise<void> {
  if (node.running) node.signal('SIGSTOP');
  await dice.pause(10_000, 100);
  if (node.running) node.signal('SIGCONT');
}

/** The one that leads; any, while nobody says so. */
function leader(lab: FailoverLab, dice: Dice): Promise<GatewayNode> {
  return lab.leader().catch(() => dice.one(lab.nodes));
}

function cutOff(cable: Cable, how: Cut): Fault {
  return {
    name: `cut: ${cable}, ${how}`,
    weight: 1,
    strike: async (lab, dice) => {
      const node = dice.one(lab.nodes);
      await node.cut(cable, how);
      await dice.pause(10_000, 200);
      await node.heal(cable);
    },
  };
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'kill',
    weight: 3,
    strike: async (lab, dice) => {
      await end(dice.one(lab.nodes), 'SIGKILL');
      await dice.pause(5000);
    },
  },
  {
    name: 'kill and start at once',
    weight: 2,
    strike: async (lab, dice) => {
      const node = dice.one(lab.nodes);
      await end(node, 'SIGKILL');
      await start(node);
    },
  },
  {
    name: 'kill the leader',
    weight: 2,
    strike: async (lab, dice) => {
      await end(await leader(lab, dice), 'SIGKILL');
      await dice.pause(5000);
    },
  },
  {
    name: 'kill all but one',
    weight: 1,
    strike: async (lab, dice) => {
      const spared = dice.one(lab.nodes);
      await Promise.all(lab.nodes.filter((node) => node !== spared).map((node) => end(node, 'SIGKILL')));
      await dice.pause(6000);
    },
  },
  {
    name: 'kill all',
    weight: 1,
    strike: async (lab) => {
      await Promise.all(lab.nodes.map((node) => end(node, 'SIGKILL')));
    },
  },
  { name: 'freeze', weight: 3, strike: (lab, dice) => freeze(dice.one(lab.nodes), dice) },
  {
    name: 'freeze the leader',
    weight: 2,
    strike: async (lab, dice) => freeze(await leader(lab, dice), dice),
  },
  {
    name: 'freeze for a moment, again and again',
    weight: 1,
    strike: async (lab, dice) => {
      const node = dice.one(lab.nodes);
      for (let n = 0; n < 8; n++) {
        if (node.running) node.signal('SIGSTOP');
        await dice.pause(1500, 50);
        if (node.running) node.signal('SIGCONT');
        await dice.pause(500);
      }
    },
  },
  {
    name: 'restart',
    weight: 2,
    strike: async (lab, dice) => {
      const node = dice.one(lab.nodes);
      await end(node, 'SIGTERM');
      await dice.pause(2000);
      await start(node);
    },
  },
  {
    name: 'restart, killed on the way out',
    weight: 1,
    strike: async (lab, dice) => {
      const node = dice.one(lab.nodes);
      if (!node.running) return;
      const stopped = node.stop('SIGTERM');
      await dice.pause(150);
      if (node.running) void node.stop('SIGKILL');
      await stopped;
    },
  },
  ...(['host', 'ceph', 'all'] as const).flatMap((cable) => [
    cutOff(cable, 'silent'),
    cutOff(cable, 'unplug'),
  ]),
  {
    name: 'hand a group over',
    weight: 2,
    strike: async (lab, dice) => {
      const group = dice.one(await lab.anaGroups());
      const gateway = dice.one(lab.running).name;
      // refused when that gateway cannot take it just now
      await lab.call('move_ana_group', { ana_group: group.id, gateway }).catch(() => {});
      await dice.pause(3000);
      await lab
        .call('move_ana_group', { ana_group: group.id, gateway: group.home ?? gateway })
        .catch(() => {});
    },
  },
  {
    name: 'drain',
    weight: 1,
    strike: async (lab, dice) => {
      const gateway = dice.one(lab.nodes).name;
      await lab.call('change_gateway', { gateway, action: 'drain' }).catch(() => {});
      await dice.pause(5000);
      await lab.undrain();
    },
  },
  {
    name: 'somebody blocklists a client',
    weight: 1,
    strike: async (lab, dice) => {
      const nsid = dice.one([...lab.images.keys()]);
      // nobody has the lock between two owners
      const address = await lab.ceph.lockOwner(`rbd/disk${nsid}`).catch(() => null);
      if (address !== null) await lab.ceph.ceph('osd', 'blocklist', 'add', address);
      await dice.pause(3000);
    },
  },
  {
    name: 'pause the OSDs',
    weight: 1,
    strike: async (lab, dice) => {
      await lab.ceph.ceph('osd', 'pause');
      await dice.pause(12_000, 500);
      await lab.ceph.ceph('osd', 'unpause');
    },
  },
  {
    name: 'kill a Ceph monitor',
    weight: 1,
    strike: async (lab, dice) => {
      const monitor = `mon.${dice.one(['a', 'b', 'c'])}`;
      await lab.ceph.script('kill', monitor);
      await dice.pause(4000);
      await lab.ceph.script('revive', monitor);
    },
  },
  {
    name: 'kill an OSD',
    weight: 1,
    strike: async (lab, dice) => {
      await lab.ceph.script('kill', 'osd.0');
      await dice.pause(3000);
      await lab.ceph.script('revive', 'osd.0');
    },
  },
];
