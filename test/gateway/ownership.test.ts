/** Taking ANA groups over, handing them over and giving them up (ha-design S3, S4, section 5), with what a host sees of it. */
import { describe, expect, it } from 'vitest';
import { PendingDevice } from '../../src/backend/pending-device.ts';
import { nullLog } from '../../src/base/log.ts';
import { Ownership } from '../../src/gateway/group/ownership.ts';
import type { GroupBackends } from '../../src/gateway/serving/backends.ts';
import type { GatewayCondition } from '../../src/monitor/group-server.ts';
import { AnaState } from '../../src/target/ana.ts';
import { IoOpcode, ioSqe } from '../initiator/command.ts';
import { Status } from '../initiator/status.ts';
import { BLOCK, TargetWorld } from '../target/target-world.ts';

const READ = ioSqe(IoOpcode.read, 1, 0, 1);
const WRITE = ioSqe(IoOpcode.write, 1, 0, 1);
const LEASE_MS = 1000;
const { optimized, inaccessible } = AnaState;

/** A cluster in the test's hands. What it is asked for is in `calls`; answers wait for the test where there is a `Deferred`. */
class FakeBackends implements GroupBackends {
  readonly calls: string[] = [];
  /** What the next renewals come to; true when there is nothing. */
  renewals: (boolean | Error | Promise<boolean>)[] = [];
  mapWait: Promise<void> = Promise.resolve();
  served: Promise<boolean> = Promise.resolve(true);
  tellUsable: (group: number, usable: boolean) => void = () => {};
  tellConnected: () => void = () => {};

  serve(group: number, serving: boolean): Promise<boolean> {
    this.calls.push(serving ? `serve ${group}` : `release ${group}`);
    return serving ? Promise.resolve(true) : this.served;
  }
  async connect(group: number): Promise<string> {
    return `192.0.2.1:0/${group}`;
  }
  clients() {
    return [{ group: 1, address: '192.0.2.1:0/1' }];
  }
  waitForFences(group: number): Promise<void> {
    this.calls.push(`wait ${group}`);
    return this.mapWait;
  }
  async renewLease(group: number): Promise<boolean> {
    this.calls.push(`renew ${group}`);
    const answer = await (this.renewals.shift() ?? true);
    if (answer instanceof Error) throw answer;
    return answer;
  }
  async replaceClients(): Promise<void> {
    this.calls.push('replace');
  }
  onUsable(listener: (group: number, usable: boolean) => void): void {
    this.tellUsable = listener;
  }
  onConnected(listener: () => void): void {
    this.tellConnected = listener;
  }
  async move(): Promise<void> {}
  async trash(): Promise<void> {}
}

const CONDITION: GatewayCondition = {
  available: true,
  populated: [1],
  uncovered: [],
  hosts: [],
  load: 0,
  linkDown: false,
  unreachable: [],
  reachable: [],
};

function deferred<T>() {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** A gateway with one namespace in group 1, which is inaccessible, and a connected host. */
function rig({ leased = true } = {}) {
  const world = new TargetWorld();
  world.ana.set(1, inaccessible);
  const backends = new FakeBackends();
  const ownership = new Ownership({
    ana: world.ana,
    target: world.target,
    backends,
    lease: leased ? { clock: world.watched, durationMs: LEASE_MS } : null,
    timers: world.clock,
    log: nullLog,
    condition: () => CONDITION,
  });
  const fenced: number[] = [];
  ownership.onFenced((group) => fenced.push(group));
  if (leased) world.watched.start();
  const host = world.host();
  /** Time passes, with a renewal every 200 ms. */
  const passRenewing = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 200) {
      world.clock.advance(200);
      await ownership.renew(1);
    }
  };
  return { world, backends, ownership, fenced, passRenewing, state: () => world.ana.stateOf(1), ...host };
}

async function serving(options = {}) {
  const all = rig(options);
  await all.ownership.takeOver(1, false);
  all.backends.calls.length = 0;
  return all;
}

/** Lets promises go on. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
}

describe('taking over', () => {
  it('waits for the fence of the former owner before anything is done with the images', async () => {
    const { world, backends, ownership, state } = rig();
    const wait = deferred<void>();
    backends.mapWait = wait.promise;
    const taken = ownership.takeOver(1, true);
    await settle();
    expect(backends.calls).toEqual(['wait 1']);
    expect(state()).toBe(inaccessible);
    wait.resolve();
    await taken;
    expect(backends.calls).toEqual(['wait 1', 'serve 1', 'renew 1']);
    expect(state()).toBe(optimized);
    world.watched.stop();
  });

  it('is not done before the lease is there; images get their locks meanwhile', async () => {
    const { backends, ownership, state, io } = rig();
    const renewal = deferred<boolean>();
    backends.renewals = [renewal.promise];
    const taken = ownership.takeOver(1, false);
    await settle();
    expect(backends.calls).toEqual(['serve 1', 'renew 1']);
    expect(state()).toBe(inaccessible);
    expect(io.call(READ).status).toBe(Status.anaInaccessible);
    renewal.resolve(true);
    await taken;
    expect(state()).toBe(optimized);
    expect(io.isOpen(io.send(READ))).toBe(true);
  });

  it('asks again when the process was held up before the answer', async () => {
    const { world, backends, ownership, state } = rig();
    const renewal = deferred<boolean>();
    const next = deferred<boolean>();
    backends.renewals = [renewal.promise, next.promise, next.promise];
    const taken = ownership.takeOver(1, false);
    await settle();
    world.clock.stall(300);
    renewal.resolve(true);
    await settle();
    expect(state()).toBe(inaccessible);
    next.resolve(true);
    await taken;
    expect(state()).toBe(optimized);
  });

  it.each([
    ['was revoked', false, /revoked/],
    ['cannot be asked for', Object.assign(new Error('fenced'), { code: 'EBLOCKLISTED' }), /fenced/],
  ])('fails when the lease %s: inaccessible, and the images are given back', async (_, answer, message) => {
    const { backends, ownership, state } = rig();
    backends.renewals = [answer];
    await expect(ownership.takeOver(1, false)).rejects.toThrow(message);
    expect(state()).toBe(inaccessible);
    expect(backends.calls.at(-1)).toBe('release 1');
    await ownership.takeOver(1, false);
    expect(state()).toBe(optimized);
  });

  it('that is overtaken by a withdrawal never serves', async () => {
    const { backends, ownership, state } = rig();
    const renewal = deferred<boolean>();
    backends.renewals = [renewal.promise];
    const taken = ownership.takeOver(1, false);
    await settle();
    ownership.withdraw(1);
    renewal.resolve(true);
    await expect(taken).rejects.toThrow();
    expect(state()).toBe(inaccessible);
  });

  it('without leases is done at once: nobody sees the group inaccessible first', () => {
    const { ownership, state, io } = rig({ leased: false });
    void ownership.takeOver(1, false);
    expect(state()).toBe(optimized);
    expect(io.isOpen(io.send(READ))).toBe(true);
  });
});

describe('releasing', () => {
  it('lets what is in flight finish, turns inaccessible, then gives the images back', async () => {
    const { world, backends, ownership, state, io } = await serving();
    const flying = io.send(READ);
    const released = ownership.release(1);
    const held = io.send(READ);
    await settle();
    expect(backends.calls).toEqual([]);
    world.device.finishAll();
    expect(io.answerTo(flying)!.status).toBe(Status.success);
    expect(await released).toBe(true);
    expect(io.answerTo(held)!.status).toBe(Status.anaInaccessible);
    expect(backends.calls).toEqual(['release 1']);
    expect(state()).toBe(inaccessible);
    expect(ownership.serves(1)).toBe(false);
  });

  it('is not done before the images are', async () => {
    const { backends, ownership } = await serving();
    const images = deferred<boolean>();
    backends.served = images.promise;
    let done: boolean | null = null;
    void ownership.release(1).then((released) => {
      done = released;
    });
    await settle();
    expect(done).toBe(null);
    images.resolve(true);
    await settle();
    expect(done).toBe(true);
  });

  it('does not fail because commands wait for an image that cannot be had', async () => {
    const { world, ownership, io, passRenewing } = await serving();
    const [subsystem] = world.target.subsystems.values();
    subsystem!.namespaces.get(1)!.device = new PendingDevice('image', 1024 * BLOCK, world.clock);
    const waiting = io.send(READ);
    const released = ownership.release(1);
    await passRenewing(5000);
    expect(await released).toBe(true);
    expect(io.answerTo(waiting)!.status).toBe(Status.anaInaccessible);
  });

  it('that does not end within 5 s is called off: the group is served as before', async () => {
    const { world, ownership, state, io, passRenewing } = await serving();
    const stuck = io.send(WRITE, { data: Buffer.alloc(BLOCK, 1) });
    const released = ownership.release(1);
    await passRenewing(600);
    expect(state()).toBe(inaccessible);
    await passRenewing(4400);
    expect(await released).toBe(false);
    expect(state()).toBe(optimized);
    expect(io.isOpen(stuck)).toBe(true);
    const next = io.send(ioSqe(IoOpcode.read, 1, 9, 1));
    world.device.finishAll();
    for (const cid of [stuck, next]) expect(io.answerTo(cid)!.status).toBe(Status.success);
  });

  it('is called off when an image cannot be given back, and serves the images again', async () => {
    const { backends, ownership, state } = await serving();
    backends.served = Promise.resolve(false);
    expect(await ownership.release(1)).toBe(false);
    expect(backends.calls).toEqual(['release 1', 'serve 1']);
    expect(state()).toBe(optimized);
  });

  it('says no when the group was taken over again meanwhile', async () => {
    const { ownership, state, io } = await serving();
    io.send(READ);
    const released = ownership.release(1);
    await ownership.takeOver(1, false);
    expect(await released).toBe(false);
    expect(state()).toBe(optimized);
  });

  it('of a group that was withdrawn waits for what the backend still does', async () => {
    const { world, ownership, io } = await serving();
    io.send(WRITE, { data: Buffer.alloc(BLOCK, 1) });
    ownership.withdraw(1);
    let done: boolean | null = null;
    void ownership.release(1).then((released) => {
      done = released;
    });
    await settle();
    expect(done).toBe(null);
    world.device.finishAll();
    await settle();
    expect(done).toBe(true);
  });
});

describe('withdrawing', () => {
  it('answers everything with the path status at once, also what the backend still works on', async () => {
    const { world, ownership, state, io } = await serving();
    const cids = [io.send(READ), io.send(WRITE, { data: Buffer.alloc(BLOCK, 1) })];
    ownership.withdraw(1);
    expect(state()).toBe(inaccessible);
    for (const cid of cids)
      expect(io.answerTo(cid)).toMatchObject({ status: Status.anaInaccessible, dnr: false });
    expect(io.call(READ).status).toBe(Status.anaInaccessible);
    world.device.finishAll();
    expect(world.target.buffers.borrowedBytes).toBe(0);
  });

  it('gives no lease to a renewal that was under way', async () => {
    const { world, backends, ownership } = await serving();
    const renewal = deferred<boolean>();
    backends.renewals = [renewal.promise];
    const renewed = ownership.renew(1);
    ownership.withdraw(1);
    renewal.resolve(true);
    await renewed;
    expect(world.ana.groups[1].lease!.isValid).toBe(false);
  });
});

describe('a lease that is not renewed', () => {
  it('holds commands and answers, and both go on with the next renewal', async () => {
    const { world, ownership, state, io } = await serving();
    const done = io.send(READ);
    world.clock.advance(1100);
    world.device.finishAll();
    const fresh = io.send(READ);
    expect([io.isOpen(done), io.isOpen(fresh)]).toEqual([true, true]);
    expect(state()).toBe(optimized);
    expect(await ownership.renew(1)).toBe(true);
    world.device.finishAll();
    for (const cid of [done, fresh]) expect(io.answerTo(cid)!.status).toBe(Status.success);
  });

  it('for 5 s sends hosts to other paths; a renewal lets them back', async () => {
    const { world, ownership, state, io, passRenewing } = await serving();
    const stuck = io.send(WRITE, { data: Buffer.alloc(BLOCK, 1) });
    world.clock.advance(1000);
    const held = io.send(READ);
    world.clock.advance(4900);
    expect(state()).toBe(optimized);
    expect(io.isOpen(held)).toBe(true);
    world.clock.advance(300);
    expect(state()).toBe(inaccessible);
    for (const cid of [stuck, held]) expect(io.answerTo(cid)!.status).toBe(Status.anaInaccessible);
    expect(ownership.serves(1)).toBe(false);

    await ownership.renew(1);
    expect(state()).toBe(optimized);
    // the host writes again; what is left of its first try must not land on that
    const again = io.send(WRITE, { data: Buffer.alloc(BLOCK, 2) });
    world.device.finishAll();
    expect(io.answerTo(again)!.status).toBe(Status.success);
    expect(world.device.bytes[0]).toBe(2);
    await passRenewing(10_000);
    expect(state()).toBe(optimized);
  });

  it('that was revoked ends at once', async () => {
    const { world, backends, ownership, io } = await serving();
    const cid = io.send(READ);
    backends.renewals = [false];
    expect(await ownership.renew(1)).toBe(false);
    world.device.finishAll();
    expect(io.isOpen(cid)).toBe(true);
  });

  it('and whose question is not answered within the lease rejects with ETIMEDOUT', async () => {
    const { world, backends, ownership } = await serving();
    backends.renewals = [new Promise(() => {})];
    const renewed = ownership.renew(1);
    await settle();
    world.clock.advance(LEASE_MS);
    await expect(renewed).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  });
});

describe('a process that was held up', () => {
  it('admits and answers nothing until a renewal that was asked for afterwards', async () => {
    const { world, backends, io } = await serving();
    const after = deferred<boolean>();
    const done = io.send(READ);
    backends.renewals = [after.promise];
    world.device.open[0].finish();
    world.clock.stall(300);
    await settle();
    expect(backends.calls).toEqual(['renew 1']);
    const fresh = io.send(READ);
    expect([io.isOpen(done), io.isOpen(fresh)]).toEqual([true, true]);
    after.resolve(true);
    await settle();
    expect(io.answerTo(done)!.status).toBe(Status.success);
    expect(world.device.open.length).toBe(1);
  });

  it('does not count a renewal that was asked for before', async () => {
    const { world, backends, ownership, io } = await serving();
    const before = deferred<boolean>();
    backends.renewals = [before.promise, new Promise(() => {})];
    const renewed = ownership.renew(1);
    const cid = io.send(READ);
    world.device.open[0].finish();
    world.clock.stall(300);
    before.resolve(true);
    await renewed;
    expect(io.isOpen(cid)).toBe(true);
  });
});

describe('a fence', () => {
  it('of a group that is served sends hosts away before the monitor hears of it', async () => {
    const { world, backends, ownership, state, io } = await serving();
    const cid = io.send(READ);
    let stateThen: AnaState | null = null;
    ownership.onFenced((group) => {
      stateThen = world.ana.stateOf(group);
    });
    backends.tellUsable(1, false);
    expect(stateThen).toBe(inaccessible);
    expect(io.answerTo(cid)!.status).toBe(Status.anaInaccessible);
    // a new client is not a new right to serve
    backends.tellUsable(1, true);
    expect(state()).toBe(inaccessible);
  });

  it('without leases: the group is served again as soon as there is a new client', async () => {
    const { backends, state, fenced } = await serving({ leased: false });
    backends.tellUsable(1, false);
    expect(state()).toBe(inaccessible);
    backends.tellUsable(1, true);
    expect(state()).toBe(optimized);
    expect(fenced).toEqual([1]);
  });

  it('of a group that stands by is told, and changes nothing', async () => {
    const { world, backends, fenced } = rig();
    const before = world.ana.changeCount;
    backends.tellUsable(1, false);
    expect(fenced).toEqual([1]);
    expect(world.ana.changeCount).toBe(before);
  });

  it('new clients: everything is withdrawn first', async () => {
    const { backends, ownership, state } = await serving();
    await ownership.renewClients();
    expect(backends.calls).toEqual(['release 1', 'replace']);
    expect(state()).toBe(inaccessible);
  });
});

describe('groups that exist', () => {
  it('are in the log, inaccessible until they are taken over; those that are served stay so', async () => {
    const { world, ownership, state } = await serving();
    ownership.exist([1, 2, 3]);
    expect(state()).toBe(optimized);
    expect([2, 3, 4].map((id) => world.ana.groups[id].known)).toEqual([true, true, false]);
    expect(world.ana.stateOf(2)).toBe(inaccessible);
  });
});

describe('a standby that asks whether it would get a lease', () => {
  it('waits for fences as a take-over would: without a quorum of monitors it would get none', async () => {
    const { backends, ownership, world } = rig();
    backends.mapWait = new Promise(() => {});
    const asked = ownership.renew(1).catch((error: NodeJS.ErrnoException) => error.code);
    await settle();
    world.clock.advance(LEASE_MS);
    expect(await asked).toBe('ETIMEDOUT');
    expect(backends.calls).toEqual(['wait 1']);
    // One wait is under way at a time, however often it is asked.
    void ownership.renew(1).catch(() => {});
    expect(backends.calls).toEqual(['wait 1']);
  });

  it('asks once they are seen', async () => {
    const { backends, ownership } = rig();
    expect(await ownership.renew(1)).toBe(true);
    expect(backends.calls).toEqual(['wait 1', 'renew 1']);
  });
});
