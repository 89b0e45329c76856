/** Says on a terminal that something takes long, and takes it back when it is over. */
import type { Timer, Timers } from '../base/clock.ts';

const PATIENCE_MS = 1000;

/** Writes without a line end; present only where standard error is a terminal. */
export type Progress = (text: string) => void;

const ERASE_LINE = '\r\u001b[K';

/** @param what is under way: "Asking gw-a:5500: rebalance" */
export async function withProgress<T>(
  what: string,
  work: Promise<T>,
  progress: Progress | undefined,
  timers: Timers,
): Promise<T> {
  if (progress === undefined) return work;
  let seconds = 0;
  const say = (): void => {
    seconds += 1;
    progress(`${ERASE_LINE}${what} ... ${seconds} s`);
    timer = timers.after(PATIENCE_MS, say);
  };
  let timer: Timer = timers.after(PATIENCE_MS, say);
  try {
    return await work;
  } finally {
    timer.cancel();
    if (seconds > 0) progress(ERASE_LINE);
  }
}
