/** Which SGL descriptor goes with which command (NVMe/TCP 1.0 section 3.4, NVMe Base 2.0 section 4.1.2). */
import { describe, expect, it } from 'vitest';
import type { Request } from '../../../src/target/request.ts';
import { checkSgl } from '../../../src/transport/tcp/sgl.ts';
import { Sgl, setSgl, sqe } from '../../initiator/command.ts';
import { Status } from '../../initiator/status.ts';
import { TargetWorld } from '../../target/target-world.ts';

const DNR = 0x4000;

/** A command that moves `wanted` bytes, with this descriptor. */
function command(wanted: number, identifier: number, length: number, address = 0): Request {
  const bytes = sqe({ opcode: 1 });
  setSgl(bytes, identifier, length, address);
  const request = new TargetWorld().connection().queue.take()!;
  request.parse(bytes, 0);
  request.dataLength = wanted;
  return request;
}

const TO_CONTROLLER = true;
const TO_HOST = false;

describe('right', () => {
  it.each([
    ['write, data in the capsule', 4096, Sgl.inCapsule, 4096, 4096, TO_CONTROLLER],
    ['write, data through R2T', 4096, Sgl.transport, 4096, 0, TO_CONTROLLER],
    ['read', 4096, Sgl.transport, 4096, 0, TO_HOST],
    ['no data, transport descriptor', 0, Sgl.transport, 0, 0, TO_HOST],
    ['no data, in-capsule descriptor', 0, Sgl.inCapsule, 0, 0, TO_HOST],
    ['no data, null descriptor', 0, 0, 0, 0, TO_HOST],
  ] as const)('%s', (_name, wanted, identifier, length, inCapsule, toController) => {
    expect(checkSgl(command(wanted, identifier, length), inCapsule, toController)).toBe(0);
  });
});

describe('wrong', () => {
  it.each([
    ['keyed descriptor', 4096, 0x40, 4096, 0, TO_CONTROLLER, Status.sglType],
    ['segment', 4096, 0x20, 4096, 0, TO_CONTROLLER, Status.sglType],
    ['last segment', 4096, 0x31, 16, 4096, TO_CONTROLLER, Status.sglType],
    ['data block with an address', 4096, 0x00, 4096, 0, TO_HOST, Status.sglType],
    ['bit bucket', 4096, 0x10, 4096, 0, TO_HOST, Status.sglType],
    ['transport data block with another subtype', 4096, 0x50, 4096, 0, TO_HOST, Status.sglType],
    ['read into the capsule', 4096, Sgl.inCapsule, 4096, 0, TO_HOST, Status.sglType],
    ['data in the capsule of a read', 4096, Sgl.inCapsule, 4096, 4096, TO_HOST, Status.sglType],
    [
      'data in the capsule, transport descriptor',
      4096,
      Sgl.transport,
      4096,
      4096,
      TO_CONTROLLER,
      Status.sglType,
    ],
    [
      'in-capsule descriptor, no data in the capsule',
      4096,
      Sgl.inCapsule,
      4096,
      0,
      TO_CONTROLLER,
      Status.dataSglLength,
    ],
    ['less than the command moves', 4096, Sgl.transport, 4092, 0, TO_HOST, Status.dataSglLength],
    [
      'capsule holds less than its descriptor says',
      4096,
      Sgl.inCapsule,
      4096,
      512,
      TO_CONTROLLER,
      Status.dataSglLength,
    ],
    [
      'capsule and descriptor hold less than the command',
      4096,
      Sgl.inCapsule,
      512,
      512,
      TO_CONTROLLER,
      Status.dataSglLength,
    ],
  ] as const)('%s', (_name, wanted, identifier, length, inCapsule, toController, status) => {
    expect(checkSgl(command(wanted, identifier, length), inCapsule, toController)).toBe(status | DNR);
  });

  it.each([1, 64, 2 ** 32, 2 ** 52])('in-capsule data at offset %i: ICDOFF is 0', (address) => {
    expect(checkSgl(command(512, Sgl.inCapsule, 512, address), 512, TO_CONTROLLER)).toBe(
      Status.sglOffset | DNR,
    );
  });
});
