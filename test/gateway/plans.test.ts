import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/base/errors.ts';
import { Configuration, configuredLimits } from '../../src/gateway/configuration/configuration.ts';
import { planAddHost, planDeleteHost } from '../../src/gateway/plans/access.ts';
import {
  chooseAnaGroup,
  findNamespace,
  type NamespacePlanContext,
  planAddNamespace,
  planChangeLocation,
  planImageTreatment,
  planRefreshSize,
  planResize,
} from '../../src/gateway/plans/namespaces.ts';
import type { ListenerSpec, NamespaceSpec } from '../../src/gateway/plans/requests.ts';
import {
  addressOf,
  planAddListener,
  planAddSubsystem,
  planDeleteListener,
  planDeleteSubsystem,
} from '../../src/gateway/plans/subsystems.ts';
import { LIMITS } from '../../src/limits.ts';
import type { ConfigChange } from '../../src/store/store.ts';

const A = 'nqn.2026-11.io.anagate:a';
const HOST = 'nqn.2014-08.org.nvmexpress:uuid:5d2b2a3e-57a7-4a2e-9f8e-0c6d3a1b4c5d';
const UUID = '5d2b2a3e-57a7-4a2e-9f8e-0c6d3a1b4c5d';

/** A configuration to which plans are applied as the gateway would. */
class Planned {
  readonly config: Configuration;
  #records = new Map<string, string>();
  #uuids = 0;
  readonly context: NamespacePlanContext = {
    newUuid: () => `00000000-0000-4000-8000-${String(++this.#uuids).padStart(12, '0')}`,
    homes: { groups: [1], locations: new Map() },
  };

  constructor(lower: Parameters<typeof configuredLimits>[0] = {}) {
    this.config = new Configuration(configuredLimits(lower));
  }

  apply(changes: ConfigChange[]): void {
    this.#records = new Map(this.#records);
    for (const { key, value } of changes) {
      if (value === null) this.#records.delete(key);
      else this.#records.set(key, value);
    }
    this.config.follow({ version: this.config.version + 1, records: this.#records });
  }
  subsystem(nqn: string, maxNamespaces?: number): this {
    const spec = maxNamespaces === undefined ? { nqn } : { nqn, maxNamespaces };
    this.apply(planAddSubsystem(this.config, spec, () => `S${this.config.subsystems.size}`).changes);
    return this;
  }
  namespace(spec: Partial<NamespaceSpec> = {}): this {
    const plan = planAddNamespace(this.config, memory(spec), this.context);
    const { kind: _, nqn, nsid, uuid, anaGroupId } = plan;
    const fields = { subsystem_nqn: nqn, nsid, uuid, anagrpid: anaGroupId, block_size: 512, size: 512 };
    this.apply([
      { key: `namespace_${nqn}_${nsid}`, value: JSON.stringify({ ...fields, backend: 'memory' }) },
    ]);
    return this;
  }
  listener(spec: Partial<ListenerSpec> = {}): this {
    this.apply(planAddListener(this.config, listener(spec), isLocal).changes);
    return this;
  }
}

const memory = (spec: Partial<NamespaceSpec> = {}): NamespaceSpec => ({
  nqn: A,
  backend: { type: 'memory' },
  sizeBytes: 1024 * 1024,
  ...spec,
});
const listener = (spec: Partial<ListenerSpec> = {}): ListenerSpec => ({
  nqn: A,
  hostName: 'node-a',
  traddr: '192.0.2.1',
  adrfam: 'ipv4',
  trsvcid: 4420,
  ...spec,
});
const isLocal = (name: string) => ['', '*', 'node-a', 'gateway-a'].includes(name);

function refuses(code: ErrorCode, text: RegExp, call: () => unknown): void {
  expect(call).toThrowError(expect.objectContaining({ code, message: expect.stringMatching(text) }));
}

describe('limits that are configured', () => {
  it('are kept when they are lower than those of the gateway', () => {
    const planned = new Planned({
      maxSubsystems: 1,
      maxNamespacesPerSubsystem: 5,
      maxNamespaces: 2,
      maxHosts: 1e6,
    });
    const { config } = planned.subsystem(A);
    expect(config.subsystem(A).record.maxNamespaces).toBe(5);
    expect(config.limits.maxHosts).toBe(LIMITS.maxHosts);
    refuses('LIMIT_EXCEEDED', /1 subsystems already/, () => planned.subsystem('nqn.2026-11.test:b'));
    planned.namespace().namespace();
    refuses('LIMIT_EXCEEDED', /2 namespaces already/, () => planned.namespace());
  });
});

describe('plans for subsystems', () => {
  it('make up a serial number that nobody has', () => {
    const planned = new Planned().subsystem(A);
    const serials = ['S0', 'S0', 'S1'];
    const { record } = planAddSubsystem(planned.config, { nqn: `${A}2` }, () => serials.shift()!);
    expect(record).toEqual({ kind: 'subsystem', nqn: `${A}2`, serial: 'S1', maxNamespaces: 4096 });
  });

  it('refuse what is taken, too much or malformed', () => {
    const { config } = new Planned().subsystem(A);
    const add = (spec: object) => () => planAddSubsystem(config, { nqn: `${A}2`, ...spec }, () => 'new');
    refuses('SUBSYSTEM_EXISTS', /exists/, add({ nqn: A }));
    refuses('SERIAL_IN_USE', /S0 is in use by subsystem nqn/, add({ serial: 'S0' }));
    refuses('NQN_INVALID', /must start with/, add({ nqn: 'x' }));
    refuses('NQN_INVALID', /underscore/, add({ nqn: `${A}_2` }));
    refuses('NQN_INVALID', /discovery/, add({ nqn: 'nqn.2014-08.org.nvmexpress.discovery' }));
    for (const serial of ['', ' S', 'S ', 'x'.repeat(21), 'ü', 'a\n']) {
      refuses('INVALID_ARGUMENT', /serial number/, add({ serial }));
    }
    for (const maxNamespaces of [0, 4097, 1.5]) {
      refuses('INVALID_ARGUMENT', /from 1 to 4096/, add({ maxNamespaces }));
    }
    expect(add({ serial: 'x'.repeat(20) })).not.toThrow();
    expect(add({ serial: 'a b' })).not.toThrow();
  });

  it('keep the limit', () => {
    const planned = new Planned();
    for (let i = 0; i < LIMITS.maxSubsystems; i += 1) planned.subsystem(`${A}${i}`);
    refuses('LIMIT_EXCEEDED', /128 subsystems/, () => planned.subsystem(`${A}more`));
  });

  it('delete with everything that belongs to it, namespaces only by force', () => {
    const planned = new Planned().subsystem(A).listener();
    planned.apply(planAddHost(planned.config, A, '*'));
    planned.apply(planAddHost(planned.config, A, HOST));
    planned.namespace();
    refuses('SUBSYSTEM_NOT_EMPTY', /1 namespace;/, () => planDeleteSubsystem(planned.config, A, false));
    planned.apply(planDeleteSubsystem(planned.config, A, true));
    expect(planned.config.subsystems.size).toBe(0);
    refuses('SUBSYSTEM_NOT_FOUND', /no subsystem/, () => planDeleteSubsystem(planned.config, A, true));
    expect(planDeleteSubsystem(new Planned().subsystem(A).config, A, false)).toHaveLength(1);
  });
});

describe('plans for hosts', () => {
  it('add and delete a host and any host', () => {
    const planned = new Planned().subsystem(A);
    for (const host of [HOST, '*']) {
      refuses('HOST_NOT_FOUND', /does not list/, () => planDeleteHost(planned.config, A, host));
      planned.apply(planAddHost(planned.config, A, host));
      refuses('HOST_EXISTS', /already/, () => planAddHost(planned.config, A, host));
    }
    planned.apply(planDeleteHost(planned.config, A, '*'));
    expect(planned.config.subsystem(A)).toMatchObject({ allowAnyHost: false, hosts: new Set([HOST]) });
    planned.apply(planDeleteHost(planned.config, A, HOST));
    expect(planned.config.hostCount()).toBe(0);
  });

  it('refuse a bad NQN and keep the limits', () => {
    const planned = new Planned().subsystem(A);
    refuses('NQN_INVALID', /host NQN "me"/, () => planAddHost(planned.config, A, 'me'));
    const discovery = 'nqn.2014-08.org.nvmexpress.discovery';
    refuses('NQN_INVALID', /discovery/, () => planAddHost(planned.config, A, discovery));
    const hosts = Array.from({ length: LIMITS.maxHosts }, (_, i) => `nqn.2026-11.io.host:${i}`);
    for (let i = 0; i < LIMITS.maxHosts / LIMITS.maxHostsPerSubsystem; i += 1) {
      const nqn = `${A}${i}`;
      planned.subsystem(nqn);
      const some = hosts.splice(0, LIMITS.maxHostsPerSubsystem);
      planned.apply(some.flatMap((host) => planAddHost(planned.config, nqn, host)));
      refuses('LIMIT_EXCEEDED', /has 128 hosts/, () => planAddHost(planned.config, nqn, HOST));
      expect(() => planAddHost(planned.config, nqn, '*')).not.toThrow();
    }
    refuses('LIMIT_EXCEEDED', /together have 2048/, () => planAddHost(planned.config, A, HOST));
  });
});

describe('plans for listeners', () => {
  it('know one address under all its spellings and one node under all its names', () => {
    const planned = new Planned().subsystem(A).listener().listener({ hostName: 'node-b' });
    const again = { hostName: 'gateway-a' };
    refuses('LISTENER_EXISTS', /192\.0\.2\.1:4420/, () => planned.listener(again));
    planned.listener({ traddr: '2001:DB8:0:0::1', adrfam: 'ipv6' });
    refuses('LISTENER_EXISTS', /already/, () => planned.listener({ traddr: '2001:db8::1', adrfam: 'ipv6' }));
    expect([...planned.config.listeners()].map((one) => one.traddr)).toContain('2001:db8::1');
    planned.listener({ traddr: '::', adrfam: 'ipv6' }).listener({ traddr: '0.0.0.0' });
    const spec = listener({ traddr: '2001:db8:0::1', adrfam: 'ipv6' });
    planned.apply(planDeleteListener(planned.config, spec, false, () => null));
    expect([...planned.config.listeners()]).toHaveLength(4);
  });

  it('refuse what is malformed', () => {
    const { config } = new Planned().subsystem(A);
    const add = (spec: Partial<ListenerSpec>) => () => planAddListener(config, listener(spec), isLocal);
    refuses('INVALID_ARGUMENT', /not an IPv4 address/, add({ traddr: '::1' }));
    refuses('INVALID_ARGUMENT', /not an IPv6 address/, add({ adrfam: 'ipv6' }));
    refuses('INVALID_ARGUMENT', /not an IPv4 address/, add({ traddr: 'localhost' }));
    refuses(
      'INVALID_ARGUMENT',
      /fe80::1%eth0 is a link-local/,
      add({ traddr: 'fe80::1%eth0', adrfam: 'ipv6' }),
    );
    refuses('INVALID_ARGUMENT', /names an interface/, add({ traddr: '2001:db8::1%eth0', adrfam: 'ipv6' }));
    refuses('INVALID_ARGUMENT', /port 0/, add({ trsvcid: 0 }));
    refuses('INVALID_ARGUMENT', /not a host name/, add({ hostName: 'a b' }));
    refuses('SUBSYSTEM_NOT_FOUND', /no subsystem/, add({ nqn: `${A}2` }));
  });

  it('delete one, or by force those of all nodes', () => {
    const planned = new Planned().subsystem(A).listener().listener({ hostName: 'node-b' });
    const remove = (spec: Partial<ListenerSpec>, force = false, inUse = false) =>
      planDeleteListener(planned.config, listener(spec), force, () => (inUse ? 'hosts are connected' : null));
    refuses('LISTENER_NOT_FOUND', /at 192\.0\.2\.1:1 for host node-a/, () => remove({ trsvcid: 1 }));
    refuses('LISTENER_IN_USE', /use force/, () => remove({}, false, true));
    expect(remove({}, true, true)).toHaveLength(1);
    refuses('INVALID_ARGUMENT', /needs force/, () => remove({ hostName: '*' }));
    expect(remove({ hostName: '*' }, true)).toHaveLength(2);
  });

  it('keep the limit', () => {
    const planned = new Planned().subsystem(A);
    for (let i = 1; i <= LIMITS.maxListenersPerSubsystem; i += 1) planned.listener({ trsvcid: i });
    refuses('LIMIT_EXCEEDED', /64 listeners/, () => planned.listener());
  });

  it('write addresses as people do', () => {
    expect(addressOf({ traddr: '::1', trsvcid: 1 })).toBe('[::1]:1');
    expect(addressOf({ traddr: '127.0.0.1', trsvcid: 1 })).toBe('127.0.0.1:1');
  });
});

describe('plans for namespaces', () => {
  it('choose nsid, UUID and group', () => {
    const planned = new Planned().subsystem(A).namespace().namespace({ nsid: 3 });
    expect(planAddNamespace(planned.config, memory(), planned.context)).toEqual({
      kind: 'namespace',
      nqn: A,
      nsid: 2,
      uuid: '00000000-0000-4000-8000-000000000003',
      anaGroupId: 1,
      blockSize: 512,
      sizeBytes: 1024 * 1024,
      readOnly: false,
      backend: { type: 'memory' },
    });
    const file = memory({
      nsid: 9,
      uuid: UUID.toUpperCase(),
      anaGroupId: 5,
      blockSize: 4096,
      readOnly: true,
      backend: { type: 'file', path: '/a', create: false },
    });
    delete (file as { sizeBytes?: number }).sizeBytes;
    expect(planAddNamespace(planned.config, file, planned.context)).toEqual({
      kind: 'namespace',
      nqn: A,
      nsid: 9,
      uuid: UUID,
      anaGroupId: 5,
      blockSize: 4096,
      readOnly: true,
      backend: { type: 'file', path: '/a' },
    });
  });

  it('spread over the home groups', () => {
    const planned = new Planned().subsystem(A);
    for (const anaGroupId of [2, 2, 3, 7]) planned.namespace({ anaGroupId });
    const choose = (asked: number, ...groups: number[]) =>
      chooseAnaGroup(planned.config, asked, { groups, locations: new Map() });
    expect(choose(0, 2, 3)).toBe(3);
    expect(choose(0, 4, 5)).toBe(4);
    expect(choose(9, 1)).toBe(9);
  });

  it('go to home groups at their location, to any when nobody is there', () => {
    const planned = new Planned().subsystem(A);
    for (const anaGroupId of [2, 2, 3]) planned.namespace({ anaGroupId });
    const locations = new Map([
      [1, 'dc1'],
      [2, 'dc2'],
      [3, 'dc2'],
    ]);
    const homes = { groups: [1, 2, 3, 4], locations };
    const choose = (asked: number, location: string) =>
      chooseAnaGroup(planned.config, asked, homes, location);
    expect(choose(0, 'dc2')).toBe(3);
    expect(choose(2, 'dc2')).toBe(2);
    expect(choose(0, 'gone')).toBe(1);
    expect(choose(4, 'gone')).toBe(4);
    refuses('INVALID_ARGUMENT', /group 1 is not at location "dc2" of the namespace, as 2, 3 are/, () =>
      choose(1, 'dc2'),
    );
    const add = (location: string) =>
      planAddNamespace(planned.config, memory({ location }), { ...planned.context, homes });
    expect(add('dc2')).toMatchObject({ location: 'dc2', anaGroupId: 3 });
    expect(add('')).not.toHaveProperty('location');
    refuses('INVALID_ARGUMENT', /no gateway at location "dc3"; gateways are at "dc1", "dc2"/, () =>
      add('dc3'),
    );
    refuses('INVALID_ARGUMENT', /no gateway has a location \(gw set-location/, () =>
      planAddNamespace(planned.config, memory({ location: 'dc1' }), planned.context),
    );
  });

  it('get another location, or none, and stay in their group for now', () => {
    const planned = new Planned().subsystem(A).namespace({ anaGroupId: 3 });
    const homes = { groups: [1, 3], locations: new Map([[1, 'dc1']]) };
    const before = findNamespace(planned.config, A, 1);
    const moved = planChangeLocation(before, 'dc1', homes);
    expect(moved).toEqual({ ...before, location: 'dc1' });
    expect(planChangeLocation(moved, '', homes)).toEqual(before);
    refuses('INVALID_ARGUMENT', /no gateway at location "x"/, () => planChangeLocation(before, 'x', homes));
  });

  it('take the size of their image over when asked, also a smaller one, in whole blocks', () => {
    const planned = new Planned().subsystem(A).namespace();
    const before = findNamespace(planned.config, A, 1);
    expect(planRefreshSize(before, 10_000_000).sizeBytes).toBe(9_999_872);
    expect(planRefreshSize({ ...before, sizeBytes: 2 ** 30 }, 1024).sizeBytes).toBe(1024);
    refuses('SIZE_INVALID', /less than one block/, () => planRefreshSize(before, 511));
  });

  it('refuse what is taken or malformed', () => {
    const planned = new Planned().subsystem(A, 5).namespace({ uuid: UUID });
    const add = (spec: Partial<NamespaceSpec>) => () =>
      planAddNamespace(planned.config, memory(spec), planned.context);
    const file = (path: string) => add({ backend: { type: 'file', path, create: true } });
    refuses('NAMESPACE_EXISTS', /namespace 1 already/, add({ nsid: 1 }));
    refuses('UUID_IN_USE', /namespace 1 of/, add({ uuid: UUID.toUpperCase() }));
    refuses('INVALID_ARGUMENT', /not a UUID/, add({ uuid: 'x' }));
    refuses('INVALID_ARGUMENT', /zeroes/, add({ uuid: '00000000-0000-0000-0000-000000000000' }));
    for (const nsid of [0, 6, -1, 1.5]) refuses('INVALID_ARGUMENT', /from 1 to 5/, add({ nsid }));
    refuses('INVALID_ARGUMENT', /block size 1024/, add({ blockSize: 1024 as 512 }));
    refuses('SIZE_INVALID', /not a multiple/, add({ sizeBytes: 1025 }));
    refuses('SIZE_INVALID', /less than one block/, add({ sizeBytes: 512, blockSize: 4096 }));
    refuses('SIZE_INVALID', /more than the greatest/, add({ sizeBytes: 2 ** 52 + 512 }));
    for (const anaGroupId of [129, -1, 1.5]) refuses('INVALID_ARGUMENT', /1 to 128/, add({ anaGroupId }));
    refuses('INVALID_ARGUMENT', /absolute/, file('a'));
    refuses('INVALID_ARGUMENT', /directory/, file('/a/'));
    refuses('INVALID_ARGUMENT', /NUL/, file('/a\0b'));
    const { sizeBytes: _, ...sizeless } = memory();
    refuses('SIZE_INVALID', /needs a size/, () =>
      planAddNamespace(planned.config, sizeless, planned.context),
    );
    refuses('SUBSYSTEM_NOT_FOUND', /no subsystem/, add({ nqn: `${A}2` }));
  });

  it('keep the limits of the subsystem and of all', () => {
    const planned = new Planned().subsystem(A, 2).namespace().namespace();
    refuses('LIMIT_EXCEEDED', /2 namespaces already, which is its limit/, () => planned.namespace());
    planned.subsystem(`${A}2`);
    const fields = { subsystem_nqn: `${A}2`, anagrpid: 1, block_size: 512, size: 512, backend: 'memory' };
    planned.apply(
      Array.from({ length: LIMITS.maxNamespaces - 2 }, (_, i) => ({
        key: `namespace_${A}2_${i + 1}`,
        value: JSON.stringify({ ...fields, nsid: i + 1, uuid: UUID }),
      })),
    );
    refuses('LIMIT_EXCEEDED', /4096 namespaces already/, () => planned.namespace({ nqn: `${A}2` }));
  });

  it('change what becomes of an image, and nothing else', () => {
    const planned = new Planned().subsystem(A);
    const backend = { type: 'rbd', pool: 'p', image: 'i' } as const;
    const record = {
      ...planAddNamespace(planned.config, memory({ backend }), planned.context),
      sizeBytes: 512,
    };
    const kept = planImageTreatment(record, { autoResize: false });
    expect(kept).toEqual({ ...record, disableAutoResize: true });
    const trashed = planImageTreatment(kept, { trashOnDelete: true });
    expect(trashed).toEqual({
      ...record,
      disableAutoResize: true,
      backend: { ...backend, trashOnDelete: true },
    });
    expect(planImageTreatment(trashed, { autoResize: true, trashOnDelete: false })).toEqual(record);
    const inMemory = findNamespace(planned.namespace().config, A, 1);
    refuses('INVALID_ARGUMENT', /not on an image/, () => planImageTreatment(inMemory, { autoResize: true }));
  });

  it('only grow', () => {
    const planned = new Planned().subsystem(A).namespace();
    const record = findNamespace(planned.config, A, 1);
    expect(planResize(record, 1024)).toEqual({ ...record, sizeBytes: 1024 });
    refuses('SIZE_INVALID', /only grows/, () => planResize(record, 512));
    refuses('SIZE_INVALID', /multiple/, () => planResize(record, 1025));
    refuses('NAMESPACE_NOT_FOUND', /no namespace 2/, () => findNamespace(planned.config, A, 2));
  });
});
