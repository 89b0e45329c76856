import { beforeEach, describe, expect, it } from 'vitest';
import { ClientLease } from '../../../src/monitor/rados/lease-renewal.ts';
import { ObjectReading, RadosError, type ReadOperation } from '../../../src/node-rados/lib/node-rados.ts';
import { ManualClock } from '../../base/manual-clock.ts';

const LIMIT_MS = 1000;
const ETIMEDOUT = 110;
const EBLOCKLISTED = 108;

/** A question that an object was asked and that has no answer yet. */
interface Asked {
  object: string;
  revoked(isRevoked: boolean): Promise<void>;
  fail(errno: number): Promise<void>;
}

describe('The lease of a client', () => {
  let clock: ManualClock;
  let asked: Asked[];
  let lease: ClientLease;
  beforeEach(() => {
    clock = new ManualClock();
    asked = [];
    const readObject = (object: string, _operation: ReadOperation) =>
      new Promise<ObjectReading>((resolve, reject) => {
        const settle = async (how: () => void) => {
          asked.splice(asked.indexOf(one), 1);
          how();
          await new Promise(setImmediate);
        };
        const reading = (isRevoked: boolean) =>
          new ObjectReading(1, [[isRevoked ? [['revoked.a', Buffer.alloc(0)]] : [], false]]);
        const one: Asked = {
          object,
          revoked: (isRevoked) => settle(() => resolve(reading(isRevoked))),
          fail: (errno) => settle(() => reject(new RadosError('read', errno))),
        };
        asked.push(one);
      });
    lease = new ClientLease({ readObject }, ['x', 'y', 'z'], 'a', clock);
  });

  const of = (object: string) => asked.find((one) => one.object === object)!;

  /** What became of a renewal, by now. */
  function follow(renewal: Promise<boolean>): () => Promise<string> {
    let outcome = 'open';
    renewal.then(
      (isGranted) => {
        outcome = isGranted ? 'granted' : 'revoked';
      },
      (error: NodeJS.ErrnoException) => {
        outcome = error.code!;
      },
    );
    return async () => {
      await new Promise(setImmediate);
      return outcome;
    };
  }

  it('goes on as soon as two of three objects know of no revocation', async () => {
    const outcome = follow(lease.renew(LIMIT_MS));
    await of('y').revoked(false);
    expect(await outcome()).toBe('open');
    await of('x').revoked(false);
    expect(await outcome()).toBe('granted');
    expect(clock.armed).toBe(0);
  });

  it('is over as soon as one object knows of a revocation', async () => {
    const outcome = follow(lease.renew(LIMIT_MS));
    await of('z').revoked(true);
    expect(await outcome()).toBe('revoked');
  });

  it('goes on without an object that fails, and not without two', async () => {
    const one = follow(lease.renew(LIMIT_MS));
    await of('x').fail(5);
    await of('y').revoked(false);
    expect(await one()).toBe('open');
    await of('z').revoked(false);
    expect(await one()).toBe('granted');
    const other = follow(lease.renew(LIMIT_MS));
    await of('x').fail(2);
    await of('y').fail(2);
    expect(await other()).toBe('ENOENT');
  });

  it('is over for a fenced client, whoever says so', async () => {
    const outcome = follow(lease.renew(LIMIT_MS));
    await of('y').revoked(false);
    await of('x').fail(EBLOCKLISTED);
    expect(await outcome()).toBe('EBLOCKLISTED');
  });

  it('has an end of waiting', async () => {
    const outcome = follow(lease.renew(LIMIT_MS));
    await of('y').revoked(false);
    clock.advance(LIMIT_MS - 1);
    expect(await outcome()).toBe('open');
    clock.advance(1);
    expect(await outcome()).toBe('ETIMEDOUT');
  });

  it('is not prolonged by an answer to an older question', async () => {
    const first = follow(lease.renew(LIMIT_MS));
    clock.advance(LIMIT_MS);
    expect(await first()).toBe('ETIMEDOUT');
    const second = follow(lease.renew(LIMIT_MS));
    for (const object of ['x', 'y', 'z']) await of(object).revoked(false);
    expect(await second()).toBe('open');
    await of('x').revoked(false);
    await of('z').revoked(false);
    expect(await second()).toBe('granted');
  });

  it('has one question under way at each object, however long there is no answer', async () => {
    for (let i = 0; i < 100; i += 1) {
      const outcome = follow(lease.renew(LIMIT_MS));
      clock.advance(LIMIT_MS);
      expect(await outcome()).toBe('ETIMEDOUT');
    }
    expect(asked.map(({ object }) => object)).toEqual(['x', 'y', 'z']);
    for (const object of ['x', 'y', 'z']) await of(object).fail(ETIMEDOUT);
    expect(asked).toEqual([]);
    const outcome = follow(lease.renew(LIMIT_MS));
    for (const object of ['x', 'y']) await of(object).revoked(false);
    expect(await outcome()).toBe('granted');
  });
});
