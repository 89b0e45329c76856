/** Every command that talks to a gateway, in the order of the help. */
import type { Command } from '../command.ts';
import { config } from './config.ts';
import { connection } from './connection.ts';
import { getSubsystems } from './get-subsystems.ts';
import { events, group } from './group.ts';
import { gw } from './gw.ts';
import { host } from './host.ts';
import { key } from './key.ts';
import { listener } from './listener.ts';
import { namespace } from './namespace.ts';
import { state } from './state.ts';
import { status } from './status.ts';
import { subsystem } from './subsystem.ts';
import { top } from './top.ts';
import { version } from './version.ts';

export const commands: readonly Command[] = [
  status,
  top,
  gw,
  group,
  events,
  subsystem,
  listener,
  host,
  namespace,
  connection,
  getSubsystems,
  state,
  key,
  config,
  version,
];
