/** Who may connect: enforced in discovery and at Connect, changed while the gateway serves. */
import { beforeAll, describe, expect, it } from 'vitest';
import { fio } from './harness/fio.ts';
import type { Gateway } from './harness/gateway.ts';
import { useLab } from './harness/lab.ts';
import type { LinuxHost } from './harness/linux-host.ts';
import { LAB_ADDRESSES } from './harness/place.ts';

const PRIVATE = 'nqn.2026-11.io.anagate:private';
const PUBLIC = 'nqn.2026-11.io.anagate:public';
const [ADDRESS] = LAB_ADDRESSES;
const lab = useLab();
let gateway: Gateway;
let host: LinuxHost;

async function discovered(): Promise<string[]> {
  const { status, output } = await host.try(`nvme discover -t tcp -a ${ADDRESS} -s 8009 -o json`);
  expect(status, output).toBe(0);
  return [PRIVATE, PUBLIC].filter((nqn) => output.includes(`"${nqn}"`));
}

beforeAll(async () => {
  gateway = lab.gateway();
  [host] = await Promise.all([lab.bootHost(), gateway.start()]);
  await gateway.addSubsystem(PRIVATE, false);
  await gateway.addSubsystem(PUBLIC);
  await gateway.addNamespace({ nsid: 1, sizeMiB: 16 }, PRIVATE);
});

describe('a host that is not allowed', () => {
  it('does not find the subsystem', async () => {
    expect(await discovered()).toEqual([PUBLIC]);
  });

  it('is refused, for good, with the status that says so', async () => {
    const { status, output } = await host.try(`nvme connect -t tcp -a ${ADDRESS} -s 4420 -n ${PRIVATE}`);
    expect(status).not.toBe(0);
    expect(output + (await host.sh('dmesg'))).toMatch(/invalid host|not allowed|0x184|0x4184/i);
    expect(await host.sh('ls /sys/class/nvme')).toBe('');
  });
});

describe('once it is added', () => {
  it('it finds the subsystem and connects', async () => {
    await gateway.cli('host', 'add', '-n', PRIVATE, '-t', host.hostNqn);
    expect(await discovered()).toEqual([PRIVATE, PUBLIC]);
    await host.connect(ADDRESS, PRIVATE);
    await fio(host, await host.device(PRIVATE, 1), { allowed: { rw: 'randwrite', bs: '4k', size: '2M' } });
  });

  it('another host is refused still', async () => {
    const stranger = 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-555555555555';
    const { status } = await host.try(
      `nvme connect -t tcp -a ${ADDRESS} -s 4420 -n ${PRIVATE} --hostnqn=${stranger} --hostid=11111111-2222-4333-8444-555555555555`,
    );
    expect(status).not.toBe(0);
  });
});

describe('once it is removed', () => {
  it('it loses the subsystem', async () => {
    await gateway.cli('host', 'del', '-n', PRIVATE, '-t', host.hostNqn);
    expect(await discovered()).toEqual([PUBLIC]);
    await host.disconnectAll();
    const { status } = await host.try(`nvme connect -t tcp -a ${ADDRESS} -s 4420 -n ${PRIVATE}`);
    expect(status).not.toBe(0);
  });
});
