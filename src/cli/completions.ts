/** What may come next on an unfinished command line, for the shell. */
import { aliasesOf, type Command, type CommandOptions, isNoun } from './command.ts';

/** What may stand in a place. */
export interface Completions {
  /** The shell picks those that begin as what is typed there does. */
  words: string[];
  /** Long name of the option whose value belongs there, when there is no list of its values; then `words` is empty. */
  asked?: string;
}

/**
 * @param words what is typed after the program's name; the last is being typed and may be ''
 */
export function completions(
  words: readonly string[],
  commands: readonly Command[],
  globals: CommandOptions,
  ownNames: readonly string[],
): Completions {
  const before = words.slice(0, -1);
  const current = words.at(-1) ?? '';
  const command = commands.find(
    (c) => before.includes(c.name) || (isNoun(c) && c.aliases.some((a) => before.includes(a))),
  );
  const verb =
    command !== undefined && isNoun(command) ? command.verbs.find((v) => before.includes(v.name)) : command;
  const options = { ...verb?.options, ...globals };

  const option = optionNamed(before.at(-1), options);
  if (option !== undefined) {
    const [asked, { choices, requiresArg, array }] = option;
    if (choices !== undefined) return { words: choices.map(String) };
    if (requiresArg || array) return { words: [], asked };
  }
  if (current.startsWith('-')) return { words: [...Object.keys(options), 'help'].map((name) => `--${name}`) };
  if (command === undefined) return { words: [...commands.map((c) => c.name), ...ownNames] };
  return { words: verb === undefined && isNoun(command) ? command.verbs.map((v) => v.name) : [] };
}

/** The value that an option has on a line, by any of its names. */
export function valueOn(
  words: readonly string[],
  name: string,
  aliases: readonly string[],
): string | undefined {
  const names = [`--${name}`, ...aliases.map((alias) => (alias.length === 1 ? `-${alias}` : `--${alias}`))];
  const place = words.findIndex((word) => names.includes(word));
  const joined = words.find((word) => names.some((long) => word.startsWith(`${long}=`)));
  return joined?.slice(joined.indexOf('=') + 1) ?? (place < 0 ? undefined : words[place + 1]);
}

function optionNamed(word: string | undefined, options: CommandOptions) {
  return Object.entries(options).find(
    ([name, option]) =>
      word === `--${name}` ||
      aliasesOf(option).some((alias) => word === (alias.length === 1 ? `-${alias}` : `--${alias}`)),
  );
}

/**
 * The script for bash. NQNs have colons, at which bash divides words: the functions of the package bash-completion put them
 * together again where there are any.
 */
export function bashScript(program: string, question: string): string {
  return `# Completion of ${program} for bash: "${program} completion >> ~/.bashrc"
_${program}_completion() {
  local cur words cword
  if declare -F _get_comp_words_by_ref > /dev/null; then
    _get_comp_words_by_ref -n : cur words cword
  else
    cur=\${COMP_WORDS[COMP_CWORD]} words=("\${COMP_WORDS[@]}") cword=$COMP_CWORD
  fi
  mapfile -t COMPREPLY < <(compgen -W "$(${program} ${question} ${program} "\${words[@]:1:cword}" 2> /dev/null)" -- "$cur")
  if declare -F __ltrim_colon_completions > /dev/null; then __ltrim_colon_completions "$cur"; fi
}
complete -o bashdefault -o default -F _${program}_completion ${program}`;
}
