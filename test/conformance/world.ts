/**
 * What the conformance tests run against: a target made in this process from the gateway's own classes (harness.ts), or, with
 * `ANAGATE_TEST_ADDR=host:port,subnqn`, any target that is served somewhere: a gateway, the kernel's nvmet.
 *
 * A served target needs namespace 1 with 512-byte and namespace 2 with 4096-byte blocks, 32 MiB at least each, any host allowed.
 */
import type { Endpoint } from '../initiator/connection.ts';

/** `host:port,subnqn` of a target outside of this process. */
const ADDRESS = process.env.ANAGATE_TEST_ADDR;
export const EXTERNAL = ADDRESS !== undefined;

/** Namespaces that every world has. */
export const NS512 = 1;
export const NS4K = 2;
/** Namespaces of an in-process world only: small, and one that takes no writes. */
export const NS_SMALL = 3;
export const NS_READ_ONLY = 4;
export const SMALL_BYTES = 1024 * 1024;
/** Same NQN as in the golden captures. */
export const SUBNQN = 'nqn.2026-11.test:nvmet1';

export type PathName = 'a' | 'b';
export type AnaName = 'optimized' | 'nonOptimized' | 'inaccessible';

export interface WorldOptions {
  settings?: Partial<WorldSettings>;
  icReqTimeoutMs?: number;
  connectTimeoutMs?: number;
  maxConnections?: number;
  /** Controller ids of port a, first and last; default 1..2040. */
  cntlids?: readonly [number, number];
}

/** Sizes that a test may choose; defaults are the gateway's. */
export interface WorldSettings {
  maxIoQueues: number;
  maxIoQueueDepth: number;
  maxAsyncEventRequests: number;
  maxTransferBytes: number;
  inCapsuleDataBytes: number;
  maxNamespaces: number;
  bufferPoolBytes: number;
}

/** The levers of a device under a namespace. */
export interface DeviceControl {
  /** Outcome of every operation instead of doing it: a name of `BlockStatus`, `ok` to do it. */
  failWith:
    | 'ok'
    | 'ioError'
    | 'noSpace'
    | 'readOnly'
    | 'timedOut'
    | 'outOfRange'
    | 'fenced'
    | 'gone'
    | 'unsupported';
  /** Operations that were asked for. */
  readonly counts: Readonly<
    Record<
      'read' | 'write' | 'fua' | 'flush' | 'writeZeroes' | 'discard' | 'compare' | 'compareAndWrite',
      number
    >
  >;
  /** From now on operations wait for {@link release}. */
  hold(): void;
  readonly heldCount: number;
  release(): void;
}

/** Per second, for all hosts together; 0 is no limit. */
export interface Limits {
  commands: number;
  bytes: number;
  readBytes: number;
  writeBytes: number;
}

/** What only an in-process world can do. */
export interface Control {
  /** A subsystem that allows no host until told. */
  readonly privateSubnqn: string;
  /** A subsystem with one namespace that no test but a sentinel touches. */
  readonly sentinelSubnqn: string;
  readonly settings: WorldSettings;
  allowHost(hostnqn: string): void;
  disallowHost(hostnqn: string): void;
  setAccepting(accepting: boolean): void;
  setAna(path: PathName, group: number, state: AnaName): void;
  drain(path: PathName, group: number, holdMs?: number): Promise<boolean>;
  addNamespace(
    nsid: number,
    sizeBytes: number,
    blockSize: 512 | 4096,
    group?: number,
    visibleTo?: readonly string[],
  ): void;
  /** NQNs of the only hosts that see the namespace; null: all do. */
  setVisibility(nsid: number, visibleTo: readonly string[] | null): void;
  removeNamespace(nsid: number): void;
  resizeNamespace(nsid: number, sizeBytes: number): Promise<void>;
  changeAnaGroup(nsid: number, group: number): void;
  /** Per second, 0 is no limit; null lifts all. */
  limit(nsid: number, limits: Limits | null): void;
  /** The device under a namespace, with its levers. */
  device(nsid: number): DeviceControl;
  addSubsystem(nqn: string): void;
  removeSubsystem(nqn: string): void;
  /** Live controllers, discovery ones included, the sentinel's not. */
  controllerCount(): number;
  connectionCount(): number;
  /** Bytes that commands hold in the buffer pool. */
  borrowedBytes(): number;
}

export interface World {
  readonly a: Endpoint;
  /** Another port with ANA states and controller ids of its own; equal to `a` when external. */
  readonly b: Endpoint;
  readonly discovery: Endpoint;
  readonly subnqn: string;
  readonly control: Control | null;
  stop(): Promise<void>;
}

/** A world of its own, with ports that nobody else has. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  if (ADDRESS !== undefined) return externalWorld(ADDRESS);
  const { startInProcess } = await import('./harness.ts');
  return startInProcess(options);
}

function externalWorld(address: string): World {
  const [endpoint, subnqn] = address.split(',');
  const colon = endpoint.lastIndexOf(':');
  const a = { host: endpoint.slice(0, colon), port: Number(endpoint.slice(colon + 1)) };
  return { a, b: a, discovery: a, subnqn: subnqn ?? SUBNQN, control: null, stop: async () => undefined };
}
