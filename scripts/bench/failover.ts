/**
 * From a fault to the first I/O acknowledged elsewhere: `npm run bench:failover -- [options]`. A group of three gateways on a real
 * Ceph, each in a network namespace of its own (needs root), and a host on our own initiator that writes at a steady rate and
 * knows each acknowledged write. What Ceph's own monitor takes is measured too, as the interval in which it commits.
 */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { FailoverLab } from '../../test/e2e/harness/failover-lab.ts';
import { CASES, type Case, measure, type Run } from './failover/cases.ts';
import { describeRuns, HEADER } from './failover/figures.ts';
import { kernelGap } from './failover/kernel.ts';
import { build } from './gateway.ts';

const USAGE = `usage: npm run bench:failover -- [options]
  --runs N          runs of each case (default 20)
  --case A,B        only these: ${CASES.map(({ name }) => name).join(', ')}
  --propose A,B     Ceph's paxos_propose_interval in seconds (default 1.0,0.05; 1.0 is Ceph's own default)
  --images A,B      images in the ANA group that is hit (default 1,500); half of them are written
  --kernel          at a Linux host in qemu instead: the longest time that its application saw no I/O; one image
  --no-build        use dist/ as it is`;

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    case: { type: 'string', default: CASES.map(({ name }) => name).join(',') },
    propose: { type: 'string', default: '1.0,0.05' },
    images: { type: 'string', default: '1,500' },
    kernel: { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Group that the images are in and that is hit. */
const GROUP = 1;
/** I/Os per second; each image that is written has one every `images / 2 / RATE` seconds. */
const RATE = 250;
const OUTSTANDING = 512;
const MIB = 1024 * 1024;

function chosenCases(): Case[] {
  const names = values.case.split(',');
  const unknown = names.filter((name) => !CASES.some((one) => one.name === name));
  if (values.help || unknown.length > 0) {
    say(USAGE);
    process.exit(values.help ? 0 : 64);
  }
  return CASES.filter(({ name }) => names.includes(name));
}

async function openLab(images: number): Promise<FailoverLab> {
  const lab = new FailoverLab({
    linuxHost: values.kernel,
    imagesPerGroup: 0,
    imageBytes: images > 1 ? 4 * MIB : 16 * MIB,
    ceph: { lifeSeconds: 6 * 3600 },
  });
  try {
    await lab.open();
    for (let n = 0; n < images; n++) await lab.addImage(GROUP);
    if (values.kernel) await lab.connectHost();
    await lab.balanced();
  } catch (cause) {
    say(lab.lab.report());
    await lab.close();
    throw cause;
  }
  return lab;
}

/** All cases in one lab; resolves with what was wrong with the data, nothing if all is well. */
async function withImages(images: number, cases: readonly Case[]): Promise<string[]> {
  const lab = await openLab(images);
  try {
    const nsids = lab.nsids(GROUP).filter((_, at) => at % 2 === 0);
    const blocksPerNamespace = images > 1 ? 4 : 256;
    if (!values.kernel)
      await lab.agent.start({ nsids, blocksPerNamespace, rate: RATE, outstanding: OUTSTANDING });
    for (const propose of values.propose.split(',')) {
      await lab.ceph.ceph('tell', 'mon.*', 'config', 'set', 'paxos_propose_interval', propose);
      for (const one of cases) {
        const runs: Run[] = [];
        for (let n = 0; n < Number(values.runs); n++)
          runs.push(await (values.kernel ? kernelGap(lab, one, GROUP) : measure(lab, one, GROUP, nsids)));
        say(describeRuns(one, { propose, images, runs }));
      }
    }
    return values.kernel ? [] : (await lab.agent.stop()).complaints;
  } catch (cause) {
    say(lab.lab.report());
    throw cause;
  } finally {
    await lab.close();
  }
}

// The images stay in the group that is hit.
process.env.ANAGATE_GATEWAY_REBALANCE_PERIOD_SEC = '0';

const cases = chosenCases();
if (!values['no-build']) build();
say(
  `Node ${process.version}, ${cpus().length} CPUs, load ${loadavg()[0]?.toFixed(1)}; ms: median (worst of ${values.runs})`,
);
say(HEADER);
const complaints: string[] = [];
for (const images of values.kernel ? [1] : values.images.split(',').map(Number))
  complaints.push(...(await withImages(images, cases)));
for (const complaint of complaints) say(complaint);
say(complaints.length === 0 ? 'no error, no lost and no stale data' : `${complaints.length} COMPLAINTS`);
process.exit(complaints.length === 0 ? 0 : 1);
