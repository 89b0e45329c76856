/** What the CLI says, in the format and to the place that its options name. */
import { stringify } from 'yaml';
import { gatewayPackage } from '../control/gateway-proto.ts';
import { pythonLiteral } from './python-literal.ts';
import { type Cell, renderTable } from './table.ts';
import type { Progress } from './waiting.ts';

export const FORMATS = ['text', 'json', 'yaml', 'plain', 'python'] as const;
export type Format = (typeof FORMATS)[number];

/** `stdio`: results to standard output, complaints to standard error. `log`: everything to standard error, by level. */
export const OUTPUTS = ['stdio', 'log'] as const;
export type OutputKind = (typeof OUTPUTS)[number];

/** Log levels of `--output log`, from the chattiest. */
export const LOG_LEVELS = ['debug', 'info', 'warning', 'error', 'critical'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Where text goes; each gets whole lines without the last line end. */
export interface Streams {
  out(text: string): void;
  err(text: string): void;
  /** Size of the terminal that `out` is; undefined: it is none. */
  screen?(): { rows: number; columns: number } | undefined;
  /** For what is taken back again: present where `err` is a terminal. */
  progress?: Progress | undefined;
}

export interface OutputOptions {
  format: Format;
  output: OutputKind;
  logLevel: LogLevel;
  verbose: boolean;
}

/** Cursor to the upper left corner, everything behind it away. */
const CLEAR = '\u001b[H\u001b[J';

/** The name of a message in proto/gateway.proto. */
export type MessageName = string;

export class Output {
  readonly format: Format;
  readonly #options: OutputOptions;
  readonly #streams: Streams;
  #documents = 0;

  constructor(options: OutputOptions, streams: Streams) {
    this.format = options.format;
    this.#options = options;
    this.#streams = streams;
  }

  /** json, yaml and python: one document for an answer, whatever became of the request; people get text instead. */
  get isDocument(): boolean {
    return this.format !== 'text' && this.format !== 'plain';
  }

  /** A message as protobuf's JSON with the proto file's field names. */
  document(message: MessageName, value: object): void {
    this.tree(inFieldOrder(message, value));
  }

  /** A document that is no message; its fields as they come. */
  tree(ordered: object): void {
    if (this.format === 'json') {
      this.info(JSON.stringify(ordered, null, 4));
    } else if (this.format === 'python') {
      this.info(pythonLiteral(ordered));
    } else {
      if (this.#documents > 0) this.info('---');
      this.info(stringify(ordered).trimEnd());
    }
    this.#documents += 1;
  }

  /** The terminal that results go to; undefined: they go elsewhere. */
  get screen(): { rows: number; columns: number } | undefined {
    return this.#options.output === 'stdio' ? this.#streams.screen?.() : undefined;
  }

  get progress(): Progress | undefined {
    return this.#options.verbose ? undefined : this.#streams.progress;
  }

  /** Takes the place of the picture before on a terminal, and follows it elsewhere. */
  picture(text: string): void {
    this.info(this.screen === undefined ? `${text}\n` : `${CLEAR}${text}`);
  }

  /** Bare columns, whatever the format. */
  columns(headers: readonly string[], rows: readonly (readonly Cell[])[]): string {
    return renderTable(headers, rows, 'plain');
  }

  table(headers: readonly string[], rows: readonly (readonly Cell[])[]): string {
    return renderTable(headers, rows, this.format === 'plain' ? 'plain' : 'grid');
  }

  info(text: string): void {
    this.#say('info', text);
  }

  /** It went well, but something should be known. */
  warning(text: string): void {
    this.#say('warning', text);
  }

  error(text: string): void {
    this.#say('error', text);
  }

  /** What is done, for --verbose. */
  detail(text: string): void {
    if (this.#options.verbose) this.#streams.err(text);
  }

  #say(level: LogLevel, text: string): void {
    if (this.#options.output === 'stdio') {
      if (level === 'info') this.#streams.out(text);
      else this.#streams.err(text);
    } else if (LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(this.#options.logLevel)) {
      this.#streams.err(text);
    }
  }
}

interface FieldDescriptor {
  name: string;
  type: string;
  typeName: string;
}

/** The same message with its fields as the proto file has them, so that `status` comes first. */
function inFieldOrder(message: MessageName, value: object): object {
  const source = value as Record<string, unknown>;
  const ordered: Record<string, unknown> = {};
  for (const { name, type, typeName } of fieldsOf(message)) {
    const field = source[name];
    if (field === undefined) continue;
    if (type !== 'TYPE_MESSAGE' || field === null) ordered[name] = field;
    else if (Array.isArray(field)) ordered[name] = field.map((item: object) => inFieldOrder(typeName, item));
    else ordered[name] = inFieldOrder(typeName, field);
  }
  return ordered;
}

function fieldsOf(message: MessageName): readonly FieldDescriptor[] {
  const { type } = gatewayPackage[message.replace(/^\./, '')] as {
    type: { field: readonly FieldDescriptor[] };
  };
  return type.field;
}
