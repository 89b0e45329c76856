/** docs/ha.md says what the code does: its states, its times, its commands. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isNoun } from '../../src/cli/command.ts';
import { commands } from '../../src/cli/commands/registry.ts';
import { parseConfigFile } from '../../src/config/config-file.ts';
import type { Availability, GroupStateName } from '../../src/monitor/group-map.ts';
import { MONITOR_TIMES } from '../../src/monitor/times.ts';

const page = readFileSync(new URL('../../docs/ha.md', import.meta.url), 'utf8');

/** Cells of the head of the first table after a heading. */
function columnsAfter(heading: string): string[] {
  const [, section = ''] = page.split(`\n${heading}\n`);
  const head = section.split('\n').find((line) => line.startsWith('| event')) ?? '';
  return head.split('|').map((cell) => cell.trim().split(' ')[0]!);
}

describe('docs/ha.md', () => {
  it('has a column for every state of a gateway', () => {
    const states: Record<Availability, true> = {
      CREATED: true,
      AVAILABLE: true,
      UNAVAILABLE: true,
      DELETING: true,
    };
    expect(columnsAfter('#### Gateways')).toEqual(expect.arrayContaining(Object.keys(states)));
  });

  it('has a column for every state of an ANA group on a gateway', () => {
    const states: Record<GroupStateName, true> = {
      STANDBY: true,
      WAIT_BLOCKLIST_CMPL: true,
      ACTIVE: true,
      WAIT_FAILBACK_PREPARED: true,
      OWNER_WAIT_FAILBACK_PREPARED: true,
    };
    const columns = columnsAfter('#### ANA groups, on one gateway');
    expect(columns.filter((name) => /^[A-Z_]{5,}$/.test(name))).toEqual(Object.keys(states));
  });

  it('has the times that are in force', () => {
    const [, file = ''] = /```ini\n([\s\S]*?)```/.exec(page) ?? [];
    expect(parseConfigFile(file, 'docs/ha.md').settings).toMatchObject({
      beaconMs: MONITOR_TIMES.beacon,
      leaseMs: MONITOR_TIMES.lease,
      graceMs: MONITOR_TIMES.grace,
      failbackDelayMs: MONITOR_TIMES.failbackDelay,
    });
  });

  it('names commands that there are', () => {
    const known = commands.flatMap((command) =>
      isNoun(command) ? command.verbs.map((verb) => `${command.name} ${verb.name}`) : [command.name],
    );
    const named = [...page.matchAll(/`anagate ((?:gw|group) [a-z-]+|events)/g)].map(([, command]) => command);
    expect(named.length).toBeGreaterThan(8);
    for (const command of named) expect(known).toContain(command);
  });
});
