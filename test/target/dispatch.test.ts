/** Whatever 64 bytes a host sends, it gets a status: no exception, no second answer, nothing left behind. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeBlockDevice } from './fake-block-device.ts';
import type { FakeConnection } from './fake-connection.ts';
import { BLOCK, DISCOVERY_NQN, TargetWorld } from './target-world.ts';

const word = fc.oneof(
  fc.nat({ max: 0xffff_ffff }),
  fc.constantFrom(0, 1, 2, 7, 0xff, 0xffff, 0x8000_0000, 0xffff_ffff),
  fc.nat({ max: 255 }),
);

/** Known opcodes most of the time; PSDT right most of the time. */
const command = fc
  .record({
    opcode: fc.oneof(
      fc.constantFrom(0x00, 0x01, 0x02, 0x05, 0x06, 0x08, 0x09, 0x0a, 0x0c, 0x18, 0x7f),
      fc.nat({ max: 255 }),
    ),
    flags: fc.oneof(
      { weight: 5, arbitrary: fc.constant(0x40) },
      { weight: 1, arbitrary: fc.nat({ max: 255 }) },
    ),
    nsid: fc.oneof(fc.constantFrom(0, 1, 1, 1, 2, 4, 8, 0xffff_ffff), word),
    words: fc.array(word, { minLength: 6, maxLength: 6 }),
    data: fc.uint8Array({ maxLength: 64 }),
  })
  .map(({ opcode, flags, nsid, words, data }) => {
    const bytes = Buffer.alloc(64);
    bytes[0] = opcode;
    bytes[1] = flags;
    bytes.writeUInt32LE(nsid, 4);
    words.forEach((value, i) => {
      bytes.writeUInt32LE(value, 40 + 4 * i);
    });
    return { bytes, data: Buffer.from(data) };
  });

function makeWorld(): TargetWorld {
  const world = new TargetWorld();
  world.device.immediately = 0;
  const other = new FakeBlockDevice(64 * BLOCK);
  other.immediately = 0;
  world.addNamespace(2, 1, other);
  return world;
}

type Pick = (world: TargetWorld) => FakeConnection;
const queues: readonly [string, Pick][] = [
  ['a queue before Connect', (world) => world.connection()],
  ['an admin queue that is not enabled', (world) => world.connectAdmin({ enable: false }).admin],
  ['an admin queue', (world) => world.connectAdmin({ kato: 10_000 }).admin],
  ['an I/O queue', (world) => world.host().io],
  ['a discovery queue', (world) => world.connectAdmin({ subnqn: DISCOVERY_NQN }).admin],
];

describe.each(queues)('%s', (_name, pick) => {
  it('answers any command once, or keeps it for good reason', () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 25 }), (script) => {
        const world = makeWorld();
        const connection = pick(world);
        const before = connection.answers.length;
        let sent = 0;
        for (const { bytes, data } of script) {
          if (connection.closedBecause !== null || connection.inUse >= connection.queue.size) break;
          connection.send(bytes, { data });
          sent += 1;
        }
        const answers = connection.answers.slice(before);
        const open = connection.inUse;
        if (connection.closedBecause === null) expect(answers.length + open).toBe(sent);
        expect(new Set(answers.map((a) => a.cid)).size).toBe(answers.length);
        // kept: Asynchronous Event Requests, and the first half of a fused pair
        expect(open).toBeLessThanOrEqual(5);
        connection.lose();
        expect(world.target.buffers.borrowedBytes).toBe(0);
        expect(world.ana.groups[1].inFlight).toBe(0);
        world.clock.advance(60_000);
      }),
      { numRuns: 120 },
    );
  });
});
