/** File systems on namespaces: made, filled, unmounted, checked; the bytes compared with the backing file. */
import { beforeAll, describe, expect, it } from 'vitest';
import { fileDigest, pattern, patternCommand, readExtent } from './harness/backing-file.ts';
import { type Gateway, SUBSYSTEM } from './harness/gateway.ts';
import { useLab } from './harness/lab.ts';
import type { LinuxHost } from './harness/linux-host.ts';
import { LAB_ADDRESSES } from './harness/place.ts';

const MIB = 1024 * 1024;
const lab = useLab();
let gateway: Gateway;
let host: LinuxHost;

/** xfs wants 300 MiB. */
const NAMESPACES = [
  { nsid: 1, sizeMiB: 320, blockSize: 512 },
  { nsid: 2, sizeMiB: 320, blockSize: 4096 },
] as const;

const FILE_SYSTEMS = {
  ext4: { make: 'mkfs.ext4 -q -F', check: 'e2fsck -f -n' },
  xfs: { make: 'modprobe xfs && mkfs.xfs -q -f', check: 'xfs_repair -n' },
} as const;

beforeAll(async () => {
  gateway = lab.gateway();
  [host] = await Promise.all([lab.bootHost(), gateway.start()]);
  await gateway.addSubsystem();
  for (const namespace of NAMESPACES) await gateway.addNamespace(namespace);
  await host.connectAll(LAB_ADDRESSES[0]);
});

describe.each(NAMESPACES)('$blockSize byte blocks', ({ nsid }) => {
  it.each(['ext4', 'xfs'] as const)(
    '%s: files written are files read, and the check is clean',
    async (type) => {
      const device = await host.device(SUBSYSTEM, nsid);
      const { make, check } = FILE_SYSTEMS[type];
      await host.sh(`${make} /dev/${device} && mkdir -p /mnt/${type} && mount /dev/${device} /mnt/${type}`);
      await host.sh(`cd /mnt/${type}
      ${patternCommand(8 * MIB)} >pattern
      mkdir many; for i in $(seq 200); do echo "file $i" >many/$i; done; rm many/*7
      cp pattern holes; fallocate -p -o 65536 -l 1048576 holes; sync
      mv many/1 many/renamed; ln -s pattern link; sha256sum pattern holes many/* >/tmp/sums.${type}`);
      // again from the device: what is in the page cache proves nothing
      await host.sh(`umount /mnt/${type} && mount /dev/${device} /mnt/${type}
      cd /mnt/${type} && sha256sum --quiet -c /tmp/sums.${type} && [ "$(ls many | wc -l)" = 180 ]`);
      await host.sh(`fstrim -v /mnt/${type}; cd /mnt/${type} && sha256sum --quiet -c /tmp/sums.${type}`);
      await host.sh(`umount /mnt/${type}`);
      await host.sh(`${check} /dev/${device}`);
      await host.sh(`sync; echo 3 >/proc/sys/vm/drop_caches`);
      expect(await host.digest(device)).toBe(await fileDigest(gateway.backingFile(nsid)));
    },
  );
});

describe('raw bytes', () => {
  it('written by the host are in the file at the same place', async () => {
    const device = await host.device(SUBSYSTEM, 1);
    await host.sh(
      `${patternCommand(4 * MIB)} | dd of=/dev/${device} bs=64k iflag=fullblock oflag=direct seek=16 status=none`,
    );
    const written = await readExtent(gateway.backingFile(1), MIB, 4 * MIB);
    expect(written.equals(pattern(4 * MIB))).toBe(true);
  });

  it('that stood in the file before are what the host reads', async () => {
    const path = await gateway.makeBackingFile(3, pattern(16 * MIB));
    await gateway.addNamespace({ nsid: 3 });
    const device = await host.device(SUBSYSTEM, 3);
    expect(await host.sizeOf(device)).toBe(16 * MIB);
    await host.sh(`${patternCommand(16 * MIB)} | cmp - /dev/${device}`);
    expect(await fileDigest(path)).toBe(await host.digest(device));
  });

  it('left the kernel nothing to complain about', async () => {
    expect(await host.nvmeComplaints()).toEqual([]);
  });
});
