/**
 * Where a gateway is in its life, and the requests that it does meanwhile: one at a time, and only while it serves. What is asked
 * for while it starts waits for the end of that.
 */
import type { Timers } from '../base/clock.ts';
import { AnagateError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { within } from '../base/within.ts';
import { LIMITS } from '../limits.ts';
import type { AnaStates } from '../target/ana.ts';

/**
 * Requests are planned anew this often when somebody else changed the configuration meanwhile. Each time somebody got
 * ahead, so that a group as large as can be comes to its end even if all gateways of it are asked without a pause.
 */
const CONFLICT_ATTEMPTS = 200;

export type LifeState = 'new' | 'starting' | 'serving' | 'stopping' | 'stopped';

export class Life {
  readonly #timers: Timers;
  #state: LifeState = 'new';
  /** The end of the start, whatever came of it. */
  readonly #started: Promise<void>;
  #startEnded: () => void = () => {};
  /** End of the request under way; the next one waits for it. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(timers: Timers) {
    this.#timers = timers;
    this.#started = new Promise((resolve) => {
      this.#startEnded = resolve;
    });
  }

  get state(): LifeState {
    return this.#state;
  }

  get serves(): boolean {
    return this.#state === 'serving';
  }

  become(state: LifeState): void {
    this.#state = state;
    if (state !== 'starting') this.#startEnded();
  }

  /** Rejects with STARTING_UP or SHUTTING_DOWN. */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    if (this.#state === 'starting') await within(LIMITS.startWaitMs, this.#timers, this.#started);
    const result = this.#turn
      .catch(() => {})
      .then(() => {
        if (!this.serves) {
          const code = this.#state === 'starting' ? 'STARTING_UP' : 'SHUTTING_DOWN';
          throw new AnagateError(code, `the gateway is ${this.#state}; try again later`);
        }
        return work();
      });
    this.#turn = result;
    return result;
  }

  /** Runs `request`, which plans, makes ready and commits; again if somebody else's commit came in between. */
  mutate<T>(request: () => Promise<T>): Promise<T> {
    return this.exclusive(() => untilCommitted(request));
  }

  /** Resolves at the end of the request under way; never rejects. */
  async quiet(): Promise<void> {
    await this.#turn.catch(() => {});
  }
}

/** Runs `request`, which plans and commits, again if somebody else's commit came in between; `follow` learns of that before. */
export async function untilCommitted<T>(
  request: () => Promise<T>,
  follow: () => Promise<void> = async () => {},
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await request();
    } catch (error) {
      const conflict = error instanceof AnagateError && error.code === 'STATE_VERSION_CONFLICT';
      if (!conflict || attempt >= CONFLICT_ATTEMPTS) throw error;
      await follow();
    }
  }
}

/** Waits for commands in flight, for at most {@link LIMITS.stopDrainMs}; new ones are held. */
export async function drainAll(ana: AnaStates, timers: Timers): Promise<void> {
  const drains = ana.groups
    .filter((group) => group.known && group.open)
    .map((group) => ana.drain(group.id, timers, LIMITS.stopDrainMs));
  await within(LIMITS.stopDrainMs, timers, Promise.all(drains));
  // The last answers leave at the end of this turn of the event loop.
  await new Promise((resolve) => setImmediate(resolve));
}

/** Closes devices of a gateway that stops; those that take longer than {@link LIMITS.stopCloseMs} are left to the end of the process. */
export async function closeInTime(
  devices: { closeAll(): Promise<void> },
  { timers, log }: { timers: Timers; log: Log },
): Promise<void> {
  const closed = devices.closeAll().then(() => true);
  if ((await within(LIMITS.stopCloseMs, timers, closed)) !== null) return;
  log.warn(
    {},
    'not all devices are closed yet; Ceph has this gateway as a watcher of its images for 30 s more',
  );
}
