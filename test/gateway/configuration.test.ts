import { describe, expect, it } from 'vitest';
import { Configuration, setRecord } from '../../src/gateway/configuration/configuration.ts';
import type { ConfigRecord } from '../../src/gateway/configuration/records.ts';

const A = 'nqn.2026-11.io.anagate:a';
const B = 'nqn.2026-11.io.anagate:b';

function subsystem(nqn: string, serial = nqn.slice(-1)): ConfigRecord {
  return { kind: 'subsystem', nqn, serial, maxNamespaces: 10 };
}
function host(nqn: string, hostNqn: string): ConfigRecord {
  return { kind: 'host', nqn, hostNqn };
}
function namespace(nqn: string, nsid: number, anaGroupId = 1): ConfigRecord {
  const uuid = `00000000-0000-4000-8000-${nqn.slice(-1)}${String(nsid).padStart(11, '0')}`;
  return {
    kind: 'namespace',
    nqn,
    nsid,
    uuid,
    anaGroupId,
    blockSize: 512,
    sizeBytes: 512,
    readOnly: false,
    backend: { type: 'memory' },
  };
}
function listener(nqn: string, trsvcid = 4420): ConfigRecord {
  return { kind: 'listener', nqn, hostName: '*', traddr: '127.0.0.1', adrfam: 'ipv4', trsvcid };
}
function snapshot(version: number, records: ConfigRecord[]) {
  return {
    version,
    records: new Map(records.map(setRecord).map(({ key, value }) => [key, value as string])),
  };
}
function kinds(changes: ReturnType<Configuration['follow']>): string[] {
  return changes.map(({ before, after }) => {
    const sign = before === null ? '+' : after === null ? '-' : '~';
    return sign + (after ?? before)!.kind;
  });
}

describe('Configuration', () => {
  it('takes a subsystem that looks changed for one that was removed and made again, with all that it has', () => {
    const config = new Configuration();
    const rest = [namespace(A, 1), host(A, '*'), listener(A)];
    config.follow(snapshot(1, [subsystem(A, 'OLD'), subsystem(B), host(B, '*'), ...rest]));
    const after = snapshot(5, [
      subsystem(A, 'NEW'),
      subsystem(B),
      host(A, '*'),
      namespace(A, 2),
      namespace(B, 1),
    ]);
    const changes = config.follow(after);
    expect(kinds(changes)).toEqual([
      '-listener',
      '-namespace',
      '-host',
      '-host',
      '-subsystem',
      '+subsystem',
      '+host',
      '+namespace',
      '+namespace',
    ]);
    expect(config.subsystem(A)).toMatchObject({ record: { serial: 'NEW' }, allowAnyHost: true });
    expect([...config.subsystem(A).namespaces.keys()]).toEqual([2]);
    expect([...config.listeners()]).toEqual([]);
    expect(config.texts).toEqual(after.records);
  });

  it('gives additions in an order in which hosts are let in last', () => {
    const config = new Configuration();
    const changes = config.follow(
      snapshot(3, [listener(A), namespace(A, 1), host(A, '*'), host(A, 'h'), subsystem(A)]),
    );
    expect(kinds(changes)).toEqual(['+subsystem', '+host', '+host', '+namespace', '+listener']);
    expect(config.version).toBe(3);
    const one = config.subsystem(A);
    expect(one.allowAnyHost).toBe(true);
    expect([...one.hosts]).toEqual(['h']);
    expect([...one.namespaces.keys()]).toEqual([1]);
    expect([...config.listeners()]).toEqual([listener(A)]);
    expect(config.hostCount()).toBe(1);
    expect(config.namespaceCount()).toBe(1);
  });

  it('gives removals the other way round, before additions, and only what changed', () => {
    const config = new Configuration();
    config.follow(snapshot(1, [subsystem(A), host(A, '*'), namespace(A, 1), listener(A), subsystem(B)]));
    expect(kinds(config.follow(snapshot(2, [subsystem(B), namespace(B, 1)])))).toEqual([
      '-listener',
      '-namespace',
      '-host',
      '-subsystem',
      '+namespace',
    ]);
    expect([...config.subsystems.keys()]).toEqual([B]);
    expect(kinds(config.follow(snapshot(3, [subsystem(B), namespace(B, 1, 2)])))).toEqual(['~namespace']);
    expect(config.subsystem(B).namespaces.get(1)?.anaGroupId).toBe(2);
    expect(config.follow(snapshot(4, [subsystem(B), namespace(B, 1, 2)]))).toEqual([]);
  });

  it.each([
    ['a namespace without its subsystem', [namespace(A, 1)]],
    ['a listener whose subsystem goes', [listener(B)]],
    ['hosts left behind', [subsystem(A), host(B, '*')]],
  ])('refuses %s and stays as it was', (_, records) => {
    const config = new Configuration();
    config.follow(snapshot(1, [subsystem(B), host(B, '*')]));
    expect(() => config.follow(snapshot(2, records))).toThrowError(
      expect.objectContaining({ code: 'STATE_CORRUPT' }),
    );
    expect(config.version).toBe(1);
    expect(config.subsystem(B).allowAnyHost).toBe(true);
  });

  it('changes a subsystem in place', () => {
    const config = new Configuration();
    config.follow(snapshot(1, [subsystem(A), namespace(A, 1)]));
    config.follow(snapshot(2, [subsystem(A, 'new'), namespace(A, 1)]));
    expect(config.subsystem(A).record.serial).toBe('new');
    expect(config.subsystem(A).namespaces.size).toBe(1);
  });

  it('says which subsystem is not there', () => {
    expect(() => new Configuration().subsystem('nqn.x')).toThrowError(
      expect.objectContaining({ code: 'SUBSYSTEM_NOT_FOUND', message: 'there is no subsystem nqn.x' }),
    );
  });
});
