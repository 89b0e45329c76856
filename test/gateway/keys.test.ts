/** Keys of hosts and subsystems: what is taken, how it is kept, and whom it keeps out. */
import { randomBytes } from 'node:crypto';
import { expect, it, vi } from 'vitest';
import { SecretBox } from '../../src/gateway/configuration/secret-box.ts';
import { MemoryRecords } from '../../src/store/memory-store.ts';
import { ConnectRefused } from '../initiator/controller.ts';
import { code, connectAs, HOST, host, makeRig, NQN, serveOne } from './rig.ts';

const OTHER = 'nqn.2014-08.org.nvmexpress:other';
/** Public examples. */
const KEY = 'DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:';
const PSK = 'NVMeTLSkey-1:01:MDAxMTIyMzM0NDU1NjY3Nzg4OTlhYWJiY2NkZGVlZmZwJEiQ:';

const boxOf = (byte: number) => new SecretBox(Buffer.alloc(32, byte), randomBytes);

/** A gateway with one subsystem. */
async function withSubsystem(records = new MemoryRecords(), secrets: SecretBox | undefined = boxOf(1)) {
  const rig = makeRig({ records, ...(secrets && { secrets }) });
  await rig.gateway.start();
  await rig.gateway.addSubsystem({ nqn: NQN }).catch(() => {});
  return rig;
}

it('store keys encrypted, and differently each time', async () => {
  const records = new MemoryRecords();
  const { gateway } = await withSubsystem(records);
  await gateway.addHost(NQN, HOST, { psk: PSK, dhchapKey: KEY, dhchapControllerKey: KEY });
  await gateway.changeSubsystemKey(NQN, KEY);
  const texts = [...records.snapshot.records.values()].join('\n');
  expect(texts).not.toContain(KEY.slice(10, 30));
  expect(texts).not.toContain(PSK.slice(16, 30));
  const sealed = [...texts.matchAll(/sealed-1:[0-9a-f]{12}:[\w+/=]+/g)].map(([text]) => text);
  expect(new Set(sealed).size).toBe(4);
  const record = JSON.parse(records.snapshot.records.get(`host_${NQN}_${HOST}`)!) as Record<string, string>;
  expect(boxOf(1).open(record.dhchap_key!, { record: `host_${NQN}_${HOST}`, field: 'dhchap_key' })).toBe(KEY);
});

it('open only where they were sealed, with the same key, undamaged', () => {
  const place = { record: 'host_a_b', field: 'psk' };
  const sealed = boxOf(1).seal('secret', place);
  expect(boxOf(1).open(sealed, place)).toBe('secret');
  expect(() => boxOf(1).open(sealed, { ...place, field: 'dhchap_key' })).toThrow(/another record/);
  expect(() => boxOf(2).open(sealed, place)).toThrow(code('KEY_REQUIRED'));
  const damaged = sealed.replace(/.{4}$/, sealed.endsWith('AAAA') ? 'BBBB' : 'AAAA');
  expect(() => boxOf(1).open(damaged, place)).toThrow(code('STATE_CORRUPT'));
});

it.each([
  ['base64', Buffer.from(`${Buffer.alloc(32, 7).toString('base64')}\n`)],
  ['hexadecimal', Buffer.from('07'.repeat(32))],
  ['bytes', Buffer.alloc(32, 7)],
])('have a key file of %s', (_what, content) => {
  expect(SecretBox.fromFile(content, 'f', randomBytes).keyId).toBe(boxOf(7).keyId);
});

it('have no key file of anything else', () => {
  expect(() => SecretBox.fromFile(Buffer.from('short'), '/f', randomBytes)).toThrow(
    /\/f is no key file.*openssl rand/,
  );
});

it('are refused without a key file, with what to do', async () => {
  const { gateway } = makeRig();
  await gateway.start();
  await gateway.addSubsystem({ nqn: NQN });
  await expect(gateway.addHost(NQN, HOST, { dhchapKey: KEY })).rejects.toThrow(
    /openssl rand.*encryption_key/,
  );
  await expect(gateway.addSubsystem({ nqn: `${NQN}2`, dhchapKey: KEY })).rejects.toThrow(
    code('KEY_REQUIRED'),
  );
  expect(gateway.listHosts(NQN).hosts).toEqual([]);
  expect(gateway.listSubsystems()).toHaveLength(1);
});

it('are refused with another key file than that of the group, and a start with it complains', async () => {
  const records = new MemoryRecords();
  await (await withSubsystem(records)).gateway.addHost(NQN, HOST, { psk: PSK });
  const { gateway, complaints } = await withSubsystem(records, boxOf(2));
  expect(complaints).toEqual([expect.stringMatching(/encrypted with key \w{12}, but .* has key \w{12}/)]);
  await expect(gateway.addHost(NQN, OTHER, { psk: PSK })).rejects.toThrow(code('KEY_REQUIRED'));
});

const crcWrong = `${KEY.slice(0, -5)}AAAA:`;
it.each([
  ['another name', 'DHHC-2:00:AAAA:', /does not begin with "DHHC-1:"/],
  ['no end', KEY.slice(0, -1), /not of the form/],
  ['an unknown hash', KEY.replace(':00:', ':07:'), /hash is none of 00, 01, 02, 03/],
  [
    'a length that its hash does not allow',
    KEY.replace(':00:', ':03:'),
    /has 32 bytes where hash 03 needs 64/,
  ],
  ['what is not base64', 'DHHC-1:00:!!!!:', /not base64/],
  ['nothing in it', 'DHHC-1:00::', /has 0 bytes/],
  ['a wrong checksum', crcWrong, /checksum is wrong/],
  ['far too much', `DHHC-1:00:${'A'.repeat(1000)}:`, /longer than any key/],
  ['a TLS key', PSK, /does not begin/],
])('are refused for %s, without being shown', async (_what, key, reason) => {
  const { gateway } = await withSubsystem();
  const error = await gateway.addHost(NQN, HOST, { dhchapKey: key }).then(
    () => null,
    (refusal: Error) => refusal,
  );
  expect(error?.message).toMatch(reason);
  expect(error?.message).not.toContain(key.split(':')[2]!.slice(0, 12) || 'nothing');
  expect(gateway.listHosts(NQN).hosts).toEqual([]);
});

it('of a subsystem need one of each host', async () => {
  const { gateway } = await withSubsystem();
  await gateway.addHost(NQN, '*');
  await expect(gateway.changeSubsystemKey(NQN, KEY)).rejects.toThrow(/any host/);
  await gateway.deleteHost(NQN, '*');
  await gateway.addHost(NQN, HOST);
  await expect(gateway.changeSubsystemKey(NQN, KEY)).rejects.toThrow(new RegExp(`set that of ${HOST} first`));
  await gateway.changeHostKey(NQN, HOST, { dhchapKey: KEY });
  await gateway.changeSubsystemKey(NQN, KEY);
  expect(gateway.listSubsystems()).toMatchObject([{ hasDhchapKey: true }]);
  expect(gateway.listHosts(NQN).hosts).toMatchObject([{ controllerKey: 'subsystem_implicit' }]);
  await expect(gateway.addHost(NQN, OTHER)).rejects.toThrow(code('KEY_REQUIRED'));
  await expect(gateway.addHost(NQN, '*')).rejects.toThrow(code('KEY_REQUIRED'));
  await expect(gateway.changeHostKey(NQN, HOST, { dhchapKey: null })).rejects.toThrow(code('KEY_REQUIRED'));
  await gateway.changeSubsystemKey(NQN, null);
  await gateway.changeHostKey(NQN, HOST, { dhchapControllerKey: KEY });
  await expect(gateway.changeHostKey(NQN, HOST, { dhchapKey: null })).rejects.toThrow(/controller key/);
  await gateway.changeHostKey(NQN, HOST, { dhchapKey: null, dhchapControllerKey: null });
  expect(gateway.listHosts(NQN).hosts).toEqual([
    { nqn: HOST, hasPsk: false, hasDhchapKey: false, controllerKey: 'no_key' },
  ]);
  await gateway.deleteSubsystem(NQN, true);
});

it('keep their host out, also where any host may come, until they are deleted; what is connected stays', async () => {
  const { gateway } = makeRig({ secrets: boxOf(1) });
  const port = await serveOne({ gateway });
  const controller = await host(port);
  const { hostnqn } = controller.options;
  await gateway.addHost(NQN, hostnqn);
  await gateway.changeHostKey(NQN, hostnqn, { dhchapKey: KEY });
  expect(gateway.listConnections(NQN)).toMatchObject([{ connected: true, hostDeleted: false }]);
  const refused = await connectAs(port, hostnqn).catch((error: ConnectRefused) => error);
  expect(refused).toBeInstanceOf(ConnectRefused);
  // Authentication required; do not retry.
  expect(refused).toMatchObject({ completion: { status: 0x191, dnr: true } });
  await gateway.changeHostKey(NQN, hostnqn, { dhchapKey: null });
  await (await connectAs(port, hostnqn)).drop();
});

it('of any host make no sense', async () => {
  const { gateway } = await withSubsystem();
  await expect(gateway.addHost(NQN, '*', { psk: PSK })).rejects.toThrow(code('INVALID_ARGUMENT'));
});

const KEY_1 = Buffer.alloc(32, 1);
const KEY_2 = Buffer.alloc(32, 2);
const boxWith = (...keys: Buffer[]) => new SecretBox(keys, randomBytes);

it('have a key file with several keys, one per line', () => {
  const content = `# new\n${KEY_2.toString('base64')}\r\n\n${KEY_1.toString('hex')}\n`;
  const box = SecretBox.fromFile(Buffer.from(content), 'f', randomBytes);
  expect(box.keyIds).toEqual([boxOf(2).keyId, boxOf(1).keyId]);
  const place = { record: 'host_a_b', field: 'psk' };
  for (const by of [1, 2]) expect(box.open(boxOf(by).seal('secret', place), place)).toBe('secret');
  expect(boxOf(2).open(box.seal('secret', place), place)).toBe('secret');
  expect(() => SecretBox.fromFile(Buffer.from(`${content}x\n`), '/f', randomBytes)).toThrow(
    /\/f is no key file: line 5 is no key/,
  );
  expect(() => SecretBox.fromFile(Buffer.from('# none\n'), '/f', randomBytes)).toThrow(/no key in it/);
});

it('are encrypted anew step by step, and no gateway is ever without', async () => {
  const records = new MemoryRecords();
  const old = await withSubsystem(records);
  await old.gateway.addHost(NQN, HOST, { psk: PSK, dhchapKey: KEY, dhchapControllerKey: KEY });
  const both = await withSubsystem(records, boxWith(KEY_2, KEY_1));
  expect(both.complaints).toEqual([]);
  const [newId, oldId] = [boxOf(2).keyId, boxOf(1).keyId];
  // While one has the old file only, the old key is used on.
  await both.gateway.addHost(NQN, OTHER, { dhchapKey: KEY });
  expect(both.gateway.state.encryptionKeys()).toEqual([
    { id: newId, known: true, secrets: 0 },
    { id: oldId, known: true, secrets: 4 },
  ]);
  await vi.waitFor(() => expect(old.gateway.listHosts(NQN).hosts).toHaveLength(2));
  await old.gateway.changeHostKey(NQN, OTHER, { dhchapControllerKey: KEY });
  await vi.waitFor(() =>
    expect(both.gateway.state.encryptionKeys()[1]).toMatchObject({ id: oldId, secrets: 5 }),
  );
  await both.gateway.changeSubsystemKey(NQN, KEY);
  const { version } = records.snapshot;
  expect(await both.gateway.state.rotateKeys()).toBe(3);
  expect(records.snapshot.version).toBe(version + 1);
  expect(await both.gateway.state.rotateKeys()).toBe(0);
  expect(both.gateway.state.encryptionKeys()[1]).toEqual({ id: oldId, known: true, secrets: 0 });
  const only = await withSubsystem(records, boxOf(2));
  expect(only.complaints).toEqual([]);
  expect(only.gateway.state.encryptionKeys()).toEqual([{ id: newId, known: true, secrets: 6 }]);
  // Each still opens, at its place, and is what it was.
  const { document } = await only.gateway.state.exportState();
  const elsewhere = makeRig({ secrets: boxOf(2) });
  await elsewhere.gateway.start();
  await elsewhere.gateway.state.importState(document, 'empty', false);
  await vi.waitFor(() =>
    expect(old.gateway.state.encryptionKeys()).toContainEqual({ id: newId, known: false, secrets: 6 }),
  );
  await expect(old.gateway.addHost(NQN, `${OTHER}2`, { dhchapKey: KEY })).rejects.toThrow(
    code('KEY_REQUIRED'),
  );
  await expect(old.gateway.state.rotateKeys()).rejects.toThrow(code('KEY_REQUIRED'));
});

it('are encrypted anew without their hosts noticing', async () => {
  const records = new MemoryRecords();
  const { gateway } = makeRig({ records, secrets: boxOf(1) });
  const port = await serveOne({ gateway });
  const controller = await host(port);
  const { hostnqn } = controller.options;
  await gateway.addHost(NQN, hostnqn);
  await gateway.changeHostKey(NQN, hostnqn, { dhchapKey: KEY });
  const identity = { version: '1', name: 'b', group: '', hostname: 'b', address: '127.0.0.1', port: 5500 };
  const { gateway: other } = makeRig({ records, identity, shared: true, secrets: boxWith(KEY_2, KEY_1) });
  await other.start();
  expect(await other.state.rotateKeys()).toBe(1);
  await vi.waitFor(() => expect(gateway.state.encryptionKeys()[1]?.known).toBe(false));
  expect(gateway.listConnections(NQN)).toMatchObject([{ connected: true, hostDeleted: false }]);
});

it('are not encrypted anew without a key file', async () => {
  const { gateway } = makeRig();
  await gateway.start();
  await expect(gateway.state.rotateKeys()).rejects.toThrow(/no key file; make one/);
  expect(gateway.state.encryptionKeys()).toEqual([]);
});
