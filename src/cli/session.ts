/** One run of the CLI: a gateway to ask and an output to say the answer on. */
import { constants } from 'node:os';
import { systemTimers } from '../base/clock.ts';
import { gatewayService, type RpcAnswer, type RpcName, type RpcRequest } from '../control/gateway-proto.ts';
import type { ReqStatus, Sent } from '../control/gateway-types.ts';
import { CallFailure, type GatewayClient } from './client.ts';
import type { MessageName, Output } from './output.ts';
import type { Server } from './server-list.ts';
import { withProgress } from './waiting.ts';

/** RPCs that the CLI can use: their answers have a status. */
type StatusRpc = { [R in RpcName]: RpcAnswer<R> extends ReqStatus ? R : never }[RpcName];

/** RPCs whose requests have `dry_run`. */
type DryRunRpc =
  | 'delete_subsystem'
  | 'del_subsystem_network'
  | 'delete_listener'
  | 'remove_host'
  | 'namespace_delete'
  | 'change_gateway'
  | 'move_ana_group';

const { EINVAL, ENOTSUP } = constants.errno;

export class Session {
  readonly output: Output;
  /** Anagate's version, which is the CLI's. */
  readonly version: string;
  /** Environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly #client: GatewayClient;

  constructor(client: GatewayClient, output: Output, version: string, env: Session['env']) {
    this.#client = client;
    this.output = output;
    this.version = version;
    this.env = env;
  }

  /**
   * Asks the gateway. When there is no answer, makes one up that says why.
   * @param failure what the error message begins with then
   */
  async call<R extends StatusRpc>(
    rpc: R,
    request: Sent<RpcRequest<R>>,
    failure: string,
  ): Promise<RpcAnswer<R>> {
    this.output.detail(`Asking ${this.#client.target}: ${rpc}`);
    try {
      const answer = await this.#waited(rpc, this.#client.call(rpc, request));
      this.output.detail(`Answer: status ${answer.status}, ${answer.error_message}`);
      return answer;
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      const { responseSerialize, responseDeserialize } = gatewayService[rpc];
      const made = { status: error.errno, error_message: `${failure}: ${error.message}` };
      return responseDeserialize(responseSerialize(made)) as RpcAnswer<R>;
    }
  }

  /** @returns 0, or the errno of why the gateway is not of that group, which is said; undefined is any */
  async requireGroup(group: string | undefined): Promise<number> {
    if (group === undefined) return 0;
    const info = await this.call('get_gateway_info', {}, 'Failure asking for the group');
    if (info.status === 0 && info.group !== group) {
      info.status = EINVAL;
      info.error_message = `The gateway ${info.name} is of group "${info.group}", not "${group}"; look at --server-address`;
    }
    if (info.status === 0) return 0;
    const { status, error_message } = info;
    return this.report('req_status', { status, error_message }, () => '');
  }

  /**
   * Has the gateway take something away, or say what that would do, and says what became of it.
   * @param success what a success message begins with
   * @returns the exit status
   */
  async change<R extends DryRunRpc>(
    rpc: R,
    request: Sent<RpcRequest<R>>,
    { dryRun, failure, success }: { dryRun: boolean; failure: string; success: string },
  ): Promise<number> {
    if (!dryRun) {
      const answer: ReqStatus = await this.call(rpc, request, failure);
      return this.report('req_status', answer, () => `${success}: Successful`);
    }
    const info = await this.call('get_gateway_info', {}, failure);
    // A gateway that does not know the field would do it.
    if (info.status === 0 && info.dry_runs !== true) {
      info.status = ENOTSUP;
      info.error_message = `${failure}: the gateway at ${this.#client.target} knows no dry runs; it was not asked`;
    }
    if (info.status !== 0) {
      const { status, error_message } = info;
      return this.report('req_status', { status, error_message }, () => '');
    }
    const answer: ReqStatus = await this.call(rpc, { ...request, dry_run: true }, failure);
    return this.report('req_status', answer, () => {
      const effects = answer.plan?.effects ?? [];
      const list = effects.length === 0 ? ['nothing would change'] : effects;
      return `${success}: dry run, nothing is changed\n${list.map((effect) => `  - ${effect}`).join('\n')}`;
    });
  }

  /** Asks the gateway for what has perhaps no status. @throws CallFailure when there is no answer */
  ask<R extends RpcName>(rpc: R, request: Sent<RpcRequest<R>>): Promise<RpcAnswer<R>> {
    this.output.detail(`Asking ${this.#client.target}: ${rpc}`);
    return this.#waited(rpc, this.#client.call(rpc, request));
  }

  #waited<T>(rpc: RpcName, work: Promise<T>): Promise<T> {
    return withProgress(`Asking ${this.#client.target}: ${rpc}`, work, this.output.progress, systemTimers);
  }

  /** The same with another gateway, which is given at most so many milliseconds for an answer. */
  at(server: Server, limitMs: number): Session {
    return new Session(this.#client.at(server, limitMs), this.output, this.version, this.env);
  }

  /**
   * Says an answer: a document, or for people `text` when it went well and the error message when not.
   * @returns the exit status
   */
  report(message: MessageName, answer: ReqStatus, text: () => string): number {
    if (this.output.isDocument) this.output.document(message, answer);
    else if (answer.status === 0) this.output.info(text());
    else this.output.error(answer.error_message);
    return answer.status;
  }
}
