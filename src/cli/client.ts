/** The CLI's side of the gRPC connection to a gateway. */
import { constants } from 'node:os';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { systemClock } from '../base/clock.ts';
import { gatewayService, type RpcAnswer, type RpcName, type RpcRequest } from '../control/gateway-proto.ts';
import type { Sent } from '../control/gateway-types.ts';

const { ECONNREFUSED, EIO, ENOTSUP, ETIMEDOUT } = constants.errno;

/** A list of 4096 namespaces is about 2 MiB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** There is no answer. `errno` becomes the exit status. */
export class CallFailure extends Error {
  readonly errno: number;
  constructor(errno: number, message: string, cause: ServiceError) {
    super(message, { cause });
    this.name = 'CallFailure';
    this.errno = errno;
  }
}

export class GatewayClient {
  /** The gateway's address and port, as messages name it. */
  readonly target: string;
  readonly #client: Client;
  readonly #timeoutMs: number;

  /** @param timeoutMs how long one call may take, connecting included */
  constructor(address: string, port: number, timeoutMs: number) {
    this.target = `${address.includes(':') ? `[${address}]` : address}:${port}`;
    this.#timeoutMs = timeoutMs;
    this.#client = new Client(this.target, credentials.createInsecure(), {
      'grpc.max_receive_message_length': MAX_ANSWER_BYTES,
      'grpc.enable_http_proxy': 0,
    });
  }

  /** @throws CallFailure when the gateway cannot be reached, does not answer or fails; a refusal is an answer */
  call<R extends RpcName>(rpc: R, request: Sent<RpcRequest<R>>): Promise<RpcAnswer<R>> {
    const method = gatewayService[rpc];
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        { deadline: systemClock.wallMs() + this.#timeoutMs },
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
    switch (error.code) {
      case status.UNAVAILABLE:
        return new CallFailure(
          ECONNREFUSED,
          `cannot reach the gateway at ${this.target} (${reasonOf(error)}); ` +
            'is it running, and are --server-address and --server-port right?',
          error,
        );
      case status.DEADLINE_EXCEEDED:
        return new CallFailure(
          ETIMEDOUT,
          `the gateway at ${this.target} did not answer within ${this.#timeoutMs / 1000} s`,
          error,
        );
      case status.UNIMPLEMENTED:
        return new CallFailure(
          ENOTSUP,
          `the server at ${this.target} does not do ${rpc} (${error.details}); is it an older gateway?`,
          error,
        );
      default:
        return new CallFailure(EIO, `the gateway at ${this.target} failed: ${error.details}`, error);
    }
  }
}

/** Without grpc-js's own preamble. */
function reasonOf(error: ServiceError): string {
  return error.details.replace(/^.*Last error: (Error: )?/s, '').replace(/\. Resolution note:.*$/s, '');
}
