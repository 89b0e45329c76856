/** A user's first minutes: the gateway without any configuration, and the commands that it prints, typed on a host. */
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Gateway } from './harness/gateway.ts';
import { useLab } from './harness/lab.ts';
import { CONNECT_OPTIONS, type LinuxHost } from './harness/linux-host.ts';
import { LAB_ADDRESSES } from './harness/place.ts';

const DEMO = 'nqn.2026-11.io.anagate:demo';
const GIB = 1024 ** 3;
const lab = useLab();
let gateway: Gateway;
let host: LinuxHost;
/** What it printed to type on a host, line by line. */
let commands: string[];

beforeAll(async () => {
  gateway = lab.gateway({ address: LAB_ADDRESSES[0], demo: true });
  [host] = await Promise.all([lab.bootHost(), gateway.start()]);
  await vi.waitFor(async () => {
    const said = await readFile(gateway.logFile, 'utf8');
    commands = [...said.matchAll(/^ +((?:modprobe|nvme) .*)$/gm)].map(([, command]) => command);
    expect(commands).not.toEqual([]);
  }, 10_000);
});

describe('what it prints', () => {
  it('finds the demo, and connects so that a host survives a restart', () => {
    const verbs = commands.map((command) => command.split(' ').slice(0, 2).join(' '));
    expect(verbs).toEqual(expect.arrayContaining(['modprobe nvme-tcp', 'nvme discover', 'nvme connect-all']));
    const connect = commands.find((command) => command.startsWith('nvme connect-all'));
    for (const option of CONNECT_OPTIONS) expect(connect).toContain(option);
  });

  it('works when it is typed as it stands', async () => {
    for (const command of commands) expect(await host.try(command), command).toMatchObject({ status: 0 });
  });
});

describe('the demo', () => {
  it('is a disk of 1 GiB that takes a file system', async () => {
    const device = await host.device(DEMO, 1);
    expect(await host.sizeOf(device)).toBe(GIB);
    await host.sh(
      `mkfs.ext4 -q -F /dev/${device} && mount /dev/${device} /mnt && echo kept >/mnt/file && umount /mnt`,
    );
  });

  it('is the same after the gateway was killed and started again', async () => {
    await gateway.stop('SIGKILL');
    await gateway.start();
    const device = await host.device(DEMO, 1);
    expect(await host.sh(`mount /dev/${device} /mnt && cat /mnt/file && umount /mnt`)).toBe('kept');
    const { subsystems } = await gateway.json<{ subsystems: { nqn: string }[] }>('subsystem', 'list');
    expect(subsystems.map(({ nqn }) => nqn)).toEqual([DEMO]);
  });

  it('belongs to one gateway: a second one on the same state is refused with a reason', async () => {
    const { status, output } = await gateway.tryAnother();
    expect(status).not.toBe(0);
    expect(output).toMatch(/another gateway|in use/i);
    expect((await host.paths(await host.device(DEMO, 1))).map(({ state }) => state)).toEqual(['live']);
  });
});
