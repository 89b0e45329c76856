import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createLogger, type LogOptions } from '../../src/observe/log.ts';

interface Line extends Record<string, unknown> {
  level: string;
  msg: string;
}

function capture(options: Omit<LogOptions, 'destination'> = {}) {
  const raw: string[] = [];
  const log = createLogger({
    pretty: false,
    ...options,
    destination: { write: (line: string) => void raw.push(line) },
  });
  return { log, raw, lines: (): Line[] => raw.map((line) => JSON.parse(line) as Line) };
}

const PSK = 'NVMeTLSkey-1:01:VRLbtnN9AQb2WXW3c9+wEf/DRLz0QuLdbYvEhwtdWwNf9LrZ:';
const DHCHAP = 'DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:';
const CEPHX = 'AQBX1Y1mAAAAABAAqPq0Rr1v4mJ2Xq3b8K2P0Q==';

describe('createLogger', () => {
  it('writes one JSON line with level name, time, fields and message', () => {
    const { log, raw, lines } = capture();
    log.info({ hostNqn: 'nqn.x', qid: 3 }, 'host connected');
    expect(raw).toHaveLength(1);
    expect(raw[0].endsWith('\n')).toBe(true);
    const [line] = lines();
    expect(line).toMatchObject({ level: 'info', hostNqn: 'nqn.x', qid: 3, msg: 'host connected' });
    expect(new Date(String(line.time)).getTime()).not.toBeNaN();
  });

  it('writes what the level lets through, and changes it for children that exist already', () => {
    const { log, lines } = capture({ level: 'warn' });
    const child = log.child({ cntlid: 7 });
    child.info({}, 'dropped');
    child.warn({}, 'one');
    log.setLevel('debug');
    expect(log.level).toBe('debug');
    child.debug({}, 'two');
    log.setLevel('silent');
    child.error({}, 'dropped');
    expect(lines().map((line) => [line.level, line.msg, line.cntlid])).toEqual([
      ['warn', 'one', 7],
      ['debug', 'two', 7],
    ]);
  });

  it('refuses a name that is no level and stays as it was', () => {
    const { log } = capture({ level: 'info' });
    expect(() => log.setLevel('loud')).toThrow(/"loud" is none of trace, debug/);
    expect(() => log.setLevel('loud')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(log.level).toBe('info');
  });

  it('writes an error with its stack, cause and code', () => {
    const { log, lines } = capture();
    log.error({ err: new Error('outer', { cause: new Error('inner') }) }, 'failed');
    const err = lines()[0].err as { message: string; stack: string };
    expect(err.message).toContain('outer');
    expect(err.stack).toContain('inner');
  });

  it('is pretty when asked, and then not JSON', () => {
    const raw: string[] = [];
    const destination = { write: (line: string) => void raw.push(line) };
    const log = createLogger({ pretty: true, destination });
    log.info({ qid: 1 }, 'host connected');
    expect(raw.join('')).toMatch(/INFO.*host connected.*"qid":1/);
  });

  it('loses nothing when the process exits right after', async () => {
    const module = fileURLToPath(new URL('../../src/observe/log.ts', import.meta.url));
    const script = `import { createLogger } from ${JSON.stringify(module)};
      const log = createLogger({});
      for (let i = 0; i < 1000; i++) log.info({ i }, 'line');
      process.exit(0);`;
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--import',
      'tsx',
      '--input-type=module',
      '-e',
      script,
    ]);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(1000);
    expect(JSON.parse(lines[999])).toMatchObject({ i: 999, level: 'info' });
  });
});

describe('redaction', () => {
  const secrets = [PSK, DHCHAP, CEPHX];

  it.each([
    'psk',
    'hostPsk',
    'dhchapKey',
    'dhchap_key',
    'dhchapCtrlrKey',
    'dhchap_ctrlr_key',
    'secret',
    'passphrase',
    'key',
  ])('takes out the field %s at any depth', (name) => {
    const { log, raw } = capture();
    log.info({ [name]: 'hunter2' }, 'flat');
    log.info({ request: { host: { [name]: 'hunter2' }, nqn: 'kept' } }, 'deep');
    log.info({ hosts: [{ nqn: 'kept', [name]: 'hunter2' }] }, 'list');
    log.info({ [name]: Buffer.from('hunter2') }, 'bytes');
    log.child({ [name]: 'hunter2' }).info({}, 'child');
    expect(raw).toHaveLength(5);
    for (const line of raw) expect(line).toContain('[redacted]');
    expect(raw.join('')).not.toMatch(/hunter2|104,117,110/);
    expect(raw[1]).toContain('kept');
  });

  it.each(secrets)('takes %s out wherever it stands', (secret) => {
    const { log, raw } = capture();
    log.info({ text: `before ${secret} after` }, 'field');
    log.info({}, `message ${secret} after`);
    log.error({ err: new Error(`error ${secret} after`) }, 'error');
    log.info({ argv: ['host', 'add', secret] }, 'list');
    const text = raw.join('');
    expect(text).not.toContain(secret.split(':').at(2) ?? secret);
    expect(text).not.toContain(secret);
    expect(text).toContain('before [redacted] after');
    for (const line of raw) expect(() => JSON.parse(line)).not.toThrow();
  });

  it('takes out a private key in PEM', () => {
    const { log, raw } = capture();
    const pem = ['-----BEGIN PRIVATE KEY-----', 'MIIBVgIBADANBgkq', '-----END PRIVATE KEY-----'].join('\n');
    log.info({ text: pem, nqn: 'kept' }, 'loaded');
    expect(raw[0]).not.toContain('MIIB');
    expect(JSON.parse(raw[0])).toMatchObject({ text: '[redacted]', nqn: 'kept' });
  });

  it('leaves flags, counts and ordinary fields alone, and the caller objects unchanged', () => {
    const { log, lines } = capture();
    const fields = {
      pskConfigured: true,
      secrets: 2,
      psk: '',
      hostNqn: 'nqn.2026-11.io.anagate:demo',
      host: { psk: 'x' },
    };
    log.info(fields, 'host added');
    expect(lines()[0]).toMatchObject({
      pskConfigured: true,
      secrets: 2,
      psk: '',
      hostNqn: 'nqn.2026-11.io.anagate:demo',
    });
    expect(fields.host.psk).toBe('x');
  });

  it('is applied to pretty lines too', () => {
    const raw: string[] = [];
    const log = createLogger({ pretty: true, destination: { write: (line: string) => void raw.push(line) } });
    log.info({ psk: 'hunter2', text: PSK }, 'host added');
    expect(raw.join('')).toMatch(/redacted/);
    expect(raw.join('')).not.toContain('hunter2');
    expect(raw.join('')).not.toContain(PSK);
  });

  it('survives a circle and cuts what is too deep', () => {
    const { log, raw } = capture();
    const circle: Record<string, unknown> = { name: 'a' };
    circle.self = circle;
    log.info({ circle }, 'round');
    expect(raw).toHaveLength(1);
    expect(JSON.parse(raw[0])).toMatchObject({ msg: 'round' });
  });
});
