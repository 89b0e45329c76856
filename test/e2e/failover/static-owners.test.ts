/**
 * A group whose owners are written down: nobody takes over, but nothing is lost either. Whatever happens to an owner, I/O waits
 * until it is back, and no application sees an error.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { useFailoverLab } from '../harness/failover-lab.ts';
import { expectClean, told } from './verdict.ts';

const lab = useFailoverLab({ gateways: 2, staticOwners: true });
const OUTAGE_MS = 3000;

afterEach(({ task }) => told(task.name));

it('each group is optimized at its gateway alone', async () => {
  await lab.balanced();
});

const OUTAGES: Record<string, { begin: () => Promise<void>; end: () => Promise<void> }> = {
  'the cable to the hosts is cut': {
    begin: () => lab.node(1).cut('host'),
    end: () => lab.node(1).heal(),
  },
  'the cable to Ceph is cut': {
    begin: () => lab.node(1).cut('ceph'),
    end: () => lab.node(1).heal(),
  },
  'both cables are unplugged': {
    begin: () => lab.node(1).cut('all', 'unplug'),
    end: () => lab.node(1).heal(),
  },
  'the owner is frozen': {
    begin: async () => lab.node(1).signal('SIGSTOP'),
    end: async () => lab.node(1).signal('SIGCONT'),
  },
  'the owner is killed': {
    begin: async () => {
      await lab.node(1).stop('SIGKILL');
    },
    end: async () => {
      await lab.node(1).start();
    },
  },
};

for (const [what, { begin, end }] of Object.entries(OUTAGES))
  it(`${what}: its group waits, the other does not notice`, async () => {
    const writer = await lab.write();
    await begin();
    await sleep(OUTAGE_MS);
    await end();
    await lab.balanced();
    const report = await writer.stop();
    expectClean(report);
    const [waited, other] = report.devices;
    expect(waited.longestGapMs).toBeGreaterThan(OUTAGE_MS * 0.8);
    expect(other.longestGapMs).toBeLessThan(OUTAGE_MS * 0.8);
  });
