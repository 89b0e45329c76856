/** Commands about the whole configuration that can do without a gateway. */
import type { Options } from 'yargs';
import { SETTING_DEFAULTS } from '../../config/settings.ts';
import type { RpcAnswer, RpcRequest } from '../../control/gateway-proto.ts';
import type { Sent } from '../../control/gateway-types.ts';
import type { StateRpc } from '../../control/state.ts';
import type { CommandArguments } from '../arguments.ts';
import type { Session } from '../session.ts';

export const OFFLINE: Record<'offline' | 'config' | 'state-dir', Options> = {
  offline: {
    type: 'boolean',
    describe:
      'Ask no gateway: use the store itself, that of --config or of --state-dir. No gateway needs to run',
  },
  config: {
    type: 'string',
    requiresArg: true,
    describe: '--offline: configuration file of a gateway ([ceph] pool, [gateway] group, encryption_key)',
  },
  'state-dir': {
    type: 'string',
    requiresArg: true,
    describe: `--offline: directory of a gateway that is alone (default: ${SETTING_DEFAULTS.stateDir})`,
  },
};

/** Asks the gateway, or does it here if that is asked for. */
export async function callState<R extends StateRpc>(
  rpc: R,
  request: Sent<RpcRequest<R>>,
  failure: string,
  from: { args: CommandArguments; session: Session },
): Promise<RpcAnswer<R>> {
  if (!from.args.flag('offline')) return from.session.call(rpc, request, failure);
  // Only here: a command that asks a gateway needs no parts of one.
  const { callOffline } = await import('../offline.ts');
  return callOffline(rpc, request, failure, from);
}
