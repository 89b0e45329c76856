import { describe, expect, it } from 'vitest';
import { parseConfigFile } from '../../src/config/config-file.ts';

const PATH = '/etc/anagate.conf';

describe('configuration file', () => {
  it('takes ceph-nvmeof names', () => {
    const text = [
      '# a comment',
      '; another',
      '[gateway]',
      'name = gw-a',
      'group: mygroup',
      'Addr = 192.0.2.7',
      'port = 5501',
      'override_hostname = node-a',
      'prometheus_port = 10009',
      'enable_prometheus_exporter = False',
      'enable_auth = False',
      '',
      '[gateway-logs]',
      'log_level = WARNING',
      '[discovery]',
      'addr = 192.0.2.8',
      'port = 8010',
    ].join('\r\n');
    expect(parseConfigFile(text, PATH)).toEqual({
      settings: {
        name: 'gw-a',
        group: 'mygroup',
        address: '192.0.2.7',
        grpcAddress: '192.0.2.7',
        grpcPort: 5501,
        hostname: 'node-a',
        metricsPort: 10009,
        metricsEnabled: false,
        logLevel: 'warn',
        discoveryAddress: '192.0.2.8',
        discoveryPort: 8010,
        grpcAuth: false,
      },
      warnings: [],
    });
  });

  it('takes the place of the shared configuration and the table of owners', () => {
    const text =
      '[ceph]\npool = rbd\nconfig_file = /etc/ceph/c.conf\nid = client.nvme\n[monitor]\nowners = 1:gw-a, 2:gw-b ,3:gw-a\ntimeout = 1';
    const { settings, warnings } = parseConfigFile(text, PATH);
    expect(settings).toEqual({
      cephPool: 'rbd',
      cephConfigFile: '/etc/ceph/c.conf',
      cephId: 'nvme',
      owners: [
        { group: 1, gateway: 'gw-a' },
        { group: 2, gateway: 'gw-b' },
        { group: 3, gateway: 'gw-a' },
      ],
    });
    expect(warnings).toEqual([expect.stringContaining('timeout')]);
  });

  it('takes the times of the monitor in seconds, and where the gateway stands', () => {
    const text =
      '[gateway]\nlocation = rack-1\nrebalance_period_sec = 0\nmax_ns_to_change_lb_grp = 3\n' +
      '[monitor]\nbeacon_interval = 0.25\nlease = 1.5\ngrace = 4\nfailback_delay = 60';
    expect(parseConfigFile(text, 'c').settings).toEqual({
      location: 'rack-1',
      rebalancePeriodMs: 0,
      rebalanceMoves: 3,
      beaconMs: 250,
      leaseMs: 1500,
      graceMs: 4000,
      failbackDelayMs: 60_000,
    });
    expect(() => parseConfigFile('[monitor]\ngrace = 2s', 'c')).toThrow(
      /sets grace, which must be a number of seconds/,
    );
  });

  it('says nothing for an empty file and for empty names', () => {
    expect(parseConfigFile('', PATH)).toEqual({ settings: {}, warnings: [] });
    const { settings } = parseConfigFile('[gateway]\nname =\ngroup =\n', PATH);
    expect(settings).toEqual({ name: undefined, group: '' });
  });

  it('warns of what has no effect, once per section', () => {
    const text =
      '[spdk]\ntgt_path = /x\nanything = 1\n[gateway]\nomap_file_lock_duration = 7\n[kmip]\ncert_dir = x\n';
    const { settings, warnings } = parseConfigFile(text, PATH);
    expect(settings).toEqual({});
    expect(warnings).toHaveLength(3);
    expect(warnings[0]).toContain('[spdk]');
    expect(warnings[1]).toMatch(/omap_file_lock_duration in line 5/);
    expect(warnings[2]).toContain('[kmip]');
  });

  it.each([
    ['[gateway]\nprot = 1', /line 2 sets prot, which is not known in \[gateway\]/],
    ['\n[gatway]\nport = 1', /line 3 is in section \[gatway\]/],
    ['port = 1', /line 1 comes before the first \[section\]/],
    ['[gateway]\nmax_hosts = 0', /line 2 sets max_hosts, which must not be 0/],
    ['[gateway]\nport', /line 2 is neither/],
    ['[gateway]\nport = x', /line 2 sets port, which must be a whole number, not "x"/],
    ['[gateway]\nport = 1\nport = 2', /line 3 sets port again, after line 2/],
    ['[gateway]\nname = a\n  b', /line 3 is indented/],
    ['[gateway]\nmax_message_length_in_mb = 0', /line 2 sets max_message_length_in_mb, which must not be 0/],
    ['[gateway]\nforce_tls = maybe', /must be True or False/],
    ['[gateway-logs]\nlog_level = loud', /must be one of trace/],
    ['[monitor]\nowners = gw-a', /sets owners, which must be a list such as 1:gw-a, 2:gw-b, not "gw-a"/],
    ['[monitor]\nowners = 1:gw-a,', /must be a list/],
  ])('refuses %j and names the line', (text, message) => {
    expect(() => parseConfigFile(text, PATH)).toThrowError(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
    expect(() => parseConfigFile(text, PATH)).toThrowError(PATH);
  });
});
