/** A namespace as hosts see it: identity and geometry from the record, bytes from a block device. */
import type { BlockDevice } from '../base/block-device.ts';
import type { Controller } from './controller.ts';
import type { IoLimiter } from './io/io-limiter.ts';
import { NamespaceStats } from './namespace-stats.ts';
import type { Request } from './request.ts';

/** What the record says; constant over all gateways of the group but for size and ANA group. */
export interface NamespaceConfig {
  /** 1..MNAN. */
  nsid: number;
  /** RFC 9562 text form. */
  uuid: string;
  /** 16 bytes as 32 hexadecimal digits. */
  nguid: string;
  /** Load-balancing group, 1..ANAGRPMAX. */
  anaGroupId: number;
  blockSize: 512 | 4096;
  /** A multiple of the block size, below 2^53. */
  sizeBytes: number;
  readOnly?: boolean;
  /** NQNs of the only hosts that see it; absent or null: every host of the subsystem does. */
  visibleTo?: ReadonlySet<string> | null;
}

export class Namespace {
  readonly nsid: number;
  /** 16 bytes in the order of the text. */
  readonly uuid: Buffer;
  /** 16 bytes. */
  readonly nguid: Buffer;
  readonly blockSize: 512 | 4096;
  readonly blockShift: number;
  readonly readOnly: boolean;
  /** Where the bytes are; replaced when a stand-in becomes the real one. */
  device: BlockDevice;
  readonly stats = new NamespaceStats();
  anaGroupId: number;
  sizeBytes: number;
  /** NSZE. */
  blocks: number;
  removed = false;
  /** As in the config; changed by {@link Subsystem.setVisibility}. */
  visibleTo: ReadonlySet<string> | null;
  /** null: hosts may do as much as they can. */
  limiter: IoLimiter | null = null;

  /**
   * Writes whose connection is gone while the backend still works on them (ha-design S9). While there are any,
   * commands of any controller that overlap one of them wait: an old write must not land on top of a newer one.
   */
  readonly orphans = new Set<Request>();
  private waiting: Request[] = [];

  constructor(config: NamespaceConfig, device: BlockDevice) {
    this.nsid = config.nsid;
    this.uuid = Buffer.from(config.uuid.replaceAll('-', ''), 'hex');
    this.nguid = Buffer.from(config.nguid, 'hex');
    this.blockSize = config.blockSize;
    this.blockShift = Math.log2(config.blockSize);
    this.readOnly = config.readOnly ?? false;
    this.visibleTo = config.visibleTo ?? null;
    this.anaGroupId = config.anaGroupId;
    this.sizeBytes = config.sizeBytes;
    this.blocks = config.sizeBytes / config.blockSize;
    this.device = device;
  }

  isVisibleTo(controller: Controller): boolean {
    return this.visibleTo === null || this.visibleTo.has(controller.host.hostNqn);
  }

  setSize(sizeBytes: number): void {
    this.sizeBytes = sizeBytes;
    this.blocks = Math.floor(sizeBytes / this.blockSize);
  }

  /** True when the command must wait for an orphaned write; it is executed again when that has ended. */
  mustWait(request: Request): boolean {
    for (const orphan of this.orphans) {
      if (request.offset < orphan.offset + orphan.length && orphan.offset < request.offset + request.length) {
        this.waiting.push(request);
        return true;
      }
    }
    return false;
  }

  /** The connection of a command is gone: it must not be kept here as long as a backend that stands still keeps the orphans. */
  stopWaiting(request: Request): void {
    if (this.limiter?.remove(request)) return;
    const at = this.waiting.indexOf(request);
    if (at < 0) return;
    this.waiting.splice(at, 1);
    this.unwatch(request);
  }

  /** A command does not wait here any more: when none does, a change of its ANA group matters to nobody. */
  unwatch({ queue }: Request): void {
    if (this.waiting.length > 0 || this.limiter?.isWaitedFor) return;
    queue.port.ana.groups[this.anaGroupId].namespacesWaiting.delete(this);
  }

  /** An orphaned write has ended. */
  orphanEnded(orphan: Request): void {
    if (this.orphans.delete(orphan)) this.retryWaiting();
  }

  /** The namespace is gone, for all or for some hosts, or its ANA group stopped serving or is another one: commands that wait shall not do so for nothing. */
  turnAwayWaiting(): void {
    this.retryWaiting();
    this.limiter?.turnAway();
  }

  /** Commands that wait for orphaned writes pass the gate again. */
  private retryWaiting(): void {
    if (this.waiting.length === 0) return;
    const waiting = this.waiting;
    this.waiting = [];
    for (const request of waiting) this.unwatch(request);
    for (const request of waiting) {
      if (request.queue.closed) request.queue.discard(request);
      else request.execute(request);
    }
  }
}
