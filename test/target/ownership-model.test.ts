/**
 * Ownership changes in any order, under I/O of hosts that come and go (ha-design sections 2 and 5): the rules that hold at
 * every step, and what must be true when everything has come to rest.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AnaState } from '../../src/target/ana.ts';
import { Lease } from '../../src/target/lease.ts';
import { IoOpcode, ioSqe, sqe } from '../initiator/command.ts';
import { Status } from '../initiator/status.ts';
import { FakeBlockDevice } from './fake-block-device.ts';
import type { FakeConnection } from './fake-connection.ts';
import { BLOCK, type Host, TargetWorld } from './target-world.ts';

const which = fc.nat({ max: 1 });
const nsid = fc.constantFrom(1, 2);
const group = fc.constantFrom(1, 2);
const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      which,
      nsid,
      opcode: fc.constantFrom(IoOpcode.read, IoOpcode.write, IoOpcode.write, IoOpcode.flush),
      slba: fc.nat({ max: 6 }),
      blocks: fc.constantFrom(1, 4),
      later: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('deliver' as const), pick: fc.nat(), ok: fc.boolean() }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('finish' as const), pick: fc.nat() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('set' as const),
      group,
      state: fc.constantFrom(
        AnaState.optimized,
        AnaState.optimized,
        AnaState.nonOptimized,
        AnaState.inaccessible,
      ),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('drain' as const), group }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(100, 600) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('move' as const), nsid, group }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('abort' as const), which, pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('lose' as const), which }) },
  // group 1 has a lease
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('lapse' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('renew' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('withdraw' as const), group }) },
);

/** What the host of a connection has sent, and where each command went. */
class Story {
  readonly sent: number[] = [];
  readonly unsent: { cid: number; data: Buffer }[] = [];
}

it('path statuses follow the log, nothing runs without ownership, everything is answered once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (script) => {
      const world = new TargetWorld();
      const devices = [world.device, new FakeBlockDevice(2048 * BLOCK)];
      world.addNamespace(2, 2, devices[1]);
      world.ana.set(2, AnaState.optimized);
      const groupsEver: Record<number, number[]> = { 1: [1], 2: [2] };
      const lease = new Lease(world.watched);
      world.ana.groups[1].lease = lease;
      const renew = (): void => {
        lease.granted(lease.ask(), 60_000);
        world.ana.resume(1);
      };
      renew();
      const groupOf = (id: number) => world.subsystem.namespaces.get(id)!.anaGroupId;
      for (const [i, device] of devices.entries()) {
        const calls = device.calls.push.bind(device.calls);
        device.calls.push = (operation) => {
          // admitted only while the group is served and not being handed over
          const gate = world.ana.groups[groupOf(i + 1)];
          expect([gate.open, gate.draining, gate.lease?.isValid ?? true]).toEqual([true, false, true]);
          return calls(operation);
        };
      }
      const stories = new Map<FakeConnection, Story>();
      const join = (): Host => {
        const host = world.host();
        const respond = host.io.respond.bind(host.io);
        host.io.respond = (request) => {
          if ((request.status & 0x7ff) === Status.anaInaccessible) {
            expect(request.status & 0x4000).toBe(0);
            // a command that was admitted before its namespace moved is its old group's
            const states = groupsEver[request.nsid].map((id) => world.ana.stateOf(id));
            expect(states).toContain(AnaState.inaccessible);
          }
          respond(request);
        };
        stories.set(host.io, new Story());
        return host;
      };
      const hosts = [join(), join()];
      const drains: { done: boolean | null }[] = [];
      const open = () => devices.flatMap((device) => device.open);

      for (const s of script) {
        if (s.kind === 'send') {
          const { io } = hosts[s.which];
          if (io.inUse >= 32) continue;
          const data = Buffer.alloc(s.blocks * BLOCK, 1);
          const later = s.later && s.opcode === IoOpcode.write;
          const cid = io.send(ioSqe(s.opcode, s.nsid, s.slba, s.blocks), { data, later });
          stories.get(io)!.sent.push(cid);
          if (io.queue.find(cid)?.solicited === true) stories.get(io)!.unsent.push({ cid, data });
        } else if (s.kind === 'deliver') {
          const { io } = hosts[s.pick & 1];
          const [entry] = stories.get(io)!.unsent.splice(0, 1);
          if (entry !== undefined) io.deliver(entry.cid, entry.data, s.ok);
        } else if (s.kind === 'finish') {
          const operations = open();
          if (operations.length > 0) operations[s.pick % operations.length].finish();
        } else if (s.kind === 'set') world.ana.set(s.group, s.state);
        else if (s.kind === 'pass') world.clock.advance(s.ms);
        else if (s.kind === 'move') {
          groupsEver[s.nsid].push(s.group);
          world.subsystem.changeAnaGroup(s.nsid, s.group);
        } else if (s.kind === 'drain') {
          const drain: { done: boolean | null } = { done: null };
          drains.push(drain);
          void world.ana.drain(s.group, world.clock).then((done) => {
            drain.done = done;
          });
        } else if (s.kind === 'abort') {
          const { admin, io } = hosts[s.which];
          const { sent } = stories.get(io)!;
          if (sent.length > 0)
            admin.call(sqe({ opcode: 0x08, cdw: [1 + sent[s.pick % sent.length] * 0x1_0000] }));
        } else if (s.kind === 'lapse') lease.end();
        else if (s.kind === 'renew') renew();
        else if (s.kind === 'withdraw') {
          world.ana.set(s.group, AnaState.inaccessible);
          world.target.abandon(world.ana.groups[s.group]);
        } else {
          const { io, admin } = hosts[s.which];
          io.lose();
          admin.lose();
          hosts[s.which] = join();
        }
        for (const { io } of hosts) io.settle();
        await Promise.resolve();
        for (const g of world.ana.groups) expect(g.inFlight).toBeGreaterThanOrEqual(0);
        // what is held is held by a drain, or until the lease is renewed; only that keeps an answer back
        for (const g of world.ana.groups) {
          const leased = g.lease?.isValid ?? true;
          if (!g.draining && (leased || g.turnsAway)) expect(g.held).toEqual([]);
          if (leased || g.turnsAway) expect(g.withheld).toEqual([]);
        }
      }

      // rest: all data arrives, all devices end what they have, all drains run out, everything is served again
      for (const { io } of hosts)
        for (const { cid, data } of stories.get(io)!.unsent.splice(0)) io.deliver(cid, data);
      renew();
      world.clock.advance(1000);
      while (open().length > 0) open()[0].finish();
      for (const g of [1, 2]) world.ana.set(g, AnaState.optimized);
      while (open().length > 0) open()[0].finish();
      for (const { io } of hosts) {
        const answered = io.answers.slice(1).map((answer) => answer.cid); // the first is Connect's
        expect(answered.sort((a, b) => a - b)).toEqual(stories.get(io)!.sent);
        expect(io.inUse).toBe(0);
        expect(io.queue.held).toBe(0);
      }
      await Promise.resolve();
      await Promise.resolve();
      expect(drains.every((drain) => drain.done !== null)).toBe(true);
      expect(world.ana.groups.map((g) => [g.inFlight, g.held.length])).toEqual(Array(5).fill([0, 0]));
      expect(world.target.buffers.borrowedBytes).toBe(0);
      expect([...world.subsystem.namespaces.values()].map((n) => n.orphans.size)).toEqual([0, 0]);
      expect(world.clock.armed).toBe(0);
    }),
    { numRuns: 200 },
  );
});
