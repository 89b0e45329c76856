/** fio in the guest: jobs in, clean reports out. */
import type { LinuxHost } from './linux-host.ts';

/** fio's own option names. */
export type FioOptions = Record<string, string | number>;

export interface FioJobReport {
  name: string;
  readBytes: number;
  writtenBytes: number;
  trimmedBytes: number;
  /** The longest that one read or write took, submission to completion, in ms: the outage that the application saw. */
  longestMs: number;
}

interface FioDirection {
  io_bytes: number;
  lat_ns: { max: number };
}
interface FioOutput {
  jobs: {
    jobname: string;
    error: number;
    total_err?: number;
    read: FioDirection;
    write: FioDirection;
    trim: FioDirection;
  }[];
}

/** Verified, direct, asynchronous: what every run here begins with. */
const DEFAULTS: FioOptions = {
  ioengine: 'libaio',
  direct: 1,
  iodepth: 8,
  verify: 'crc32c',
  verify_fatal: 1,
  randseed: 20_261_120,
};

/**
 * Runs jobs side by side against one block device; rejects unless fio's status is 0 and every job ended without an error.
 * @param seconds limit of the whole run
 */
export async function fio(
  host: LinuxHost,
  device: string,
  jobs: Record<string, FioOptions>,
  seconds = 180,
): Promise<FioJobReport[]> {
  const lines = (options: FioOptions): string =>
    Object.entries(options)
      .map(([k, v]) => `${k}=${v}\n`)
      .join('');
  const sections = Object.entries(jobs).map(([name, options]) => `[${name}]\n${lines(options)}`);
  const output = await host.sh(
    `f=$(mktemp -d); cat >$f/job <<'JOB'
[global]
filename=/dev/${device}
${lines(DEFAULTS)}${sections.join('')}
JOB
    trap '' PIPE # Linux 6.12 sends one to who submits just as the connection of the path ends
    fio --output-format=json --output=$f/report $f/job >$f/messages 2>&1; status=$?
    [ $status = 0 ] || { echo "fio ended with status $status"; cat $f/messages $f/report; dmesg | tail -n 20; exit 1; }
    sed -n '/^{/,$p' $f/report`,
    seconds,
  );
  const report = JSON.parse(output) as FioOutput;
  const failed = report.jobs.filter((job) => job.error !== 0 || (job.total_err ?? 0) !== 0);
  if (failed.length > 0) throw new Error(`fio saw errors:\n${JSON.stringify(failed, null, 1)}`);
  return report.jobs.map((job) => ({
    name: job.jobname,
    readBytes: job.read.io_bytes,
    writtenBytes: job.write.io_bytes,
    trimmedBytes: job.trim.io_bytes,
    longestMs: Math.max(job.read.lat_ns.max, job.write.lat_ns.max) / 1e6,
  }));
}
