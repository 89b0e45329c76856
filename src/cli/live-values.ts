/** Values of options as the gateway knows them, for completion. Whatever goes wrong: there are none. */
import { CommandArguments } from './arguments.ts';
import { valueOn } from './completions.ts';
import { connect } from './connect.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The shell waits for it. */
const PATIENCE_S = '1';
const CONNECTING = ['server-address', 'server-port', 'client-key', 'client-cert', 'server-cert'];

/** @param words what is typed after the program's name */
export async function liveValues(
  option: string,
  words: readonly string[],
  env: Environment,
): Promise<string[]> {
  try {
    const given = CONNECTING.map((name) => [name, valueOn(words, name, [])]);
    const client = connect(new CommandArguments({ ...Object.fromEntries(given), timeout: PATIENCE_S }), env);
    try {
      return await ask(option, valueOn(words, 'subsystem', ['n', 'nqn']), client);
    } finally {
      client.close();
    }
  } catch {
    return [];
  }
}

async function ask(
  option: string,
  subsystem: string | undefined,
  client: ReturnType<typeof connect>,
): Promise<string[]> {
  switch (option) {
    case 'subsystem':
      return (await client.call('list_subsystems', {})).subsystems.map(({ nqn }) => nqn);
    case 'host-nqn':
      return subsystem === undefined
        ? []
        : (await client.call('list_hosts', { subsystem })).hosts.map(({ nqn }) => nqn);
    case 'nsid':
      return subsystem === undefined
        ? []
        : (await client.call('list_namespaces', { subsystem })).namespaces.map(({ nsid }) => String(nsid));
    case 'gateway-name':
      return (await client.call('list_gateways', {})).gateways.map(({ name }) => name);
    case 'load-balancing-group':
      return (await client.call('list_ana_groups', {})).ana_groups.map(({ id }) => String(id));
    default:
      return [];
  }
}
