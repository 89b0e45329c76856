/**
 * One path of a host: its controller on one gateway, as Linux keeps it. It connects, sends keep-alives, follows the ANA log, and
 * when anything is wrong tears everything down, hands its commands back and connects again, for ever.
 */
import {
  AdminOpcode,
  connectData,
  connectSqe,
  Feature,
  getLogPageSqe,
  Property,
  propertySetSqe,
  sqe,
} from '../../initiator/command.ts';
import { AnaState, LogId, parseAnaLog } from '../../initiator/log-page.ts';
import type { SimEvent, Simulation } from '../engine/simulation.ts';
import type { Answer } from '../gateway/connection.ts';
import type { FrontDoor, HostLink } from '../gateway/front-door.ts';

const CC_ENABLE = 0x0046_0001;
const ANA_LOG_BYTES = 512;
const ANA_CHANGE_EVENT = 0x0c;
const ANA_CHANGE_NOTICES = 1 << 11;
/** What no answer comes to for so long has the controller reset (nvme_core.io_timeout, admin_timeout). */
const IO_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 3000;

export interface PathOptions {
  readonly simulation: Simulation;
  /** The host in the network. */
  readonly party: string;
  readonly hostNqn: string;
  readonly hostId: Buffer;
  readonly subsystemNqn: string;
  readonly keepAliveMs: number;
  readonly reconnectMs: number;
  /** Commands may find another path now. */
  onChange(): void;
}

/** Null: the path was lost before an answer came. */
export type Answered = (answer: Answer | null) => void;

interface Command {
  readonly answered: Answered;
  readonly timer: SimEvent;
}

export class Path {
  readonly door: FrontDoor;
  readonly #options: PathOptions;
  #state: 'down' | 'connecting' | 'live' = 'down';
  /** Grows with each association: what belongs to an earlier one is ignored. */
  #association = 0;
  #admin: HostLink | null = null;
  #io: HostLink | null = null;
  readonly #commands = new Map<string, Command>();
  #nextCid = 0;
  /** ANA state by namespace, as of the last log page. */
  #states = new Map<number, number>();
  /** A path status came: the state is not believed until the log is read. */
  readonly #doubted = new Set<number>();
  #reading = false;
  #readAgain = false;

  constructor(door: FrontDoor, options: PathOptions) {
    this.door = door;
    this.#options = options;
  }

  get isLive(): boolean {
    return this.#state === 'live';
  }

  isOptimized(nsid: number): boolean {
    return this.isLive && !this.#doubted.has(nsid) && this.#states.get(nsid) === AnaState.optimized;
  }

  connect(): void {
    if (this.#state !== 'down') return;
    this.#state = 'connecting';
    this.#association += 1;
    const association = this.#association;
    const late = this.#options.simulation.after(CONNECT_TIMEOUT_MS, () => {
      if (association === this.#association && this.#state === 'connecting')
        this.#lost('no connection in time');
    });
    this.#connectAdmin(() => {
      late.fn = null;
      this.#live();
    });
  }

  /** As `echo 1 > /sys/class/nvme/nvme0/reset_controller`. */
  reset(): void {
    if (this.isLive) this.#lost('the host resets it');
  }

  /** The state of the namespace is asked for when the answer is a path status. */
  send(command: Buffer, data: Buffer | null, nsid: number, answered: Answered): void {
    this.#command('io', command, data, IO_TIMEOUT_MS, (answer) => {
      if (answer !== null && (answer.status & 0x700) === 0x300 && this.isLive) {
        this.#doubted.add(nsid);
        this.#readAnaLog();
      }
      answered(answer);
    });
  }

  // ---- connecting ----

  #connectAdmin(then: () => void): void {
    const { keepAliveMs } = this.#options;
    this.#admin = this.#open('admin');
    this.#call('admin', connectSqe({ kato: keepAliveMs }), this.#connectData(0xffff), (answer) => {
      const cntlid = answer.dw0 & 0xffff;
      this.#call('admin', propertySetSqe(Property.cc, CC_ENABLE), null, () => this.#connectIo(cntlid, then));
    });
  }

  #connectIo(cntlid: number, then: () => void): void {
    this.#io = this.#open('io');
    this.#call('io', connectSqe({ qid: 1, sqsize: 127 }), this.#connectData(cntlid), () => then());
  }

  #connectData(cntlid: number): Buffer {
    const { hostNqn, hostId, subsystemNqn } = this.#options;
    return connectData({ hostid: hostId, cntlid, subnqn: subsystemNqn, hostnqn: hostNqn });
  }

  #live(): void {
    this.#state = 'live';
    const configure = sqe({ opcode: AdminOpcode.setFeatures, cdw: [Feature.asyncEvent, ANA_CHANGE_NOTICES] });
    this.#call('admin', configure, null, () => this.#armEvents());
    this.#readAnaLog();
    this.#keepAlive();
  }

  #open(queue: 'admin' | 'io'): HostLink {
    const association = this.#association;
    return this.door.openFrom(this.#options.party, {
      answered: (answer) => {
        if (association === this.#association) this.#answered(queue, answer);
      },
      ended: (reason) => {
        if (association === this.#association) this.#lost(reason);
      },
    });
  }

  // ---- while it is live ----

  #keepAlive(): void {
    const { simulation, keepAliveMs } = this.#options;
    const association = this.#association;
    this.#command('admin', sqe({ opcode: AdminOpcode.keepAlive }), null, keepAliveMs, () => undefined);
    simulation.after(keepAliveMs / 2, () => {
      if (association === this.#association && this.isLive) this.#keepAlive();
    });
  }

  #armEvents(): void {
    this.#command(
      'admin',
      sqe({ opcode: AdminOpcode.asyncEvent }),
      null,
      Number.POSITIVE_INFINITY,
      (answer) => {
        if (answer === null || answer.status !== 0) return;
        this.#armEvents();
        if (((answer.dw0 >>> 16) & 0xff) === ANA_CHANGE_EVENT) this.#readAnaLog();
      },
    );
  }

  #readAnaLog(): void {
    if (this.#reading) {
      this.#readAgain = true;
      return;
    }
    this.#reading = true;
    const command = getLogPageSqe({ lid: LogId.ana, length: ANA_LOG_BYTES });
    this.#call('admin', command, null, ({ data }) => {
      this.#reading = false;
      const { groups } = parseAnaLog(data!);
      this.#states = new Map(groups.flatMap(({ nsids, state }) => nsids.map((nsid) => [nsid, state])));
      if (this.#readAgain) {
        this.#readAgain = false;
        this.#readAnaLog();
        return;
      }
      this.#doubted.clear();
      this.#options.onChange();
    });
  }

  // ---- commands ----

  /** A command that must succeed: the association ends otherwise. */
  #call(queue: 'admin' | 'io', command: Buffer, data: Buffer | null, then: (answer: Answer) => void): void {
    this.#command(queue, command, data, IO_TIMEOUT_MS, (answer) => {
      if (answer === null) return;
      if (answer.status === 0) then(answer);
      else this.#lost(`status ${answer.status.toString(16)}`);
    });
  }

  #command(
    queue: 'admin' | 'io',
    command: Buffer,
    data: Buffer | null,
    timeoutMs: number,
    answered: Answered,
  ): void {
    const { simulation } = this.#options;
    const cid = this.#nextCid++ & 0xffff;
    const bytes = Buffer.from(command);
    bytes.writeUInt16LE(cid, 2);
    const timer = simulation.after(timeoutMs, () => this.#lost(`no answer for ${timeoutMs} ms`));
    this.#commands.set(`${queue} ${cid}`, { answered, timer });
    (queue === 'admin' ? this.#admin : this.#io)!.send(bytes, data);
  }

  #answered(queue: 'admin' | 'io', answer: Answer): void {
    const key = `${queue} ${answer.cid}`;
    const command = this.#commands.get(key);
    if (command === undefined) throw new Error(`${this.door.name} answered ${key}, which is not open`);
    this.#commands.delete(key);
    command.timer.fn = null;
    command.answered(answer);
  }

  #lost(reason: string): void {
    if (this.#state === 'down') return;
    const { simulation, hostNqn, reconnectMs } = this.#options;
    simulation.note(() => `${hostNqn} loses its path to ${this.door.name}: ${reason}`);
    this.#state = 'down';
    this.#association += 1;
    this.#admin?.close();
    this.#io?.close();
    this.#admin = null;
    this.#io = null;
    this.#states.clear();
    this.#doubted.clear();
    this.#reading = false;
    this.#readAgain = false;
    const commands = [...this.#commands.values()];
    this.#commands.clear();
    for (const { timer } of commands) timer.fn = null;
    simulation.after(reconnectMs, () => this.connect());
    for (const { answered } of commands) answered(null);
    this.#options.onChange();
  }
}
