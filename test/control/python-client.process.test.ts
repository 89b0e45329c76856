/** Clients in Python, as ceph-nvmeof's are: one made from our proto file, one from the original interface alone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callAll, ensurePythonGrpc, makeStubs, type PythonAnswer } from './python/python-client.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NQN = 'nqn.2026-11.test:python';
const HOST = 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-555555555555';
const UUID = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';
const ENOTSUP = 95;
const ns = { subsystem_nqn: NQN, nsid: 1 };

let directory: string;
let gateway: ChildProcess;
let address: string;
let ioPort: number;

beforeAll(async () => {
  await ensurePythonGrpc();
  directory = await mkdtemp(join(tmpdir(), 'anagate-python-'));
  ioPort = await freePort();
  const grpcPort = await freePort();
  address = `127.0.0.1:${grpcPort}`;
  const ports = ['--discovery-port', '0', '--grpc-port', String(grpcPort), '--metrics-port', '0'];
  const serve = [
    'src/main.ts',
    'serve',
    '--no-demo',
    '--name',
    'gw-1',
    '--log-level',
    'error',
    '--state-dir',
    directory,
    ...ports,
  ];
  gateway = spawn(process.execPath, ['--import', 'tsx', ...serve], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve, reject) => {
    gateway.stdout?.once('data', resolve);
    gateway.once('exit', (code) => reject(new Error(`serve ended with ${code}`)));
  });
}, 600_000);

afterAll(async () => {
  const exited = new Promise((resolve) => gateway.once('exit', resolve));
  gateway.kill('SIGTERM');
  await exited;
  await rm(directory, { recursive: true });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

async function stubsOf(proto: string): Promise<string> {
  const stubs = await mkdtemp(join(directory, 'stubs-'));
  await makeStubs(join(ROOT, proto), stubs);
  return stubs;
}

const subsystem = { subsystem_nqn: NQN, serial_number: 'PY1', max_namespaces: 8, enable_ha: true };
const memory = { ...ns, block_size: 4096, uuid: UUID, size: '4194304', anagrpid: 1, backend: 'memory' };
const listener = () => ({ nqn: NQN, host_name: 'gw-1', traddr: '127.0.0.1', trsvcid: ioPort });

/** Every RPC in an order in which it can succeed. */
function everything(): [rpc: string, request: object][] {
  return [
    ['get_gateway_info', { cli_version: '1.4.2' }],
    ['create_subsystem', subsystem],
    ['list_subsystems', {}],
    ['add_subsystem_network', { subsystem_nqn: NQN, network_mask: '127.0.0.0/8' }],
    ['del_subsystem_network', { subsystem_nqn: NQN, network_mask: '127.0.0.0/8' }],
    ['add_host', { subsystem_nqn: NQN, host_nqn: HOST }],
    ['list_hosts', { subsystem: NQN }],
    ['namespace_add', memory],
    ['namespace_resize', { ...ns, new_size: '8' }],
    ['namespace_change_load_balancing_group', { ...ns, anagrpid: 2 }],
    ['namespace_change_visibility', { ...ns, auto_visible: false }],
    ['namespace_add_host', { ...ns, host_nqn: HOST }],
    ['namespace_delete_host', { ...ns, host_nqn: HOST }],
    ['namespace_set_rbd_trash_image', { ...ns, trash_image: true }],
    ['namespace_set_auto_resize', { ...ns, auto_resize: false }],
    ['namespace_set_qos_limits', { ...ns, rw_ios_per_second: '1000' }],
    ['namespace_change_location', { ...ns, location: 'here' }],
    ['namespace_get_io_stats', ns],
    ['list_namespaces_io_stats', {}],
    ['list_namespaces', { subsystem: NQN }],
    ['create_listener', listener()],
    ['list_listeners', { subsystem: NQN }],
    ['show_gateway_listeners_info', { subsystem_nqn: NQN }],
    ['get_subsystems', {}],
    ['list_connections', { subsystem: NQN }],
    ['get_connection_io_statistics', { subsystem_nqn: NQN, host_nqn: HOST }],
    ['change_subsystem_key', { subsystem_nqn: NQN }],
    ['change_host_key', { subsystem_nqn: NQN, host_nqn: HOST }],
    ['set_keep_host_connected', { subsystem_nqn: NQN, host_nqn: HOST }],
    ['add_kmip_server_endpoints', { subsystem_nqn: NQN, server_name: 'k', endpoints: [{ address: 'k' }] }],
    ['del_kmip_server_endpoints', { subsystem_nqn: NQN, server_name: 'k' }],
    ['list_kmip_server_endpoints', { subsystem_nqn: NQN }],
    ['set_gateway_log_level', { log_level: 'error' }],
    ['get_gateway_log_level', {}],
    ['get_gateway_stats', {}],
    ['get_thread_stats', {}],
    ['set_gateway_io_stats_mode', { enabled: true }],
    ['get_spdk_nvmf_log_flags_and_level', {}],
    ['set_spdk_nvmf_logs', {}],
    ['disable_spdk_nvmf_logs', {}],
    ['set_ana_state', {}],
    ['list_gateways', {}],
    ['list_ana_groups', {}],
    ['list_ownership_changes', {}],
    ['change_gateway', { action: 'drain', gateway: 'gw-1' }],
    ['move_ana_group', { ana_group: 1, gateway: 'gw-1' }],
    ['ok_to_stop', { gateways: ['gw-1'] }],
    ['rebalance', { dry_run: true }],
    ['export_state', {}],
    ['import_state', { document: 'bm90IGNvbXByZXNzZWQ=' }],
    ['list_encryption_keys', {}],
    ['rotate_encryption_key', {}],
    ['namespace_delete', ns],
    ['delete_listener', listener()],
    ['remove_host', { subsystem_nqn: NQN, host_nqn: HOST }],
    ['delete_subsystem', { subsystem_nqn: NQN }],
  ];
}

/** Refused for what they are about, which this gateway, namespace, host or document is not: an image, a group, at a location, connected, compressed. */
const REFUSED = new Set([
  'namespace_change_location',
  'namespace_set_rbd_trash_image',
  'namespace_set_auto_resize',
  'list_gateways',
  'list_ana_groups',
  'list_ownership_changes',
  'change_gateway',
  'move_ana_group',
  'ok_to_stop',
  'import_state',
  'rotate_encryption_key',
  'get_connection_io_statistics',
]);

function answerOf(answers: readonly PythonAnswer[], rpc: string): Record<string, unknown> {
  return answers.find((answer) => answer.rpc === rpc)!.answer;
}

describe('a Python client', () => {
  it('made from our proto file reaches every RPC: done, or refused with a reason', async () => {
    const calls = everything();
    const { rpcs, answers } = await callAll(await stubsOf('proto/gateway.proto'), address, calls);
    expect(rpcs.filter((rpc) => !calls.some(([called]) => called === rpc))).toEqual([]);
    const failed = answers.filter(({ code }) => code !== 'OK').map(({ rpc, code }) => `${rpc} ${code}`);
    expect(failed).toEqual(['set_ana_state UNIMPLEMENTED']);
    for (const { rpc, answer } of answers.filter(({ code }) => code === 'OK')) {
      const { status = 0, error_message: reason = 'Success' } = answer;
      if (status === 0) expect([rpc, reason]).toEqual([rpc, 'Success']);
      else if (status !== ENOTSUP) expect([...REFUSED], `${rpc}: ${reason}`).toContain(rpc);
      if (status !== 0) expect(reason).toMatch(/^Failure .+: .+/);
    }
    expect(answerOf(answers, 'list_namespaces')).toMatchObject({
      namespaces: [{ nsid: 1, uuid: UUID, rbd_image_size: '8388608', load_balancing_group: 2 }],
    });
  });

  it('made from the original field numbers works the same', async () => {
    const calls: [string, object][] = [
      ['get_gateway_info', { cli_version: '1.4.2' }],
      ['get_gateway_log_level', {}],
      ['create_subsystem', subsystem],
      ['add_host', { subsystem_nqn: NQN, host_nqn: HOST }],
      ['create_listener', { ...listener(), adrfam: 'ipv4' }],
      ['list_subsystems', { serial_number: 'PY1' }],
      ['list_hosts', { subsystem: NQN }],
      ['list_listeners', { subsystem: NQN }],
      ['namespace_resize', { ...ns, new_size: '8' }],
      ['namespace_change_load_balancing_group', { ...ns, anagrpid: 2 }],
      ['list_namespaces', { subsystem: NQN, nsid: 1 }],
      ['get_subsystems', {}],
      ['list_connections', { subsystem: NQN }],
      ['namespace_delete', ns],
      ['delete_listener', listener()],
      ['remove_host', { subsystem_nqn: NQN, host_nqn: HOST }],
      ['delete_subsystem', { subsystem_nqn: NQN }],
    ];
    // Namespaces in memory are Anagate's own: the other client makes one, right after the subsystem is there.
    const own = await stubsOf('proto/gateway.proto');
    const original = await stubsOf('test/control/python/original.proto');
    const before = await callAll(original, address, calls.slice(0, 8));
    await callAll(own, address, [['namespace_add', memory]]);
    const after = await callAll(original, address, calls.slice(8));
    expect(before.rpcs.sort()).toEqual(calls.map(([rpc]) => rpc).sort());
    const answers = [...before.answers, ...after.answers];
    for (const { rpc, code, answer } of answers)
      expect({ rpc, code, ...answer }).toMatchObject({
        rpc,
        code: 'OK',
        ...(rpc !== 'get_subsystems' && { status: 0, error_message: 'Success' }),
      });
    expect(answerOf(answers, 'get_gateway_info')).toMatchObject({
      name: 'gw-1',
      port: address.split(':')[1],
      load_balancing_group: 1,
      max_namespaces: 4096,
      gateway_initialization_over: true,
    });
    expect(answerOf(answers, 'get_gateway_log_level')).toMatchObject({ log_level: 'error' });
    const shown = { nqn: NQN, serial_number: 'PY1', max_namespaces: 8, subtype: 'NVMe' };
    expect(answerOf(answers, 'list_subsystems')).toMatchObject({
      subsystems: [{ ...shown, max_cntlid: 2040 }],
    });
    expect(answerOf(answers, 'list_hosts')).toMatchObject({ subsystem_nqn: NQN, hosts: [{ nqn: HOST }] });
    expect(answerOf(answers, 'list_listeners')).toMatchObject({
      listeners: [
        { ...{ host_name: 'gw-1', trtype: 'TCP', traddr: '127.0.0.1' }, trsvcid: ioPort, active: true },
      ],
    });
    expect(answerOf(answers, 'list_namespaces')).toMatchObject({
      namespaces: [
        {
          nsid: 1,
          uuid: UUID,
          block_size: 4096,
          rbd_image_size: '8388608',
          load_balancing_group: 2,
          auto_visible: true,
        },
      ],
    });
    expect(answerOf(answers, 'get_subsystems')).toMatchObject({
      subsystems: [
        {
          ...shown,
          listen_addresses: [{ trtype: 'TCP', traddr: '127.0.0.1', trsvcid: String(ioPort) }],
          namespaces: [{ nsid: 1, uuid: UUID, anagrpid: 2, auto_visible: true }],
        },
      ],
    });
    expect(answerOf(answers, 'list_connections')).toMatchObject({
      connections: [{ nqn: HOST, connected: false, controller_id: -1 }],
    });
  });
});
