/**
 * The load generator: a process of its own that runs one job, given as JSON in its argument, and prints the result as JSON.
 * Job kinds: `load` (see LoadLoop), `idle` (connections that do nothing), `check` (what was written is read back),
 * `fill` (the working set is written once, so that reads find memory and not holes).
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuTimeNs, mainThreadCpuNs } from './cpu-time.mjs';
import { LatencyRecord } from './latency-record.mjs';
import { LoadLoop } from './load-loop.mjs';
import { NvmeConnection } from './nvme-connection.mjs';
import { NvmeController } from './nvme-controller.mjs';
import { ioCommand, OPCODE } from './nvme-pdu.mjs';

const job = JSON.parse(process.argv[2]);
const FLOOR_BLOCK_BYTES = 512;
const NO_DIGESTS = { headerDigest: false, dataDigest: false };

/** Connections ready for I/O, and what a load needs to know of the other side. */
async function connectTo({ target, connections, depth }) {
  if (target.kind === 'floor') {
    const open = Array.from({ length: connections }, () => NvmeConnection.open(target));
    const queues = await Promise.all(open);
    const blocks = job.workingSetBytes / FLOOR_BLOCK_BYTES;
    return {
      queues,
      depth,
      blocks,
      blockBytes: FLOOR_BLOCK_BYTES,
      inCapsuleBytes: Number.MAX_SAFE_INTEGER,
      close() {},
    };
  }
  const digests = job.digests ? { headerDigest: true, dataDigest: true } : NO_DIGESTS;
  const controller = await NvmeController.connect({ ...target, digests, flowControl: job.flowControl });
  const namespace = await controller.identifyNamespace(target.nsid);
  const granted = await controller.connectQueues(connections, depth);
  const { queues, inCapsuleBytes } = controller;
  return { queues, depth: granted, ...namespace, inCapsuleBytes, close: () => controller.close() };
}

function startLoops(side) {
  const blocks = Math.min(side.blocks, Math.floor(job.workingSetBytes / side.blockBytes));
  const share = job.sequential ? Math.floor(blocks / side.queues.length) : blocks;
  const loops = side.queues.map((connection, index) => {
    const firstBlock = job.sequential ? index * share : 0;
    const { write, operationBytes, sequential } = job;
    const { depth, blockBytes, inCapsuleBytes } = side;
    const nsid = job.target.nsid ?? 1;
    const range = { firstBlock, blocks: share, blockBytes };
    return new LoadLoop(connection, {
      depth,
      write,
      operationBytes,
      sequential,
      inCapsuleBytes,
      nsid,
      ...range,
    });
  });
  for (const connection of side.queues) {
    connection.onFailure = (err) => {
      throw err;
    };
  }
  for (const loop of loops) loop.start();
  return loops;
}

async function load() {
  const side = await connectTo(job);
  const loops = startLoops(side);
  await sleep(job.warmupMs);
  for (const loop of loops) loop.reset();
  const serverBefore = job.pid ? cpuTimeNs(job.pid) : 0;
  const loopBefore = job.pid ? mainThreadCpuNs(job.pid) : 0;
  const ownBefore = process.cpuUsage();
  const began = performance.now();
  await sleep(job.seconds * 1000);
  const seconds = (performance.now() - began) / 1000;
  const serverNs = job.pid ? cpuTimeNs(job.pid) - serverBefore : 0;
  const loopNs = job.pid ? mainThreadCpuNs(job.pid) - loopBefore : 0;
  const own = process.cpuUsage(ownBefore);
  const latency = new LatencyRecord();
  for (const loop of loops) latency.add(loop.latency);
  const sum = (read) => loops.reduce((total, loop) => total + read(loop), 0);
  const result = {
    commands: sum((loop) => loop.completed),
    bytes: sum((loop) => loop.bytes),
    failed: sum((loop) => loop.failed),
    seconds,
    depth: side.depth,
    latency: latency.summary(),
    serverCpuNs: serverNs,
    serverLoopCpuNs: loopNs,
    generatorBusy: (own.user + own.system) / 1e6 / seconds,
  };
  await finish(side, loops);
  return result;
}

/** Lets the commands in flight come back, so that the server has none of them left to do during the next measurement. */
async function finish(side, loops) {
  for (const loop of loops) loop.stop();
  await Promise.race([Promise.all(loops.map((loop) => loop.drained)), sleep(2000)]);
  for (const connection of side.queues) connection.close();
  side.close();
}

async function fill() {
  Object.assign(job, { connections: 1, depth: 8, write: true, operationBytes: 128 * 1024, sequential: true });
  const side = await connectTo(job);
  const loops = startLoops(side);
  while (loops[0].bytes < job.workingSetBytes) await sleep(20);
  await finish(side, loops);
  return { ok: true };
}

/** Controllers with an admin and one I/O queue each, kept alive as Linux does, until `connections` are open. */
async function idle() {
  const controllers = [];
  const floor = [];
  if (job.target.kind === 'floor') {
    for (let i = 0; i < job.connections; i++) floor.push(await NvmeConnection.open(job.target));
  } else {
    for (let i = 0; i < job.connections / 2; i++) {
      const controller = await NvmeController.connect({ ...job.target, digests: NO_DIGESTS, katoMs: 5000 });
      await controller.connectQueues(1, 127);
      controllers.push(controller);
    }
  }
  await sleep(job.warmupMs);
  const before = cpuTimeNs(job.pid);
  const began = performance.now();
  await sleep(job.seconds * 1000);
  const seconds = (performance.now() - began) / 1000;
  const serverCpuNs = cpuTimeNs(job.pid) - before;
  for (const one of [...controllers, ...floor]) one.close();
  return { seconds, serverCpuNs, connections: job.connections };
}

/** Writes random bytes, in the capsule and through R2T, and reads them back, all digests checked. */
async function check() {
  const side = await connectTo({ ...job, connections: 1, depth: 32 });
  const [queue] = side.queues;
  for (const bytes of [4096, 128 * 1024]) {
    const data = randomBytes(bytes);
    const range = {
      nsid: job.target.nsid,
      lba: bytes / side.blockBytes,
      blocks: bytes / side.blockBytes,
      dataBytes: bytes,
    };
    const inCapsule = bytes <= side.inCapsuleBytes;
    await queue.execute(ioCommand({ opcode: OPCODE.write, inCapsule, ...range }), data);
    const back = await queue.execute(ioCommand({ opcode: OPCODE.read, ...range }), undefined, bytes);
    if (back.received !== bytes || !back.data.equals(data))
      throw new Error(`${bytes} bytes came back different`);
  }
  side.close();
  return { ok: true, inCapsuleBytes: side.inCapsuleBytes, blocks: side.blocks, blockBytes: side.blockBytes };
}

const result = await { load, idle, check, fill }[job.kind]();
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(0);
