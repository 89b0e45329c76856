/** The faults that are measured, and one run of each: fault, what came of it, all in order again. */
import type { FailoverLab } from '../../../test/e2e/harness/failover-lab.ts';
import type { GatewayNode } from '../../../test/e2e/harness/gateway-node.ts';
import { monotonicMs, type Recovery } from '../../../test/e2e/harness/verifying-load.ts';

export interface Case {
  name: string;
  /** What is asked of it with Ceph's default interval, ms; median and worst. */
  goal: string;
  /** Does it to the owner of the group; resolves with the gateways that were hit and the moment, as `monotonicMs` gives it. */
  fault(lab: FailoverLab, group: number, owner: GatewayNode): Promise<{ atMs: number; hit: GatewayNode[] }>;
}

export interface Run extends Recovery {
  /** Marks of the group's change of owner since the fault, ms: decided, fenced, released, serving. */
  marks: Record<string, number>;
}

/** Given up after so long. */
const LIMIT_MS = 60_000;

/** Kills at once, and tells the moment before. */
function killed(hit: GatewayNode[]): { atMs: number; hit: GatewayNode[] } {
  const atMs = monotonicMs();
  for (const node of hit) void node.stop('SIGKILL');
  return { atMs, hit };
}

/** The owner does not lead after this: a leader that is hit is a case of its own. */
async function followerOwns(lab: FailoverLab, group: number, owner: GatewayNode): Promise<GatewayNode> {
  if ((await lab.leader()) !== owner) return owner;
  await owner.stop('SIGTERM'); // another one leads
  await owner.start();
  await lab.balanced();
  return lab.owner(group);
}

export const CASES: readonly Case[] = [
  {
    name: 'crash',
    goal: 'first <= 1500, worst 3000',
    fault: async (lab, group, owner) => killed([await followerOwns(lab, group, owner)]),
  },
  {
    name: 'freeze',
    goal: 'first <= 4000, stuck <= 4000',
    fault: async (lab, group, owner) => {
      const hit = await followerOwns(lab, group, owner);
      const atMs = monotonicMs();
      hit.signal('SIGSTOP');
      return { atMs, hit: [hit] };
    },
  },
  {
    name: 'cut',
    goal: 'first <= 4000, stuck <= 4000',
    fault: async (lab, group, owner) => {
      const hit = await followerOwns(lab, group, owner);
      await hit.cut('all');
      return { atMs: monotonicMs(), hit: [hit] };
    },
  },
  {
    name: 'hand-over',
    goal: 'first <= 200',
    fault: async (lab, group, owner) => {
      const [to] = lab.running.filter((node) => node !== owner);
      const atMs = monotonicMs();
      await lab.call('move_ana_group', { ana_group: group, gateway: to.name });
      return { atMs, hit: [owner] };
    },
  },
  {
    name: 'restart',
    goal: 'first <= 200',
    fault: async (_lab, _group, owner) => {
      const atMs = monotonicMs();
      void owner.stop('SIGTERM');
      return { atMs, hit: [owner] };
    },
  },
  {
    name: 'leader',
    goal: 'first <= 6000',
    fault: async (lab, _group, owner) => {
      const leader = await lab.leader();
      return killed(leader === owner ? [owner] : [leader, owner]);
    },
  },
];

/** The fault, and what the load of the lab's agent saw of it. */
export async function measure(
  lab: FailoverLab,
  { fault }: Case,
  group: number,
  nsids: readonly number[],
): Promise<Run> {
  await lab.agent.begin();
  const wallMs = Date.now() - monotonicMs();
  const { atMs, hit } = await fault(lab, group, await lab.owner(group));
  const notAt = hit.map(({ address }) => address);
  const recovery = await lab.agent.recovery({ atMs, nsids, notAt, limitMs: LIMIT_MS });
  const marks = await changeSince(lab, group, atMs + wallMs);
  await restore(lab, group, hit);
  return { ...recovery, marks };
}

/** Puts right what a fault has left, and waits until all is balanced. */
export async function restore(lab: FailoverLab, group: number, hit: readonly GatewayNode[]): Promise<void> {
  await lab.repair();
  const { home } = (await lab.anaGroups()).find(({ id }) => id === group) ?? {};
  // a group that an operator moved stays until it is moved back
  if (home !== undefined && hit.some(({ name }) => name === home))
    await lab.call('move_ana_group', { ana_group: group, gateway: home, force: true }).catch(() => {});
  await lab.balanced();
}

async function changeSince(lab: FailoverLab, group: number, wallMs: number): Promise<Record<string, number>> {
  const { changes } = await lab.call('list_ownership_changes', {});
  const since = changes.findLast(
    ({ ana_group, marks }) => ana_group === group && marks.some(({ at_ms }) => Number(at_ms) >= wallMs),
  );
  return Object.fromEntries((since?.marks ?? []).map(({ name, at_ms }) => [name, Number(at_ms) - wallMs]));
}
