/** The small fixed part of the page: this process and the gateway's totals, through prom-client. */
import { type BigIntStats, statSync } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { MetricsSource } from './metrics-source.ts';
import { groupName } from './object-metrics.ts';

/**
 * Defaults of prom-client that are left out. The first four list every handle of the process at each scrape, with
 * thousands of connections a stall; open descriptors we count in a cheaper way. Its event loop lag includes its own
 * timer's period, so an idle loop would show 10 ms: ours is below.
 */
const LEFT_OUT = [
  'nodejs_active_resources',
  'nodejs_active_resources_total',
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'process_open_fds',
  'nodejs_eventloop_lag_seconds',
  'nodejs_eventloop_lag_min_seconds',
  'nodejs_eventloop_lag_max_seconds',
  'nodejs_eventloop_lag_mean_seconds',
  'nodejs_eventloop_lag_stddev_seconds',
  'nodejs_eventloop_lag_p50_seconds',
  'nodejs_eventloop_lag_p90_seconds',
  'nodejs_eventloop_lag_p99_seconds',
];

/** prom-client's own lag monitor cannot be left out; with this period, milliseconds, it does not wake an idle process. */
const UNUSED_MONITOR_PERIOD_MS = 60_000;

/** Metrics of the process: made once, as what they observe is the process. */
let processRegistry: Registry | undefined;

function processMetrics(): Registry {
  if (processRegistry !== undefined) return processRegistry;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: UNUSED_MONITOR_PERIOD_MS });
  for (const name of LEFT_OUT) registry.removeSingleMetric(name);
  openDescriptors(registry);
  eventLoopDelay(registry);
  eventLoopSeconds(registry);
  processRegistry = registry;
  return registry;
}

function openDescriptors(registry: Registry): void {
  new Gauge({
    name: 'process_open_fds',
    help: 'Number of open file descriptors.',
    registers: [registry],
    async collect() {
      this.set(await countDescriptors());
    },
  });
}

/** Linux 6.2 and newer say the number as the folder's size; before, count the entries a few at a time. */
async function countDescriptors(): Promise<number> {
  try {
    const stat: BigIntStats = statSync('/proc/self/fd', { bigint: true });
    if (stat.size > 0n) return Number(stat.size);
    let count = 0;
    for await (const _ of await opendir('/proc/self/fd', { bufferSize: 256 })) count++;
    return count;
  } catch {
    return Number.NaN;
  }
}

const DELAY_PERIOD_MS = 20;
const DELAY_QUANTILES: readonly (readonly [label: string, percentile: number])[] = [
  ['0.5', 50],
  ['0.99', 99],
  ['1', 100],
];

function eventLoopDelay(registry: Registry): void {
  const delays = monitorEventLoopDelay({ resolution: DELAY_PERIOD_MS });
  delays.enable();
  new Gauge({
    name: 'anagate_event_loop_delay_seconds',
    help: 'How late the event loop came to its timers since the scrape before',
    labelNames: ['quantile'],
    registers: [registry],
    collect() {
      for (const [quantile, percentile] of DELAY_QUANTILES) {
        const late = delays.count === 0 ? 0 : delays.percentile(percentile) / 1e9 - DELAY_PERIOD_MS / 1e3;
        this.set({ quantile }, Math.max(0, late));
      }
      delays.reset();
    },
  });
}

/** What SPDK's reactors are to ceph-nvmeof, the event loop is to us: busy is time outside of waiting for events. */
function eventLoopSeconds(registry: Registry): void {
  new Counter({
    name: 'ceph_nvmeof_reactor_seconds_total',
    help: 'Time the event loop was busy, and idle',
    labelNames: ['name', 'mode'],
    registers: [registry],
    collect() {
      const { active, idle } = performance.eventLoopUtilization();
      this.reset();
      this.inc({ name: 'event_loop', mode: 'busy' }, active / 1e3);
      this.inc({ name: 'event_loop', mode: 'idle' }, idle / 1e3);
    },
  });
}

/** The registry of one gateway: process metrics and its totals, read from `source` at each scrape. */
export function fixedMetrics(source: MetricsSource): Registry {
  const registry = new Registry();
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  };
  const counter = (name: string, help: string, read: () => number): void => {
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  };
  gatewayInfo(registry, source);
  gauge('anagate_connections', 'Open NVMe/TCP connections', () => source.connections().open);
  counter(
    'anagate_connections_accepted_total',
    'NVMe/TCP connections accepted',
    () => source.connections().accepted,
  );
  connectionErrors(registry, source);
  gauge(
    'anagate_buffer_pool_limit_bytes',
    'Most bytes that commands may hold',
    () => source.bufferPool().limitBytes,
  );
  gauge('anagate_buffer_pool_used_bytes', 'Bytes that commands hold', () => source.bufferPool().usedBytes);
  counter(
    'anagate_buffer_pool_waits_total',
    'Commands that waited for a buffer',
    () => source.bufferPool().waits,
  );
  return Registry.merge([processMetrics(), registry]);
}

function gatewayInfo(registry: Registry, source: MetricsSource): void {
  new Gauge({
    name: 'ceph_nvmeof_gateway_info',
    help: 'Who this gateway is',
    labelNames: ['version', 'addr', 'port', 'name', 'hostname', 'group', 'load_balancing_group'],
    registers: [registry],
    collect() {
      const { version, address, port, name, hostname, group, anaGroupId } = source.gateway();
      this.reset();
      this.set(
        {
          version,
          addr: address,
          port,
          name,
          hostname,
          group: groupName(group),
          load_balancing_group: anaGroupId,
        },
        1,
      );
    },
  });
}

function connectionErrors(registry: Registry, source: MetricsSource): void {
  new Counter({
    name: 'anagate_connection_errors_total',
    help: 'Connections that ended in an error, and those refused, by reason',
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { reason, count } of source.connectionErrors()) this.inc({ reason }, count);
    },
  });
}
