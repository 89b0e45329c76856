/** Disks of a real Linux host that are images of a real Ceph cluster. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CephCluster } from './harness/ceph.ts';
import { fio } from './harness/fio.ts';
import { type Gateway, SUBSYSTEM } from './harness/gateway.ts';
import { useLab } from './harness/lab.ts';
import type { LinuxHost } from './harness/linux-host.ts';
import { LAB_ADDRESSES } from './harness/place.ts';

const MIB = 1024 * 1024;
const lab = useLab();
let ceph: CephCluster;
let gateway: Gateway;
let host: LinuxHost;

async function addImage(nsid: number, group: number, ...more: string[]): Promise<void> {
  const image = ['-p', 'rbd', '-i', `disk${nsid}`, '--rbd-create-image', '--size', '64MiB'];
  const place = ['--nsid', String(nsid), '--load-balancing-group', String(group)];
  await gateway.cli('namespace', 'add', '-n', SUBSYSTEM, ...image, ...place, ...more);
}

beforeAll(async () => {
  ceph = new CephCluster(lab);
  gateway = lab.gateway({ serve: ['--ceph-conf', ceph.conf] });
  [host] = await Promise.all([lab.bootHost(), ceph.start().then(() => gateway.start())]);
  await gateway.addSubsystem();
  await addImage(1, 1);
  await addImage(2, 2, '--block-size', '4096');
  await host.connectAll(LAB_ADDRESSES[0]);
});

afterAll(async () => {
  await ceph?.script('stop');
});

it('the host learns from the image which sizes of I/O suit it', async () => {
  const limits = async (nsid: number): Promise<number[]> => {
    const queue = `/sys/block/${await host.device(SUBSYSTEM, nsid)}/queue`;
    const names = ['minimum_io_size', 'optimal_io_size', 'chunk_sectors', 'max_sectors_kb'];
    return (await host.sh(names.map((name) => `cat ${queue}/${name}`).join(';'))).split('\n').map(Number);
  };
  // objects of 4 MiB; a command carries 1 MiB
  for (const nsid of [1, 2]) expect(await limits(nsid)).toEqual([4096, MIB, 8192, 1024]);
});

it('a file system on an image: written, checked, trimmed, and the image says the same', async () => {
  const device = await host.device(SUBSYSTEM, 1);
  await host.sh(`
    mkfs.ext4 -q /dev/${device} && mkdir -p /mnt/one && mount /dev/${device} /mnt/one
    dd if=/dev/urandom of=/mnt/one/data bs=1M count=24 conv=fsync status=none
    sha256sum /mnt/one/data >/tmp/sum; fstrim /mnt/one
    umount /mnt/one && mount /dev/${device} /mnt/one && sha256sum -c --quiet /tmp/sum
    rm /mnt/one/data && fstrim /mnt/one && umount /mnt/one && fsck.ext4 -fn /dev/${device}`);
  expect(await host.digest(device)).toBe(await ceph.digest('rbd/disk1'));
});

it('verified I/O of all sizes, with trims, on blocks of 512 and 4096 bytes', async () => {
  for (const nsid of [1, 2]) {
    const device = await host.device(SUBSYSTEM, nsid);
    await fio(host, device, {
      mixed: { rw: 'randrw', rwmixread: 40, bsrange: '4k-1M', size: '16M', offset: 0 },
      small: { rw: 'randwrite', bs: '4k', size: '16M', io_size: '4M', offset: '16M', iodepth: 32 },
      overwritten: { rw: 'trimwrite', bs: '64k', size: '16M', offset: '32M' },
    });
    expect(await host.digest(device)).toBe(await ceph.digest(`rbd/disk${nsid}`));
  }
});

it('an image that is resized outside is a larger disk at once', async () => {
  const device = await host.device(SUBSYSTEM, 1);
  await ceph.rbd('resize', '--no-progress', '--size', '96M', 'rbd/disk1');
  await host.until('the disk has grown', `[ "$(blockdev --getsize64 /dev/${device})" = ${96 * MIB} ]`);
  await fio(host, device, { end: { rw: 'randwrite', bs: '16k', size: '32M', io_size: '8M', offset: '64M' } });
});

it('one group is fenced under fio: its disk waits for the new client, the other does not notice', async () => {
  const [one, two] = [await host.device(SUBSYSTEM, 1), await host.device(SUBSYSTEM, 2)];
  const steady = { rw: 'randwrite', bs: '4k', size: '16M', rate_iops: 200, runtime: 8, time_based: 1 };
  const running = Promise.all([fio(host, one, { fenced: steady }), fio(host, two, { other: steady })]);
  await host.until('both write', '[ "$(pgrep -c fio)" -ge 2 ]');
  await sleep(1500);
  const address = await ceph.lockOwner('rbd/disk1');
  expect(address).not.toBe(await ceph.lockOwner('rbd/disk2'));
  await ceph.ceph('osd', 'blocklist', 'add', address);
  const [[fenced], [other]] = await running;
  expect(fenced?.longestMs).toBeLessThan(8000);
  expect(other?.longestMs).toBeLessThan(4000);
  expect(await ceph.lockOwner('rbd/disk1')).not.toBe(address);
  expect(await host.digest(one)).toBe(await ceph.digest('rbd/disk1'));
});

it('OSDs paused for 20 s under fio: no error, the paths stay live', async () => {
  const device = await host.device(SUBSYSTEM, 1);
  const running = fio(host, device, {
    steady: { rw: 'randwrite', bs: '4k', size: '16M', rate_iops: 200, runtime: 28, time_based: 1 },
  });
  await sleep(3000);
  await ceph.ceph('osd', 'pause');
  await sleep(20_000);
  expect((await host.paths(device)).map((path) => [path.state, path.anaState])).toEqual(
    LAB_ADDRESSES.map(() => ['live', 'optimized']),
  );
  await ceph.ceph('osd', 'unpause');
  const [report] = await running;
  expect(report?.longestMs).toBeGreaterThan(15_000);
  expect(await host.digest(device)).toBe(await ceph.digest('rbd/disk1'));
});

it('an OSD killed and revived under fio: no error', async () => {
  const device = await host.device(SUBSYSTEM, 2);
  const running = fio(host, device, {
    steady: { rw: 'randwrite', bs: '4k', size: '16M', rate_iops: 200, runtime: 12, time_based: 1 },
  });
  await sleep(2000);
  await ceph.script('kill', 'osd.0');
  await sleep(2000);
  await ceph.script('revive', 'osd.0');
  await running;
  expect(await host.digest(device)).toBe(await ceph.digest('rbd/disk2'));
});
