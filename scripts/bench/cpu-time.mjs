/** CPU time of a process, all its threads, from the kernel's books. */
import { readdirSync, readFileSync } from 'node:fs';

const TICK_NS = 1e7;

/** Nanoseconds of CPU that process `pid` has used, user and system. Throws when it is gone. */
export function cpuTimeNs(pid) {
  return scheduledNs(pid) || accountedNs(pid);
}

/** The same of its main thread, which in a Node process runs the event loop; 0 where the kernel does not keep it. */
export function mainThreadCpuNs(pid) {
  return scheduledThreadNs(pid, pid);
}

/** schedstat counts nanoseconds, for each thread; 0 where the kernel does not keep it. */
function scheduledNs(pid) {
  let total = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      total += scheduledThreadNs(pid, thread);
    } catch {
      // A thread that ended meanwhile; a kernel without schedstat.
    }
  }
  return total;
}

function scheduledThreadNs(pid, thread) {
  return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ', 1)[0]);
}

/** utime and stime: ticks of 10 ms, good enough over seconds. */
function accountedNs(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_NS;
}
