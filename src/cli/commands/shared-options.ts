/** Options that several nouns have. */
import type { Options } from 'yargs';
import type { CommandArguments } from '../arguments.ts';

export const SUBSYSTEM: Options = {
  alias: 'n',
  type: 'string',
  requiresArg: true,
  describe: 'NQN of the subsystem',
};
export const REQUIRED_SUBSYSTEM: Options = { ...SUBSYSTEM, demandOption: true };

export const NSID: Options = { type: 'string', requiresArg: true, describe: 'Namespace ID, from 1 up' };
export const REQUIRED_NSID: Options = { ...NSID, demandOption: true };

/** Of what takes something away, or moves it. */
export const DRY_RUN: Options = { type: 'boolean', describe: 'Say what would happen, and change nothing' };

/** Largest NSID of the NVMe specification that names a namespace. */
export const MAX_NSID = 0xffff_fffe;
export const MAX_PORT = 65535;
export const MAX_GROUP = 0x7fff_ffff;

export const YES_NO: Options = {
  type: 'string',
  choices: ['yes', 'no'],
  demandOption: true,
  requiresArg: true,
};

/** The namespace that a command is about. */
export function readTarget(args: CommandArguments): { nqn: string; nsid: number } {
  return { nqn: args.text('subsystem'), nsid: args.integer('nsid', 1, MAX_NSID) };
}
