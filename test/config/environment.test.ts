import { describe, expect, it } from 'vitest';
import { settingsFromEnvironment, variableOf } from '../../src/config/environment.ts';
import { KEYS } from '../../src/config/keys.ts';

describe('environment variables', () => {
  it('set what the keys of the file set', () => {
    const { settings, warnings } = settingsFromEnvironment({
      ANAGATE_GATEWAY_ADDR: '192.0.2.7',
      ANAGATE_GATEWAY_ENABLE_AUTH: 'False',
      ANAGATE_GATEWAY_LOGS_LOG_LEVEL: 'DEBUG',
      ANAGATE_MONITOR_OWNERS: '1:gw-a',
      ANAGATE_CEPH_POOL: '',
      ANAGATE_SPDK_TGT_PATH: '/x',
      ANAGATE_GATEWAY_OMAP_FILE_LOCK_DURATION: '7',
      ANAGATE_CONFIG: '/etc/anagate.conf',
      PATH: '/bin',
    });
    expect(settings).toEqual({
      address: '192.0.2.7',
      grpcAddress: '192.0.2.7',
      grpcAuth: false,
      logLevel: 'debug',
      owners: [{ group: 1, gateway: 'gw-a' }],
    });
    expect(warnings).toEqual([
      expect.stringMatching(/^ANAGATE_GATEWAY_OMAP_FILE_LOCK_DURATION .* no effect/),
      expect.stringMatching(/^ANAGATE_SPDK_TGT_PATH .* no effect.*SPDK/),
    ]);
  });

  it.each([
    [{ ANAGATE_GATEWAY_PROT: '1' }, /^ANAGATE_GATEWAY_PROT in the environment is not known/],
    [{ ANAGATE_PORT: '1' }, /^ANAGATE_PORT in the environment is not known/],
    [
      { ANAGATE_GATEWAY_PORT: 'x' },
      /^ANAGATE_GATEWAY_PORT in the environment must be a whole number, not "x"/,
    ],
    [{ ANAGATE_GATEWAY_FORCE_TLS: 'yes' }, /^ANAGATE_GATEWAY_FORCE_TLS .* not supported/],
  ])('refuses %j by name', (env, message) => {
    expect(() => settingsFromEnvironment(env)).toThrowError(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });

  it('is not led astray by what Kubernetes sets for a service called anagate-gateway', () => {
    const { settings } = settingsFromEnvironment({
      ANAGATE_GATEWAY_PORT: 'tcp://10.0.0.1:5500',
      ANAGATE_GATEWAY_SERVICE_HOST: '10.0.0.1',
      ANAGATE_GATEWAY_SERVICE_PORT_GRPC: '5500',
      ANAGATE_GATEWAY_PORT_5500_TCP_ADDR: '10.0.0.1',
    });
    expect(settings).toEqual({});
  });

  it('has a name of its own for each key', () => {
    const names = Object.entries(KEYS).flatMap(([section, keys]) =>
      Object.keys(keys).map((key) => variableOf(section, key)),
    );
    expect(new Set(names).size).toBe(names.length);
  });
});
