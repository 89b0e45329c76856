/**
 * What ceph-nvmeof's clients put on the wire is understood, and what they read off it is there. Field numbers are stated
 * here once more, from ceph-nvmeof's interface; the proto file is not used.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FAKE_UUID, fakeConnection, REFRESHED_BYTES } from './fake-gateway.ts';
import { bytes, decode, int, message, messages, number, text } from './protobuf-bytes.ts';
import { NQN, ServedGateway } from './rpc-client.ts';

const GIB = 2 ** 30;

let served: ServedGateway;
beforeAll(async () => {
  served = await ServedGateway.start();
});
beforeEach(() => served.gateway.reset());
afterAll(() => served.stop());

async function ask(rpc: string, ...fields: Buffer[]) {
  return decode(await served.callBytes(`/Gateway/${rpc}`, message(...fields)));
}

describe('requests by field number', () => {
  it('create_subsystem: 1 nqn, 2 serial, 3 max_namespaces, 4 enable_ha, 5 no_group_append', async () => {
    served.gateway.gatewayInfo.group = 'g1';
    const answer = await ask(
      'create_subsystem',
      bytes(1, NQN),
      bytes(2, 'SER1'),
      int(3, 77),
      int(4, 1),
      int(5, 1),
    );
    expect(number(answer, 1)).toBe(0);
    expect(text(answer, 2)).toBe('Success');
    expect(text(answer, 3)).toBe(NQN);
    expect(served.gateway.listSubsystems()).toMatchObject([{ nqn: NQN, serial: 'SER1', maxNamespaces: 77 }]);
  });

  it('namespace_add: every field that is supported', async () => {
    await served.addSubsystem();
    const uuid = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';
    const answer = await ask(
      'namespace_add',
      bytes(1, 'pool1'),
      bytes(2, 'image1'),
      bytes(3, NQN),
      int(4, 9),
      int(5, 4096),
      bytes(6, uuid),
      int(7, 3),
      int(8, 1),
      int(9, GIB),
      int(10, 1),
      int(11, 1),
      int(12, 1),
      int(13, 1),
      int(14, 1),
      bytes(15, 'data1'),
      bytes(16, 'dc1'),
      bytes(17, 'tenant1'),
    );
    expect([number(answer, 1), text(answer, 2), number(answer, 3)]).toEqual([0, 'Success', 9]);
    expect(served.gateway.lastNamespace).toEqual({
      nqn: NQN,
      nsid: 9,
      uuid,
      backend: {
        type: 'rbd',
        pool: 'pool1',
        image: 'image1',
        radosNamespace: 'tenant1',
        dataPool: 'data1',
        create: true,
        trashOnDelete: true,
      },
      sizeBytes: GIB,
      blockSize: 4096,
      anaGroupId: 3,
      readOnly: true,
      noAutoVisible: true,
      location: 'dc1',
      disableAutoResize: true,
      force: true,
    });
  });

  it("namespace_add: Anagate's own fields are 1000 backend and 1001 path", async () => {
    await served.addSubsystem();
    await ask('namespace_add', bytes(3, NQN), bytes(1000, 'file'), bytes(1001, '/srv/disk'), int(9, GIB));
    expect(served.gateway.lastNamespace?.backend).toEqual({ type: 'file', path: '/srv/disk', create: true });
  });

  it('create_listener: 1 nqn, 2 host_name, 3 traddr, 5 adrfam, 6 trsvcid', async () => {
    await served.addSubsystem();
    const fields = [bytes(1, NQN), bytes(2, 'node-1'), bytes(3, '[2001:db8::1]'), int(5, 1), int(6, 4421)];
    expect(number(await ask('create_listener', ...fields), 1)).toBe(0);
    expect(served.gateway.listListeners(NQN)).toMatchObject([
      { hostName: 'node-1', traddr: '2001:db8::1', adrfam: 'ipv6', trsvcid: 4421 },
    ]);
    expect(number(await ask('delete_listener', ...fields, int(7, 1)), 1)).toBe(0);
    expect(served.gateway.listListeners(NQN)).toEqual([]);
  });

  it('add_host and remove_host: 1 subsystem_nqn, 2 host_nqn', async () => {
    await served.addSubsystem();
    await ask('add_host', bytes(1, NQN), bytes(2, 'nqn.2026-11.test:h'));
    expect(served.gateway.listHosts(NQN).hosts).toMatchObject([{ nqn: 'nqn.2026-11.test:h' }]);
    await ask('remove_host', bytes(1, NQN), bytes(2, 'nqn.2026-11.test:h'));
    expect(served.gateway.listHosts(NQN).hosts).toEqual([]);
  });

  it('namespace_resize: 4 new_size in MiB; change_load_balancing_group: 4 anagrpid; delete: 1, 2', async () => {
    await served.addSubsystem();
    await served.gateway.addNamespace({ nqn: NQN, backend: { type: 'memory' } });
    await ask('namespace_resize', bytes(1, NQN), int(2, 1), int(4, 3000));
    await ask('namespace_change_load_balancing_group', bytes(1, NQN), int(2, 1), int(4, 6));
    expect(served.gateway.listNamespaces()).toMatchObject([{ sizeBytes: 3000 * 2 ** 20, anaGroupId: 6 }]);
    expect(number(await ask('namespace_resize', bytes(1, NQN), int(2, 1), int(4, 0)), 1)).toBe(0);
    expect(served.gateway.listNamespaces(), 'new_size 0: refresh_size').toMatchObject([
      { sizeBytes: REFRESHED_BYTES },
    ]);
    await ask('namespace_delete', bytes(1, NQN), int(2, 1), int(4, 1));
    expect(served.gateway.listNamespaces()).toEqual([]);
    expect(served.gateway.lastTrash).toBe(true);
  });

  it('namespace_set_rbd_trash_image and namespace_set_auto_resize: 3 is the flag', async () => {
    await served.addSubsystem();
    await served.gateway.addNamespace({ nqn: NQN, backend: { type: 'rbd', pool: 'p', image: 'i' } });
    await ask('namespace_set_rbd_trash_image', bytes(1, NQN), int(2, 1), int(3, 1));
    await ask('namespace_set_auto_resize', bytes(1, NQN), int(2, 1));
    expect(served.gateway.listNamespaces()).toMatchObject([
      { backend: { trashOnDelete: true }, disableAutoResize: true },
    ]);
    await ask('namespace_set_auto_resize', bytes(1, NQN), int(2, 1), int(3, 1));
    expect(served.gateway.listNamespaces()).toMatchObject([{ disableAutoResize: false }]);
  });

  it('namespace_change_visibility: 3 auto_visible, 4 force; namespace_add_host and _delete_host: 3 host_nqn, 4 force', async () => {
    await served.addSubsystem();
    await served.gateway.addNamespace({ nqn: NQN, backend: { type: 'memory' } });
    const [host, other] = ['nqn.2026-11.test:h', 'nqn.2026-11.test:i'];
    await ask('namespace_change_visibility', bytes(1, NQN), int(2, 1), int(4, 1));
    expect(served.gateway.listNamespaces()).toMatchObject([{ autoVisible: false }]);
    expect(served.gateway.lastForce).toBe(true);
    await ask('namespace_add_host', bytes(1, NQN), int(2, 1), bytes(3, host));
    expect(served.gateway.lastForce).toBe(false);
    await ask('namespace_add_host', bytes(1, NQN), int(2, 1), bytes(3, other), int(4, 1));
    expect(served.gateway.lastForce).toBe(true);
    await ask('namespace_delete_host', bytes(1, NQN), int(2, 1), bytes(3, host));
    expect(served.gateway.listNamespaces()).toMatchObject([{ hosts: [other] }]);
    const [listed] = messages(await ask('list_namespaces', bytes(1, NQN)), 4);
    expect([number(listed, 13), text(listed, 14)]).toEqual([0, other]);
    const [subsystem] = messages(await ask('get_subsystems'), 1);
    const [detailed] = messages(subsystem, 11);
    expect([number(detailed, 8), text(detailed, 9)]).toEqual([0, other]);
    await ask('namespace_change_visibility', bytes(1, NQN), int(2, 1), int(3, 1));
    expect(served.gateway.listNamespaces()).toMatchObject([{ autoVisible: true }]);
  });

  it('namespace_change_location: 3 location; namespace_cli: 23 location', async () => {
    await served.addSubsystem();
    await served.gateway.addNamespace({ nqn: NQN, backend: { type: 'memory' } });
    const location = async () => text(messages(await ask('list_namespaces', bytes(1, NQN)), 4)[0]!, 23);
    await ask('namespace_change_location', bytes(1, NQN), int(2, 1), bytes(3, 'dc2'));
    expect(await location()).toBe('dc2');
    await ask('namespace_change_location', bytes(1, NQN), int(2, 1));
    expect(await location()).toBe('');
  });

  it('delete_subsystem: 2 force', async () => {
    await served.addSubsystem();
    await served.gateway.addNamespace({ nqn: NQN, backend: { type: 'memory' } });
    expect(number(await ask('delete_subsystem', bytes(1, NQN)), 1)).toBe(16);
    expect(number(await ask('delete_subsystem', bytes(1, NQN), int(2, 1)), 1)).toBe(0);
  });

  it('fields of a newer client are passed over', async () => {
    await served.addSubsystem();
    const answer = await ask('list_hosts', bytes(1, NQN), bytes(900, 'from the future'), int(901, 7));
    expect(number(answer, 1)).toBe(0);
  });
});

describe('answers by field number', () => {
  it('subsystem_cli', async () => {
    await served.gateway.addSubsystem({ nqn: NQN, serial: 'S1', maxNamespaces: 8 });
    const answer = await ask('list_subsystems');
    const [subsystem] = messages(answer, 3);
    expect(text(subsystem, 1)).toBe(NQN);
    expect(number(subsystem, 2)).toBe(1);
    expect([text(subsystem, 3), text(subsystem, 4)]).toEqual(['S1', 'Anagate']);
    expect([number(subsystem, 5), number(subsystem, 6)]).toEqual([1, 2040]);
    expect([text(subsystem, 8), number(subsystem, 9)]).toEqual(['NVMe', 8]);
  });

  it('namespace_cli', async () => {
    await served.addSubsystem();
    const backend = { type: 'rbd', pool: 'p', image: 'i' } as const;
    await served.gateway.addNamespace({ nqn: NQN, backend, sizeBytes: 5 * GIB, anaGroupId: 2 });
    const [namespace] = messages(await ask('list_namespaces', bytes(1, NQN)), 4);
    expect(number(namespace, 1)).toBe(1);
    expect(text(namespace, 2)).toBe(`bdev_${FAKE_UUID}`);
    expect([text(namespace, 3), text(namespace, 4)]).toEqual(['i', 'p']);
    expect([number(namespace, 5), number(namespace, 6), number(namespace, 7)]).toEqual([2, 512, 5 * GIB]);
    expect(text(namespace, 8)).toBe(FAKE_UUID);
    expect(number(namespace, 13)).toBe(1);
    expect(text(namespace, 15)).toBe(NQN);
  });

  it('listener_info has its port as a number, listen_address as a string', async () => {
    await served.addSubsystem();
    const spec = {
      nqn: NQN,
      hostName: 'node-1',
      traddr: '192.0.2.1',
      adrfam: 'ipv4',
      trsvcid: 4420,
    } as const;
    await served.gateway.addListener(spec);
    const [listener] = messages(await ask('list_listeners', bytes(1, NQN)), 3);
    expect([text(listener, 1), text(listener, 2), text(listener, 4)]).toEqual(['node-1', 'TCP', '192.0.2.1']);
    expect([number(listener, 3), number(listener, 5), number(listener, 7)]).toEqual([0, 4420, 1]);
    const [subsystem] = messages(await ask('get_subsystems'), 1);
    const [address] = messages(subsystem, 3);
    expect([1, 2, 3, 4].map((field) => text(address, field))).toEqual(['TCP', 'IPv4', '192.0.2.1', '4420']);
  });

  it('connection', async () => {
    await served.addSubsystem();
    served.gateway.connections = [
      fakeConnection(),
      fakeConnection({ connected: false, keepAliveTimeout: true }),
    ];
    const [live, lost] = messages(await ask('list_connections', bytes(1, NQN)), 4);
    expect([text(live, 1), text(live, 2), text(live, 4)]).toEqual([
      'nqn.2026-11.test:host',
      '192.0.2.77',
      'TCP',
    ]);
    expect([3, 6, 7, 8, 13].map((field) => number(live, field))).toEqual([54321, 1, 5, 17, 0]);
    expect(text(live, 12)).toBe(NQN);
    expect([6, 13].map((field) => number(lost, field))).toEqual([0, 1]);
  });

  it('gateway_info', async () => {
    const info = await ask('get_gateway_info', bytes(1, '1.4.0'));
    expect([1, 2, 3, 5, 6].map((field) => text(info, field))).toEqual([
      '1.4.0',
      '1.4.2',
      'gw-1',
      '192.0.2.1',
      '5500',
    ]);
    expect([7, 8, 11, 13, 14, 15, 16, 17, 18].map((field) => number(info, field))).toEqual([
      1, 0, 1, 128, 4096, 128, 512, 2048, 1,
    ]);
    expect(text(info, 12)).toBe('node-1');
    expect(text(info, 1000)).toBe('9.8.7');
  });
});
