/** A gateway with a real target and real TCP on loopback, and everything else in the test's hands. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import type { BlockDevice } from '../../src/base/block-device.ts';
import { systemClock, systemTimers, type Timers } from '../../src/base/clock.ts';
import { type Log, type LogFields, nullLog } from '../../src/base/log.ts';
import { Gateway, type GatewayOptions } from '../../src/gateway/gateway.ts';
import type { ListenerSpec, NamespaceSpec } from '../../src/gateway/plans/requests.ts';
import { type BackendRequest, Backends, type OpenBackend } from '../../src/gateway/serving/backends.ts';
import { LocalMonitor } from '../../src/monitor/local-monitor.ts';
import { MemoryRecords, MemoryStore } from '../../src/store/memory-store.ts';
import { Target } from '../../src/target/target.ts';
import { ConnectionTable } from '../../src/transport/tcp/connection-table.ts';
import { TcpListener } from '../../src/transport/tcp/listener.ts';
import { Feature } from '../initiator/command.ts';
import { HostController } from '../initiator/controller.ts';

export const NQN = 'nqn.2026-11.io.anagate:one';
export const HOST = 'nqn.2014-08.org.nvmexpress:uuid:5d2b2a3e-57a7-4a2e-9f8e-0c6d3a1b4c5d';
export const MIB = 1024 * 1024;

const rigs: Rig[] = [];
const hosts: HostController[] = [];
const directories: string[] = [];

afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.drop()));
  await Promise.all(rigs.splice(0).map(({ gateway }) => gateway.stop()));
  await Promise.all(directories.splice(0).map((directory) => rm(directory, { recursive: true })));
});

/** A directory for one test. */
export async function scratch(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'anagate-gateway-'));
  directories.push(directory);
  return directory;
}

/** An AnagateError with that code. */
export const code = (expected: string) => expect.objectContaining({ code: expected });

export interface Rig {
  gateway: Gateway;
  target: Target;
  store: MemoryStore;
  /** Log lines of level warn and above. */
  complaints: string[];
  /** Devices that were opened, and how each ended. */
  devices: { request: BackendRequest; closed: boolean }[];
  /** Runs what is scheduled for later, once. */
  fireTimers(): void;
}

export interface RigOptions extends Partial<GatewayOptions> {
  /** Awaited before a port is bound. */
  beforeBind?: (tcpPort: number) => Promise<void>;
  records?: MemoryRecords;
}

/** Stopped when the test ends, as the hosts of {@link host} are. */
export function makeRig({ records = new MemoryRecords(), beforeBind, ...options }: RigOptions = {}): Rig {
  const complaints: string[] = [];
  const devices: Rig['devices'] = [];
  const log = collect(complaints);
  const clock = options.lease?.clock ?? systemClock;
  const target = new Target({ clock, timers: systemTimers, log: nullLog });
  const store = (options.store as MemoryStore | undefined) ?? new MemoryStore(records);
  const scheduled = new ManualTimers();
  let uuids = 0;
  let numbers = 0;
  let level = 'info';
  const backends = makeBackends();
  const open = options.openBackend ?? backends.open;
  const gateway = new Gateway({
    identity: { version: '1', name: 'gw', group: '', hostname: 'node', address: '127.0.0.1', port: 5500 },
    monitor: new LocalMonitor(),
    groups: backends,
    target,
    openListener,
    reservedPaths: [],
    timers: scheduled,
    log,
    logLevel: {
      get: () => level,
      set: (name) => {
        level = name;
      },
    },
    random: {
      uuid: () => `00000000-0000-4000-8000-${String(++uuids).padStart(12, '0')}`,
      integer: (below) => numbers++ % below,
    },
    ...options,
    store,
    openBackend: recording(open, devices),
  });
  const rig: Rig = { gateway, target, store, complaints, devices, fireTimers: () => scheduled.fire() };
  rigs.push(rig);
  return rig;

  async function openListener(port: TcpListener['port'], address: string, tcpPort: number) {
    await beforeBind?.(tcpPort);
    const connectionTable = new ConnectionTable(100, systemTimers);
    const limits = { connectionTable, icReqTimeoutMs: 5000, connectTimeoutMs: 5000 };
    const listener = new TcpListener({ target, port, address, tcpPort, ...limits });
    const bound = await listener.listen();
    return {
      tcpPort: bound,
      stopAccepting: () => listener.stopAccepting(),
      close: (reason: string) => listener.close(reason),
    };
  }
}

/** What a gateway opens unless the test says otherwise. */
export function makeBackends(): Backends {
  return new Backends({ ceph: {}, clock: systemClock, timers: systemTimers, log: nullLog });
}

/** Timers that run when the test says so; the longest waits first become due as the short ones do. */
class ManualTimers implements Timers {
  #waiting: (() => void)[] = [];

  after(_ms: number, fn: () => void) {
    this.#waiting.push(fn);
    return {
      cancel: () => {
        this.#waiting = this.#waiting.filter((other) => other !== fn);
      },
    };
  }

  fire(): void {
    const due = this.#waiting;
    this.#waiting = [];
    for (const fn of due) fn();
  }
}

function recording(open: OpenBackend, devices: Rig['devices']): OpenBackend {
  return async (request) => {
    const device = await open(request);
    const entry = { request, closed: false };
    devices.push(entry);
    const close = device.close.bind(device);
    return Object.assign(device, {
      close: () => {
        entry.closed = true;
        return close();
      },
    }) satisfies BlockDevice;
  };
}

function collect(complaints: string[]): Log {
  const complain = (_fields: LogFields, message: string): void => {
    complaints.push(message);
  };
  const log: Log = { debug: () => {}, info: () => {}, warn: complain, error: complain, child: () => log };
  return log;
}

/** A gateway that serves one subsystem with one memory namespace to any host. */
export async function serveOne(rig: Pick<Rig, 'gateway'>): Promise<number> {
  await rig.gateway.start();
  await rig.gateway.addSubsystem({ nqn: NQN, serial: 'S1' });
  await rig.gateway.addHost(NQN, '*');
  await rig.gateway.addNamespace(memory());
  const port = await freePort();
  await rig.gateway.addListener(listener(port));
  return port;
}

export function memory(spec: Partial<NamespaceSpec> = {}): NamespaceSpec {
  return { nqn: NQN, backend: { type: 'memory' }, sizeBytes: MIB, ...spec };
}

export function file(path: string, spec: Partial<NamespaceSpec> = {}, create = true): NamespaceSpec {
  return { nqn: NQN, backend: { type: 'file', path, create }, sizeBytes: MIB, ...spec };
}

export function listener(trsvcid: number, spec: Partial<ListenerSpec> = {}): ListenerSpec {
  return { nqn: NQN, hostName: 'gw', traddr: '127.0.0.1', adrfam: 'ipv4', trsvcid, ...spec };
}

/** Asks for the events that Linux asks for: changes of namespaces (bit 8) and of ANA states (bit 11). */
export async function listen(controller: HostController): Promise<void> {
  await controller.setFeature(Feature.asyncEvent, (1 << 8) | (1 << 11));
  controller.armAsyncEvents();
}

export function connect(port: number, subnqn = NQN): Promise<HostController> {
  return HostController.connect({ host: '127.0.0.1', port, subnqn });
}

export function connectAs(port: number, hostnqn: string): Promise<HostController> {
  return HostController.connect({ host: '127.0.0.1', port, subnqn: NQN, hostnqn });
}

export async function host(port: number, subnqn?: string): Promise<HostController> {
  const controller = await connect(port, subnqn);
  hosts.push(controller);
  return controller;
}

export async function hostAt(address: string, port: number, subnqn: string): Promise<HostController> {
  const controller = await HostController.connect({ host: address, port, subnqn });
  hosts.push(controller);
  return controller;
}

/** Another program on a port. */
export function occupy(port: number, address = '127.0.0.1'): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer().listen(port, address, () => resolve(server));
  });
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
