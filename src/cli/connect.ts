/** Which gateway a command speaks to, and how: from its options, else from the environment. */
import { systemClock } from '../base/clock.ts';
import { AnagateError } from '../base/errors.ts';
import { type ClientTls, clientTls, inTheClear } from '../control/tls.ts';
import { type CommandArguments, UsageError } from './arguments.ts';
import { GatewayClient } from './client.ts';
import { MAX_PORT } from './commands/shared-options.ts';
import { parseServers } from './server-list.ts';

const MAX_TIMEOUT_S = 3600;
/** grpc-js takes a 32-bit number of bytes. */
const LONGEST_MESSAGE_MIB = 2047;
const DEFAULT_PORT = '5500';

type Environment = Readonly<Record<string, string | undefined>>;

/** Opens nothing yet. @throws UsageError naming the option or variable that is wrong */
export function connect(args: CommandArguments, env: Environment): GatewayClient {
  const port = args.optionalInteger('server-port', 1, MAX_PORT) ?? portFrom(env);
  const option = args.optionalText('server-address');
  const servers =
    option === undefined
      ? parseServers(env.CEPH_NVMEOF_SERVER_ADDRESS || 'localhost', port, 'CEPH_NVMEOF_SERVER_ADDRESS')
      : parseServers(option, port, '--server-address');
  const tls = tlsFrom(args, env);
  return new GatewayClient(servers, {
    timeoutMs: args.integer('timeout', 1, MAX_TIMEOUT_S) * 1000,
    tls: tls ?? inTheClear,
    secure: tls !== null,
    maxMessageMib: args.optionalInteger('max-message-length', 1, LONGEST_MESSAGE_MIB),
  });
}

function portFrom(env: Environment): number {
  const text = env.CEPH_NVMEOF_SERVER_PORT || DEFAULT_PORT;
  const port = /^\d+$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= MAX_PORT) return port;
  throw new UsageError(`CEPH_NVMEOF_SERVER_PORT is "${text}", which is not a TCP port`);
}

/** Option and its variable. */
const TLS_FILES = [
  ['client-key', 'CEPH_NVMEOF_CLIENT_KEY'],
  ['client-cert', 'CEPH_NVMEOF_CLIENT_CERT'],
  ['server-cert', 'CEPH_NVMEOF_SERVER_CERT'],
] as const;

/** Null: in the clear, as none of the files is named. */
function tlsFrom(args: CommandArguments, env: Environment): ClientTls | null {
  const [key, cert, trusted] = TLS_FILES.map(
    ([option, variable]) => args.optionalText(option) ?? (env[variable] || undefined),
  );
  if (key === undefined && cert === undefined && trusted === undefined) return null;
  if (key === undefined || cert === undefined || trusted === undefined) {
    const missing = TLS_FILES.filter((_, i) => [key, cert, trusted][i] === undefined);
    const names = missing.map(([option, variable]) => `--${option} (or ${variable})`);
    throw new UsageError(
      `TLS needs a client key, a client certificate and a server certificate; missing: ${names.join(', ')}`,
    );
  }
  try {
    return clientTls({ key, cert, trusted }, systemClock.wallMs());
  } catch (error) {
    if (error instanceof AnagateError) throw new UsageError(error.message);
    throw error;
  }
}
