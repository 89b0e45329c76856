/** The parts of a gateway whose group decides together who serves what: loaded when there is such a group. */
import { randomUUID } from 'node:crypto';
import type { FenceAuthority } from '../backend/rbd/group-client.ts';
import { systemClock, systemTimers } from '../base/clock.ts';
import type { Settings } from '../config/settings.ts';
import { GrpcPeerStreams } from '../control/peer-stream.ts';
import type { LeaseTerms } from '../gateway/group/ownership.ts';
import { leaseRenewal } from '../monitor/rados/lease-renewal.ts';
import { RadosCoordination } from '../monitor/rados/rados-coordination.ts';
import { SharedMonitor } from '../monitor/shared-monitor.ts';
import type { RootLog } from '../observe/log.ts';
import { openGroupPool } from '../store/group-store.ts';
import { WatchedClock } from '../target/watched-clock.ts';
import { monitorTimes } from './serve-times.ts';
import { peerTls } from './serve-tls.ts';

/** A process that was held up for a longer part of its lease asks for it anew. */
const GAP_OF_LEASE = 1 / 4;

export interface SharedGroup {
  readonly monitor: SharedMonitor;
  readonly authority: FenceAuthority;
  readonly lease: LeaseTerms;
  readonly peers: GrpcPeerStreams;
  /** The management port listens. */
  listens(port: number): void;
}

/** Rejects as {@link RadosCoordination.open}, and with INVALID_ARGUMENT for times that do not fit or files of TLS that do not. */
export async function openSharedMonitor(
  settings: Settings,
  pool: string,
  log: RootLog,
): Promise<SharedGroup> {
  const { name, group, location, cephConfigFile, cephId, grpcPort } = settings;
  const times = monitorTimes(settings);
  const tls = peerTls(settings, systemClock, log);
  const clock = systemClock;
  const timers = systemTimers;
  const coordination = await RadosCoordination.open({
    connect: () => openGroupPool({ pool, configFile: cephConfigFile, id: cephId }),
    group,
    timers,
    log,
  });
  const peers = new GrpcPeerStreams({ group: coordination.groupId, clock, timers, log, tls });
  const peer = { address: peerAddress(settings), port: grpcPort };
  const monitor = new SharedMonitor({
    gateway: name,
    location,
    coordination,
    clock,
    timers,
    times,
    log: log.child({ component: 'monitor' }),
    newId: randomUUID,
    peer: () => peer,
    streams: peers,
  });
  const renew = leaseRenewal(coordination.leasePlace, timers);
  return {
    monitor,
    authority: {
      isFenced: (address) => monitor.isFenced(address),
      renewLease: (cluster) => renew(cluster, times.lease),
    },
    lease: { clock: new WatchedClock(clock, timers, times.lease * GAP_OF_LEASE), durationMs: times.lease },
    peers,
    listens: (port) => {
      peer.port = port;
    },
  };
}

/** Where others reach the management port: a wildcard is no address. */
function peerAddress({ grpcAddress, address, hostname }: Settings): string {
  const isWildcard = (text: string): boolean => text === '0.0.0.0' || text === '::';
  if (!isWildcard(grpcAddress)) return grpcAddress;
  return isWildcard(address) ? hostname : address;
}
