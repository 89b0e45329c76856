/** The log: pino behind the {@link Log} interface, JSON lines for machines, colour for a person at a terminal. */
import { isatty } from 'node:tty';
import {
  type DestinationStream,
  type LoggerOptions,
  type Logger as PinoLogger,
  pino,
  stdSerializers,
} from 'pino';
import { prettyFactory } from 'pino-pretty';
import { AnagateError } from '../base/errors.ts';
import type { Log, LogFields } from '../base/log.ts';
import { redactFields, redactText } from './secrets.ts';

/** Level names, most talkative first. We write debug to error; the others are there because users of pino know them. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const RANK: Record<LogLevel, number> = {
  trace: 10,
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  fatal: 60,
  silent: 99,
};

/** Lines waiting for a reader that has stopped are dropped beyond this: a stuck journal must not take our memory. */
const BACKLOG_BYTES_MAX = 4 * 1024 * 1024;

export interface LogOptions {
  /** Default 'info'. */
  level?: LogLevel;
  /** For people instead of machines. Default: whether the destination is a terminal. */
  pretty?: boolean;
  /** File descriptor 1 (default) or 2, or a stream (tests). */
  destination?: 1 | 2 | DestinationStream;
}

/** The root of all logs. */
export interface RootLog extends Log {
  readonly level: LogLevel;
  /** Changes the level of this log and all its children, at once. Throws INVALID_ARGUMENT for a name that is no level. */
  setLevel(level: string): void;
  /** Writes out what is waiting, synchronously; for the end of the process. */
  flush(): void;
}

export function isLogLevel(name: string): name is LogLevel {
  return (LOG_LEVELS as readonly string[]).includes(name);
}

/** pino copies the level into each child when it is made; a shared gate is what lets one call change them all. */
interface Gate {
  level: LogLevel;
  rank: number;
}

class GatedLog implements Log {
  readonly #pino: PinoLogger;
  protected readonly gate: Gate;

  constructor(logger: PinoLogger, gate: Gate) {
    this.#pino = logger;
    this.gate = gate;
  }

  debug(fields: LogFields, message: string): void {
    if (this.gate.rank <= RANK.debug) this.#pino.debug(redactFields(fields), message);
  }

  info(fields: LogFields, message: string): void {
    if (this.gate.rank <= RANK.info) this.#pino.info(redactFields(fields), message);
  }

  warn(fields: LogFields, message: string): void {
    if (this.gate.rank <= RANK.warn) this.#pino.warn(redactFields(fields), message);
  }

  error(fields: LogFields, message: string): void {
    if (this.gate.rank <= RANK.error) this.#pino.error(redactFields(fields), message);
  }

  child(fields: LogFields): Log {
    return new GatedLog(this.#pino.child(redactFields(fields)), this.gate);
  }
}

class PinoRootLog extends GatedLog implements RootLog {
  readonly #flush: () => void;

  constructor(logger: PinoLogger, level: LogLevel, flush: () => void) {
    super(logger, { level, rank: RANK[level] });
    this.#flush = flush;
  }

  get level(): LogLevel {
    return this.gate.level;
  }

  setLevel(level: string): void {
    if (!isLogLevel(level)) {
      throw new AnagateError('INVALID_ARGUMENT', `log level "${level}" is none of ${LOG_LEVELS.join(', ')}`);
    }
    this.gate.level = level;
    this.gate.rank = RANK[level];
  }

  flush(): void {
    this.#flush();
  }
}

/** Makes the root log. Secrets are taken out of every line, see secrets.ts. */
export function createLogger(options: LogOptions = {}): RootLog {
  const destination = options.destination ?? 1;
  const pretty = options.pretty ?? (typeof destination === 'number' && isatty(destination));
  const { stream, flush } = openDestination(destination, pretty);
  const pinoOptions: LoggerOptions = {
    level: 'trace',
    // Host and process are the journal's business.
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: stdSerializers.err },
    hooks: { streamWrite: redactText },
  };
  return new PinoRootLog(pino(pinoOptions, stream), options.level ?? 'info', flush);
}

function openDestination(
  destination: 1 | 2 | DestinationStream,
  pretty: boolean,
): { stream: DestinationStream; flush: () => void } {
  if (typeof destination !== 'number') {
    return { stream: pretty ? prettyStream(destination, false) : destination, flush: () => {} };
  }
  if (pretty) {
    // A person reads along: write at once.
    const terminal = pino.destination({ dest: destination, sync: true });
    return { stream: prettyStream(terminal, isatty(destination)), flush: () => terminal.flushSync() };
  }
  // Not synchronous: a full pipe would stop every host's I/O. pino writes out what is left when the process exits.
  const stream = pino.destination({ dest: destination, sync: false, maxLength: BACKLOG_BYTES_MAX });
  return { stream, flush: () => stream.flushSync() };
}

function prettyStream(destination: DestinationStream, colorize: boolean): DestinationStream {
  const format = prettyFactory({ colorize, translateTime: 'SYS:HH:MM:ss.l', singleLine: true });
  return { write: (line) => destination.write(format(line)) };
}
