/** Each RPC's own behaviour: what it asks of the gateway, what it refuses and what it answers. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FAKE_UUID, fakeConnection, OTHER_NODE } from './fake-gateway.ts';
import { NQN, ServedGateway, VERSION } from './rpc-client.ts';

const ENOENT = 2;
const EBUSY = 16;
const EEXIST = 17;
const ENODEV = 19;
const EINVAL = 22;
const EREMOTE = 66;
const ENOTSUP = 95;
const SUCCESS = { status: 0, error_message: 'Success' };
const GIB = 2 ** 30;

let served: ServedGateway;
beforeAll(async () => {
  served = await ServedGateway.start();
});
beforeEach(() => served.gateway.reset());
afterAll(() => served.stop());

describe('create_subsystem', () => {
  const create = (request: object) =>
    served.call('create_subsystem', { subsystem_nqn: NQN, enable_ha: true, ...request });

  it("leaves serial number and size to the gateway when they are not said, and the NQN when there's no group", async () => {
    expect(await create({})).toEqual({ ...SUCCESS, nqn: NQN });
    expect(served.gateway.listSubsystems()).toMatchObject([
      { nqn: NQN, serial: 'AG0001', maxNamespaces: 4096 },
    ]);
  });

  it("appends the group's name with its underscores as dashes", async () => {
    served.gateway.gatewayInfo.group = 'my_group';
    expect(await create({})).toEqual({ ...SUCCESS, nqn: `${NQN}.my-group` });
    expect(await create({ no_group_append: true })).toEqual({ ...SUCCESS, nqn: NQN });
  });

  it('refuses a second one, with the NQN that was asked for', async () => {
    await create({});
    const answer = await create({});
    expect(answer).toMatchObject({ status: EEXIST, nqn: NQN });
    expect(answer.error_message).toBe(`Failure adding subsystem ${NQN}: ${NQN} exists already`);
  });

  it.each([
    ['no NQN', { subsystem_nqn: '' }, EINVAL],
    ['multipath switched off', { enable_ha: false }, EINVAL],
    ['a key that it has encrypted', { dhchap_key: 'x', key_encrypted: true }, ENOTSUP],
    ['secure listeners', { secure_listeners: true }, ENOTSUP],
  ])('refuses %s', async (_what, request, errno) => {
    expect((await create(request)).status).toBe(errno);
    expect(served.gateway.listSubsystems()).toEqual([]);
  });

  it('takes network masks, and more later', async () => {
    await create({ network_mask: ['192.0.2.0/24'], port: 4430 });
    const networks = async () => {
      const { subsystems } = await served.call('list_subsystems', { subsystem_nqn: NQN });
      return subsystems[0].network_mask;
    };
    expect(await networks()).toEqual(['192.0.2.0/24']);
    const mask = { subsystem_nqn: NQN, network_mask: '2001:db8::/64' };
    expect(await served.call('add_subsystem_network', mask)).toEqual(SUCCESS);
    expect(await networks()).toEqual(['192.0.2.0/24', '2001:db8::/64']);
    expect(await served.call('add_subsystem_network', mask)).toMatchObject({ status: EEXIST });
    expect(await served.call('del_subsystem_network', mask)).toEqual(SUCCESS);
    const again = await served.call('del_subsystem_network', mask);
    expect(again.status).toBe(ENOENT);
    expect(again.error_message).toContain(`Failure deleting network 2001:db8::/64 from subsystem ${NQN}: `);
    expect(await networks()).toEqual(['192.0.2.0/24']);
  });

  it('accepts unsupported fields that say no', async () => {
    const request = { dhchap_key: '', key_encrypted: false, network_mask: [], secure_listeners: false };
    expect(await create(request)).toMatchObject(SUCCESS);
  });
});

describe('delete_subsystem', () => {
  it('is EBUSY while there are namespaces, unless forced', async () => {
    await served.addSubsystem();
    await served.gateway.addNamespace({ nqn: NQN, backend: { type: 'memory' } });
    const refused = await served.call('delete_subsystem', { subsystem_nqn: NQN });
    expect(refused.status).toBe(EBUSY);
    expect(refused.error_message).toContain(`Failure deleting subsystem ${NQN}: `);
    expect(await served.call('delete_subsystem', { subsystem_nqn: NQN, force: true })).toEqual(SUCCESS);
    expect(served.gateway.listSubsystems()).toEqual([]);
  });

  it('is ENOENT when there is none', async () => {
    expect(await served.call('delete_subsystem', { subsystem_nqn: NQN })).toMatchObject({ status: ENOENT });
  });
});

describe('list_subsystems', () => {
  it('lists all, or by NQN or serial number', async () => {
    await served.gateway.addSubsystem({ nqn: 'nqn.2026-11.test:a', serial: 'A' });
    await served.gateway.addSubsystem({ nqn: 'nqn.2026-11.test:b', serial: 'B' });
    const list = async (request: object) =>
      (await served.call('list_subsystems', request)).subsystems.map((s) => s.serial_number);
    expect(await list({})).toEqual(['A', 'B']);
    expect(await list({ subsystem_nqn: 'nqn.2026-11.test:b' })).toEqual(['B']);
    expect(await list({ serial_number: 'A' })).toEqual(['A']);
    expect(await list({ serial_number: 'C' })).toEqual([]);
  });
});

describe('get_subsystems', () => {
  it('has everything of a subsystem, with the listeners that are active here', async () => {
    await served.addSubsystem();
    await served.gateway.addHost(NQN, 'nqn.2026-11.test:h');
    await served.gateway.addNamespace({ nqn: NQN, backend: { type: 'memory' }, anaGroupId: 4 });
    const listener = {
      nqn: NQN,
      hostName: 'node-1',
      traddr: '192.0.2.1',
      adrfam: 'ipv4',
      trsvcid: 4420,
    } as const;
    await served.gateway.addListener(listener);
    await served.gateway.addListener({ ...listener, hostName: OTHER_NODE }).catch(() => {});
    const { subsystems } = await served.call('get_subsystems', {});
    expect(subsystems).toMatchObject([
      {
        nqn: NQN,
        subtype: 'NVMe',
        allow_any_host: false,
        listen_addresses: [{ trtype: 'TCP', adrfam: 'IPv4', traddr: '192.0.2.1', trsvcid: '4420' }],
        hosts: [{ nqn: 'nqn.2026-11.test:h' }],
        namespaces: [{ nsid: 1, uuid: FAKE_UUID, nguid: FAKE_UUID.replaceAll('-', ''), anagrpid: 4 }],
      },
    ]);
    expect(subsystems[0].listen_addresses).toHaveLength(1);
  });
});

describe('listeners', () => {
  beforeEach(() => served.addSubsystem());
  const create = (request: object) =>
    served.call('create_listener', { nqn: NQN, traddr: '192.0.2.1', ...request });

  it('takes the own host name, port 4420 and the family of the address when they are not said', async () => {
    expect(await create({})).toEqual(SUCCESS);
    expect(await create({ traddr: '2001:db8::1' })).toEqual(SUCCESS);
    expect(served.gateway.listListeners(NQN)).toMatchObject([
      { hostName: 'node-1', traddr: '192.0.2.1', adrfam: 'ipv4', trsvcid: 4420 },
      { hostName: 'node-1', traddr: '2001:db8::1', adrfam: 'ipv6', trsvcid: 4420 },
    ]);
  });

  it("stores another node's listener and says EREMOTE", async () => {
    expect(await create({ host_name: OTHER_NODE })).toEqual({
      status: EREMOTE,
      error_message: `the gateway on ${OTHER_NODE} will listen`,
    });
    const { listeners } = await served.call('list_listeners', { subsystem: NQN });
    expect(listeners).toMatchObject([{ host_name: OTHER_NODE, active: false }]);
  });

  it.each([
    ['an address that is none', { traddr: 'node-1' }, EINVAL],
    ['an IPv6 address as IPv4', { traddr: '::1', adrfam: 'ipv4' }, EINVAL],
    ['an IPv4 address as IPv6', { adrfam: 'ipv6' }, EINVAL],
    ['an address family that is none', { adrfam: 7 }, EINVAL],
    ['port 0', { trsvcid: 0 }, EINVAL],
    ['a port that is none', { trsvcid: 65536 }, EINVAL],
    ["another node's name to be verified", { host_name: OTHER_NODE, verify_host_name: true }, EINVAL],
    ['TLS', { secure: true }, ENOTSUP],
    ['no subsystem', { nqn: '' }, EINVAL],
    ['an unknown subsystem', { nqn: 'nqn.2026-11.test:none' }, ENOENT],
  ])('refuses %s', async (_what, request, errno) => {
    expect((await create(request)).status).toBe(errno);
    expect(served.gateway.listListeners(NQN)).toEqual([]);
  });

  it("deletes: host name '*' only with force", async () => {
    await create({});
    const remove = (request: object) =>
      served.call('delete_listener', { nqn: NQN, traddr: '192.0.2.1', trsvcid: 4420, ...request });
    expect(await remove({ host_name: '*' })).toMatchObject({ status: EINVAL });
    expect(await remove({ host_name: OTHER_NODE })).toMatchObject({ status: ENOENT });
    expect(await remove({ host_name: '*', force: true })).toEqual(SUCCESS);
  });

  it("deletes the asked gateway's own when no host name is said, or the one that is every gateway's", async () => {
    const remove = () => served.call('delete_listener', { nqn: NQN, traddr: '192.0.2.1', trsvcid: 4420 });
    await create({ host_name: OTHER_NODE });
    await create({});
    expect(await remove()).toEqual(SUCCESS);
    expect(served.gateway.listListeners(NQN)).toMatchObject([{ hostName: OTHER_NODE }]);
    expect(await remove()).toMatchObject({ status: ENOENT });
    await served.gateway.deleteListener({ ...served.gateway.listListeners(NQN)[0] }, true);
    await create({ host_name: '*' });
    expect(await remove()).toEqual(SUCCESS);
  });

  it("shows the gateway's active ones with their ANA states", async () => {
    await create({});
    await create({ host_name: OTHER_NODE, traddr: '192.0.2.2' });
    const { gw_listeners: listeners } = await served.call('show_gateway_listeners_info', {
      subsystem_nqn: NQN,
    });
    expect(listeners).toMatchObject([
      { listener: { traddr: '192.0.2.1' }, lb_states: [{ grp_id: 1, state: 'OPTIMIZED' }] },
    ]);
  });
});

describe('namespace_add', () => {
  beforeEach(() => served.addSubsystem());
  const add = (request: object) => served.call('namespace_add', { subsystem_nqn: NQN, ...request });

  it('is RBD when no backend is said, as for ceph-nvmeof', async () => {
    expect(await add({ rbd_pool_name: 'p', rbd_image_name: 'i' })).toEqual({ ...SUCCESS, nsid: 1 });
    expect(served.gateway.lastNamespace).toEqual({
      nqn: NQN,
      backend: { type: 'rbd', pool: 'p', image: 'i' },
    });
  });

  it('takes all that ceph-nvmeof says of an image', async () => {
    await add({
      rbd_pool_name: 'p',
      rbd_image_name: 'i',
      rados_namespace_name: 'n',
      rbd_data_pool_name: 'd',
      create_image: true,
      size: GIB,
      trash_image: true,
      disable_auto_resize: true,
    });
    expect(served.gateway.lastNamespace).toEqual({
      nqn: NQN,
      backend: {
        type: 'rbd',
        pool: 'p',
        image: 'i',
        radosNamespace: 'n',
        dataPool: 'd',
        create: true,
        trashOnDelete: true,
      },
      sizeBytes: GIB,
      disableAutoResize: true,
    });
  });

  it('takes a file as it is without a size, and makes it with one', async () => {
    await add({ backend: 'file', path: '/d', size: '0' });
    expect(served.gateway.lastNamespace).toEqual({
      nqn: NQN,
      backend: { type: 'file', path: '/d', create: false },
    });
    await add({ backend: 'file', path: '/d', size: GIB });
    expect(served.gateway.lastNamespace).toMatchObject({ backend: { create: true }, sizeBytes: GIB });
    await add({ backend: 'file', path: '/d', size: GIB, create_image: false });
    expect(served.gateway.lastNamespace).toMatchObject({ backend: { create: false }, sizeBytes: GIB });
  });

  it('makes memory', async () => {
    await add({ backend: 'memory', size: GIB, block_size: 4096 });
    expect(served.gateway.lastNamespace).toEqual({
      nqn: NQN,
      backend: { type: 'memory' },
      sizeBytes: GIB,
      blockSize: 4096,
    });
  });

  it.each([
    ['RBD without an image', { rbd_pool_name: 'p' }, EINVAL],
    ['a file without a path', { backend: 'file' }, EINVAL],
    ['a path for memory', { backend: 'memory', size: 1, path: '/d' }, EINVAL],
    ['memory without a size', { backend: 'memory' }, EINVAL],
    ['another backend', { backend: 'tape' }, EINVAL],
    ['a block size that is none', { backend: 'memory', size: GIB, block_size: 1024 }, EINVAL],
    ['a size that a number cannot hold', { backend: 'memory', size: '18446744073709551615' }, EINVAL],
    ['a negative group', { backend: 'memory', size: GIB, anagrpid: -1 }, EINVAL],
    ['no subsystem', { subsystem_nqn: '', backend: 'memory', size: GIB }, EINVAL],
    ['an unknown subsystem', { subsystem_nqn: 'nqn.x', backend: 'memory', size: GIB }, ENOENT],
    ['a new image without a size', { rbd_pool_name: 'p', rbd_image_name: 'i', create_image: true }, EINVAL],
    ['trash for memory', { backend: 'memory', size: GIB, trash_image: true }, EINVAL],
    ['a data pool for memory', { backend: 'memory', size: GIB, rbd_data_pool_name: 'd' }, EINVAL],
    ['a RADOS namespace for a file', { backend: 'file', path: '/d', rados_namespace_name: 'n' }, EINVAL],
    [
      'encryption',
      { backend: 'memory', size: GIB, encryption_entries: [{ format: 'luks2', key_id: 'k' }] },
      ENOTSUP,
    ],
    ['an encryption algorithm', { backend: 'memory', size: GIB, encryption_algorithm: 'aes256' }, ENOTSUP],
  ])('refuses %s', async (_what, request, errno) => {
    expect(await add(request)).toMatchObject({ status: errno, nsid: 0 });
    expect(served.gateway.listNamespaces()).toEqual([]);
  });
});

describe('namespaces', () => {
  beforeEach(async () => {
    await served.addSubsystem();
    await served.gateway.addNamespace({
      nqn: NQN,
      backend: { type: 'file', path: '/d', create: true },
      sizeBytes: GIB,
      readOnly: true,
    });
  });
  const target = { subsystem_nqn: NQN, nsid: 1 };

  it('lists those of a subsystem or of all, by NSID or UUID', async () => {
    await served.addSubsystem('nqn.2026-11.test:other');
    const uuid = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';
    await served.gateway.addNamespace({
      nqn: 'nqn.2026-11.test:other',
      nsid: 5,
      uuid,
      backend: { type: 'memory' },
    });
    const list = async (request: object) =>
      (await served.call('list_namespaces', request)).namespaces.map((namespace) => namespace.nsid);
    expect(await list({ subsystem: NQN })).toEqual([1]);
    expect(await list({ subsystem: '*' })).toEqual([1, 5]);
    expect(await list({})).toEqual([1, 5]);
    expect(await list({ nsid: 5 })).toEqual([5]);
    expect(await list({ uuid })).toEqual([5]);
    expect(await list({ subsystem: NQN, nsid: 5 })).toEqual([]);
    expect(await served.call('list_namespaces', { subsystem: 'nqn.x' })).toMatchObject({ status: ENOENT });
  });

  it('lists more than are encoded in one go, each once and in order', async () => {
    const nsids = Array.from({ length: 300 }, (_, i) => i + 2);
    for (const nsid of nsids)
      await served.gateway.addNamespace({ nqn: NQN, nsid, backend: { type: 'memory' } });
    const answer = await served.call('list_namespaces', { subsystem: NQN });
    expect(answer).toMatchObject({ status: 0, error_message: 'Success', subsystem_nqn: NQN });
    expect(answer.namespaces.map(({ nsid }) => nsid)).toEqual([1, ...nsids]);
  });

  it('tells size, backend, path and access', async () => {
    const { namespaces } = await served.call('list_namespaces', { subsystem: NQN });
    expect(namespaces).toMatchObject([
      {
        bdev_name: `bdev_${FAKE_UUID}`,
        rbd_image_size: String(GIB),
        backend: 'file',
        path: '/d',
        rbd_pool_name: '',
        read_only: true,
        auto_visible: true,
      },
    ]);
  });

  it('resizes in MiB', async () => {
    expect(await served.call('namespace_resize', { ...target, new_size: 2048 })).toEqual(SUCCESS);
    expect(served.gateway.listNamespaces()).toMatchObject([{ sizeBytes: 2 * GIB }]);
    const new_size = '18446744073709551615';
    expect(await served.call('namespace_resize', { ...target, new_size })).toMatchObject({ status: EINVAL });
  });

  it('changes the load balancing group', async () => {
    const change = (anagrpid: number) =>
      served.call('namespace_change_load_balancing_group', { ...target, anagrpid });
    expect(await change(7)).toEqual(SUCCESS);
    expect(served.gateway.listNamespaces()).toMatchObject([{ anaGroupId: 7 }]);
    expect(await change(-1)).toMatchObject({ status: EINVAL });
  });

  it('changes what becomes of an image, EINVAL without one', async () => {
    await served.gateway.addNamespace({ nqn: NQN, backend: { type: 'rbd', pool: 'p', image: 'i' } });
    const image = { subsystem_nqn: NQN, nsid: 2 };
    const flags = async () => {
      const { namespaces } = await served.call('list_namespaces', { nsid: 2 });
      return [namespaces[0].trash_image, namespaces[0].disable_auto_resize];
    };
    expect(await flags()).toEqual([false, false]);
    expect(await served.call('namespace_set_rbd_trash_image', { ...image, trash_image: true })).toEqual(
      SUCCESS,
    );
    expect(await served.call('namespace_set_auto_resize', { ...image, auto_resize: false })).toEqual(SUCCESS);
    expect(await flags()).toEqual([true, true]);
    await served.call('namespace_set_rbd_trash_image', { ...image, trash_image: false });
    await served.call('namespace_set_auto_resize', { ...image, auto_resize: true });
    expect(await flags()).toEqual([false, false]);
    expect(await served.call('namespace_set_rbd_trash_image', target)).toMatchObject({ status: EINVAL });
    expect(await served.call('namespace_set_auto_resize', target)).toMatchObject({ status: EINVAL });
  });

  it('is ENODEV for a namespace that is not there, EINVAL for none', async () => {
    for (const [nsid, errno] of [
      [9, ENODEV],
      [0, EINVAL],
    ]) {
      const missing = { subsystem_nqn: NQN, nsid };
      const change = { ...missing, anagrpid: 1 };
      expect(await served.call('namespace_delete', missing)).toMatchObject({ status: errno });
      expect(await served.call('namespace_resize', { ...missing, new_size: 1 })).toMatchObject({
        status: errno,
      });
      expect(await served.call('namespace_change_load_balancing_group', change)).toMatchObject({
        status: errno,
      });
      expect(await served.call('namespace_set_rbd_trash_image', missing)).toMatchObject({ status: errno });
      expect(await served.call('namespace_set_auto_resize', missing)).toMatchObject({ status: errno });
    }
  });
});

describe('a refusal says', () => {
  it.each([
    ['what is missing', 'create_subsystem', { subsystem_nqn: '' }, 'the subsystem NQN is missing'],
    ['which address', 'create_listener', { nqn: NQN }, 'the IP address (traddr) is missing'],
    [
      'what is not supported',
      'create_listener',
      { nqn: NQN, traddr: '192.0.2.1', secure: true },
      'TLS (secure) is not supported yet; leave it out',
    ],
    [
      'the number as it was given',
      'namespace_resize',
      { subsystem_nqn: NQN, nsid: 1, new_size: '18446744073709551615' },
      'the size 18446744073709551615 MiB is too large; the greatest is 4503599627370496 bytes',
    ],
  ] as const)('%s', async (_what, rpc, request, reason) => {
    const { error_message: message } = (await served.call(rpc, request)) as { error_message: string };
    expect(message.endsWith(`: ${reason}`), message).toBe(true);
  });

  it('an IPv6 address apart from its port', async () => {
    const request = { nqn: 'nqn.x', traddr: '2001:db8::1', trsvcid: 4420 };
    for (const rpc of ['create_listener', 'delete_listener'] as const)
      expect((await served.call(rpc, request)).error_message).toContain(' [2001:db8::1]:4420');
  });
});

describe('list_connections', () => {
  it('lists those of a subsystem or of all', async () => {
    await served.addSubsystem();
    served.gateway.connections = [
      fakeConnection(),
      fakeConnection({ subsystemNqn: 'nqn.x', connected: false, queueCount: 0, cntlid: -1 }),
    ];
    const all = await served.call('list_connections', { subsystem: '*' });
    expect(all.connections).toMatchObject([
      { subsystem: NQN, connected: true, controller_id: 17, qpairs_count: 5, secure: false },
      { subsystem: 'nqn.x', connected: false, controller_id: -1, qpairs_count: -1 },
    ]);
    expect((await served.call('list_connections', { subsystem: NQN })).connections).toHaveLength(1);
    expect(await served.call('list_connections', { subsystem: 'nqn.none' })).toMatchObject({
      status: ENOENT,
    });
  });
});

describe('the gateway itself', () => {
  it("tells its own version beside that of the interface, which ceph-nvmeof's CLI checks", async () => {
    const info = await served.call('get_gateway_info', { cli_version: '1.3.0' });
    expect(info).toMatchObject({
      ...SUCCESS,
      bool_status: true,
      cli_version: '1.3.0',
      anagate_version: VERSION,
    });
    expect(info.version).toMatch(/^1\.\d+\.\d+$/);
  });

  it.each([
    ['notset', 'trace'],
    ['debug', 'debug'],
    ['info', 'info'],
    ['warning', 'warn'],
    ['error', 'error'],
    ['critical', 'fatal'],
  ] as const)('log level %s is the log’s %s', async (api, log) => {
    expect(await served.call('set_gateway_log_level', { log_level: api })).toEqual(SUCCESS);
    expect(served.gateway.level).toBe(log);
    expect(await served.call('get_gateway_log_level', {})).toEqual({ ...SUCCESS, log_level: api });
  });

  it('refuses a log level that it does not know', async () => {
    expect(await served.call('set_gateway_log_level', { log_level: 25 })).toMatchObject({ status: EINVAL });
    expect(served.gateway.level).toBe('info');
  });
});
