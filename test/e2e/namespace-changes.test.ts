/** Namespaces that come, grow and go while a host is connected: the kernel hears of it by asynchronous event, nobody rescans. */
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
  [host] = await Promise.all([lab.bootHost(), gateway.start()]);
  await gateway.addSubsystem();
  await gateway.addNamespace({ nsid: 1, sizeMiB: 64 });
  await host.connectAll(LAB_ADDRESSES[0]);
  await host.device(SUBSYSTEM, 1);
});

describe('a connected host', () => {
  it('sees a namespace that is added', async () => {
    await gateway.addNamespace({ nsid: 7, sizeMiB: 32 });
    const device = await host.device(SUBSYSTEM, 7);
    expect(await host.sizeOf(device)).toBe(32 * MIB);
    expect(await host.sh(`lsblk -bndo SIZE /dev/${device}`)).toBe(String(32 * MIB));
    expect((await host.paths(device)).map((path) => path.anaState)).toEqual(
      LAB_ADDRESSES.map(() => 'optimized'),
    );
  });

  it('sees it grow, while it does I/O to it, and uses the new end', async () => {
    const device = await host.device(SUBSYSTEM, 7);
    const running = fio(host, device, {
      steady: {
        rw: 'randwrite',
        bs: '4k',
        size: '16M',
        io_size: '8M',
        rate_iops: 200,
        runtime: 6,
        time_based: 1,
      },
    });
    await gateway.cli('namespace', 'resize', '-n', SUBSYSTEM, '--nsid', '7', '--size', '48MiB');
    await host.until(
      'the device has grown to 48 MiB',
      `[ "$(blockdev --getsize64 /dev/${device})" = ${48 * MIB} ]`,
    );
    await running;
    await fio(host, device, { end: { rw: 'randwrite', bs: '16k', size: '16M', offset: '32M' } });
    expect(await host.digest(device)).toBe(await fileDigest(gateway.backingFile(7)));
  });

  it('sees it go, and keeps the others', async () => {
    const device = await host.device(SUBSYSTEM, 7);
    await gateway.cli('namespace', 'del', '-n', SUBSYSTEM, '--nsid', '7');
    await host.until('the device is gone', `[ ! -e /sys/block/${device} ]`);
    await fio(host, await host.device(SUBSYSTEM, 1), { on: { rw: 'randwrite', bs: '4k', size: '4M' } });
    expect((await host.paths(await host.device(SUBSYSTEM, 1))).map((path) => path.state)).toEqual(
      LAB_ADDRESSES.map(() => 'live'),
    );
  });

  it('survives a namespace that goes under I/O: that I/O fails, the path stays', async () => {
    await gateway.addNamespace({ nsid: 8, sizeMiB: 32 });
    const device = await host.device(SUBSYSTEM, 8);
    const doomed = host.try(
      `fio --name=doomed --filename=/dev/${device} --direct=1 --ioengine=libaio --rw=randwrite --bs=4k --iodepth=8 --time_based --runtime=30`,
      90,
    );
    await host.until(
      'fio writes',
      `read -r _ _ _ _ writes _ </sys/block/${device}/stat && [ "$writes" -gt 20 ]`,
    );
    await gateway.cli('namespace', 'del', '-n', SUBSYSTEM, '--nsid', '8');
    expect((await doomed).status).not.toBe(0);
    await host.until('the device is gone', `[ ! -e /sys/block/${device} ]`);
    expect((await host.paths(await host.device(SUBSYSTEM, 1))).map((path) => path.state)).toEqual(
      LAB_ADDRESSES.map(() => 'live'),
    );
  });

  it('sees a masked namespace while it is listed for it, and loses it under I/O with no harm to the others', async () => {
    const target = ['-n', SUBSYSTEM, '--nsid', '9'];
    await gateway.cli(
      'namespace',
      'add',
      ...target,
      '--backend',
      'memory',
      '--size',
      '32M',
      '--no-auto-visible',
    );
    const active = 'nvme list-ns $(ls /dev/nvme[0-9] | head -n 1) -o json';
    expect(JSON.parse(await host.sh(active)).nsid_list).toEqual([{ nsid: 1 }]);
    await gateway.cli('namespace', 'add_host', ...target, '-t', host.hostNqn);
    const device = await host.device(SUBSYSTEM, 9);
    const doomed = host.try(
      `fio --name=doomed --filename=/dev/${device} --direct=1 --ioengine=libaio --rw=randwrite --bs=4k --iodepth=8 --time_based --runtime=30`,
      90,
    );
    await host.until(
      'fio writes',
      `read -r _ _ _ _ writes _ </sys/block/${device}/stat && [ "$writes" -gt 20 ]`,
    );
    await gateway.cli('namespace', 'del_host', ...target, '-t', host.hostNqn);
    expect((await doomed).status).not.toBe(0);
    await host.until('the device is gone', `[ ! -e /sys/block/${device} ]`);
    await fio(host, await host.device(SUBSYSTEM, 1), { on: { rw: 'randwrite', bs: '4k', size: '1M' } });
    expect((await host.paths(await host.device(SUBSYSTEM, 1))).map((path) => path.state)).toEqual(
      LAB_ADDRESSES.map(() => 'live'),
    );
  });

  it('takes many changes in a row: the last word counts', async () => {
    for (let nsid = 20; nsid < 28; nsid++) await gateway.addNamespace({ nsid, sizeMiB: 1 });
    for (let nsid = 20; nsid < 28; nsid += 2)
      await gateway.cli('namespace', 'del', '-n', SUBSYSTEM, '--nsid', String(nsid));
    const seen = `$(cat /sys/class/nvme-subsystem/*/nvme*n*/nsid | sort -nu | paste -sd,)`;
    await host.until('namespaces 1, 21, 23, 25, 27', `[ "${seen}" = 1,21,23,25,27 ]`);
  });
});
