/** Where a gateway's configuration lives and who decides what it owns: alone with a file, or one of a group on Ceph. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { systemTimers } from '../base/clock.ts';
import { AnagateError } from '../base/errors.ts';
import type { Settings } from '../config/settings.ts';
import { encodeIntroduction, requireFits } from '../gateway/group/group-roll.ts';
import { LIMITS } from '../limits.ts';
import { LocalMonitor } from '../monitor/local-monitor.ts';
import type { MonitorClient } from '../monitor/monitor-client.ts';
import { StaticMonitor } from '../monitor/static-monitor.ts';
import type { RootLog } from '../observe/log.ts';
import { FileStore, STATE_FILE_NAME } from '../store/file-store.ts';
import { LOCK_FILE_NAME, StateLock } from '../store/state-lock.ts';
import type { ConfigStore } from '../store/store.ts';
import type { SharedGroup } from './serve-group.ts';

export interface ServeState {
  store: ConfigStore;
  monitor: MonitorClient;
  /** For people: where the configuration is. */
  place: string;
  /** The monitor, when this process alone writes the configuration; null: it is one of several. */
  alone: LocalMonitor | null;
  /** Files that namespaces must not use. */
  reservedPaths: readonly string[];
  /** What the gateways of a group that decide together share; null: nobody else could serve what this one serves. */
  shared: SharedGroup | null;
}

/** `onStop` is given what has to be done at the end of the process. */
export async function openState(
  settings: Settings,
  log: RootLog,
  onStop: (stop: () => Promise<unknown>) => void,
): Promise<ServeState> {
  return settings.cephPool === undefined
    ? openFile(settings, log, onStop)
    : openGroup(settings, settings.cephPool, log, onStop);
}

async function openFile(
  { stateDir, owners, name }: Settings,
  log: RootLog,
  onStop: (stop: () => Promise<unknown>) => void,
): Promise<ServeState> {
  if (owners?.some(({ gateway }) => gateway !== name)) {
    throw new AnagateError(
      'INVALID_ARGUMENT',
      '[monitor] owners names other gateways, but without [ceph] pool there is nothing that they could share; set it',
    );
  }
  const lock = await StateLock.acquire(stateDir, LIMITS.stateLockWaitMs);
  onStop(() => lock.release());
  lock.onLost(() => {
    log.error(
      { stateDir },
      'the lock of the state directory is lost; another gateway may start now, so this one ends',
    );
    log.flush();
    process.exit(1);
  });
  const monitor = new LocalMonitor();
  return {
    store: await FileStore.open(stateDir),
    monitor,
    place: stateDir,
    alone: monitor,
    shared: null,
    reservedPaths: ownFiles(stateDir),
  };
}

/** What a gateway keeps in its state directory for itself. */
export function ownFiles(stateDir: string): string[] {
  return [STATE_FILE_NAME, `${STATE_FILE_NAME}.new`, LOCK_FILE_NAME].map((file) => join(stateDir, file));
}

async function openGroup(
  settings: Settings,
  pool: string,
  log: RootLog,
  onStop: (stop: () => Promise<unknown>) => void,
): Promise<ServeState> {
  const { name, group, owners, cephConfigFile, cephId } = settings;
  // Only here: a gateway without Ceph starts on a machine that has none.
  const { openGroupStore } = await import('../store/group-store.ts');
  const store = await openGroupStore({
    pool,
    configFile: cephConfigFile,
    id: cephId,
    group,
    gateway: name,
    introduction: encodeIntroduction({ name, owners }),
    newCommitId: randomUUID,
    timers: systemTimers,
    log,
  });
  onStop(() => store.close());
  requireFits({ name, owners }, await store.rollCall());
  const state = { store, place: store.description, alone: null, reservedPaths: [] };
  if (owners !== undefined) return { ...state, monitor: new StaticMonitor(name, owners), shared: null };
  const { openSharedMonitor } = await import('./serve-group.ts');
  const shared = await openSharedMonitor(settings, pool, log);
  return { ...state, monitor: shared.monitor, shared };
}
