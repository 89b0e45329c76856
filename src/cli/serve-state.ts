/** Where a gateway's configuration lives and who decides what it owns: alone with a file, or one of a group on Ceph. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { systemTimers } from '../base/clock.ts';
import { AnagateError } from '../base/errors.ts';
import type { Settings } from '../config/settings.ts';
import { encodeIntroduction, requireFits } from '../gateway/group-roll.ts';
import { LIMITS } from '../limits.ts';
import { LocalMonitor } from '../monitor/local-monitor.ts';
import type { MonitorClient } from '../monitor/monitor-client.ts';
import { StaticMonitor } from '../monitor/static-monitor.ts';
import type { RootLog } from '../observe/log.ts';
import { FileStore, STATE_FILE_NAME } from '../store/file-store.ts';
import { LOCK_FILE_NAME, StateLock } from '../store/state-lock.ts';
import type { ConfigStore } from '../store/store.ts';

export interface ServeState {
  store: ConfigStore;
  monitor: MonitorClient;
  /** For people: where the configuration is. */
  place: string;
  /** This process alone writes the configuration. */
  alone: boolean;
  /** Files that namespaces must not use. */
  reservedPaths: readonly string[];
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
  return {
    store: await FileStore.open(stateDir),
    monitor: new LocalMonitor(),
    place: stateDir,
    alone: true,
    reservedPaths: [STATE_FILE_NAME, `${STATE_FILE_NAME}.new`, LOCK_FILE_NAME].map((file) =>
      join(stateDir, file),
    ),
  };
}

async function openGroup(
  { name, group, owners, cephConfigFile, cephId }: Settings,
  pool: string,
  log: RootLog,
  onStop: (stop: () => Promise<unknown>) => void,
): Promise<ServeState> {
  if (owners === undefined) {
    throw new AnagateError(
      'INVALID_ARGUMENT',
      `[ceph] pool is set and [monitor] owners is not: a group needs a table of who owns which ANA group, such as "owners = 1:${name}"`,
    );
  }
  const monitor = new StaticMonitor(name, owners);
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
  return { store, monitor, place: store.description, alone: false, reservedPaths: [] };
}
