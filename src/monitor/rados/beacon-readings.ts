/** Beacons of several objects, put together. */
import type { Timer, Timers } from '../../base/clock.ts';
import type { Beacon } from '../beacon.ts';
import type { BeaconObject } from './beacon-object.ts';
import { isFence, majorityOf } from './enough.ts';

/** Objects that answered before are waited for so long after the first answer. */
const STRAGGLER_MS = 50;

type Reading = ReadonlyMap<string, Beacon>;

/**
 * Reads all objects. Resolves once all have answered that answered the last time, or {@link STRAGGLER_MS} after the first
 * answer, with what is there until then. Rejects when none answers at all, or when one says EBLOCKLISTED.
 */
export function readAll(objects: readonly BeaconObject[], timers: Timers): Promise<readonly Beacon[]> {
  // One with a reading under way did not answer in time: if it does now that is good, but it is not waited for.
  const prompt = new Set(objects.filter((object) => !object.isReading));
  const readings: Reading[] = [];
  let failures = 0;
  return new Promise((resolve, reject) => {
    let straggling: Timer | null = null;
    const end = () => {
      straggling?.cancel();
      resolve(newest(readings));
    };
    const settled = (object: BeaconObject) => {
      prompt.delete(object);
      if (readings.length > 0 && prompt.size === 0) end();
    };
    for (const object of objects) {
      object.read().then(
        (reading) => {
          readings.push(reading);
          straggling ??= timers.after(STRAGGLER_MS, end);
          settled(object);
        },
        (error: Error) => {
          failures += 1;
          if (isFence(error) || failures === objects.length) reject(error);
          settled(object);
        },
      );
    }
  });
}

/**
 * The newest beacon of each incarnation that most of the objects know. What only fewer know is a leftover: it was removed
 * while the others could not be reached.
 */
function newest(readings: readonly Reading[]): Beacon[] {
  const counts = new Map<string, number>();
  const beacons = new Map<string, Beacon>();
  for (const reading of readings) {
    for (const [incarnation, beacon] of reading) {
      counts.set(incarnation, (counts.get(incarnation) ?? 0) + 1);
      const known = beacons.get(incarnation);
      if (known === undefined || known.sequence < beacon.sequence) beacons.set(incarnation, beacon);
    }
  }
  const needed = majorityOf(readings.length);
  return [...beacons.values()].filter(({ incarnation }) => counts.get(incarnation)! >= needed);
}
