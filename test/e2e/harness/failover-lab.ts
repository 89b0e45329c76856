/**
 * A group of gateways on a real Ceph, each in a network namespace of its own, and a real Linux host with a path to each of
 * them: `lab.gateways[0].stop('SIGKILL')`, and see what the host's writer says of it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { CephCluster, type CephOptions } from './ceph.ts';
import { GatewayNode } from './gateway-node.ts';
import { Lab } from './lab.ts';
import type { LinuxHost } from './linux-host.ts';
import { installWriter, VerifyingWriter, type WriterOptions } from './verifying-writer.ts';

export interface FailoverOptions {
  /** Gateways to begin with; default 3. */
  gateways?: number;
  /** Namespaces of gateways that may join later. */
  places?: number;
  /** Images in each ANA group; default 1. */
  imagesPerGroup?: number;
  imageMiB?: number;
  /** Who owns what is written down (`[monitor] owners`), not agreed on. */
  staticOwners?: boolean;
  ceph?: CephOptions;
  /** Boot a Linux host and connect it; default yes. */
  linuxHost?: boolean;
}

export interface AnaPath {
  /** Name of the block device that it is a path of. */
  device: string;
  /** Place of the gateway. */
  place: number;
  /** `live`, `connecting`, ... */
  controller: string;
  ana: string;
  group: number;
}

export const FAILOVER_SUBSYSTEM = 'nqn.2026-11.io.anagate:failover';
const CEPH_ADDRESS = '10.89.0.1';
const GROUP = 'lab';

export class FailoverLab {
  readonly lab = new Lab();
  readonly gateways: GatewayNode[] = [];
  readonly #options: FailoverOptions;
  #ceph: CephCluster | null = null;
  #host: LinuxHost | null = null;
  #imagesOf = new Map<number, number[]>();

  constructor(options: FailoverOptions = {}) {
    this.#options = options;
  }

  get ceph(): CephCluster {
    if (this.#ceph === null) throw new Error('the lab is not open');
    return this.#ceph;
  }

  get host(): LinuxHost {
    if (this.#host === null) throw new Error('the lab has no Linux host');
    return this.#host;
  }

  /** Everything up to a host that is connected to all gateways. */
  async open(): Promise<void> {
    const { gateways = 3, linuxHost = true } = this.#options;
    await this.lab.open();
    this.#ceph = new CephCluster(this.lab, { address: CEPH_ADDRESS, ...this.#options.ceph });
    for (let place = 1; place <= (this.#options.places ?? gateways); place++)
      await this.lab.tool('add', String(place));
    for (let place = 1; place <= gateways; place++) this.#node(place);
    await Promise.all([
      linuxHost ? this.#bootHost() : null,
      this.#ceph.start().then(() => Promise.all(this.gateways.map((gateway) => gateway.start()))),
    ]);
    await this.#configure();
    if (linuxHost) await this.connect();
  }

  close(): Promise<void> {
    return this.lab.close();
  }

  /** A gateway that joins the group, with a listener; its namespace is made if it was not. */
  async addGateway(place: number, name?: string): Promise<GatewayNode> {
    const gateway = this.#node(place, name);
    await gateway.start();
    await this.addListener(gateway);
    return gateway;
  }

  async addListener(gateway: GatewayNode, through: GatewayNode = gateway): Promise<void> {
    const where = ['-t', gateway.name, '-a', gateway.address, '-s', '4420'];
    await through.cli('listener', 'add', '-n', FAILOVER_SUBSYSTEM, ...where);
  }

  /** Connects the host to everything that any running gateway lists, and waits until each gateway is a path. */
  async connect(): Promise<void> {
    const running = this.gateways.filter((gateway) => gateway.running);
    await this.host.connectAll(running[0].address);
    const wanted = running.map(({ address }) => address);
    await this.host.until(
      'a live controller at each gateway',
      wanted.map((address) => `grep -lq "traddr=${address}," ${LIVE_ADDRESSES}`).join(' && '),
      30,
    );
    await Promise.all(
      [...this.#imagesOf.values()].flat().map((nsid) => this.host.device(FAILOVER_SUBSYSTEM, nsid)),
    );
  }

  /** The paths of all namespaces as the kernel sees them. */
  async paths(): Promise<AnaPath[]> {
    const lines = await this.host.sh(PATHS_SCRIPT);
    return lines
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [device, address, controller, ana, group] = line.split(' ');
        const place = Number(address.split('.')[3]) - 100;
        return { device, place, controller, ana, group: Number(group) };
      });
  }

  /** Waits until the host sees each ANA group optimized at one live gateway, and at which: group -> place. */
  async owners(seconds = 30): Promise<Map<number, number>> {
    const end = performance.now() + seconds * 1000;
    for (;;) {
      const optimized = (await this.paths()).filter(
        ({ controller, ana }) => controller === 'live' && ana === 'optimized',
      );
      const owners = new Map<number, Set<number>>();
      for (const { group, place } of optimized)
        owners.set(group, (owners.get(group) ?? new Set()).add(place));
      const each = [...this.#imagesOf.keys()].map(
        (group) => [group, [...(owners.get(group) ?? [])]] as const,
      );
      if (each.every(([, places]) => places.length === 1))
        return new Map(each.map(([group, [place]]) => [group, place]));
      if (performance.now() > end) throw new Error(`not one owner for each group: ${JSON.stringify(each)}`);
      await sleep(250);
    }
  }

  /** Waits until each group is where `wanted` says. */
  async untilOwners(wanted: ReadonlyMap<number, number>, seconds = 30): Promise<void> {
    const end = performance.now() + seconds * 1000;
    const text = (owners: ReadonlyMap<number, number>): string => JSON.stringify([...owners].sort());
    for (;;) {
      const owners = await this.owners(seconds);
      if (text(owners) === text(wanted)) return;
      if (performance.now() > end) throw new Error(`owners are ${text(owners)}, not ${text(wanted)}`);
      await sleep(250);
    }
  }

  /** Each group at its own gateway. */
  home(): Map<number, number> {
    return new Map([...this.#imagesOf.keys()].map((group) => [group, group]));
  }

  /** A writer on the first image of each of these groups; default all. */
  async write(groups?: readonly number[], options: WriterOptions = {}): Promise<VerifyingWriter> {
    const nsids = (groups ?? [...this.#imagesOf.keys()]).map((group) => this.nsids(group)[0]);
    const devices = await Promise.all(nsids.map((nsid) => this.host.device(FAILOVER_SUBSYSTEM, nsid)));
    return VerifyingWriter.start(this.host, devices, options);
  }

  nsids(group: number): readonly number[] {
    return this.#imagesOf.get(group) ?? [];
  }

  imageOf(nsid: number): string {
    return `rbd/disk${nsid}`;
  }

  #node(place: number, name?: string): GatewayNode {
    const { gateways = 3, places = gateways, staticOwners = false } = this.#options;
    const table = Array.from({ length: places }, (_, at) => `${at + 1}:gw${at + 1}`);
    const gateway = new GatewayNode(this.lab, place, {
      group: GROUP,
      cephConf: this.ceph.conf,
      owners: staticOwners ? table.join(', ') : undefined,
      name,
    });
    this.lab.watch(gateway);
    const at = this.gateways.findIndex((one) => one.place === place);
    if (at < 0) this.gateways.push(gateway);
    else this.gateways[at] = gateway;
    return gateway;
  }

  async #bootHost(): Promise<void> {
    this.#host = await this.lab.bootHost();
    await installWriter(this.#host, this.lab.directory);
  }

  async #configure(): Promise<void> {
    const [first] = this.gateways;
    await first.cli('subsystem', 'add', '-n', FAILOVER_SUBSYSTEM, '--no-group-append');
    await first.cli('host', 'add', '-n', FAILOVER_SUBSYSTEM, '-t', '*');
    for (const gateway of this.gateways) await this.addListener(gateway, first);
    for (let n = 0; n < (this.#options.imagesPerGroup ?? 1); n++)
      for (const { place } of this.gateways) await this.addImage(place);
  }

  /** A new image in an ANA group; resolves with its namespace's number. */
  async addImage(group: number, through: GatewayNode = this.gateways[0]): Promise<number> {
    const nsid = [...this.#imagesOf.values()].flat().length + 1;
    const size = `${this.#options.imageMiB ?? 16}MiB`;
    const image = ['-p', 'rbd', '-i', `disk${nsid}`, '--rbd-create-image', '--size', size];
    const place = ['--nsid', String(nsid), '--load-balancing-group', String(group)];
    await through.cli('namespace', 'add', '-n', FAILOVER_SUBSYSTEM, ...image, ...place);
    this.#imagesOf.set(group, [...this.nsids(group), nsid]);
    return nsid;
  }
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

/** Files with the addresses of live controllers, for grep in the host. */
const LIVE_ADDRESSES =
  '$(for c in /sys/class/nvme/nvme*; do read -r s <$c/state; [ "$s" = live ] && echo $c/address; done) /dev/null';

/** Prints `device address controller-state ana-state ana-group` of each path. Only builtins: a program costs 0.1 s there. */
const PATHS_SCRIPT = `
shopt -s nullglob
for c in /sys/class/nvme/nvme*; do
  read -r state <$c/state; read -r address <$c/address; address=\${address#traddr=}; address=\${address%%,*}
  for p in $c/nvme*c*n*; do
    read -r ana <$p/ana_state || continue; read -r group <$p/ana_grpid; name=\${p##*/}
    echo "\${name%%c*}n\${name##*n} $address $state $ana $group"
  done
done 2>/dev/null`;
