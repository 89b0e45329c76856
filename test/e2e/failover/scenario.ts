/**
 * What every test of a failover is: two hosts write, something happens, all comes in order again, and the applications have
 * noticed nothing. The Linux host is the truth; our own initiator is not emulated, and so tells how long it took.
 */
import { expect } from 'vitest';
import type { FailoverLab } from '../harness/failover-lab.ts';
import type { LoadReport } from '../harness/verifying-load.ts';
import type { DeviceReport, WriterReport } from '../harness/verifying-writer.ts';

/** Set for the long versions of the faults that last: minutes more. */
export const LONG = process.env.ANAGATE_LONG !== undefined;

/** Images that a lab needs in each ANA group: one for each host. */
export const IMAGES_PER_GROUP = 2;

/** Longest that an I/O of our own initiator may take, ms: the goals, with room for a busy machine. `bench:failover` measures. */
export const LIMIT_MS = {
  /** Handed over as planned. */
  planned: 4000,
  /** A process ended, which its peers see at once. */
  crash: 6000,
  /** Silence: of the gateway for its peers, and of the path for the host. Or one failure after the other. */
  silent: 10_000,
} as const;

/** More at the Linux host is no matter of emulation, and soon one of its own time-out of 30 s. */
const LINUX_LIMIT_MS = 25_000;
const LOAD = { blocksPerNamespace: 64, rate: 50, outstanding: 64 };

export interface Reports {
  ours: LoadReport;
  linux: WriterReport;
}

/**
 * The hosts write to disks of all ANA groups while `act` goes on and until all is balanced again: no error, no lost and no stale
 * data, and no I/O that took longer than `limitMs`.
 */
export async function underWrites(
  lab: FailoverLab,
  limitMs: number,
  act: () => Promise<void>,
): Promise<Reports> {
  const before = new Set(await lab.changes());
  const groups = [...new Set(lab.images.values())];
  const writer = await lab.write(groups.map((group) => lab.nsids(group)[0]));
  await lab.agent.start({ nsids: groups.map((group) => lab.nsids(group)[1]), ...LOAD });
  let reports: Reports;
  try {
    await act();
    await lab.balanced();
  } catch (cause) {
    await lab.repair(); // or I/O may wait for ever
    throw cause;
  } finally {
    // whatever happened, the next test's writers are alone
    reports = { ours: await lab.agent.stop(), linux: await writer.stop() };
  }
  tell(
    reports,
    (await lab.changes()).filter((change) => !before.has(change)),
  );
  expect([...reports.ours.complaints, ...reports.linux.complaints]).toEqual([]);
  for (const { writes, errors, wrong, longestIoMs } of reports.linux.devices) {
    expect({ errors, wrong }).toEqual({ errors: 0, wrong: 0 });
    expect(writes).toBeGreaterThan(0);
    expect(longestIoMs).toBeLessThan(Math.max(limitMs, LINUX_LIMIT_MS));
  }
  expect(reports.ours.longestIoMs).toBeLessThan(limitMs);
  return reports;
}

function tell({ ours, linux }: Reports, changes: readonly string[]): void {
  const disk = ({ writes, reads, longestGapMs, longestIoMs }: DeviceReport): string =>
    `${writes + reads} I/Os, longest ${longestIoMs}, none for ${longestGapMs}`;
  const lines = [
    `${expect.getState().currentTestName}: ${ours.acknowledged} I/Os, longest ${Math.round(ours.longestIoMs)} ms; ` +
      `Linux (itself late by ${linux.longestLateMs}), by disk, ms: ${linux.devices.map(disk).join('; ')}`,
    ...changes.map((change) => `  ${change}`),
  ];
  process.stderr.write(`${lines.join('\n')}\n`);
}
