/** The CLI's command line: what may be typed, what the help says, and how wrong typing is answered. */
import type { CommandModule } from 'yargs';
import yargs from 'yargs';
import { CommandArguments, UsageError } from './arguments.ts';
import { MAX_MESSAGE_MIB } from './client.ts';
import {
  aliasesOf,
  type Command,
  type CommandOptions,
  type Example,
  isNoun,
  type Noun,
  type Verb,
} from './command.ts';
import { commands } from './commands/registry.ts';
import { complaint, helpCommand } from './complaint.ts';
import { bashScript, completions } from './completions.ts';
import { connect } from './connect.ts';
import { liveValues } from './live-values.ts';
import {
  FORMATS,
  type Format,
  LOG_LEVELS,
  type LogLevel,
  OUTPUTS,
  Output,
  type OutputKind,
  type Streams,
} from './output.ts';
import { Session } from './session.ts';
import { inOwnWords } from './vocabulary.ts';

const PROGRAM = 'anagate';
const USAGE_STATUS = 2;
/** With this, the program's name and the words typed so far, the completion script asks what may come next. */
const COMPLETIONS = '--get-yargs-completions';
const HELP_COLUMNS = 110;

/** What a run of the CLI needs from the process. */
export interface CliEnvironment {
  streams: Streams;
  /** Environment variables. */
  env: Readonly<Record<string, string | undefined>>;
  version: string;
  /** Commands that are not requests to a gateway, as yargs has them; their handlers say for themselves how it went. */
  ownCommands?: readonly CommandModule[];
}

/** Options that every command to a gateway has. */
export const GLOBAL_OPTIONS: CommandOptions = {
  format: {
    type: 'string',
    choices: FORMATS,
    default: 'text',
    requiresArg: true,
    describe:
      'text: tables for people; plain: bare columns; json, yaml, python: the whole answer, for programs',
  },
  output: {
    type: 'string',
    choices: OUTPUTS,
    default: 'stdio',
    requiresArg: true,
    describe: 'stdio: results to standard output, errors to standard error; log: all to standard error',
  },
  'server-address': {
    type: 'string',
    requiresArg: true,
    describe:
      "Address of the gateway's gRPC port, or of several with commas, of which the first that serves is used; each may be " +
      'host:port [default: $CEPH_NVMEOF_SERVER_ADDRESS or localhost]',
  },
  'server-port': {
    type: 'string',
    requiresArg: true,
    describe: 'gRPC port of the gateway [default: $CEPH_NVMEOF_SERVER_PORT or 5500]',
  },
  'client-key': {
    type: 'string',
    requiresArg: true,
    describe:
      'For a gateway with enable_auth: the key of --client-cert (PEM) [default: $CEPH_NVMEOF_CLIENT_KEY]',
  },
  'client-cert': {
    type: 'string',
    requiresArg: true,
    describe: '... the certificate that says who asks [default: $CEPH_NVMEOF_CLIENT_CERT]',
  },
  'server-cert': {
    type: 'string',
    requiresArg: true,
    describe:
      "... the gateway's certificate, or that of the authority that signed it [default: $CEPH_NVMEOF_SERVER_CERT]",
  },
  'gw-group': {
    type: 'string',
    requiresArg: true,
    describe: 'Only if the gateway that answers is of this group',
  },
  timeout: {
    type: 'string',
    default: '30',
    requiresArg: true,
    describe: 'Seconds to wait for an answer',
  },
  'max-message-length': {
    type: 'string',
    requiresArg: true,
    describe: `Longest request and answer, MiB [default: ${MAX_MESSAGE_MIB}]`,
  },
  'log-level': {
    type: 'string',
    choices: LOG_LEVELS,
    default: 'info',
    requiresArg: true,
    describe: 'With --output log: what is said',
  },
  verbose: { type: 'boolean', describe: 'Say on standard error what is asked and answered' },
};

const EXAMPLES: readonly Example[] = [
  ['serve', 'run a gateway here'],
  ['subsystem add -n nqn.2026-11.io.anagate:shop', 'make a subsystem ...'],
  ['listener add -n nqn.2026-11.io.anagate:shop -a 192.0.2.10', '... reachable ...'],
  ["host add -n nqn.2026-11.io.anagate:shop -t '*'", '... by any host ...'],
  [
    'ns add -n nqn.2026-11.io.anagate:shop --backend file --path /srv/disk1.img --size 10G',
    '... with a disk',
  ],
  ['ns list --format json', 'for a program'],
];

/**
 * Runs one command line.
 * @param typed without node and the script
 * @returns the exit status: 0, the errno of the answer, or 2 when it was typed wrongly
 */
export async function runCommandLine(typed: readonly string[], environment: CliEnvironment): Promise<number> {
  let exitStatus = 0;
  const run = async (verb: Verb, values: Record<string, unknown>) => {
    exitStatus = await runVerb(verb, values, environment);
  };
  const argv = typed[0] === COMPLETIONS ? typed : inOwnWords(typed, isOption, VERB_NAMES);
  const parser = buildParser(argv, environment, run);
  if (argv[0] === COMPLETIONS) {
    const line = argv.slice(2);
    const { words, asked } = completions(line, commands, GLOBAL_OPTIONS, ownCommandNames(environment));
    const values = asked === undefined ? words : await liveValues(asked, line, environment.env);
    environment.streams.out(values.join('\n'));
    return exitStatus;
  }
  try {
    await parser.parseAsync([...argv], {}, (_error: unknown, _argv: unknown, output: string) => {
      if (output !== '') environment.streams.out(output);
    });
    return exitStatus;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const help = helpCommand(PROGRAM, wordsOf(parser), commands, ownCommandNames(environment));
    environment.streams.err(`${PROGRAM}: ${error.message}\nSee: ${help}`);
    return USAGE_STATUS;
  }
}

const VERB_NAMES = new Set(
  commands.flatMap((command) => (isNoun(command) ? command.verbs.map(({ name }) => name) : [command.name])),
);
const OPTION_NAMES = new Set(
  [
    GLOBAL_OPTIONS,
    ...commands.flatMap((c) => (isNoun(c) ? c.verbs : [c])).map((verb) => verb.options),
  ].flatMap((options) => Object.entries(options).flatMap(([name, option]) => [name, ...aliasesOf(option)])),
);
const isOption = (name: string): boolean => OPTION_NAMES.has(name);

type Run = (verb: Verb, values: Record<string, unknown>) => Promise<void>;

function buildParser(argv: readonly string[], environment: CliEnvironment, run: Run) {
  const ownNames = ownCommandNames(environment);
  const parser = yargs()
    .scriptName(PROGRAM)
    .locale('en')
    .wrap(HELP_COLUMNS)
    .exitProcess(false)
    .parserConfiguration({ 'boolean-negation': false, 'camel-case-expansion': false })
    .usage('$0 <command> [options]\n\nServes NVMe/TCP, and manages a gateway that does.')
    .options(ownLevelOnly(GLOBAL_OPTIONS))
    .example(examples(EXAMPLES))
    .epilogue(
      "'anagate <command> --help' says more. Exit status: 0, 2 for a mistyped command, else the Linux errno of the failure.",
    )
    .strict()
    .demandCommand(1, 'say what to do')
    .version(environment.version);
  parser.fail((message, error) => {
    if (error && error.name !== 'YError') throw error;
    const mistake = { message: error?.message ?? message, argv, words: wordsOf(parser) };
    throw new UsageError(complaint(mistake, commands, GLOBAL_OPTIONS, ownNames));
  });
  parser.command('completion', 'Print a completion script for bash', {}, () =>
    environment.streams.out(bashScript(PROGRAM, COMPLETIONS)),
  );
  for (const command of environment.ownCommands ?? []) parser.command(command);
  for (const command of commands) addCommand(parser, command, run);
  return parser;
}

/** Options that the commands below do not have unless they say so: `serve` has none of these. */
function ownLevelOnly(options: CommandOptions): CommandOptions {
  return Object.fromEntries(
    Object.entries(options).map(([name, option]) => [name, { ...option, global: false }]),
  );
}

/** A command may be declared as "serve [directory]". */
function ownCommandNames({ ownCommands = [] }: CliEnvironment): string[] {
  const names = ownCommands.map(
    ({ command }) => String(Array.isArray(command) ? command[0] : command).split(' ')[0],
  );
  return ['completion', ...names];
}

type Parser = ReturnType<typeof yargs>;

function addCommand(parser: Parser, command: Command, run: Run): void {
  if (isNoun(command)) addNoun(parser, command, run);
  else addVerb(parser, command, run);
}

function addNoun(parser: Parser, noun: Noun, run: Run): void {
  parser.command({
    command: noun.name,
    aliases: noun.aliases,
    describe: noun.describe,
    builder: (nested) => {
      for (const verb of noun.verbs) addVerb(nested, verb, run, noun.name);
      return nested
        .options(GLOBAL_OPTIONS)
        .usage(`$0 ${noun.name} <command> [options]\n\n${noun.describe}`)
        .example(examples(noun.verbs.flatMap((verb) => verb.examples)))
        .demandCommand(
          1,
          `say what to do with ${noun.name}: ${noun.verbs.map((verb) => verb.name).join(', ')}`,
        );
    },
    handler: () => {},
  });
}

function addVerb(parser: Parser, verb: Verb, run: Run, noun = ''): void {
  const name = `${noun} ${verb.name}`.trim();
  const { operand } = verb;
  parser.command({
    command: `${verb.name}${operand === undefined ? '' : ` <${operand.name}>`}`,
    describe: verb.describe,
    builder: (nested) =>
      (operand === undefined
        ? nested
        : nested.positional(operand.name, { type: 'string', describe: operand.describe })
      )
        .usage(`$0 ${name} ${operand === undefined ? '' : `<${operand.name}> `}[options]\n\n${verb.describe}`)
        .options({ ...GLOBAL_OPTIONS, ...verb.options })
        .group(Object.keys(verb.options), `Options of ${name}:`)
        .example(examples(verb.examples)),
    handler: (values) => run(verb, values),
  });
}

function examples(list: readonly Example[]): [string, string][] {
  return list.map(([commandLine, what]) => [`${PROGRAM} ${commandLine}`, what]);
}

async function runVerb(
  verb: Verb,
  values: Record<string, unknown>,
  { streams, env, version }: CliEnvironment,
): Promise<number> {
  const args = new CommandArguments(values);
  const output = new Output(
    {
      format: args.text('format') as Format,
      output: args.text('output') as OutputKind,
      logLevel: args.text('log-level') as LogLevel,
      verbose: args.flag('verbose'),
    },
    streams,
  );
  const client = connect(args, env);
  try {
    const session = new Session(client, output, version, env);
    return (await session.requireGroup(args.optionalText('gw-group'))) || (await verb.run(args, session));
  } finally {
    client.close();
  }
}

/** The words of the command line that are not options. */
function wordsOf(parser: Parser): string[] {
  return parser.parsed === false ? [] : parser.parsed.argv._.map(String);
}
