/** Two gateways of one group, each the owner of one ANA group, and images of one Ceph cluster as multipath disks of a host. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CephCluster } from './harness/ceph.ts';
import { fio } from './harness/fio.ts';
import { type Gateway, SUBSYSTEM } from './harness/gateway.ts';
import { useLab } from './harness/lab.ts';
import type { LinuxHost } from './harness/linux-host.ts';
import { LAB_ADDRESSES } from './harness/place.ts';

const MIB = 1024 * 1024;
const OWNERS = '1:gw-a, 2:gw-b';
const STEADY = { rw: 'randwrite', bs: '4k', size: '16M', rate_iops: 200, time_based: 1 };
/** Reconnecting, and an emulated host on a busy machine. */
const SLACK_MS = 6000;
/** So long Ceph takes a client that was killed, and the image locks that it held, for alive. */
const DEAD_CLIENT_MS = 30_000;
const SECOND = `${SUBSYSTEM}:second`;
/** I/Os per second; the emulated host makes some hundred without, and on a busy machine some tens. */
const LIMIT = 10;
const MEASURED_S = 2;
/** What may pass at once (a tenth of a second) and what is under way at the end, in so short a time. */
const LENIENCE = 1.4;
const lab = useLab();
let ceph: CephCluster;
let host: LinuxHost;
let a: Gateway;
let b: Gateway;

async function addImage(through: Gateway, nsid: number, group: number, ...more: string[]): Promise<void> {
  const image = ['-p', 'rbd', '-i', `disk${nsid}`, '--create-image', '--size', '64MiB'];
  const place = ['--nsid', String(nsid), '--load-balancing-group', String(group)];
  await through.cli('namespace', 'add', '-n', SUBSYSTEM, ...image, ...place, ...more);
}

/** ANA states of a disk's paths, that of gateway a first; null for one that is not live. */
async function states(nsid: number): Promise<(string | null)[]> {
  const paths = await host.paths(await host.device(SUBSYSTEM, nsid));
  return LAB_ADDRESSES.map((address) => {
    const path = paths.find((one) => one.address === address);
    return path?.state === 'live' ? path.anaState : null;
  });
}

/** What the host reads of a disk is what the cluster exports of its image. */
async function expectSameBytes(nsid: number): Promise<void> {
  const device = await host.device(SUBSYSTEM, nsid);
  expect(await host.digest(device)).toBe(await ceph.digest(`rbd/disk${nsid}`));
}

function untilSize(device: string, bytes: number): Promise<void> {
  return host.until(
    `${device} has ${bytes} bytes`,
    `[ "$(blockdev --getsize64 /dev/${device})" = ${bytes} ]`,
  );
}

beforeAll(async () => {
  ceph = new CephCluster(lab);
  const booting = lab.bootHost();
  await ceph.start();
  [a, b] = (['gw-a', 'gw-b'] as const).map((name, at) =>
    lab.gateway({ address: LAB_ADDRESSES[at], member: { name, owners: OWNERS, cephConf: ceph.conf } }),
  ) as [Gateway, Gateway];
  [host] = await Promise.all([booting, a.start(), b.start()]);
  await a.cli('subsystem', 'add', '-n', SUBSYSTEM, '--no-group-append');
  await b.cli('host', 'add', '-n', SUBSYSTEM, '-t', '*');
  await b.cli('listener', 'add', '-n', SUBSYSTEM, '-t', 'gw-a', '-a', LAB_ADDRESSES[0]);
  await addImage(a, 1, 1);
  await addImage(a, 2, 2, '--block-size', '4096');
  await host.autoconnect();
  await host.connectAll(LAB_ADDRESSES[0], '--persistent');
});

afterAll(async () => {
  await ceph?.script('stop');
});

it('a host that is connected to one gateway hears from it of the listener of the other, and connects', async () => {
  expect(await states(1)).toEqual(['optimized', null]);
  await b.cli('listener', 'add', '-n', SUBSYSTEM, '-t', 'gw-b', '-a', LAB_ADDRESSES[1]);
  await expect.poll(() => states(1), { timeout: 15_000 }).toEqual(['optimized', 'inaccessible']);
});

/** Changes something; the host then hears of it from the discovery of each gateway, and both list the same listeners. */
async function expectListed(change: () => Promise<unknown>, expected: readonly string[]): Promise<void> {
  const before = await Promise.all(LAB_ADDRESSES.map((address) => host.logChanges(address)));
  await change();
  for (const [at, address] of LAB_ADDRESSES.entries()) {
    await expect.poll(() => host.logChanges(address), { timeout: 10_000 }).toBeGreaterThan(before[at]!);
    const first = LAB_ADDRESSES.map((listening) => `${SUBSYSTEM}@${listening}`);
    await expect.poll(() => host.discover(address)).toEqual([...first, ...expected].sort());
  }
}

it('a host follows what is changed through one gateway in the discovery of the other, and finds all paths in each', async () => {
  const [atA, atB] = LAB_ADDRESSES.map((address) => `${SECOND}@${address}`) as [string, string];
  const listener = (gateway: 0 | 1): string[] => {
    const place = ['-t', ['gw-a', 'gw-b'][gateway]!, '-a', LAB_ADDRESSES[gateway]];
    return ['-n', SECOND, ...place, '-s', '4420'];
  };
  await host.watchDiscovery(LAB_ADDRESSES[1]);
  await a.cli('subsystem', 'add', '-n', SECOND, '--no-group-append');
  await b.cli('listener', 'add', ...listener(0));
  await expectListed(() => b.cli('host', 'add', '-n', SECOND, '-t', host.hostNqn), [atA]);
  await expectListed(() => a.cli('listener', 'add', ...listener(1)), [atA, atB]);
  await host.until('a path of the new subsystem to each gateway', paths(SECOND, 2));
  await expectListed(() => a.cli('listener', 'del', ...listener(1), '--force'), [atA]);
  await host.until('the path is gone', paths(SECOND, 1));
  await expectListed(() => b.cli('host', 'del', '-n', SECOND, '-t', host.hostNqn), []);
  await host.until('no path is left', paths(SECOND, 0));
  await host.sh(`nvme disconnect -n ${SECOND}`);
  await b.cli('subsystem', 'del', '-n', SECOND);
});

/** Condition (bash): so many controllers of the subsystem are live. */
function paths(nqn: string, count: number): string {
  return `[ "$(grep -lx live $(grep -lxF ${nqn} /sys/class/nvme/*/subsysnqn | sed s/subsysnqn/state/) /dev/null | wc -l)" = ${count} ]`;
}

it('each disk is optimized at the owner of its group', async () => {
  expect(await states(1)).toEqual(['optimized', 'inaccessible']);
  expect(await states(2)).toEqual(['inaccessible', 'optimized']);
});

it('a file system on one disk, verified I/O on the other, and the images say the same', async () => {
  const [one, two] = [await host.device(SUBSYSTEM, 1), await host.device(SUBSYSTEM, 2)];
  const onFiles = host.sh(`
    mkfs.ext4 -q /dev/${one} && mkdir -p /mnt/one && mount /dev/${one} /mnt/one
    dd if=/dev/urandom of=/mnt/one/data bs=1M count=24 conv=fsync status=none
    sha256sum /mnt/one/data >/tmp/sum; fstrim /mnt/one
    umount /mnt/one && mount /dev/${one} /mnt/one && sha256sum -c --quiet /tmp/sum
    umount /mnt/one && fsck.ext4 -fn /dev/${one}`);
  const onDisk = fio(host, two, {
    mixed: { rw: 'randrw', rwmixread: 40, bsrange: '4k-1M', size: '16M', offset: 0 },
    overwritten: { rw: 'trimwrite', bs: '64k', size: '16M', offset: '32M' },
  });
  await Promise.all([onFiles, onDisk]);
  await expectSameBytes(1);
  await expectSameBytes(2);
});

it('namespaces that are added, resized and deleted through either gateway', async () => {
  await addImage(b, 3, 1);
  const added = await host.device(SUBSYSTEM, 3);
  expect(await states(3)).toEqual(['optimized', 'inaccessible']);
  // b does not own it: the image's lock is with a
  await b.cli('namespace', 'resize', '-n', SUBSYSTEM, '--nsid', '3', '--size', '80MiB');
  await untilSize(added, 80 * MIB);
  await a.cli('namespace', 'resize', '-n', SUBSYSTEM, '--nsid', '3', '--size', '96MiB');
  await untilSize(added, 96 * MIB);
  await b.cli('namespace', 'set_auto_resize', '-n', SUBSYSTEM, '--nsid', '3', '--auto-resize-enabled', 'no');
  await ceph.rbd('resize', '--no-progress', '--size', '112M', 'rbd/disk3');
  await fio(host, added, { end: { rw: 'randwrite', bs: '16k', size: '16M', offset: '80M' } });
  expect(await host.sizeOf(added)).toBe(96 * MIB);
  await b.cli('namespace', 'set_auto_resize', '-n', SUBSYSTEM, '--nsid', '3', '--auto-resize-enabled', 'yes');
  await untilSize(added, 112 * MIB);
  await expectSameBytes(3);
  await a.cli('namespace', 'del', '-n', SUBSYSTEM, '--nsid', '3');
  await host.until('the disk is gone', `[ ! -e /sys/block/${added} ]`);
});

it('a namespace is invisible at both gateways until the host is added through either, and again after', async () => {
  await addImage(a, 4, 1, '--no-auto-visible');
  // once the second is seen, b knows of both
  await addImage(b, 5, 1);
  await host.device(SUBSYSTEM, 5);
  const lists = `for c in $(grep -lxF ${SUBSYSTEM} /sys/class/nvme/*/subsysnqn | cut -d/ -f5); do
    nvme list-ns /dev/$c -o json | tr -d ' \\n'; echo
  done`;
  const seen = (await host.sh(lists)).split('\n').map((list) => JSON.parse(list).nsid_list);
  expect(seen).toEqual(Array(2).fill([1, 2, 5].map((nsid) => ({ nsid }))));
  const masked = ['-n', SUBSYSTEM, '--nsid', '4', '-t', host.hostNqn];
  await b.cli('namespace', 'add_host', ...masked);
  const device = await host.device(SUBSYSTEM, 4);
  expect(await states(4)).toEqual(['optimized', 'inaccessible']);
  await fio(host, device, { seen: { rw: 'randwrite', bs: '4k', size: '1M' } });
  await a.cli('namespace', 'del_host', ...masked);
  await host.until('the disk is gone', `[ ! -e /sys/block/${device} ]`);
  await a.cli('namespace', 'del', '-n', SUBSYSTEM, '--nsid', '4');
});

it('limits that are set through one gateway are kept by the owner, and by the next owner', async () => {
  const target = ['-n', SUBSYSTEM, '--nsid', '5'];
  const limit = (iops: number): Promise<string> =>
    b.cli('namespace', 'set_qos', ...target, '--rw-ios-per-second', String(iops));
  const device = await host.device(SUBSYSTEM, 5);
  const iops = async (): Promise<number> => {
    const time = { time_based: 1, runtime: MEASURED_S };
    const job = { rw: 'randwrite', bs: '4k', size: '4M', iodepth: 4, do_verify: 0, ...time };
    const [report] = await fio(host, device, { job });
    return report!.writtenBytes / 4096 / MEASURED_S;
  };
  await limit(LIMIT);
  expect(await states(5)).toEqual(['optimized', 'inaccessible']);
  const atFirst = await iops();
  await a.cli('namespace', 'change_load_balancing_group', ...target, '-l', '2');
  await expect.poll(() => states(5)).toEqual(['inaccessible', 'optimized']);
  const moved = await iops();
  await limit(0);
  const without = await iops();
  process.stderr.write(`IOPS at a limit of ${LIMIT}: ${atFirst}, moved ${moved}, without ${without}\n`);
  for (const limited of [atFirst, moved]) expect(limited).toBeLessThan(LENIENCE * LIMIT);
  expect(without).toBeGreaterThan(1.5 * LENIENCE * LIMIT);
  await a.cli('namespace', 'del', ...target);
});

it('a disk goes over to the other gateway under fio, and back', async () => {
  const device = await host.device(SUBSYSTEM, 1);
  const running = fio(host, device, { steady: { ...STEADY, runtime: 14 } });
  await host.until('fio writes', '[ "$(pgrep -c fio)" -ge 1 ]');
  await sleep(3000);
  const before = await ceph.lockOwner('rbd/disk1');
  await a.cli('namespace', 'change_load_balancing_group', '-n', SUBSYSTEM, '--nsid', '1', '-l', '2');
  await expect.poll(() => states(1)).toEqual(['inaccessible', 'optimized']);
  expect(await ceph.lockOwner('rbd/disk1')).not.toBe(before);
  await b.cli('namespace', 'change_load_balancing_group', '-n', SUBSYSTEM, '--nsid', '1', '-l', '1');
  await expect.poll(() => states(1)).toEqual(['optimized', 'inaccessible']);
  const [report] = await running;
  expect(report?.longestMs).toBeLessThan(SLACK_MS);
  await expectSameBytes(1);
});

it('a gateway that is killed and started again under fio: its disk waits, the other does not notice', async () => {
  const [one, two] = [await host.device(SUBSYSTEM, 1), await host.device(SUBSYSTEM, 2)];
  const steady = { ...STEADY, runtime: 16 };
  const running = Promise.all([fio(host, one, { owned: steady }), fio(host, two, { other: steady })]);
  await host.until('both write', '[ "$(pgrep -c fio)" -ge 2 ]');
  await sleep(2000);
  await a.stop('SIGKILL');
  // changes do not wait for who is dead
  await b.cli('namespace', 'resize', '-n', SUBSYSTEM, '--nsid', '2', '--size', '72MiB');
  await a.start();
  const [[owned], [other]] = await running;
  process.stderr.write(
    `longest I/O: of the killed gateway ${owned?.longestMs} ms, of the other ${other?.longestMs} ms\n`,
  );
  expect(owned?.longestMs).toBeGreaterThan(1000);
  expect(owned?.longestMs).toBeLessThan(DEAD_CLIENT_MS + 3 * SLACK_MS);
  expect(other?.longestMs).toBeLessThan(SLACK_MS);
  await untilSize(two, 72 * MIB);
  await expect.poll(() => states(1), { timeout: 15_000 }).toEqual(['optimized', 'inaccessible']);
  await expectSameBytes(1);
  await expectSameBytes(2);
});
