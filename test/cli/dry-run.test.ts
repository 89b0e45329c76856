/** `--dry-run`, over real gRPC servers before a fake gateway and a fake monitor. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nullLog } from '../../src/base/log.ts';
import { type GrpcServer, startGrpcServer } from '../../src/control/server.ts';
import type { GatewayRow } from '../../src/monitor/admin.ts';
import { FakeAdmin } from '../control/fake-admin.ts';
import { FakeGateway } from '../control/fake-gateway.ts';
import { runCli } from './run-cli.ts';

const NQN = 'nqn.2026-11.test:shop';
const HOST = 'nqn.2026-11.test:host';

/** Both gateways serve their home groups. */
class Pair extends FakeAdmin {
  change: Partial<GatewayRow> = {};

  override gateways(): readonly GatewayRow[] {
    const [a, b] = super.gateways();
    return [a!, { ...b!, drain: 'no', groups: [2], ...this.change }];
  }
}

let gateway: FakeGateway;
let admin: Pair;
let server: GrpcServer;

beforeEach(async () => {
  gateway = new FakeGateway();
  admin = new Pair();
  server = await startGrpcServer({
    gateway,
    admin,
    address: '127.0.0.1',
    port: 0,
    log: nullLog,
    version: '1',
  });
  await gateway.addSubsystem({ nqn: NQN });
  await gateway.addHost(NQN, HOST);
  await gateway.addNamespace({ nqn: NQN, backend: { type: 'memory' } });
  await gateway.addListener({
    nqn: NQN,
    hostName: 'node-1',
    traddr: '192.0.2.1',
    adrfam: 'ipv4',
    trsvcid: 4420,
  });
});
afterEach(() => server.stop());

function cli(line: string) {
  return runCli(line, { CEPH_NVMEOF_SERVER_ADDRESS: `127.0.0.1:${server.port}` });
}

describe('of what takes something away', () => {
  it.each([
    [`subsystem del -n ${NQN} --force`, `subsystem ${NQN} would be deleted`],
    [`host del -n ${NQN} -t ${HOST}`, `host ${HOST} could not use ${NQN} any more`],
    [`listener del -n ${NQN} -a 192.0.2.1 -s 4420`, 'the listener at 192.0.2.1:4420 would be closed'],
    [`ns del -n ${NQN} --nsid 1`, `namespace 1 of ${NQN} would be deleted`],
  ])('%s says what would happen, and changes nothing', async (line, effect) => {
    const { status, out, err } = await cli(`${line} --dry-run`);
    expect([status, err]).toEqual([0, '']);
    expect(out).toMatch(/: dry run, nothing is changed\n {2}- /);
    expect(out).toContain(effect);
    expect(gateway.listSubsystems()).toHaveLength(1);
    expect(gateway.listHosts(NQN).hosts).toMatchObject([{ nqn: HOST }]);
    expect(gateway.listListeners(NQN)).toHaveLength(1);
    expect(gateway.listNamespaces()).toHaveLength(1);

    const { out: text } = await cli(`${line} --dry-run --format json`);
    expect(JSON.parse(text)).toMatchObject({ status: 0, plan: { effects: [effect] } });
    expect((await cli(line)).out).toContain(': Successful');
  });

  it('refuses what the request itself would refuse', async () => {
    expect((await cli('subsystem del -n nqn.2026-11.test:none --dry-run')).status).toBe(2);
    expect((await cli(`ns del -n ${NQN} --nsid 9 --dry-run`)).status).toBe(19);
  });
});

describe('of what moves something', () => {
  it('drain: to whom groups would go, and which hosts stay without a path', async () => {
    const { status, out } = await cli('gw drain -i gw-b --dry-run');
    expect(status).toBe(0);
    expect(out).toContain('ANA group 2 would be handed over to gw-a');
    expect(out).toContain(`host ${HOST} would use its path to gw-a`);
    admin.change = { hosts: ['nqn.2026-11.test:lonely'] };
    admin.reasons = ['host nqn.2026-11.test:lonely would lose its disks'];
    const lonely = await cli('gw drain -i gw-b --dry-run');
    expect(lonely.out).toContain('host nqn.2026-11.test:lonely has no path to another gateway');
    expect(lonely.out).toContain('careful: host nqn.2026-11.test:lonely would lose its disks');
    expect(admin.commands).toEqual([]);
  });

  it('delete and disable: also when nobody could take over', async () => {
    admin.change = { enabled: false };
    const { out } = await cli('gw delete -i gw-a --dry-run');
    expect(out).toContain('ANA group 1 would be served by nobody');
    expect(out).toContain('its home ANA group 1 would go to the next new gateway');
    expect((await cli('gw disable -i gw-z --dry-run')).err).toContain('there is no gateway "gw-z"');
    expect(admin.commands).toEqual([]);
  });

  it('move: from whom to whom, and who would be waited for', async () => {
    admin.change = { hosts: [] };
    const { out } = await cli('group move -l 1 -i gw-b --dry-run');
    expect(out).toContain('ANA group 1 would be handed over from gw-a to gw-b');
    expect(out).toContain(`host ${HOST} has no path to gw-b`);
    expect((await cli('group move -l 1 -i gw-a --dry-run')).out).toContain('nothing would change');
    expect((await cli('group move -l 9 -i gw-b --dry-run')).err).toContain('there is no ANA group 9');
    admin.change = { availability: 'UNAVAILABLE' };
    expect((await cli('group move -l 1 -i gw-b --dry-run')).err).toContain(
      'gw-b cannot take ANA group 1: it is UNAVAILABLE',
    );
    expect(admin.commands).toEqual([]);
  });
});
