/**
 * A group of gateways on a real Ceph, each in a network namespace of its own, and a real Linux host with a path to each of
 * them: `(await lab.owner(1)).stop('SIGKILL')`, and see what the host's writer says of it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll } from 'vitest';
import type { RpcAnswer, RpcName, RpcRequest } from '../../../src/control/gateway-proto.ts';
import type { AnaGroupInfo, Sent } from '../../../src/control/gateway-types.ts';
import { CephCluster, type CephOptions } from './ceph.ts';
import { GatewayNode, GRPC_PORT } from './gateway-node.ts';
import { kernelDisks, kernelPaths } from './kernel-paths.ts';
import { Lab } from './lab.ts';
import { LabAgent } from './lab-agent.ts';
import type { LinuxHost } from './linux-host.ts';
import { installWriter, VerifyingWriter, type WriterOptions } from './verifying-writer.ts';

export interface FailoverOptions {
  /** Gateways to begin with; default 3. */
  gateways?: number;
  /** Places for gateways; default as many as there are gateways. */
  places?: number;
  /** Images in each ANA group to begin with; default 1. */
  imagesPerGroup?: number;
  /** Default 16 MiB. */
  imageBytes?: number;
  /** Who owns what is written down (`[monitor] owners`), not agreed on. */
  staticOwners?: boolean;
  ceph?: CephOptions;
  /** Boot a Linux host and connect it; default yes. */
  linuxHost?: boolean;
}

export const FAILOVER_SUBSYSTEM = 'nqn.2026-11.io.anagate:failover';
const CEPH_ADDRESS = '10.89.0.1';
const GROUP = 'lab';
const IO_PORT = 4420;
const IMAGE_BYTES = 16 * 1024 * 1024;
const AGENT_KATO_MS = 2000;
/** gRPC's words for a server that is not there, or frozen, or cut off. */
const NO_ANSWER = /UNAVAILABLE|DEADLINE_EXCEEDED/;
const POLL_MS = 100;
/** A planned hand-over takes about that long. */
const HAND_OVER_POLL_MS = 5;

export class FailoverLab {
  readonly lab = new Lab();
  /** By place; the gateway that runs, or ran, there. */
  readonly #nodes = new Map<number, GatewayNode>();
  /** Namespace -> ANA group that it was put into. */
  readonly images = new Map<number, number>();
  readonly #options: FailoverOptions;
  #ceph: CephCluster | null = null;
  #host: LinuxHost | null = null;
  #agent: LabAgent | null = null;

  constructor(options: FailoverOptions = {}) {
    this.#options = options;
  }

  get ceph(): CephCluster {
    return opened(this.#ceph);
  }

  get host(): LinuxHost {
    return opened(this.#host);
  }

  get agent(): LabAgent {
    return opened(this.#agent);
  }

  /** Everything up to a host that is connected to all gateways, if there are disks to connect to. */
  async open(): Promise<void> {
    const { gateways = 3, places = gateways, linuxHost = true } = this.#options;
    await this.lab.open();
    this.#ceph = new CephCluster(this.lab, { address: CEPH_ADDRESS, ...this.#options.ceph });
    this.#agent = new LabAgent(this.lab, FAILOVER_SUBSYSTEM, AGENT_KATO_MS);
    this.lab.watch(this.#agent);
    for (let place = 1; place <= places; place++) await this.lab.tool('add', String(place));
    const nodes = Array.from({ length: gateways }, (_, at) => this.place(at + 1));
    await Promise.all([
      linuxHost ? this.#bootHost() : null,
      this.#ceph.start().then(() => Promise.all(nodes.map((node) => node.start()))),
    ]);
    await this.#configure();
    if (linuxHost && this.images.size > 0) await this.connectHost();
    await this.balanced();
  }

  close(): Promise<void> {
    return this.lab.close();
  }

  /** The gateway at a place. Which ANA group is whose home is the order in which they joined. */
  node(place: number): GatewayNode {
    const node = this.#nodes.get(place);
    if (node === undefined) throw new Error(`there is no gateway at place ${place}`);
    return node;
  }

  named(name: string): GatewayNode {
    const node = this.nodes.find((one) => one.name === name);
    if (node === undefined) throw new Error(`there is no gateway ${name}`);
    return node;
  }

  get nodes(): GatewayNode[] {
    return [...this.#nodes.values()];
  }

  get running(): GatewayNode[] {
    return this.nodes.filter((node) => node.running);
  }

  /** Puts a gateway at a place; it is not started yet, and the one that was there is forgotten. */
  place(place: number, name = `gw${place}`): GatewayNode {
    const { gateways = 3, staticOwners = false } = this.#options;
    const table = Array.from({ length: gateways }, (_, at) => `${at + 1}:gw${at + 1}`);
    const owners = staticOwners ? table.join(', ') : undefined;
    const node = new GatewayNode(this.lab, place, name, { group: GROUP, cephConf: this.ceph.conf, owners });
    this.lab.watch(node);
    this.#nodes.set(place, node);
    return node;
  }

  /** A gateway leaves the lab for good. */
  async forget(node: GatewayNode): Promise<void> {
    this.#nodes.delete(node.place);
    await this.agent.disconnect(node.address);
  }

  /** One RPC, to the first gateway that answers unless one is named. */
  async call<R extends RpcName>(
    rpc: R,
    request: Sent<RpcRequest<R>>,
    node?: GatewayNode,
  ): Promise<RpcAnswer<R>> {
    let failure: unknown = new Error('no gateway runs');
    for (const { address } of node === undefined ? this.running : [node]) {
      try {
        return await this.agent.call(`${address}:${GRPC_PORT}`, rpc, request);
      } catch (cause) {
        failure = cause;
        if (!NO_ANSWER.test(String(cause))) break;
      }
    }
    throw failure;
  }

  /** A gateway listens for hosts, and the agent has a path to it. */
  async listen(node: GatewayNode): Promise<void> {
    // a gateway hears of the subsystem a little later than the one where it was made
    await this.#until(`a listener at ${node.name}`, 10, () =>
      this.call('create_listener', this.#listener(node), node).then(() => null),
    );
    await this.agent.connect(node.address);
  }

  /** Waits until a gateway listens for hosts without having been told to; the agent has a path to it then. */
  listens(node: GatewayNode): Promise<void> {
    return this.#until(`${node.name} listens`, 15, () => this.agent.connect(node.address).then(() => null));
  }

  async unlisten(node: GatewayNode): Promise<void> {
    await this.call('delete_listener', { ...this.#listener(node), force: true }, node);
  }

  /** A new image in an ANA group. */
  async addImage(group: number): Promise<void> {
    const nsid = this.images.size + 1;
    await this.call('namespace_add', {
      subsystem_nqn: FAILOVER_SUBSYSTEM,
      nsid,
      anagrpid: group,
      rbd_pool_name: 'rbd',
      rbd_image_name: `disk${nsid}`,
      create_image: true,
      size: String(this.#options.imageBytes ?? IMAGE_BYTES),
    });
    this.images.set(nsid, group);
  }

  nsids(group: number): number[] {
    return [...this.images].filter(([, its]) => its === group).map(([nsid]) => nsid);
  }

  /** Connects the host to everything that the group lists, and waits until it has all disks with a path to each gateway. */
  async connectHost(): Promise<void> {
    await this.host.connectAll(this.running[0].address);
    await this.#disks([...this.images.keys()]);
    const addresses = this.running.map(({ address }) => address);
    await this.#until('a path of the host to each gateway', 30, async () => {
      const live = (await kernelPaths(this.host)).filter(({ state }) => state === 'live');
      return addresses.every((address) => live.some((path) => path.address === address)) ? null : live;
    });
  }

  /** A verifying writer on these disks of the host. */
  async write(nsids: readonly number[], options: WriterOptions = {}): Promise<VerifyingWriter> {
    return VerifyingWriter.start(this.host, await this.#disks(nsids), options);
  }

  async anaGroups(node?: GatewayNode): Promise<AnaGroupInfo[]> {
    return (await this.call('list_ana_groups', {}, node)).ana_groups;
  }

  /** The last changes of ownership, oldest first, each in a line with its timeline. */
  async changes(): Promise<string[]> {
    const { changes } = await this.call('list_ownership_changes', {});
    return changes.map(({ ana_group, from = '-', to = '-', why, marks }) => {
      const [began] = marks.map(({ at_ms }) => Number(at_ms));
      const timeline = marks.map(({ name, at_ms }) => `${name} +${Number(at_ms) - began}`).join(', ');
      return `${new Date(began).toISOString()} group ${ana_group}: ${from} -> ${to}, ${why} (${timeline} ms)`;
    });
  }

  /** The gateway that owns a group, as the group's map says. */
  async owner(group: number): Promise<GatewayNode> {
    const found = (await this.anaGroups()).find(({ id }) => id === group)?.owner;
    if (found === undefined) throw new Error(`ANA group ${group} has no owner`);
    return this.named(found);
  }

  /** The gateway that leads. */
  async leader(): Promise<GatewayNode> {
    let leader: string | undefined;
    await this.#until('a leader', 20, async () => {
      ({ leader } = await this.call('list_gateways', {}));
      return leader === undefined ? 'none' : null;
    });
    return this.named(leader ?? '');
  }

  /** Waits until a group is being taken from a gateway, or has been: its ANA log says so no later than the host hears of it. */
  async untilTakenFrom(node: GatewayNode, group: number, seconds = 30): Promise<void> {
    await this.#until(
      `ANA group ${group} goes from ${node.name}`,
      seconds,
      async () => {
        const path = (await this.agent.paths()).find(({ address }) => address === node.address);
        return path?.live && path.groups[group] === 'optimized' ? path : null;
      },
      HAND_OVER_POLL_MS,
    );
  }

  /**
   * Waits until the group's owner in the map, the one gateway whose ANA log says so, is not `node`. Others are asked: one that
   * is cut off from Ceph tells what it read last.
   */
  async untilMoved(node: GatewayNode, group: number, seconds = 30): Promise<void> {
    await this.#until(`ANA group ${group} has another owner than ${node.name}`, seconds, async () => {
      const groups = await this.anaGroups(this.running.find((one) => one !== node));
      const owner = groups.find(({ id }) => id === group)?.owner ?? '';
      const optimized = (await this.agent.paths()).filter(
        (path) => path.live && path.groups[group] === 'optimized',
      );
      const [address, second] = optimized.map((path) => path.address);
      if (owner === '' || owner === node.name || second !== undefined) return { owner, optimized };
      return address === this.named(owner).address ? null : { owner, optimized };
    });
  }

  /**
   * Waits until all is as it should be: each gateway that runs owns its home group, every group has exactly one owner in the
   * map, in the ANA logs of all gateways, and in the eyes of the host, and nothing is waited for. A host whose connection a
   * frozen gateway left half made notices only after its admin time-out of 60 s; its groups return after that.
   */
  async balanced(seconds = 150): Promise<void> {
    const end = performance.now() + seconds * 1000;
    const left = (): number => Math.max(1, (end - performance.now()) / 1000);
    const owners = await this.#ownersInMap(left());
    await this.#until('owners in the ANA logs', left(), () => this.#unbalancedInLogs(owners));
    if (this.#host !== null)
      await this.#until('owners at the host', left(), () => this.#unbalancedAtHost(owners));
  }

  /** Every gateway serves again, whatever an operator said. */
  async undrain(): Promise<void> {
    for (const { name } of this.running)
      await this.#until(`${name} is not drained`, 30, () =>
        this.call('change_gateway', { gateway: name, action: 'undrain' }).then(() => null),
      );
  }

  /** Ends every fault that a test may have left: cables, frozen and dead gateways, paused OSDs. */
  async repair(): Promise<void> {
    for (const node of this.nodes) {
      await node.heal();
      await node.stopped();
      if (node.running) node.signal('SIGCONT');
      else await node.start();
    }
    await this.ceph.ceph('osd', 'unpause');
    await this.undrain();
  }

  /** Waits until the host has a disk for each of these namespaces; resolves with their names. */
  async #disks(nsids: readonly number[]): Promise<string[]> {
    let disks = new Map<number, string>();
    await this.#until('disks of the host', 30, async () => {
      disks = await kernelDisks(this.host, FAILOVER_SUBSYSTEM);
      return nsids.every((nsid) => disks.has(nsid)) ? null : [...disks];
    });
    return nsids.map((nsid) => disks.get(nsid) ?? '');
  }

  /** Waits for owners that are as they should be; addresses by ANA group. */
  async #ownersInMap(seconds: number): Promise<Map<number, string>> {
    if (this.#options.staticOwners) return new Map(this.nodes.map(({ place, address }) => [place, address]));
    await this.#until('owners in the map', seconds, () => this.#unbalancedInMap());
    return new Map((await this.anaGroups()).map(({ id, owner = '' }) => [id, this.named(owner).address]));
  }

  async #unbalancedInMap(): Promise<unknown> {
    const groups = await this.anaGroups();
    const names = this.running.map(({ name }) => name);
    const wrong = groups.filter(
      ({ owner, home, state, awaited }) =>
        owner === undefined ||
        !names.includes(owner) ||
        (home !== undefined && names.includes(home) && home !== owner) ||
        (state !== 'ACTIVE' && state !== '') ||
        (awaited ?? '') !== '',
    );
    return wrong.length === 0 && groups.length >= names.length ? null : groups;
  }

  async #unbalancedInLogs(owners: ReadonlyMap<number, string>): Promise<unknown> {
    const paths = await this.agent.paths();
    const groups = new Set(paths.flatMap((path) => Object.keys(path.groups).map(Number)));
    const right = [...groups].every((group) => {
      const optimized = paths.filter(({ live, groups }) => live && groups[group] === 'optimized');
      return optimized.length === 1 && optimized[0].address === owners.get(group);
    });
    return right && groups.size > 0 && paths.every(({ live }) => live) ? null : paths;
  }

  async #unbalancedAtHost(owners: ReadonlyMap<number, string>): Promise<unknown> {
    const paths = await kernelPaths(this.host);
    const wrong = paths.filter(
      ({ address, state, ana, group }) =>
        state !== 'live' || (ana === 'optimized') !== (address === owners.get(group)),
    );
    const each = [...this.images].length * this.running.length;
    return wrong.length === 0 && paths.length >= each ? null : wrong;
  }

  /** Asks until `check` answers null, which is all well; rejects with its last answer, or complaint. */
  async #until(
    what: string,
    seconds: number,
    check: () => Promise<unknown>,
    pollMs = POLL_MS,
  ): Promise<void> {
    const end = performance.now() + seconds * 1000;
    for (;;) {
      const answer = await check().catch((cause: unknown) => String(cause));
      if (answer === null) return;
      if (performance.now() > end)
        throw new Error(`not within ${Math.round(seconds)} s: ${what}\n${JSON.stringify(answer, null, 1)}`);
      await sleep(pollMs);
    }
  }

  #listener({ name, address }: GatewayNode): Sent<RpcRequest<'create_listener'>> {
    return { nqn: FAILOVER_SUBSYSTEM, host_name: name, traddr: address, trsvcid: IO_PORT };
  }

  async #bootHost(): Promise<void> {
    const host = await this.lab.bootHost();
    await installWriter(host, this.lab.directory);
    this.#host = host;
  }

  async #configure(): Promise<void> {
    await this.call('create_subsystem', {
      subsystem_nqn: FAILOVER_SUBSYSTEM,
      enable_ha: true,
      no_group_append: true,
    });
    await this.call('add_host', { subsystem_nqn: FAILOVER_SUBSYSTEM, host_nqn: '*' });
    for (const node of this.nodes) await this.listen(node);
    for (let n = 0; n < (this.#options.imagesPerGroup ?? 1); n++)
      for (const { place } of this.nodes) await this.addImage(place);
  }
}

function opened<T>(part: T | null): T {
  if (part === null) throw new Error('the lab does not have it, or is not open');
  return part;
}

/** A lab for the tests of one file. */
export function useFailoverLab(options: FailoverOptions = {}): FailoverLab {
  const lab = new FailoverLab(options);
  let failed = true; // a failed beforeAll leaves no test that could say so
  beforeAll(async () => {
    await lab.open();
    failed = false;
  });
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') failed = true;
  });
  afterAll(async () => {
    if (failed) process.stderr.write(`${lab.lab.report()}\n`);
    await lab.close();
  });
  return lab;
}
