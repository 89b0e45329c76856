/** From counters of I/O, read twice, to what happens per second. Pure. */
import type { BdevIoStatsInfo, ListNamespacesIoStatsInfo } from '../../control/gateway-types.ts';

/** One gateway's counters at one moment. */
export interface Sample {
  gateway: string;
  /** Its own clock, seconds. */
  seconds: number;
  /** By bdev name. */
  counters: ReadonlyMap<string, Counters>;
}

/** Sums since the gateway started. */
interface Counters {
  reads: number;
  writes: number;
  readBytes: number;
  writtenBytes: number;
  readSeconds: number;
  writeSeconds: number;
}

/** Of the time between two samples. */
export interface Rates {
  readIops: number;
  writeIops: number;
  /** Bytes per second. */
  readBandwidth: number;
  writeBandwidth: number;
  /** Means in milliseconds; null: there was no I/O of the kind. */
  readLatency: number | null;
  writeLatency: number | null;
}

export function sampleOf(gateway: string, info: ListNamespacesIoStatsInfo): Sample {
  const rate = Number(info.tick_rate) || 1;
  return {
    gateway,
    seconds: Number(info.ticks) / rate,
    counters: new Map(info.namespaces.map((one) => [one.bdev_name, countersOf(one, rate)])),
  };
}

function countersOf(info: BdevIoStatsInfo, tickRate: number): Counters {
  return {
    reads: Number(info.num_read_ops),
    writes: Number(info.num_write_ops),
    readBytes: Number(info.bytes_read),
    writtenBytes: Number(info.bytes_written),
    readSeconds: Number(info.read_latency_ticks) / tickRate,
    writeSeconds: Number(info.write_latency_ticks) / tickRate,
  };
}

const ZERO: Counters = {
  reads: 0,
  writes: 0,
  readBytes: 0,
  writtenBytes: 0,
  readSeconds: 0,
  writeSeconds: 0,
};
const NAMES = Object.keys(ZERO) as (keyof Counters)[];

/** What was added between two samples of one gateway, per second of it. */
export interface Change {
  gateway: string;
  perSecond: ReadonlyMap<string, Counters>;
}

/** Null: the gateway started anew between them, or no time went by. */
export function changeOf(before: Sample, after: Sample): Change | null {
  const seconds = after.seconds - before.seconds;
  if (seconds <= 0) return null;
  const perSecond = new Map<string, Counters>();
  for (const [name, now] of after.counters) {
    const then = before.counters.get(name) ?? now; // new to us: counted from now on
    if (NAMES.some((counter) => now[counter] < then[counter])) continue;
    const change = { ...ZERO };
    for (const counter of NAMES) change[counter] = (now[counter] - then[counter]) / seconds;
    perSecond.set(name, change);
  }
  return { gateway: after.gateway, perSecond };
}

/** By bdev name, over all gateways. */
export function ratesByNamespace(changes: readonly Change[]): Map<string, Rates> {
  const sums = new Map<string, Counters>();
  for (const { perSecond } of changes) {
    for (const [name, change] of perSecond) sums.set(name, sum([sums.get(name) ?? ZERO, change]));
  }
  return new Map([...sums].map(([name, total]) => [name, toRates(total)]));
}

/** By name of the gateway. */
export function ratesByGateway(changes: readonly Change[]): Map<string, Rates> {
  return new Map(changes.map(({ gateway, perSecond }) => [gateway, toRates(sum([...perSecond.values()]))]));
}

function sum(all: readonly Counters[]): Counters {
  const total = { ...ZERO };
  for (const one of all) for (const counter of NAMES) total[counter] += one[counter];
  return total;
}

function toRates(c: Counters): Rates {
  const mean = (seconds: number, operations: number): number | null =>
    operations === 0 ? null : (seconds / operations) * 1000;
  return {
    readIops: c.reads,
    writeIops: c.writes,
    readBandwidth: c.readBytes,
    writeBandwidth: c.writtenBytes,
    readLatency: mean(c.readSeconds, c.reads),
    writeLatency: mean(c.writeSeconds, c.writes),
  };
}
