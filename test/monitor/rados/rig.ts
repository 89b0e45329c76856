/** Gateways' parts in the coordination of one group, on a real cluster. */
import { afterEach } from 'vitest';
import { systemTimers } from '../../../src/base/clock.ts';
import { nullLog } from '../../../src/base/log.ts';
import { type Leadership, NO_LEADER } from '../../../src/monitor/coordination.ts';
import type { Fence } from '../../../src/monitor/group-map.ts';
import { RadosCoordination } from '../../../src/monitor/rados/rados-coordination.ts';
import { openGroupPool } from '../../../src/store/group-store.ts';
import { cephConf, freshName } from '../../node-rados/harness/with-cluster.ts';

export const POOL = 'rbd';

const opened: RadosCoordination[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

export interface RigOptions {
  confFile?: string;
  id?: string;
  pool?: string;
  callMs?: number;
}

/** Coordinations of one group that nobody else uses. */
export class GroupRig {
  readonly group = freshName('group');
  readonly #options: RigOptions;

  constructor(options: RigOptions = {}) {
    this.#options = options;
  }

  /** One gateway's, with a client of its own. Closed after the test. */
  async open(): Promise<RadosCoordination> {
    const { confFile = cephConf, id = 'admin', pool = POOL, callMs } = this.#options;
    const coordination = await RadosCoordination.open({
      connect: () => openGroupPool({ pool, configFile: confFile, id }),
      group: this.group,
      timers: systemTimers,
      log: nullLog,
      ...(callMs !== undefined && { callMs }),
    });
    opened.push(coordination);
    return coordination;
  }

  get mapObject(): string {
    return `anagate.${this.group}.map`;
  }
}

/** The first leader of a group. */
export function firstLeader(gateway: string): Leadership {
  return {
    ...NO_LEADER,
    term: 1,
    gateway,
    incarnation: `${gateway}-1`,
    beat: 1,
    peerAddress: '192.0.2.1',
    peerPort: 5500,
  };
}

export function fenceOf(address: string, incarnation = 'gw-a-1'): Fence {
  return {
    gateway: 'gw-a',
    incarnation,
    group: 1,
    address,
    state: 'intended',
    reason: 'test',
    sinceMs: 0,
  };
}

/** A text such as `rejected ETIMEDOUT` or `resolved`, and how long that took. */
export async function outcomeOf(work: Promise<unknown>): Promise<{ outcome: string; ms: number }> {
  const began = performance.now();
  const outcome = await work.then(
    () => 'resolved',
    (error: NodeJS.ErrnoException) => `rejected ${error.code}`,
  );
  return { outcome, ms: performance.now() - began };
}
