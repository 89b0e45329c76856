/** Drives ../lab-agent.ts: a multipath host on our own initiator and a management client, inside a lab's namespace. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { RpcAnswer, RpcName, RpcRequest } from '../../../src/control/gateway-proto.ts';
import type { Sent } from '../../../src/control/gateway-types.ts';
import { type Place, PROJECT } from './place.ts';
import type { Fault, LoadOptions, LoadReport, Recovery } from './verifying-load.ts';

export type AgentRequest =
  | { do: 'connect' | 'disconnect'; address: string }
  | { do: 'paths' }
  | { do: 'call'; server: string; rpc: RpcName; request: object }
  | { do: 'start'; options: LoadOptions }
  | { do: 'begin' }
  | { do: 'recovery'; fault: Fault }
  | { do: 'stop' };

export interface PathReport {
  address: string;
  live: boolean;
  /** ANA state by group, as the gateway's log last said. */
  groups: Record<string, string>;
}

interface Waiting {
  resolve: (result: unknown) => void;
  reject: (cause: Error) => void;
}

export class LabAgent {
  readonly logFile: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, Waiting>();
  #requests = 0;

  constructor(place: Place, nqn: string, katoMs: number) {
    this.logFile = join(place.directory, 'lab-agent.log');
    const program = ['--import', 'tsx', join(PROJECT, 'test', 'e2e', 'lab-agent.ts')];
    const [command, args] = place.inside(process.execPath, [...program, nqn, String(katoMs)]);
    this.#child = spawn(command, args, { cwd: PROJECT });
    this.#child.stderr.pipe(createWriteStream(this.logFile));
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#take(line));
    this.#child.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the lab agent ended, see its log'));
    });
  }

  /** Keeps a path to this gateway from now on. */
  connect(address: string): Promise<void> {
    return this.#ask({ do: 'connect', address });
  }

  disconnect(address: string): Promise<void> {
    return this.#ask({ do: 'disconnect', address });
  }

  paths(): Promise<PathReport[]> {
    return this.#ask({ do: 'paths' });
  }

  /** One RPC to a gateway's management; rejects when it refuses. */
  async call<R extends RpcName>(server: string, rpc: R, request: Sent<RpcRequest<R>>): Promise<RpcAnswer<R>> {
    const answer = await this.#ask<RpcAnswer<R>>({ do: 'call', server, rpc, request });
    const { status, error_message } = answer as { status?: number; error_message?: string };
    if (status) throw new Error(`${rpc} at ${server}: ${error_message}`);
    return answer;
  }

  /** Starts the verifying load; resolves once every block was written and it goes on. */
  start(options: LoadOptions): Promise<void> {
    return this.#ask({ do: 'start', options });
  }

  /** Forgets the acknowledgements so far. */
  begin(): Promise<void> {
    return this.#ask({ do: 'begin' });
  }

  recovery(fault: Fault): Promise<Recovery> {
    return this.#ask({ do: 'recovery', fault });
  }

  stop(): Promise<LoadReport> {
    return this.#ask({ do: 'stop' });
  }

  #ask<T>(request: AgentRequest): Promise<T> {
    const id = ++this.#requests;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.#child.stdin.write(`${JSON.stringify({ id, ...request })}\n`);
    });
  }

  #take(line: string): void {
    const { id, result, error } = JSON.parse(line) as { id: number; result?: unknown; error?: string };
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error));
  }
}
