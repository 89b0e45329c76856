/** Bugs that a review found, each with the story that showed it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HostController } from '../initiator/controller.ts';
import { withHost } from './expectations.ts';
import { eventually, within } from './waiting.ts';
import { EXTERNAL, NS512, startWorld, type World, type WorldOptions } from './world.ts';

const MIB = 1024 * 1024;

describe.skipIf(EXTERNAL)('a backend that stands still and keeps every data buffer', () => {
  let world: World;
  let host: HostController;
  beforeEach(async () => {
    world = await startWorld({ settings: { bufferPoolBytes: MIB } } as WorldOptions);
    host = await HostController.connect({ ...world.a, subnqn: world.subnqn });
    const device = world.control!.device(NS512);
    device.hold();
    for (let i = 0; i < 4; i++) void host.write(NS512, i * 512, 512, Buffer.alloc(MIB / 4)).catch(() => {});
    await eventually('every buffer to be at the device', () => device.heldCount === 4);
    expect(world.control!.borrowedBytes()).toBe(MIB);
  });
  afterEach(async () => {
    world.control!.device(NS512).release();
    await host.drop();
    await eventually('every buffer to be back', () => world.control!.borrowedBytes() === 0);
    await world.stop();
  });

  it('does not keep a host from the ANA log', async () => {
    expect((await within('the ANA log', host.anaLog(), 2000)).groups.length).toBeGreaterThan(0);
  });

  it('does not keep another host from connecting', async () => {
    await within(
      'another host',
      withHost(world, {}, (other) => other.anaLog()),
      2000,
    );
  });
});
