/** Configurations that are too large for one commit: each prefix of what is committed is valid, and hosts' commands do not wait. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AnagateError } from '../../src/base/errors.ts';
import { Configuration } from '../../src/gateway/configuration/configuration.ts';
import { type ConfigRecord, encodeRecord, keyOf } from '../../src/gateway/configuration/records.ts';
import { batchesOf } from '../../src/gateway/state/batches.ts';
import { encodeStateDocument } from '../../src/gateway/state/document.ts';
import { planImport } from '../../src/gateway/state/import.ts';
import { StateRequests } from '../../src/gateway/state/requests.ts';
import { Turns } from '../../src/gateway/state/turns.ts';
import { LIMITS } from '../../src/limits.ts';
import { MemoryRecords, MemoryStore } from '../../src/store/memory-store.ts';
import { type ConfigChange, withChanges } from '../../src/store/store.ts';
import { makeRig } from './rig.ts';

const HEAD = 'nqn.2026-11.io.anagate:';
const turns = new Turns();
const context = { box: null, isLocal: () => false, checkBacking: async () => {} };

const subsystem = (at: number, serial = `S${at}`): ConfigRecord => ({
  kind: 'subsystem',
  nqn: `${HEAD}s${at}`,
  serial,
  maxNamespaces: LIMITS.maxNamespacesPerSubsystem,
});

function namespaceOf(at: number, nsid: number, uuid: number): ConfigRecord & { kind: 'namespace' } {
  return {
    kind: 'namespace',
    nqn: `${HEAD}s${at}`,
    nsid,
    uuid: `00000000-0000-4000-8000-${String(uuid).padStart(12, '0')}`,
    anaGroupId: 1,
    blockSize: 512,
    sizeBytes: 4096,
    readOnly: false,
    backend: { type: 'memory' },
  };
}

const hostNqn = (n: number) =>
  `nqn.2014-08.org.nvmexpress:uuid:${String(n).padStart(8, '0')}-57a7-4a2e-9f8e-0c6d3a1b4c5d`;

/** 73,856 records: as many of everything but listeners as there may be. */
function* largest(): Generator<ConfigRecord> {
  const perSubsystem = LIMITS.maxNamespaces / LIMITS.maxSubsystems;
  for (let s = 0; s < LIMITS.maxSubsystems; s += 1) {
    const { nqn } = subsystem(s);
    yield subsystem(s);
    for (let h = 0; h < LIMITS.maxHosts / LIMITS.maxSubsystems; h += 1)
      yield { kind: 'host', nqn, hostNqn: hostNqn(h) };
    for (let n = 0; n < LIMITS.maxNetworksPerSubsystem; n += 1)
      yield { kind: 'network', nqn, mask: `10.${s}.${n}.0/24` };
    for (let n = 1; n <= perSubsystem; n += 1) {
      yield { ...namespaceOf(s, n, s * perSubsystem + n), noAutoVisible: true };
      for (let h = 0; h < LIMITS.maxHostsPerNamespace; h += 1)
        yield { kind: 'ns-host', nqn, nsid: n, hostNqn: hostNqn(h) };
    }
  }
}

const textsOf = (records: Iterable<ConfigRecord>) =>
  new Map([...records].map((record) => [keyOf(record), encodeRecord(record)]));

/** Without what the gateway says of itself. */
async function configured(store: MemoryStore): Promise<Map<string, string>> {
  return new Map([...(await store.load()).records].filter(([key]) => !key.startsWith('gateway_')));
}

/** As the store of a group: refuses what is too large, and says what it was given. */
class BoundedStore extends MemoryStore {
  readonly commits: (readonly ConfigChange[])[] = [];
  /** Called before each commit. */
  before: () => Promise<void> | void = () => {};

  override async commit(version: number, changes: readonly ConfigChange[]): Promise<number> {
    const bytes = changes.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0);
    if (bytes > LIMITS.maxCommitBytes) throw new AnagateError('LIMIT_EXCEEDED', 'too large');
    await this.before();
    const done = await super.commit(version, changes);
    this.commits.push(changes);
    return done;
  }
}

it('a configuration at all limits is imported as the dry run says, also in two goes, exported, and removed', async () => {
  const shared = new MemoryRecords();
  const store = new BoundedStore(shared);
  const other = new MemoryStore(shared);
  const { gateway } = makeRig({ store });
  await gateway.start();
  const records = textsOf(largest());
  expect(records.size).toBe(73_856);
  const document = await encodeStateDocument({ group: '', version: 0, records });
  const delay = monitorEventLoopDelay({ resolution: 5 });
  const steps: string[] = [];
  const measured = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    delay.reset();
    delay.enable();
    const began = performance.now();
    const result = await work();
    delay.disable();
    steps.push(
      `${what} ${(performance.now() - began).toFixed(0)} ms, stall ${(delay.max / 1e6).toFixed(0)} ms`,
    );
    return result;
  };
  const dry = await measured('dry run', () => gateway.state.importState(document, 'empty', true));
  expect(store.commits).toEqual([]);
  expect(dry.commits).toBeGreaterThan(1);
  store.before = () => {
    if (store.commits.length === 2) throw new AnagateError('STATE_WRITE_FAILED', 'the pool is full');
  };
  await expect(gateway.state.importState(document, 'empty', false)).rejects.toThrow(
    `the pool is full. 2 of the ${dry.commits} commits of this import were made, each a valid configuration by itself; the same import with --merge makes the rest`,
  );
  // Somebody else's change in between is left alone.
  const extra: ConfigRecord = { kind: 'host', nqn: `${HEAD}s0`, hostNqn: '*' };
  store.before = async () => {
    if (store.commits.length !== 5) return;
    store.before = () => {};
    await other.commit((await other.load()).version, [{ key: keyOf(extra), value: encodeRecord(extra) }]);
  };
  const rest = await measured('import', () => gateway.state.importState(document, 'merge', false));
  expect(rest.commits).toBe(dry.commits - 2);
  expect(store.commits).toHaveLength(dry.commits);
  records.set(keyOf(extra), encodeRecord(extra));
  expect(await configured(store)).toEqual(records);
  const exported = await measured('export', () => gateway.state.exportState());
  const again = await measured('again', () => gateway.state.importState(exported.document, 'replace', false));
  expect(again).toEqual({ changes: [], commits: 0 });
  const nothing = await encodeStateDocument({ group: '', version: 0, records: new Map() });
  await measured('removal', () => gateway.state.importState(nothing, 'replace', false));
  expect((await configured(store)).size).toBe(0);
  process.stderr.write(`${steps.join('; ')}; ${dry.commits} commits\n`);
}, 300_000);

it('ends when somebody else undoes it, as a second import at the same time would', async () => {
  const config = new Configuration();
  let texts: ReadonlyMap<string, string> = new Map();
  const follow = () => void config.follow({ version: config.version + 1, records: texts });
  let commits = 0;
  const requests = new StateRequests({
    ...context,
    config,
    group: '',
    serves: () => true,
    mutate: async (request) => {
      for (;;) {
        try {
          return await request();
        } catch (error) {
          if (!(error instanceof AnagateError) || error.code !== 'STATE_VERSION_CONFLICT') throw error;
        }
      }
    },
    commit: async (changes) => {
      commits += 1;
      const isLost = commits % 3 === 0;
      texts = isLost ? new Map() : withChanges(texts, changes);
      follow();
      if (isLost) throw new AnagateError('STATE_VERSION_CONFLICT', 'somebody else was faster');
    },
  });
  const some = [...largest()].filter(({ nqn }) => Number(nqn.slice(HEAD.length + 1)) < 32);
  const document = await encodeStateDocument({ group: '', version: 0, records: textsOf(some) });
  await expect(requests.importState(document, 'replace', false)).rejects.toThrow(
    /somebody else changes the same.*\. 2 of the \d+ commits of this import were made/,
  );
  expect(commits).toBe(3);
});

function mostly(numbers: number[]): fc.Arbitrary<number[]> {
  const shuffled = fc.shuffledSubarray(numbers, { minLength: numbers.length });
  return fc.oneof({ weight: 3, arbitrary: fc.constant(numbers) }, { weight: 1, arbitrary: shuffled });
}

/** Any configuration of a small world in which names, UUIDs, serial numbers and images are few, so that they are taken over. */
const world = fc
  .record({
    subsystems: fc.uniqueArray(fc.nat(2), { maxLength: 3 }),
    // Mostly what it was: the same subsystem, the same disk.
    serials: mostly([0, 1, 2]),
    uuids: mostly([0, 1, 2, 3, 4, 5]),
    hosts: fc.uniqueArray(fc.tuple(fc.nat(2), fc.nat(2)), { selector: String }),
    /** An image is in one ANA group, another one before or after. */
    groups: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
    anyHost: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    namespaces: fc.uniqueArray(
      fc.record({
        at: fc.nat(2),
        nsid: fc.integer({ min: 1, max: 2 }),
        hidden: fc.boolean(),
        image: fc.nat(1),
      }),
      { selector: ({ at, nsid }) => `${at} ${nsid}` },
    ),
    listed: fc.uniqueArray(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 2 }), fc.nat(2)), {
      selector: String,
    }),
    limited: fc.uniqueArray(
      fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
      {
        selector: ([at, nsid]) => `${at} ${nsid}`,
      },
    ),
    networks: fc.uniqueArray(fc.tuple(fc.nat(2), fc.nat(1)), { selector: String }),
  })
  .map((some): Map<string, ConfigRecord> => {
    const has = (at: number) => some.subsystems.includes(at);
    const nqn = (at: number) => `${HEAD}s${at}`;
    const namespaces = some.namespaces.filter(({ at }) => has(at));
    const found = (at: number, nsid: number) => namespaces.find((one) => one.at === at && one.nsid === nsid);
    const records: ConfigRecord[] = [
      ...some.subsystems.map((at) => subsystem(at, `S${some.serials[at]}`)),
      ...some.hosts
        .filter(([at]) => has(at))
        .map(([at, h]): ConfigRecord => ({ kind: 'host', nqn: nqn(at), hostNqn: hostNqn(h) })),
      ...some.subsystems
        .filter((at) => some.anyHost[at])
        .map((at): ConfigRecord => ({ kind: 'host', nqn: nqn(at), hostNqn: '*' })),
      ...namespaces.map(
        ({ at, nsid, hidden, image }): ConfigRecord => ({
          ...namespaceOf(at, nsid, some.uuids[at * 2 + nsid - 1]!),
          ...(hidden && { noAutoVisible: true }),
          anaGroupId: some.groups[image]!,
          backend: { type: 'rbd', pool: 'p', image: `i${image}` },
        }),
      ),
      ...some.listed
        .filter(([at, nsid]) => found(at, nsid)?.hidden)
        .map(([at, nsid, h]): ConfigRecord => ({ kind: 'ns-host', nqn: nqn(at), nsid, hostNqn: hostNqn(h) })),
      ...some.limited
        .filter(([at, nsid]) => found(at, nsid))
        .map(
          ([at, nsid, rwIos]): ConfigRecord => ({
            kind: 'qos',
            nqn: nqn(at),
            nsid,
            limits: { rwIos, rwMbytes: 0, rMbytes: 0, wMbytes: 0 },
          }),
        ),
      ...some.networks
        .filter(([at]) => has(at))
        .map(([at, n]): ConfigRecord => ({ kind: 'network', nqn: nqn(at), mask: `10.0.${n}.0/24` })),
    ];
    return new Map(records.map((record) => [keyOf(record), record]));
  });

/** What hosts can do: "host connects to subsystem", "host sees this disk". */
function rightsIn(texts: ReadonlyMap<string, string>): Set<string> {
  const config = new Configuration();
  config.follow({ version: 1, records: texts });
  const rights = new Set<string>();
  for (const { record, allowAnyHost, hosts, namespaces } of config.subsystems.values()) {
    for (const host of [0, 1, 2].map(hostNqn)) {
      if (!allowAnyHost && !hosts.has(host)) continue;
      rights.add(`${host} ${record.nqn} ${record.serial}`);
      for (const { nsid, uuid, backend } of namespaces.values())
        if (config.visibleTo(record.nqn, nsid)?.has(host) ?? true)
          rights.add(`${host} ${record.nqn} ${record.serial} ${nsid} ${uuid} ${JSON.stringify(backend)}`);
    }
  }
  return rights;
}

it('each prefix of the commits is valid, and takes from no host what it has before and after', async () => {
  await fc.assert(
    fc.asyncProperty(world, world, fc.constantFrom(1, 400, 1500), async (before, after, maxBytes) => {
      const changes: ConfigChange[] = [
        ...[...before.keys()].filter((key) => !after.has(key)).map((key) => ({ key, value: null })),
        ...[...after].map(([key, record]) => ({ key, value: encodeRecord(record) })),
      ].filter(({ key, value }) => before.get(key) === undefined || encodeRecord(before.get(key)!) !== value);
      let texts: ReadonlyMap<string, string> = textsOf(before.values());
      const [had, has] = [rightsIn(texts), rightsIn(textsOf(after.values()))];
      const follower = new Configuration();
      follower.follow({ version: 1, records: texts });
      for (const [at, batch] of (await batchesOf(changes, before, after, maxBytes, turns)).entries()) {
        texts = withChanges(texts, batch);
        await planImport(new Configuration(), texts, 'empty', context);
        follower.follow({ version: at + 2, records: texts });
        const rights = rightsIn(texts);
        for (const right of had) if (has.has(right)) expect(rights).toContain(right);
      }
      expect(new Map(texts)).toEqual(textsOf(after.values()));
    }),
    { numRuns: 200 },
  );
});
