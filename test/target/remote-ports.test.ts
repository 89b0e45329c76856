import { describe, expect, it } from 'vitest';
import { RemotePorts } from '../../src/target/remote-ports.ts';
import { Subsystem } from '../../src/target/subsystem.ts';

const subsystem = (nqn: string) =>
  new Subsystem({ nqn, serial: 'S', model: 'M', maxNamespaces: 1 }, () => {});
const at = (trsvcid: string, portId = 2048) =>
  ({ portId, adrfam: 'ipv4', traddr: '192.0.2.1', trsvcid }) as const;

describe('RemotePorts', () => {
  it('lists what was offered until it is withdrawn, and tells of each change', () => {
    const changes: string[] = [];
    const ports = new RemotePorts(({ nqn }) => changes.push(nqn));
    const [one, two] = [subsystem('nqn.2026-11.io.anagate:one'), subsystem('nqn.2026-11.io.anagate:two')];
    ports.offer('a', one, at('4420'));
    ports.offer('b', two, at('4420'));
    expect([...ports].map(({ subsystem: { nqn }, port }) => [nqn, port.trsvcid])).toEqual([
      [one.nqn, '4420'],
      [two.nqn, '4420'],
    ]);
    ports.withdraw('a');
    ports.withdraw('never there');
    expect([...ports]).toEqual([{ subsystem: two, port: at('4420') }]);
    expect(changes).toEqual([one.nqn, two.nqn, one.nqn]);
  });

  it('gives an address one port id for all subsystems, and no two addresses the same', () => {
    const ports = new RemotePorts(() => {});
    const one = subsystem('nqn.2026-11.io.anagate:one');
    for (const [name, trsvcid] of [
      ['a', '4420'],
      ['b', '4421'],
      ['c', '4420'],
    ] as const) {
      ports.offer(name, one, at(trsvcid, ports.portIdFor('192.0.2.1', trsvcid, 2048)));
    }
    expect([...ports].map(({ port }) => port.portId)).toEqual([2048, 2049, 2048]);
    ports.withdraw('b');
    expect(ports.portIdFor('192.0.2.2', '4420', 2048)).toBe(2049);
  });
});
