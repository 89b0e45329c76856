/** How many connections there may be, and who is looked after when data buffers run short. */
import { describe, expect, it } from 'vitest';
import type { TcpConnection } from '../../../src/transport/tcp/connection.ts';
import { ConnectionTable } from '../../../src/transport/tcp/connection-table.ts';
import { ManualClock } from '../../base/manual-clock.ts';

/** A connection that stands still since moment 0, holding data or not. */
function standing(table: ConnectionTable, clock: ManualClock, hoards: boolean, waits = false) {
  const state = { closed: false, admission: { waitsForPool: waits }, looks: 0 };
  const connection = Object.assign(state, {
    closeIfStalled(ms: number): boolean {
      state.looks += 1;
      if (!hoards || clock.nowMs() <= ms) return false;
      state.closed = true;
      table.remove(connection as unknown as TcpConnection);
      return true;
    },
  });
  table.add(connection as unknown as TcpConnection);
  return state;
}

function setup(most = 100) {
  const clock = new ManualClock();
  return { clock, table: new ConnectionTable(most, clock) };
}

describe('places', () => {
  it('as many as there are; who comes then is refused and counted; a place that is left is free again', () => {
    const { clock, table } = setup(2);
    expect(table.full()).toBe(false);
    standing(table, clock, false);
    const second = standing(table, clock, false);
    expect(table.full()).toBe(true);
    expect(table.full()).toBe(true);
    expect(table.refused).toBe(2);
    expect(table.count).toBe(2);
    table.remove(second as unknown as TcpConnection);
    table.remove(second as unknown as TcpConnection);
    expect(table.full()).toBe(false);
    expect(table.count).toBe(1);
  });
});

describe('stalls', () => {
  it('cost nothing while nobody waits', () => {
    const { clock, table } = setup();
    const hoarder = standing(table, clock, true);
    clock.advance(3_600_000);
    expect(hoarder.looks).toBe(0);
    expect(clock.armed).toBe(0);
  });

  it('while somebody waits, hoarders that stand still are closed, others are not', () => {
    const { clock, table } = setup();
    const hoarder = standing(table, clock, true);
    const poor = standing(table, clock, false);
    standing(table, clock, false, true);
    table.watchStalls();
    table.watchStalls();
    expect(clock.armed).toBe(1);
    clock.advance(10_000);
    expect(hoarder.closed).toBe(false);
    clock.advance(10_000);
    expect(hoarder.closed).toBe(true);
    expect(poor.closed).toBe(false);
    expect(table.missedDeadlines.get('stalled')).toBe(1);
  });

  it('watching ends when nobody waits any more, and begins again when asked', () => {
    const { clock, table } = setup();
    const waiter = standing(table, clock, false, true);
    table.watchStalls();
    clock.advance(60_000);
    expect(clock.armed).toBe(1);
    waiter.admission.waitsForPool = false;
    clock.advance(60_000);
    expect(clock.armed).toBe(0);
    table.watchStalls();
    expect(clock.armed).toBe(1);
  });
});
