/** Each verb over a real gRPC server: what it asks, what it prints, what it exits with. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ConnectionStats } from '../../src/target/connection-stats.ts';
import { FAKE_UUID, fakeConnection, fakeIoStats, OTHER_NODE } from '../control/fake-gateway.ts';
import { NQN, ServedGateway } from '../control/rpc-client.ts';
import { type CliResult, runCli } from './run-cli.ts';

const GIB = 2 ** 30;
const HOST = 'nqn.2026-11.test:host';

let served: ServedGateway;
beforeAll(async () => {
  served = await ServedGateway.start();
});
beforeEach(() => served.gateway.reset());
afterAll(() => served.stop());

function cli(line: string): Promise<CliResult> {
  return runCli(line, {
    CEPH_NVMEOF_SERVER_ADDRESS: '127.0.0.1',
    CEPH_NVMEOF_SERVER_PORT: `${served.server.port}`,
  });
}

/** Words of the only data row of a plain table. */
async function plainRow(line: string): Promise<string[]> {
  const { out } = await cli(`${line} --format plain`);
  return (out.split('\n').at(-1) ?? '')
    .split(/ {2,}/)
    .map((cell) => cell.trim())
    .filter((cell) => cell !== '');
}

describe('subsystem', () => {
  it('add', async () => {
    expect(await cli(`subsystem add -n ${NQN} -s SER -m 12`)).toEqual({
      status: 0,
      out: `Adding subsystem ${NQN}: Successful`,
      err: '',
    });
    expect(served.gateway.listSubsystems()).toMatchObject([{ nqn: NQN, serial: 'SER', maxNamespaces: 12 }]);
  });

  it('add says the NQN that it got from the group, unless told not to append it', async () => {
    served.gateway.gatewayInfo.group = 'g1';
    expect((await cli(`subsystem add --subsystem ${NQN}`)).out).toBe(
      `Adding subsystem ${NQN}.g1: Successful`,
    );
    expect((await cli(`subsystem add -n ${NQN} --no-group-append`)).out).toBe(
      `Adding subsystem ${NQN}: Successful`,
    );
  });

  it('add of one that exists: the reason on standard error, EEXIST', async () => {
    await served.addSubsystem();
    expect(await cli(`subsystem add -n ${NQN}`)).toEqual({
      status: 17,
      out: '',
      err: `Failure adding subsystem ${NQN}: ${NQN} exists already`,
    });
  });

  it('del, with force only when there are namespaces', async () => {
    await served.addSubsystem();
    await served.gateway.addNamespace({ nqn: NQN, backend: { type: 'memory' } });
    const refused = await cli(`subsystem del -n ${NQN} --i-am-sure`);
    expect(refused.status).toBe(16);
    expect(refused.err).toContain('use force');
    const done = await cli(`subsystem del -n ${NQN} --force`);
    expect(done).toEqual({ status: 0, out: `Deleting subsystem ${NQN}: Successful`, err: '' });
  });

  it('list', async () => {
    expect((await cli('subsystem list')).out).toBe('No subsystems');
    expect((await cli(`subsystem list -n ${NQN}`)).out).toBe(`No subsystem ${NQN}`);
    expect((await cli('subsystem list -s X')).out).toBe('No subsystem with serial number X');
    await served.addSubsystem();
    expect((await cli(`subsystem list -n ${NQN} -s AG0001`)).out).toMatch(
      new RegExp(`^Subsystem ${NQN} with serial number AG0001:\n╒`),
    );
    expect(await plainRow('subsystem list')).toEqual([NQN, 'AG0001', '1-2040', '0', '4096', 'No']);
  });
});

describe('listener', () => {
  beforeEach(() => served.addSubsystem());

  it("add, at the asked gateway's own host when none is named", async () => {
    expect(await cli(`listener add -n ${NQN} -a 192.0.2.1`)).toMatchObject({
      status: 0,
      out: `Adding ${NQN} listener at 192.0.2.1: Successful`,
    });
    const ipv6 = await cli(`listener add -n ${NQN} -t node-1 -a 2001:db8::1 -s 4421 -f IPV6 -y`);
    expect(ipv6.out).toBe(`Adding ${NQN} listener at [2001:db8::1]:4421: Successful`);
    expect(served.gateway.listListeners(NQN)).toMatchObject([
      { hostName: 'node-1', traddr: '192.0.2.1', adrfam: 'ipv4', trsvcid: 4420 },
      { hostName: 'node-1', traddr: '2001:db8::1', adrfam: 'ipv6', trsvcid: 4421 },
    ]);
  });

  it("add of another node's: success with a remark, in documents with status 0", async () => {
    expect(await cli(`listener add -n ${NQN} -t ${OTHER_NODE} -a 192.0.2.1 -s 4420`)).toEqual({
      status: 0,
      out: '',
      err: `Adding ${NQN} listener at 192.0.2.1:4420: listener will only be active when appropriate gateway is up`,
    });
    const json = await cli(`listener add -n ${NQN} -t ${OTHER_NODE} -a 192.0.2.2 --format json`);
    expect(json.status).toBe(0);
    expect(JSON.parse(json.out)).toMatchObject({ status: 0 });
  });

  it('add refused by the gateway', async () => {
    const { status, err } = await cli(
      `listener add -n ${NQN} -t ${OTHER_NODE} -a 192.0.2.1 --verify-host-name`,
    );
    expect(status).toBe(22);
    expect(err).toMatch(`Failure adding ${NQN} listener at 192.0.2.1: ${OTHER_NODE} is no gateway's host`);
  });

  it('del', async () => {
    await cli(`listener add -n ${NQN} -a 192.0.2.1`);
    expect((await cli(`listener del -n ${NQN} -t x -a 192.0.2.1 -s 4420`)).status).toBe(2);
    expect(await cli(`listener del -n ${NQN} -t * -a 192.0.2.1 -s 4420`)).toMatchObject({
      status: 2,
      err: expect.stringContaining('needs --force'),
    });
    expect((await cli(`listener del -n ${NQN} -t * -a 192.0.2.1 -s 4420 --force`)).out).toBe(
      `Deleting listener 192.0.2.1:4420 from ${NQN} for all hosts: Successful`,
    );
    await cli(`listener add -n ${NQN} -a 192.0.2.1`);
    expect((await cli(`listener del -n ${NQN} -a 192.0.2.1 -s 4420`)).out).toBe(
      `Deleting listener 192.0.2.1:4420 from ${NQN}: Successful`,
    );
  });

  it('list', async () => {
    expect((await cli(`listener list -n ${NQN}`)).out).toBe(`No listeners for ${NQN}`);
    await cli(`listener add -n ${NQN} -a 2001:db8::1`);
    expect(await plainRow(`listener list -n ${NQN}`)).toEqual([
      'node-1',
      'TCP',
      'IPv6',
      '[2001:db8::1]:4420',
      'Yes',
      'Manual',
    ]);
    expect(await cli('listener list -n nqn.x')).toMatchObject({ status: 2, out: '' });
  });
});

describe('host', () => {
  beforeEach(() => served.addSubsystem());

  it('add, several and any', async () => {
    expect(await cli(`host add -n ${NQN} -t ${HOST}1 ${HOST}2 *`)).toEqual({
      status: 0,
      out:
        `Adding host ${HOST}1 to ${NQN}: Successful\nAdding host ${HOST}2 to ${NQN}: Successful\n` +
        `Allowing open host access to ${NQN}: Successful`,
      err: '',
    });
    expect(served.gateway.listHosts(NQN)).toMatchObject({
      allowAnyHost: true,
      hosts: [{ nqn: `${HOST}1` }, { nqn: `${HOST}2` }],
    });
  });

  it('add goes on after a failure and exits with the first', async () => {
    await served.gateway.addHost(NQN, HOST);
    const { status, out, err } = await cli(`host add -n ${NQN} --host-nqn ${HOST} ${HOST}2`);
    expect(status).toBe(17);
    expect(out).toBe(`Adding host ${HOST}2 to ${NQN}: Successful`);
    expect(err).toBe(`Failure adding host ${HOST} to ${NQN}: ${HOST} is allowed already`);
  });

  it('del', async () => {
    await cli(`host add -n ${NQN} -t ${HOST} *`);
    expect((await cli(`host del -n ${NQN} -t ${HOST} --force`)).out).toBe(
      `Removing host ${HOST} access from ${NQN}: Successful`,
    );
    expect((await cli(`host del -n ${NQN} -t *`)).out).toBe(
      `Disabling open host access to ${NQN}: Successful`,
    );
    expect(await cli(`host del -n ${NQN} -t ${HOST}`)).toMatchObject({ status: 2, out: '' });
  });

  it('list', async () => {
    expect((await cli(`host list -n ${NQN}`)).out).toBe(`No hosts are allowed to access ${NQN}`);
    await cli(`host add -n ${NQN} -t ${HOST} *`);
    const { out } = await cli(`host list -n ${NQN} --format plain`);
    expect(out.split('\n').map((line) => line.split(/\s{2,}/)[0])).toEqual([
      `Hosts allowed to access ${NQN}:`,
      'Host NQN',
      'Any host',
      HOST,
    ]);
  });
});

describe('namespace', () => {
  beforeEach(() => served.addSubsystem());

  it('add of a file, made with --size, taken as it is without', async () => {
    const made = await cli(
      `namespace add -n ${NQN} --backend file --path /srv/d --size 10G --nsid 3 -u ${FAKE_UUID}`,
    );
    expect(made).toEqual({ status: 0, out: `Adding namespace 3 to ${NQN}: Successful`, err: '' });
    expect(served.gateway.lastNamespace).toEqual({
      nqn: NQN,
      nsid: 3,
      uuid: FAKE_UUID,
      backend: { type: 'file', path: '/srv/d', create: true },
      sizeBytes: 10 * GIB,
      blockSize: 512,
    });
    await cli(`ns add -n ${NQN} --backend file --path /srv/d --force`);
    expect(served.gateway.lastNamespace).toMatchObject({ backend: { create: false }, force: true });
  });

  it('add of memory and of an RBD image', async () => {
    await cli(`ns add -n ${NQN} --backend memory --size 512 -s 4096 -l 2 --read-only`);
    expect(served.gateway.lastNamespace).toEqual({
      nqn: NQN,
      backend: { type: 'memory' },
      sizeBytes: GIB / 2,
      blockSize: 4096,
      anaGroupId: 2,
      readOnly: true,
    });
    await cli(`ns add -n ${NQN} -p pool -i image`);
    expect(served.gateway.lastNamespace?.backend).toEqual({ type: 'rbd', pool: 'pool', image: 'image' });
    await cli(`ns add -n ${NQN} --rbd-pool pool --rbd-image image -c --size 1T`);
    expect(served.gateway.lastNamespace?.sizeBytes).toBe(1024 * GIB);
  });

  it('add of an RBD image with every option of one; --create-image is --rbd-create-image', async () => {
    const image = `-p pool -i image --rados-namespace-name tenant --rbd-data-pool data`;
    const treatment = '--rbd-trash-image-on-delete --disable-auto-resize --read-only';
    for (const create of ['--create-image', '--rbd-create-image', '-c']) {
      const { status } = await cli(`ns add -n ${NQN} ${image} ${create} --size 1G ${treatment}`);
      expect([create, status]).toEqual([create, 0]);
      expect(served.gateway.lastNamespace).toEqual({
        nqn: NQN,
        backend: {
          type: 'rbd',
          pool: 'pool',
          image: 'image',
          radosNamespace: 'tenant',
          dataPool: 'data',
          create: true,
          trashOnDelete: true,
        },
        sizeBytes: GIB,
        blockSize: 512,
        readOnly: true,
        disableAutoResize: true,
      });
    }
  });

  it('set_rbd_trash_image, set_auto_resize', async () => {
    await cli(`ns add -n ${NQN} -p pool -i image`);
    const trash = `ns set_rbd_trash_image -n ${NQN} --nsid 1 --rbd-trash-image-on-delete`;
    const resize = `ns set_auto_resize -n ${NQN} --nsid 1 --auto-resize-enabled`;
    expect((await cli(`${trash} yes`)).out).toBe(
      `Setting RBD trash image flag of namespace 1 in ${NQN} to "yes": Successful`,
    );
    expect((await cli(`${resize} no`)).out).toBe(
      `Setting auto resize of namespace 1 in ${NQN} to "no": Successful`,
    );
    expect(served.gateway.listNamespaces()).toMatchObject([
      { backend: { trashOnDelete: true }, disableAutoResize: true },
    ]);
    await cli(`${trash} no`);
    await cli(`${resize} yes`);
    expect(served.gateway.listNamespaces()).toMatchObject([
      { backend: { trashOnDelete: false }, disableAutoResize: false },
    ]);
    expect((await cli(`${resize} maybe`)).err).toContain('use yes, no');
    expect((await cli(`${resize} yes`.replace('--nsid 1', '--nsid 9'))).status).toBe(19);
  });

  it('add --no-auto-visible, change_visibility, add_host, del_host, list_hosts', async () => {
    await cli(`ns add -n ${NQN} --backend memory --size 1G --no-auto-visible`);
    expect(served.gateway.lastNamespace).toMatchObject({ noAutoVisible: true });
    expect(await plainRow(`ns list_hosts -n ${NQN}`)).toEqual(['1', FAKE_UUID, 'none']);
    const hosts = [HOST, `${HOST}2`];
    expect((await cli(`ns add_host -n ${NQN} --nsid 1 -t ${hosts.join(' ')}`)).out).toBe(
      hosts.map((host) => `Adding host ${host} to namespace 1 on ${NQN}: Successful`).join('\n'),
    );
    expect((await cli('ns list_hosts --nsid 1 --format plain')).out.split('\n').slice(-2)).toEqual(
      hosts.map((host) => expect.stringContaining(host)),
    );
    expect((await cli(`ns del_host -n ${NQN} --nsid 1 -t ${HOST}`)).out).toBe(
      `Deleting host ${HOST} from namespace 1 on ${NQN}: Successful`,
    );
    expect(served.gateway.listNamespaces()).toMatchObject([{ hosts: [`${HOST}2`] }]);
    expect((await cli(`ns change_visibility -n ${NQN} --nsid 1 --auto-visible yes --force`)).out).toBe(
      `Changing visibility of namespace 1 in ${NQN} to "visible to all hosts": Successful`,
    );
    expect([served.gateway.listNamespaces()[0]?.autoVisible, served.gateway.lastForce]).toEqual([true, true]);
    expect(await plainRow(`ns list_hosts -u ${FAKE_UUID}`)).toEqual([NQN, '1', FAKE_UUID, 'all hosts']);
    expect((await cli(`ns change_visibility -n ${NQN} --nsid 9 --auto-visible no`)).status).toBe(19);
  });

  it('add --location, change_location, list_locations, refresh_size', async () => {
    await cli(`ns add -n ${NQN} --backend memory --size 1G --location dc1`);
    expect(await plainRow('ns list_locations')).toEqual([NQN, '1', FAKE_UUID, 'dc1', '1']);
    expect((await cli(`ns change_location -n ${NQN} --nsid 1 --location dc2`)).out).toBe(
      `Changing location of namespace 1 in ${NQN} to "dc2": Successful`,
    );
    expect(served.gateway.listNamespaces()).toMatchObject([{ location: 'dc2' }]);
    await cli(`ns change_location -n ${NQN} --nsid 1`);
    expect(await plainRow(`ns list_locations -n ${NQN}`)).toEqual(['1', FAKE_UUID, 'anywhere', '1']);
    expect((await cli(`ns refresh_size -n ${NQN} --nsid 1`)).out).toBe(
      `Refreshing size of namespace 1 in ${NQN}: Successful`,
    );
    expect(served.gateway.listNamespaces()).toMatchObject([{ sizeBytes: 7 * GIB }]);
    expect((await cli(`ns refresh_size -n ${NQN} --nsid 9`)).status).toBe(19);
  });

  it.each([
    ['--backend file --size 1G', '--backend file needs --path'],
    ['--backend file --path disk.img', '--path must be absolute'],
    ['--backend memory', '--backend memory needs --size'],
    ['--backend memory --size 1G --path /d', '--path is for --backend file'],
    ['--backend memory --size 1G -p pool', '--rbd-pool is for --backend rbd'],
    ['--backend memory --size 1G --create-image', '--rbd-create-image is for --backend rbd'],
    ['-p pool', '--rbd-image is missing'],
    ['-p pool -i image --size 1G', 'add --rbd-create-image'],
    ['-p pool -i image -c', '--rbd-create-image needs --size'],
    ['--backend memory --size 100K', 'not a multiple of 1 MiB'],
    ['--backend memory --size 1G --nsid 0', '--nsid must be a whole number from 1 to 4294967294, not "0"'],
    ['--backend memory --size 1G --nsid 1.5', '--nsid must be a whole number'],
    ['--backend memory --size 1G -s 1024', 'block-size cannot be "1024"; use 512, 4096'],
  ])('add %s is a usage error', async (options, message) => {
    const { status, out, err } = await cli(`ns add -n ${NQN} ${options}`);
    expect([status, out]).toEqual([2, '']);
    expect(err).toContain(message);
    expect(served.gateway.lastNamespace).toBeNull();
  });

  it('add refused by the gateway', async () => {
    await cli(`ns add -n ${NQN} --backend memory --size 1G --nsid 4`);
    expect(await cli(`ns add -n ${NQN} --backend memory --size 1G --nsid 4`)).toEqual({
      status: 17,
      out: '',
      err: `Failure adding namespace 4 to ${NQN}: namespace 4 exists already`,
    });
  });

  it('resize, change_load_balancing_group, del', async () => {
    await cli(`ns add -n ${NQN} --backend memory --size 1G`);
    expect((await cli(`ns resize -n ${NQN} --nsid 1 --size 1536M`)).out).toBe(
      `Resizing namespace 1 in ${NQN} to 1.5 GiB: Successful`,
    );
    expect((await cli(`ns change_load_balancing_group -n ${NQN} --nsid 1 -l 5`)).out).toBe(
      `Changing load balancing group of namespace 1 in ${NQN} to 5: Successful`,
    );
    expect(served.gateway.listNamespaces()).toMatchObject([{ sizeBytes: 1.5 * GIB, anaGroupId: 5 }]);
    expect((await cli(`ns del -n ${NQN} --nsid 1 --i-am-sure`)).out).toBe(
      `Deleting namespace 1 from ${NQN}: Successful`,
    );
    for (const verb of ['resize --size 2G', 'change_load_balancing_group -l 1', 'del']) {
      const { status, err } = await cli(`ns ${verb} -n ${NQN} --nsid 1`);
      expect(status).toBe(19);
      expect(err).toMatch(/^Failure .*: .* has no namespace 1$/);
    }
  });

  it('list', async () => {
    expect((await cli('ns list')).out).toBe('No namespaces in all subsystems');
    await cli(`ns add -n ${NQN} --backend file --path /srv/d --size 10G`);
    expect(await plainRow(`namespace list -n ${NQN}`)).toEqual([
      '1',
      'file',
      '/srv/d',
      '10 GiB',
      '512 Bytes',
      FAKE_UUID,
      '1',
      'read write',
      'all hosts',
      'none',
    ]);
    expect((await plainRow('ns list'))[0]).toBe(NQN);
    expect((await cli(`ns list -n ${NQN} --nsid 7`)).out).toBe(`No namespace 7 in subsystem ${NQN}`);
    expect((await cli(`ns list -n ${NQN} -u ${FAKE_UUID}`)).out).toMatch(
      `Namespace with UUID ${FAKE_UUID} in subsystem`,
    );
    expect(await cli('ns list -n nqn.x')).toMatchObject({ status: 2, out: '' });
  });
});

describe('namespace set_qos', () => {
  it('sets the limits that are given, and the list shows them', async () => {
    await served.addSubsystem();
    await served.gateway.addNamespace({ nqn: NQN, backend: { type: 'memory' } });
    const all = '--rw-ios-per-second 500 --rw-megabytes-per-second 9 --r-megabytes-per-second 8';
    expect(await cli(`ns set_qos -n ${NQN} --nsid 1 ${all}`)).toEqual({
      status: 0,
      out: `Setting QoS limits of namespace 1 in ${NQN}: Successful`,
      err: '',
    });
    await cli(`ns set_qos -n ${NQN} --nsid 1 --r-megabytes-per-second 0 --w-megabytes-per-second 7 --force`);
    expect((await plainRow('ns list')).at(-1)).toBe('500 IO/s, 9 MB/s, 7 MB/s written');
  });

  it.each([
    ['none', '', /give at least one limit: --rw-ios-per-second, /],
    ['no number', '--rw-ios-per-second many', /--rw-ios-per-second must be a whole number from 0/],
  ])('%s: nothing is asked of the gateway', async (_what, options, message) => {
    const { status, err } = await cli(`ns set_qos -n ${NQN} --nsid 1 ${options}`);
    expect(status).toBe(2);
    expect(err).toMatch(message);
  });
});

describe('namespace get_io_stats', () => {
  it('of all namespaces: a row for reads and one for writes, deallocations when there are any, errors below', async () => {
    expect((await cli('ns get_io_stats')).out).toBe('No namespaces in all subsystems');
    const unmaps = { count: 1, bytes: 2 * GIB, latencyMs: 0.7, leastMs: 0.7, mostMs: 0.7 };
    const other = fakeIoStats({ nsid: 2, unmaps, mediaErrors: 0, otherErrors: 0 });
    served.gateway.statistics.all = [fakeIoStats(), other];
    const { out, status } = await cli('ns get_io_stats --format plain');
    expect(status).toBe(0);
    const cells = out.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(cells.slice(1)).toEqual([
      ['Subsystem', 'NSID', 'Operation', 'Commands', 'Bytes', 'Mean us', 'Least us', 'Most us'],
      [NQN, '1', 'read', '3', '12 KiB', '2200', '500', '4000'],
      [NQN, '1', 'write', '2', '8 KiB', '1500', '1000', '2000'],
      [NQN, '2', 'read', '3', '12 KiB', '2200', '500', '4000'],
      [NQN, '2', 'write', '2', '8 KiB', '1500', '1000', '2000'],
      [NQN, '2', 'unmap', '1', '2 GiB', '700', '700', '700'],
      [`Errors of namespace 1 in ${NQN}: 7 media_error, 1 failed`],
    ]);
  });

  it('of one: the whole answer for a program; ENODEV when there is none', async () => {
    served.gateway.statistics.all = [fakeIoStats()];
    const { out } = await cli(`ns get_io_stats -n ${NQN} --nsid 1 --format json`);
    expect(JSON.parse(out)).toMatchObject({ status: 0, nsid: 1, bytes_written: '8192', ticks: '1234500' });
    expect((await cli(`ns get_io_stats -n ${NQN} --nsid 1`)).out).toMatch(
      new RegExp(`^IO statistics of namespace 1 in ${NQN}:\n╒`),
    );
    const refused = await cli(`ns get_io_stats -n ${NQN} --nsid 9`);
    expect(refused).toMatchObject({ status: 19, out: '' });
    expect(refused.err).toContain(`Failure getting IO stats for namespace 9 in ${NQN}`);
  });
});

describe('connection', () => {
  it('list, of one subsystem or of all', async () => {
    await served.addSubsystem();
    expect((await cli('connection list')).out).toBe('No connections for all subsystems');
    served.gateway.connections = [fakeConnection()];
    expect(await plainRow(`connection list -n ${NQN}`)).toEqual([HOST, '192.0.2.77:54321', 'Yes', '5', '17']);
    served.gateway.connections = [fakeConnection({ connected: false, keepAliveTimeout: true })];
    expect(await plainRow('connection list')).toEqual([
      NQN,
      HOST,
      '<n/a>',
      'No (keep-alive timeout)',
      '<n/a>',
      '<n/a>',
    ]);
  });
});

describe('gw', () => {
  it('info', async () => {
    const { status, out } = await cli('gw info');
    expect(status).toBe(0);
    expect(out).toContain("CLI's version: 0.1.0\nGateway's version: 9.8.7\n");
    expect(out).toContain(
      "Gateway's name: gw-1\nGateway's host name: node-1\nGateway's load balancing group: 1\n",
    );
    expect(out).not.toContain("Gateway's group");
    expect(out).toContain('Gateway is ready: yes');
  });

  it('version', async () => {
    expect((await cli('gateway version')).out).toBe("Gateway's version: 9.8.7");
    expect(JSON.parse((await cli('gw version --format json')).out)).toEqual({
      status: 0,
      error_message: 'Success',
      version: '9.8.7',
    });
  });

  it('get_log_level and set_log_level', async () => {
    expect((await cli('gw set_log_level -l WARNING')).out).toBe(
      'Set gateway log level to "warning": Successful',
    );
    expect(served.gateway.level).toBe('warn');
    expect((await cli('gw get_log_level')).out).toBe('Gateway log level is "warning"');
    expect((await cli('gw set_log_level --level loud')).status).toBe(2);
  });

  it('listener_info', async () => {
    await served.addSubsystem();
    expect((await cli(`gw listener_info -n ${NQN}`)).out).toBe(
      `No active listeners for ${NQN} on this gateway`,
    );
    await cli(`listener add -n ${NQN} -a 192.0.2.1`);
    expect(await plainRow(`gw listener_info -n ${NQN}`)).toEqual(['192.0.2.1:4420', '1: optimized']);
  });
});

describe('statistics of hosts and of the gateway', () => {
  it('connection get_io_statistics and reset_io_statistics', async () => {
    const stats = new ConnectionStats();
    stats.record(true, 8192, 3, 2, 0.5);
    stats.record(false, 512, 1, 1, 0);
    served.gateway.statistics.connected = { hostNqn: HOST, stats };
    const { out } = await cli(`connection get_io_statistics -n ${NQN} -t ${HOST} --format plain`);
    expect(out.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      [`IO statistics of host ${HOST} on ${NQN}, microseconds as mean (least - most):`],
      ['Up to', 'Operation', 'Commands', 'Total', 'Backend', 'Network', 'QoS Limits'],
      ['4 KiB', 'write', '1', '1000 (1000 - 1000)', '1000 (1000 - 1000)', '0 (0 - 0)', '0 (0 - 0)'],
      [
        '8 KiB',
        'read',
        '1',
        '3000 (3000 - 3000)',
        '2000 (2000 - 2000)',
        '500 (500 - 500)',
        '500 (500 - 500)',
      ],
    ]);
    expect((await cli(`connection reset_io_statistics -n ${NQN} -t ${HOST}`)).out).toBe(
      `Resetting IO statistics of host ${HOST} on ${NQN}: Successful`,
    );
    expect((await cli(`connection get_io_statistics -n ${NQN} -t ${HOST}`)).out).toBe(
      `No I/O of host ${HOST} on ${NQN}`,
    );
    expect(await cli(`connection get_io_statistics -n ${NQN} -t nqn.x`)).toMatchObject({
      status: 2,
      out: '',
    });
  });

  it('gw get_stats and get_thread_stats', async () => {
    expect(await plainRow('gw get_stats')).toEqual([
      'event_loop',
      '2',
      '8',
      '9 admin, 33 I/O',
      '5',
      '1000000',
    ]);
    const { out } = await cli('gw get_thread_stats --format plain');
    expect(out.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['Threads of the gateway:'],
      ['Name', 'Busy s', 'Idle s', 'Busy'],
      ['event_loop', '0.3', '0.7', '25.1 %'],
      ['tp_librbd', '0.0', '4.0', '0.3 %'],
    ]);
  });

  it('gw set_io_stats_mode, one way or the other', async () => {
    expect((await cli('gw set_io_stats_mode --disable')).out).toBe('Disabling IO statistics: Successful');
    expect((await cli('gw info')).out).toContain('I/O statistics by host: no');
    expect((await cli('gw set_io_stats_mode --enable')).out).toBe('Enabling IO statistics: Successful');
    for (const options of ['', '--enable --disable']) {
      expect(await cli(`gw set_io_stats_mode ${options}`)).toMatchObject({ status: 2 });
    }
  });
});

describe('version', () => {
  it('needs no gateway', async () => {
    expect(await runCli('version --server-address 127.0.0.1 --server-port 1')).toEqual({
      status: 0,
      out: 'CLI version: 0.1.0',
      err: '',
    });
  });
});
