/** An RBD backend on the cluster under test, its log and events in the test's hands, and a client that is no gateway. */
import { afterEach } from 'vitest';
import type { CephOptions, FenceAuthority } from '../../src/backend/rbd/group-client.ts';
import type { ImageName } from '../../src/backend/rbd/image-name.ts';
import { RbdBackend } from '../../src/backend/rbd/rbd-backend.ts';
import type { RbdDevice } from '../../src/backend/rbd/rbd-device.ts';
import { BlockStatus } from '../../src/base/block-device.ts';
import { systemClock, systemTimers } from '../../src/base/clock.ts';
import type { Log, LogFields } from '../../src/base/log.ts';
import type { Cluster, CreateOptions, IoContext } from '../../src/node-rados/lib/node-rados.ts';
import { PromisedDevice } from '../backend/completions.ts';
import { cephConf, connect, freshName } from '../node-rados/harness/with-cluster.ts';

export const POOL = 'rbd';
export const MIB = 1024 * 1024;
export const GROUP = 1;

const rigs: RbdRig[] = [];

afterEach(async () => {
  await Promise.all(rigs.splice(0).map((rig) => rig.close()));
});

/** One gateway's images. Closed when the test ends. */
export class RbdRig {
  readonly backend: RbdBackend;
  /** Lines of level warn and above. */
  readonly complaints: string[] = [];
  /** What the backend said of its groups: `1 false`. */
  readonly groupEvents: string[] = [];
  readonly #devices: RbdDevice[] = [];
  #waiting: { text: string; resolve: () => void }[] = [];

  /** `authority` null: it decides alone. */
  constructor(ceph: CephOptions = { confFile: cephConf }, authority: Partial<FenceAuthority> | null = null) {
    this.backend = new RbdBackend({
      ceph,
      authority: authority && { isFenced: () => false, renewLease: async () => true, ...authority },
      clock: systemClock,
      timers: systemTimers,
      log: collectingLog((line) => this.complaints.push(line)),
      onUsable: (group, usable) => this.#said(`${group} ${usable}`),
      onConnected: () => {},
    });
    rigs.push(this);
  }

  async open(name: ImageName, groupId = GROUP, readOnly = false): Promise<RbdDevice> {
    const device = await this.backend.open({ name, groupId, readOnly });
    this.#devices.push(device);
    return device;
  }

  /** Opens and serves. */
  async serve(name: ImageName, groupId = GROUP): Promise<RbdDevice> {
    const device = await this.open(name, groupId);
    await this.backend.serve(groupId, true);
    return device;
  }

  /** The address of the group's client. */
  address(groupId = GROUP): string {
    const session = this.backend.session(groupId);
    if (session === null) throw new Error(`group ${groupId} has no client`);
    return session.address;
  }

  /** Resolves when the backend has said this, now or before. */
  said(text: string): Promise<void> {
    if (this.groupEvents.includes(text)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ text, resolve }));
  }

  async close(): Promise<void> {
    await Promise.all(this.#devices.map((device) => device.close()));
    await this.backend.close();
  }

  #said(text: string): void {
    this.groupEvents.push(text);
    for (const waiting of this.#waiting.filter((one) => one.text === text)) waiting.resolve();
    this.#waiting = this.#waiting.filter((one) => one.text !== text);
  }
}

function collectingLog(add: (line: string) => void): Log {
  const log: Log = {
    debug: () => {},
    info: () => {},
    warn: (_: LogFields, message) => add(message),
    error: (_: LogFields, message) => add(message),
    child: () => log,
  };
  return log;
}

let outsider: Promise<{ cluster: Cluster; pool: IoContext }> | null = null;

/** A client that is no gateway's, with the pool of the tests: makes images, fences clients, looks at data. */
export function outside(): Promise<{ cluster: Cluster; pool: IoContext }> {
  outsider ??= connect().then(async (cluster) => ({ cluster, pool: await cluster.openPool(POOL) }));
  return outsider;
}

/** A new image. */
export async function newImage(sizeBytes: number, options: CreateOptions = {}): Promise<ImageName> {
  const { pool } = await outside();
  const image = freshName('image');
  await pool.images.create(image, sizeBytes, options);
  return { pool: POOL, radosNamespace: '', image };
}

/** What an image holds, seen by a client that opens it for the purpose. */
export async function bytesOf({ image }: ImageName, offset: number, length: number): Promise<Buffer> {
  const { pool } = await outside();
  const opened = await pool.openImage(image, { readOnly: true });
  try {
    return await opened.promises.read(offset, length);
  } finally {
    await opened.close();
  }
}

/** Writes `byte` at `offset` until that succeeds: what a host does with path statuses. Resolves with the attempts. */
export async function writeUntilOk(device: RbdDevice, offset: number, byte: number): Promise<number> {
  const promised = new PromisedDevice(device);
  for (let attempt = 1; ; attempt += 1) {
    const status = await promised.write(offset, Buffer.alloc(4096, byte));
    if (status === BlockStatus.ok) return attempt;
    if (status !== BlockStatus.fenced && status !== BlockStatus.gone)
      throw new Error(`not a path status: ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
