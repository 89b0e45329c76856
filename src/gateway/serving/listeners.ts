/**
 * The addresses that this gateway listens on. Several subsystems may share an address and port: it opens with the first of
 * their listener records and closes with the last. An address is served through the socket of the wildcard of its TCP port, if
 * that is open: the system lets only one of both listen.
 */
import { AnagateError } from '../../base/errors.ts';
import { LIMITS } from '../../limits.ts';
import type { Port } from '../../target/port.ts';
import type { Subsystem } from '../../target/subsystem.ts';
import type { Target } from '../../target/target.ts';
import { isWildcard } from '../configuration/network-mask.ts';
import { keyOf, type ListenerRecord } from '../configuration/records.ts';
import { addressOf } from '../plans/subsystems.ts';

/** Something that accepts hosts for a port. */
export interface Listening {
  /** TCP port that it is bound to. */
  readonly tcpPort: number;
  stopAccepting(): void;
  /** Stops listening and closes every connection. */
  close(reason: string): Promise<void>;
}

/** Binds; rejects with the system's error. */
export type OpenListener = (port: Port, address: string, tcpPort: number) => Promise<Listening>;

/** Where a port of the target is offered. */
export interface PortPlace {
  adrfam: 'ipv4' | 'ipv6';
  traddr: string;
  trsvcid: number;
  discoveryOnly?: boolean;
}

interface OpenAddress {
  readonly place: PortPlace;
  readonly port: Port;
  /** Null: hosts come through the socket of the wildcard. */
  listening: Listening | null;
  /** What it listened with until the wildcard came; hosts that came through these are connected still. */
  readonly former: Listening[];
  /** Subsystem by record key. */
  readonly users: Map<string, Subsystem>;
}

export class Listeners {
  readonly #target: Target;
  readonly #makePort: (place: PortPlace) => Port;
  readonly #open: OpenListener;
  readonly #isHere: (address: string) => Promise<boolean>;
  readonly #addresses = new Map<string, OpenAddress>();
  #discovery: OpenAddress | null = null;

  /** `isHere` tells whether this machine has an address: it may let programs bind any other as well (ip_nonlocal_bind). */
  constructor(
    target: Target,
    makePort: (place: PortPlace) => Port,
    open: OpenListener,
    isHere: (address: string) => Promise<boolean>,
  ) {
    this.#target = target;
    this.#makePort = makePort;
    this.#open = open;
    this.#isHere = isHere;
  }

  isOpen(record: ListenerRecord): boolean {
    return this.#addresses.get(addressOf(record))?.users.has(keyOf(record)) ?? false;
  }

  /** The port that a listener record is offered on. */
  portOf(record: ListenerRecord): Port | undefined {
    return this.isOpen(record) ? this.#addresses.get(addressOf(record))!.port : undefined;
  }

  /** Opens the discovery service; resolves with its TCP port. */
  async openDiscovery(address: string, tcpPort: number): Promise<number> {
    const adrfam = address.includes(':') ? 'ipv6' : 'ipv4';
    const place = { adrfam, traddr: address, trsvcid: tcpPort, discoveryOnly: true } as const;
    this.#discovery = await this.#make(place, (open) => this.#bind(open));
    return this.#discovery.listening!.tcpPort;
  }

  /**
   * Lets hosts reach `subsystem` at the record's address. Does nothing when they can already. Rejects with ADDRESS_IN_USE,
   * ADDRESS_NOT_AVAILABLE or LIMIT_EXCEEDED.
   */
  async open(record: ListenerRecord, subsystem: Subsystem): Promise<void> {
    const address = addressOf(record);
    let open = this.#addresses.get(address);
    if (open === undefined) {
      if (this.#addresses.size >= LIMITS.maxListenAddresses) {
        throw new AnagateError(
          'LIMIT_EXCEEDED',
          `this gateway listens on ${LIMITS.maxListenAddresses} addresses already, which is the limit`,
        );
      }
      if (!isWildcard(record.traddr) && !(await this.#isHere(record.traddr)))
        throw bindError(record, { code: 'EADDRNOTAVAIL' } as NodeJS.ErrnoException);
      open = await this.#make(record, (made) => {
        // Offered before the port is open: a host that is told "no such subsystem" gives the path up for good.
        made.port.expose(subsystem);
        return this.#listen(made);
      });
      this.#addresses.set(address, open);
    }
    open.users.set(keyOf(record), subsystem);
    open.port.expose(subsystem);
  }

  /** Ends it; hosts that came through it are disconnected. */
  async close(record: ListenerRecord): Promise<void> {
    const address = addressOf(record);
    const open = this.#addresses.get(address);
    const subsystem = open?.users.get(keyOf(record));
    if (open === undefined || subsystem === undefined) return;
    open.users.delete(keyOf(record));
    if (![...open.users.values()].includes(subsystem)) open.port.unexpose(subsystem);
    if (open.users.size > 0) return;
    this.#addresses.delete(address);
    this.#wildcardOver(open.place)?.port.within.delete(open.place.traddr);
    await this.#give(open, 'listener removed');
    for (const one of this.#within(open.place)) await this.#listenAgain(one);
  }

  /** No new connections; those that exist go on. */
  stopAccepting(): void {
    for (const { listening } of this.#all()) listening?.stopAccepting();
  }

  async closeAll(reason: string): Promise<void> {
    const all = [...this.#all()];
    this.#addresses.clear();
    this.#discovery = null;
    await Promise.all(all.map((open) => closeSockets(open, reason)));
    for (const { port } of all) this.#target.removePort(port);
  }

  *#all(): Generator<OpenAddress> {
    yield* this.#addresses.values();
    if (this.#discovery !== null) yield this.#discovery;
  }

  // ---- sockets ----

  /** An address with its port, listened on by `listen`. */
  async #make(place: PortPlace, listen: (open: OpenAddress) => Promise<void>): Promise<OpenAddress> {
    const open: OpenAddress = {
      place,
      port: this.#makePort(place),
      listening: null,
      former: [],
      users: new Map(),
    };
    try {
      await listen(open);
      return open;
    } catch (error) {
      this.#target.removePort(open.port);
      throw error;
    }
  }

  /** By a socket of its own, or through that of the wildcard. A wildcard takes the place of the sockets of single addresses. */
  async #listen(open: OpenAddress): Promise<void> {
    const whole = this.#wildcardOver(open.place);
    if (whole !== undefined) {
      whole.port.within.set(open.place.traddr, open.port);
      return;
    }
    const within = this.#within(open.place);
    for (const one of within) {
      open.port.within.set(one.place.traddr, one.port);
      retire(one);
    }
    try {
      await this.#bind(open);
    } catch (error) {
      for (const one of within) await this.#listenAgain(one);
      throw error;
    }
  }

  /** What cannot be opened again is closed, and tried again with {@link TargetApplier.readdress}. */
  async #listenAgain(open: OpenAddress): Promise<void> {
    try {
      await this.#listen(open);
    } catch {
      this.#addresses.delete(addressOf(open.place));
      await this.#give(open, 'listener failed');
    }
  }

  async #bind(open: OpenAddress): Promise<void> {
    const { place, port } = open;
    try {
      open.listening = await this.#open(port, place.traddr, place.trsvcid);
    } catch (error) {
      throw bindError(place, error as NodeJS.ErrnoException, this.#inTheWay(place));
    }
  }

  /** What this gateway itself listens on and that includes the place, or is included. */
  #inTheWay({ trsvcid, traddr }: PortPlace): PortPlace | undefined {
    const others = [...this.#all()].map(({ place }) => place).filter((place) => place.trsvcid === trsvcid);
    return others.find((place) => isWildcard(traddr) || isWildcard(place.traddr));
  }

  #give(open: OpenAddress, reason: string): Promise<void> {
    this.#target.removePort(open.port);
    return closeSockets(open, reason);
  }

  /** The wildcard that hosts of a single address come through. */
  #wildcardOver(place: PortPlace): OpenAddress | undefined {
    return [...this.#addresses.values()].find((other) => includes(other.place, place));
  }

  /** The single addresses that a wildcard stands for, among others. */
  #within(place: PortPlace): OpenAddress[] {
    return [...this.#addresses.values()].filter((other) => includes(place, other.place));
  }
}

/** Takes no hosts by its own socket any more. */
function retire(open: OpenAddress): void {
  open.listening?.stopAccepting();
  if (open.listening !== null) open.former.push(open.listening);
  open.listening = null;
}

async function closeSockets({ listening, former }: OpenAddress, reason: string): Promise<void> {
  const sockets = listening === null ? former : [listening, ...former];
  await Promise.all(sockets.map((socket) => socket.close(reason)));
}

/** Whether a wildcard stands for a single address; :: stands for those of IPv4, too. */
function includes(wildcard: PortPlace, single: PortPlace): boolean {
  if (wildcard.trsvcid !== single.trsvcid || isWildcard(single.traddr)) return false;
  return wildcard.traddr === '::' || (wildcard.traddr === '0.0.0.0' && single.adrfam === 'ipv4');
}

function bindError(place: PortPlace, error: NodeJS.ErrnoException, own?: PortPlace): AnagateError {
  const what = place.discoveryOnly ? 'the discovery service' : 'a listener';
  const where = addressOf(place);
  const say = (code: 'ADDRESS_IN_USE' | 'ADDRESS_NOT_AVAILABLE', reason: string): AnagateError =>
    new AnagateError(code, `${what} cannot be opened at ${where}: ${reason}`, { cause: error });
  switch (error.code) {
    case 'EADDRINUSE':
      return say(
        'ADDRESS_IN_USE',
        own === undefined
          ? 'another program listens there; stop it, or choose another port'
          : `this gateway's ${own.discoveryOnly ? 'discovery service' : 'listener'} is at ${addressOf(own)}; choose another port`,
      );
    case 'EADDRNOTAVAIL':
      return say('ADDRESS_NOT_AVAILABLE', 'no interface of this machine has that address');
    case 'EACCES':
      return say('ADDRESS_NOT_AVAILABLE', 'this user may not listen on that port; choose one from 1024 up');
    default:
      return say('ADDRESS_NOT_AVAILABLE', error.message);
  }
}
