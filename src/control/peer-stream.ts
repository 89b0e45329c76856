/** Streams between the gateways of a group over the management port. */
import type { Server } from '@grpc/grpc-js';
import type { Holder } from '../monitor/group-map.ts';
import type {
  FollowerEvents,
  LeaderStream,
  LeaderStreamEvents,
  PeerStreams,
} from '../monitor/peer-stream.ts';
import { FollowerCalls, type FollowerCallsOptions } from './follower-calls.ts';
import { LeaderCall } from './leader-call.ts';
import { peerService } from './peer-proto.ts';
import { type ClientTls, inTheClear } from './tls.ts';

export interface PeerStreamsOptions extends FollowerCallsOptions {
  /** How leaders are spoken to; absent: in the clear. */
  readonly tls?: ClientTls;
}

export class GrpcPeerStreams implements PeerStreams {
  readonly #options: PeerStreamsOptions;
  readonly #followers: FollowerCalls;

  constructor(options: PeerStreamsOptions) {
    this.#options = options;
    this.#followers = new FollowerCalls(options);
  }

  /** Has followers come in by this server, before it is bound. */
  addTo(server: Pick<Server, 'addService'>): void {
    server.addService(peerService, { Follow: this.#followers.accept.bind(this.#followers) });
  }

  follow(address: string, port: number, self: Holder, events: LeaderStreamEvents): LeaderStream {
    const { group, clock, timers, tls = inTheClear } = this.#options;
    const { gateway, incarnation } = self;
    const hello = { group, gateway, incarnation };
    return new LeaderCall(address, port, tls(address), hello, events, clock, timers);
  }

  serve(events: FollowerEvents | null): void {
    this.#followers.serve(events);
  }

  push(epoch: number): void {
    this.#followers.push(epoch);
  }
}
