/** Identify: what comes from the target's state (NVMe Base 2.0 section 5.17); the layout of the pages is tested in test/wire. */
import { describe, expect, it } from 'vitest';
import { identifySqe, sqe } from '../../initiator/command.ts';
import {
  parseController,
  parseControllerList,
  parseDescriptors,
  parseNamespace,
  parseNamespaceList,
} from '../../initiator/identify-page.ts';
import { Status } from '../../initiator/status.ts';
import { FakeBlockDevice } from '../fake-block-device.ts';
import { BLOCK, DISCOVERY_NQN, SUBSYSTEM_NQN, TargetWorld } from '../target-world.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

function makeWorld() {
  const world = new TargetWorld();
  for (const nsid of [9, 3, 7]) world.addNamespace(nsid, 2, new FakeBlockDevice(64 * BLOCK));
  return { world, ...world.connectAdmin() };
}

describe('controller', () => {
  it('names subsystem, limits and ANA as they are', () => {
    const { world, admin, controller } = makeWorld();
    const id = parseController(admin.call(identifySqe({ cns: 1 })).data!);
    expect(id).toMatchObject({
      cntlid: controller.cntlid,
      subnqn: SUBSYSTEM_NQN,
      cntrltype: 1,
      serial: 'UNIT'.padEnd(20),
      model: 'Anagate'.padEnd(40),
      mdts: 8, // 1 MiB in pages of 4 KiB
      ioccsz: (64 + 8192) / 16,
      iorcsz: 1,
      icdoff: 0,
      anagrpmax: 4,
      nanagrpid: 4,
      nn: 4096,
      mnan: 4096,
      kas: 1,
    });
    // events that are sent, and no other
    expect(id.oaes).toBe((1 << 8) | (1 << 11));
    // ANA constants do not follow what there is
    world.addNamespace(40, 4, world.device);
    const again = parseController(admin.call(identifySqe({ cns: 1 })).data!);
    expect([again.anagrpmax, again.nanagrpid, again.mnan, again.nn]).toEqual([4, 4, 4096, 4096]);
  });

  it('of discovery is another kind, and sends another event', () => {
    const world = new TargetWorld();
    const { admin } = world.connectAdmin({ subnqn: DISCOVERY_NQN });
    const id = parseController(admin.call(identifySqe({ cns: 1 })).data!);
    expect(id).toMatchObject({ cntrltype: 2, subnqn: DISCOVERY_NQN, oaes: 0x8000_0000 });
    expect(admin.call(identifySqe({ cns: 0, nsid: 1 })).status).toBe(Status.invalidField);
    expect(admin.call(identifySqe({ cns: 2 })).status).toBe(Status.invalidField);
  });
});

describe('namespace', () => {
  it('has size, format, group and identity', () => {
    const { admin } = makeWorld();
    const id = parseNamespace(admin.call(identifySqe({ cns: 0, nsid: 3 })).data!);
    expect(id).toMatchObject({ nsze: 64, ncap: 64, blockSize: 512, metadataSize: 0, anagrpid: 2, nmic: 1 });
    expect(id.nguid).toBe('3'.padStart(32, '0'));
  });

  it.for([
    // blocks of 512 bytes, and the 1 MiB of MDTS
    {
      optimal: { boundary: 0, write: 4096, bestWrite: 4096, discard: 4096 },
      page: { noiob: 0, npwg: 8, npwa: 8, npdg: 8, npda: 8, nows: 8 },
    },
    {
      optimal: { boundary: 4 * MIB, write: 4096, bestWrite: 256 * KIB, discard: 64 * KIB },
      page: { noiob: 8192, npwg: 8, npwa: 8, npdg: 128, npda: 128, nows: 512 },
    },
    {
      optimal: { boundary: 128 * MIB, write: 512, bestWrite: 4 * MIB, discard: 32 * MIB },
      page: { noiob: 32_768, npwg: 1, npwa: 1, npdg: 65_536, npda: 65_536, nows: 2048 },
    },
  ])('prefers what its device prefers: $optimal', ({ optimal, page }) => {
    const { world, admin } = makeWorld();
    const device = Object.assign(new FakeBlockDevice(64 * BLOCK), { optimal });
    world.addNamespace(11, 2, device);
    const id = parseNamespace(admin.call(identifySqe({ cns: 0, nsid: 11 })).data!);
    expect(id).toMatchObject({ nsfeat: 0x10, ...page });
  });

  it('follows a resize', () => {
    const { world, admin } = makeWorld();
    world.subsystem.resizeNamespace(3, 128 * BLOCK);
    expect(parseNamespace(admin.call(identifySqe({ cns: 0, nsid: 3 })).data!).nsze).toBe(128);
  });

  it('a valid id without a namespace is a page of zeroes; an id that cannot be is refused', () => {
    const { admin } = makeWorld();
    for (const nsid of [2, 4096]) {
      const { status, data } = admin.call(identifySqe({ cns: 0, nsid }));
      expect(status).toBe(0);
      expect(data!.every((byte) => byte === 0)).toBe(true);
    }
    for (const nsid of [0, 4097, 0xffff_ffff])
      expect(admin.call(identifySqe({ cns: 0, nsid })).status).toBe(Status.invalidNamespace);
  });

  it('descriptors: NGUID, UUID, command set', () => {
    const { admin } = makeWorld();
    const list = parseDescriptors(admin.call(identifySqe({ cns: 3, nsid: 7 })).data!);
    expect(list.map(({ type, value }) => [type, value.toString('hex')])).toEqual([
      [2, '7'.padStart(32, '0')],
      [3, '7'.padStart(32, '0')],
      [4, '00'],
    ]);
    expect(admin.call(identifySqe({ cns: 3, nsid: 8 })).status).toBe(Status.invalidNamespace);
  });

  it('no byte of an earlier command shows through', () => {
    const { admin } = makeWorld();
    admin.call(identifySqe({ cns: 1 }));
    const { data } = admin.call(identifySqe({ cns: 0, nsid: 2 }));
    expect(data!.every((byte) => byte === 0)).toBe(true);
  });
});

describe('lists', () => {
  it('active namespaces, ascending, beyond the given id', () => {
    const { admin } = makeWorld();
    const list = (nsid: number, cns = 2) => parseNamespaceList(admin.call(identifySqe({ cns, nsid })).data!);
    expect(list(0)).toEqual([1, 3, 7, 9]);
    expect(list(3)).toEqual([7, 9]);
    expect(list(9)).toEqual([]);
    expect(list(0, 0x10)).toEqual([1, 3, 7, 9]);
    for (const nsid of [0xffff_fffe, 0xffff_ffff])
      expect(admin.call(identifySqe({ cns: 2, nsid })).status).toBe(Status.invalidNamespace);
  });

  it('of more than 1024 namespaces are read in steps', () => {
    const world = new TargetWorld();
    for (let nsid = 2500; nsid > 1; nsid--) world.addNamespace(nsid, 1, world.device);
    const { admin } = world.connectAdmin();
    const all: number[] = [];
    for (;;) {
      const part = parseNamespaceList(admin.call(identifySqe({ cns: 2, nsid: all.at(-1) ?? 0 })).data!);
      all.push(...part);
      if (part.length < 1024) break;
    }
    expect(all).toEqual(Array.from({ length: 2500 }, (_, i) => i + 1));
  });

  it('controllers of the subsystem, from the given id on', () => {
    const { world, admin, controller } = makeWorld();
    const second = world.connectAdmin();
    const ids = [controller.cntlid, second.controller.cntlid];
    const list = (cntid: number, cns: number, nsid = 0) =>
      parseControllerList(admin.call(identifySqe({ cns, cntid, nsid })).data!);
    expect(list(0, 0x13)).toEqual(ids);
    expect(list(ids[1], 0x13)).toEqual([ids[1]]);
    expect(list(0, 0x12, 1)).toEqual(ids);
    second.admin.lose();
    expect(list(0, 0x13)).toEqual([ids[0]]);
  });
});

it.each([0x09, 0x0b, 0x17, 0x20, 0xff])('CNS %i is an Invalid Field', (cns) => {
  const { admin } = makeWorld();
  expect(admin.call(identifySqe({ cns, nsid: 1 })).status).toBe(Status.invalidField);
});

it.each([0x00, 0x01, 0x04, 0x0d, 0x10, 0x11, 0x15, 0x80, 0xc0, 0xff])(
  'admin opcode %i is an Invalid Opcode',
  (opcode) => {
    const { admin } = makeWorld();
    expect(admin.call(sqe({ opcode, nsid: 1 }))).toMatchObject({ status: Status.invalidOpcode, dnr: true });
  },
);
