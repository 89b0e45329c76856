/**
 * Random faults for as long as asked, under writers that know each acknowledged write: `npm run soak -- --minutes M --seed N`.
 * A group of gateways on a real Ceph with three monitors, a real Linux host, and a host on our own initiator. Prints a tally;
 * exits 1 on the first I/O error, lost or stale data, or when a group does not come in order again. Needs root.
 */
import { parseArgs } from 'node:util';
import { FailoverLab } from '../test/e2e/harness/failover-lab.ts';
import { build } from './bench/gateway.ts';
import { Dice } from './soak/dice.ts';
import { FAULTS, type Fault } from './soak/faults.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    gateways: { type: 'string', default: '3' },
    'no-build': { type: 'boolean', default: false },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? Date.now() % 0x7fffffff);
if (!(minutes > 0) || !Number.isSafeInteger(seed)) {
  process.stderr.write('usage: npm run soak -- [--minutes M] [--seed N] [--gateways G] [--no-build]\n');
  process.exit(64);
}
const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Faults between two looks at all the data. */
const FAULTS_PER_EPISODE = 6;
/** One fault begins while another lasts, so often. */
const TWO_AT_ONCE = 0.3;
const LOAD = { blocksPerNamespace: 128, rate: 60, outstanding: 64 };

interface Tally {
  count: number;
  /** Longest that an I/O of our own host took in an episode with this fault, ms. */
  worstMs: number;
}

const dice = new Dice(seed);
const tally = new Map<string, Tally>();
let acknowledged = 0;

/**
 * None like those of `struck`: a daemon of Ceph that is being revived cannot be killed and revived once more, a cable that is being
 * plugged in cannot be unplugged.
 */
function draw(struck: readonly string[]): Fault {
  const kindOf = (name: string): string | undefined => name.split(':')[0];
  const faults = FAULTS.filter(({ name }) => !struck.some((other) => kindOf(other) === kindOf(name)));
  const total = faults.reduce((sum, { weight }) => sum + weight, 0);
  let at = dice.below(total);
  for (const fault of faults) {
    at -= fault.weight;
    if (at < 0) return fault;
  }
  throw new Error('weights are whole numbers');
}

/** A fault, perhaps a second one within it, and all in order again. */
async function round(lab: FailoverLab): Promise<string[]> {
  const names: string[] = [];
  const strike = async (): Promise<void> => {
    const fault = draw(names);
    names.push(fault.name);
    await fault.strike(lab, dice);
  };
  const second = dice.chance(TWO_AT_ONCE) ? dice.pause(2000).then(strike) : null;
  await Promise.all([strike(), second]);
  say(`  ${names.join(', and ')}`);
  await lab.repair();
  await lab.balanced();
  return names;
}

/** Some faults, then a look at every block. */
async function episode(lab: FailoverLab, until: number): Promise<void> {
  const [even, odd] = [0, 1].map((rest) => [...lab.images.keys()].filter((nsid) => nsid % 2 === rest));
  await lab.agent.start({ nsids: even, ...LOAD });
  const writer = await lab.write(odd, { seconds: 3600 });
  const struck: string[] = [];
  for (let n = 0; n < FAULTS_PER_EPISODE && performance.now() < until; n++)
    struck.push(...(await round(lab)));
  const ours = await lab.agent.stop();
  const { devices, complaints } = await writer.stop();
  const errors = [...ours.complaints, ...complaints];
  if (errors.length > 0) throw new Error(errors.join('\n'));
  acknowledged += devices.reduce((sum, { writes, reads }) => sum + writes + reads, ours.acknowledged);
  for (const name of struck) {
    const { count, worstMs } = tally.get(name) ?? { count: 0, worstMs: 0 };
    tally.set(name, { count: count + 1, worstMs: Math.max(worstMs, ours.longestIoMs) });
  }
  const gaps = devices.map(({ longestGapMs }) => longestGapMs).join(', ');
  say(`  data as it should be; longest without I/O at the Linux host, by disk: ${gaps} ms`);
}

function printTally(): void {
  say(
    `\n${acknowledged} I/Os acknowledged, no error, no lost and no stale data. Longest I/O of an episode with the fault:`,
  );
  for (const [name, { count, worstMs }] of [...tally].sort())
    say(`${String(count).padStart(6)}  ${name.padEnd(40)} ${Math.round(worstMs)} ms`);
}

async function soak(): Promise<void> {
  const lab = new FailoverLab({
    gateways: Number(values.gateways),
    imagesPerGroup: 2,
    ceph: { monitors: 3, lifeSeconds: minutes * 60 + 1800 },
  });
  let episodes = 0;
  try {
    await lab.open();
    const until = performance.now() + minutes * 60_000;
    while (performance.now() < until) {
      say(`episode ${++episodes}`);
      await episode(lab, until);
    }
  } catch (cause) {
    say(lab.lab.report());
    say(`FAILED in episode ${episodes} (seed ${seed}): ${cause instanceof Error ? cause.stack : cause}`);
    process.exitCode = 1;
  } finally {
    await lab.close();
    printTally();
  }
}

if (!values['no-build']) build();
say(`seed ${seed}, ${minutes} minutes`);
await soak();
process.exit();
