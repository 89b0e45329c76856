/** What a command of the CLI is. The tree of them is data: yargs, the help and the reference are made from it. */
import type { Options } from 'yargs';
import type { CommandArguments } from './arguments.ts';
import type { Session } from './session.ts';

/** An option by its long name. Numbers are of type string: {@link CommandArguments} reads them strictly. */
export type CommandOptions = Readonly<Record<string, Options>>;

/** The other names of an option, without dashes: letters, and words. */
export function aliasesOf({ alias = [] }: Options): readonly string[] {
  return typeof alias === 'string' ? [alias] : alias;
}

/** A command line to show, without the program's name, and what it does. */
export type Example = readonly [commandLine: string, what: string];

/** Something that can be done: `add` of `subsystem add`, or `version` that stands alone. */
export interface Verb {
  readonly name: string;
  /** A sentence for the help. */
  readonly describe: string;
  /** What stands behind the verb without dashes; it is needed. */
  readonly operand?: { readonly name: string; readonly describe: string };
  readonly options: CommandOptions;
  readonly examples: readonly Example[];
  /**
   * Does it and says what became of it.
   * @returns the exit status: 0, or the errno of the answer
   * @throws UsageError before anything is asked of the gateway
   */
  run(args: CommandArguments, session: Session): Promise<number>;
}

/** Something that has verbs. */
export interface Noun {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly describe: string;
  readonly verbs: readonly Verb[];
}

export type Command = Noun | Verb;

export function isNoun(command: Command): command is Noun {
  return 'verbs' in command;
}
