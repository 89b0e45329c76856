/** Identify: controller and namespace pages, lists and descriptors (NVMe Base 2.0 section 5.17, NVM command set 1.0 section 4.1.5). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identifySqe } from '../initiator/command.ts';
import { DISCOVERY_NQN, HostController } from '../initiator/controller.ts';
import {
  parseControllerList,
  parseDescriptors,
  parseNamespace,
  parseNamespaceList,
} from '../initiator/identify-page.ts';
import { Status } from '../initiator/status.ts';
import { expectStatus, stopClean, withHost } from './expectations.ts';
import { EXTERNAL, NS_READ_ONLY, NS4K, NS512, startWorld, type World } from './world.ts';

/** NSFEAT: NPWG, NPWA, NPDG, NPDA and NOWS are given. */
const OPTPERF = 0x10;

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => stopClean(world));

describe('Identify Controller', () => {
  it('names the controller and the subsystem', async () => {
    await withHost(world, {}, async (host) => {
      expect(host.id.cntlid).toBe(host.cntlid);
      expect(host.id.subnqn).toBe(world.subnqn);
      expect(host.id.serial.trim()).not.toBe('');
      expect(host.id.model.trim()).not.toBe('');
      expect(host.id.firmware.trim()).not.toBe('');
      for (const text of [host.id.serial, host.id.model, host.id.firmware])
        expect(text).toMatch(/^[\x20-\x7e]+$/);
      expect(host.id.cntrltype).toBe(1);
    });
  });

  it('has entry sizes, capsule sizes and SGL support that fabrics need', async () => {
    await withHost(world, {}, async (host) => {
      expect(host.id.sqes).toBe(0x66);
      expect(host.id.cqes).toBe(0x44);
      expect(host.id.ioccsz).toBeGreaterThanOrEqual(4 + 8192 / 16);
      expect(host.id.iorcsz).toBe(1);
      expect(host.id.icdoff).toBe(0);
      expect(host.id.fcatt & 1, 'dynamic controller model').toBe(0);
      expect(host.id.msdbd).toBeGreaterThanOrEqual(1);
      expect(host.id.sgls & 3, 'SGLs supported').not.toBe(0);
      expect((host.id.sgls >>> 20) & 1, 'offset SGLs for in-capsule data').toBe(1);
      expect(host.id.maxcmd, 'mandatory on fabrics').toBeGreaterThan(0);
      expect(host.id.kas).toBeGreaterThan(0);
    });
  });

  it.skipIf(EXTERNAL)('says exactly what is supported', async () => {
    await withHost(world, {}, async (host) => {
      const { id } = host;
      expect(id.oncs & 1, 'Compare').toBe(1);
      expect((id.oncs >> 2) & 1, 'Dataset Management').toBe(1);
      expect((id.oncs >> 3) & 1, 'Write Zeroes').toBe(1);
      expect((id.oncs >> 1) & 1, 'Write Uncorrectable').toBe(0);
      expect((id.oncs >> 5) & 1, 'reservations').toBe(0);
      expect((id.oncs >> 7) & 1, 'Verify').toBe(0);
      expect((id.oncs >> 8) & 1, 'Copy').toBe(0);
      expect(id.fuses & 1, 'fused Compare and Write').toBe(1);
      expect(id.acwu).toBeGreaterThanOrEqual(0);
      expect(id.oacs & 0x00ff, 'no format, firmware, namespace management').toBe(0);
      expect(2 ** id.mdts * 4096).toBe(world.control!.settings.maxTransferBytes);
      expect(id.aerl + 1).toBe(world.control!.settings.maxAsyncEventRequests);
      expect(id.ioccsz * 16 - 64).toBe(world.control!.settings.inCapsuleDataBytes);
      expect((id.oaes >>> 8) & 1, 'namespace attribute notices').toBe(1);
      expect((id.oaes >>> 11) & 1, 'ANA change notices').toBe(1);
      expect(id.oaes & ~((1 << 8) | (1 << 11)), 'no other events').toBe(0);
    });
  });

  it('reports ANA with constants that do not change', async () => {
    await withHost(world, {}, async (host) => {
      expect((host.id.cmic >> 3) & 1, 'ANA reporting').toBe(1);
      expect((host.id.cmic >> 1) & 1, 'two or more controllers').toBe(1);
      expect(host.id.anacap & 0x7).toBe(0x7);
      expect(host.id.anatt).toBeGreaterThan(0);
      expect(host.id.anagrpmax).toBeGreaterThanOrEqual(1);
      expect(host.id.nanagrpid).toBe(host.id.anagrpmax);
      expect(host.id.mnan).toBeLessThanOrEqual(host.id.nn);
      expect(host.id.mnan).toBeGreaterThan(0);
    });
  });

  it('a transfer length other than 4096 is refused', async () => {
    await withHost(world, {}, async (host) => {
      expectStatus(
        await host.admin.submit(identifySqe({ cns: 1 }), { readLength: 512 }),
        Status.dataSglLength,
      );
      expectStatus(await host.admin.submit(identifySqe({ cns: 1 }), { readLength: 0 }), Status.dataSglLength);
    });
  });

  it('an unknown CNS is Invalid Field', async () => {
    await withHost(world, {}, async (host) => {
      for (const cns of [0x0b, 0x7f, 0xfd]) {
        const completion = await host.identify({ cns });
        expectStatus(completion, Status.invalidField);
        expect(completion.dnr).toBe(true);
      }
    });
  });

  it('of a discovery controller has its type, no namespaces, and answers with its own NQN', async () => {
    const host = await HostController.connectAdmin({ ...world.a, subnqn: DISCOVERY_NQN });
    await host.enable();
    expect(host.id.cntrltype).toBe(2);
    expect(host.id.subnqn).toBe(DISCOVERY_NQN);
    expect(host.id.cntlid).toBe(host.cntlid);
    expect(host.violations).toEqual([]);
    await host.drop();
  });
});

it('MAXH2CDATA is at least the transfer limit: old kernels do not look at it', async () => {
  await withHost(world, {}, async (host) => {
    const limit = host.id.mdts === 0 ? 1024 * 1024 : 4096 * 2 ** host.id.mdts;
    for (const queue of [host.admin, host.io[0]]) expect(queue.ic.maxH2cData).toBeGreaterThanOrEqual(limit);
  });
});

describe('Identify Namespace', () => {
  it.each([
    [NS512, 512],
    [NS4K, 4096],
  ])('%i has blocks of %i bytes', async (nsid, blockSize) => {
    await withHost(world, {}, async (host) => {
      const page = await host.identifyNamespace(nsid);
      expect(page.blockSize).toBe(blockSize);
      expect(page.metadataSize).toBe(0);
      expect(page.nsze).toBeGreaterThan(0);
      expect(page.ncap).toBe(page.nsze);
      expect(page.nuse).toBeLessThanOrEqual(page.ncap);
      expect(page.nmic & 1, 'shared').toBe(1);
      expect(page.anagrpid).toBeGreaterThanOrEqual(1);
      expect(page.anagrpid).toBeLessThanOrEqual(host.id.anagrpmax);
    });
  });

  it.each([NS512, NS4K])('%i prefers sizes that fit each other and a command', async (nsid) => {
    await withHost(world, {}, async (host) => {
      const page = await host.identifyNamespace(nsid);
      if (!EXTERNAL) expect(page.nsfeat & OPTPERF).toBe(OPTPERF);
      else if ((page.nsfeat & OPTPERF) === 0) return;
      const { npwg, npwa, npdg, npda, nows, noiob } = page;
      const mostBlocks = (2 ** host.id.mdts * 4096) / page.blockSize;
      expect(npwg).toBeLessThanOrEqual(mostBlocks);
      expect(nows).toBeLessThanOrEqual(mostBlocks);
      expect([npwg % npwa, npdg % npda, nows % npwg, noiob % npwg]).toEqual([0, 0, 0, 0]);
      if (!EXTERNAL) expect(Math.log2(noiob) % 1, 'Linux takes a power of two only').toBe(0);
    });
  });

  it.skipIf(EXTERNAL)('a namespace that takes no writes says so', async () => {
    await withHost(world, {}, async (host) => {
      expect((await host.identifyNamespace(NS_READ_ONLY)).nsattr & 1).toBe(1);
      expect((await host.identifyNamespace(NS512)).nsattr & 1).toBe(0);
    });
  });

  it('an NSID that is valid but not active gives zeroes', async () => {
    await withHost(world, {}, async (host) => {
      const completion = await host.identify({ cns: 0, nsid: Math.min(host.id.nn, 1000) });
      expectStatus(completion, Status.success);
      expect(completion.data.every((byte) => byte === 0)).toBe(true);
    });
  });

  it.each([0, 0xfffffffe])('NSID %i is Invalid Namespace or Format', async (nsid) => {
    await withHost(world, {}, async (host) => {
      expectStatus(await host.identify({ cns: 0, nsid }), Status.invalidNamespace);
    });
  });

  it.skipIf(EXTERNAL)('NSID over NN is Invalid Namespace or Format', async () => {
    await withHost(world, {}, async (host) => {
      expectStatus(await host.identify({ cns: 0, nsid: host.id.nn + 1 }), Status.invalidNamespace);
    });
  });

  it.skipIf(EXTERNAL)('FFFFFFFFh gives what all namespaces share, or is refused', async () => {
    await withHost(world, {}, async (host) => {
      expectStatus(
        await host.identify({ cns: 0, nsid: 0xffffffff }),
        Status.success,
        Status.invalidNamespace,
      );
    });
  });
});

describe('lists', () => {
  it('the active list ascends and continues after the given NSID', async () => {
    await withHost(world, {}, async (host) => {
      const all = await host.activeNamespaces();
      expect(all).toEqual([...all].sort((x, y) => x - y));
      expect(all).toContain(NS512);
      expect(all).toContain(NS4K);
      const tail = parseNamespaceList((await host.identify({ cns: 2, nsid: NS512 })).data);
      expect(tail).toEqual(all.filter((nsid) => nsid > NS512));
      expect(parseNamespaceList((await host.identify({ cns: 2, nsid: 0xfffffffd })).data)).toEqual([]);
    });
  });

  it.each([0xfffffffe, 0xffffffff])(
    'the active list from %i is Invalid Namespace or Format',
    async (nsid) => {
      await withHost(world, {}, async (host) => {
        expectStatus(await host.identify({ cns: 2, nsid }), Status.invalidNamespace);
      });
    },
  );

  it.skipIf(EXTERNAL)('the allocated list and the NVM lists equal the active list', async () => {
    await withHost(world, {}, async (host) => {
      const all = await host.activeNamespaces();
      for (const spec of [{ cns: 0x10 }, { cns: 0x07, csi: 0 }, { cns: 0x1a, csi: 0 }]) {
        const completion = await host.identify({ ...spec, nsid: 0 });
        if (spec.cns === 0x1a && completion.status === Status.invalidField) continue;
        expectStatus(completion, Status.success);
        expect(parseNamespaceList(completion.data)).toEqual(all);
      }
    });
  });

  it.skipIf(EXTERNAL)('controller lists hold this controller', async () => {
    await withHost(world, {}, async (host) => {
      await withHost(world, { ...world.b }, async (other) => {
        for (const spec of [{ cns: 0x13 }, { cns: 0x12, nsid: NS512 }]) {
          const completion = await host.identify({ ...spec, cntid: 0 });
          expectStatus(completion, Status.success);
          const list = parseControllerList(completion.data);
          expect(list).toContain(host.cntlid);
          expect(list).toContain(other.cntlid);
          expect(list).toEqual([...list].sort((x, y) => x - y));
          const tail = parseControllerList((await host.identify({ ...spec, cntid: host.cntlid + 1 })).data);
          expect(tail).not.toContain(host.cntlid);
          expect(tail.every((id) => id > host.cntlid)).toBe(true);
        }
      });
    });
  });
});

describe('descriptors and command set pages', () => {
  it('a namespace has descriptors that agree with its page', async () => {
    await withHost(world, {}, async (host) => {
      for (const nsid of [NS512, NS4K]) {
        const page = await host.identifyNamespace(nsid);
        const list = parseDescriptors((await host.identify({ cns: 3, nsid })).data);
        const nguid = list.find((descriptor) => descriptor.type === 2);
        const uuid = list.find((descriptor) => descriptor.type === 3);
        const csi = list.find((descriptor) => descriptor.type === 4);
        expect(nguid ?? uuid).toBeDefined();
        if (nguid) expect(nguid.value.toString('hex')).toBe(page.nguid);
        if (uuid) expect(uuid.value.length).toBe(16);
        if (csi) expect([...csi.value]).toEqual([0]);
        expect(new Set(list.map((descriptor) => descriptor.type)).size).toBe(list.length);
      }
    });
  });

  it('descriptors of an NSID that is not active are refused', async () => {
    await withHost(world, {}, async (host) => {
      expectStatus(await host.identify({ cns: 3, nsid: 1000 }), Status.invalidNamespace, Status.invalidField);
    });
  });

  it.skipIf(EXTERNAL)('identifiers are the same on both paths', async () => {
    await withHost(world, {}, async (one) => {
      await withHost(world, { ...world.b }, async (two) => {
        for (const nsid of await one.activeNamespaces()) {
          expect((await one.identify({ cns: 0, nsid })).data).toEqual(
            (await two.identify({ cns: 0, nsid })).data,
          );
          expect((await one.identify({ cns: 3, nsid })).data).toEqual(
            (await two.identify({ cns: 3, nsid })).data,
          );
        }
        expect(one.id.serial).toBe(two.id.serial);
        expect(one.id.model).toBe(two.id.model);
        expect(one.id.nanagrpid).toBe(two.id.nanagrpid);
        expect(one.id.mnan).toBe(two.id.mnan);
        expect(one.cntlid).not.toBe(two.cntlid);
      });
    });
  });

  it.skipIf(EXTERNAL)('the pages of NVMe 2.0 exist: 05h, 06h, 08h, 11h, 1Ch', async () => {
    await withHost(world, {}, async (host) => {
      expectStatus(await host.identify({ cns: 0x05, nsid: NS512, csi: 0 }), Status.success);
      expectStatus(await host.identify({ cns: 0x06, csi: 0 }), Status.success);
      const independent = await host.identify({ cns: 0x08, nsid: NS512 });
      expectStatus(independent, Status.success);
      const page = await host.identifyNamespace(NS512);
      expect(independent.data[1] & 1, 'NMIC').toBe(page.nmic & 1);
      expect(independent.data.readUInt32LE(4), 'ANAGRPID').toBe(page.anagrpid);
      expect(independent.data[14] & 1, 'NSTAT: ready').toBe(1);
      const allocated = await host.identify({ cns: 0x11, nsid: NS512 });
      expectStatus(allocated, Status.success);
      expect(parseNamespace(allocated.data).nsze).toBe(page.nsze);
      const sets = await host.identify({ cns: 0x1c, cntid: 0xffff });
      expectStatus(sets, Status.success);
      expect(sets.data.readBigUInt64LE(0) & 1n, 'NVM command set').toBe(1n);
    });
  });

  it.skipIf(EXTERNAL)('another command set identifier is refused', async () => {
    await withHost(world, {}, async (host) => {
      for (const cns of [0x05, 0x06, 0x07]) {
        // Zoned is csi 2; the key value set 1 is not there either.
        expectStatus(await host.identify({ cns, nsid: cns === 5 ? NS512 : 0, csi: 2 }), Status.invalidField);
      }
    });
  });
});
