/**
 * The right to serve an ANA group, which runs out unless it is renewed (ha-design S4). It is asked at each admission of a
 * command and again before each answer is handed to the transport, by the last reading of the clock.
 */
import type { WatchedClock } from './watched-clock.ts';

/** A renewal that was asked for. */
export interface LeaseRequest {
  readonly sentMs: number;
  /** See {@link Lease.end}. */
  readonly era: number;
}

export class Lease {
  /** Over from then on. */
  validUntilMs = Number.NEGATIVE_INFINITY;
  private readonly clock: WatchedClock;
  private era = 0;

  constructor(clock: WatchedClock) {
    this.clock = clock;
  }

  get isValid(): boolean {
    return this.clock.lastMs < this.validUntilMs;
  }

  /** {@link Lease.isValid} by the clock as it is now, for what does not begin with something that came from a host. */
  get isValidNow(): boolean {
    this.clock.nowMs();
    return this.isValid;
  }

  /** To be called when a renewal is sent: it counts from that moment. */
  ask(): LeaseRequest {
    return { sentMs: this.clock.nowMs(), era: this.era };
  }

  /** A renewal has succeeded. False when it came too late to count. */
  granted(request: LeaseRequest, durationMs: number): boolean {
    if (request.era !== this.era) return false;
    this.validUntilMs = Math.max(this.validUntilMs, request.sentMs + durationMs);
    this.clock.nowMs();
    return this.isValid;
  }

  /** Over at once: only what is asked for from now on counts. */
  end(): void {
    this.validUntilMs = Number.NEGATIVE_INFINITY;
    this.era += 1;
  }
}
