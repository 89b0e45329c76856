import { describe, expect, it } from 'vitest';
import { resolveSettings } from '../../src/config/settings.ts';

describe('settings', () => {
  it('has defaults that keep everything on this machine', () => {
    expect(resolveSettings('node-a')).toEqual({
      stateDir: './anagate-state',
      address: '127.0.0.1',
      ioPort: 4420,
      discoveryAddress: '127.0.0.1',
      discoveryPort: 8009,
      grpcAddress: '127.0.0.1',
      grpcPort: 5500,
      metricsAddress: '127.0.0.1',
      metricsPort: 10008,
      metricsEnabled: true,
      metricsTls: false,
      forceTls: false,
      keyEncryption: true,
      name: 'node-a',
      group: '',
      cephConfigFile: '/etc/ceph/ceph.conf',
      cephId: 'admin',
      hostname: 'node-a',
      logLevel: 'info',
      location: '',
      rebalancePeriodMs: 7000,
      rebalanceMoves: 8,
      verifyListenerAddress: true,
      ioStatsEnabled: true,
      demo: true,
    });
  });

  it('lets the first source win, and undefined say nothing', () => {
    const settings = resolveSettings(
      'node-a',
      { grpcPort: 1, name: undefined },
      { grpcPort: 2, name: 'file', hostname: 'h' },
    );
    expect(settings).toMatchObject({ grpcPort: 1, name: 'file', hostname: 'h' });
  });

  it('follows the address for discovery and metrics, not for management', () => {
    expect(resolveSettings('n', { address: '192.0.2.1' })).toMatchObject({
      discoveryAddress: '192.0.2.1',
      metricsAddress: '192.0.2.1',
      grpcAddress: '127.0.0.1',
    });
    expect(resolveSettings('n', { address: '::', discoveryAddress: 'fe80::1%eth0' })).toMatchObject({
      discoveryAddress: 'fe80::1%eth0',
    });
  });

  it('listens to management elsewhere in the clear only when told to', () => {
    const elsewhere = { grpcAddress: '192.0.2.1' };
    expect(resolveSettings('n', { ...elsewhere, grpcAuth: false })).toMatchObject(elsewhere);
    const files = { serverKey: 'k', serverCert: 'c', rootCaCert: 'r' };
    expect(resolveSettings('n', { ...elsewhere, grpcAuth: true, ...files })).toMatchObject(elsewhere);
  });

  it('takes a configured host name as the default name', () => {
    expect(resolveSettings('n', { hostname: 'node-b' })).toMatchObject({ name: 'node-b' });
  });

  it.each([
    [{ address: 'localhost' }, /address must be/],
    [{ address: '256.0.0.1' }, /address must be/],
    [{ grpcAddress: '' }, /grpcAddress must be/],
    [{ ioPort: 0 }, /ioPort must be a whole number from 1 to 65535, not 0/],
    [{ grpcPort: 65536 }, /grpcPort/],
    [{ discoveryPort: 1.5 }, /discoveryPort/],
    [{ name: '' }, /name must be 1 to 128 letters/],
    [{ name: 'gw a' }, /name must be .*, not "gw a"/],
    [{ cephPool: '' }, /pool must not be empty/],
    [{ group: 'a b' }, /group must be/],
    [{ stateDir: '' }, /state directory/],
    [{ grpcAddress: '192.0.2.1' }, /192\.0\.2\.1 in the clear.*enable_auth = True.*--insecure-grpc/],
    [{ grpcAddress: '::' }, /in the clear/],
    [{ grpcAuth: true, serverKey: 'k' }, /needs server_cert, client_cert \(or root_ca_cert\) in \[mtls\]/],
  ])('refuses %j', (source, message) => {
    expect(() => resolveSettings('n', source)).toThrowError(message);
  });
});
