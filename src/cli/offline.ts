/**
 * Requests about the whole configuration without a gateway: against the store itself, with the same code. A state directory is locked
 * meanwhile, so that no gateway starts with it; one that runs is not touched, and STATE_DIR_IN_USE says so. The object of a group is as
 * safe as ever: gateways that run follow a commit from here as one of another gateway.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { systemTimers } from '../base/clock.ts';
import { AnagateError } from '../base/errors.ts';
import { nullLog } from '../base/log.ts';
import { settingsFromEnvironment } from '../config/environment.ts';
import { resolveSettings, type Settings } from '../config/settings.ts';
import { gatewayService, type RpcAnswer, type RpcRequest } from '../control/gateway-proto.ts';
import type { Sent } from '../control/gateway-types.ts';
import { type StateRpc, stateRpcs } from '../control/state.ts';
import { Configuration, configuredLimits } from '../gateway/configuration/configuration.ts';
import { untilCommitted } from '../gateway/life.ts';
import { requireUsable } from '../gateway/serving/namespace-devices.ts';
import { StateRequests } from '../gateway/state/requests.ts';
import { LIMITS } from '../limits.ts';
import { FileStore, STATE_FILE_NAME } from '../store/file-store.ts';
import { StateLock } from '../store/state-lock.ts';
import { type ConfigStore, withChanges } from '../store/store.ts';
import type { CommandArguments } from './arguments.ts';
import { readConfigFile } from './serve-config.ts';
import { openSecrets } from './serve-secrets.ts';
import { ownFiles } from './serve-state.ts';
import type { Session } from './session.ts';

type Closing = (() => Promise<void>)[];

/** @param failure what the error message begins with when it cannot be done */
export async function callOffline<R extends StateRpc>(
  rpc: R,
  request: Sent<RpcRequest<R>>,
  failure: string,
  { args, session }: { args: CommandArguments; session: Session },
): Promise<RpcAnswer<R>> {
  const { requestSerialize, requestDeserialize, responseSerialize, responseDeserialize } =
    gatewayService[rpc];
  const made = (answer: object) => responseDeserialize(responseSerialize(answer)) as RpcAnswer<R>;
  const closing: Closing = [];
  try {
    const asked = requestDeserialize(requestSerialize(request)) as RpcRequest<R>;
    const isRead = rpc === 'export_state' || (rpc === 'import_state' && 'dry_run' in asked && asked.dry_run);
    const state = await open(settingsOf(args, session), isRead, closing);
    return made(await stateRpcs({ state })[rpc](asked));
  } catch (error) {
    if (!(error instanceof AnagateError)) throw error;
    return made({ status: error.errno, error_message: `${failure}: ${error.message}` });
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

function settingsOf(args: CommandArguments, { env }: Session): Settings {
  const file = readConfigFile(args.optionalText('config') ?? (env.ANAGATE_CONFIG || undefined));
  const said = { stateDir: args.optionalText('state-dir') ?? (env.ANAGATE_STATE_DIR || undefined) };
  return resolveSettings(hostname(), said, settingsFromEnvironment(env).settings, file.settings);
}

async function open(settings: Settings, isRead: boolean, closing: Closing): Promise<StateRequests> {
  const directory = settings.cephPool === undefined ? resolve(settings.stateDir) : null;
  const store = await (directory === null
    ? openGroup(settings, settings.cephPool!, isRead)
    : openDirectory(directory, isRead, closing));
  closing.push(() => store.close());
  const config = new Configuration(configuredLimits(settings));
  const load = async (): Promise<void> => void config.follow(await store.load());
  await load();
  return new StateRequests({
    config,
    group: settings.group,
    box: openSecrets(settings, nullLog) ?? null,
    isLocal: (host) => ['', '*', settings.name, settings.hostname].includes(host),
    checkBacking: ({ backend }) => requireUsable(backend, directory === null ? [] : ownFiles(directory)),
    serves: () => true,
    mutate: (request) => untilCommitted(request, load),
    commit: async (changes) => {
      const version = await store.commit(config.version, changes);
      config.follow({ version, records: withChanges(config.texts, changes) });
    },
  });
}

/** The file is always whole, so that reading it needs no lock. */
async function openDirectory(directory: string, isRead: boolean, closing: Closing): Promise<ConfigStore> {
  if (!isRead) {
    const lock = await StateLock.acquire(directory, LIMITS.stateLockWaitMs);
    closing.push(() => lock.release());
  } else if (!existsSync(join(directory, STATE_FILE_NAME))) {
    throw new AnagateError(
      'INVALID_ARGUMENT',
      `there is no ${STATE_FILE_NAME} in ${directory}; name the gateway's directory (--state-dir), or its configuration file (--config)`,
    );
  }
  return FileStore.open(directory);
}

async function openGroup(settings: Settings, pool: string, isRead: boolean): Promise<ConfigStore> {
  const { group, cephConfigFile, cephId } = settings;
  // Only here: the rest works on machines without Ceph.
  const { openGroupStore } = await import('../store/group-store.ts');
  return openGroupStore({
    pool,
    configFile: cephConfigFile,
    id: cephId,
    group,
    gateway: `${hostname()} (offline)`,
    introduction: '',
    create: !isRead,
    newCommitId: randomUUID,
    timers: systemTimers,
    log: nullLog,
  });
}
