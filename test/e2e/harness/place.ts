/** Where a lab's parts live: what hosts and gateways need to know of their lab. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PROJECT = fileURLToPath(new URL('../../..', import.meta.url));
export const LINUX_HOST_TOOL = join(PROJECT, 'scripts', 'linux-host.sh');
export const LAB_TOOL = join(PROJECT, 'scripts', 'lab.sh');
/** Addresses of a lab's namespace on its two bridges: what a gateway listens on. */
export const LAB_ADDRESSES = ['10.88.0.1', '10.89.0.1'] as const;

export interface Place {
  /** Network namespace, unique on this machine. */
  readonly namespace: string;
  /** A folder on disk that goes with the lab. */
  readonly directory: string;
  /** Command and arguments that run `command` inside the namespace. */
  inside(command: string, args: readonly string[]): [string, string[]];
}
