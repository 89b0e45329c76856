/**
 * OSDs that stand still for longer than a host waits for an answer, under verified I/O of two hosts at once: a stock one, which
 * resets its paths again and again, and one that is told to wait, which does not notice but by waiting.
 * ANAGATE_E2E_LONG=1 adds a pause of 180 s.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CephCluster } from './harness/ceph.ts';
import { type FioJobReport, fio } from './harness/fio.ts';
import { type Gateway, SUBSYSTEM } from './harness/gateway.ts';
import { useLab } from './harness/lab.ts';
import type { LinuxHost } from './harness/linux-host.ts';
import { LAB_ADDRESSES } from './harness/place.ts';

const PAUSES_S = process.env.ANAGATE_E2E_LONG === '1' ? [60, 180] : [60];
/** Of a stock host, nvme_core.io_timeout. */
const IO_TIMEOUT_S = 30;
const PATIENCE_S = 300;
/** fio runs this long before and after. */
const AROUND_S = 4;
/** What hosts connect with, --reconnect-delay, and an emulated host on a busy machine. */
const RESUMED_WITHIN_MS = 2000 + 6000;
/** Buffers of one host's commands, a few times: those of paths that were reset are kept until the cluster answers. */
const MEMORY_MIB = 64;
/** Of two emulated hosts on a busy machine: an answer that came, late. */
const SLOW_MACHINE = /long keepalive RTT/;
/** What a host says that gives up waiting: a keep-alive that is under way at its own reset ends with it. Nothing was given up for good. */
const RESETS = new RegExp(
  `${SLOW_MACHINE.source}|I/O tag .* timeout$|starting error recovery$|nvme_keep_alive_end_io error=10$`,
);
const LOAD = { rw: 'randwrite', bsrange: '4k-64k', size: '32M', iodepth: 16, rate_iops: 150, time_based: 1 };

const lab = useLab();
let ceph: CephCluster;
let gateway: Gateway;
let stock: LinuxHost;
let patient: LinuxHost;

/** How often the host has given up a path, so far. */
async function resets(host: LinuxHost): Promise<number> {
  return Number(await host.sh(`dmesg | grep -c 'starting error recovery' || true`));
}

async function states(host: LinuxHost, nsid: number): Promise<string[]> {
  const paths = await host.paths(await host.device(SUBSYSTEM, nsid));
  return paths.map(({ state, anaState }) => `${state} ${anaState}`);
}

function write(host: LinuxHost, device: string, runtime: number): Promise<FioJobReport[]> {
  return fio(host, device, { steady: { ...LOAD, runtime } }, runtime + 120);
}

beforeAll(async () => {
  ceph = new CephCluster(lab);
  const booting = Promise.all([lab.bootHost(), lab.bootHost()]);
  await ceph.start();
  gateway = lab.gateway({ serve: ['--ceph-conf', ceph.conf] });
  await gateway.start();
  await gateway.addSubsystem();
  for (const nsid of [1, 2]) {
    const image = ['-p', 'rbd', '-i', `disk${nsid}`, '--create-image', '--size', '64MiB'];
    await gateway.cli('namespace', 'add', '-n', SUBSYSTEM, '--nsid', String(nsid), ...image);
  }
  [stock, patient] = await booting;
  await patient.sh(`echo ${PATIENCE_S} >/sys/module/nvme_core/parameters/io_timeout`);
  await Promise.all([stock, patient].map((host) => host.connectAll(LAB_ADDRESSES[0])));
});

afterAll(async () => {
  await ceph?.script('stop');
});

describe.each(PAUSES_S)('OSDs paused for %i s under fio', (seconds) => {
  const limit = (seconds + 240) * 1000;

  it('no error; a stock host resets and resumes, a patient one keeps its paths', {
    timeout: limit,
  }, async () => {
    const devices = [await stock.device(SUBSYSTEM, 1), await patient.device(SUBSYSTEM, 2)] as const;
    const before = { stock: await resets(stock), patient: await resets(patient) };
    const memory = [await gateway.residentMiB()];
    const runtime = AROUND_S + seconds + AROUND_S;
    const running = Promise.all([write(stock, devices[0], runtime), write(patient, devices[1], runtime)]);
    await Promise.all([stock, patient].map((host) => host.until('fio runs', 'pgrep fio >/dev/null')));
    await sleep(AROUND_S * 1000);

    const began = performance.now();
    await ceph.ceph('osd', 'pause');
    const end = performance.now() + seconds * 1000;
    try {
      while (performance.now() < end) {
        expect(await states(patient, 2)).toEqual(LAB_ADDRESSES.map(() => 'live optimized'));
        memory.push(await gateway.residentMiB());
        await sleep(Math.min(3000, Math.max(0, end - performance.now())));
      }
    } finally {
      await ceph.ceph('osd', 'unpause');
    }
    const pausedMs = performance.now() - began;
    const [[reset], [waited]] = await running;
    memory.push(await gateway.residentMiB());
    const counted = {
      stock: (await resets(stock)) - before.stock,
      patient: (await resets(patient)) - before.patient,
    };
    process.stderr.write(
      `paused for ${seconds} s: longest I/O ${Math.round(reset.longestMs)} ms with ${counted.stock} resets (stock), ` +
        `${Math.round(waited.longestMs)} ms with ${counted.patient} (io_timeout ${PATIENCE_S} s); ` +
        `gateway ${memory[0]} MiB before, at most ${Math.max(...memory)} MiB, ${memory.at(-1)} MiB after\n`,
    );
    for (const { longestMs } of [reset, waited]) {
      expect(longestMs).toBeGreaterThan(seconds * 1000 - 1000);
      expect(longestMs).toBeLessThan(pausedMs + RESUMED_WITHIN_MS);
    }
    expect(counted.patient).toBe(0);
    expect(counted.stock).toBeGreaterThanOrEqual(1);
    expect(counted.stock, 'a reset per I/O timeout, not more').toBeLessThanOrEqual(
      Math.ceil(seconds / IO_TIMEOUT_S),
    );
    expect(Math.max(...memory)).toBeLessThan(memory[0] + MEMORY_MIB);
    expect(await patient.nvmeComplaints(SLOW_MACHINE)).toEqual([]);
    expect(await stock.nvmeComplaints(RESETS)).toEqual([]);
    await expect
      .poll(() => states(stock, 1), { timeout: 15_000 })
      .toEqual(LAB_ADDRESSES.map(() => 'live optimized'));
    expect(await stock.digest(devices[0])).toBe(await ceph.digest('rbd/disk1'));
    expect(await patient.digest(devices[1])).toBe(await ceph.digest('rbd/disk2'));
  });
});
