/**
 * Series per namespace, subsystem, host and ANA group, written as text straight from the live objects.
 *
 * prom-client is not used for these: it would hold a second copy of 4096 namespaces times a dozen labelled series, hash
 * the labels of each on every update and render all of it in one go, a stall of tens of milliseconds for every host. Here
 * nothing is kept between scrapes, and the text is made line by line in slices (see exposition.ts).
 *
 * Names and labels that begin with `ceph_nvmeof_` are those of ceph-nvmeof, so that its dashboard and alerts work.
 */
import { type HistogramView, LATENCY_BOUNDS_US } from '../base/histogram.ts';
import { escapeLabel, familyHead, formatValue, type MetricType } from './exposition.ts';
import type {
  AnaGroupMetrics,
  HostMetrics,
  MetricsSource,
  MonitorMetrics,
  NamespaceMetrics,
  SubsystemMetrics,
} from './metrics-source.ts';

/** One metric of one kind of object. */
interface Family<T> {
  name: string;
  type: Exclude<MetricType, 'histogram'>;
  help: string;
  labels: (object: T) => string;
  value: (object: T) => number;
}

const byBdev = (ns: NamespaceMetrics): string => `bdev_name="${escapeLabel(ns.bdevName)}"`;
const byNqn = (subsystem: { nqn: string }): string => `nqn="${escapeLabel(subsystem.nqn)}"`;
const one = (): number => 1;

const NAMESPACE_FAMILIES: readonly Family<NamespaceMetrics>[] = [
  {
    name: 'ceph_nvmeof_bdev_metadata',
    type: 'gauge',
    help: 'What is behind a namespace',
    labels: (ns) =>
      `${byBdev(ns)},pool_name="${escapeLabel(ns.pool)}",namespace="${escapeLabel(ns.poolNamespace ?? '')}",` +
      `rbd_name="${escapeLabel(ns.image)}",block_size="${ns.blockSize}"`,
    value: one,
  },
  bdev('bdev_capacity_bytes', 'gauge', 'Size', (ns) => ns.sizeBytes),
  bdev('bdev_reads_completed_total', 'counter', 'Reads completed', (ns) => ns.reads),
  bdev('bdev_writes_completed_total', 'counter', 'Writes completed', (ns) => ns.writes),
  bdev('bdev_read_bytes_total', 'counter', 'Bytes read', (ns) => ns.readBytes),
  bdev('bdev_written_bytes_total', 'counter', 'Bytes written', (ns) => ns.writtenBytes),
  bdev('bdev_read_seconds_total', 'counter', 'Time that reads took, summed', (ns) => ns.readSeconds),
  bdev('bdev_write_seconds_total', 'counter', 'Time that writes took, summed', (ns) => ns.writeSeconds),
  {
    name: 'ceph_nvmeof_subsystem_namespace_metadata',
    type: 'gauge',
    help: 'Namespaces of a subsystem',
    labels: (ns) => `${byNqn(ns)},nsid="${ns.nsid}",${byBdev(ns)},anagrpid="${ns.anaGroupId}"`,
    value: one,
  },
  {
    name: 'anagate_namespace_errors_total',
    type: 'counter',
    help: 'Commands that failed, path-related ones not counted',
    labels: (ns) => `${byNqn(ns)},nsid="${ns.nsid}"`,
    value: (ns) => ns.errors,
  },
];

function bdev(
  name: string,
  type: Family<NamespaceMetrics>['type'],
  help: string,
  value: (ns: NamespaceMetrics) => number,
): Family<NamespaceMetrics> {
  return { name: `ceph_nvmeof_${name}`, type, help, labels: byBdev, value };
}

function subsystemFamilies(group: string): readonly Family<SubsystemMetrics>[] {
  const groupLabel = escapeLabel(groupName(group));
  return [
    {
      name: 'ceph_nvmeof_subsystem_metadata',
      type: 'gauge',
      help: 'What a subsystem says of itself',
      labels: (sub) =>
        `${byNqn(sub)},serial_number="${escapeLabel(sub.serial)}",model_number="${escapeLabel(sub.model)}",` +
        `allow_any_host="${sub.allowAnyHost ? 'yes' : 'no'}",ha_enabled="yes",group="${groupLabel}"`,
      value: one,
    },
    subsystem('subsystem_listener_count', 'Listeners', (sub) => sub.listenerCount),
    subsystem('subsystem_host_count', 'Hosts allowed by name', (sub) => sub.hostCount),
    subsystem('subsystem_namespace_limit', 'Most namespaces it may have', (sub) => sub.namespaceLimit),
    subsystem('subsystem_namespace_count', 'Namespaces', (sub) => sub.namespaceCount),
  ];
}

function subsystem(
  name: string,
  help: string,
  value: (sub: SubsystemMetrics) => number,
): Family<SubsystemMetrics> {
  return { name: `ceph_nvmeof_${name}`, type: 'gauge', help, labels: byNqn, value };
}

function hostFamilies(gatewayName: string): readonly Family<HostMetrics>[] {
  const gateway = `gw_name="${escapeLabel(gatewayName)}"`;
  const byHost = (host: HostMetrics): string =>
    `${gateway},${byNqn(host)},host_nqn="${escapeLabel(host.hostNqn)}"`;
  return [
    {
      name: 'ceph_nvmeof_host_connection_state',
      type: 'gauge',
      help: '1 while a host has a controller here, 0 when it has none',
      labels: (host) => `${byHost(host)},host_addr="${escapeLabel(host.hostAddress)}"`,
      value: (host) => (host.connected ? 1 : 0),
    },
    {
      name: 'ceph_nvmeof_host_keepalive_timeout',
      type: 'gauge',
      help: "1 when the host's last controller here ended by keep-alive timeout",
      labels: byHost,
      value: (host) => (host.keepAliveTimeout ? 1 : 0),
    },
  ];
}

const byAnaGroup = (group: AnaGroupMetrics): string => `${byNqn(group)},ana_group="${group.anaGroupId}"`;
const ANA_FAMILIES: readonly Family<AnaGroupMetrics>[] = [
  {
    name: 'anagate_ana_state',
    type: 'gauge',
    help: 'ANA state here: 1 optimized, 2 non-optimized, 3 inaccessible, 4 persistent loss, 15 change',
    labels: byAnaGroup,
    value: (group) => group.state,
  },
  {
    name: 'anagate_ana_changes_total',
    type: 'counter',
    help: 'Changes of ANA state here since start',
    labels: byAnaGroup,
    value: (group) => group.changes,
  },
];

/** The name that Prometheus sees for a group: ceph-nvmeof's word for none. */
export function groupName(group: string): string {
  return group === '' ? '_null_' : group;
}

/** All series per object, a line or two at a time. Walks the source once for each metric: the format wants a metric's lines together. */
export function* objectMetrics(source: MetricsSource): Generator<string> {
  const { name, group } = source.gateway();
  yield* families(subsystemFamilies(group), () => source.subsystems());
  yield* latencies(source);
  yield* listeners(source);
  for (const family of hostFamilies(name)) yield* unique(families([family], () => source.hosts()));
  yield* families(ANA_FAMILIES, () => source.anaGroups());
  yield* families(NAMESPACE_FAMILIES, () => source.namespaces());
  const figures = source.monitor();
  if (figures === null) return;
  yield* families(MONITOR_FAMILIES, () => [figures]);
  yield* beaconAges(figures);
}

const oneIf = (is: boolean): number => (is ? 1 : 0);
/** Of the monitor of a group, and of the gateways that it watches. */
const MONITOR_FAMILIES: readonly Family<MonitorMetrics>[] = [
  monitor('epoch', 'gauge', 'Epoch of the map that says who serves what', (m) => m.epoch),
  monitor('leading', 'gauge', '1 while this gateway leads its group', (m) => oneIf(m.leading)),
  monitor(
    'failovers_total',
    'counter',
    'Failovers in the group since this gateway joined',
    (m) => m.failovers,
  ),
  monitor('fenced_total', 'counter', 'Times that this gateway was fenced and joined anew', (m) => m.fences),
  monitor('lease_lapses_total', 'counter', 'Leases that ran out here; I/O waited', (m) => m.lapses),
  monitor(
    'late_looks_total',
    'counter',
    'Looks at the beacons too late to judge anybody',
    (m) => m.lateLooks,
  ),
];

function monitor(
  name: string,
  type: Family<MonitorMetrics>['type'],
  help: string,
  value: (figures: MonitorMetrics) => number,
): Family<MonitorMetrics> {
  return { name: `anagate_monitor_${name}`, type, help, labels: () => '', value };
}

function* beaconAges({ beaconAgesMs }: MonitorMetrics): Generator<string> {
  const name = 'anagate_monitor_beacon_age_seconds';
  yield familyHead(name, 'gauge', 'Time since the last beacon of each gateway of the group');
  for (const [gateway, ms] of beaconAgesMs) {
    yield `${name}{gateway="${escapeLabel(gateway)}"} ${formatValue(ms / 1000)}\n`;
  }
}

function* families<T>(all: readonly Family<T>[], objects: () => Iterable<T>): Generator<string> {
  for (const family of all) {
    yield familyHead(family.name, family.type, family.help);
    for (const object of objects()) {
      const labels = family.labels(object);
      yield `${family.name}${labels === '' ? '' : `{${labels}}`} ${formatValue(family.value(object))}\n`;
    }
  }
}

/** A host with several controllers comes once for each, and the same series twice would spoil the page: the first counts. */
function* unique(lines: Iterable<string>): Generator<string> {
  const seen = new Set<string>();
  for (const line of lines) {
    const series = line.slice(0, line.lastIndexOf(' '));
    if (seen.has(series)) continue;
    seen.add(series);
    yield line;
  }
}

function* listeners(source: MetricsSource): Generator<string> {
  const name = 'anagate_listener_up';
  yield familyHead(name, 'gauge', '1 while this gateway listens on a listener of its own');
  for (const { nqn, address, port, active } of source.listeners()) {
    yield `${name}{nqn="${escapeLabel(nqn)}",address="${escapeLabel(address)}",port="${port}"} ${active ? 1 : 0}\n`;
  }
}

/** The `le` labels in seconds, as text. Powers of ten and their 2 and 5 folds: the division leaves no dust. */
const LE_SECONDS: readonly string[] = [...LATENCY_BOUNDS_US.map((us) => formatValue(us / 1e6)), '+Inf'];

function* latencies(source: MetricsSource): Generator<string> {
  const name = 'anagate_subsystem_latency_seconds';
  yield familyHead(name, 'histogram', 'Time from a command to its response, of one subsystem');
  for (const sub of source.subsystems()) {
    yield histogram(name, `${byNqn(sub)},op="read"`, sub.readLatency);
    yield histogram(name, `${byNqn(sub)},op="write"`, sub.writeLatency);
  }
}

/** In one piece, so that its buckets, sum and count are of one moment. */
function histogram(name: string, labels: string, view: HistogramView): string {
  let text = '';
  let total = 0;
  for (let bucket = 0; bucket < LE_SECONDS.length; bucket++) {
    total += view.counts[bucket];
    text += `${name}_bucket{${labels},le="${LE_SECONDS[bucket]}"} ${total}\n`;
  }
  return `${text}${name}_sum{${labels}} ${formatValue(view.sumUs / 1e6)}\n${name}_count{${labels}} ${total}\n`;
}
