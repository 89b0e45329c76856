/** How an RPC answers: a body with `status` and `error_message`, whatever became of the request. */
import type { status as GrpcStatus } from '@grpc/grpc-js';
import { AnagateError } from '../base/errors.ts';
import type { RpcAnswer, RpcName, RpcRequest } from './gateway-proto.ts';
import type { ReqStatus, Sent } from './gateway-types.ts';

/** What a successful answer says. */
export const SUCCESS = 'Success';

/** One RPC. It rejects only when the gateway itself failed; a refusal is an answer. */
export type RpcHandler<R extends RpcName> = (request: RpcRequest<R>) => Promise<Sent<RpcAnswer<R>>>;

/** A part of the service: the RPCs of one noun. */
export type RpcHandlers<R extends RpcName = RpcName> = { [K in R]: RpcHandler<K> };

/** Thrown where the answer has no room for a status: the call fails with this gRPC status. */
export class GrpcFailure extends Error {
  readonly code: GrpcStatus;
  constructor(code: GrpcStatus, message: string) {
    super(message);
    this.name = 'GrpcFailure';
    this.code = code;
  }
}

/**
 * Runs a request and makes the answer of its outcome.
 * @param failure what an error message begins with, for example "Failure adding subsystem nqn.x"
 * @param refused the rest of the answer when the request is refused
 * @param work gives the rest of the answer; an {@link AnagateError} that it throws is a refusal, anything else is passed on
 */
export async function answer<B extends object>(
  failure: string,
  refused: B,
  work: () => B | Promise<B>,
): Promise<B & ReqStatus> {
  try {
    return { status: 0, error_message: SUCCESS, ...(await work()) };
  } catch (error) {
    if (!(error instanceof AnagateError)) throw error;
    return { status: error.errno, error_message: `${failure}: ${error.message}`, ...refused };
  }
}

/**
 * As {@link answerDone}; of a dry run the answer is what would be done, and nothing is.
 * @param rehearse gives one sentence per effect, or refuses as `work` would
 */
export async function answerDoneOrPlanned(
  failure: string,
  dryRun: boolean | undefined,
  rehearse: () => readonly string[],
  work: () => void | Promise<void>,
): Promise<Sent<ReqStatus>> {
  if (dryRun !== true) return answerDone(failure, work);
  return answer<{ plan?: { effects: string[] } }>(failure, {}, () => ({
    plan: { effects: [...rehearse()] },
  }));
}

/** As {@link answer}, for requests whose answer is nothing but a status. */
export async function answerDone(failure: string, work: () => void | Promise<void>): Promise<ReqStatus> {
  return answer(failure, {}, async () => {
    await work();
    return {};
  });
}
