/** `anagate config check` */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { runCli } from './run-cli.ts';

const EINVAL = 22;
const directory = mkdtempSync(join(tmpdir(), 'anagate-check-'));
const path = join(directory, 'anagate.conf');
afterAll(() => rmSync(directory, { recursive: true }));

function check(lines: string[], env: Record<string, string> = {}, format = 'plain') {
  writeFileSync(path, lines.join('\n'));
  return runCli(`config check ${path} --format ${format}`, env);
}

it('shows the settings and where each comes from, and warns', async () => {
  const file = ['[gateway]', 'name = gw-a', 'port = 5501', 'max_gws_in_grp = 3', 'verify_nqns = True'];
  const { status, out, err } = await check(file, { ANAGATE_GATEWAY_PORT: '5502' });
  expect(status).toBe(0);
  expect(err).toBe(`Warning: ${path}: max_gws_in_grp in line 4 has no effect here`);
  const rows = out.split('\n').map((line) => line.split(/ {2,}/));
  expect(rows).toContainEqual(['[gateway]', 'name', 'gw-a', 'line 2']);
  expect(rows).toContainEqual(['[gateway]', 'port', '5502', 'ANAGATE_GATEWAY_PORT']);
  expect(rows).toContainEqual(['[gateway]', 'rebalance_period_sec', '7', 'default']);
  expect(rows).toContainEqual(['[gateway]', 'enable_auth', 'False', 'default']);
  expect(rows).toContainEqual(['[gateway]', 'max_subsystems', '128', 'default']);
  expect(rows).toContainEqual(['[monitor]', 'lease', '0.8', 'default']);
  expect(rows).toContainEqual(['[ceph]', 'pool', '-', 'default']);
});

it('says which limits a gateway cannot reach, and which times of a group do not go together', async () => {
  const limits = ['[gateway]', 'max_subsystems = 500', 'max_hosts = 5', 'max_hosts_per_namespace = 2'];
  expect((await check(limits)).err).toBe(
    'Warning: max_subsystems is 500, but a gateway allows 128 at most, and that holds',
  );
  const times = ['[ceph]', 'pool = rbd', '[monitor]', 'grace = 1'];
  expect(await check(times)).toMatchObject({
    status: EINVAL,
    err: expect.stringContaining('[monitor] grace must be from 1.5 to 120 s'),
  });
});

it('names everything that is wrong, with its line', async () => {
  const file = [
    '[gateway]',
    'prot = 1',
    'port = x',
    '[nonsense]',
    'a = b',
    '[gateway-logs]',
    'log_level = loud',
  ];
  const { status, err } = await check(file, { ANAGATE_GATEWAY_GRUOP: 'x' });
  expect(status).toBe(EINVAL);
  for (const what of [
    'line 2 sets prot',
    'line 3 sets port',
    'line 5 is in section [nonsense]',
    'line 7 sets log_level',
    'ANAGATE_GATEWAY_GRUOP',
    '5 mistakes',
  ]) {
    expect(err).toContain(what);
  }
});

it('finds what contradicts itself, and files of TLS that are not there', async () => {
  expect((await check(['[gateway]', 'addr = 192.0.2.1'])).err).toContain('in the clear');
  const mtls = [
    '[mtls]',
    ...['server_key', 'server_cert', 'client_cert'].map((key) => `${key} = /nonexistent/${key}`),
  ];
  const { status, err } = await check(['[gateway]', 'enable_auth = True', ...mtls]);
  expect([status, err]).toEqual([EINVAL, expect.stringContaining('/nonexistent/server_key cannot be read')]);
  const keyFile = await check(['[gateway]', 'encryption_key = /nonexistent/key']);
  expect(keyFile.err).toContain('The key file /nonexistent/key (encryption_key in [gateway]) cannot be read');
});

it('is a document for programs', async () => {
  const { status, out } = await check(['[gateway]', 'port = x'], {}, 'json');
  expect(status).toBe(EINVAL);
  const document = JSON.parse(out);
  expect(document).toMatchObject({
    status: EINVAL,
    file: path,
    errors: [expect.stringContaining('line 2')],
    warnings: [],
  });
  expect(document.settings).toContainEqual({
    section: 'gateway',
    key: 'group',
    value: '',
    from: 'default',
    variable: 'ANAGATE_GATEWAY_GROUP',
  });
});

it('needs a file that there is', async () => {
  expect(await runCli('config check /nonexistent')).toMatchObject({
    status: 2,
    err: expect.stringContaining('/nonexistent cannot be read'),
  });
  expect((await runCli('config check')).status).toBe(2);
});
