/** What is measured, and the goals. */

export interface LoadCase {
  name: string;
  write: boolean;
  operationBytes: number;
  depth: number;
  connections: number;
  sequential: boolean;
  digests: boolean;
  /** SQ flow control on, so that each read needs a response capsule too: what a Linux host does unless told otherwise. */
  flowControl: boolean;
  /** The part of the namespace that is worked on; undefined: the option's, small enough for a CPU's caches to hold much of it. */
  workingSetMib?: number;
  /**
   * What the CPU per command is compared with: the floor, a floor that keeps data as large as the namespace, or the gateway
   * under the same load without digests.
   */
  against: 'floor' | 'keeping-floor' | 'plain';
  /** Most CPU per command, as a multiple of what it is compared with. */
  goal?: number;
}

const KIB = 1024;
export const IDLE_CASE = 'idle';
export const IDLE_CONNECTIONS = 100;
/** Share of one core. */
export const IDLE_GOAL = 0.01;

/** Far more than caches hold: each 4 KiB then costs its way from memory too, which is the machine's and not the gateway's. */
const WIDE_MIB = 256;

/** The goals of CPU per command hold where batches are what they are under real load. */
const GOAL_SHAPE = { depth: 32, connections: 4 };
const READ_GOAL = 2.0;
const WRITE_GOAL = 2.5;
const DIGESTS_GOAL = 2.0;

export function allCases(): LoadCase[] {
  const cases: LoadCase[] = [];
  for (const write of [false, true]) {
    for (const connections of [1, 4]) {
      for (const depth of [1, 32, 128]) {
        const goes = depth === GOAL_SHAPE.depth && connections === GOAL_SHAPE.connections;
        cases.push({
          ...random(write, depth, connections),
          ...(goes ? { goal: write ? WRITE_GOAL : READ_GOAL } : {}),
        });
      }
    }
  }
  for (const write of [false, true]) {
    for (const connections of [1, 4]) cases.push(sequential(write, 8, connections));
  }
  const { depth, connections } = GOAL_SHAPE;
  for (const write of [false, true]) {
    const plain = random(write, depth, connections);
    cases.push({
      ...plain,
      name: `${plain.name}-digests`,
      digests: true,
      against: 'plain',
      goal: DIGESTS_GOAL,
    });
  }
  const plain = random(false, depth, connections);
  cases.push({ ...plain, name: `${plain.name}-flow-control`, flowControl: true });
  for (const write of [false, true]) {
    const narrow = random(write, depth, connections);
    cases.push({ ...narrow, name: `${narrow.name}-wide`, workingSetMib: WIDE_MIB, against: 'keeping-floor' });
  }
  return cases;
}

function random(write: boolean, depth: number, connections: number): LoadCase {
  return {
    name: `${write ? 'write' : 'read'}-4k-qd${depth}x${connections}`,
    write,
    operationBytes: 4 * KIB,
    depth,
    connections,
    sequential: false,
    digests: false,
    flowControl: false,
    against: 'floor',
  };
}

function sequential(write: boolean, depth: number, connections: number): LoadCase {
  const name = `${write ? 'write' : 'read'}-128k-seq-qd${depth}x${connections}`;
  return { ...random(write, depth, connections), name, operationBytes: 128 * KIB, sequential: true };
}
