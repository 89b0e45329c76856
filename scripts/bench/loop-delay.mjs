/**
 * For `node --import`: measures how long the process's event loop stands still. Any message from the parent process is
 * answered with the longest stall since the message before, ms; and with the longest one less the time for which the kernel gave
 * the CPU to others, which is what counts on a machine that does other work.
 */
import { openSync, readSync } from 'node:fs';

const TICK_MS = 1;

/** Of this thread: ns on a CPU, ns waiting for one, and a count (Linux, Documentation/scheduler/sched-stats). */
const schedstat = openSync('/proc/thread-self/schedstat', 'r');
const text = Buffer.alloc(64);

function waitedMs() {
  const length = readSync(schedstat, text, 0, text.length, 0);
  return Number(text.latin1Slice(0, length).split(' ')[1]) / 1e6;
}

let longestMs = 0;
let longestOwnMs = 0;
let lastMs = performance.now();
let lastWaitedMs = waitedMs();

setInterval(() => {
  const nowMs = performance.now();
  const nowWaitedMs = waitedMs();
  const stallMs = nowMs - lastMs - TICK_MS;
  longestMs = Math.max(longestMs, stallMs);
  longestOwnMs = Math.max(longestOwnMs, stallMs - (nowWaitedMs - lastWaitedMs));
  lastMs = nowMs;
  lastWaitedMs = nowWaitedMs;
}, TICK_MS).unref();

process.on('message', () => {
  process.send({ longestMs, longestOwnMs });
  longestMs = 0;
  longestOwnMs = 0;
});
process.channel?.unref();
