/** A follower's end of its stream to the leader: one call, with a connection of its own. */
import { Client, type ClientDuplexStream, status } from '@grpc/grpc-js';
import type { Clock, Timers } from '../base/clock.ts';
import type { Beacon } from '../monitor/beacon.ts';
import { encodeBeacon } from '../monitor/map-codec.ts';
import type { LeaderStream, LeaderStreamEvents } from '../monitor/peer-stream.ts';
import { LatestSender } from './latest-sender.ts';
import {
  ALIVE_MS,
  type FromFollower,
  type FromLeader,
  followMethod,
  type Hello,
  MAX_MESSAGE_BYTES,
} from './peer-proto.ts';
import { isProcessGone } from './process-probe.ts';
import type { ChannelSecurity } from './tls.ts';

/** The farewell is waited for so long. */
const FAREWELL_MS = 500;

/** No pings: a peer whose event loop is busy, or that is stopped for a while, keeps its stream. */
const CHANNEL_OPTIONS = {
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
};

export class LeaderCall implements LeaderStream {
  readonly #client: Client;
  readonly #call: ClientDuplexStream<FromFollower, FromLeader>;
  readonly #sender: LatestSender<FromFollower>;
  readonly #events: LeaderStreamEvents;
  readonly #clock: Clock;
  readonly #timers: Timers;
  /** When the leader last said something. */
  #heardMs = Number.NEGATIVE_INFINITY;
  #closed = false;
  /** Taken leave of, by this end. */
  #left = false;
  readonly #host: string;
  readonly #port: number;
  readonly #ended: Promise<void>;

  constructor(
    host: string,
    port: number,
    { credentials, options }: ChannelSecurity,
    hello: Hello,
    events: LeaderStreamEvents,
    clock: Clock,
    timers: Timers,
  ) {
    this.#host = host;
    this.#port = port;
    this.#events = events;
    this.#clock = clock;
    this.#timers = timers;
    const target = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    this.#client = new Client(target, credentials, { ...CHANNEL_OPTIONS, ...options });
    const { path, requestSerialize, responseDeserialize } = followMethod;
    const call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.#call = call;
    this.#ended = new Promise((resolve) => {
      call.on('status', ({ code }) => {
        resolve();
        void this.#end(code);
      });
    });
    // Comes with the status that says the same.
    call.on('error', () => {});
    call.on('data', ({ epoch }: FromLeader) => {
      this.#heardMs = clock.nowMs();
      if (epoch > 0 && !this.#closed) events.onEpoch(epoch);
    });
    this.#sender = new LatestSender((message, sent) => call.write(message, sent));
    call.write({ hello });
  }

  send(beacon: Beacon): void {
    if (!this.#closed) this.#sender.send({ beacon: encodeBeacon(beacon) });
  }

  async close(): Promise<void> {
    this.#left = true;
    if (!this.#closed) {
      this.#closed = true;
      this.#sender.flush();
      this.#call.write({ farewell: true });
      const cut = this.#timers.after(FAREWELL_MS, () => this.#call.cancel());
      void this.#ended.then(() => cut.cancel());
    }
    await this.#ended;
  }

  async #end(code: status): Promise<void> {
    this.#client.close();
    if (this.#closed) return;
    this.#closed = true;
    // Any other status is the word of a living leader.
    const abrupt = code === status.UNAVAILABLE && this.#clock.nowMs() - this.#heardMs <= ALIVE_MS;
    const isGone = abrupt && (await isProcessGone(this.#host, this.#port, this.#timers));
    if (!this.#left) this.#events.onEnd(isGone);
  }
}
