/** A beacon with nothing special in it. */
import type { Beacon } from '../../../src/monitor/beacon.ts';

export function beaconOf(incarnation: string, sequence: number, more: Partial<Beacon> = {}): Beacon {
  return {
    gateway: 'gw-a',
    incarnation,
    sequence,
    available: true,
    leaving: false,
    goodbye: false,
    location: '',
    peerAddress: '192.0.2.1',
    peerPort: 5500,
    clients: [{ group: 0, address: '192.0.2.1:0/4711' }],
    appliedEpoch: 0,
    groups: [],
    populated: [],
    uncovered: [],
    hosts: [],
    load: 0,
    linkDown: false,
    unreachable: [],
    reachable: [],
    requests: [],
    ...more,
  };
}
