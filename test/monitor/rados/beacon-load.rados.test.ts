/** As many gateways as a group is made for, all telling of themselves. */
import { expect, it } from 'vitest';
import type { RadosCoordination } from '../../../src/monitor/rados/rados-coordination.ts';
import { describeWithCeph } from '../../node-rados/harness/with-cluster.ts';
import { beaconOf } from './beacon-of.ts';
import { GroupRig } from './rig.ts';

const GATEWAYS = 16;
const BEACONS = 500;
/** A beacon with eight groups and ten hosts. */
const LOADED = {
  groups: Array.from({ length: 8 }, (_, i) => ({ id: i + 1, activity: 'standby' as const, leased: false })),
  hosts: Array.from(
    { length: 10 },
    (_, i) => `nqn.2014-08.org.nvmexpress:uuid:00000000-0000-0000-0000-00000000000${i}`,
  ),
};

function percentiles(times: number[]): string {
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(share * (times.length - 1))]!.toFixed(1);
  return `median ${at(0.5)}, p99 ${at(0.99)}, worst ${at(1)} ms`;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

describeWithCeph(`${GATEWAYS} gateways`, () => {
  it(`write ${BEACONS} beacons each as fast as they can, and all read the last of each`, async () => {
    const rig = new GroupRig();
    const gateways = await Promise.all(Array.from({ length: GATEWAYS }, () => rig.open()));
    const writes: number[] = [];
    const write = async (one: RadosCoordination, at: number) => {
      for (let sequence = 1; sequence <= BEACONS; sequence += 1)
        writes.push(await timed(() => one.writeBeacon(beaconOf(`${at}`, sequence, LOADED))));
    };
    const tookMs = await timed(() => Promise.all(gateways.map(write)));
    const perSecond = ((GATEWAYS * BEACONS) / tookMs) * 1000;

    const sequences = async (one: RadosCoordination) =>
      (await one.readBeacons()).map(({ sequence }) => sequence);
    const last = new Array(GATEWAYS).fill(BEACONS);
    for (const one of gateways) await expect.poll(() => sequences(one)).toEqual(last);

    const reads: number[] = [];
    for (let round = 0; round < 20; round += 1)
      await Promise.all(
        gateways.map(async (one) => {
          await one.writeBeacon(beaconOf('x', round + 1, LOADED));
          reads.push(await timed(() => one.readBeacons()));
        }),
      );
    process.stderr.write(
      `${GATEWAYS} gateways: ${perSecond.toFixed(0)} beacons/s, write ${percentiles(writes)}; read ${percentiles(reads)}\n`,
    );
    // Each writes two a second; there must be room.
    expect(perSecond).toBeGreaterThan(GATEWAYS * 2 * 10);
  });
});
