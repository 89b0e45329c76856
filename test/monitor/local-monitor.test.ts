import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/limits.ts';
import { LocalMonitor } from '../../src/monitor/local-monitor.ts';
import { placeOfSlot } from '../../src/monitor/monitor-client.ts';
import { TakingServer } from './taking-server.ts';

describe('place in the group', () => {
  it('gives every slot controller ids of its own, none of them reserved', () => {
    let last = 0;
    for (let slot = 0; slot < LIMITS.maxSlots; slot += 1) {
      const place = placeOfSlot(slot);
      expect(place.minCntlid).toBe(last + 1);
      expect(place.maxCntlid - place.minCntlid + 1).toBe(LIMITS.cntlidsPerSlot);
      expect(place.anaGroupId).toBe(slot + 1);
      last = place.maxCntlid;
    }
    // FFF0h-FFFFh are reserved (NVMe base 2.0 section 5.17.2.1, CNTLID).
    expect(last).toBeLessThan(0xfff0);
    expect(LIMITS.maxSlots).toBeLessThanOrEqual(LIMITS.maxAnaGroups);
  });

  it.each([-1, 32, 1.5, Number.NaN])('refuses slot %d', (slot) => {
    expect(() => placeOfSlot(slot)).toThrow(RangeError);
  });
});

describe('LocalMonitor', () => {
  it('is alone in slot 0 and has every group served that there is', async () => {
    const monitor = new LocalMonitor();
    const server = new TakingServer([7]);
    monitor.attach(server);
    expect(await monitor.start()).toEqual({ slot: 0, anaGroupId: 1, minCntlid: 1, maxCntlid: 2040 });
    expect(monitor.homeGroups()).toEqual([1]);
    expect(server.taken).toEqual([1, 7]);
    server.populate([7, LIMITS.maxAnaGroups]);
    expect(server.taken).toEqual([1, 7, LIMITS.maxAnaGroups]);
    monitor.onChange(() => {})();
    await monitor.leave();
    await monitor.stop();
  });
});
