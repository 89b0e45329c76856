/** The leader's ends of its followers' streams. */
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { Clock, Timer, Timers } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { LIMITS } from '../limits.ts';
import type { Beacon } from '../monitor/beacon.ts';
import type { Holder } from '../monitor/group-map.ts';
import { decodeBeacon } from '../monitor/map-codec.ts';
import type { FollowerEvents } from '../monitor/peer-stream.ts';
import { LatestSender } from './latest-sender.ts';
import { ALIVE_MS, type FromFollower, type FromLeader } from './peer-proto.ts';
import { isPeerHere, isProcessGone } from './process-probe.ts';

export type FollowerStream = ServerDuplexStream<FromFollower, FromLeader>;

/** Each gateway has one, and perhaps one that is broken and does not know it yet. */
const MAX_CALLS = 2 * LIMITS.maxSlots;
/** Who does not say who it is by then is sent away. */
const HELLO_MS = 5000;

export interface FollowerCallsOptions {
  /** Tells this group of gateways from all others, in this cluster and elsewhere. */
  readonly group: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

export class FollowerCalls {
  readonly #options: FollowerCallsOptions;
  readonly #calls = new Set<FollowerCall>();
  #events: FollowerEvents | null = null;
  #epoch = 0;

  constructor(options: FollowerCallsOptions) {
    this.#options = options;
  }

  /** A stream begins. */
  accept(stream: FollowerStream): void {
    if (this.#events === null) refuse(stream, status.FAILED_PRECONDITION, 'this gateway does not lead');
    else if (this.#calls.size >= MAX_CALLS) refuse(stream, status.RESOURCE_EXHAUSTED, 'too many followers');
    else this.#calls.add(new FollowerCall(stream, this.#options, this.#listener()));
  }

  serve(events: FollowerEvents | null): void {
    this.#events = events;
    this.#epoch = 0;
    if (events === null) for (const call of [...this.#calls]) call.farewell();
  }

  push(epoch: number): void {
    this.#epoch = epoch;
    for (const call of this.#calls) call.say(epoch);
  }

  #listener(): CallListener {
    return {
      epoch: () => this.#epoch,
      onHello: (call) => this.#replaceOlder(call),
      onBeacon: (text, follower) => {
        const beacon = decodeBeacon(text);
        if (beacon?.incarnation !== follower.incarnation || beacon.gateway !== follower.gateway) return null;
        this.#events?.onBeacon(beacon);
        return beacon;
      },
      onEnd: (call, abrupt) => {
        this.#calls.delete(call);
        if (call.follower !== null) void this.#tellEnd(call.follower, abrupt ? call.port : null);
      },
    };
  }

  /** `port`: the management port of a follower whose stream broke without a word; null: it did not. */
  async #tellEnd(follower: Holder, port: ManagementPort | null): Promise<void> {
    const { timers, log } = this.#options;
    const isGone = port !== null && (await isProcessGone(port.host, port.port, timers, port.isHere));
    if ([...this.#calls].some((call) => call.follower?.incarnation === follower.incarnation)) return;
    if (port !== null && !isGone)
      log.warn({ ...follower, ...port }, 'the stream of a gateway broke, but its process seems to live');
    this.#events?.onEnd(follower, isGone);
  }

  /** A follower that comes again has given its older stream up. */
  #replaceOlder(newer: FollowerCall): void {
    for (const call of this.#calls) {
      if (call === newer || call.follower?.incarnation !== newer.follower?.incarnation) continue;
      this.#calls.delete(call);
      call.farewell();
    }
  }
}

/** Where a gateway is managed, and its peers reach it. */
interface ManagementPort {
  readonly host: string;
  readonly port: number;
  /** Its process is on this machine. */
  readonly isHere: boolean;
}

interface CallListener {
  /** Of the newest map. */
  epoch(): number;
  onHello(call: FollowerCall): void;
  /** Returns the beacon, if it is one of this follower. */
  onBeacon(text: string, follower: Holder): Beacon | null;
  /** Once, unless it was told farewell. */
  onEnd(call: FollowerCall, abrupt: boolean): void;
}

class FollowerCall {
  /** Null until it has said who it is. */
  follower: Holder | null = null;
  /** As its last beacon says. */
  port: ManagementPort = { host: '', port: 0, isHere: false };
  readonly #stream: FollowerStream;
  readonly #options: FollowerCallsOptions;
  readonly #listener: CallListener;
  readonly #sender: LatestSender<FromLeader>;
  readonly #helloTimer: Timer;
  #heardMs: number;
  #ended = false;

  constructor(stream: FollowerStream, options: FollowerCallsOptions, listener: CallListener) {
    this.#stream = stream;
    this.#options = options;
    this.#listener = listener;
    this.#heardMs = options.clock.nowMs();
    this.#sender = new LatestSender((message, sent) => stream.write(message, sent));
    this.#helloTimer = options.timers.after(HELLO_MS, () => this.#sendAway('no hello'));
    stream.on('data', (message: FromFollower) => this.#hear(message));
    // Without a farewell: closed by the kernel, in one way or the other.
    stream.on('end', () => this.#lose());
    stream.on('cancelled', () => this.#lose());
    // A message that is none: the stream is over, and not because a process is.
    stream.on('error', () => this.#end(false));
  }

  say(epoch: number): void {
    if (this.follower !== null && !this.#ended) this.#sender.send({ epoch });
  }

  /** Ends the stream in peace; the listener is not told. */
  farewell(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#helloTimer.cancel();
    this.#stream.end();
  }

  #hear({ hello, beacon, farewell }: FromFollower): void {
    if (this.#ended) return;
    this.#heardMs = this.#options.clock.nowMs();
    if (this.follower === null) {
      if (!hello?.gateway || !hello.incarnation || hello.group !== this.#options.group) {
        this.#sendAway('no hello of this group');
        return;
      }
      this.#helloTimer.cancel();
      this.follower = { gateway: hello.gateway, incarnation: hello.incarnation };
      this.#listener.onHello(this);
    } else if (farewell) {
      this.#end(false);
    } else if (beacon !== undefined) {
      const heard = this.#listener.onBeacon(beacon, this.follower);
      const isHere = isPeerHere(this.#stream.getPeer());
      if (heard !== null) this.port = { host: heard.peerAddress, port: heard.peerPort, isHere };
    }
    this.say(this.#listener.epoch());
  }

  #sendAway(reason: string): void {
    this.#options.log.debug({ peer: this.#stream.getPeer(), reason }, 'no follower');
    refuse(this.#stream, status.INVALID_ARGUMENT, reason);
  }

  #lose(): void {
    this.#end(this.#options.clock.nowMs() - this.#heardMs <= ALIVE_MS);
  }

  #end(abrupt: boolean): void {
    if (this.#ended) return;
    this.farewell();
    this.#listener.onEnd(this, abrupt);
  }
}

function refuse(stream: FollowerStream, code: status, details: string): void {
  stream.emit('error', { code, details });
}
