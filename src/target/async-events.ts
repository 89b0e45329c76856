/**
 * Asynchronous events of one controller (NVMe Base 2.0 section 5.2). An event is remembered until an Asynchronous Event
 * Request is there to carry it and the host has asked for its kind; once sent, its kind stays masked until the host reads the
 * log page that tells the details, so a change is reported at least once after every read.
 */
import { AsyncEventBit, AsyncEventNotice, AsyncEventType, packAsyncEvent } from '../wire/features.ts';
import { LogPageId } from '../wire/log-pages.ts';
import { Status } from '../wire/status.ts';
import type { Request } from './request.ts';

/** The kinds of notice that this target sends. `bit` is its mask in OAES and in feature 0Bh. */
export interface EventKind {
  readonly bit: number;
  /** DW0 of the completion: log page, information, type 2h (notice). */
  readonly dw0: number;
  readonly logPage: number;
}

function notice(bit: number, information: number, logPage: number): EventKind {
  return { bit, logPage, dw0: packAsyncEvent(AsyncEventType.notice, information, logPage) };
}

export const namespaceAttributeChanged = notice(
  AsyncEventBit.namespaceAttribute,
  AsyncEventNotice.namespaceAttributeChanged,
  LogPageId.changedNamespaceList,
);
export const anaChange = notice(AsyncEventBit.anaChange, AsyncEventNotice.anaChange, LogPageId.ana);
export const discoveryLogChanged = notice(
  AsyncEventBit.discoveryLogChange,
  AsyncEventNotice.discoveryLogChange,
  LogPageId.discovery,
);

const KINDS = [namespaceAttributeChanged, anaChange, discoveryLogChanged];

/** idle: nothing to tell. pending: to be sent. sent: masked until the log page is read. */
type EventState = 'idle' | 'pending' | 'sent';

export class AsyncEvents {
  private readonly limit: number;
  private readonly requests: Request[] = [];
  private readonly states = new Map<EventKind, EventState>(KINDS.map((kind) => [kind, 'idle']));
  /** Feature 0Bh, Asynchronous Event Configuration. */
  private enabled = 0;

  /** `limit` is AERL + 1. */
  constructor(limit: number) {
    this.limit = limit;
  }

  get configuration(): number {
    return this.enabled;
  }

  /** Set Features 0Bh. Events of a kind that was off until now are sent if something changed meanwhile. */
  configure(bits: number): void {
    this.enabled = bits >>> 0;
    this.deliver();
  }

  /** Takes an Asynchronous Event Request: it completes when there is something to tell. */
  arm(request: Request): void {
    if (this.requests.length >= this.limit) {
      request.refuse(Status.asyncEventRequestLimitExceeded);
      return;
    }
    this.requests.push(request);
    this.deliver();
  }

  /** Something of that kind changed. */
  raise(kind: EventKind): void {
    if (this.states.get(kind) !== 'idle') return;
    this.states.set(kind, 'pending');
    this.deliver();
  }

  /** The host read that log page with RAE cleared: it knows everything up to now. */
  logRead(logPage: number): void {
    for (const kind of KINDS) if (kind.logPage === logPage) this.states.set(kind, 'idle');
  }

  /** Abort command: true when the request was waiting here (the caller completes it). */
  remove(request: Request): boolean {
    const at = this.requests.indexOf(request);
    if (at < 0) return false;
    this.requests.splice(at, 1);
    return true;
  }

  /** Controller reset: requests end without completion, settings go back to their defaults. */
  reset(): Request[] {
    this.enabled = 0;
    for (const kind of KINDS) this.states.set(kind, 'idle');
    return this.requests.splice(0);
  }

  private deliver(): void {
    for (const kind of KINDS) {
      if (this.requests.length === 0) return;
      if (this.states.get(kind) !== 'pending' || (this.enabled & kind.bit) === 0) continue;
      this.states.set(kind, 'sent');
      const request = this.requests.shift()!;
      request.dw0 = kind.dw0;
      request.complete(Status.success);
    }
  }
}
