/** A step is cheap beside the tick, also in the largest group. CPU time: the machine may be busy with other things. */
import { describe, expect, it } from 'vitest';
import { type MachineEvent, type MachineState, NOTHING, step } from '../../src/monitor/machine.ts';
import { FakeGateway, TIMES } from './machine-rig.ts';

const HOSTS = Array.from({ length: 1000 }, (_, at) => `nqn.2014-08.org.nvmexpress:uuid:host-${at}`);

function running(gateways: number, groups: number) {
  const populated = Array.from({ length: groups }, (_, at) => at + 1);
  const fakes = Array.from({ length: gateways }, (_, at) => new FakeGateway(`gw-${at}`));
  let ms = 0;
  let state: MachineState = NOTHING;
  const send = (event: MachineEvent) => step(state, event, { ms, wallMs: ms }, TIMES);
  const beacon = (fake: FakeGateway): MachineEvent => ({
    kind: 'beacon',
    beacon: fake.beacon({ populated, hosts: [...HOSTS] }),
  });
  for (let round = 0; round < 6; round += 1) {
    for (const fake of fakes) {
      fake.finishReleases();
      fake.apply(state.map);
      state = send(beacon(fake));
    }
    ms += 1000;
  }
  return { fakes, send, beacon };
}

/** Median CPU time, ms. */
function cost(work: () => void): number {
  const times = Array.from({ length: 31 }, () => {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  });
  return times.sort((a, b) => a - b)[15];
}

describe('a step takes a few ms', () => {
  for (const [gateways, groups] of [
    [16, 16],
    [32, 128],
  ])
    it(`with ${gateways} gateways, ${groups} groups and ${HOSTS.length} hosts`, () => {
      const { fakes, send, beacon } = running(gateways, groups);
      expect(cost(() => send(beacon(fakes[1])))).toBeLessThan(10);
      const { name, incarnation } = fakes[1];
      expect(cost(() => send({ kind: 'lost', gateway: name, incarnation, reason: 'silent' }))).toBeLessThan(
        20,
      );
    });
});
