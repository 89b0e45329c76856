/** The Peers service as proto/monitor.proto defines it, loaded at run time. */
import { fileURLToPath } from 'node:url';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** The same place seen from src/control and from dist/control. */
const PROTO_FILE = fileURLToPath(new URL('../../proto/monitor.proto', import.meta.url));

/** One of these. */
export interface FromFollower {
  hello?: Hello;
  beacon?: string;
  farewell?: boolean;
}

export interface Hello {
  group: string;
  gateway: string;
  incarnation: string;
}

export interface FromLeader {
  epoch: number;
}

const peerPackage = loadSync(PROTO_FILE, { keepCase: true, longs: Number, defaults: true, oneofs: true });

export const peerService = peerPackage['anagate.monitor.Peers'] as ServiceDefinition;

export const followMethod = peerService.Follow as MethodDefinition<FromFollower, FromLeader>;

/** Longest message, bytes: a beacon with as many hosts as a gateway may have is half of it. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

/**
 * Gateways say something twice a second. A connection that breaks after more silence than this broke for the network's reasons,
 * long after it had stopped working, and says nothing of the peer's process.
 */
export const ALIVE_MS = 2000;
