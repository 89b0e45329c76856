/** What is said about a mistyped command line, instead of what yargs says. */
import { aliasesOf, type Command, type CommandOptions, isNoun, type Noun, type Verb } from './command.ts';
import { nearest } from './suggest.ts';
import { NOT_HERE } from './vocabulary.ts';

/** What is known of a command line when yargs gives it up. */
export interface Mistake {
  /** yargs' own words. */
  message: string;
  argv: readonly string[];
  /** The words of the command line that are not options: noun, verb. */
  words: readonly string[];
}

/**
 * @param globals options that every command has
 * @param ownNames commands that are not in `commands`; little is known of them
 * @returns what is wrong and, where there is something near, what may have been meant
 */
export function complaint(
  mistake: Mistake,
  commands: readonly Command[],
  globals: CommandOptions,
  ownNames: readonly string[],
): string {
  const verb = verbOf(mistake.words, commands);
  const options = new OptionNames({ ...verb?.options, ...globals });
  return (
    unknownCommand(mistake, commands, ownNames) ??
    (verb && unknownOption(mistake, options)) ??
    missingOption(mistake, options) ??
    wrongValue(mistake) ??
    unexpectedWords(mistake) ??
    mistake.message
  );
}

/** Which help to look at: that of the noun and verb, as far as they exist. */
export function helpCommand(
  program: string,
  words: readonly string[],
  commands: readonly Command[],
  ownNames: readonly string[],
): string {
  if (ownNames.includes(words[0])) return `${program} ${words[0]} --help`;
  const command = findCommand(words[0], commands);
  const verb = command !== undefined && isNoun(command) ? findVerb(words[1], command) : undefined;
  return [program, command?.name, verb?.name, '--help'].filter((word) => word !== undefined).join(' ');
}

function findCommand(word: string | undefined, commands: readonly Command[]): Command | undefined {
  return commands.find((c) => c.name === word || (isNoun(c) && c.aliases.includes(word ?? '')));
}

function findVerb(word: string | undefined, noun: Noun): Verb | undefined {
  return noun.verbs.find((verb) => verb.name === word);
}

function verbOf([first, second]: readonly string[], commands: readonly Command[]): Verb | undefined {
  const command = findCommand(first, commands);
  return command !== undefined && isNoun(command) ? findVerb(second, command) : command;
}

/** The options of a command by all their names. */
class OptionNames {
  /** Long name to one-letter name. */
  readonly letters = new Map<string, string>();
  readonly names: ReadonlySet<string>;

  constructor(options: CommandOptions) {
    const aliases = Object.values(options).flatMap(aliasesOf);
    this.names = new Set([...Object.keys(options), ...aliases, 'help', 'version']);
    for (const [name, option] of Object.entries(options)) {
      const letter = aliasesOf(option).find((alias) => alias.length === 1);
      if (letter !== undefined) this.letters.set(name, letter);
    }
  }
}

function unknownCommand(
  { words: [first, second] }: Mistake,
  commands: readonly Command[],
  ownNames: readonly string[],
): string | undefined {
  if (first === undefined || ownNames.includes(first)) return undefined;
  const command = findCommand(first, commands);
  const isHere = command !== undefined && (!isNoun(command) || findVerb(second, command) !== undefined);
  const elsewhere = isHere ? undefined : (NOT_HERE[first] ?? NOT_HERE[`${command?.name} ${second}`]);
  if (elsewhere !== undefined) return `not supported: ${elsewhere}`;
  if (command === undefined) {
    const names = commands.flatMap((c) => [c.name, ...(isNoun(c) ? c.aliases : [])]);
    return unknown(`command "${first}"`, nearest(first, [...names, ...ownNames]));
  }
  if (second === undefined || !isNoun(command) || findVerb(second, command) !== undefined) return undefined;
  const verbs = command.verbs.map((verb) => verb.name);
  const what = `${command.name} command "${second}"`;
  const guess = nearest(second, verbs);
  return guess === undefined ? `unknown ${what}; there are ${verbs.join(', ')}` : unknown(what, guess);
}

function unknownOption({ argv }: Mistake, { names }: OptionNames): string | undefined {
  for (const argument of argv) {
    const [, dashes, name] = /^(--?)([a-zA-Z][^=]*)/.exec(argument) ?? [];
    if (name === undefined || names.has(name)) continue;
    if (dashes === '--') {
      const guess = nearest(name, names);
      return unknown(`option --${name}`, guess && optionText(guess));
    }
    // Letters may be run together, and the last may have its value right behind it.
    if (!names.has(name[0])) return unknown(`option -${name[0]}`, undefined);
  }
  return undefined;
}

function missingOption({ message }: Mistake, { letters }: OptionNames): string | undefined {
  const missing = /^Missing required arguments?: (.+)$/.exec(message)?.[1];
  if (missing !== undefined) {
    const options = missing.split(', ').map((name) => {
      const letter = letters.get(name);
      return letter === undefined ? `--${name}` : `--${name} (-${letter})`;
    });
    return `${options.join(', ')} ${options.length === 1 ? 'is' : 'are'} missing`;
  }
  const option = /^Not enough arguments following: (.+)$/.exec(message)?.[1];
  return option === undefined ? undefined : `${optionText(option)} needs a value`;
}

function wrongValue({ message }: Mistake): string | undefined {
  const match = /^Invalid values:\s+Argument: (\S+), Given: (.*), Choices: (.*)$/s.exec(message);
  if (match === null) return undefined;
  const [, option, given, choices] = match;
  return `${optionText(option)} cannot be ${given}; use ${choices.replaceAll('"', '')}`;
}

function unexpectedWords({ message, argv }: Mistake): string | undefined {
  const list = /^Unknown (?:argument|command)s?: (.+)$/.exec(message)?.[1];
  if (list === undefined) return undefined;
  const words = list.split(', ').map((word) => (argv.includes(word) ? `"${word}"` : optionText(word)));
  return `unexpected ${words.join(', ')}`;
}

function unknown(what: string, guess: string | undefined): string {
  return guess === undefined ? `unknown ${what}` : `unknown ${what}; did you mean ${guess}?`;
}

function optionText(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}
