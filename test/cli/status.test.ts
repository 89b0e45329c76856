/** `anagate status`, over real gRPC servers before fake gateways. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { nullLog } from '../../src/base/log.ts';
import { type GrpcServer, startGrpcServer } from '../../src/control/server.ts';
import type { GatewayRow, GroupRow } from '../../src/monitor/admin.ts';
import { LocalMonitor } from '../../src/monitor/local-monitor.ts';
import { FakeAdmin } from '../control/fake-admin.ts';
import { FakeGateway } from '../control/fake-gateway.ts';
import { runCli } from './run-cli.ts';

const NQN = 'nqn.2026-11.test:shop';
const HOST = 'nqn.2026-11.test:host';

/** A group in which all is well, unless changed. */
class Group extends FakeAdmin {
  change: Partial<GatewayRow> = {};
  owner: string | null = 'gw-b';
  why = 'home';
  readonly ports = new Map<string, number>();

  override gateways(): readonly GatewayRow[] {
    const all = super.gateways().map((row) => ({
      ...row,
      drain: 'no' as const,
      groups: [row.slot + 1],
      peerAddress: '127.0.0.1',
      peerPort: this.ports.get(row.name)!,
    }));
    return [all[0]!, { ...all[1]!, ...this.change }];
  }

  override groups(): readonly GroupRow[] {
    const [one, two] = super.groups();
    if (this.owner === null) return [one!, two!];
    return [one!, { ...two!, owner: this.owner, state: 'ACTIVE', awaited: null, why: this.why }];
  }
}

let admin: Group;
let gateways: FakeGateway[];
let servers: GrpcServer[];

beforeEach(async () => {
  admin = new Group();
  gateways = [];
  servers = [];
  for (const [i, name] of ['gw-a', 'gw-b'].entries()) {
    const gateway = new FakeGateway();
    gateway.gatewayInfo = { ...gateway.gatewayInfo, name, hostname: name, group: 'shop' };
    const server = await startGrpcServer({
      gateway,
      admin,
      address: '127.0.0.1',
      port: 0,
      log: nullLog,
      version: '1',
    });
    admin.ports.set(name, server.port);
    await gateway.addSubsystem({ nqn: NQN });
    await gateway.addHost(NQN, HOST);
    await gateway.addNamespace({ nqn: NQN, backend: { type: 'memory' }, anaGroupId: 2 });
    const listener = {
      nqn: NQN,
      hostName: name,
      traddr: `192.0.2.${i + 1}`,
      adrfam: 'ipv4',
      trsvcid: 4420,
    } as const;
    await gateway.addListener(listener);
    gateway.connections = [connection(true)];
    gateways.push(gateway);
    servers.push(server);
  }
});
afterEach(() => Promise.all(servers.map((server) => server.stop())));

function connection(connected: boolean, keepAliveTimeout = false) {
  const address = { traddr: '192.0.2.7', trsvcid: 1000, adrfam: 'ipv4' } as const;
  return {
    subsystemNqn: NQN,
    hostNqn: HOST,
    connected,
    ...address,
    queueCount: 3,
    cntlid: 1,
    keepAliveTimeout,
    hostDeleted: false,
  };
}

function run(format: string) {
  const env = { CEPH_NVMEOF_SERVER_ADDRESS: `127.0.0.1:${servers[0]!.port}` };
  return runCli(`status --format ${format}`, env);
}

async function findings() {
  const { status, out } = await run('json');
  const document = JSON.parse(out);
  expect(status).toBe(document.healthy ? 0 : 1);
  return document.findings;
}

it('is healthy, and shows gateways, groups, subsystems and paths', async () => {
  const { status, out, err } = await run('plain');
  expect([status, err]).toEqual([0, '']);
  expect(out).toContain('Group "shop", map epoch 9: HEALTHY');
  expect(out).toMatch(/gw-a \(leader\) +AVAILABLE +1 +1 +1/);
  expect(out).toMatch(/^ *2 +gw-b +ACTIVE +gw-b +1$/m);
  expect(out).toMatch(new RegExp(`${NQN} +1 +1 +1 +1 GiB`));
  expect(out).toMatch(new RegExp(`${HOST} +${NQN} +2 +gw-a, gw-b`));
});

it('tells of a group that nobody serves, its namespaces, why and what to do; errors first', async () => {
  admin.owner = null;
  admin.change = { availability: 'UNAVAILABLE' };
  const [first, second] = await findings();
  expect(first).toEqual({
    severity: 'error',
    subject: 'ANA group 2',
    what: 'is served by nobody; 1 namespace is not served',
    why: 'nobody can; it waits for a gateway that is AVAILABLE',
    remedy: 'start gw-b, or another gateway of the group',
  });
  expect(second).toMatchObject({ severity: 'warning', subject: 'gateway gw-b', what: 'is UNAVAILABLE' });
  expect((await run('text')).out).toContain('1. ERROR: ANA group 2 is served by nobody');
});

it('tells of a gateway that is drained, disabled, or does not answer', async () => {
  admin.change = { drain: 'yes', enabled: false };
  expect(await findings()).toMatchObject([
    { what: 'is disabled', remedy: expect.stringContaining('gw enable -i gw-b') },
    { what: 'is drained', remedy: expect.stringContaining('gw undrain -i gw-b') },
  ]);
  admin.change = { peerPort: 1 };
  expect(await findings()).toMatchObject([
    { what: 'does not answer to management', why: expect.stringContaining('ECONNREFUSED') },
  ]);
});

it('tells a gateway that never ran from one that has nothing to serve', async () => {
  admin.change = { availability: 'CREATED' };
  expect(await findings()).toMatchObject([{ what: 'serves nothing yet' }]);
  admin.change = { availability: 'CREATED', incarnation: null };
  const [found] = await findings();
  expect(found).toMatchObject({ what: 'is CREATED', why: expect.stringContaining('has never run') });
});

it('tells of a group away from home, and of what a gateway cannot serve', async () => {
  admin.owner = 'gw-a';
  gateways[1]!.gatewayInfo.troubles = ['the file of namespace 3 is missing'];
  expect(await findings()).toMatchObject([
    { severity: 'error', subject: 'gateway gw-b', why: 'the file of namespace 3 is missing' },
    { severity: 'warning', subject: 'ANA group 2', what: 'is served by gw-a instead of its home gw-b' },
  ]);
});

it('tells how to take back a move, which lasts', async () => {
  admin.owner = 'gw-a';
  admin.why = 'moved by an operator';
  expect(await findings()).toMatchObject([
    { subject: 'ANA group 2', remedy: 'it stays there; to move it back: group move -l 2 -i gw-b' },
  ]);
});

it('tells of a group of gateways that have nothing to serve yet by its gateways alone', async () => {
  admin.owner = null;
  admin.change = { availability: 'CREATED' };
  for (const gateway of gateways) await gateway.deleteSubsystem(NQN, true);
  expect(await findings()).toMatchObject([{ subject: 'gateway gw-b', what: 'serves nothing yet' }]);
});

it('tells of hosts that lack a path, and of those that fell silent', async () => {
  gateways[1]!.connections = [];
  expect(await findings()).toMatchObject([
    {
      subject: `host ${HOST}`,
      what: `has no path of ${NQN} to gw-b, only to gw-a`,
      remedy: expect.stringContaining('-a 192.0.2.2'),
    },
  ]);
  gateways[0]!.connections = [connection(false, true)];
  expect(await findings()).toMatchObject([{ what: `is gone from ${NQN}` }]);
});

it('tells of a subsystem without listeners, at one gateway and at all', async () => {
  const listener = (i: number) =>
    ({
      nqn: NQN,
      hostName: `gw-${'ab'[i]}`,
      traddr: `192.0.2.${i + 1}`,
      adrfam: 'ipv4',
      trsvcid: 4420,
    }) as const;
  await gateways[1]!.deleteListener(listener(1), true);
  expect(await findings()).toMatchObject([
    {
      severity: 'warning',
      what: 'has no listener that works at gateway gw-b, so its hosts have no path there',
      remedy: `give it one: listener add -n ${NQN} -t gw-b -a ADDRESS`,
    },
  ]);
  await gateways[0]!.deleteListener(listener(0), true);
  expect(await findings()).toMatchObject([
    {
      severity: 'error',
      what: 'has no listener that works, so no host can reach it',
      why: 'none is configured',
    },
  ]);
  await gateways[0]!.addSubsystemNetwork(NQN, '198.51.100.0/24');
  expect(await findings()).toMatchObject([
    { why: "none is configured, and no gateway's node has an address of its own within 198.51.100.0/24" },
  ]);
});

it('knows a gateway that is alone', async () => {
  const gateway = new FakeGateway();
  const identity = { name: 'gw-a', address: '127.0.0.1', port: 5500 };
  const server = await startGrpcServer({
    gateway,
    alone: new LocalMonitor().questions({ identity, location: '', startedMs: 0 }),
    address: '127.0.0.1',
    port: 0,
    log: nullLog,
    version: '1',
  });
  servers.push(server);
  const { status, out } = await runCli(`--server-address 127.0.0.1:${server.port} status`);
  expect([status, out]).toEqual([0, expect.stringContaining('A gateway alone: HEALTHY')]);
});

it('says why it knows nothing', async () => {
  const { status, err } = await runCli('--server-address 127.0.0.1:1 status');
  expect([status, err]).toEqual([111, expect.stringContaining('cannot reach the gateway at 127.0.0.1:1')]);
});

it('names addresses that no gateway listens on because several nodes have them', async () => {
  gateways[0]!.ambiguous = [{ address: '172.17.0.1', nodes: ['node-a', 'node-b'] }];
  expect(await findings()).toMatchObject([
    {
      severity: 'warning',
      subject: `subsystem ${NQN}`,
      what: 'is not served at 172.17.0.1, which is in one of its networks',
      why: expect.stringContaining('node-a and node-b all have that address'),
    },
  ]);
  const env = { CEPH_NVMEOF_SERVER_ADDRESS: `127.0.0.1:${servers[0]!.port}` };
  const { err } = await runCli(`listener list -n ${NQN}`, env);
  expect(err).toContain('172.17.0.1 is not listened on: node-a and node-b all have');
});
