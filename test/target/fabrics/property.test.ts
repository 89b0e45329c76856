/** Property Get and Set, Disconnect, and what is no fabrics command (NVMe Base 2.0 sections 3.1.3, 6.4 to 6.6). */
import { describe, expect, it } from 'vitest';
import {
  disconnectSqe,
  fabricsSqe,
  Property,
  propertyGetSqe,
  propertySetSqe,
} from '../../initiator/command.ts';
import { Status } from '../../initiator/status.ts';
import { CC_ENABLE, TargetWorld } from '../target-world.ts';

describe('Property Get', () => {
  it('CAP: queue entries, contiguous queues, time-out, command sets', () => {
    const { admin } = new TargetWorld({ maxIoQueueDepth: 256 }).host();
    const { status, dw0, dw1 } = admin.call(propertyGetSqe(Property.cap, 8));
    const cap = (BigInt(dw1) << 32n) | BigInt(dw0);
    expect(status).toBe(0);
    expect(cap & 0xffffn).toBe(255n); // MQES, 0's based
    expect((cap >> 16n) & 1n).toBe(1n); // CQR, must be 1 on fabrics
    expect((cap >> 24n) & 0xffn).toBeGreaterThan(0n); // TO
    expect((cap >> 32n) & 0xfn).toBe(0n); // DSTRD, 0 on fabrics
    expect((cap >> 37n) & 0x41n).toBe(0x41n); // CSS: NVM, and I/O command sets
    expect((cap >> 48n) & 0xffn).toBe(0n); // MPSMIN and MPSMAX: 4 KiB
    expect((cap >> 59n) & 3n).toBe(1n); // CRMS: ready with media, which 2.0 asks for
    expect(admin.call(propertyGetSqe(0x68, 4))).toMatchObject({
      status: 0,
      dw0: Number((cap >> 24n) & 0xffn),
    }); // CRTO
  });

  it('VS is 2.0.0', () => {
    const { admin } = new TargetWorld().host();
    expect(admin.call(propertyGetSqe(Property.vs, 4))).toMatchObject({ status: 0, dw0: 0x0002_0000 });
  });

  it.each([
    ['CAP as 4 bytes', Property.cap, 4],
    ['VS as 8 bytes', Property.vs, 8],
    ['CC as 8 bytes', Property.cc, 8],
    ['CAP in the middle', 4, 4],
    ['INTMS', 0x0c, 4],
    ['a reserved offset', 0x1000, 4],
    ['the last offset', 0xffff_fffc, 4],
  ] as const)('%s: Invalid Field', (_name, offset, size) => {
    const { admin } = new TargetWorld().host();
    expect(admin.call(propertyGetSqe(offset, size))).toMatchObject({
      status: Status.invalidField,
      dnr: true,
    });
  });
});

describe('Property Set', () => {
  it.each([
    ['CAP', Property.cap, 8],
    ['VS', Property.vs, 4],
    ['CSTS', Property.csts, 4],
    ['CC as 8 bytes', Property.cc, 8],
    ['a reserved offset', 0x1000, 4],
  ] as const)('%s: Invalid Field, nothing changes', (_name, offset, size) => {
    const { admin } = new TargetWorld().host();
    expect(admin.call(propertySetSqe(offset, 0, size))).toMatchObject({
      status: Status.invalidField,
      dnr: true,
    });
    expect(admin.call(propertyGetSqe(Property.cc, 4)).dw0).toBe(CC_ENABLE);
    expect(admin.call(propertyGetSqe(Property.csts, 4)).dw0).toBe(1);
  });
});

describe('on an I/O queue', () => {
  it('properties are not served', () => {
    const { io, controller } = new TargetWorld().host();
    expect(io.call(propertyGetSqe(Property.csts, 4)).status).not.toBe(0);
    expect(io.call(propertySetSqe(Property.cc, 0)).status).not.toBe(0);
    expect(controller.cc).toBe(CC_ENABLE);
  });

  it('Disconnect ends that queue after its answer, and only that', () => {
    const world = new TargetWorld();
    const { io, admin, controller } = world.host();
    const cid = io.send(disconnectSqe());
    expect(io.answerTo(cid)!.status).toBe(0);
    expect(io.closedBecause).toBe('disconnect');
    expect(admin.closedBecause).toBeNull();
    expect([...controller.queues.keys()]).toEqual([0]);
  });

  it('Disconnect with a record format that is not 0 is refused', () => {
    const { io } = new TargetWorld().host();
    expect(io.call(disconnectSqe(1)).status).toBe(Status.connectIncompatibleFormat);
    expect(io.closedBecause).toBeNull();
  });
});

it('Disconnect on the admin queue is Invalid Queue Type', () => {
  const { admin, controller } = new TargetWorld().host();
  expect(admin.call(disconnectSqe()).status).toBe(0x185);
  expect(controller.ended).toBeNull();
});

it.each([0x02, 0x03, 0x05, 0x06, 0x07, 0xff])('fabrics command type %i is an Invalid Opcode', (fctype) => {
  const { admin, io } = new TargetWorld().host();
  for (const connection of [admin, io])
    expect(connection.call(fabricsSqe(fctype))).toMatchObject({ status: Status.invalidOpcode, dnr: true });
});
