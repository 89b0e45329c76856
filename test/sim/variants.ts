/** Ways to break the product from outside, one rule each: the simulation has to notice every one of them. */
import type { Coordination } from '../../src/monitor/coordination.ts';
import type { GroupServer } from '../../src/monitor/group-server.ts';
import type { SimProcess } from './engine/process.ts';
import type { World } from './world.ts';

export interface Variant {
  readonly name: string;
  /** What is broken. */
  readonly what: string;
  prepare?(world: World): void;
  wrapCoordination?(coordination: Coordination, world: World): Coordination;
  wrapServer?(server: GroupServer, process: SimProcess, world: World): GroupServer;
  readonly cache?: boolean;
}

export const NO_VARIANT: Variant = { name: 'none', what: 'nothing' };

export const VARIANTS: readonly Variant[] = [];
