/** A gateway of our own: built code, an empty state directory, what it serves made through gRPC. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ClientUnaryCall,
  credentials,
  loadPackageDefinition,
  type requestCallback,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { load } from '@grpc/proto-loader';
import { type NvmeTarget, ROOT, SERVER_CPU, type Server, spawnNode } from './processes.ts';

const NQN = 'nqn.2026-11.io.anagate:bench';
const ADDRESS = '127.0.0.1';
const START_LIMIT_MS = 30_000;

export interface Gateway extends Server<NvmeTarget> {
  /** Removes its state directory; call when the process has ended. */
  clean(): void;
  /** One request of the management API. Rejects when it is refused. */
  call(name: string, request: object): Promise<void>;
}

export interface GatewaySetup {
  nodeFlags: string[];
  hostNqn: string;
  /** More arguments for `serve`. */
  serve?: string[];
  /** Fields of `namespace_add` for namespace 1; absent: no namespace yet. */
  namespace?: object;
  /** Keep the process to a CPU of its own. */
  pinned: boolean;
}

/** The subsystem of {@link startGateway}. */
export const BENCH_NQN = NQN;

export function build(): void {
  execFileSync(process.execPath, [join(ROOT, 'scripts/build.mjs')], { cwd: ROOT, stdio: ['ignore', 2, 2] });
}

/** With a namespace in memory. */
export function startMemoryGateway(
  nodeFlags: string[],
  sizeBytes: number,
  hostNqn: string,
): Promise<Gateway> {
  const namespace = { block_size: 512, backend: 'memory', size: sizeBytes };
  return startGateway({ nodeFlags, hostNqn, namespace, pinned: true });
}

export async function startGateway(setup: GatewaySetup): Promise<Gateway> {
  const { nodeFlags, hostNqn } = setup;
  const stateDir = mkdtempSync(join(tmpdir(), 'anagate-bench-'));
  const [ioPort, discoveryPort, grpcPort, metricsPort] = await freePorts(4);
  const ports = [
    ['--io-port', ioPort],
    ['--discovery-port', discoveryPort],
    ['--grpc-port', grpcPort],
    ['--metrics-port', metricsPort],
  ].flat();
  const serve = ['serve', '--no-demo', '--state-dir', stateDir, '--address', ADDRESS, ...ports.map(String)];
  const args = [...nodeFlags, join(ROOT, 'dist/main.js'), ...serve, ...(setup.serve ?? [])];
  const child = spawnNode(args, setup.pinned ? SERVER_CPU : null, 'pipe');
  // Read and forgotten, so that its log never waits for us; shown when it does not start.
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      if (output.length < 65536) output += text;
    });
  }
  let call: Gateway['call'];
  try {
    call = await connectManagement(grpcPort);
    await configure(call, ioPort, setup.namespace);
  } catch (err) {
    process.stderr.write(output);
    throw err;
  }
  return {
    target: { kind: 'nvme', host: ADDRESS, port: ioPort, subsystemNqn: NQN, hostNqn, nsid: 1 },
    pid: child.pid!,
    child,
    call,
    clean: () => rmSync(stateDir, { recursive: true, force: true }),
  };
}

interface Answer {
  status?: number;
  error_message?: string;
}
type Rpc = (request: object, callback: requestCallback<Answer>) => ClientUnaryCall;

async function connectManagement(grpcPort: number): Promise<Gateway['call']> {
  const definition = loadPackageDefinition(
    await load(join(ROOT, 'proto/gateway.proto'), { keepCase: true, enums: String }),
  );
  const Gateway = definition.Gateway as ServiceClientConstructor;
  const client = new Gateway(`${ADDRESS}:${grpcPort}`, credentials.createInsecure());
  await new Promise<void>((resolve, reject) => {
    client.waitForReady(Date.now() + START_LIMIT_MS, (err) =>
      err ? reject(new Error('the gateway did not start')) : resolve(),
    );
  });
  return (name, request) =>
    new Promise((resolve, reject) => {
      const rpc = (client as unknown as Record<string, Rpc>)[name];
      rpc.call(client, request, (err, answer) => {
        if (err) reject(err);
        else if (answer?.status) reject(new Error(`${name}: ${answer.error_message}`));
        else resolve();
      });
    });
}

async function configure(
  call: Gateway['call'],
  ioPort: number,
  namespace: object | undefined,
): Promise<void> {
  await call('create_subsystem', { subsystem_nqn: NQN, enable_ha: true, no_group_append: true });
  await call('add_host', { subsystem_nqn: NQN, host_nqn: '*' });
  if (namespace !== undefined) await call('namespace_add', { subsystem_nqn: NQN, nsid: 1, ...namespace });
  await call('create_listener', { nqn: NQN, host_name: '', traddr: ADDRESS, trsvcid: ioPort });
}

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer();
          server.listen(0, ADDRESS, () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
