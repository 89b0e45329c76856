/** RPCs about limits of namespaces and about how much was done. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ConnectionStats } from '../../src/target/connection-stats.ts';
import { FAKE_UUID, fakeIoStats } from './fake-gateway.ts';
import { NQN, ServedGateway } from './rpc-client.ts';

const ENOENT = 2;
const ENODEV = 19;
const EINVAL = 22;
const SUCCESS = { status: 0, error_message: 'Success' };

let served: ServedGateway;
beforeAll(async () => {
  served = await ServedGateway.start();
});
beforeEach(() => served.gateway.reset());
afterAll(() => served.stop());

describe('namespace_set_qos_limits', () => {
  const set = (request: object) =>
    served.call('namespace_set_qos_limits', { subsystem_nqn: NQN, nsid: 1, ...request });
  beforeEach(async () => {
    await served.addSubsystem();
    await served.gateway.addNamespace({ nqn: NQN, backend: { type: 'memory' } });
  });

  it('sets what it is given and leaves the rest; listed with the namespace', async () => {
    const list = async () => (await served.call('list_namespaces', { subsystem: NQN })).namespaces[0];
    expect(await set({ rw_ios_per_second: 1500, r_mbytes_per_second: '3', force: true })).toEqual(SUCCESS);
    expect(await set({ r_mbytes_per_second: 0, w_mbytes_per_second: 4 })).toEqual(SUCCESS);
    expect(await list()).toMatchObject({
      rw_ios_per_second: '1500',
      rw_mbytes_per_second: '0',
      r_mbytes_per_second: '0',
      w_mbytes_per_second: '4',
    });
  });

  it.each([
    ['no NQN', { subsystem_nqn: '' }, EINVAL],
    ['no nsid', { nsid: 0 }, EINVAL],
    ['a namespace that is not there', { nsid: 7 }, ENODEV],
  ])('refuses %s', async (_what, request, errno) => {
    const answer = await set({ rw_ios_per_second: 1, ...request });
    expect(answer.status).toBe(errno);
    expect(answer.error_message).toContain('Failure setting QoS limits of namespace');
  });
});

describe('I/O statistics of namespaces', () => {
  const errors = [
    { name: 'media_error', value: 7 },
    { name: 'failed', value: 1 },
  ];
  const fields = {
    bdev_name: `bdev_${FAKE_UUID}`,
    bytes_read: '12288',
    num_read_ops: '3',
    bytes_written: '8192',
    num_write_ops: '2',
    read_latency_ticks: '6600',
    min_read_latency_ticks: '500',
    max_read_latency_ticks: '4000',
    write_latency_ticks: '3000',
    num_unmap_ops: '0',
    min_unmap_latency_ticks: '0',
    io_error: errors,
    subsystem_nqn: NQN,
    nsid: 1,
  };

  it('namespace_get_io_stats: in microseconds, with the clock of the gateway', async () => {
    served.gateway.statistics.all = [fakeIoStats()];
    const answer = await served.call('namespace_get_io_stats', { subsystem_nqn: NQN, nsid: 1 });
    const expected = { ...SUCCESS, ...fields, uuid: FAKE_UUID, tick_rate: '1000000', ticks: '1234500' };
    expect(answer).toMatchObject(expected);
  });

  it.each([
    ['no such namespace', { subsystem_nqn: NQN, nsid: 2 }, ENODEV],
    ['no NQN', { nsid: 2 }, EINVAL],
    ['no nsid', { subsystem_nqn: NQN }, EINVAL],
  ])('namespace_get_io_stats refuses: %s', async (_what, request, errno) => {
    const answer = await served.call('namespace_get_io_stats', request);
    expect(answer).toMatchObject({ status: errno, num_read_ops: '0' });
  });

  it('list_namespaces_io_stats: all, or by subsystem and nsid', async () => {
    const other = { nqn: 'nqn.2026-11.test:b', nsid: 4 };
    served.gateway.statistics.all = [fakeIoStats(), fakeIoStats({ nsid: 2 }), fakeIoStats(other)];
    const list = async (request: object) => {
      const answer = await served.call('list_namespaces_io_stats', request);
      expect(answer).toMatchObject({ ...SUCCESS, tick_rate: '1000000', ticks: '1234500' });
      return answer.namespaces;
    };
    expect(await list({})).toMatchObject([fields, { nsid: 2 }, { nsid: 4 }]);
    expect(await list({ subsystem_nqn: '*', nsid: 4 })).toMatchObject([{ subsystem_nqn: other.nqn }]);
    expect(await list({ subsystem_nqn: NQN })).toHaveLength(2);
  });
});

describe('get_connection_io_statistics', () => {
  const HOST = 'nqn.2026-11.test:host';
  const ask = (request: object) =>
    served.call('get_connection_io_statistics', { subsystem_nqn: NQN, host_nqn: HOST, ...request });

  it('has a group of reads and one of writes for each size that occurred, in microseconds; reset begins anew', async () => {
    const stats = new ConnectionStats();
    stats.record(true, 4096, 3, 2, 0.5);
    stats.record(true, 4096, 1, 1, 0);
    stats.record(false, 65536, 10, 4, 0);
    served.gateway.statistics.connected = { hostNqn: HOST, stats };
    const expected = {
      ...SUCCESS,
      subsystem_nqn: NQN,
      host_nqn: HOST,
      total_num_ios: '3',
      buckets: [
        {
          size: 4,
          read: {
            io_count: '2',
            total: { min: '1000', max: '3000', mean: '2000' },
            bdev: { min: '1000', max: '2000', mean: '1500' },
            net: { min: '0', max: '500', mean: '250' },
            qos: { min: '0', max: '500', mean: '250' },
          },
          write: { io_count: '0', total: { min: '0', max: '0', mean: '0' } },
        },
        { size: 64, read: { io_count: '0' }, write: { io_count: '1', net: { mean: '6000' } } },
      ],
    };
    expect(await ask({})).toMatchObject(expected);
    expect(await ask({ reset: true })).toMatchObject(expected);
    expect(await ask({})).toMatchObject({ ...SUCCESS, total_num_ios: '0', buckets: [] });
  });

  it('is refused for a host that is not connected', async () => {
    expect(await ask({ host_nqn: 'nqn.2026-11.test:x' })).toMatchObject({ status: ENOENT, buckets: [] });
    expect((await ask({ reset: true })).error_message).toContain('Failure resetting IO statistics of host');
  });
});

describe('statistics of the gateway', () => {
  it('get_gateway_stats: queues and commands', async () => {
    const queues = { current_admin_qpairs: 2, current_io_qpairs: 8, admin_qpairs: 9, io_qpairs: 33 };
    const commands = { pending_bdev_io: '5', completed_nvme_io: '1000000' };
    expect(await served.call('get_gateway_stats', {})).toMatchObject({
      ...SUCCESS,
      tick_rate: '1000000',
      poll_groups: [{ name: 'event_loop', ...queues, ...commands, transports: [{ trtype: 'TCP' }] }],
    });
  });

  it('get_thread_stats: busy and idle', async () => {
    expect(await served.call('get_thread_stats', {})).toMatchObject({
      ...SUCCESS,
      tick_rate: '1000000',
      threads: [
        { name: 'event_loop', busy: '250500', idle: '749500' },
        { name: 'tp_librbd', busy: '10000', idle: '3990000' },
      ],
    });
  });

  it('set_gateway_io_stats_mode: seen in the information about the gateway', async () => {
    const isEnabled = async () => (await served.call('get_gateway_info', {})).io_stats_enabled;
    expect(await isEnabled()).toBe(true);
    expect(await served.call('set_gateway_io_stats_mode', { enabled: false })).toEqual(SUCCESS);
    expect(await isEnabled()).toBe(false);
    expect(await served.call('set_gateway_io_stats_mode', { enabled: true })).toEqual(SUCCESS);
    expect(await isEnabled()).toBe(true);
  });
});
