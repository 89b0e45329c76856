/**
 * The log as the layers below the composition root see it: four levels, structured fields, one sentence. What writes it
 * (pino, see observe/log.ts) is handed in; nothing below knows it.
 */

/**
 * Structured fields of one log line. Names are camelCase and stable, because people grep and machines parse them:
 * hostNqn, subsystemNqn, cntlid, qid, address, reason. An `err` field holding an Error is written with its stack.
 */
export type LogFields = Readonly<Record<string, unknown>>;

/** A log with levels. Never called once per I/O. */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** A log that adds `fields` to every line. */
  child(fields: LogFields): Log;
}

function drop(): void {}

/** Writes nothing. For tests and for parts that are used without a log. */
export const nullLog: Log = {
  debug: drop,
  info: drop,
  warn: drop,
  error: drop,
  child: () => nullLog,
};
