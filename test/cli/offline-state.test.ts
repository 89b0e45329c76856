/** `anagate state ... --offline`: no gateway runs, or must not. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type ConfigRecord, encodeRecord, keyOf } from '../../src/gateway/configuration/records.ts';
import { encodeStateDocument } from '../../src/gateway/state/document.ts';
import { StateLock } from '../../src/store/state-lock.ts';
import { NQN } from '../gateway/rig.ts';
import { runCli } from './run-cli.ts';

const EBUSY = 16;
const EINVAL = 22;
const subsystem: ConfigRecord = { kind: 'subsystem', nqn: NQN, serial: 'S1', maxNamespaces: 8 };
const host: ConfigRecord = { kind: 'host', nqn: NQN, hostNqn: '*' };

let directory: string;
let state: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'anagate-offline-'));
  state = join(directory, 'state');
  file = join(directory, 'document.json');
});
afterEach(() => rm(directory, { recursive: true }));

/** Nobody listens at that port. */
const cli = (line: string, env: Record<string, string> = {}) =>
  runCli(line, { CEPH_NVMEOF_SERVER_ADDRESS: '127.0.0.1', CEPH_NVMEOF_SERVER_PORT: '1', ...env });

async function write(...records: ConfigRecord[]): Promise<void> {
  const texts = new Map(records.map((record) => [keyOf(record), encodeRecord(record)]));
  await writeFile(file, await encodeStateDocument({ group: '', version: 1, records: texts }));
}

it('what is imported is exported, and a dry run leaves no trace', async () => {
  await write(subsystem, host);
  expect(await cli(`state import --offline --state-dir ${state} --file ${file} --dry-run`)).toMatchObject({
    status: EINVAL,
    err: expect.stringContaining(`there is no state.json in ${state}`),
  });
  expect(existsSync(state)).toBe(false);
  expect(await cli(`state import --offline --state-dir ${state} --file ${file}`)).toMatchObject({
    status: 0,
    out: 'Importing the configuration (records: 2 added, 0 changed, 0 removed): Successful',
  });
  const exported = await cli('state export --offline', { ANAGATE_STATE_DIR: state });
  expect(exported.out).toBe((await readFile(file, 'utf8')).trimEnd());
  expect(
    (await cli(`state import --offline --state-dir ${state} --file ${file} --replace --dry-run`)).out,
  ).toContain('Nothing to change');
});

it('what a gateway refuses is refused, and changes nothing', async () => {
  await write(host);
  const refused = await cli(`state import --offline --state-dir ${state} --file ${file}`);
  expect(refused).toMatchObject({ status: EINVAL, err: expect.stringContaining('there is no subsystem') });
  await write(subsystem, {
    kind: 'namespace',
    nqn: NQN,
    nsid: 1,
    uuid: '5d2b2a3e-57a7-4a2e-9f8e-0c6d3a1b4c5d',
    anaGroupId: 1,
    blockSize: 512,
    sizeBytes: 512,
    readOnly: false,
    backend: { type: 'file', path: join(state, 'state.json') },
  });
  const own = await cli(`state import --offline --state-dir ${state} --file ${file}`);
  expect(own).toMatchObject({ status: EINVAL, err: expect.stringContaining("gateway's own state") });
  expect(existsSync(join(state, 'state.json'))).toBe(false);
});

it('a directory whose gateway runs can be exported, and not imported into', async () => {
  await write(subsystem);
  await cli(`state import --offline --state-dir ${state} --file ${file}`);
  const lock = await StateLock.acquire(state, 0);
  try {
    const refused = await cli(`state import --offline --state-dir ${state} --file ${file} --replace`);
    expect(refused).toMatchObject({ status: EBUSY, err: expect.stringContaining(String(process.pid)) });
    expect((await cli(`state export --offline --state-dir ${state}`)).status).toBe(0);
  } finally {
    await lock.release();
  }
});

it('limits and key file are those of the configuration file', async () => {
  const config = join(directory, 'anagate.conf');
  await writeFile(config, '[gateway]\nmax_subsystems = 1\nencryption_key = /none\n');
  await write(subsystem, { ...subsystem, nqn: `${NQN}2`, serial: 'S2' } as ConfigRecord);
  const line = `state import --offline --config ${config} --state-dir ${state} --file ${file}`;
  expect(await cli(line)).toMatchObject({ status: EINVAL, err: expect.stringContaining('/none') });
  await writeFile(config, '[gateway]\nmax_subsystems = 1\n');
  expect(await cli(line)).toMatchObject({
    status: EINVAL,
    err: expect.stringMatching(/1 subsystems already/),
  });
});
