/** What belongs to format 1, and what becomes of records that do not. */
import { createHash } from 'node:crypto';
import { expect, it, vi } from 'vitest';
import { FIELDS } from '../../src/gateway/configuration/format.ts';
import { decodeRecord, encodeRecord } from '../../src/gateway/configuration/records.ts';
import { MemoryRecords, MemoryStore } from '../../src/store/memory-store.ts';
import { OMAP_FORMATS } from '../../src/store/omap-layout.ts';
import { STATE_FORMAT } from '../../src/store/state-file.ts';
import { code, HOST, makeRig, NQN } from './rig.ts';

it('is held fast: once there is a release, what changes this needs a new format (docs/groups.md, "Upgrades")', () => {
  const digest = createHash('sha256').update(JSON.stringify(FIELDS)).digest('hex').slice(0, 12);
  expect([OMAP_FORMATS.newest, STATE_FORMAT, digest]).toEqual([1, 1, '8ad9a2244de7']);
});

it.each([
  ['host', { subsystem_nqn: NQN, host_nqn: HOST, keep_connections: true }, `host_${NQN}_${HOST}`],
  ['qos', { subsystem_nqn: NQN, nsid: 1, rw_ios_per_second: 1000 }, `qos_${NQN}_1`],
])('a %s record with a field more is refused, not cut', (_kind, fields, key) => {
  const text = JSON.stringify(fields);
  expect(encodeRecord(decodeRecord(key, text))).toBe(text);
  expect(() => decodeRecord(key, JSON.stringify({ ...fields, only_at_night: true }))).toThrow(
    /has a field "only_at_night", which this version of Anagate does not know; upgrade/,
  );
});

it.each([
  ['a record of a kind', `curfew_${NQN}`, '{}', /curfew_.*does not know records of that kind/],
  [
    'a field',
    `host_${NQN}_${HOST}`,
    JSON.stringify({ subsystem_nqn: NQN, host_nqn: HOST, only_at_night: true }),
    /host_.*has a field "only_at_night"/,
  ],
])(
  '%s that is not known: what was served is served, every change is refused and says why',
  async (_what, key, value, reason) => {
    const records = new MemoryRecords();
    const { gateway, complaints } = makeRig({ records });
    await gateway.start();
    await gateway.addSubsystem({ nqn: NQN });
    const newer = new MemoryStore(records);
    await newer.commit(1, [{ key, value }]);
    await vi.waitFor(() => expect(complaints).toContain('a change of the configuration cannot be followed'));
    await expect(gateway.addSubsystem({ nqn: `${NQN}2` })).rejects.toThrow(reason);
    await expect(
      gateway.state.importState('{"anagate_state": 1, "records": {}}', 'replace', false),
    ).rejects.toThrow(reason);
    expect(records.snapshot.records.get(key)).toBe(value);
    expect(gateway.listSubsystems().map(({ nqn }) => nqn)).toEqual([NQN]);
    await expect(makeRig({ records }).gateway.start()).rejects.toEqual(code('STATE_CORRUPT'));
    await newer.commit(2, [{ key, value: null }]);
    await vi.waitFor(() => gateway.addSubsystem({ nqn: `${NQN}2` }));
  },
);
