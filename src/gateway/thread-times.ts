/** What the threads of this process did with their time. */
import { readdir, readFile } from 'node:fs/promises';

/** Threads of one name, summed. */
export interface ThreadTime {
  readonly name: string;
  readonly busyMs: number;
  readonly idleMs: number;
}

/** The thread of JavaScript: it is busy when it does not wait for events. */
export function eventLoopTime(): ThreadTime {
  const { active, idle } = performance.eventLoopUtilization();
  return { name: 'event_loop', busyMs: active, idleMs: idle };
}

/** The kernel's unit of CPU time in /proc: USER_HZ is 100 on every Linux. */
const JIFFY_MS = 10;
const TASKS = '/proc/self/task';

/**
 * The other threads by the names that libraries give them (librbd's, librados's, Node's own): busy is CPU time. Those that have
 * no name of their own are named as the process is, the thread of JavaScript not among them.
 */
export async function otherThreadTimes(): Promise<ThreadTime[]> {
  const ids = (await readdir(TASKS)).filter((id) => Number(id) !== process.pid);
  const byName = new Map<string, { busyMs: number; idleMs: number }>();
  const upMs = process.uptime() * 1000;
  for (const id of ids) {
    // a thread may end at any time
    const stat = await readFile(`${TASKS}/${id}/stat`, 'utf8').catch(() => null);
    if (stat === null) continue;
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    // fields 14 and 15, user and system time; what follows the name begins with field 3
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const busyMs = (Number(fields[11]) + Number(fields[12])) * JIFFY_MS;
    const sum = byName.get(name) ?? { busyMs: 0, idleMs: 0 };
    sum.busyMs += busyMs;
    sum.idleMs += Math.max(0, upMs - busyMs);
    byName.set(name, sum);
  }
  return [...byName].map(([name, times]) => ({ name, ...times }));
}
