/**
 * The host of `npm run bench:scale`, a process of its own so that only the gateway's delays are seen. Reads every namespace of the
 * list that it is sent, tells when all have answered, and goes on reading the first one, one read at a time. Each further
 * message is answered with the longest of those reads since the message before.
 */
import { HostController as Host, type HostController } from '../../test/initiator/controller.ts';

const BLOCK_BYTES = 4096;
/** Until the path is there: Linux repeats a command that ended with a path status. */
const RETRY_MS = 20;

export interface Wanted {
  port: number;
  /** nsids by subsystem NQN. */
  namespaces: Record<string, number[]>;
}

export interface ReadFigures {
  longestMs: number;
  medianMs: number;
  reads: number;
}

const hosts: HostController[] = [];
let latenciesMs: number[] = [];

process.once('message', (wanted: Wanted) => {
  void begin(wanted).catch((error: Error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  });
});

async function begin({ port, namespaces }: Wanted): Promise<void> {
  const subsystems = Object.entries(namespaces);
  for (const [subnqn, nsids] of subsystems) {
    const host = await Host.connect({ host: '127.0.0.1', port, subnqn, kato: 5000 });
    hosts.push(host);
    await Promise.all(nsids.map((nsid) => readUntilDone(host, nsid)));
  }
  process.on('message', () => process.send?.(figures()));
  process.send?.('all served');
  const nsid = subsystems[0][1][0];
  for (;;) {
    const startMs = performance.now();
    await hosts[0].read(nsid, 0, 1, BLOCK_BYTES);
    latenciesMs.push(performance.now() - startMs);
  }
}

async function readUntilDone(host: HostController, nsid: number): Promise<void> {
  while ((await host.read(nsid, 0, 1, BLOCK_BYTES)).status !== 0)
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
}

function figures(): ReadFigures {
  const sorted = latenciesMs.sort((a, b) => a - b);
  latenciesMs = [];
  return {
    longestMs: sorted.at(-1) ?? 0,
    medianMs: sorted[sorted.length >> 1] ?? 0,
    reads: sorted.length,
  };
}
