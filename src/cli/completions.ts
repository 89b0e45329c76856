/** What may come next on an unfinished command line, for the shell. */
import { aliasesOf, type Command, type CommandOptions, isNoun } from './command.ts';

/**
 * @param words what is typed after the program's name; the last is being typed and may be ''
 * @returns every word that may stand in its place; the shell picks those that begin as it does
 */
export function completions(
  words: readonly string[],
  commands: readonly Command[],
  globals: CommandOptions,
  ownNames: readonly string[],
): string[] {
  const before = words.slice(0, -1);
  const current = words.at(-1) ?? '';
  const command = commands.find(
    (c) => before.includes(c.name) || (isNoun(c) && c.aliases.some((a) => before.includes(a))),
  );
  const verb =
    command !== undefined && isNoun(command) ? command.verbs.find((v) => before.includes(v.name)) : command;
  const options = { ...verb?.options, ...globals };

  const choices = choicesOf(before.at(-1), options);
  if (choices !== undefined) return choices;
  if (current.startsWith('-')) return [...Object.keys(options), 'help'].map((name) => `--${name}`);
  if (command === undefined) return [...commands.map((c) => c.name), ...ownNames];
  return verb === undefined && isNoun(command) ? command.verbs.map((v) => v.name) : [];
}

/** The values of the option that stands before, if it is one that has a list of them. */
function choicesOf(word: string | undefined, options: CommandOptions): string[] | undefined {
  const option = Object.entries(options).find(
    ([name, option]) => word === `--${name}` || aliasesOf(option).some((alias) => word === `-${alias}`),
  )?.[1];
  return option?.choices?.map(String);
}
