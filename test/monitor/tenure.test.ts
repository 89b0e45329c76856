import { expect, it } from 'vitest';
import { nullLog } from '../../src/base/log.ts';
import type { Beacon } from '../../src/monitor/beacon.ts';
import { type Coordination, type Leadership, NO_LEADER } from '../../src/monitor/coordination.ts';
import { EMPTY_MAP, type GroupMap } from '../../src/monitor/group-map.ts';
import { Tenure } from '../../src/monitor/tenure.ts';
import { MONITOR_TIMES } from '../../src/monitor/times.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { beaconOf } from './rados/beacon-of.ts';
import { LateObject } from './support/late-object.ts';

const OWN: Leadership = { ...NO_LEADER, term: 1, gateway: 'gw-a', incarnation: 'a1', beat: 1 };

it('forgets no event when a write that seemed to have failed comes true late', async () => {
  const clock = new ManualClock();
  const object = new LateObject(OWN);
  const committed: GroupMap[] = [];
  const tenure = new Tenure({
    coordination: object.coordination as Coordination,
    clock,
    timers: clock,
    times: MONITOR_TIMES,
    log: nullLog,
    begin: { leadership: OWN, map: EMPTY_MAP },
    beacons: [],
    isBlind: () => false,
    onCommit: ({ map }) => committed.push(map),
    onDeposed: () => expect.unreachable(),
    // The second gateway's beacon comes while it is not known yet what became of the first one's.
    onFailure: () =>
      hear(beaconOf('b1', 1, { gateway: 'gw-b', clients: [{ group: 0, address: '192.0.2.2:0/7' }] })),
  });
  const hear = (beacon: Beacon): void => tenure.take({ kind: 'beacon', beacon });
  hear(beaconOf('a1', 1));
  for (let turn = 0; turn < 50; turn += 1) {
    clock.advance(1);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(object.map.gateways.map(({ name }) => name)).toEqual(['gw-a', 'gw-b']);
  expect(committed.at(-1)).toBe(object.map);
  tenure.end();
});
