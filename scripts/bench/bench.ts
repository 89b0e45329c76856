/** `npm run bench`: how fast the gateway is, and how much of that is Node itself. See options.ts for the command line. */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { allCases, IDLE_CASE, IDLE_CONNECTIONS, IDLE_GOAL, type LoadCase } from './cases.ts';
import { readProfile, summarize, table } from './cpu-profile.ts';
import { build, type Gateway, startMemoryGateway } from './gateway.ts';
import { type Options, parseOptions, USAGE } from './options.ts';
import {
  type FloorTarget,
  type IdleResult,
  type Job,
  killAll,
  type LoadResult,
  type NvmeTarget,
  PINNED,
  runJob,
  type Server,
  startFloor,
  stop,
} from './processes.ts';
import { type CaseResult, cpuUs, figures, header, median, rows } from './report.ts';

const MIB = 1024 * 1024;
const WARMUP_MS = 400;
const IDLE_SECONDS = 10;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** For what is not the result, so that --json stays clean. */
function remark(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** The side that is measured: our gateway, or a target elsewhere, of which we know no process. */
interface Subject {
  target: NvmeTarget;
  pid?: number | undefined;
}

function jobOf(
  load: LoadCase,
  server: { target: FloorTarget | NvmeTarget; pid?: number | undefined },
  options: Options,
): Job {
  const { write, operationBytes, depth, connections, sequential, digests, flowControl } = load;
  return {
    kind: 'load',
    target: server.target,
    pid: server.pid,
    seconds: options.seconds,
    warmupMs: WARMUP_MS,
    // Sequential I/O goes through all of it.
    workingSetBytes:
      (load.workingSetMib ?? (load.sequential ? options.sizeMib : options.workingSetMib)) * MIB,
    ...{ write, operationBytes, depth, connections, sequential, digests, flowControl },
  };
}

/** The floors that the chosen cases need; none with --no-floor. */
type Floors = Partial<Record<'floor' | 'keeping-floor', Server<FloorTarget>>>;

async function startFloors(loads: LoadCase[], options: Options): Promise<Floors> {
  const floors: Floors = {};
  if (!options.floor) return floors;
  if (loads.some((load) => load.against === 'floor')) floors.floor = await startFloor(options.nodeFlags);
  if (loads.some((load) => load.against === 'keeping-floor')) {
    floors['keeping-floor'] = await startFloor(options.nodeFlags, options.sizeMib);
  }
  return floors;
}

async function measure(
  load: LoadCase,
  subject: Subject,
  floors: Floors,
  options: Options,
): Promise<CaseResult> {
  const own: LoadResult[] = [];
  const reference: LoadResult[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const floor = load.against === 'plain' ? undefined : floors[load.against];
    if (load.against === 'plain')
      reference.push(await runJob(jobOf({ ...load, digests: false }, subject, options)));
    else if (floor !== undefined) reference.push(await runJob(jobOf(load, floor, options)));
    own.push(await runJob(jobOf(load, subject, options)));
  }
  const comparable = reference.length > 0 && subject.pid !== undefined;
  return {
    case: load,
    gateway: figures(own),
    reference: reference.length > 0 ? figures(reference) : undefined,
    ratio: comparable
      ? median(own.map((result, round) => cpuUs(result) / cpuUs(reference[round])))
      : undefined,
  };
}

async function measureIdle(subject: Subject): Promise<{ share: number; text: string }> {
  const job: Job = { kind: 'idle', target: subject.target, pid: subject.pid, connections: IDLE_CONNECTIONS };
  const result = await runJob<IdleResult>({ ...job, warmupMs: 1000, seconds: IDLE_SECONDS });
  const share = result.serverCpuNs / 1e9 / result.seconds;
  const met = share < IDLE_GOAL ? 'goal met' : 'GOAL MISSED';
  const percent = `${(share * 100).toFixed(2)} %`;
  return {
    share,
    text: `idle: ${percent} of a core with ${result.connections} connections, ${met} (< ${IDLE_GOAL * 100} %)`,
  };
}

function chosen(options: Options): { loads: LoadCase[]; idle: boolean } {
  const wanted = (name: string): boolean =>
    options.only.length === 0 || options.only.some((part) => name.includes(part));
  const mayWrite = options.external === undefined || options.destroyData;
  const loads = allCases().filter((load) => wanted(load.name) && (mayWrite || !load.write));
  return { loads, idle: options.external === undefined && wanted(IDLE_CASE) };
}

async function benchmark(options: Options): Promise<void> {
  const { loads, idle } = chosen(options);
  const floors = await startFloors(loads, options);
  let gateway: Gateway | undefined;
  let subject: Subject;
  if (options.external === undefined) {
    gateway = await startMemoryGateway(options.nodeFlags, options.sizeMib * MIB, options.hostNqn);
    subject = gateway;
    await runJob({
      kind: 'check',
      target: subject.target,
      digests: true,
      workingSetBytes: options.sizeMib * MIB,
    });
    await runJob({ kind: 'fill', target: subject.target, workingSetBytes: options.sizeMib * MIB });
  } else {
    subject = { target: { kind: 'nvme', hostNqn: options.hostNqn, ...options.external } };
  }
  const load = loadavg()[0].toFixed(1);
  const where = `Node ${process.version}, ${cpus()[0]?.model}, ${cpus().length} CPUs, load ${load}`;
  const how = `${options.rounds} rounds of ${options.seconds} s, medians; random I/O within ${options.workingSetMib} MiB${PINNED ? '' : '; NOT PINNED to CPUs'}`;
  remark(`${where}\n${how}`);
  const results: CaseResult[] = [];
  if (!options.json) say(header());
  for (const one of loads) {
    const result = await measure(one, subject, floors, options);
    results.push(result);
    if (!options.json) say(rows(result));
  }
  const idleResult = idle ? await measureIdle(subject) : undefined;
  if (options.json)
    say(JSON.stringify({ where, how, cases: results, idleShare: idleResult?.share }, null, 2));
  else if (idleResult !== undefined) say(idleResult.text);
  for (const floor of Object.values(floors)) await stop(floor.child);
  if (gateway !== undefined) {
    await stop(gateway.child);
    gateway.clean();
  }
  if (results.some((result) => result.gateway.failed > 0)) process.exitCode = 1;
}

/** One gateway for each case, so that a profile holds nothing else. */
async function profile(options: Options): Promise<void> {
  const only = options.only.length > 0 ? options.only : ['read-4k-qd32x4', 'write-4k-qd32x4'];
  const exact = (name: string): boolean =>
    options.only.length > 0 ? only.some((part) => name.includes(part)) : only.includes(name);
  for (const load of allCases().filter(({ name }) => exact(name))) {
    const folder = mkdtempSync(join(tmpdir(), 'anagate-profile-'));
    const flags = [...options.nodeFlags, '--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=250'];
    const spawned = performance.now();
    const gateway = await startMemoryGateway(flags, options.sizeMib * MIB, options.hostNqn);
    await runJob({ kind: 'fill', target: gateway.target, workingSetBytes: options.sizeMib * MIB });
    const from = (performance.now() - spawned) * 1000 + WARMUP_MS * 1000;
    const result = await runJob<LoadResult>(jobOf(load, gateway, options));
    const to = from + options.seconds * 1e6;
    await stop(gateway.child);
    gateway.clean();
    const { busyUs, functions, files } = summarize(readProfile(folder), from, to);
    const [iops, cpu, inV8] = [result.commands / result.seconds, cpuUs(result), busyUs / result.commands];
    say(
      `\n${load.name}: ${iops.toFixed(0)} IOPS, ${cpu.toFixed(2)} us of CPU per command under the profiler: ` +
        `${inV8.toFixed(2)} below, ${(cpu - inV8).toFixed(2)} outside of V8 (receiving, polling, other threads)`,
    );
    say(`self time by function\n${table(functions, options.top, busyUs, result.commands)}`);
    say(`by file\n${table(files, 20, busyUs, result.commands)}`);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options === 'help') return say(USAGE);
  if (options.list) return say([...allCases().map((load) => load.name), IDLE_CASE].join('\n'));
  if (options.external === undefined && options.build) build();
  if (options.profile) await profile(options);
  else await benchmark(options);
}

process.on('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
try {
  await main();
} catch (err) {
  remark(`bench: ${err instanceof Error ? err.message : String(err)}`);
  process.exitCode = 1;
  killAll();
}
