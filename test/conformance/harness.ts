/** A target in this process. The only file of the suite that imports the gateway's sources. */
import { createServer } from 'node:net';
import { MemoryDevice } from '../../src/backend/memory.ts';
import { type BlockCompletion, type BlockDevice, BlockStatus } from '../../src/base/block-device.ts';
import { systemClock, systemTimers } from '../../src/base/clock.ts';
import { nullLog } from '../../src/base/log.ts';
import { AnaState, AnaStates } from '../../src/target/ana.ts';
import { CntlidAllocator } from '../../src/target/cntlid.ts';
import { limitNamespace } from '../../src/target/io/io-limiter.ts';
import type { Port } from '../../src/target/port.ts';
import type { Subsystem } from '../../src/target/subsystem.ts';
import { Target } from '../../src/target/target.ts';
import { ConnectionTable } from '../../src/transport/tcp/connection-table.ts';
import { TcpListener } from '../../src/transport/tcp/listener.ts';
import type { Endpoint } from '../initiator/connection.ts';
import {
  type Control,
  type DeviceControl,
  NS_READ_ONLY,
  NS_SMALL,
  NS4K,
  NS512,
  type PathName,
  SMALL_BYTES,
  SUBNQN,
  type World,
  type WorldOptions,
} from './world.ts';

const MIB = 1024 * 1024;

type Operation = () => void;

/** A memory device that can hold operations back and fail them. */
class TestDevice implements BlockDevice, DeviceControl {
  readonly memory: MemoryDevice;
  /** As of a large image: more than a command can carry, and than a field can say. */
  readonly optimal = { boundary: 64 * MIB, write: 4096, bestWrite: 8 * MIB, discard: 65_536 };
  readonly description = 'test';
  onResize: ((sizeBytes: number) => void) | null = null;
  failWith: DeviceControl['failWith'] = 'ok';
  readonly counts = {
    read: 0,
    write: 0,
    fua: 0,
    flush: 0,
    writeZeroes: 0,
    discard: 0,
    compare: 0,
    compareAndWrite: 0,
  };
  #held: Operation[] | null = null;

  constructor(sizeBytes: number) {
    this.memory = new MemoryDevice({ sizeBytes });
  }

  get sizeBytes(): number {
    return this.memory.sizeBytes;
  }

  hold(): void {
    this.#held ??= [];
  }

  get heldCount(): number {
    return this.#held?.length ?? 0;
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const operation of held) operation();
  }

  #run(completion: BlockCompletion, operation: Operation): void {
    const failure = BlockStatus[this.failWith];
    const step = failure === BlockStatus.ok ? operation : () => completion.ioDone(failure);
    if (this.#held) this.#held.push(step);
    else step();
  }

  read(offset: number, data: Buffer, completion: BlockCompletion): void {
    this.counts.read++;
    this.#run(completion, () => this.memory.read(offset, data, completion));
  }

  write(offset: number, data: Buffer, fua: boolean, completion: BlockCompletion): void {
    this.counts.write++;
    if (fua) this.counts.fua++;
    this.#run(completion, () => this.memory.write(offset, data, fua, completion));
  }

  flush(completion: BlockCompletion): void {
    this.counts.flush++;
    this.#run(completion, () => this.memory.flush(completion));
  }

  writeZeroes(offset: number, length: number, fua: boolean, completion: BlockCompletion): void {
    this.counts.writeZeroes++;
    if (fua) this.counts.fua++;
    this.#run(completion, () => this.memory.writeZeroes(offset, length, fua, completion));
  }

  discard(offset: number, length: number, completion: BlockCompletion): void {
    this.counts.discard++;
    this.#run(completion, () => this.memory.discard(offset, length, completion));
  }

  compare(offset: number, data: Buffer, completion: BlockCompletion): void {
    this.counts.compare++;
    this.#run(completion, () => this.memory.compare(offset, data, completion));
  }

  compareAndWrite(
    offset: number,
    expected: Buffer,
    data: Buffer,
    fua: boolean,
    completion: BlockCompletion,
  ): void {
    this.counts.compareAndWrite++;
    this.#run(completion, () => this.memory.compareAndWrite(offset, expected, data, fua, completion));
  }

  resize(sizeBytes: number): Promise<void> {
    return this.memory.resize(sizeBytes);
  }

  close(): Promise<void> {
    return this.memory.close();
  }
}

/** A world of its own, with ports that nobody else has. */
export async function startInProcess(options: WorldOptions): Promise<World> {
  const target = new Target({
    clock: systemClock,
    timers: systemTimers,
    log: nullLog,
    ...(options.settings ? { settings: options.settings } : {}),
  });
  const connectionTable = new ConnectionTable(options.maxConnections ?? 16384, systemTimers);
  const devices = new Map<number, TestDevice>();
  const main = target.addSubsystem({
    nqn: SUBNQN,
    serial: 'AGTEST0001',
    model: 'Anagate test',
    maxNamespaces: 4096,
  });
  main.allowHost('*');
  const denied = target.addSubsystem({
    nqn: `${SUBNQN}:private`,
    serial: 'AGTEST0002',
    model: 'Anagate test',
    maxNamespaces: 16,
  });
  const sentinel = target.addSubsystem({
    nqn: `${SUBNQN}:sentinel`,
    serial: 'AGTEST0003',
    model: 'Anagate test',
    maxNamespaces: 16,
  });
  sentinel.allowHost('*');

  addTo(main, NS512, 32 * 1024 * 1024, 512, 1);
  addTo(main, NS4K, 32 * 1024 * 1024, 4096, 2);
  addTo(main, NS_SMALL, SMALL_BYTES, 512, 1);
  addTo(main, NS_READ_ONLY, SMALL_BYTES, 512, 1, true);
  addTo(denied, 1, SMALL_BYTES, 512, 1);
  addTo(sentinel, 1, SMALL_BYTES, 512, 1);

  function addTo(
    subsystem: Subsystem,
    nsid: number,
    sizeBytes: number,
    blockSize: 512 | 4096,
    group: number,
    readOnly = false,
    visibleTo: ReadonlySet<string> | null = null,
  ) {
    const device = new TestDevice(sizeBytes);
    if (subsystem === main) devices.set(nsid, device);
    const tag = `${subsystem.serial.slice(-2)}${nsid.toString(16).padStart(6, '0')}`;
    const uuid = `${tag}-0000-4000-8000-00000000a6a7`;
    subsystem.addNamespace(
      {
        nsid,
        uuid,
        nguid: uuid.replaceAll('-', ''),
        anaGroupId: group,
        blockSize,
        sizeBytes,
        readOnly,
        visibleTo,
      },
      device,
    );
  }

  const ana: Record<PathName, AnaStates> = { a: new AnaStates(128), b: new AnaStates(128) };
  for (const states of Object.values(ana))
    for (let group = 1; group <= 4; group++) states.set(group, AnaState.optimized);
  const cntlids = {
    a: new CntlidAllocator(...(options.cntlids ?? ([1, 2040] as const))),
    b: new CntlidAllocator(2041, 4080),
  };

  const listeners: TcpListener[] = [];
  async function listen(path: PathName, portId: number, discoveryOnly: boolean): Promise<Endpoint> {
    // The port that a discovery log names must be known before the listener exists: ask the system for a free one first.
    const tcpPort = await freePort();
    const port: Port = target.addPort({
      portId,
      adrfam: 'ipv4',
      traddr: '127.0.0.1',
      trsvcid: String(tcpPort),
      ana: ana[path],
      cntlids: cntlids[path],
      discoveryOnly,
    });
    if (!discoveryOnly) for (const subsystem of target.subsystems.values()) port.expose(subsystem);
    const listener = new TcpListener({
      target,
      port,
      address: '127.0.0.1',
      tcpPort,
      connectionTable,
      icReqTimeoutMs: options.icReqTimeoutMs ?? 10_000,
      connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    });
    listeners.push(listener);
    return { host: '127.0.0.1', port: await listener.listen() };
  }
  const a = await listen('a', 1, false);
  const b = await listen('b', 2, false);
  const discovery = await listen('a', 3, true);

  const control: Control = {
    privateSubnqn: denied.nqn,
    sentinelSubnqn: sentinel.nqn,
    settings: target.settings,
    allowHost: (hostnqn) => denied.allowHost(hostnqn),
    disallowHost: (hostnqn) => denied.disallowHost(hostnqn),
    setAccepting: (accepting) => {
      target.accepting = accepting;
    },
    setAna: (path, group, state) => ana[path].set(group, AnaState[state]),
    drain: (path, group, holdMs) => ana[path].drain(group, systemTimers, holdMs),
    addNamespace: (nsid, sizeBytes, blockSize, group = 1, visibleTo) =>
      addTo(main, nsid, sizeBytes, blockSize, group, false, visibleTo ? new Set(visibleTo) : null),
    setVisibility: (nsid, visibleTo) => main.setVisibility(nsid, visibleTo && new Set(visibleTo)),
    removeNamespace: (nsid) => {
      main.removeNamespace(nsid);
      devices.delete(nsid);
    },
    resizeNamespace: async (nsid, sizeBytes) => {
      await devices.get(nsid)!.resize(sizeBytes);
      main.resizeNamespace(nsid, sizeBytes);
    },
    changeAnaGroup: (nsid, group) => main.changeAnaGroup(nsid, group),
    limit: (nsid, limits) => limitNamespace(main.namespaces.get(nsid)!, limits, target),
    device: (nsid) => devices.get(nsid)!,
    addSubsystem: (nqn) => {
      const subsystem = target.addSubsystem({
        nqn,
        serial: 'AGTEST0009',
        model: 'Anagate test',
        maxNamespaces: 16,
      });
      subsystem.allowHost('*');
      for (const port of target.ports) if (!port.discoveryOnly) port.expose(subsystem);
    },
    removeSubsystem: (nqn) => {
      target.removeSubsystem(nqn);
    },
    controllerCount: () =>
      [...target.controllers()].filter((controller) => controller.subsystem !== sentinel).length,
    connectionCount: () => connectionTable.count,
    borrowedBytes: () => target.buffers.borrowedBytes,
  };
  return {
    a,
    b,
    discovery,
    subnqn: SUBNQN,
    control,
    stop: async () => {
      for (const device of devices.values()) device.release();
      await Promise.all(listeners.map((listener) => listener.close('test over')));
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
