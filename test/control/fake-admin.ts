/** A monitor that knows two gateways and remembers what it was told. */
import { AnagateError } from '../../src/base/errors.ts';
import type { GatewayRow, GroupRow, LeaderRow, MonitorAdmin } from '../../src/monitor/admin.ts';
import type { OwnershipChange } from '../../src/monitor/group-map.ts';
import type { AdminCommand } from '../../src/monitor/machine.ts';

function row(name: string, slot: number, more: Partial<GatewayRow> = {}): GatewayRow {
  return {
    name,
    slot,
    location: '',
    availability: 'AVAILABLE',
    enabled: true,
    drain: 'no',
    incarnation: `${name}-1`,
    peerAddress: '192.0.2.1',
    peerPort: 5500,
    leader: false,
    groups: [slot + 1],
    hosts: ['nqn.2026-11.test:host'],
    load: 12.4,
    beaconAgeMs: 310,
    sinceMs: 1_000_000,
    ...more,
  };
}

const CHANGE: OwnershipChange = {
  epoch: 7,
  group: 2,
  from: 'gw-b',
  to: 'gw-a',
  why: 'failover from gw-b: silent for 2.1 s',
  marks: { serving: 1_001_300, decided: 1_000_000, fenced: 1_001_200 },
};

export class FakeAdmin implements MonitorAdmin {
  readonly epoch = 9;
  readonly commands: (AdminCommand | { drain: string; force: boolean })[] = [];
  /** What everything is refused with. */
  refusal: string | null = null;
  reasons: string[] = [];

  gateways(): readonly GatewayRow[] {
    return [
      row('gw-a', 0, { leader: true }),
      row('gw-b', 1, { drain: 'yes', location: 'rack-2', groups: [] }),
    ];
  }

  groups(): readonly GroupRow[] {
    const states = [{ gateway: 'gw-a', state: 'ACTIVE' as const }];
    const home = { id: 1, owner: 'gw-a', home: 'gw-a', state: 'ACTIVE' as const, states };
    const none = { id: 2, owner: null, home: 'gw-b', state: 'STANDBY' as const, states: [] };
    return [
      { ...home, sinceMs: 1_000_000, why: 'home', epoch: 3, awaited: null },
      { ...none, sinceMs: 1_000_000, why: 'nobody can', epoch: 8, awaited: 'a gateway that is AVAILABLE' },
    ];
  }

  events(): readonly OwnershipChange[] {
    return [CHANGE];
  }

  staleMs: number | null = null;

  leader(): LeaderRow {
    return { gateway: 'gw-a', term: 4, ageMs: 100 };
  }

  async request(command: AdminCommand): Promise<void> {
    this.#note(command);
  }

  async drain(gateway: string, force: boolean): Promise<void> {
    this.#note({ drain: gateway, force });
  }

  okToStop(): readonly string[] {
    return this.reasons;
  }

  #note(command: AdminCommand | { drain: string; force: boolean }): void {
    if (this.refusal !== null) throw new AnagateError('INVALID_ARGUMENT', this.refusal);
    this.commands.push(command);
  }
}
