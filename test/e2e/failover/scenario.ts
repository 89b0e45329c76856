/** What every test of a failover is: the host writes, something happens, all comes in order again, and the host has noticed nothing. */
import { expect } from 'vitest';
import type { FailoverLab } from '../harness/failover-lab.ts';
import type { DeviceReport, WriterReport } from '../harness/verifying-writer.ts';

/** Set for the long versions of the faults that last: minutes more. */
export const LONG = process.env.ANAGATE_LONG !== undefined;

/** Longest time without an I/O on a disk, ms. Generous: the host is emulated, and the machine may be busy. */
export const GAP_LIMIT_MS = {
  /** Handed over as planned. */
  planned: 4000,
  /** A process ended, which its peers see at once. */
  crash: 8000,
  /** Silence: of the gateway for its peers, and of the path for the host. */
  silent: 15_000,
} as const;

/**
 * The host writes to a disk of each ANA group while `act` goes on and until all is balanced again; there is no error, no lost
 * and no stale data, and no disk stands still longer than `gapMs`.
 */
export async function underWrites(
  lab: FailoverLab,
  gapMs: number,
  act: () => Promise<void>,
): Promise<WriterReport> {
  const writer = await lab.write();
  await act();
  await lab.balanced();
  const report = await writer.stop();
  process.stderr.write(`${expect.getState().currentTestName}: ${report.devices.map(summary).join('; ')}\n`);
  expect(report.complaints).toEqual([]);
  for (const { writes, errors, wrong, longestGapMs } of report.devices) {
    expect({ errors, wrong }).toEqual({ errors: 0, wrong: 0 });
    expect(writes).toBeGreaterThan(0);
    expect(longestGapMs).toBeLessThan(gapMs);
  }
  return report;
}

function summary({ writes, reads, longestGapMs, longestIoMs }: DeviceReport): string {
  return `${writes + reads} I/Os, none for ${longestGapMs} ms, longest ${longestIoMs} ms`;
}
