/** The basics from a Linux 6.1 with nvme-cli 2.3: it ignores MAXH2CDATA, for one. */
import { beforeAll, describe, expect, it } from 'vitest';
import { fileDigest } from './harness/backing-file.ts';
import { fio } from './harness/fio.ts';
import { type Gateway, SUBSYSTEM } from './harness/gateway.ts';
import { useLab } from './harness/lab.ts';
import type { LinuxHost } from './harness/linux-host.ts';
import { LAB_ADDRESSES } from './harness/place.ts';

const MIB = 1024 * 1024;
const lab = useLab();
let gateway: Gateway;
let host: LinuxHost;

beforeAll(async () => {
  gateway = lab.gateway();
  [host] = await Promise.all([lab.bootHost({ suite: 'bookworm' }), gateway.start()]);
  await gateway.addSubsystem();
  await gateway.addNamespace({ nsid: 1, sizeMiB: 64 });
  await gateway.addNamespace({ nsid: 2, sizeMiB: 320 });
});

describe('Linux 6.1', () => {
  it('is what runs', async () => {
    expect(await host.sh('uname -r; nvme version')).toMatch(/^6\.1\.[\s\S]*nvme version 2\.3/);
  });

  it('discovers and connects', async () => {
    expect(await host.sh(`nvme discover -t tcp -a ${LAB_ADDRESSES[0]} -s 8009`)).toContain(SUBSYSTEM);
    await host.connectAll(LAB_ADDRESSES[0]);
    const paths = await host.paths(await host.device(SUBSYSTEM, 1));
    expect(paths.map(({ address, state, anaState }) => [address, state, anaState]).sort()).toEqual(
      LAB_ADDRESSES.map((address) => [address, 'live', 'optimized']),
    );
  });

  it('identifies controller and namespace', async () => {
    const device = await host.device(SUBSYSTEM, 1);
    const controller = (await host.paths(device))[0].controller;
    const id = await host.json<Record<string, unknown>>(`nvme id-ctrl -o json /dev/${controller}`);
    expect(id).toMatchObject({ subnqn: SUBSYSTEM, anagrpmax: 128, nanagrpid: 128 });
    const ns = await host.json<Record<string, unknown>>(`nvme id-ns -o json /dev/${device}`);
    expect(ns).toMatchObject({ nsze: (64 * MIB) / 512, anagrpid: expect.any(Number) });
  });

  it.each([
    [[]],
    [['--hdr-digest']],
    [['--data-digest']],
    [['--hdr-digest', '--data-digest']],
  ] as string[][][])('verifies what it wrote, digests: %s', async (digests) => {
    await host.disconnectAll();
    await host.connectAll(LAB_ADDRESSES[0], ...digests);
    const device = await host.device(SUBSYSTEM, 1);
    await fio(host, device, {
      mixed: { rw: 'randrw', bsrange: '512-1M', size: '16M' },
      small: { rw: 'randwrite', bs: '4k', size: '16M', io_size: '2M', offset: '16M', iodepth: 32 },
      large: { rw: 'write', bs: '1M', size: '16M', offset: '32M' },
    });
    expect(await host.digest(device)).toBe(await fileDigest(gateway.backingFile(1)));
  });

  it('keeps an ext4', async () => {
    const device = await host.device(SUBSYSTEM, 2);
    await host.sh(`mkfs.ext4 -q -F /dev/${device} && mount /dev/${device} /mnt
      dd if=/dev/urandom of=/mnt/data bs=1M count=8 status=none; sha256sum /mnt/data >/tmp/sum
      umount /mnt && mount /dev/${device} /mnt && sha256sum --quiet -c /tmp/sum && umount /mnt && e2fsck -f -n /dev/${device}`);
  });

  it('hears of a namespace that grows', async () => {
    const device = await host.device(SUBSYSTEM, 1);
    await gateway.cli('namespace', 'resize', '-n', SUBSYSTEM, '--nsid', '1', '--size', '96MiB');
    await host.until('96 MiB', `[ "$(blockdev --getsize64 /dev/${device})" = ${96 * MIB} ]`);
  });

  it('has nothing to complain about', async () => {
    expect(await host.nvmeComplaints()).toEqual([]);
  });
});
