/**
 * The gateway goes and comes back while a host verifies I/O and has a file system mounted. Nothing at the host may notice but
 * by waiting. ANAGATE_E2E_LONG=1 adds an absence of 15 minutes (scripts/restart-15min.sh).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { fileDigest } from './harness/backing-file.ts';
import { fio } from './harness/fio.ts';
import { type Gateway, SUBSYSTEM } from './harness/gateway.ts';
import { useLab } from './harness/lab.ts';
import type { LinuxHost } from './harness/linux-host.ts';
import { LAB_ADDRESSES } from './harness/place.ts';

/** What the host connects with, --reconnect-delay. */
const RECONNECT_DELAY_MS = 2000;
/** Connect, queues and the first I/O of an emulated host on a busy machine. */
const SLACK_MS = 4000;
/**
 * Linux notices that a connection died while it was being set up only when the command it waits for times out
 * (nvme_core.admin_timeout, 60 s): a controller in state `connecting` ignores the closed socket.
 */
const LOST_WHILE_CONNECTING_S = 60;
/** fio runs this long before and after. */
const AROUND_MS = 4000;

interface Absence {
  signal: 'SIGTERM' | 'SIGKILL';
  seconds: number;
}
const ABSENCES: Absence[] = [
  { signal: 'SIGTERM', seconds: 1 },
  { signal: 'SIGKILL', seconds: 1 },
  { signal: 'SIGTERM', seconds: 30 },
  { signal: 'SIGKILL', seconds: 30 },
  ...(process.env.ANAGATE_E2E_LONG === '1' ? [{ signal: 'SIGKILL', seconds: 900 } as const] : []),
];

const lab = useLab();
let gateway: Gateway;
let host: LinuxHost;
/** Raw, under fio; and with an ext4 mounted at /mnt. */
let raw: string;
let mounted: string;

function controllersOf(device: string): Promise<string[]> {
  return host.paths(device).then((paths) => paths.map(({ controller }) => controller).sort());
}

async function untilLive(seconds = 15): Promise<void> {
  await host.until('every path is live', '! grep -vq live /sys/class/nvme/nvme*/state', seconds);
}

/** Appends numbered, synced lines to a file until told to stop; prints how many it wrote and verifies them. */
const FILE_WRITER = `
  trap '' PIPE # see harness/fio.ts
  i=0; : >/mnt/log
  while [ ! -e /tmp/stop ]; do
    i=$((i + 1)); echo "line $i" >>/mnt/log && dd if=/dev/urandom of=/mnt/block$((i % 8)) bs=64k count=1 conv=fsync status=none || exit 1
  done
  sync -f /mnt && [ "$(wc -l </mnt/log)" = $i ] && echo $i`;

beforeAll(async () => {
  gateway = lab.gateway();
  [host] = await Promise.all([lab.bootHost(), gateway.start()]);
  await gateway.addSubsystem();
  await gateway.addNamespace({ nsid: 1, sizeMiB: 32 });
  await gateway.addNamespace({ nsid: 2, sizeMiB: 64 });
  await host.connectAll(LAB_ADDRESSES[0]);
  raw = await host.device(SUBSYSTEM, 1);
  mounted = await host.device(SUBSYSTEM, 2);
  await host.sh(`mkfs.ext4 -q -F /dev/${mounted} && mount /dev/${mounted} /mnt`);
});

describe.each(ABSENCES)('$signal, absent for $seconds s', ({ signal, seconds }) => {
  const limit = seconds * 1000 + 180_000;

  it('I/O waits and goes on: no error, nothing lost, nothing remounted', { timeout: limit }, async () => {
    const controllers = await controllersOf(raw);
    const before = await gateway.cli('--format', 'json', 'namespace', 'list', '-n', SUBSYSTEM);
    await host.sh('rm -f /tmp/stop');
    const runtime = (2 * AROUND_MS) / 1000 + seconds;
    const job = {
      rw: 'randwrite',
      bsrange: '4k-64k',
      size: '32M',
      verify_backlog: 64,
      time_based: 1,
      runtime,
    };
    const verifying = fio(host, raw, { verifying: job }, limit / 1000);
    const writing = host.sh(FILE_WRITER, limit / 1000);
    await sleep(AROUND_MS);

    const left = performance.now();
    const status = await gateway.stop(signal);
    const stoppedMs = performance.now() - left;
    expect(status).toBe(signal === 'SIGTERM' ? 0 : signal);
    await sleep(seconds * 1000);
    await gateway.start();
    const absentMs = performance.now() - left;

    const [report] = await verifying;
    await host.sh('touch /tmp/stop');
    const lines = Number(await writing);

    process.stderr.write(
      `${signal}, ${seconds} s: stopped in ${Math.round(stoppedMs)} ms, absent for ${Math.round(absentMs)} ms, longest I/O ${Math.round(report.longestMs)} ms\n`,
    );
    expect(report.longestMs, 'the absence was felt').toBeGreaterThan(seconds * 1000);
    expect(report.longestMs, 'I/O resumed within the reconnect delay').toBeLessThan(
      absentMs + RECONNECT_DELAY_MS + SLACK_MS,
    );
    expect(lines).toBeGreaterThan(0);
    await untilLive();
    expect(await controllersOf(raw), 'no path was given up and made anew').toEqual(controllers);
    expect(await host.sh(`grep ' /mnt ext4 ' /proc/mounts`)).toMatch(/ ext4 rw/);
    expect(await host.sh(`dmesg | grep -iE 'remounting|I/O error|buffer error' || true`)).toBe('');
    expect(await gateway.cli('--format', 'json', 'namespace', 'list', '-n', SUBSYSTEM)).toBe(before);
    expect(await host.digest(raw)).toBe(await fileDigest(gateway.backingFile(1)));
  });
});

describe('a host that knocks while the gateway starts', () => {
  const patience = LOST_WHILE_CONNECTING_S + 15;

  it('is put off, never turned away', { timeout: (patience + 60) * 1000 }, async () => {
    const controllers = await controllersOf(raw);
    // die in the middle of the start again and again, at ever later moments
    for (let diesAfterMs = 0; diesAfterMs < 1600; diesAfterMs += 200) {
      await gateway.stop('SIGKILL');
      gateway.launch();
      await sleep(diesAfterMs);
    }
    await gateway.stop('SIGKILL');
    await gateway.start();
    await untilLive(patience);
    expect(await controllersOf(raw)).toEqual(controllers);
    expect(
      await host.sh(`dmesg | grep -iE 'removing ctrl: NQN "nqn.2026|remounting|I/O error' || true`),
    ).toBe('');
  });
});

describe('afterwards', () => {
  it('the file system is clean, and its bytes are those of the backing file', async () => {
    await host.sh(`umount /mnt && e2fsck -f -n /dev/${mounted}`);
    expect(await host.digest(mounted)).toBe(await fileDigest(gateway.backingFile(2)));
  });

  it('a gateway that is asked to stop leaves nothing that keeps it from starting', async () => {
    expect(await gateway.stop('SIGTERM')).toBe(0);
    await gateway.start();
    await untilLive();
  });
});
