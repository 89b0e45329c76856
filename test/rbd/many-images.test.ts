/** A group of 500 images changes hands: how long that takes, with half of them being written. Prints its figures. */
import { expect, it } from 'vitest';
import type { RbdDevice } from '../../src/backend/rbd/rbd-device.ts';
import { BlockStatus } from '../../src/base/block-device.ts';
import { PromisedDevice } from '../backend/completions.ts';
import { describeWithCeph } from '../node-rados/harness/with-cluster.ts';
import { MIB, newImage, outside, RbdRig, writeUntilOk } from './rig.ts';

const IMAGES = 500;
const WRITTEN = IMAGES / 2;
const AT_ONCE = 16;

describeWithCeph('A group of many images', () => {
  it(`${IMAGES}, half of them being written, changes hands as planned, and after a fence`, {
    timeout: 300_000,
  }, async () => {
    const stalls = new Stalls();
    const names = await inParallel(Array.from({ length: IMAGES }), () => newImage(MIB));
    const fences = new Set<string>();
    const isFenced = (address: string): boolean => fences.has(address);
    const [one, two] = [new RbdRig(undefined, { isFenced }), new RbdRig(undefined, { isFenced })];
    const [ones, openMs] = await timed(() => inParallel(names, (name) => one.open(name)));
    const twos = await inParallel(names, (name) => two.open(name));
    say(`opened without locks: ${openMs} ms`);

    stalls.begin();
    const firstTake = await takeOver(one, ones);
    const load = new Load(ones.slice(0, WRITTEN));
    await load.drain();
    const [released, releaseMs] = await timed(() => one.backend.serve(1, false));
    expect(released).toBe(true);
    const secondTake = await takeOver(two, twos);
    say(`taken over ${firstTake}; released in ${releaseMs} ms; taken over ${secondTake}`);

    expect(await two.backend.serve(1, false)).toBe(true);
    await one.backend.serve(1, true);
    const { cluster } = await outside();
    fences.add(one.address());
    await cluster.blocklistAdd(one.address(), 600);
    await two.backend.waitForFences(1);
    say(`taken over from a fenced client ${await takeOver(two, twos)}`);
    say(`longest stall of the event loop: ${stalls.end()} ms`);
    expect(two.complaints).toEqual([]);
  });
});

/** Takes the group over; says when the first and the last image could be written. */
async function takeOver(rig: RbdRig, devices: readonly RbdDevice[]): Promise<string> {
  const startMs = performance.now();
  const served = rig.backend.serve(1, true);
  const writableMs = await Promise.all(
    devices.map(async (device, i) => {
      await writeUntilOk(device, 0, i % 256);
      return performance.now() - startMs;
    }),
  );
  expect(await served).toBe(true);
  const sorted = writableMs.sort((a, b) => a - b).map(Math.round);
  return `in ${sorted[0]} ms (first), ${sorted[IMAGES / 2]} ms (median), ${sorted.at(-1)} ms (last)`;
}

/** Writes to all devices, one write after the other on each, until the group is drained. */
class Load {
  #running = true;
  readonly #ends: Promise<void>[];

  constructor(devices: readonly RbdDevice[]) {
    this.#ends = devices.map((device) => this.#write(new PromisedDevice(device)));
  }

  async drain(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 300));
    this.#running = false;
    await Promise.all(this.#ends);
  }

  async #write(device: PromisedDevice): Promise<void> {
    while (this.#running) expect(await device.write(4096, Buffer.alloc(4096, 1))).toBe(BlockStatus.ok);
  }
}

/** How late timers are at worst. */
class Stalls {
  #worstMs = 0;
  #timer: NodeJS.Timeout | undefined;

  begin(): void {
    let lastMs = performance.now();
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      this.#worstMs = Math.max(this.#worstMs, nowMs - lastMs);
      lastMs = nowMs;
    }, 1);
  }

  end(): number {
    clearInterval(this.#timer);
    return Math.round(this.#worstMs);
  }
}

async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at] as T);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const startMs = performance.now();
  return [await work(), Math.round(performance.now() - startMs)];
}

function say(text: string): void {
  process.stderr.write(`  ${IMAGES} images: ${text}\n`);
}
