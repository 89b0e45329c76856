/** Two paths with different ANA states, and what a real host does when they change places under I/O. */
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { fileDigest } from './harness/backing-file.ts';
import { type FioOptions, fio } from './harness/fio.ts';
import { useLab } from './harness/lab.ts';
import type { LinuxHost } from './harness/linux-host.ts';
import { LAB_ADDRESSES } from './harness/place.ts';
import {
  type AnaStateName,
  type GatewayNumber,
  TWO_PATH_SUBSYSTEM,
  type TwoPathTarget,
} from './harness/two-path-target.ts';

const MIB = 1024 * 1024;
const lab = useLab();
let target: TwoPathTarget;
let host: LinuxHost;
let device: string;

/** Verifies as it goes, so that a write that a switch lost or tore is found. */
const STEADY: FioOptions = {
  rw: 'randwrite',
  bsrange: '4k-64k',
  size: '32M',
  verify_backlog: 64,
  iodepth: 16,
  time_based: 1,
};

function other(gateway: GatewayNumber): GatewayNumber {
  return gateway === 1 ? 2 : 1;
}

/** The kernel's view of both paths, in the order of the addresses. */
function untilStates(...states: [AnaStateName, AnaStateName]): Promise<void> {
  const checks = states.map((state, i) => {
    const controller = `grep -lr "traddr=${LAB_ADDRESSES[i]}," /sys/class/nvme/nvme*/address`;
    return `[ "$(cat $(dirname $(${controller}))/nvme*c*n*/ana_state)" = ${state} ]`;
  });
  return host.until(`states ${states.join(', ')}`, checks.join(' && '), 5);
}

/** Unplanned: the new owner serves when the old one is known not to. */
async function switchAtOnce(to: GatewayNumber): Promise<void> {
  await target.set(other(to), 'inaccessible');
  await target.set(to, 'optimized');
}

/** Planned: the old owner drains first. */
async function switchPlanned(to: GatewayNumber): Promise<void> {
  expect(await target.drain(other(to))).toBe('ok');
  await target.set(to, 'optimized');
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

beforeAll(async () => {
  target = lab.twoPathTarget(32 * MIB);
  [host] = await Promise.all([lab.bootHost(), target.start()]);
  await target.set(1, 'optimized');
  for (const address of LAB_ADDRESSES) await host.connectAll(address);
  device = await host.device(TWO_PATH_SUBSYSTEM, 1);
});

describe('two gateways', () => {
  it('are two live paths, of which one serves', async () => {
    const paths = await host.paths(device);
    expect(paths.map(({ address, state, anaState }) => [address, state, anaState]).sort()).toEqual([
      [LAB_ADDRESSES[0], 'live', 'optimized'],
      [LAB_ADDRESSES[1], 'live', 'inaccessible'],
    ]);
  });

  it('have controller ids from ranges of their own', async () => {
    const ids = await host.sh('cat /sys/class/nvme/nvme*/cntlid | sort -n');
    const [first, second] = ids.split('\n').map(Number);
    expect([first <= 2040, second > 2040]).toEqual([true, true]);
  });

  it('say the same of the namespace', async () => {
    const seen = await Promise.all(
      (await host.paths(device)).map(({ controller }) =>
        host.sh(`nvme id-ns -n 1 -o json /dev/${controller}; nvme ns-descs -n 1 -o json /dev/${controller}`),
      ),
    );
    expect(seen[0]).toBe(seen[1]);
  });
});

describe('under verifying I/O', () => {
  it('change places 20 times at once: no error, and the host follows', { timeout: 180_000 }, async () => {
    const running = fio(host, device, { steady: { ...STEADY, runtime: 30 } });
    for (let flip = 0; flip < 20; flip++) {
      const to = flip % 2 === 0 ? 2 : 1;
      await switchAtOnce(to);
      await (to === 1 ? untilStates('optimized', 'inaccessible') : untilStates('inaccessible', 'optimized'));
    }
    const [report] = await running;
    expect(report.writtenBytes).toBeGreaterThan(MIB);
    say(`longest I/O over 20 switches: ${Math.round(report.longestMs)} ms`);
    expect(report.longestMs).toBeLessThan(5000);
  });

  it('change places 20 times as planned: held, drained, handed over', { timeout: 180_000 }, async () => {
    const running = fio(host, device, { steady: { ...STEADY, runtime: 30 } });
    for (let flip = 0; flip < 20; flip++) {
      const to = flip % 2 === 0 ? 2 : 1;
      await switchPlanned(to);
      await (to === 1 ? untilStates('optimized', 'inaccessible') : untilStates('inaccessible', 'optimized'));
    }
    const [report] = await running;
    say(`longest I/O over 20 switches: ${Math.round(report.longestMs)} ms`);
    expect(report.longestMs).toBeLessThan(5000);
  });

  it('change places faster than the host can follow: it ends up where the last change left it', {
    timeout: 180_000,
  }, async () => {
    const running = fio(host, device, { steady: { ...STEADY, runtime: 20 } });
    for (let flip = 0; flip < 300; flip++) {
      await switchAtOnce(flip % 2 === 0 ? 2 : 1);
      await sleep(flip % 30);
    }
    await untilStates('optimized', 'inaccessible');
    await running;
  });

  it('nobody serves for 5 s: I/O waits, then goes on without an error', { timeout: 180_000 }, async () => {
    const running = fio(host, device, { steady: { ...STEADY, runtime: 15 } });
    await sleep(3000);
    await target.set(1, 'inaccessible');
    await untilStates('inaccessible', 'inaccessible');
    await sleep(5000);
    await target.set(2, 'optimized');
    const [report] = await running;
    expect(report.longestMs).toBeGreaterThan(4500);
    expect(report.longestMs).toBeLessThan(10_000);
  });

  it('a non-optimized path serves when it is the only one', { timeout: 180_000 }, async () => {
    await target.set(2, 'non-optimized');
    await untilStates('inaccessible', 'non-optimized');
    const [report] = await fio(host, device, { steady: { ...STEADY, runtime: 3 } });
    expect(report.writtenBytes).toBeGreaterThan(0);
    await target.set(1, 'optimized');
    await untilStates('optimized', 'non-optimized');
  });
});

describe('afterwards', () => {
  it('both controllers are the ones that were connected first', async () => {
    expect(await host.sh('dmesg | grep -c "new ctrl: NQN \\"nqn.2026"')).toBe('2');
    expect((await host.paths(device)).map(({ state }) => state)).toEqual(['live', 'live']);
  });

  it('the bytes are those of the backing file, and the kernel has nothing to complain about', async () => {
    expect(await host.digest(device)).toBe(await fileDigest(target.backingFile));
    const waiting = /no usable path - requeuing I\/O|callbacks suppressed/; // between one owner and the next
    expect(await host.nvmeComplaints(waiting)).toEqual([]);
  });
});
