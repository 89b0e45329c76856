import { beforeEach, describe, expect, it } from 'vitest';
import { nullLog } from '../../../src/base/log.ts';
import { encodeBeacon } from '../../../src/monitor/map-codec.ts';
import { BeaconObject, type BeaconPool } from '../../../src/monitor/rados/beacon-object.ts';
import { readAll } from '../../../src/monitor/rados/beacon-readings.ts';
import { RadosError, type WriteOperation } from '../../../src/node-rados/lib/node-rados.ts';
import { ManualClock } from '../../base/manual-clock.ts';
import { beaconOf } from './beacon-of.ts';

const EBLOCKLISTED = 108;
const ETIMEDOUT = 110;

/** Turns of the event loop in which everything that can happen does. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** An object whose answers come when the test says so. */
class SlowObject implements BeaconPool {
  readonly beacons = new BeaconObject('object', this, nullLog);
  /** Sequences of the beacons that are being written. */
  readonly writes: { sequence: number; end(error?: Error): Promise<unknown> }[] = [];
  readonly reads: { end(answer: string[] | Error): Promise<unknown> }[] = [];

  write(_object: string, operation: WriteOperation): Promise<number> {
    const [, , [text]] = operation.steps.at(-1) as unknown as [number, string[], string[]];
    return new Promise((resolve, reject) => {
      const end = (error?: Error) => {
        if (error === undefined) resolve(1);
        else reject(error);
        return settle();
      };
      this.writes.push({ sequence: JSON.parse(text!).sequence as number, end });
    });
  }

  omapGetAll(): Promise<{ version: number; entries: Map<string, Buffer> }> {
    return new Promise((resolve, reject) => {
      const end = (answer: string[] | Error) => {
        if (answer instanceof Error) reject(answer);
        else resolve({ version: 1, entries: new Map(answer.map(entryOf)) });
        return settle();
      };
      this.reads.push({ end });
    });
  }
}

/** `a 3`: the third beacon of incarnation a. */
function entryOf(text: string): [string, Buffer] {
  const [incarnation, sequence] = text.split(' ');
  return [`beacon.${incarnation}`, Buffer.from(encodeBeacon(beaconOf(incarnation!, Number(sequence))))];
}

describe('An object with beacons', () => {
  it('is written one beacon at a time, and after a long one the newest', async () => {
    const object = new SlowObject();
    const done: number[] = [];
    for (let sequence = 1; sequence <= 5; sequence += 1)
      void object.beacons.put(beaconOf('a', sequence)).then(() => done.push(sequence));
    expect(object.writes.map(({ sequence }) => sequence)).toEqual([1]);
    await object.writes[0]!.end();
    expect(done).toEqual([1]);
    expect(object.writes.map(({ sequence }) => sequence)).toEqual([1, 5]);
    await object.writes[1]!.end();
    expect(done).toEqual([1, 2, 3, 4, 5]);
    void object.beacons.put(beaconOf('a', 6));
    expect(object.writes.map(({ sequence }) => sequence)).toEqual([1, 5, 6]);
  });

  it('is written on after a failure', async () => {
    const object = new SlowObject();
    const outcomes: string[] = [];
    for (const sequence of [1, 2])
      void object.beacons.put(beaconOf('a', sequence)).then(
        () => outcomes.push(`${sequence}`),
        () => outcomes.push(`${sequence} failed`),
      );
    await object.writes[0]!.end(new RadosError('write', ETIMEDOUT));
    await object.writes[1]!.end();
    expect(outcomes).toEqual(['1 failed', '2']);
  });
});

describe('Beacons of three objects', () => {
  let clock: ManualClock;
  let objects: SlowObject[];
  let outcome: string | null;
  beforeEach(() => {
    clock = new ManualClock();
    objects = [new SlowObject(), new SlowObject(), new SlowObject()];
    outcome = null;
  });

  function read(): void {
    outcome = null;
    readAll(
      objects.map(({ beacons }) => beacons),
      clock,
    ).then(
      (beacons) => {
        outcome = beacons
          .map(({ incarnation, sequence }) => `${incarnation} ${sequence}`)
          .sort()
          .join(', ');
      },
      (error: NodeJS.ErrnoException) => {
        outcome = error.code!;
      },
    );
  }

  const answer = (at: number, what: string[] | Error) => objects[at]!.reads.at(-1)!.end(what);

  it('are the newest of each that most objects know', async () => {
    read();
    await answer(0, ['a 1', 'b 5', 'left-behind 9']);
    await answer(1, ['a 2', 'b 4']);
    expect(outcome).toBeNull();
    await answer(2, ['a 1', 'b 5', 'new 1']);
    expect(outcome).toBe('a 2, b 5');
  });

  it('are there without an object that hangs: it is waited for a moment once, and not the next time', async () => {
    read();
    await answer(0, ['a 1']);
    await answer(1, ['a 1']);
    expect(outcome).toBeNull();
    clock.advance(50);
    await settle();
    expect(outcome).toBe('a 1');
    read();
    await answer(0, ['a 2']);
    await answer(1, ['a 2']);
    expect(outcome).toBe('a 2');
    expect(objects[2]!.reads).toHaveLength(1);
    await answer(2, ['a 1']);
    read();
    expect(objects[2]!.reads).toHaveLength(2);
  });

  it('are not there when no object answers, or when one says that this client is fenced', async () => {
    read();
    for (const at of [0, 1]) await answer(at, new RadosError('read', ETIMEDOUT));
    expect(outcome).toBeNull();
    await answer(2, new RadosError('read', ETIMEDOUT));
    expect(outcome).toBe('ETIMEDOUT');
    read();
    await answer(1, new RadosError('read', EBLOCKLISTED));
    expect(outcome).toBe('EBLOCKLISTED');
  });
});
