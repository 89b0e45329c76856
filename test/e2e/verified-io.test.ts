/** fio with verification over several queues, with every combination of digests; the end state compared with the file. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fileDigest, readsAsZeroes } from './harness/backing-file.ts';
import { type FioOptions, fio } from './harness/fio.ts';
import { type Gateway, SUBSYSTEM } from './harness/gateway.ts';
import { useLab } from './harness/lab.ts';
import type { LinuxHost } from './harness/linux-host.ts';
import { LAB_ADDRESSES } from './harness/place.ts';

const MIB = 1024 * 1024;
const lab = useLab();
let gateway: Gateway;
let host: LinuxHost;

const NAMESPACES = [
  { nsid: 1, sizeMiB: 64, blockSize: 512 },
  { nsid: 2, sizeMiB: 64, blockSize: 4096 },
] as const;

/** Where the trims go: written by the job before, all zeroes after. */
const TRIMMED = { offset: 48 * MIB, length: 16 * MIB };

/** Four jobs at once, each on a quarter of 64 MiB. */
function mixedJobs(blockSize: number): Record<string, FioOptions> {
  return {
    mixed: { rw: 'randrw', rwmixread: 40, bsrange: `${blockSize}-1M`, size: '16M', offset: 0 },
    small: {
      rw: 'randwrite',
      bssplit: blockSize === 512 ? '512/25:1k/15:4k/40:32k/20' : '4k/60:8k/20:32k/20',
      size: '16M',
      io_size: '4M',
      offset: '16M',
      iodepth: 32,
    },
    overwritten: { rw: 'trimwrite', bs: '64k', size: '16M', offset: '32M' },
    trimmed: { rw: 'randtrim', bs: '128k', size: '16M', offset: TRIMMED.offset, verify: 0 },
  };
}

beforeAll(async () => {
  gateway = lab.gateway();
  [host] = await Promise.all([lab.bootHost(), gateway.start()]);
  await gateway.addSubsystem();
  for (const namespace of NAMESPACES) await gateway.addNamespace(namespace);
});

afterEach(async () => {
  await host.disconnectAll();
});

describe.each([
  { digests: [] as string[] },
  { digests: ['--hdr-digest'] },
  { digests: ['--data-digest'] },
  { digests: ['--hdr-digest', '--data-digest'] },
])('digests: $digests', ({ digests }) => {
  it.each(NAMESPACES)(
    'mixed sizes, reads, writes and trims on $blockSize byte blocks',
    async ({ nsid, blockSize }) => {
      await host.connectAll(LAB_ADDRESSES[0], '--nr-io-queues=2', ...digests);
      const device = await host.device(SUBSYSTEM, nsid);
      const { offset, length } = TRIMMED;
      await host.sh(
        `dd if=/dev/urandom of=/dev/${device} bs=1M count=${length / MIB} seek=${offset / MIB} oflag=direct status=none`,
      );

      const reports = await fio(host, device, mixedJobs(blockSize));

      expect(reports.map((report) => report.name)).toEqual(['mixed', 'small', 'overwritten', 'trimmed']);
      for (const report of reports)
        expect(report.writtenBytes + report.trimmedBytes).toBeGreaterThan(4 * MIB - 1);
      expect(await readsAsZeroes(gateway.backingFile(nsid), offset, length)).toBe(true);
      expect(await host.digest(device)).toBe(await fileDigest(gateway.backingFile(nsid)));
      expect(await host.nvmeComplaints()).toEqual([]);
    },
  );
});

describe('the edges', () => {
  it('transfers of every size up to beyond MDTS, at odd offsets, come back whole', async () => {
    await host.connectAll(LAB_ADDRESSES[0]);
    const device = await host.device(SUBSYSTEM, 1);
    for (const bs of ['512', '8k', '8704', '1M', '4M']) {
      await fio(host, device, {
        [`of-${bs}`]: { rw: 'write', bs, size: bs === '512' ? '256k' : '8M', offset: 512 * 7, iodepth: 4 },
      });
    }
    expect(await host.digest(device)).toBe(await fileDigest(gateway.backingFile(1)));
  });

  it('every queue carries I/O', async () => {
    await host.connectAll(LAB_ADDRESSES[0]);
    const device = await host.device(SUBSYSTEM, 1);
    const job: FioOptions = { rw: 'randwrite', bs: '4k', size: '8M', io_size: '2M' };
    await fio(host, device, {
      first: { ...job, cpus_allowed: 0, offset: 0 },
      second: { ...job, cpus_allowed: 1, offset: '8M' },
    });
    interface Connections {
      connections: { connected: boolean; qpairs_count: number }[];
    }
    const { connections } = await gateway.json<Connections>('connection', 'list', '-n', SUBSYSTEM);
    for (const connection of connections.filter(({ connected }) => connected))
      expect(connection.qpairs_count, 'the admin queue and one for each CPU').toBe(3);
  });

  it('a flush and a forced unit access reach the gateway without error', async () => {
    await host.connectAll(LAB_ADDRESSES[0]);
    const device = await host.device(SUBSYSTEM, 1);
    await fio(host, device, {
      synced: { rw: 'randwrite', bs: '4k', size: '4M', io_size: '512k', fsync: 8, sync: 'dsync', iodepth: 1 },
    });
    expect(await host.nvmeComplaints()).toEqual([]);
  });

  it('Write Zeroes, Compare and a miscompare', async () => {
    await host.connectAll(LAB_ADDRESSES[0]);
    const device = await host.device(SUBSYSTEM, 1);
    await host.sh(`yes anagate | head -c 65536 >/tmp/data
      nvme write /dev/${device} -s 64 -c 127 -z 65536 -d /tmp/data
      nvme compare /dev/${device} -s 64 -c 127 -z 65536 -d /tmp/data
      nvme write-zeroes /dev/${device} -s 64 -c 15`);
    const { status, output } = await host.try(
      `nvme compare /dev/${device} -s 64 -c 127 -z 65536 -d /tmp/data`,
    );
    expect(status).not.toBe(0);
    expect(output).toMatch(/compare fail/i);
    expect(await readsAsZeroes(gateway.backingFile(1), 64 * 512, 16 * 512)).toBe(true);
    expect(await readsAsZeroes(gateway.backingFile(1), 80 * 512, 512)).toBe(false);
  });
});
