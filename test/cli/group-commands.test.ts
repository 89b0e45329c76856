/** The commands about the group of gateways, over a real gRPC server before a fake monitor. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nullLog } from '../../src/base/log.ts';
import { type GrpcServer, startGrpcServer } from '../../src/control/server.ts';
import type { GroupQuestions } from '../../src/monitor/admin.ts';
import { LocalMonitor } from '../../src/monitor/local-monitor.ts';
import { FakeAdmin } from '../control/fake-admin.ts';
import { FakeGateway } from '../control/fake-gateway.ts';
import { TakingServer } from '../monitor/taking-server.ts';
import { type CliResult, runCli } from './run-cli.ts';

let admin: FakeAdmin;
let server: GrpcServer;

async function serve(monitor: FakeAdmin | null, alone?: GroupQuestions): Promise<GrpcServer> {
  const gateway = new FakeGateway();
  return startGrpcServer({
    gateway,
    admin: monitor,
    ...(alone !== undefined && { alone }),
    address: '127.0.0.1',
    port: 0,
    log: nullLog,
    version: '1',
  });
}

beforeEach(async () => {
  admin = new FakeAdmin();
  server = await serve(admin);
});
afterEach(() => server.stop());

function cli(line: string, of: GrpcServer = server): Promise<CliResult> {
  return runCli(line, { CEPH_NVMEOF_SERVER_ADDRESS: '127.0.0.1', CEPH_NVMEOF_SERVER_PORT: `${of.port}` });
}

describe('what people see', () => {
  it('gw list: every gateway, the leader marked', async () => {
    const { out } = await cli('gw list --format plain');
    expect(out).toMatch(/gw-a \(leader\) +AVAILABLE +1 +1 +1 +- +0\.3 s ago +192\.0\.2\.1:5500/);
    expect(out).toMatch(/gw-b +AVAILABLE, drained +2 +- +1 +rack-2/);
  });

  it('gw show: one of them; a wrong name is answered with those that there are', async () => {
    expect((await cli('gw show -i gw-a')).out).toContain('Serves ANA groups: 1');
    const { status, err } = await cli('gw show -i gw-z');
    expect([status, err]).toEqual([2, expect.stringContaining('it has gw-a, gw-b')]);
  });

  it('group show: owner, why, and what is waited for', async () => {
    const { out } = await cli('group show --format plain');
    expect(out).toContain('map epoch 9');
    expect(out).toMatch(/^ *1 +gw-a +ACTIVE +gw-a .* home +-$/m);
    expect(out).toMatch(/^ *2 +- +STANDBY +gw-b .* nobody can +a gateway that is AVAILABLE$/m);
  });

  it('events: the timeline in milliseconds, in its order', async () => {
    const { out } = await cli('events --format plain');
    expect(out).toContain('fenced +1200 ms, serving +1300 ms');
    expect(out).toContain('failover from gw-b: silent for 2.1 s');
  });

  it.each(['gw list', 'group show', 'events'])('%s: that the gateway answers from memory', async (line) => {
    expect((await cli(line)).out).not.toContain('As of');
    admin.staleMs = 95_000;
    expect((await cli(line)).out).toContain('As of 1 min ago: this gateway does not reach the group');
    expect(JSON.parse((await cli(`${line} --format json`)).out)).toMatchObject({ stale_ms: '95000' });
  });

  it('as a document', async () => {
    const { out } = await cli('group show --format json');
    expect(JSON.parse(out)).toMatchObject({ status: 0, ana_groups: [{ id: 1, owner: 'gw-a' }, { id: 2 }] });
  });
});

describe('what people ask for', () => {
  it.each([
    ['gw create -i gw-c --location rack-3', { kind: 'create', gateway: 'gw-c', location: 'rack-3' }],
    ['gw create -i gw-c', { kind: 'create', gateway: 'gw-c' }],
    ['gw delete -i gw-b', { kind: 'delete', gateway: 'gw-b' }],
    ['gw enable -i gw-b', { kind: 'enable', gateway: 'gw-b' }],
    ['gw disable -i gw-b', { kind: 'disable', gateway: 'gw-b' }],
    ['gw undrain -i gw-b', { kind: 'undrain', gateway: 'gw-b' }],
    ['gw drain -i gw-b', { drain: 'gw-b', force: false }],
    ['gw drain -i gw-b --force', { drain: 'gw-b', force: true }],
    ['gw set-location -i gw-b --location x', { kind: 'set-location', gateway: 'gw-b', location: 'x' }],
    ['group move -l 2 -i gw-a', { kind: 'move', group: 2, gateway: 'gw-a', force: false }],
  ])('%s', async (line, command) => {
    const { status, out } = await cli(line);
    expect([status, out]).toEqual([0, expect.stringContaining('Successful')]);
    expect(admin.commands).toEqual([command]);
  });

  it('a refusal says what, and is the exit status', async () => {
    admin.refusal = 'the group has no gateway gw-z; it has gw-a, gw-b';
    const { status, err } = await cli('gw drain -i gw-z');
    expect([status, err]).toEqual([
      22,
      'Failure draining gateway gw-z: the group has no gateway gw-z; it has gw-a, gw-b',
    ]);
  });

  it('gw create: a name that no gateway could have is refused', async () => {
    const { status, err } = await cli('gw create -i gw:a');
    expect([status, err]).toEqual([
      22,
      'Failure creating gateway gw:a: A gateway\'s name must be 1 to 128 letters, digits, ".", "_" and "-", not "gw:a"',
    ]);
    expect(admin.commands).toEqual([]);
  });

  it('gw ok-to-stop: yes, or EBUSY with the reasons', async () => {
    expect(await cli('gw ok-to-stop -i gw-a')).toEqual({ status: 0, out: 'gw-a may be stopped', err: '' });
    admin.reasons = ['ANA group 1 would have no owner'];
    const { status, err } = await cli('gw ok-to-stop -i gw-a gw-b');
    expect([status, err]).toEqual([16, expect.stringContaining('ANA group 1 would have no owner')]);
  });
});

it('group rebalance: what will be moved, or would be', async () => {
  expect((await cli('group rebalance --dry-run --format plain')).out).toMatch(
    /1 namespaces would be moved:\n.*\nnqn\.2026-11\.test:sub +3 +1 +2/,
  );
  expect((await cli('group rebalance')).out).toContain('1 namespaces to be moved, 4 done');
});

it('a gateway that is not there is ENOENT, also for gw ok-to-stop', async () => {
  const { status, err } = await cli('gw ok-to-stop -i gw-z');
  expect([status, err]).toEqual([2, expect.stringContaining('there is no gateway "gw-z" in this group')]);
  expect((await cli('gw drain -i gw-z --dry-run')).status).toBe(2);
  expect((await cli('group move -l 9 -i gw-a --dry-run')).status).toBe(2);
});

describe('a gateway that is alone', () => {
  let lone: GrpcServer;
  beforeEach(async () => {
    const monitor = new LocalMonitor();
    monitor.attach(new TakingServer([1, 7]));
    const identity = { name: 'gw-a', address: '192.0.2.1', port: 5500 };
    lone = await serve(null, monitor.questions({ identity, location: '', startedMs: 1_000_000 }));
  });
  afterEach(() => lone.stop());

  it('is the group that it is asked about', async () => {
    const listed = await cli('gw list --format plain', lone);
    expect([listed.status, listed.out]).toEqual([
      0,
      expect.stringMatching(/gw-a \(leader\) +AVAILABLE +1 +1, 7 +0 .* 192\.0\.2\.1:5500/),
    ]);
    expect((await cli('gw show -i gw-a', lone)).out).toContain('Serves ANA groups: 1, 7');
    expect((await cli('gw show -i gw-b', lone)).status).toBe(2);
    const groups = (await cli('group show --format plain', lone)).out;
    expect(groups).toMatch(/^ *1 +gw-a +ACTIVE +gw-a .* home +-$/m);
    expect(groups).toMatch(/^ *7 +gw-a +ACTIVE +- .* there is no other gateway +-$/m);
    expect((await cli('events', lone)).out).toContain('No ANA group has changed its owner');
  });

  it('must not be stopped, and cannot be drained, as nobody else would serve', async () => {
    const { status, err } = await cli('gw ok-to-stop -i gw-a', lone);
    expect([status, err]).toEqual([16, expect.stringContaining('Nobody would serve ANA group 7')]);
    for (const line of ['gw drain -i gw-a', 'gw drain -i gw-a --dry-run', 'group move -l 1 -i gw-a']) {
      const refused = await cli(line, lone);
      expect([refused.status, refused.err]).toEqual([95, expect.stringContaining('nobody to hand over to')]);
    }
  });
});

it('a gateway with a table of owners says so', async () => {
  const lone = await serve(null);
  const { status, err } = await cli('group show', lone);
  expect([status, err]).toEqual([95, expect.stringContaining('not in a group that decides together')]);
  await lone.stop();
});
