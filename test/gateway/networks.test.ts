/** Listeners by network mask and by address, in a group of two gateways on one configuration. */
import { describe, expect, it, vi } from 'vitest';
import { StaticMonitor } from '../../src/monitor/static-monitor.ts';
import { MemoryRecords, MemoryStore } from '../../src/store/memory-store.ts';
import { Feature } from '../initiator/command.ts';
import { DISCOVERY_NQN, HostController } from '../initiator/controller.ts';
import { LogId, parseDiscoveryLog } from '../initiator/log-page.ts';
import { code, freePort, listener, makeRig, memory, NQN, occupy, type Rig } from './rig.ts';

const OWNERS = ['gw-a', 'gw-b'].map((gateway, at) => ({ group: at + 1, gateway }));
const EVENT = { type: 2, info: 0xf0, lid: LogId.discovery };

interface Member extends Rig {
  /** Of its node; others are not there for it. */
  addresses: Set<string>;
  discovery: number;
}

async function member(records: MemoryRecords, name: string, ...own: string[]): Promise<Member> {
  const addresses = new Set(own);
  const rig = makeRig({
    store: new MemoryStore(records),
    monitor: new StaticMonitor(name, OWNERS),
    identity: {
      version: '1',
      name,
      group: 'g',
      hostname: `node-of-${name}`,
      address: '127.0.0.1',
      port: 5500,
    },
    shared: true,
    probe: { addresses: () => addresses, canBind: async () => false, reaches: async () => true },
  });
  await rig.gateway.start();
  return { ...rig, addresses, discovery: await rig.gateway.openDiscovery('127.0.0.1', 0) };
}

/** Node of gw-a: 127.1.0.1; of gw-b: 127.2.0.1 and 127.2.0.2. One subsystem for any host. */
async function pair() {
  const records = new MemoryRecords();
  const a = await member(records, 'gw-a', '127.1.0.1');
  const b = await member(records, 'gw-b', '127.2.0.1', '127.2.0.2');
  await a.gateway.addSubsystem({ nqn: NQN, serial: 'S1', listenPort: await freePort() });
  await a.gateway.addHost(NQN, '*');
  await a.gateway.addNamespace(memory());
  await vi.waitFor(() => expect(b.gateway.listNamespaces()).toHaveLength(1));
  return { records, a, b };
}

async function discover<T>(
  { discovery }: { discovery: number },
  body: (host: HostController, log: () => Promise<string[]>) => Promise<T>,
) {
  const options = { host: '127.0.0.1', port: discovery, subnqn: DISCOVERY_NQN, kato: 20_000 };
  const host = await HostController.connectAdmin(options);
  try {
    await host.enable();
    return await body(host, async () => {
      const { data } = await host.getLog({ lid: LogId.discovery, length: 16 * 1024 });
      return parseDiscoveryLog(data)
        .entries.map(({ traddr }) => traddr)
        .sort();
    });
  } finally {
    await host.drop();
  }
}

const addressesAt = (one: { discovery: number }) => discover(one, (_, log) => log());

function active({ gateway }: Rig): string[] {
  return gateway
    .listListeners(NQN)
    .filter((one) => one.active)
    .map(({ traddr }) => traddr)
    .sort();
}

/** The node looks at its addresses `times` times. */
async function look({ fireTimers }: Rig, times = 1): Promise<void> {
  for (let i = 0; i < times; i += 1) {
    fireTimers();
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('a network mask', () => {
  it('makes each gateway listen on the addresses of its node that are within; all list all', async () => {
    const { a, b } = await pair();
    await a.gateway.addSubsystemNetwork(NQN, '127.1.0.0/16');
    expect(active(a)).toEqual(['127.1.0.1']);
    await b.gateway.addSubsystemNetwork(NQN, '127.2.0.1/32');
    expect(active(b)).toEqual(['127.2.0.1']);
    await vi.waitFor(async () => expect(await addressesAt(a)).toEqual(['127.1.0.1', '127.2.0.1']));
    expect(await addressesAt(b)).toEqual(['127.1.0.1', '127.2.0.1']);
    expect(a.gateway.listSubsystems()[0]!.networks).toEqual(['127.1.0.0/16', '127.2.0.1/32']);
    expect(a.gateway.listListeners(NQN)).toMatchObject([
      { hostName: 'node-of-gw-a', traddr: '127.1.0.1', automatic: true, active: true },
      { hostName: 'node-of-gw-b', traddr: '127.2.0.1', automatic: true, active: false },
    ]);
    const { trsvcid: port } = a.gateway.listListeners(NQN)[0]!;
    const host = await HostController.connect({ host: '127.2.0.1', port, subnqn: NQN });
    expect(await host.activeNamespaces()).toEqual([1]);
    // a wider one changes nothing for it
    await a.gateway.addSubsystemNetwork(NQN, '127.0.0.0/8');
    await vi.waitFor(() => expect(active(b)).toEqual(['127.2.0.1', '127.2.0.2']));
    await a.gateway.deleteSubsystemNetwork(NQN, '127.2.0.1');
    await vi.waitFor(() => expect(b.gateway.listSubsystems()[0]!.networks).toHaveLength(2));
    expect((await host.keepAlive()).status).toBe(0);
    await a.gateway.deleteSubsystemNetwork(NQN, '127.0.0.0/8');
    await vi.waitFor(() => expect(active(b)).toEqual([]));
    await expect(host.keepAlive()).rejects.toThrow();
    await host.drop();
    await vi.waitFor(async () => expect(await addressesAt(b)).toEqual(['127.1.0.1']));
    await a.gateway.deleteSubsystem(NQN, true);
    await vi.waitFor(() => expect(b.gateway.listSubsystems()).toEqual([]));
    expect([a.target.ports.size, b.target.ports.size]).toEqual([1, 1]);
  });

  it('follows addresses that come and go, and tells hosts everywhere', async () => {
    const { a, b } = await pair();
    await a.gateway.addSubsystemNetwork(NQN, '127.0.0.0/8');
    await vi.waitFor(() => expect(active(b)).toEqual(['127.2.0.1', '127.2.0.2']));
    await discover(a, async (host, log) => {
      await vi.waitFor(async () => expect(await log()).toHaveLength(3));
      await host.setFeature(Feature.asyncEvent, 0x8000_0000);
      host.armAsyncEvents(1);
      b.addresses.add('127.2.0.3');
      await look(b);
      expect(await host.nextEvent()).toEqual(EVENT);
      expect(await log()).toEqual(['127.1.0.1', '127.2.0.1', '127.2.0.2', '127.2.0.3']);
      b.addresses.delete('127.2.0.1');
      await look(b, 9);
      await host.keepAlive();
      expect(host.events).toEqual([]);
      await look(b, 2);
      expect(await host.nextEvent()).toEqual(EVENT);
      expect(await log()).toEqual(['127.1.0.1', '127.2.0.2', '127.2.0.3']);
      expect(active(b)).toEqual(['127.2.0.2', '127.2.0.3']);
      // who is down is listed all the same
      await b.gateway.stop();
      await host.keepAlive();
      expect(host.events).toEqual([]);
      expect(await log()).toEqual(['127.1.0.1', '127.2.0.2', '127.2.0.3']);
    });
  });

  it('leaves out addresses that several nodes have, until one has them alone, and says so', async () => {
    const { a, b } = await pair();
    await a.gateway.addSubsystemNetwork(NQN, '127.0.0.0/8');
    for (const one of [a, b]) one.addresses.add('127.17.0.1');
    await look(a);
    await look(b);
    const ambiguous = [{ address: '127.17.0.1', nodes: ['node-of-gw-a', 'node-of-gw-b'] }];
    await vi.waitFor(() => expect(a.gateway.ambiguousAddresses(NQN)).toEqual(ambiguous));
    await vi.waitFor(() => expect(b.gateway.ambiguousAddresses(NQN)).toEqual(ambiguous));
    await vi.waitFor(() =>
      expect([active(a), active(b)]).toEqual([['127.1.0.1'], ['127.2.0.1', '127.2.0.2']]),
    );
    expect(await addressesAt(a)).toEqual(['127.1.0.1', '127.2.0.1', '127.2.0.2']);
    // Moved, it is listened on at once: the node without it does not insist.
    a.addresses.delete('127.17.0.1');
    await look(a);
    await vi.waitFor(() => {
      a.fireTimers();
      expect(active(b)).toEqual(['127.17.0.1', '127.2.0.1', '127.2.0.2']);
    });
    expect(b.gateway.ambiguousAddresses(NQN)).toEqual([]);
    expect(() => a.gateway.ambiguousAddresses('nqn.x')).toThrow(code('SUBSYSTEM_NOT_FOUND'));
  });

  it('leaves what somebody added as it is, and its listeners are deleted with it only', async () => {
    const { a } = await pair();
    const port = await freePort();
    const two = `${NQN}2`;
    await a.gateway.addSubsystem({ nqn: two, listenPort: port });
    const own = listener(port, { nqn: two, hostName: 'gw-a', traddr: '127.1.0.1' });
    await a.gateway.addListener(own);
    await a.gateway.addSubsystemNetwork(two, '127.0.0.0/8');
    const here = () => a.gateway.listListeners(two).filter(({ traddr }) => traddr === '127.1.0.1');
    expect(here()).toEqual([expect.objectContaining({ ...own, active: true })]);
    await a.gateway.deleteListener(own, false);
    expect(here()).toEqual([expect.objectContaining({ automatic: true, active: true })]);
    await expect(a.gateway.addListener(own)).rejects.toMatchObject({
      code: 'LISTENER_EXISTS',
      message: expect.stringContaining('which its network masks made for gateway gw-a'),
    });
    for (const hostName of ['gw-a', 'node-of-gw-a', '*']) {
      await expect(a.gateway.deleteListener({ ...own, hostName }, true)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(/of 127\.0\.0\.0\/8; delete the network instead/),
      });
    }
  });

  it('is refused twice, malformed, or at a subsystem that is not there; and deleted only if it is there', async () => {
    const { a } = await pair();
    await a.gateway.addSubsystemNetwork(NQN, '192.0.2.0/24');
    const add = (mask: string, nqn = NQN) => a.gateway.addSubsystemNetwork(nqn, mask);
    await expect(add('192.0.2.9/24')).rejects.toThrowError(code('NETWORK_EXISTS'));
    await expect(add('192.0.2.0/40')).rejects.toThrowError(code('INVALID_ARGUMENT'));
    await expect(add('192.0.2.0/24', `${NQN}2`)).rejects.toThrowError(code('SUBSYSTEM_NOT_FOUND'));
    await expect(a.gateway.deleteSubsystemNetwork(NQN, '10.0.0.0/8')).rejects.toMatchObject({
      code: 'NETWORK_NOT_FOUND',
      message: expect.stringContaining('it has 192.0.2.0/24'),
    });
    for (let i = 1; i < 16; i += 1) await add(`10.${i}.0.0/16`);
    await expect(add('10.99.0.0/16')).rejects.toThrowError(code('LIMIT_EXCEEDED'));
    await expect(
      a.gateway.addSubsystem({ nqn: `${NQN}3`, networks: ['10.0.0.0/8', 'x'] }),
    ).rejects.toThrowError(code('INVALID_ARGUMENT'));
    expect(a.gateway.listSubsystems()).toHaveLength(1);
  });

  it('comes with a subsystem; a gateway that is alone does it too, and a port that is taken is tried again', async () => {
    const addresses = new Set(['127.1.0.1']);
    const probe = { addresses: () => addresses, canBind: async () => false, reaches: async () => true };
    const alone = makeRig({ probe });
    await alone.gateway.start();
    const port = await freePort();
    const squatter = await occupy(port, '127.1.0.1');
    await alone.gateway.addSubsystem({ nqn: NQN, networks: ['127.1.0.0/16'], listenPort: port });
    expect(alone.gateway.listListeners(NQN)).toMatchObject([{ active: false, trsvcid: port }]);
    expect(alone.complaints).toEqual([expect.stringMatching(/another program listens there/)]);
    await new Promise((resolve) => squatter.close(resolve));
    await look(alone);
    await vi.waitFor(() => expect(active(alone)).toEqual(['127.1.0.1']));
  });
});

describe('a listener without a host name', () => {
  it('is of the gateway whose node has the address, also when that moves', async () => {
    const { a, b } = await pair();
    const port = await freePort();
    const spec = listener(port, { hostName: '', traddr: '127.9.0.1' });
    const loopbackFree = { ...spec, traddr: '192.0.2.7' };
    await expect(a.gateway.addListener(loopbackFree)).rejects.toThrowError(code('ADDRESS_NOT_AVAILABLE'));
    await expect(a.gateway.addListener({ ...loopbackFree, hostName: '*' })).rejects.toMatchObject({
      code: 'ADDRESS_NOT_AVAILABLE',
      message: expect.stringContaining('no gateway of the group has address 192.0.2.7'),
    });
    // the node of gw-b has it: stored by gw-a without a host name
    b.addresses.add('192.0.2.7');
    await look(b);
    await vi.waitFor(() =>
      expect(a.gateway.addListener(loopbackFree)).rejects.toMatchObject({
        code: 'LISTENER_REMOTE',
        message: expect.stringContaining('gateway gw-b'),
      }),
    );
    expect(a.gateway.listListeners(NQN)).toMatchObject([{ hostName: '*', active: false }]);
    expect(a.gateway.troubles).toEqual([]);
    await vi.waitFor(async () => expect(await addressesAt(a)).toEqual(['192.0.2.7']));
  });

  it('may be added before a node has the address, by force; is opened when it comes, closed when it goes', async () => {
    const { a, b } = await pair();
    const port = await freePort();
    const spec = listener(port, { hostName: '*', traddr: '192.0.2.8' });
    await expect(a.gateway.addListener(spec, { force: true })).rejects.toThrowError(code('LISTENER_REMOTE'));
    await vi.waitFor(() => expect(b.gateway.listListeners(NQN)).toHaveLength(1));
    expect([a.gateway.troubles, b.gateway.troubles]).toEqual([[], []]);
    b.addresses.add('192.0.2.8');
    await look(b);
    // this machine has no such address
    await vi.waitFor(() => expect(b.gateway.troubles.map(({ error }) => error.message)).toHaveLength(1));
    b.addresses.delete('192.0.2.8');
    await look(b, 12);
    await vi.waitFor(() => expect(b.gateway.troubles).toEqual([]));
    await a.gateway.deleteListener(spec, true);
  });

  it('is checked for its host name if asked to', async () => {
    const { a, b } = await pair();
    const port = await freePort();
    const add = (hostName: string) =>
      a.gateway.addListener(listener(port, { hostName, traddr: '127.1.0.1' }), { verifyHostName: true });
    await vi.waitFor(() => expect(add('node-x')).rejects.toThrow(/they are on node-of-gw-a, node-of-gw-b$/));
    await expect(add('node-of-gw-b')).rejects.toThrowError(code('LISTENER_REMOTE'));
    await vi.waitFor(() => expect(active(b)).toEqual(['127.1.0.1']));
  });
});
