/** Get Log Page: every page, offsets and lengths, what is not there (NVMe Base 2.0 section 5.16). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getLogPageSqe, IoOpcode, ioSqe } from '../initiator/command.ts';
import { DISCOVERY_NQN, HostController } from '../initiator/controller.ts';
import { LogId, parseAnaLog } from '../initiator/log-page.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, stopClean, withHost } from './expectations.ts';
import { pattern } from './random.ts';
import { EXTERNAL, NS512, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => stopClean(world));

const LENGTHS: readonly [string, number, number][] = [
  ['error information', LogId.error, 64],
  ['SMART', LogId.smart, 512],
  ['firmware slot', LogId.firmware, 512],
  ['changed namespaces', LogId.changedNamespaces, 4096],
  ['commands supported and effects', LogId.commandEffects, 4096],
];

describe('pages', () => {
  it.each(LENGTHS)('%s can be read whole, and longer than it is', async (_name, lid, length) => {
    await withHost(world, {}, async (host) => {
      const whole = await host.getLog({ lid, length });
      expectStatus(whole, Status.success);
      expect(whole.received).toBe(length);
    });
  });

  it.skipIf(EXTERNAL)('the supported pages tell the truth', async () => {
    await withHost(world, {}, async (host) => {
      const completion = await host.getLog({ lid: LogId.supported, length: 1024 });
      expectStatus(completion, Status.success);
      for (let lid = 0; lid < 256; lid++) {
        const supported = (completion.data.readUInt32LE(4 * lid) & 1) === 1;
        const attempt = await host.getLog({ lid, length: 64, rae: true });
        if (supported) expectStatus(attempt, Status.success);
        else expectStatus(attempt, Status.invalidLogPage, Status.invalidField);
      }
      for (const lid of [0, 1, 2, 3, 4, 5, 0xc])
        expect(completion.data.readUInt32LE(4 * lid) & 1, `LID ${lid}`).toBe(1);
    });
  });

  it.skipIf(EXTERNAL)('a page that is not about namespaces is not one of a namespace', async () => {
    await withHost(world, {}, async (host) => {
      const read = (lid: number, nsid: number) =>
        host.admin.submit(getLogPageSqe({ lid, length: 64, nsid, rae: true }), { readLength: 64 });
      for (const lid of [0, 1, 3, 4, 5, 0xc, 0x12]) {
        expectStatus(await read(lid, NS512), Status.invalidField);
        for (const nsid of [0, 0xffffffff]) expectStatus(await read(lid, nsid), Status.success);
      }
      expectStatus(await read(LogId.smart, NS512), Status.success);
    });
  });

  it.skipIf(EXTERNAL)('the effects page agrees with what Identify says', async () => {
    await withHost(world, {}, async (host) => {
      const { data } = await host.getLog({ lid: LogId.commandEffects, length: 4096 });
      const admin = (opcode: number) => data.readUInt32LE(4 * opcode) & 1;
      const io = (opcode: number) => data.readUInt32LE(1024 + 4 * opcode);
      for (const opcode of [0x02, 0x06, 0x08, 0x09, 0x0a, 0x0c, 0x18])
        expect(admin(opcode), `admin ${opcode}`).toBe(1);
      for (const opcode of [0x00, 0x01, 0x04, 0x05, 0x0d, 0x80])
        expect(admin(opcode), `admin ${opcode}`).toBe(0);
      for (const opcode of [0, 1, 2, 5, 8, 9]) expect(io(opcode) & 1, `I/O ${opcode}`).toBe(1);
      for (const opcode of [4, 0xc, 0xd, 0x19]) expect(io(opcode) & 1, `I/O ${opcode}`).toBe(0);
      for (const opcode of [1, 8, 9]) expect(io(opcode) & 2, `I/O ${opcode} changes blocks`).toBe(2);
    });
  });

  it.skipIf(EXTERNAL)('SMART counts commands and data', async () => {
    await withHost(world, {}, async (host) => {
      const before = (await host.getLog({ lid: LogId.smart, length: 512 })).data;
      for (let i = 0; i < 20; i++) expectStatus(await host.read(NS512, i, 8, 512), Status.success);
      const after = (await host.getLog({ lid: LogId.smart, length: 512 })).data;
      expect(after[0], 'no critical warning').toBe(0);
      expect(
        after.readBigUInt64LE(64) - before.readBigUInt64LE(64),
        'host read commands',
      ).toBeGreaterThanOrEqual(20n);
      expect(after[3], 'available spare').toBe(100);
      const kelvin = after.readUInt16LE(1);
      expect(kelvin === 0 || (kelvin > 273 && kelvin < 400)).toBe(true);
    });
  });

  it.skipIf(EXTERNAL)('a failed command is in the error log, newest first', async () => {
    await withHost(world, {}, async (host) => {
      const page = await host.identifyNamespace(NS512);
      const failed = await host.read(NS512, page.nsze, 1, 512);
      expectStatus(failed, Status.lbaRange);
      const { data } = await host.getLog({ lid: LogId.error, length: 64 });
      expect(data.readBigUInt64LE(0)).toBeGreaterThan(0n);
      expect(data.readUInt16LE(8), 'SQID').toBe(1);
      expect(data.readUInt16LE(10), 'CID').toBe(failed.cid);
      expect((data.readUInt16LE(12) >> 1) & 0x7ff, 'status').toBe(Status.lbaRange);
      expect(data.readUInt32LE(24), 'NSID').toBe(NS512);
    });
  });
});

describe('offset and length', () => {
  it.each([
    ['effects', LogId.commandEffects, 4096],
    ['ANA', LogId.ana, 48],
  ])('%s in pieces equals the whole', async (_name, lid, length) => {
    await withHost(world, {}, async (host) => {
      const whole = (await host.getLog({ lid, length, rae: true })).data;
      for (const piece of [4, 16, length / 2]) {
        const parts: Buffer[] = [];
        for (let offset = 0; offset < length; offset += piece) {
          if (piece === 4 && offset > 64) break;
          const completion = await host.getLog({
            lid,
            length: Math.min(piece, length - offset),
            offset,
            rae: true,
          });
          expectStatus(completion, Status.success);
          parts.push(completion.data);
        }
        const joined = Buffer.concat(parts);
        expect(joined.equals(whole.subarray(0, joined.length))).toBe(true);
      }
    });
  });

  it('an offset that is not a multiple of 4 is Invalid Field', async () => {
    await withHost(world, {}, async (host) => {
      expectStatus(await host.getLog({ lid: LogId.smart, length: 16, offset: 2 }), Status.invalidField);
    });
  });

  it.skipIf(EXTERNAL)('an offset past the end is Invalid Field', async () => {
    await withHost(world, {}, async (host) => {
      expectStatus(
        await host.getLog({ lid: LogId.smart, length: 16, offset: 1024 * 1024 }),
        Status.invalidField,
      );
      expectStatus(await host.getLog({ lid: LogId.smart, length: 16, offset: 2 ** 40 }), Status.invalidField);
    });
  });

  it('NUMD and the SGL length must agree', async () => {
    await withHost(world, {}, async (host) => {
      const command = getLogPageSqe({ lid: LogId.smart, length: 512 });
      expectStatus(await host.admin.submit(command, { readLength: 256 }), Status.dataSglLength);
    });
  });

  it.skipIf(EXTERNAL)('a NUMD over the transfer limit is refused', async () => {
    await withHost(world, {}, async (host) => {
      const command = getLogPageSqe({ lid: LogId.ana, length: 2 ** 30 });
      expectStatus(
        await host.admin.submit(command, { readLength: 2 ** 30 }),
        Status.invalidField,
        Status.dataSglLength,
      );
    });
  });

  it('a page that does not exist is Invalid Log Page', async () => {
    await withHost(world, {}, async (host) => {
      for (const lid of [0x0e, 0x70, 0xbf]) {
        expectStatus(
          await host.getLog({ lid, length: 512 }),
          Status.invalidLogPage,
          ...(EXTERNAL ? [Status.invalidField] : []),
        );
      }
    });
  });

  it('on a discovery controller the NVM pages do not exist', async () => {
    const host = await HostController.connectAdmin({ ...world.a, subnqn: DISCOVERY_NQN });
    await host.enable();
    for (const lid of [LogId.smart, LogId.ana, LogId.changedNamespaces]) {
      expectStatus(
        await host.getLog({ lid, length: 512 }),
        Status.invalidLogPage,
        Status.invalidField,
        Status.invalidOpcode,
      );
    }
    await host.drop();
  });
});

describe('the ANA page', () => {
  it('lists every namespace in exactly one group, and none with RGO', async () => {
    await withHost(world, {}, async (host) => {
      const log = await host.anaLog();
      const listed = log.groups.flatMap((group) => group.nsids);
      expect([...listed].sort((x, y) => x - y)).toEqual(await host.activeNamespaces());
      for (const group of log.groups) {
        for (const nsid of group.nsids) expect((await host.identifyNamespace(nsid)).anagrpid).toBe(group.id);
      }
      const ids = log.groups.map((group) => group.id);
      expect(ids).toEqual([...new Set(ids)].sort((x, y) => x - y));
      const short = await host.anaLog({ rgo: true });
      expect(short.groups.map((group) => [group.id, group.state])).toEqual(
        log.groups.map((group) => [group.id, group.state]),
      );
      expect(short.groups.every((group) => group.nsids.length === 0)).toBe(true);
    });
  });

  it('cut short, it can be read on', async () => {
    await withHost(world, {}, async (host) => {
      const whole = await host.anaLog({ rae: true });
      const first = await host.getLog({ lid: LogId.ana, length: 16, rae: true });
      expectStatus(first, Status.success);
      expect(first.data.readUInt16LE(8)).toBe(whole.groups.length);
      const rest = await host.getLog({ lid: LogId.ana, length: whole.length - 16, offset: 16, rae: false });
      expectStatus(rest, Status.success);
      expect(parseAnaLog(Buffer.concat([first.data, rest.data]))).toEqual(whole);
    });
  });
});

describe('Identify and logs under load', () => {
  it('admin commands and I/O in flight do not mix', async () => {
    await withHost(world, { ioQueues: 2 }, async (host) => {
      const data = pattern(4096, 3);
      expectStatus(await host.write(NS512, 0, 8, data), Status.success);
      const reads = Array.from({ length: 64 }, (_, i) =>
        host.io[i % host.io.length].submit(ioSqe(IoOpcode.read, NS512, 0, 8), { readLength: 4096 }),
      );
      const pages = Array.from({ length: 24 }, (_, i) =>
        i % 2 ? host.identify({ cns: 1 }) : host.getLog({ lid: LogId.smart, length: 512 }),
      );
      for (const completion of await Promise.all(reads)) expect(completion.data.equals(data)).toBe(true);
      for (const completion of await Promise.all(pages)) expectStatus(completion, Status.success);
    });
  });
});
