/** A thousand hosts at once: all served; then all reset and come back in the same moment. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HostController } from '../initiator/controller.ts';
import { liveBytes, openDescriptors } from './gauges.ts';
import { pattern } from './random.ts';
import { eventually } from './waiting.ts';
import { EXTERNAL, NS512, startWorld, type World } from './world.ts';

const HOSTS = 1000;
const MIB = 1024 * 1024;

describe.skipIf(EXTERNAL)('storm', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.stop());

  /** Connects every host at once (admin and one I/O queue) and serves each a read. */
  async function everybody(what: string, data: Buffer): Promise<HostController[]> {
    const began = performance.now();
    const times: number[] = [];
    const hosts = await Promise.all(
      Array.from({ length: HOSTS }, async (_, i) => {
        const path = i % 2 === 0 ? world.a : world.b;
        const host = await HostController.connect({
          ...path,
          subnqn: world.subnqn,
          ioQueues: 1,
          kato: 60_000,
        });
        const read = await host.read(NS512, 0, 8, 512);
        if (!read.data.equals(data)) throw new Error(`host ${i} read wrong data`);
        times.push(performance.now() - began);
        return host;
      }),
    );
    times.sort((x, y) => x - y);
    const seconds = (ms: number) => (ms / 1000).toFixed(2);
    process.stdout.write(
      `storm: ${HOSTS} hosts x 2 queues ${what}: all served in ${seconds(times[HOSTS - 1])} s, half in ${seconds(times[HOSTS / 2])} s\n`,
    );
    return hosts;
  }

  it('1000 hosts connect at once, then all reset and reconnect at once', async () => {
    const data = pattern(4096, 1);
    const first = await HostController.connect({ ...world.a, subnqn: world.subnqn });
    await first.write(NS512, 0, 8, data);
    await first.shutdown();
    const descriptors = openDescriptors();
    const before = liveBytes();

    let hosts = await everybody('connecting', data);
    expect(world.control!.controllerCount()).toBe(HOSTS);
    expect(new Set(hosts.map((host) => host.cntlid)).size).toBe(HOSTS);
    const perHost = (liveBytes() - before) / HOSTS;
    process.stdout.write(
      `storm: ${(perHost / 1024).toFixed(0)} KiB of live memory per host, initiator and target together\n`,
    );

    for (let round = 1; round <= 2; round++) {
      for (const host of hosts) {
        host.stopKeepAlive();
        host.admin.connection.reset();
        host.io[0].connection.reset();
      }
      hosts = await everybody(`reset and reconnecting, round ${round}`, data);
      await eventually('the old controllers to be gone', () => world.control!.controllerCount() === HOSTS);
    }
    for (const host of hosts) expect(host.violations).toEqual([]);

    await Promise.all(hosts.map((host) => host.drop()));
    hosts = [];
    await eventually('every controller to be gone', () => world.control!.controllerCount() === 0);
    await eventually('every connection to be gone', () => world.control!.connectionCount() === 0);
    expect(openDescriptors()).toBeLessThanOrEqual(descriptors);
    expect(world.control!.borrowedBytes()).toBe(0);
    await eventually('the memory to come back', () => liveBytes() - before < 24 * MIB);
  });
});
