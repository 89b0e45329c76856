/**
 * What has to run inside a lab's namespace, as a process: a multipath host on our own initiator, and a client of the gateways'
 * management. `lab-agent.ts NQN KATO_MS`; one request (JSON) per line in, one answer per line out. Driven by harness/lab-agent.ts.
 */
import { createInterface } from 'node:readline';
import { Client, credentials } from '@grpc/grpc-js';
import { gatewayService, type RpcName } from '../../src/control/gateway-proto.ts';
import { freshHost } from '../initiator/controller.ts';
import { AnaState } from '../initiator/log-page.ts';
import type { AgentRequest, PathReport } from './harness/lab-agent.ts';
import { MultipathHost } from './harness/multipath-host.ts';
import { type LoadOptions, VerifyingLoad } from './harness/verifying-load.ts';

const RECONNECT_DELAY_MS = 250;
const CALL_LIMIT_MS = 10_000;
const STATE_NAMES = new Map<number, string>(Object.entries(AnaState).map(([name, state]) => [state, name]));

const [subnqn, kato] = process.argv.slice(2);
const host = new MultipathHost({
  ...freshHost(),
  subnqn,
  kato: Number(kato),
  reconnectDelayMs: RECONNECT_DELAY_MS,
});
const clients = new Map<string, Client>();
let load: VerifyingLoad | null = null;

function paths(): PathReport[] {
  return host.paths.map((path) => ({
    address: path.address,
    live: path.controller !== null,
    groups: Object.fromEntries(
      [...path.groups].map(([id, { state }]) => [id, STATE_NAMES.get(state) ?? String(state)]),
    ),
  }));
}

function running(): VerifyingLoad {
  if (load === null) throw new Error('no load runs');
  return load;
}

async function startLoad(options: LoadOptions): Promise<void> {
  load = new VerifyingLoad(host, options);
  await load.start();
}

/** One RPC, on a connection that is kept while it works. */
function call(server: string, rpc: RpcName, request: object): Promise<unknown> {
  const client = clients.get(server) ?? new Client(server, credentials.createInsecure());
  clients.set(server, client);
  const { path, requestSerialize, responseDeserialize } = gatewayService[rpc];
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + CALL_LIMIT_MS;
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      { deadline },
      (error, value) => {
        if (error === null) return resolve(value);
        clients.delete(server); // the next call does not wait for gRPC to try this one again
        client.close();
        reject(error);
      },
    );
  });
}

async function answer(request: AgentRequest): Promise<unknown> {
  switch (request.do) {
    case 'connect':
      return host.add(request.address);
    case 'disconnect':
      return host.remove(request.address);
    case 'paths':
      return paths();
    case 'call':
      return call(request.server, request.rpc, request.request);
    case 'start':
      return startLoad(request.options);
    case 'begin':
      return running().begin();
    case 'recovery':
      return running().recovery(request.fault);
    case 'stop':
      return running().stop();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, ...request } = JSON.parse(line) as AgentRequest & { id: number };
  void answer(request as AgentRequest).then(
    (result) => process.stdout.write(`${JSON.stringify({ id, result: result ?? null })}\n`),
    (cause) => process.stdout.write(`${JSON.stringify({ id, error: String(cause) })}\n`),
  );
}
process.exit(0); // the lab let go of stdin
