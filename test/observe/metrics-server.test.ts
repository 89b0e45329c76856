import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';
import { afterEach, describe, expect, it } from 'vitest';
import { LatencyHistogram } from '../../src/base/histogram.ts';
import type { Log } from '../../src/base/log.ts';
import { nullLog } from '../../src/base/log.ts';
import { type MetricsServer, startMetricsServer } from '../../src/observe/metrics-server.ts';
import type { MetricsSource } from '../../src/observe/metrics-source.ts';
import { Certificates, type KeyPair } from '../control/certificates.ts';
import { NQN, sampleNamespace, sampleSource, sampleSubsystem } from './sample-source.ts';
import { type Family, parseExposition } from './strict-exposition.ts';

const servers: MetricsServer[] = [];

async function start(
  source: MetricsSource,
  options: { log?: Log; scrapeLimitMs?: number } = {},
): Promise<string> {
  const server = await startMetricsServer({
    address: '127.0.0.1',
    port: 0,
    source,
    log: nullLog,
    ...options,
  });
  servers.push(server);
  return `http://127.0.0.1:${server.port}`;
}

async function scrape(source: MetricsSource): Promise<Map<string, Family>> {
  const response = await fetch(`${await start(source)}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return parseExposition(await response.text());
}

/** A family's samples as `label=value,... -> number`. */
function samplesOf(families: Map<string, Family>, name: string): Record<string, number> {
  const family = families.get(name);
  expect(family, `${name} is on the page`).toBeDefined();
  return Object.fromEntries(
    (family?.samples ?? []).map(({ labels, value }) => [
      [...labels].map(([k, v]) => `${k}=${v}`).join(','),
      value,
    ]),
  );
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

it('serves HTTPS, with another certificate once it is renewed', async () => {
  const certificates = new Certificates();
  const read = ({ key, cert }: KeyPair) => ({ key: readFileSync(key), cert: readFileSync(cert) });
  const [first, second] = ['first', 'second'].map((name) =>
    read(certificates.selfSigned(name, 'IP:127.0.0.1')),
  );
  certificates.remove();
  const server = await startMetricsServer({
    address: '127.0.0.1',
    port: 0,
    source: sampleSource(),
    log: nullLog,
    keyPair: first!,
  });
  servers.push(server);
  const statusFor = (trusted: Buffer) =>
    new Promise((resolve) => {
      const url = `https://127.0.0.1:${server.port}/metrics`;
      get(url, { ca: trusted, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).on('error', ({ message }) => resolve(message));
    });
  expect(await statusFor(first!.cert)).toBe(200);
  server.renew(second!);
  expect(await statusFor(second!.cert)).toBe(200);
  expect(await statusFor(first!.cert)).toMatch(/self-signed/);
});

describe('the metrics page', () => {
  it('tells of the monitor of a group where there is one', async () => {
    const figures = { epoch: 12, leading: true, failovers: 2, fences: 1, lapses: 3, lateLooks: 4 };
    const beaconAgesMs = new Map([['gw-b', 310]]);
    const page = await scrape(sampleSource({ monitor: () => ({ ...figures, beaconAgesMs }) }));
    expect(samplesOf(page, 'anagate_monitor_epoch')).toEqual({ '': 12 });
    expect(samplesOf(page, 'anagate_monitor_leading')).toEqual({ '': 1 });
    expect(samplesOf(page, 'anagate_monitor_failovers_total')).toEqual({ '': 2 });
    expect(samplesOf(page, 'anagate_monitor_fenced_total')).toEqual({ '': 1 });
    expect(samplesOf(page, 'anagate_monitor_lease_lapses_total')).toEqual({ '': 3 });
    expect(samplesOf(page, 'anagate_monitor_beacon_age_seconds')).toEqual({ 'gateway=gw-b': 0.31 });
    expect((await scrape(sampleSource())).has('anagate_monitor_epoch')).toBe(false);
  });

  it('has the names and labels of ceph-nvmeof', async () => {
    const page = await scrape(sampleSource({}, 1));
    const ns = sampleNamespace(1);
    const bdev = `bdev_name=${ns.bdevName}`;
    expect(samplesOf(page, 'ceph_nvmeof_gateway_info')).toEqual({
      'version=0.1.0,addr=127.0.0.1,port=5500,name=gw.a,hostname=node-a,group=_null_,load_balancing_group=1': 1,
    });
    expect(samplesOf(page, 'ceph_nvmeof_bdev_metadata')).toEqual({
      [`${bdev},pool_name=rbd,namespace=,rbd_name=image-1,block_size=512`]: 1,
    });
    const values: Record<string, number> = {
      bdev_capacity_bytes: ns.sizeBytes,
      bdev_reads_completed_total: ns.reads,
      bdev_writes_completed_total: ns.writes,
      bdev_read_bytes_total: ns.readBytes,
      bdev_written_bytes_total: ns.writtenBytes,
      bdev_read_seconds_total: ns.readSeconds,
      bdev_write_seconds_total: ns.writeSeconds,
    };
    for (const [name, value] of Object.entries(values)) {
      expect(samplesOf(page, `ceph_nvmeof_${name}`)).toEqual({ [bdev]: value });
    }
    expect(samplesOf(page, 'ceph_nvmeof_subsystem_namespace_metadata')).toEqual({
      [`nqn=${NQN},nsid=1,${bdev},anagrpid=2`]: 1,
    });
    expect(samplesOf(page, 'ceph_nvmeof_subsystem_metadata')).toEqual({
      [`nqn=${NQN},serial_number=AG1,model_number=Anagate,allow_any_host=no,ha_enabled=yes,group=_null_`]: 1,
    });
    const counts = { listener_count: 2, host_count: 3, namespace_count: 4, namespace_limit: 4096 };
    for (const [name, value] of Object.entries(counts)) {
      expect(samplesOf(page, `ceph_nvmeof_subsystem_${name}`)).toEqual({ [`nqn=${NQN}`]: value });
    }
    expect(samplesOf(page, 'ceph_nvmeof_host_connection_state')).toEqual({
      [`gw_name=gw.a,nqn=${NQN},host_nqn=nqn.h1,host_addr=127.0.0.1`]: 1,
      [`gw_name=gw.a,nqn=${NQN},host_nqn=nqn.h2,host_addr=`]: 0,
    });
    expect(samplesOf(page, 'ceph_nvmeof_host_keepalive_timeout')).toEqual({
      [`gw_name=gw.a,nqn=${NQN},host_nqn=nqn.h1`]: 0,
      [`gw_name=gw.a,nqn=${NQN},host_nqn=nqn.h2`]: 1,
    });
  });

  it('reports the event loop as a reactor, in seconds that add up', async () => {
    const before = performance.eventLoopUtilization();
    const reactor = samplesOf(await scrape(sampleSource()), 'ceph_nvmeof_reactor_seconds_total');
    const after = performance.eventLoopUtilization();
    const busy = reactor['name=event_loop,mode=busy'];
    const idle = reactor['name=event_loop,mode=idle'];
    expect(busy + idle).toBeGreaterThanOrEqual((before.active + before.idle) / 1e3);
    expect(busy + idle).toBeLessThanOrEqual((after.active + after.idle) / 1e3 + 0.001);
  });

  it('has our own: connections, errors by reason, ANA, listeners, buffers, process', async () => {
    const page = await scrape(sampleSource());
    expect(samplesOf(page, 'anagate_connections')).toEqual({ '': 3 });
    expect(samplesOf(page, 'anagate_connections_accepted_total')).toEqual({ '': 10 });
    expect(samplesOf(page, 'anagate_connection_errors_total')).toEqual({
      'reason=header-digest': 2,
      'reason=icreq-timeout': 1,
    });
    expect(samplesOf(page, 'anagate_ana_state')).toEqual({
      [`nqn=${NQN},ana_group=1`]: 1,
      [`nqn=${NQN},ana_group=2`]: 3,
    });
    expect(samplesOf(page, 'anagate_ana_changes_total')).toEqual({
      [`nqn=${NQN},ana_group=1`]: 5,
      [`nqn=${NQN},ana_group=2`]: 0,
    });
    expect(samplesOf(page, 'anagate_listener_up')).toEqual({ [`nqn=${NQN},address=127.0.0.1,port=4420`]: 1 });
    expect(samplesOf(page, 'anagate_buffer_pool_used_bytes')).toEqual({ '': 8192 });
    expect(samplesOf(page, 'anagate_buffer_pool_waits_total')).toEqual({ '': 7 });
    expect(samplesOf(page, 'anagate_namespace_errors_total')[`nqn=${NQN},nsid=2`]).toBe(0);
    expect(Object.keys(samplesOf(page, 'anagate_event_loop_delay_seconds'))).toEqual([
      'quantile=0.5',
      'quantile=0.99',
      'quantile=1',
    ]);
    expect(samplesOf(page, 'process_resident_memory_bytes')['']).toBeGreaterThan(1e6);
    expect(samplesOf(page, 'process_open_fds')['']).toBeGreaterThan(3);
    expect(page.has('nodejs_active_handles')).toBe(false);
  });

  it('turns latencies into histograms in seconds', async () => {
    const readLatency = new LatencyHistogram();
    for (const us of [5, 10, 11, 1500, 2e7]) readLatency.record(us);
    const page = await scrape(sampleSource({ subsystems: () => [sampleSubsystem({ readLatency })] }));
    const samples = page.get('anagate_subsystem_latency_seconds')?.samples ?? [];
    const read = samples.filter(({ labels }) => labels.get('op') === 'read');
    const bucket = (le: string): number | undefined =>
      read.find(({ labels }) => labels.get('le') === le)?.value;
    expect([
      bucket('0.00001'),
      bucket('0.00002'),
      bucket('0.001'),
      bucket('0.002'),
      bucket('10'),
      bucket('+Inf'),
    ]).toEqual([2, 3, 3, 4, 4, 5]);
    expect(read.find(({ name }) => name.endsWith('_sum'))?.value).toBeCloseTo(20.001526, 9);
    expect(read.find(({ name }) => name.endsWith('_count'))?.value).toBe(5);
  });

  it('survives names that hosts and people made up', async () => {
    const nasty = 'nqn.x:"\\\n{},= # HELP';
    const page = await scrape(
      sampleSource({ namespaces: () => [{ ...sampleNamespace(1), nqn: nasty, image: nasty }] }),
    );
    expect(page.get('ceph_nvmeof_bdev_metadata')?.samples[0].labels.get('rbd_name')).toBe(nasty);
  });

  it('shows a host with several controllers once', async () => {
    const host = {
      nqn: NQN,
      hostNqn: 'nqn.h1',
      hostAddress: '127.0.0.1',
      connected: true,
      keepAliveTimeout: false,
    };
    const hosts = () => [host, { ...host }, { ...host, hostAddress: '127.0.0.2' }];
    const page = await scrape(sampleSource({ hosts }));
    expect(page.get('ceph_nvmeof_host_connection_state')?.samples).toHaveLength(2);
    expect(page.get('ceph_nvmeof_host_keepalive_timeout')?.samples).toHaveLength(1);
  });

  it('reads counters anew each time, and begins with an empty gateway', async () => {
    let accepted = 1;
    const empty = {
      subsystems: () => [],
      listeners: () => [],
      namespaces: () => [],
      hosts: () => [],
      anaGroups: () => [],
    };
    const url = await start(sampleSource({ ...empty, connections: () => ({ open: 0, accepted }) }));
    const read = async (): Promise<number> => {
      const page = parseExposition(await (await fetch(`${url}/metrics`)).text());
      return samplesOf(page, 'anagate_connections_accepted_total')[''];
    };
    expect(await read()).toBe(1);
    accepted = 5;
    expect(await read()).toBe(5);
  });
});

describe('a scrape of 4096 namespaces', () => {
  /** Fetches from another process, so that only the server's work is measured in this one. */
  function scrapeElsewhere(url: string): Promise<string> {
    const script = `fetch('${url}/metrics').then((answer) => answer.text()).then((text) => process.stdout.write(text))`;
    return new Promise((resolve, reject) => {
      execFile(process.execPath, ['-e', script], { maxBuffer: 64 * 1024 * 1024 }, (error, stdout) =>
        error === null ? resolve(stdout) : reject(error),
      );
    });
  }

  /**
   * Most CPU time that passed between two turns of the event loop until `work` is done, milliseconds. Not wall time: what
   * other processes take from this machine is no stall of ours.
   */
  async function longestTurn<T>(work: Promise<T>): Promise<{ turnMs: number; result: T }> {
    let turnMs = 0;
    let running = true;
    let before = process.cpuUsage();
    const turn = (): void => {
      const spent = process.cpuUsage(before);
      turnMs = Math.max(turnMs, (spent.user + spent.system) / 1000);
      before = process.cpuUsage();
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    const result = await work;
    running = false;
    return { turnMs, result };
  }

  it('never holds the event loop for 10 ms', async () => {
    const url = await start(sampleSource({}, 4096));
    let best = Number.POSITIVE_INFINITY;
    let text = '';
    // A stall of ours is in every scrape; a collection of garbage is not. So the best of a few counts.
    for (let attempt = 0; attempt < 5 && best >= 5; attempt++) {
      const { turnMs, result } = await longestTurn(scrapeElsewhere(url));
      best = Math.min(best, turnMs);
      text = result;
    }
    const page = parseExposition(text);
    expect(page.get('ceph_nvmeof_bdev_reads_completed_total')?.samples).toHaveLength(4096);
    expect(page.get('anagate_namespace_errors_total')?.samples).toHaveLength(4096);
    expect(best).toBeLessThan(10);
  });

  it('goes no further ahead than the scraper reads, and ends with it', async () => {
    let walked = 0;
    let ended: () => void = () => {};
    const over = new Promise<void>((resolve) => {
      ended = resolve;
    });
    function* namespaces() {
      try {
        for (let nsid = 1; nsid <= 1_000_000; nsid++) {
          walked++;
          yield sampleNamespace(nsid);
        }
      } finally {
        ended();
      }
    }
    const url = await start(sampleSource({ namespaces }));
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'readable');
    // Not reading on: the server fills the sockets' buffers and then has to wait.
    let before = -1;
    const stands = (): boolean => {
      const still = walked === before && walked > 0;
      before = walked;
      return still;
    };
    await expect.poll(stands, { interval: 200, timeout: 10_000 }).toBe(true);
    expect(walked).toBeLessThan(500_000);
    socket.destroy();
    await over;
  });
});

describe('the metrics server', () => {
  it('runs one scrape at a time and turns away a crowd', async () => {
    let running = 0;
    let most = 0;
    function* namespaces() {
      running++;
      most = Math.max(most, running);
      for (let nsid = 1; nsid <= 500; nsid++) yield sampleNamespace(nsid);
      running--;
    }
    const url = await start(sampleSource({ namespaces }));
    const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(`${url}/metrics`)));
    const texts = await Promise.all(answers.map((answer) => answer.text()));
    const statuses = answers.map((answer) => answer.status);
    expect(most).toBe(1);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(8);
    expect(statuses.every((status) => status === 200 || status === 503)).toBe(true);
    texts.filter((_, at) => statuses[at] === 200).forEach(parseExposition);
    expect((await fetch(`${url}/metrics`)).status).toBe(200);
  });

  it('drops a scraper that does not read, so that the next gets its page', async () => {
    const url = await start(sampleSource({}, 40_000), { scrapeLimitMs: 300 });
    const stuck = connect(Number(new URL(url).port), '127.0.0.1');
    stuck.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(stuck, 'readable');
    const small = fetch(`${url}/metrics`).then((answer) => answer.status);
    expect(await small).toBe(200);
    stuck.destroy();
  });

  it('cuts a page that fails half way and says so in the log', async () => {
    const errors: string[] = [];
    const log: Log = { ...nullLog, error: (_, message) => void errors.push(message) };
    function* namespaces() {
      yield sampleNamespace(1);
      throw new Error('gone');
    }
    const url = await start(sampleSource({ namespaces }), { log });
    await expect(fetch(`${url}/metrics`).then((answer) => answer.text())).rejects.toThrow();
    expect(errors).toEqual(['metrics page failed']);
  });

  it('answers what is not a scrape with the status that says why', async () => {
    const url = await start(sampleSource());
    expect((await fetch(`${url}/`)).status).toBe(404);
    expect((await fetch(`${url}/metrics`, { method: 'POST', body: 'x' })).status).toBe(405);
    const head = await fetch(`${url}/metrics`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect((await fetch(`${url}/metrics?x=1`)).status).toBe(200);
  });

  it('says which port was taken, and frees its own on close', async () => {
    const first = await startMetricsServer({
      address: '127.0.0.1',
      port: 0,
      source: sampleSource(),
      log: nullLog,
    });
    const again = { address: '127.0.0.1', port: first.port, source: sampleSource(), log: nullLog };
    await expect(startMetricsServer(again)).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
      message: expect.stringContaining(`127.0.0.1 port ${first.port}`),
    });
    await first.close();
    const second = await startMetricsServer(again);
    await second.close();
  });
});
