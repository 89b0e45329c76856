/** Get and Set Features (NVMe Base 2.0 sections 5.15 and 5.27). */
import { describe, expect, it } from 'vitest';
import { Feature, getLogPageSqe, sqe } from '../../initiator/command.ts';
import { Status } from '../../initiator/status.ts';
import { DISCOVERY_NQN, HOST_ID, TargetWorld } from '../target-world.ts';

const SAVE = 2 ** 31;

function get(fid: number, cdw11 = 0, select = 0): Buffer {
  return sqe({ opcode: 0x0a, cdw: [fid | (select << 8), cdw11] });
}

function set(fid: number, cdw11: number, save = 0): Buffer {
  return sqe({ opcode: 0x09, cdw: [fid + save, cdw11] });
}

describe('Number of Queues', () => {
  it.each([
    [1, 1, 1],
    [4, 4, 4],
    [64, 64, 8],
    [3, 6, 3],
    [6, 3, 3],
    [65535, 65535, 8],
  ])(
    '%i submission and %i completion queues: %i pairs, as many as there can be of both',
    (sq, cq, granted) => {
      const { admin } = new TargetWorld({ maxIoQueues: 8 }).connectAdmin();
      const zeroBased = (granted - 1) | ((granted - 1) << 16);
      expect(admin.call(set(Feature.numberOfQueues, sq - 1 + (cq - 1) * 0x1_0000))).toMatchObject({
        status: 0,
        dw0: zeroBased,
      });
      expect(admin.call(get(Feature.numberOfQueues)).dw0).toBe(zeroBased);
    },
  );

  it.each([0xffff, 0xffff_0000, 0xffff_ffff])('%i: FFFFh is not a number of queues', (cdw11) => {
    const { admin } = new TargetWorld().connectAdmin();
    expect(admin.call(set(Feature.numberOfQueues, cdw11)).status).toBe(Status.invalidField);
  });

  it('with I/O queues open is a Command Sequence Error; after a reset it is fine', () => {
    const { admin, io } = new TargetWorld().host();
    expect(admin.call(set(Feature.numberOfQueues, 0)).status).toBe(Status.commandSequence);
    io.lose();
    expect(admin.call(set(Feature.numberOfQueues, 0)).status).toBe(0);
  });
});

describe('Host Identifier', () => {
  it('is what Connect said, in its 128-bit form only', () => {
    const { admin } = new TargetWorld().connectAdmin();
    const answer = admin.call(get(Feature.hostIdentifier, 1));
    expect(answer.data!.equals(HOST_ID)).toBe(true);
    expect(admin.call(get(Feature.hostIdentifier, 0)).status).not.toBe(0);
  });

  it('cannot be changed over fabrics', () => {
    const { admin } = new TargetWorld().connectAdmin();
    expect(admin.call(set(Feature.hostIdentifier, 1)).status).toBe(Status.commandSequence);
    expect(admin.call(get(Feature.hostIdentifier, 1)).data!.equals(HOST_ID)).toBe(true);
  });
});

describe('other features', () => {
  it('those that log page 12h names can be read, no other', () => {
    const { admin } = new TargetWorld().connectAdmin();
    const page = admin.call(getLogPageSqe({ lid: 0x12, length: 1024 })).data!;
    for (let fid = 0; fid < 256; fid++) {
      const named = (page.readUInt32LE(fid * 4) & 1) === 1;
      const cdw11 = fid === Feature.hostIdentifier ? 1 : 0;
      expect([fid, admin.call(get(fid, cdw11)).status]).toEqual([fid, named ? 0 : Status.invalidField]);
    }
  });

  it('a value that cannot be changed: setting it as it is succeeds, anything else does not', () => {
    const { admin } = new TargetWorld().connectAdmin();
    const wce = admin.call(get(Feature.volatileWriteCache)).dw0;
    expect(wce).toBe(1);
    expect(admin.call(set(Feature.volatileWriteCache, 1)).status).toBe(0);
    expect(admin.call(set(Feature.volatileWriteCache, 0)).status).toBe(Status.featureNotChangeable);
    expect(admin.call(get(Feature.volatileWriteCache)).dw0).toBe(1);
  });

  it('nothing is saveable', () => {
    const { admin } = new TargetWorld().connectAdmin();
    expect(admin.call(set(Feature.keepAlive, 5000, SAVE)).status).toBe(Status.featureNotSaveable);
    expect(admin.call(get(Feature.keepAlive)).dw0).toBe(0);
  });

  it('default, saved and supported capabilities are not offered (ONCS bit 4)', () => {
    const { admin } = new TargetWorld().connectAdmin();
    expect(admin.call(sqe({ opcode: 0x06, cdw: [1] })).data!.readUInt16LE(520) & 0x10).toBe(0);
    for (const select of [1, 2, 3])
      expect(admin.call(get(Feature.keepAlive, 0, select)).status).toBe(Status.invalidField);
  });

  it('a discovery controller knows events and keep alive', () => {
    const world = new TargetWorld();
    const { admin } = world.connectAdmin({ subnqn: DISCOVERY_NQN, kato: 120_000 });
    expect(admin.call(get(Feature.keepAlive)).dw0).toBe(120_000);
    expect(admin.call(set(Feature.asyncEvent, SAVE)).status).toBe(0);
    expect(admin.call(get(Feature.asyncEvent)).dw0).toBe(SAVE);
    expect(admin.call(get(Feature.numberOfQueues)).status).toBe(Status.invalidField);
  });
});
