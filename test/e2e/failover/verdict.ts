/** What every test of a failover asks of the application in the host. */
import { expect } from 'vitest';
import type { DeviceReport, WriterReport } from '../harness/verifying-writer.ts';

let last: WriterReport | null = null;

/** No I/O error, no lost or stale data, and it was at work. */
export function expectClean(report: WriterReport): void {
  last = report;
  expect(report.complaints).toEqual([]);
  expect(report.devices.map(({ errors, wrong }) => ({ errors, wrong }))).toEqual(
    report.devices.map(() => ({ errors: 0, wrong: 0 })),
  );
  for (const { writes } of report.devices) expect(writes).toBeGreaterThan(0);
}

/** One line about the last report: acknowledged I/Os, the longest time without one, the longest that one took. */
export function told(what: string): void {
  if (last === null) return;
  const line = ({ writes, reads, longestGapMs, longestIoMs }: DeviceReport): string =>
    `${writes + reads} I/Os, gap ${longestGapMs}, longest ${longestIoMs} ms`;
  process.stderr.write(`${what}: ${last.devices.map(line).join('; ')}\n`);
  last = null;
}
