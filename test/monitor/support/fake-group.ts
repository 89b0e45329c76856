/** A group of gateways that run the real monitor on fakes, in simulated time. Checks with every millisecond that a group is served once. */
import { expect } from 'vitest';
import type { Timer } from '../../../src/base/clock.ts';
import type { Log } from '../../../src/base/log.ts';
import { nullLog } from '../../../src/base/log.ts';
import type { AnaGroupEntry } from '../../../src/monitor/group-map.ts';
import type { GatewayPlace } from '../../../src/monitor/monitor-client.ts';
import { SharedMonitor } from '../../../src/monitor/shared-monitor.ts';
import { MONITOR_TIMES, type MonitorTimes } from '../../../src/monitor/times.ts';
import { ManualClock } from '../../base/manual-clock.ts';
import { FakeCeph, FakeCoordination, FakeLink } from './fake-ceph.ts';
import { FakeGroupServer } from './fake-group-server.ts';
import { FakeProcess } from './fake-process.ts';
import { FakeNetwork, FakeStreams } from './fake-streams.ts';

export interface FakeGateway {
  readonly name: string;
  readonly process: FakeProcess;
  readonly link: FakeLink;
  readonly coordination: FakeCoordination;
  readonly server: FakeGroupServer;
  readonly monitor: SharedMonitor;
  readonly placed: Promise<GatewayPlace>;
  readonly messages: string[];
  kill(): void;
}

/** Tells whether anything happened. */
class BusyClock extends ManualClock {
  busy = false;

  override after(ms: number, fn: () => void): Timer {
    return super.after(ms, () => {
      this.busy = true;
      fn();
    });
  }
}

export class FakeGroup {
  readonly clock = new BusyClock();
  readonly ceph = new FakeCeph();
  readonly network = new FakeNetwork();
  readonly gateways: FakeGateway[] = [];
  readonly #times: MonitorTimes;
  #ids = 0;
  /** Of each gateway's machine. */
  readonly #ports = new Map<string, number>();

  constructor(times: Partial<MonitorTimes> = {}) {
    this.#times = { ...MONITOR_TIMES, ...times };
  }

  /** Starts a gateway, on the machine of that name; one that had this name before must be dead, unless it was on another one. */
  add(name: string, times: Partial<MonitorTimes> = {}, machine = name): FakeGateway {
    const port = this.#ports.get(machine) ?? 5501 + this.#ports.size;
    this.#ports.set(machine, port);
    const host = `192.0.2.${port - 5500}`;
    const process = new FakeProcess(this.clock);
    const link = new FakeLink(process, this.clock);
    const coordination = new FakeCoordination(this.ceph, link, host);
    const ownTimes = { ...this.#times, ...times };
    const server = new FakeGroupServer(this.ceph, link, this.clock, host, ownTimes.lease);
    const messages: string[] = [];
    const streams = new FakeStreams(this.network, process, port);
    const monitor = new SharedMonitor({
      gateway: name,
      location: '',
      coordination,
      clock: this.clock,
      timers: process,
      times: ownTimes,
      log: logInto(messages),
      newId: () => `${name}-${++this.#ids}`,
      peer: () => ({ address: host, port }),
      streams,
    });
    monitor.attach(server);
    const placed = monitor.start();
    placed.catch(() => {});
    const kill = (): void => {
      process.kill();
      this.network.died(streams);
    };
    const gateway = { name, process, link, coordination, server, monitor, placed, messages, kill };
    this.gateways.push(gateway);
    return gateway;
  }

  /** Time passes. */
  async run(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1) {
      this.clock.busy = false;
      this.clock.advance(1);
      // Promises are settled when the event loop comes round.
      if (this.clock.busy) await new Promise((resolve) => setImmediate(resolve));
      this.#check();
    }
  }

  /** Time passes until `isSo`; returns how long that took. Fails when it took longer than `limitMs`. */
  async until(what: string, isSo: () => boolean, limitMs = 10_000): Promise<number> {
    const begunMs = this.clock.nowMs();
    while (!isSo()) {
      expect(this.clock.nowMs() - begunMs, `waiting until ${what}`).toBeLessThan(limitMs);
      await this.run(1);
    }
    return this.clock.nowMs() - begunMs;
  }

  /** As many gateways as names, all of their home groups served at home. */
  async settled(...names: string[]): Promise<FakeGateway[]> {
    const gateways = [];
    for (const name of names) {
      const gateway = this.add(name);
      gateways.push(gateway);
      await this.until(`${name} has its place`, () =>
        this.ceph.map.gateways.some((entry) => entry.name === name),
      );
    }
    await this.until('each serves its own group', () =>
      names.every((name, slot) => this.serverOf(slot + 1) === name),
    );
    return gateways;
  }

  entry(group: number): AnaGroupEntry {
    return this.ceph.map.groups.find(({ id }) => id === group)!;
  }

  /** Name of the gateway that serves the group now. */
  serverOf(group: number): string | null {
    return this.gateways.find(({ server, process }) => process.alive && server.serves(group))?.name ?? null;
  }

  leader(): string {
    return this.ceph.leadership.gateway;
  }

  /** ha-design S1, S3. */
  #check(): void {
    for (const { id } of this.ceph.map.groups) {
      const serving = this.gateways.filter(
        ({ server, process }) =>
          process.alive && server.serves(id) && !this.ceph.blocklisted.has(server.address(id)),
      );
      expect(serving.map(({ name }) => name).length, `ANA group ${id} is served once`).toBeLessThan(2);
    }
  }
}

function logInto(messages: string[]): Log {
  const say = (_fields: unknown, message: string): void => {
    messages.push(message);
  };
  return { ...nullLog, info: say, warn: say, error: say, child: () => logInto(messages) };
}
