/**
 * A process: its clocks, its event loop, its threads. What comes for it while it is held up waits, as it does in socket buffers
 * and timer queues, and is worked off when it goes on.
 */
import type { Clock, Timer, Timers } from '../../../src/base/clock.ts';
import type { SimEvent, Simulation } from './simulation.ts';

/**
 * stalled: the event loop is held up, the threads of librados go on. frozen: nothing of it runs (SIGSTOP). paused: its machine
 * stands still, and its monotonic clock with it.
 */
export type ProcessState = 'running' | 'stalled' | 'frozen' | 'paused' | 'dead';

const WALL_MS = Date.UTC(2026, 10, 20);
/** Between two things that an event loop has to catch up with. */
const CATCH_UP_MS = 0.03;

interface Letter {
  readonly isTimer: boolean;
  readonly fn: () => void;
}

/** A machine: a name in the network, an address, and the quality of its clock. */
export interface Node {
  readonly name: string;
  readonly address: string;
  /** Seconds of its monotonic clock in a true second. */
  readonly rate: number;
}

export class SimProcess implements Clock, Timers {
  readonly name: string;
  readonly node: Node;
  readonly simulation: Simulation;
  state: ProcessState = 'running';
  stateSinceMs: number;
  readonly #rate: number;
  #wallSkewMs: number;
  #anchorMs: number;
  #anchorLocalMs: number;
  /** What waits for the event loop, and for the threads. */
  #letters: Letter[] = [];
  #threadLetters: (() => void)[] = [];
  #pumping = false;

  constructor(simulation: Simulation, name: string, node: Node) {
    this.simulation = simulation;
    this.name = name;
    this.node = node;
    this.#rate = node.rate;
    this.#wallSkewMs = simulation.random.between(-50, 50);
    this.stateSinceMs = simulation.now;
    this.#anchorMs = simulation.now;
    this.#anchorLocalMs = simulation.random.between(1000, 1_000_000);
  }

  get isDead(): boolean {
    return this.state === 'dead';
  }

  // ---- clocks ----

  nowMs(): number {
    if (this.state === 'paused') return this.#anchorLocalMs;
    return this.#anchorLocalMs + (this.simulation.now - this.#anchorMs) * this.#rate;
  }

  wallMs(): number {
    return WALL_MS + this.simulation.now + this.#wallSkewMs;
  }

  /** Somebody sets the wall clock. */
  stepWall(ms: number): void {
    this.#wallSkewMs += ms;
  }

  after(ms: number, fn: () => void): Timer {
    return new SimTimer(this, Math.max(ms, 1), fn);
  }

  /** True time in which so much of its time passes, if nothing holds its clock up. */
  trueMs(localMs: number): number {
    return localMs / this.#rate;
  }

  // ---- what runs in it ----

  /** Runs `fn` in the event loop, now or when that goes on. Never after its death. */
  post(fn: () => void): void {
    this.#post({ isTimer: false, fn });
  }

  /** As {@link post}, but what waits to be worked off may have to wait for it. */
  postSoon(fn: () => void): void {
    if (this.#letters.length > 0 && this.simulation.random.chance(0.5)) {
      this.#letters.unshift({ isTimer: false, fn });
    } else this.post(fn);
  }

  /** As {@link post}, for what its timers call. */
  postTimer(fn: () => void): void {
    this.#post({ isTimer: true, fn });
  }

  /** Runs `fn` in a thread of a library. */
  postToThread(fn: () => void): void {
    if (this.state === 'running' || this.state === 'stalled') fn();
    else if (this.state !== 'dead') this.#threadLetters.push(fn);
  }

  /** Runs `fn` as the event loop does: for the world, when it knows that the process runs. */
  enter(fn: () => void): void {
    if (this.state === 'dead') return;
    this.simulation.touched = true;
    fn();
  }

  #post(letter: Letter): void {
    if (this.state === 'dead') return;
    if (this.state === 'running' && this.#letters.length === 0) this.enter(letter.fn);
    else this.#letters.push(letter);
  }

  // ---- what happens to it ----

  hold(state: 'stalled' | 'frozen' | 'paused'): void {
    if (this.state !== 'running') return;
    this.simulation.note(() => `${this.name} is ${state}`);
    this.#anchor();
    this.#become(state);
  }

  goOn(): void {
    if (this.state === 'running' || this.state === 'dead') return;
    this.simulation.note(() => `${this.name} goes on after being ${this.state}`);
    if (this.state === 'paused') this.#anchorMs = this.simulation.now;
    this.#become('running');
    const { random } = this.simulation;
    const timersFirst = random.chance(0.3);
    const [timers, others] = [
      this.#letters.filter((l) => l.isTimer),
      this.#letters.filter((l) => !l.isTimer),
    ];
    this.#letters = timersFirst ? [...timers, ...others] : [...others, ...timers];
    for (const fn of this.#threadLetters.splice(0)) {
      this.simulation.after(random.between(0, 0.3), () => this.postToThread(fn));
    }
    if (this.#letters.length > 0) this.#pump();
  }

  /** Nothing of it runs ever again. */
  kill(): void {
    if (this.state === 'dead') return;
    this.simulation.note(() => `${this.name} dies`);
    this.#become('dead');
    this.#letters = [];
    this.#threadLetters = [];
  }

  #become(state: ProcessState): void {
    this.state = state;
    this.stateSinceMs = this.simulation.now;
  }

  #anchor(): void {
    this.#anchorLocalMs = this.nowMs();
    this.#anchorMs = this.simulation.now;
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    this.simulation.after(CATCH_UP_MS, () => {
      this.#pumping = false;
      if (this.state !== 'running') return;
      const letter = this.#letters.shift();
      if (letter === undefined) return;
      if (this.#letters.length > 0) this.#pump();
      this.enter(letter.fn);
    });
  }
}

/** Fires when its time has passed on the clock of the process, or later. */
class SimTimer implements Timer {
  readonly #process: SimProcess;
  readonly #dueMs: number;
  #fn: (() => void) | null;
  #event: SimEvent;

  constructor(process: SimProcess, ms: number, fn: () => void) {
    this.#process = process;
    this.#dueMs = process.nowMs() + ms;
    this.#fn = fn;
    this.#event = this.#arm();
  }

  cancel(): void {
    this.#fn = null;
    this.#event.fn = null;
  }

  #arm(): SimEvent {
    const left = this.#dueMs - this.#process.nowMs();
    return this.#process.simulation.after(this.#process.trueMs(Math.max(left, 0)), () =>
      this.#process.postTimer(() => this.#expire()),
    );
  }

  #expire(): void {
    if (this.#fn === null) return;
    // its machine stood still, and its clock with it
    if (this.#process.nowMs() < this.#dueMs - 1e-6) this.#event = this.#arm();
    else this.#fn();
  }
}
