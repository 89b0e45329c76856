/** The composition root of a gateway: makes the parts, starts them in order, and stops them in the other. */
import { randomFillSync, randomInt } from 'node:crypto';
import { hostname, networkInterfaces } from 'node:os';
import { resolve } from 'node:path';
import { RECOMMENDED_THREADPOOL_SIZE } from '../backend/file.ts';
import { type Clock, systemClock, systemTimers } from '../base/clock.ts';
import { AnagateError } from '../base/errors.ts';
import { within } from '../base/within.ts';
import { settingsFromEnvironment } from '../config/environment.ts';
import { resolveSettings, type Settings } from '../config/settings.ts';
import { startGrpcServer } from '../control/server.ts';
import { ensureDemo } from '../gateway/demo.ts';
import { Gateway, type GatewayIdentity } from '../gateway/gateway.ts';
import { newSerial } from '../gateway/plans/serial.ts';
import { Backends } from '../gateway/serving/backends.ts';
import { LIMITS } from '../limits.ts';
import { createLogger, type RootLog } from '../observe/log.ts';
import { startMetricsServer } from '../observe/metrics-server.ts';
import { Target } from '../target/target.ts';
import { randomUuid } from '../wire/uuid.ts';
import type { ServeRequest } from './serve.ts';
import { type BannerFacts, banner } from './serve-banner.ts';
import { readConfigFile } from './serve-config.ts';
import { ServeMetrics } from './serve-metrics.ts';
import { openSecrets } from './serve-secrets.ts';
import { openState } from './serve-state.ts';
import { grpcCredentials, metricsKeyPair, serverFiles } from './serve-tls.ts';
import { ServeTransport } from './serve-transport.ts';
import { TlsWatch } from './tls-watch.ts';

/** A stop that hangs longer than this is given up: the service manager would kill us next. */
const STOP_LIMIT_MS = 20_000;
/** Images that are closed no sooner (thousands take a minute) end with the process. */
const BACKENDS_CLOSE_MS = 500;
const LAST_MS = 500;
/** Any time will do, see {@link runGateway}. */
const ALIVE_MS = 60_000;

const random = {
  uuid: () => randomUuid(randomFillSync),
  integer: (below: number) => randomInt(below),
};

/** Runs until a signal comes; resolves with the exit status. Complaints about a start that failed go to `complain`. */
export async function runGateway(
  request: ServeRequest,
  say: (text: string) => void,
  complain: (text: string) => void,
): Promise<number> {
  const stopSignal = nextStopSignal();
  const running = new Running();
  let stopping = false;
  let log: RootLog | null = null;
  // Timers keep no process alive (base/clock.ts), and a gateway may wait for its place before it listens anywhere.
  const alive = setInterval(() => {}, ALIVE_MS);
  try {
    const fromEnvironment = settingsFromEnvironment(request.env);
    const file = readConfigFile(request.configFile);
    const settings = resolveSettings(hostname(), request.settings, fromEnvironment.settings, file.settings);
    log = createLogger({
      level: settings.logLevel,
      destination: 2,
      ...(request.logFormat && { pretty: request.logFormat === 'pretty' }),
    });
    for (const warning of [...file.warnings, ...fromEnvironment.warnings]) log.warn({}, warning);
    const placed = { ...settings, stateDir: resolve(settings.stateDir) };
    const onStopSignal = (stop: () => void): void => {
      void stopSignal.then(() => {
        stopping = true;
        stop();
      });
    };
    const facts = await start(placed, request.version, log, running, onStopSignal);
    say(`${banner(facts)}\n`);
    const signal = await stopSignal;
    log.info({ signal }, 'stopping');
    await withinLimit(running.stop(), log);
    log.info({}, 'stopped');
    endSoon();
    return 0;
  } catch (error) {
    if (log !== null) await withinLimit(running.stop(), log);
    if (stopping) return 0;
    complain(`anagate: ${(error as Error).message}`);
    if (!(error instanceof AnagateError)) log?.error({ err: error }, 'the gateway cannot start');
    return error instanceof AnagateError ? error.errno : 1;
  } finally {
    clearInterval(alive);
    log?.flush();
  }
}

/** What has been started and how to stop it, last one first. */
class Running {
  readonly #stops: (() => Promise<unknown>)[] = [];

  add(stop: () => Promise<unknown>): void {
    this.#stops.push(stop);
  }

  async stop(): Promise<void> {
    for (let stop = this.#stops.pop(); stop !== undefined; stop = this.#stops.pop()) await stop();
  }
}

async function start(
  settings: Settings,
  version: string,
  log: RootLog,
  running: Running,
  onStopSignal: (stop: () => void) => void,
): Promise<BannerFacts> {
  const { stateDir } = settings;
  const tlsWatch = await TlsWatch.start({ files: serverFiles(settings), timers: systemTimers, log });
  running.add(async () => tlsWatch.stop());
  const credentials = grpcCredentials(settings, systemClock.wallMs());
  tlsWatch.onChange(() => credentials?.renew(systemClock.wallMs()));
  const secrets = openSecrets(settings, log);
  const { store, monitor, place, alone, reservedPaths, shared } = await openState(settings, log, (stop) =>
    running.add(stop),
  );
  const backends = new Backends({
    ceph: { confFile: settings.cephConfigFile, id: settings.cephId },
    ...(shared !== null && { authority: shared.authority }),
    clock: systemClock,
    timers: systemTimers,
    log,
  });
  running.add(() => within(BACKENDS_CLOSE_MS, systemTimers, backends.close()));
  if (settings.demo && alone !== null) {
    const { address, ioPort } = settings;
    const newSerialNumber = () => newSerial(random.integer);
    await ensureDemo({
      store,
      openBackend: backends.open,
      stateDir,
      address,
      ioPort,
      newUuid: random.uuid,
      newSerial: newSerialNumber,
    });
  }

  const target = makeTarget(version, log, shared?.lease.clock ?? systemClock);
  target.countsIo = settings.ioStatsEnabled;
  const transport = new ServeTransport(target);
  const identity: GatewayIdentity = {
    version,
    name: settings.name,
    group: settings.group,
    hostname: settings.hostname,
    address: settings.address,
    port: settings.grpcPort,
  };
  const gateway = new Gateway({
    identity,
    store,
    monitor,
    target,
    openBackend: backends.open,
    groups: backends,
    shared: alone === null,
    verifyListenerAddress: settings.verifyListenerAddress,
    ...(shared !== null && { lease: shared.lease }),
    limits: settings,
    rebalance: { periodMs: settings.rebalancePeriodMs, movesPerRound: settings.rebalanceMoves },
    openListener: (port, address, tcpPort) => transport.open(port, address, tcpPort),
    reservedPaths,
    ...(secrets !== undefined && { secrets }),
    timers: systemTimers,
    log,
    logLevel: { get: () => log.level, set: (level) => log.setLevel(level) },
    random,
  });
  running.add(() => gateway.stop());
  // The start may wait for a place in the group, and hosts can be handed over before the rest of the stop begins.
  onStopSignal(() => void monitor.leave());
  await gateway.load();
  // Who asks is answered while the gateway waits for its place and opens what it serves.
  const grpc = await startGrpcServer({
    gateway,
    admin: monitor.admin,
    ...(alone !== null && {
      alone: alone.questions({ identity, location: settings.location, startedMs: systemClock.wallMs() }),
    }),
    ...(shared !== null && { peers: shared.peers }),
    address: settings.grpcAddress,
    port: settings.grpcPort,
    ...(credentials !== undefined && { credentials }),
    ...(settings.maxMessageBytes !== undefined && { maxMessageBytes: settings.maxMessageBytes }),
    log,
    version,
  });
  running.add(() => grpc.stop());
  identity.port = grpc.port;
  shared?.listens(grpc.port);
  await gateway.start();
  hintAtThreads(gateway, log);
  const discoveryPort = await gateway.openDiscovery(settings.discoveryAddress, settings.discoveryPort);
  grpc.ready();
  const source = new ServeMetrics(gateway, target, transport, () => shared?.monitor.figures() ?? null);
  const metrics = await startMetrics(settings, source, log, running, tlsWatch);
  return {
    version,
    state: place,
    gateway,
    discovery: { address: settings.discoveryAddress, port: discoveryPort },
    grpc: { address: settings.grpcAddress, port: grpc.port },
    grpcAuth: credentials !== undefined,
    metrics,
    exampleAddress: outsideAddress() ?? settings.hostname,
    program: 'npx anagate',
    troubles: gateway.troubles.map(({ error }) => error.message),
  };
}

function makeTarget(version: string, log: RootLog, clock: Clock): Target {
  return new Target({
    clock,
    timers: systemTimers,
    log,
    settings: {
      maxIoQueues: LIMITS.maxIoQueuesPerController,
      maxIoQueueDepth: LIMITS.ioQueueDepth,
      maxAsyncEventRequests: LIMITS.maxAsyncEventRequests,
      maxTransferBytes: LIMITS.maxTransferBytes,
      inCapsuleDataBytes: LIMITS.inCapsuleDataBytes,
      maxNamespaces: LIMITS.maxNamespacesPerSubsystem,
      firmware: version.slice(0, 8),
    },
  });
}

async function startMetrics(
  settings: Settings,
  source: ServeMetrics,
  log: RootLog,
  running: Running,
  tlsWatch: TlsWatch,
): Promise<BannerFacts['metrics']> {
  if (!settings.metricsEnabled) return null;
  const { metricsAddress: address, metricsPort } = settings;
  const keyPair = metricsKeyPair(settings, systemClock.wallMs());
  const server = await startMetricsServer({
    address,
    port: metricsPort,
    source,
    log,
    ...(keyPair !== undefined && { keyPair }),
  });
  running.add(() => server.close());
  if (keyPair !== undefined)
    tlsWatch.onChange(() => server.renew(metricsKeyPair(settings, systemClock.wallMs())!));
  return { scheme: keyPair === undefined ? 'http' : 'https', address, port: server.port };
}

/** Signals after the first change nothing: npm and a terminal send the same one twice. */
function nextStopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => resolve(signal));
  });
}

async function withinLimit(stopping: Promise<void>, log: RootLog): Promise<void> {
  const timer = setTimeout(() => {
    log.error({ limitMs: STOP_LIMIT_MS }, 'stopping takes too long; giving up');
    log.flush();
    process.exit(1);
  }, STOP_LIMIT_MS);
  await stopping.catch((err: unknown) => log.error({ err }, 'stopping failed'));
  clearTimeout(timer);
}

/** What is still under way in threads of Ceph's libraries does not keep the process. */
function endSoon(): void {
  setTimeout(() => process.exit(), LAST_MS).unref();
}

/** libuv reads the variable before any of our code runs, so that we can only tell. */
function hintAtThreads(gateway: Gateway, log: RootLog): void {
  const files = gateway.listNamespaces().some(({ backend }) => backend.type === 'file');
  if (!files || Number(process.env.UV_THREADPOOL_SIZE ?? 4) >= RECOMMENDED_THREADPOOL_SIZE) return;
  log.info(
    {},
    `file namespaces are faster with UV_THREADPOOL_SIZE=${RECOMMENDED_THREADPOOL_SIZE} in the environment`,
  );
}

/** An address of this machine that others may reach. */
function outsideAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ internal, family }) => !internal && family === 'IPv4')?.address;
}
