/** `anagate top`, over a real gRPC server before a fake gateway whose counters the test moves. */
import { describe, expect, it } from 'vitest';
import { changeOf, ratesByGateway, ratesByNamespace, sampleOf } from '../../src/cli/top/rates.ts';
import { sorted } from '../../src/cli/top/view.ts';
import type { ListNamespacesIoStatsInfo } from '../../src/control/gateway-types.ts';
import { FAKE_UUID } from '../control/fake-gateway.ts';
import { NQN, ServedGateway } from '../control/rpc-client.ts';
import { runCli } from './run-cli.ts';

/** Counters at `ticks` milliseconds. */
function stats(ticks: number, ...namespaces: object[]): ListNamespacesIoStatsInfo {
  return { status: 0, error_message: '', tick_rate: 1000, ticks, namespaces } as ListNamespacesIoStatsInfo;
}

function counters(name: string, reads: number, latency: number, writes = 0) {
  return {
    bdev_name: name,
    num_read_ops: reads,
    bytes_read: reads * 4096,
    read_latency_ticks: latency,
    num_write_ops: writes,
    bytes_written: writes * 1024,
    write_latency_ticks: writes,
  };
}

describe('rates', () => {
  const before = sampleOf('gw-a', stats(1000, counters('x', 100, 50), counters('y', 5, 5)));
  const after = sampleOf(
    'gw-a',
    stats(3000, counters('x', 300, 250, 20), counters('y', 5, 5), counters('z', 9, 9)),
  );

  it('are what was added, by the clock of the gateway', () => {
    const rates = ratesByNamespace([changeOf(before, after)!]);
    expect(rates.get('x')).toEqual({
      readIops: 100,
      writeIops: 10,
      readBandwidth: 409_600,
      writeBandwidth: 10_240,
      readLatency: 1,
      writeLatency: 1,
    });
    expect(rates.get('y')).toMatchObject({ readIops: 0, readLatency: null });
    expect(rates.get('z')).toMatchObject({ readIops: 0 });
  });

  it('of a namespace are those of all gateways; of a gateway those of all namespaces', () => {
    const other = changeOf(
      sampleOf('gw-b', stats(0, counters('x', 0, 0))),
      sampleOf('gw-b', stats(1000, counters('x', 50, 150))),
    )!;
    const changes = [changeOf(before, after)!, other];
    expect(ratesByNamespace(changes).get('x')).toMatchObject({ readIops: 150, readLatency: 250 / 150 });
    expect(ratesByGateway(changes).get('gw-a')).toMatchObject({ readIops: 100 });
    expect(ratesByGateway(changes).get('gw-b')).toMatchObject({ readIops: 50, readLatency: 3 });
  });

  it('of a gateway that started anew are not made up', () => {
    expect(changeOf(after, before)).toBeNull();
    expect(changeOf(before, sampleOf('gw-a', stats(2000, counters('x', 1, 1))))!.perSecond.size).toBe(0);
  });

  it('are sorted by what is asked for', () => {
    const row = (nsid: number, readIops: number, writeBandwidth: number, readLatency: number | null) => ({
      subsystem: 's',
      nsid,
      anaGroup: 1,
      readIops,
      writeIops: 0,
      readBandwidth: 0,
      writeBandwidth,
      readLatency,
      writeLatency: null,
    });
    const rows = [row(3, 1, 5, 2), row(1, 9, 1, null), row(2, 5, 9, 1)];
    expect(
      (['iops', 'bandwidth', 'latency', 'name'] as const).map((key) =>
        sorted(rows, key).map(({ nsid }) => nsid),
      ),
    ).toEqual([
      [1, 2, 3],
      [2, 3, 1],
      [3, 2, 1],
      [1, 2, 3],
    ]);
  });
});

describe('anagate top', () => {
  it('shows gateways and the namespaces that are used, one picture after the other', async () => {
    const served = await ServedGateway.start();
    const { gateway } = served;
    await served.addSubsystem();
    await gateway.addNamespace({ nqn: NQN, backend: { type: 'memory' } });
    const nothing = { count: 0, bytes: 0, latencyMs: 0, leastMs: 0, mostMs: 0 };
    const reads = { ...nothing };
    let nowMs = 0;
    gateway.statistics.nowMs = () => {
      nowMs += 1000;
      reads.count += 500;
      reads.bytes += 2e6;
      reads.latencyMs += 1000;
      return nowMs;
    };
    gateway.statistics.all = [
      {
        nqn: NQN,
        nsid: 1,
        uuid: FAKE_UUID,
        reads,
        writes: nothing,
        unmaps: nothing,
        mediaErrors: 0,
        miscompares: 0,
        otherErrors: 0,
      },
    ];
    const env = { CEPH_NVMEOF_SERVER_ADDRESS: `127.0.0.1:${served.server.port}` };
    const { status, out } = await runCli('top --interval 1 --iterations 2', env);
    expect(status).toBe(0);
    expect(out.match(/^gw-1 +500 +0 +2\.0 +0\.0 +2\.00 +-$/gm)).toHaveLength(2);
    expect(out.match(new RegExp(`^${NQN} +1 +1 +500 +0 +2\\.0 +0\\.0 +2\\.00 +-$`, 'gm'))).toHaveLength(2);

    const { out: text } = await runCli('top --interval 1 --once --format json', env);
    expect(JSON.parse(text)).toMatchObject({
      gateways: [{ gateway: 'gw-1', read_iops: 500, read_latency: 2, write_latency: null }],
      namespaces: [{ subsystem: NQN, nsid: 1, ana_group: 1, read_bandwidth: 2e6 }],
      silent: [],
    });
    gateway.statistics.all = [];
    expect((await runCli('top --interval 1 --once', env)).out).toContain('No namespace has I/O; --all shows');
    await served.stop();
  });

  it('says why it shows nothing', async () => {
    const { status, err } = await runCli('--server-address 127.0.0.1:1 top');
    expect([status, err]).toEqual([111, expect.stringContaining('cannot reach')]);
    expect((await runCli('top --interval 0')).status).toBe(2);
  });
});
