/** The product's log as lines of the trace. */
import type { Log, LogFields } from '../../../src/base/log.ts';
import type { SimProcess } from '../engine/process.ts';

export function traceLog(process: SimProcess, fields: LogFields = {}): Log {
  const write = (more: LogFields, message: string) =>
    process.simulation.note(() => `${process.name}: ${message} ${describe({ ...fields, ...more })}`);
  return {
    debug: write,
    info: write,
    warn: write,
    error: write,
    child: (more) => traceLog(process, { ...fields, ...more }),
  };
}

function describe(fields: LogFields): string {
  return JSON.stringify(fields, (_, value: unknown) => (value instanceof Error ? value.message : value));
}
