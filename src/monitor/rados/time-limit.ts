/** A limit for what a cluster that does not answer would keep waiting. */
import { constants } from 'node:os';
import type { Timers } from '../../base/clock.ts';
import { RadosError } from '../../node-rados/lib/node-rados.ts';

/**
 * Settles as `work` does, or rejects with ETIMEDOUT after `limitMs`. What was sent may come true later all the same: librados
 * would say no more, as it cannot call an operation back either.
 */
export function within<T>(work: Promise<T>, limitMs: number, timers: Timers, operation: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = timers.after(limitMs, () => reject(timedOut(operation)));
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}

export function timedOut(operation: string): RadosError {
  return new RadosError(operation, constants.errno.ETIMEDOUT);
}
