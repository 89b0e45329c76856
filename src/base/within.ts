/** A limit on how long something is waited for. */
import type { Timer, Timers } from './clock.ts';

/** What `work` comes to; null when that takes longer than `ms`. The work goes on; how it ends then is nobody's matter. */
export async function within<T>(ms: number, timers: Timers, work: Promise<T>): Promise<T | null> {
  let timer: Timer | undefined;
  const limit = new Promise<null>((resolve) => {
    timer = timers.after(ms, () => resolve(null));
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    timer?.cancel();
  }
}
