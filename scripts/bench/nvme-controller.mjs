/** A controller as a host makes one: admin queue, CC.EN, Identify, number of queues, I/O queues. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { NvmeConnection } from './nvme-connection.mjs';
import { command, connectCommand, OPCODE, propertyGet, propertySet } from './nvme-pdu.mjs';

const CAP = 0x00;
const CC = 0x14;
const CSTS = 0x1c;
/** Entry sizes 2^6 and 2^4, enabled. */
const CC_ENABLE = 0x00460001;
const FEATURE_QUEUES = 0x07;
const READY_LIMIT_MS = 15_000;

export class NvmeController {
  admin;
  /** I/O queues, connected. */
  queues = [];
  /** Entries of an I/O queue minus one, as offered (MQES). */
  maxQueueSize0 = 0;
  /** Most data an I/O command capsule may carry, bytes. */
  inCapsuleBytes = 0;
  #options;
  #hostId = randomBytes(16);
  #cntlid = 0xffff;
  #keepAlive;

  /** `options`: host, port, subsystemNqn, hostNqn, digests, flowControl, katoMs. */
  static async connect(options) {
    const controller = new NvmeController();
    controller.#options = options;
    await controller.#connectAdmin();
    return controller;
  }

  async #connectQueue(qid, sqSize) {
    const { host, port, subsystemNqn, hostNqn, digests, flowControl = false, katoMs = 0 } = this.#options;
    const connection = await NvmeConnection.open({ host, port });
    await connection.initialize(digests);
    const { sqe, data } = connectCommand({
      qid,
      sqSize,
      cntlid: this.#cntlid,
      kato: qid === 0 ? katoMs : 0,
      hostId: this.#hostId,
      hostNqn,
      subsystemNqn,
      flowControl,
    });
    const { result } = await connection.execute(sqe, data);
    if (qid === 0) this.#cntlid = Number(result & 0xffffn);
    return connection;
  }

  async #connectAdmin() {
    this.admin = await this.#connectQueue(0, 31);
    const cap = (await this.admin.execute(propertyGet(CAP, 8))).result;
    this.maxQueueSize0 = Number(cap & 0xffffn);
    await this.admin.execute(propertySet(CC, CC_ENABLE));
    const limit = Date.now() + READY_LIMIT_MS;
    while (((await this.admin.execute(propertyGet(CSTS, 4))).result & 1n) === 0n) {
      if (Date.now() > limit) throw new Error('the controller does not become ready');
      await sleep(10);
    }
    const identify = command({ opcode: OPCODE.identify, dataBytes: 4096, words: { 10: 1 } });
    const page = (await this.admin.execute(identify, undefined, 4096)).data;
    this.inCapsuleBytes = page.readUInt32LE(1792) * 16 - 64;
    const { katoMs = 0 } = this.#options;
    if (katoMs > 0) {
      const beat = () =>
        this.admin.execute(command({ opcode: OPCODE.keepAlive })).catch((err) => this.admin.onFailure?.(err));
      this.#keepAlive = setInterval(beat, katoMs / 2);
    }
  }

  /** Connects `count` I/O queues for `depth` commands outstanding each. Returns the depth that they really have. */
  async connectQueues(count, depth) {
    const words = { 10: FEATURE_QUEUES, 11: (count - 1) | ((count - 1) << 16) };
    const { result } = await this.admin.execute(command({ opcode: OPCODE.setFeatures, words }));
    const granted = Number(result & 0xffffn) + 1;
    if (granted < count) throw new Error(`asked for ${count} I/O queues, got ${granted}`);
    // One entry stays free: a queue with `n` entries holds n - 1 commands.
    const sqSize = Math.min(Math.max(depth, 31), this.maxQueueSize0);
    for (let qid = 1; qid <= count; qid++) this.queues.push(await this.#connectQueue(qid, sqSize));
    return Math.min(depth, sqSize);
  }

  /** Block size and number of blocks of a namespace. */
  async identifyNamespace(nsid) {
    const identify = command({ opcode: OPCODE.identify, nsid, dataBytes: 4096 });
    const page = (await this.admin.execute(identify, undefined, 4096)).data;
    const format = page[26] & 0xf;
    return { blocks: Number(page.readBigUInt64LE(0)), blockBytes: 2 ** page[128 + format * 4 + 2] };
  }

  close() {
    clearInterval(this.#keepAlive);
    for (const connection of [this.admin, ...this.queues]) connection.close();
  }
}
