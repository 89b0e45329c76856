/** The CLI's side of the gRPC connection to a gateway. */
import { constants } from 'node:os';
import { Client, type ServiceError, status } from '@grpc/grpc-js';
import { systemClock, systemTimers } from '../base/clock.ts';
import {
  GATEWAY_SERVICE_NAME,
  gatewayService,
  type RpcAnswer,
  type RpcName,
  type RpcRequest,
} from '../control/gateway-proto.ts';
import type { Sent } from '../control/gateway-types.ts';
import type { ClientTls } from '../control/tls.ts';
import { firstToAnswer } from './first-to-answer.ts';
import { type Server, serverText } from './server-list.ts';

const { ECONNREFUSED, EIO, EMSGSIZE, ENOTSUP, ETIMEDOUT } = constants.errno;

const MIB = 1024 * 1024;
/** A list of 4096 namespaces is about 2 MiB. */
export const MAX_MESSAGE_MIB = 64;
/** Of several gateways the next one is asked too when one has said nothing for so long. */
const HEAD_START_MS = 300;
/** One that does not say within so long whether it serves is passed over. */
const PROBE_LIMIT_MS = 5000;

/** There is no answer. `errno` becomes the exit status. */
export class CallFailure extends Error {
  readonly errno: number;
  constructor(errno: number, message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'CallFailure';
    this.errno = errno;
  }
}

/** How gateways are spoken to. */
export interface Speaking {
  /** Of one call, connecting included. */
  timeoutMs: number;
  tls: ClientTls;
  /** With certificates. */
  secure: boolean;
  /** Longest message in either direction, MiB; absent: {@link MAX_MESSAGE_MIB}. */
  maxMessageMib?: number | undefined;
}

/** One of several gateways, for all calls: the first that serves; when none does, the first that answers at all. */
export class GatewayClient {
  readonly #connections: readonly Connection[];
  readonly #speaking: Speaking;
  /** Clients of other gateways, which end with this one. */
  readonly #others: GatewayClient[] = [];
  #chosen: Promise<Connection> | null = null;

  /** @param servers at least one */
  constructor(servers: readonly Server[], speaking: Speaking) {
    this.#speaking = speaking;
    this.#connections = servers.map((server) => new Connection(server, speaking));
  }

  /** The gateways' addresses and ports, as messages name them. */
  get target(): string {
    return this.#connections.map(({ target }) => target).join(', ');
  }

  /** @throws CallFailure when the gateway cannot be reached, does not answer or fails; a refusal is an answer */
  async call<R extends RpcName>(rpc: R, request: Sent<RpcRequest<R>>): Promise<RpcAnswer<R>> {
    this.#chosen ??= this.#choose();
    return (await this.#chosen).call(rpc, request);
  }

  /** A client of another gateway, for calls that take at most `limitMs`; it ends with this one. */
  at(server: Server, limitMs: number): GatewayClient {
    const timeoutMs = Math.min(limitMs, this.#speaking.timeoutMs);
    const other = new GatewayClient([server], { ...this.#speaking, timeoutMs });
    this.#others.push(other);
    return other;
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
    for (const other of this.#others) other.close();
  }

  /** Which one serves is asked first, with a question that changes nothing: a request must not be done twice. */
  async #choose(): Promise<Connection> {
    const [only, ...others] = this.#connections;
    if (others.length === 0) return only!;
    try {
      return await firstToAnswer(
        this.#connections,
        (connection) => connection.probe(),
        HEAD_START_MS,
        systemTimers,
      );
    } catch (error) {
      const failures = (error as AggregateError).errors as Error[];
      // It says for itself what it can do while it starts.
      const starting = this.#connections.find((_, i) => failures[i] instanceof NotServing);
      if (starting !== undefined) return starting;
      const reasons = failures.map((failure, i) => `${this.#connections[i]!.target} (${failure.message})`);
      throw new CallFailure(ECONNREFUSED, `none of the gateways answers: ${reasons.join(', ')}`, error);
    }
  }
}

/** A health check's request for the Gateway service, which is there when the gateway has started; its answer SERVING; as bytes. */
const HEALTH = {
  path: '/grpc.health.v1.Health/Check',
  request: Buffer.from(`\n\u0007${GATEWAY_SERVICE_NAME}`),
  serving: Buffer.from([8, 1]),
};

/** It answers, and its Gateway service is not to be used. */
class NotServing extends Error {}

class Connection {
  readonly target: string;
  readonly #client: Client;
  readonly #speaking: Speaking;

  constructor(server: Server, speaking: Speaking) {
    this.target = serverText(server);
    this.#speaking = speaking;
    const { credentials, options } = speaking.tls(server.host);
    this.#client = new Client(this.target, credentials, {
      ...options,
      'grpc.max_receive_message_length': this.#maxMessageMib * MIB,
      'grpc.max_send_message_length': this.#maxMessageMib * MIB,
      'grpc.enable_http_proxy': 0,
    });
  }

  get #maxMessageMib(): number {
    return this.#speaking.maxMessageMib ?? MAX_MESSAGE_MIB;
  }

  /** Resolves when it serves; rejects with the bare reason why it does not. */
  probe(): Promise<void> {
    const asIs = (bytes: Buffer): Buffer => bytes;
    return new Promise((resolve, reject) => {
      const { path, request } = HEALTH;
      const limitMs = Math.min(PROBE_LIMIT_MS, this.#speaking.timeoutMs);
      this.#client.makeUnaryRequest(path, asIs, asIs, request, deadlineIn(limitMs), (error, answer) => {
        // A gateway without health checks, or without one of this service, is a gateway.
        const unknown = error?.code === status.UNIMPLEMENTED || error?.code === status.NOT_FOUND;
        if (unknown || answer?.equals(HEALTH.serving)) resolve();
        else if (error === null) reject(new NotServing('it has not started yet, or is stopping'));
        else if (error.code === status.DEADLINE_EXCEEDED) reject(new Error(`no answer ${within(limitMs)}`));
        else reject(new Error(this.#reasonOf(error)));
      });
    });
  }

  call<R extends RpcName>(rpc: R, request: Sent<RpcRequest<R>>): Promise<RpcAnswer<R>> {
    const method = gatewayService[rpc];
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        deadlineIn(this.#speaking.timeoutMs),
        (error, answer) => {
          if (error === null) resolve(answer as RpcAnswer<R>);
          else reject(this.#failure(rpc, error));
        },
      );
    });
  }

  close(): void {
    this.#client.close();
  }

  #failure(rpc: string, error: ServiceError): CallFailure {
    const at = `the gateway at ${this.target}`;
    switch (error.code) {
      case status.UNAVAILABLE:
        return new CallFailure(
          ECONNREFUSED,
          `cannot reach ${at} (${this.#reasonOf(error)}); ` +
            'is it running, and are --server-address and --server-port right?',
          error,
        );
      case status.DEADLINE_EXCEEDED:
        return new CallFailure(ETIMEDOUT, `${at} did not answer ${within(this.#speaking.timeoutMs)}`, error);
      case status.UNIMPLEMENTED:
        return new CallFailure(
          ENOTSUP,
          `the server at ${this.target} does not do ${rpc} (${error.details}); is it an older gateway?`,
          error,
        );
      case status.RESOURCE_EXHAUSTED:
        return new CallFailure(
          EMSGSIZE,
          `a message of ${rpc} with ${at} is too long (${error.details}); --max-message-length is ${this.#maxMessageMib} MiB, and ` +
            'the gateway may have max_message_length_in_mb in its configuration file',
          error,
        );
      default:
        return new CallFailure(EIO, `${at} failed: ${error.details}`, error);
    }
  }

  /** Without grpc-js's own preamble. */
  #reasonOf(error: ServiceError): string {
    const reason = error.details
      .replace(/^.*Last error: (Error: )?/s, '')
      .replace(/\. Resolution note:.*$/s, '');
    if (/ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|Name resolution/.test(reason))
      return reason;
    return this.#speaking.secure
      ? `${reason}; does it have enable_auth, and are the certificates right?`
      : `${reason}; if it has enable_auth, give --client-key, --client-cert and --server-cert`;
  }
}

function deadlineIn(ms: number): { deadline: number } {
  return { deadline: systemClock.wallMs() + ms };
}

function within(ms: number): string {
  return `within ${ms / 1000} s`;
}
