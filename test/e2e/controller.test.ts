/** What an unmodified Linux 6.12 with nvme-cli 2.13 is told by discovery and by a controller. */
import { beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, SUBSYSTEM } from './harness/gateway.ts';
import { useLab } from './harness/lab.ts';
import type { LinuxHost } from './harness/linux-host.ts';
import { LAB_ADDRESSES } from './harness/place.ts';

const MIB = 1024 * 1024;
const lab = useLab();
let gateway: Gateway;
let host: LinuxHost;
/** Block device of namespace 1, and a controller of the subsystem. */
let device: string;
let controller: string;

/** A field of Identify is a number; fields that nvme-cli prints as text are cast where they are read. */
type Fields = Record<string, number>;

function bits(value: number, mask: number): number {
  return value & mask;
}

beforeAll(async () => {
  gateway = lab.gateway();
  [host] = await Promise.all([lab.bootHost(), gateway.start()]);
  await gateway.addSubsystem();
  await gateway.addNamespace({ nsid: 1, sizeMiB: 64 });
  await gateway.addNamespace({ nsid: 2, sizeMiB: 32, blockSize: 4096 });
});

describe('discovery', () => {
  interface DiscoveryLog {
    genctr: number;
    records: Record<string, string>[];
  }

  it.each(LAB_ADDRESSES)('lists every listener of the subsystem at %s', async (address) => {
    const log = await host.json<DiscoveryLog>(`nvme discover -t tcp -a ${address} -s 8009 -o json`);
    const entries = log.records.filter((record) => record.subtype === 'nvme subsystem');
    expect(entries.map(({ subnqn, traddr, trsvcid }) => [subnqn, traddr, trsvcid.trim()]).sort()).toEqual(
      LAB_ADDRESSES.map((traddr) => [SUBSYSTEM, traddr, '4420']),
    );
    for (const entry of entries) {
      expect(entry).toMatchObject({ trtype: 'tcp', adrfam: 'ipv4', sectype: 'none' });
      expect(entry.treq).toContain('sq flow control disable supported');
    }
  });

  it('answers on the I/O port too', async () => {
    const log = await host.json<DiscoveryLog>(`nvme discover -t tcp -a ${LAB_ADDRESSES[0]} -s 4420 -o json`);
    expect(log.records.map((record) => record.subnqn)).toContain(SUBSYSTEM);
  });
});

describe('connect-all', () => {
  beforeAll(async () => {
    await host.connectAll(LAB_ADDRESSES[0]);
    device = await host.device(SUBSYSTEM, 1);
  });

  it('makes a live, optimized path over every listener', async () => {
    const paths = await host.paths(device);
    controller = paths[0].controller;
    expect(paths.map(({ address, state, anaState }) => [address, state, anaState]).sort()).toEqual(
      LAB_ADDRESSES.map((address) => [address, 'live', 'optimized']),
    );
  });

  it('gives the kernel each namespace with its size and block size', async () => {
    const second = await host.device(SUBSYSTEM, 2);
    expect([await host.sizeOf(device), await host.sizeOf(second)]).toEqual([64 * MIB, 32 * MIB]);
    expect(await host.sh(`blockdev --getss /dev/${device} /dev/${second}`)).toBe('512\n4096');
  });

  it('shows the gateway the same connections', async () => {
    interface Connections {
      connections: { nqn: string; connected: boolean; traddr: string; qpairs_count: number }[];
    }
    const { connections } = await gateway.json<Connections>('connection', 'list', '-n', SUBSYSTEM);
    expect(connections.filter((c) => c.connected && c.nqn === host.hostNqn)).toHaveLength(
      LAB_ADDRESSES.length,
    );
    for (const connection of connections) expect(connection.qpairs_count).toBeGreaterThanOrEqual(2);
  });
});

describe('identify', () => {
  it('controller: says what is served, and nothing more', async () => {
    const id = await host.json<Fields>(`nvme id-ctrl -o json /dev/${controller}`);
    const text = id as unknown as Record<string, string>;
    expect(text.subnqn).toBe(SUBSYSTEM);
    expect(text.mn.trim()).not.toBe('');
    expect(text.sn.trim()).toMatch(/^[\x21-\x7e]{1,20}$/);
    expect(text.fr.trim()).not.toBe('');
    expect(id.cntrltype).toBe(1);
    expect(id.cntlid).toBeGreaterThan(0);
    expect(id.ver).toBeGreaterThanOrEqual(0x20000);
    expect(bits(id.cmic, 0b1010), 'several controllers, ANA').toBe(0b1010);
    expect(bits(id.oaes, 0x900), 'namespace attribute and ANA change notices').toBe(0x900);
    expect(2 ** id.mdts * 4096, 'MDTS of 1 MiB').toBe(MIB);
    expect([id.sqes, id.cqes]).toEqual([0x66, 0x44]);
    expect(bits(id.oncs, 0b1101), 'Compare, Dataset Management, Write Zeroes').toBe(0b1101);
    expect(bits(id.oncs, 0b10), 'no Write Uncorrectable').toBe(0);
    expect(bits(id.fuses, 1), 'fused Compare and Write').toBe(1);
    expect(bits(id.vwc, 1), 'a volatile write cache').toBe(1);
    expect(bits(id.sgls, 0b11), 'SGLs').not.toBe(0);
    expect(id.kas).toBeGreaterThan(0);
    expect(id.anatt).toBe(30);
    expect(bits(id.anacap, 0b101), 'optimized and inaccessible are reported').toBe(0b101);
    expect([id.anagrpmax, id.nanagrpid]).toEqual([128, 128]);
    expect(id.nn).toBeGreaterThanOrEqual(id.mnan);
    expect(id.mnan).toBe(4096);
    expect(id.ioccsz * 16, 'in-capsule data of 8 KiB at least').toBeGreaterThanOrEqual(64 + 8192);
    expect([id.iorcsz, id.icdoff]).toEqual([1, 0]);
    expect(id.maxcmd).toBeGreaterThan(0);
    expect(bits(id.oacs, 0b1010), 'no format, no namespace management').toBe(0);
  });

  it('controllers of two paths differ in their ids, not in their names', async () => {
    const [a, b] = await Promise.all(
      (await host.paths(device)).map((path) =>
        host.json<Fields>(`nvme id-ctrl -o json /dev/${path.controller}`),
      ),
    );
    expect(a.cntlid).not.toBe(b.cntlid);
    expect([a.sn, a.mn, a.fr, a.subnqn]).toEqual([b.sn, b.mn, b.fr, b.subnqn]);
  });

  it('namespace: size, format, identity, sharing and ANA group', async () => {
    const id = await host.json<Fields>(`nvme id-ns -o json /dev/${device}`);
    expect([id.nsze, id.ncap]).toEqual([(64 * MIB) / 512, (64 * MIB) / 512]);
    expect(id.nuse).toBeLessThanOrEqual(id.nsze);
    expect(bits(id.nmic, 1), 'may be shared').toBe(1);
    expect(bits(id.flbas, 0x0f)).toBe(0);
    expect((id as unknown as { lbafs: Fields[] }).lbafs[0]).toMatchObject({ ms: 0, ds: 9 });
    expect(id.anagrpid).toBeGreaterThanOrEqual(1);
    expect(String(id.nguid)).toMatch(/^(?!0{32})[0-9a-f]{32}$/);
    expect(bits(id.nsattr, 1), 'not write protected').toBe(0);

    const second = await host.device(SUBSYSTEM, 2);
    const id4k = await host.json<Fields>(`nvme id-ns -o json /dev/${second}`);
    expect(id4k.nsze).toBe((32 * MIB) / 4096);
    expect((id4k as unknown as { lbafs: Fields[] }).lbafs[0].ds).toBe(12);
    expect(id4k.nguid).not.toBe(id.nguid);
  });

  it('descriptors: the UUID that the gateway lists', async () => {
    const { 'ns-descs': descriptors } = await host.json<{ 'ns-descs': Record<string, string | number>[] }>(
      `nvme ns-descs -o json /dev/${device}`,
    );
    const { namespaces } = await gateway.json<{ namespaces: { nsid: number; uuid: string }[] }>(
      'namespace',
      'list',
      '-n',
      SUBSYSTEM,
    );
    const uuid = namespaces.find(({ nsid }) => nsid === 1)?.uuid;
    expect(descriptors).toContainEqual(expect.objectContaining({ Type: 'uuid', uuid }));
    expect(descriptors).toContainEqual(expect.objectContaining({ Type: 'nguid' }));
    expect(descriptors).toContainEqual(expect.objectContaining({ Type: 'csi' }));
  });

  it('active namespaces', async () => {
    const { nsid_list } = await host.json<{ nsid_list: Fields[] }>(`nvme list-ns -o json /dev/${controller}`);
    expect(nsid_list.map(({ nsid }) => nsid)).toEqual([1, 2]);
  });
});

describe('log pages', () => {
  it('ANA: the group of each namespace, optimized', async () => {
    interface AnaGroup {
      grpid: number;
      state: string;
      NSIDS?: Fields[];
    }
    const log = await host.json<Record<string, AnaGroup[]>>(`nvme ana-log -o json /dev/${controller}`);
    const groups = log['ANA DESC LIST '].filter((group) => (group.NSIDS ?? []).length > 0);
    expect(groups.flatMap((group) => (group.NSIDS ?? []).map(({ nsid }) => nsid)).sort()).toEqual([1, 2]);
    expect(new Set(groups.map((group) => group.state))).toEqual(new Set(['optimized']));
  });

  it('SMART: healthy, and it counts', async () => {
    const command = `nvme smart-log -o json /dev/${controller}`;
    const before = await host.json<Fields>(command);
    expect([before.critical_warning, before.media_errors]).toEqual([0, 0]);
    expect(before.temperature, 'kelvin; 0 means not reported').toBeLessThan(373);
    await host.sh(`dd if=/dev/zero of=/dev/${device} bs=64k count=16 oflag=direct status=none`);
    const after = await host.json<Fields>(command);
    expect(Number(after.host_write_commands)).toBeGreaterThanOrEqual(Number(before.host_write_commands));
  });

  it('error log: no error yet', async () => {
    const { errors } = await host.json<{ errors: Fields[] }>(
      `nvme error-log -o json -e 1 /dev/${controller}`,
    );
    for (const entry of errors) expect(entry.error_count).toBe(0);
  });

  it('firmware: an active slot that holds the revision of Identify', async () => {
    const [log] = Object.values(
      await host.json<Record<string, Record<string, unknown>>>(`nvme fw-log -o json /dev/${controller}`),
    );
    expect(log['Active Firmware Slot (afi)']).toBe(1);
    expect(Object.keys(log).length, 'a revision in a slot').toBeGreaterThan(1);
  });

  it('supported log pages: the ones that these tests read', async () => {
    const output = await host.sh(`nvme supported-log-pages -o json /dev/${controller}`);
    const listed = [...output.matchAll(/0x([0-9a-f]+)/gi)].map((match) => Number.parseInt(match[1], 16));
    expect(listed).toEqual(expect.arrayContaining([0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x0c]));
  });

  it('commands and effects: the I/O commands that Identify promises', async () => {
    type Effects = { command_set_identifier: number; io_cmd_set: Record<string, number> }[];
    const log = await host.json<Effects | Effects[0]>(`nvme effects-log -o json /dev/${controller}`);
    const nvm = [log].flat().find((set) => (set.command_set_identifier ?? 0) === 0);
    const opcodes = Object.keys(nvm?.io_cmd_set ?? {}).map((name) => Number(/\d+/.exec(name)?.[0]));
    expect(opcodes.sort((a, b) => a - b)).toEqual([0, 1, 2, 5, 8, 9]);
  });
});

describe('features', () => {
  /** The value of dword 0 of the completion. */
  async function feature(id: number): Promise<number> {
    const output = await host.sh(`nvme get-feature -f ${id} /dev/${controller}`);
    return Number.parseInt(/Current value:\s*(?:0x)?([0-9a-f]+)/i.exec(output)?.[1] ?? '', 16);
  }

  it('number of queues: as many as the host has CPUs at least', async () => {
    const queues = await feature(0x07);
    expect((queues & 0xffff) + 1).toBeGreaterThanOrEqual(2);
    expect((queues >>> 16) + 1).toBeGreaterThanOrEqual(2);
  });

  it('asynchronous events: what the kernel switched on', async () => {
    expect(bits(await feature(0x0b), 0x900)).toBe(0x900);
  });

  it('keep-alive timeout: what the host connected with, in ms', async () => {
    expect(await feature(0x0f)).toBe(2000);
  });

  it('a feature that is not there gets a status, and hurts nobody', async () => {
    const { status, output } = await host.try(`nvme get-feature -f 0x7d /dev/${controller}`);
    expect(status).not.toBe(0);
    expect(output).toMatch(/invalid field/i);
    expect((await host.paths(device)).map((path) => path.state)).toEqual(LAB_ADDRESSES.map(() => 'live'));
  });
});

describe('the kernel', () => {
  it('has nothing to complain about', async () => {
    expect(await host.nvmeComplaints()).toEqual([]);
  });

  it('disconnects cleanly and comes back', async () => {
    await host.disconnectAll();
    expect(await host.sh('ls /sys/class/nvme')).toBe('');
    await host.connectAll(LAB_ADDRESSES[1]);
    expect(await host.paths(await host.device(SUBSYSTEM, 1))).toHaveLength(LAB_ADDRESSES.length);
    expect(await host.nvmeComplaints()).toEqual([]);
  });
});
