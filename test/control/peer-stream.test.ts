import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { Client, credentials, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemTimers } from '../../src/base/clock.ts';
import { followMethod } from '../../src/control/peer-proto.ts';
import { isPeerHere, isProcessGone } from '../../src/control/process-probe.ts';
import { Follower, followerEvents, Leader } from './peer-rig.ts';

describe('A stream to the leader', () => {
  let leader: Leader;
  beforeEach(async () => {
    leader = await Leader.start();
  });
  afterEach(() => leader.kill());

  it('carries beacons one way and epochs the other', async () => {
    const [one, two] = [new Follower(leader.port, 'gw-a-1'), new Follower(leader.port, 'gw-b-1')];
    one.beacon();
    await leader.happenings.have('beacon gw-a-1 1');
    two.beacon();
    await leader.happenings.have('beacon gw-b-1 1');
    leader.streams.push(7);
    await Promise.all([one.happenings.have('epoch 7'), two.happenings.have('epoch 7')]);
    const three = new Follower(leader.port, 'gw-c-1');
    await three.happenings.have('epoch 7');
    await Promise.all([one.stream.close(), two.stream.close(), three.stream.close()]);
  });

  it('ends clean when the follower takes leave, with its last beacon before', async () => {
    const follower = new Follower(leader.port, 'gw-a-1');
    for (let i = 0; i < 5; i += 1) follower.beacon();
    await follower.stream.close();
    await leader.happenings.have('end gw-a-1 clean');
    const { lines } = leader.happenings;
    expect(lines.indexOf('beacon gw-a-1 5')).toBe(lines.indexOf('end gw-a-1 clean') - 1);
    expect(follower.happenings.lines.filter((line) => line.startsWith('end'))).toEqual([]);
  });

  it('ends clean for the followers when the leader stops or leads no more', async () => {
    const follower = new Follower(leader.port, 'gw-a-1');
    follower.beacon();
    await leader.happenings.have('beacon gw-a-1 1');
    leader.streams.serve(null);
    await follower.happenings.have('end clean');
    expect(leader.happenings.lines).toEqual(['beacon gw-a-1 1']);
    const turnedAway = new Follower(leader.port, 'gw-a-1');
    await turnedAway.happenings.have('end clean');
    leader.streams.serve(followerEvents(leader.happenings));
    const again = new Follower(leader.port, 'gw-a-1');
    again.beacon();
    await leader.happenings.have('beacon gw-a-1 1');
    await leader.stop();
    await again.happenings.have('end clean');
  });

  it('is no abrupt end when it never began', async () => {
    const { port } = leader;
    await leader.stop();
    const follower = new Follower(port, 'gw-a-1');
    await follower.happenings.have('end clean');
  });

  it('is replaced quietly by a newer one of the same incarnation', async () => {
    const older = new Follower(leader.port, 'gw-a-1');
    older.beacon();
    await leader.happenings.have('beacon gw-a-1 1');
    const newer = new Follower(leader.port, 'gw-a-1');
    await older.happenings.have('end clean');
    newer.beacon({ sequence: 9 });
    await leader.happenings.have('beacon gw-a-1 9');
    expect(leader.happenings.lines).toEqual(['beacon gw-a-1 1', 'beacon gw-a-1 9']);
    await newer.stream.close();
  });

  it('is closed within a moment also when the leader does not answer', async () => {
    const silent = await new Promise<Server>((resolve) => {
      const server = createServer(() => {}).listen(0, '127.0.0.1', () => resolve(server));
    });
    const follower = new Follower((silent.address() as AddressInfo).port, 'gw-a-1');
    follower.beacon();
    const began = performance.now();
    await follower.stream.close();
    expect(performance.now() - began).toBeLessThan(2000);
    silent.close();
  });
});

describe('A stream that is reset on its way', () => {
  let leader: Leader;
  let proxy: ResettingProxy;
  beforeEach(async () => {
    leader = await Leader.start();
    proxy = await ResettingProxy.to(leader.port);
  });
  afterEach(async () => {
    leader.kill();
    await proxy.close();
  });

  /** Both ends know that the other one lives. */
  async function bothHeard(follower: Follower): Promise<void> {
    leader.streams.push(1);
    await Promise.all([leader.happenings.have('beacon gw-a-1 1'), follower.happenings.have('epoch 1')]);
  }

  it('accuses neither the follower nor the leader, whose management ports take connections', async () => {
    const port = await listen(createServer((socket) => socket.resume()));
    const follower = new Follower(proxy.port, 'gw-a-1');
    follower.beacon({ peerPort: port });
    await bothHeard(follower);
    proxy.reset();
    await Promise.all([leader.happenings.have('end gw-a-1 clean'), follower.happenings.have('end clean')]);
  });

  it('tells of ends at once when the management ports refuse: of a follower, of a leader', async () => {
    const follower = new Follower(proxy.port, 'gw-a-1');
    follower.beacon();
    await bothHeard(follower);
    await proxy.close();
    await Promise.all([leader.happenings.have('end gw-a-1 abrupt'), follower.happenings.have('end abrupt')]);
  });

  it('is no end of a follower that has come again meanwhile', async () => {
    const follower = new Follower(proxy.port, 'gw-a-1');
    follower.beacon({ peerPort: await listen(createServer((socket) => socket.resume())) });
    await bothHeard(follower);
    proxy.reset();
    const again = new Follower(leader.port, 'gw-a-1');
    again.beacon({ sequence: 2 });
    await Promise.all([leader.happenings.have('beacon gw-a-1 2'), follower.happenings.have('end clean')]);
    await again.stream.close();
    await leader.happenings.have('end gw-a-1 clean');
    expect(leader.happenings.lines.filter((line) => line.startsWith('end'))).toHaveLength(1);
  });
});

describe('A process that is asked whether it is gone', () => {
  it('is, when the connection that its listener still took is closed and the next one refused', async () => {
    const server = createServer((socket) => {
      server.close();
      socket.resetAndDestroy();
    });
    const port = await listen(server);
    expect(await isProcessGone('127.0.0.1', port, systemTimers)).toBe(true);
  });

  it('is, also for one whose event loop stood still when the refusal came', async () => {
    const asked = isProcessGone('127.0.0.1', 1, systemTimers);
    for (const end = performance.now() + 400; performance.now() < end; );
    expect(await asked).toBe(true);
  });

  it('is not, when it takes the connection, has no known port, or its name leads nowhere', async () => {
    const port = await listen(createServer((socket) => socket.resume()));
    expect(await isProcessGone('127.0.0.1', port, systemTimers)).toBe(false);
    expect(await isProcessGone('', 0, systemTimers)).toBe(false);
    expect(await isProcessGone('nowhere.invalid', 5500, systemTimers)).toBe(false);
  });
});

it('A loopback address of a process that is elsewhere says nothing of it', async () => {
  for (const host of ['127.0.0.1', '127.0.1.1', '::1', 'localhost']) {
    expect(await isProcessGone(host, 1, systemTimers, false)).toBe(false);
  }
  expect(['127.0.0.1:4711', '::1:4711', '[::1]:4711', '::ffff:127.0.0.1:4711'].map(isPeerHere)).not.toContain(
    false,
  );
  expect(['192.0.2.1:4711', '2001:db8::1:4711', 'unknown', '::10:4711'].map(isPeerHere)).not.toContain(true);
});

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Hands connections on, and resets all of them on both sides when told to. */
class ResettingProxy {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  port = 0;

  private constructor(target: number) {
    this.#server = createServer((near) => {
      const far = connect(target, '127.0.0.1');
      near.pipe(far).pipe(near);
      for (const socket of [near, far]) this.#sockets.add(socket.on('error', () => {}));
    });
  }

  static async to(target: number): Promise<ResettingProxy> {
    const proxy = new ResettingProxy(target);
    proxy.port = await listen(proxy.#server);
    return proxy;
  }

  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#sockets.clear();
  }

  /** As a machine whose processes are gone. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.reset();
    await closed;
  }
}

describe('A stranger on the management port', () => {
  let leader: Leader;
  let client: Client;
  beforeEach(async () => {
    leader = await Leader.start();
    client = new Client(`127.0.0.1:${leader.port}`, credentials.createInsecure());
  });
  afterEach(() => {
    client.close();
    leader.kill();
  });

  /** Sends these bytes as messages; resolves with the status of the end. */
  function send(...messages: Buffer[]): Promise<status> {
    const same = (bytes: Buffer) => bytes;
    const call = client.makeBidiStreamRequest(followMethod.path, same, same);
    call.on('data', () => {});
    call.on('error', () => {});
    for (const message of messages) call.write(message);
    return new Promise((resolve) => call.on('status', ({ code }) => resolve(code)));
  }

  const hello = (incarnation: string) =>
    followMethod.requestSerialize({ hello: { group: 'fsid/pool/group', gateway: 'gw-a', incarnation } });
  const text = (beacon: string) => followMethod.requestSerialize({ beacon });

  it('is sent away, and nobody hears of it', async () => {
    expect(await send(Buffer.from('garbage'))).not.toBe(status.OK);
    expect(await send(text('{}'))).toBe(status.INVALID_ARGUMENT);
    expect(await send(hello(''))).toBe(status.INVALID_ARGUMENT);
    expect(await send(Buffer.alloc(5 * 1024 * 1024))).toBe(status.RESOURCE_EXHAUSTED);
    await new Promise<void>((resolve) => {
      const socket = connect(leader.port, '127.0.0.1', () => socket.end('GET / HTTP/1.1\r\n\r\n'));
      socket
        .on('close', () => resolve())
        .on('error', () => {})
        .resume();
    });
    const follower = new Follower(leader.port, 'gw-b-1');
    follower.beacon();
    await leader.happenings.have('beacon gw-b-1 1');
    expect(leader.happenings.lines).toEqual(['beacon gw-b-1 1']);
    await follower.stream.close();
  });

  it('cannot speak for others than whom it says it is, and its nonsense is no beacon', async () => {
    const follower = new Follower(leader.port, 'gw-a-1');
    follower.beacon();
    await leader.happenings.have('beacon gw-a-1 1');
    const heard = follower.happenings.have('epoch 1');
    follower.beacon({ incarnation: 'gw-a-2' });
    leader.streams.push(1);
    await heard;
    follower.beacon();
    await leader.happenings.have('beacon gw-a-1 3');
    expect(leader.happenings.lines).not.toContain('beacon gw-a-2 2');
    await follower.stream.close();
  });

  it('of another group is sent away: it followed a wrong address', async () => {
    const follower = new Follower(leader.port, 'gw-a-1', 'fsid/pool/other');
    follower.beacon();
    await follower.happenings.have('end clean');
    expect(leader.happenings.lines).toEqual([]);
  });

  it('in great number leaves room for nobody else, and goes on doing no harm', async () => {
    const calls = Array.from({ length: 70 }, (_, i) => send(hello(`x${i}`)));
    expect(await Promise.race(calls)).toBe(status.RESOURCE_EXHAUSTED);
    expect(leader.happenings.lines).toEqual([]);
  });
});
