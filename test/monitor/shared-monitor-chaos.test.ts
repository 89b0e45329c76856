/** Random faults on a small group: never served twice, and well again once the faults are over. test/sim does this in earnest. */
import { expect, it } from 'vitest';
import { type FakeGateway, FakeGroup } from './support/fake-group.ts';

const NAMES = ['gw-a', 'gw-b', 'gw-c'];
const SEEDS = Number(process.env.SEEDS ?? 12);
const FIRST = Number(process.env.FIRST_SEED ?? 1);

/** Small and repeatable. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed * 2654435761;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 0x9e3779b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) % below;
  };
}

function latest(group: FakeGroup, name: string): FakeGateway {
  return group.gateways.findLast((gateway) => gateway.name === name)!;
}

function fault(group: FakeGroup, random: (below: number) => number): string {
  const name = NAMES[random(NAMES.length)];
  const gateway = latest(group, name);
  switch (random(12)) {
    case 0:
    case 1:
      if (gateway.process.alive) gateway.kill();
      return `kill ${name}`;
    case 2:
    case 3:
      if (!gateway.process.alive) group.add(name);
      return `start ${name}`;
    case 4:
      gateway.process.freeze();
      return `freeze ${name}`;
    case 5:
    case 6:
      gateway.process.thaw();
      return `thaw ${name}`;
    case 7:
      gateway.link.cut = true;
      return `cut ${name}`;
    case 8:
      gateway.link.mend();
      return `mend ${name}`;
    case 9:
      group.ceph.paused ? group.ceph.unpause() : group.ceph.pause();
      return 'pause or unpause';
    case 10:
      group.network.down = !group.network.down;
      return 'streams';
    default: {
      const target = NAMES[random(NAMES.length)];
      const move = { kind: 'move', group: 1 + random(3), gateway: target, force: true } as const;
      if (gateway.process.running) gateway.monitor.admin.request(move).catch(() => {});
      return `move ${move.group} to ${target}`;
    }
  }
}

function heal(group: FakeGroup): void {
  group.network.down = false;
  if (group.ceph.paused) group.ceph.unpause();
  for (const name of NAMES) {
    const gateway = latest(group, name);
    if (!gateway.process.alive) group.add(name);
    gateway.process.thaw();
    gateway.link.mend();
  }
}

for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
  it(`seed ${seed}`, async () => {
    const random = randomFrom(seed);
    const group = new FakeGroup();
    await group.settled(...NAMES);
    const story: string[] = [];
    try {
      for (let at = 0; at < 15; at += 1) {
        story.push(`${group.clock.nowMs()} ${fault(group, random)}`);
        await group.run(random(3000));
      }
      heal(group);
      story.push(`${group.clock.nowMs()} heal`);
      await group.until(
        'all groups are served',
        () => [1, 2, 3].every((id) => group.serverOf(id) !== null),
        12_000,
      );
      await group.run(8000);
      for (const id of [1, 2, 3]) expect(group.serverOf(id), `server of ${id}`).not.toBe(null);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${story.join('\n')}`);
    }
  }, 60_000);
}
