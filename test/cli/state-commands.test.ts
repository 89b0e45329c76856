/** `anagate state ...` against a served gateway. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { ServedGateway } from '../control/rpc-client.ts';
import { CEPH_NQN, cephNvmeofState, withTrouble } from '../gateway/ceph-nvmeof-fixture.ts';
import { runCli } from './run-cli.ts';

/** Without images; and without what is left out only in part. */
const LEFT_ASIDE = /namespace_|ns-host_|qos_|\.tls$/;

let served: ServedGateway;
let directory: string;
beforeAll(async () => {
  served = await ServedGateway.start();
  directory = await mkdtemp(join(tmpdir(), 'anagate-state-'));
});
beforeEach(() => served.gateway.reset());
afterAll(async () => {
  await served.stop();
  await rm(directory, { recursive: true });
});

const cli = (line: string) =>
  runCli(line, {
    CEPH_NVMEOF_SERVER_ADDRESS: '127.0.0.1',
    CEPH_NVMEOF_SERVER_PORT: String(served.server.port),
  });

/** A dump of a state without images, so that no cluster is needed. */
async function dumpFile(state: Map<string, string>): Promise<string> {
  const path = join(directory, 'dump.json');
  await writeFile(
    path,
    JSON.stringify(Object.fromEntries([...state].filter(([key]) => !LEFT_ASIDE.test(key)))),
  );
  return path;
}

it('export goes to standard output, or to a file that only its owner reads', async () => {
  expect(await cli('state export')).toEqual({
    status: 0,
    out: served.gateway.state.document.trimEnd(),
    err: '',
  });
  const path = join(directory, 'state.json');
  expect((await cli(`state export --file ${path}`)).out).toContain('(version 7)');
  expect(await readFile(path, 'utf8')).toBe(served.gateway.state.document);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

it('import says what it did, or would', async () => {
  const path = join(directory, 'document.json');
  await writeFile(path, 'the document');
  const dry = await cli(`state import --file ${path} --replace --dry-run`);
  expect(dry.out).toMatch(/^Nothing was changed\. Records that would be: 1 added, 0 changed, 0 removed\n/);
  expect(dry.out).toContain('subsystem_nqn.x');
  expect(served.gateway.state.lastImport).toEqual({ mode: 'replace', dryRun: true });
  expect((await cli(`state import --file ${path}`)).out).toContain(
    '1 added, 0 changed, 0 removed): Successful',
  );
  expect(served.gateway.state).toMatchObject({ document: 'the document', lastImport: { mode: 'empty' } });
  served.gateway.state.changes = [];
  expect((await cli(`state import --file ${path} --merge`)).out).toContain('Nothing to change');
  served.gateway.state.changes = [{ key: 'subsystem_nqn.x', change: 'added', remark: '' }];
});

it.each([
  'state import',
  'state import --file /none',
  'state import --file /none --replace --merge',
  'state import --from-ceph-nvmeof',
  'state import --from-ceph-nvmeof --object o',
])('%s is a mistake of typing', async (line) => {
  expect(await cli(line)).toMatchObject({ status: 2, out: '' });
  expect(served.gateway.state.document).toBeDefined();
});

it('import takes over a dump of ceph-nvmeof, all or, if told to, what can be', async () => {
  await cli(`state import --from-ceph-nvmeof --file ${await dumpFile(cephNvmeofState('rbd'))}`);
  const whole = served.gateway.state.document;
  expect(Object.keys((JSON.parse(whole) as { records: object }).records)).toEqual([
    expect.stringContaining(`host_${CEPH_NQN}`),
    `listener_${CEPH_NQN}_node-1_TCP_192.0.2.11_4420`,
    `network_${CEPH_NQN}_192.0.2.0/24`,
    `network_${CEPH_NQN}_2001:db8::/64`,
    `subsystem_${CEPH_NQN}`,
  ]);
  served.gateway.state.document = '';
  const path = await dumpFile(withTrouble(cephNvmeofState('rbd')));
  const refused = await cli(`state import --from-ceph-nvmeof --file ${path}`);
  expect(refused.status).toBe(22);
  expect(refused.err).toMatch(/nothing was imported.*--skip.*add the host with its key.*TLS/s);
  expect(served.gateway.state.document).toBe('');
  const skipped = await cli(`state import --from-ceph-nvmeof --file ${path} --skip`);
  expect(skipped).toMatchObject({ status: 0, err: expect.stringContaining('Left out:') });
  expect(served.gateway.state.document).toBe(whole);
});

it('import of what is no dump says so', async () => {
  const path = join(directory, 'wrong');
  await writeFile(path, 'key\nno value\n');
  expect(await cli(`state import --from-ceph-nvmeof --file ${path}`)).toMatchObject({
    status: 22,
    err: expect.stringContaining('line 2'),
  });
});

it('key list and key rotate say which key encrypts what', async () => {
  const { out } = await cli('key list');
  expect(out).toMatch(/aaaaaaaaaaaa\s+\S?\s*yes.*1/);
  expect(out).toMatch(/bbbbbbbbbbbb\s+\S?\s*no.*2/);
  expect((await cli('key rotate')).out).toBe(
    'Encrypting with key aaaaaaaaaaaa (hosts and subsystems: 3): Successful',
  );
});
