/**
 * The Prometheus text format, version 0.0.4, as a stream of lines. Made for series per object: a generator keeps the place
 * where the last slice ended, so a page of any length costs the event loop only one slice at a time.
 */

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export type MetricType = 'counter' | 'gauge' | 'histogram';

/** The two comment lines that begin a family. `help` must be one line without backslashes: ours are literals. */
export function familyHead(name: string, type: MetricType, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

const TO_ESCAPE = /[\\"\n]/;

/** A label value's text between the quotes. */
export function escapeLabel(value: string): string {
  if (!TO_ESCAPE.test(value)) return value;
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** A sample's value. */
export function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

/** Longest time one slice may hold the event loop, milliseconds. A host's command waits behind at most this. */
const SLICE_MS = 1;
/** And its most text, so that encoding it stays short as well. */
const SLICE_CHARS = 64 * 1024;
/** A line takes about a microsecond: looking at the clock for each would double it. */
const LINES_PER_LOOK = 16;

/** Joins `lines` into chunks, each made in at most about a millisecond of `nowMs`. The caller lets I/O happen between chunks. */
export function* sliced(lines: Iterable<string>, nowMs: () => number): Generator<string> {
  let chunk = '';
  let untilLook = LINES_PER_LOOK;
  let end = nowMs() + SLICE_MS;
  for (const line of lines) {
    chunk += line;
    if (--untilLook > 0) continue;
    untilLook = LINES_PER_LOOK;
    if (chunk.length < SLICE_CHARS && nowMs() < end) continue;
    yield chunk;
    chunk = '';
    end = nowMs() + SLICE_MS;
  }
  if (chunk !== '') yield chunk;
}
