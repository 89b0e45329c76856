/**
 * A multipath host as a process of its own, inside a lab's namespace: `multipath-host.ts NQN KATO_MS`. One JSON document per
 * line in, one out for each: {"do":"connect","address":"10.88.0.101"}, "paths", "start" (LoadOptions), "begin",
 * "recovery", "stop". Driven by harness/host-process.ts.
 */
import { createInterface } from 'node:readline';
import { freshHost } from '../initiator/controller.ts';
import { AnaState } from '../initiator/log-page.ts';
import type { HostRequest, PathReport } from './harness/host-process.ts';
import { MultipathHost } from './harness/multipath-host.ts';
import { type LoadOptions, VerifyingLoad } from './harness/verifying-load.ts';

const RECONNECT_DELAY_MS = 250;
const STATE_NAMES = new Map<number, string>(Object.entries(AnaState).map(([name, state]) => [state, name]));

const [subnqn, kato] = process.argv.slice(2);
const host = new MultipathHost({
  ...freshHost(),
  subnqn,
  kato: Number(kato),
  reconnectDelayMs: RECONNECT_DELAY_MS,
});
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

async function answer(request: HostRequest): Promise<unknown> {
  switch (request.do) {
    case 'connect':
      return host.add(request.address);
    case 'paths':
      return paths();
    case 'start':
      return startLoad(request.options);
    case 'begin':
      return running().begin();
    case 'recovery':
      return running().recovery(request.faultMs, request.notAt, request.limitMs);
    case 'stop':
      return running().stop();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, ...request } = JSON.parse(line) as HostRequest & { id: number };
  void answer(request as HostRequest).then(
    (result) => process.stdout.write(`${JSON.stringify({ id, result: result ?? null })}\n`),
    (cause) => process.stdout.write(`${JSON.stringify({ id, error: String(cause) })}\n`),
  );
}
process.exit(0); // the lab let go of stdin
