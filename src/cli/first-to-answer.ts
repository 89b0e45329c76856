/** A race of equals in which the earlier ones of a list have a head start. */
import type { Timers } from '../base/clock.ts';

/**
 * Asks the first; the next one too when one has failed, or has said nothing for `headStartMs`.
 * @returns the first that answers
 * @throws AggregateError with the reason of each, in the order of the list, when all have failed
 */
export function firstToAnswer<T>(
  list: readonly T[],
  ask: (one: T) => Promise<void>,
  headStartMs: number,
  timers: Timers,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const failures: Error[] = [];
    let asked = 0;
    let failed = 0;
    const askNext = (): void => {
      const place = asked;
      if (place >= list.length) return;
      asked += 1;
      const one = list[place] as T;
      const impatience = timers.after(headStartMs, askNext);
      ask(one).then(
        () => {
          impatience.cancel();
          asked = list.length;
          resolve(one);
        },
        (error: Error) => {
          impatience.cancel();
          failures[place] = error;
          failed += 1;
          if (failed === list.length) reject(new AggregateError(failures));
          else askNext();
        },
      );
    };
    askNext();
  });
}
