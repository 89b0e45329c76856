/** A run at a Linux host: the longest time that its application saw no I/O on the disk of the group. */
import type { FailoverLab } from '../../../test/e2e/harness/failover-lab.ts';
import { type Case, type Run, restore } from './cases.ts';

export async function kernelGap(lab: FailoverLab, { fault }: Case, group: number): Promise<Run> {
  const owner = await lab.owner(group);
  const writer = await lab.write(lab.nsids(group));
  const { hit } = await fault(lab, group, owner);
  await lab.untilMoved(owner, group, 60);
  await restore(lab, group, hit);
  const { devices, complaints } = await writer.stop();
  if (complaints.length > 0) throw new Error(complaints.join('\n'));
  const [{ longestGapMs, longestIoMs }] = devices;
  return { firstMs: longestGapMs, allMs: longestGapMs, stuckMs: longestIoMs, marks: {} };
}
