import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { MemoryDevice } from '../../src/backend/memory.ts';
import { AnagateError } from '../../src/base/errors.ts';
import { MemoryRecords, MemoryStore } from '../../src/store/memory-store.ts';
import type { ConfigChange } from '../../src/store/store.ts';
import {
  code,
  file,
  freePort,
  HOST,
  host,
  listener,
  MIB,
  makeRig,
  memory,
  NQN,
  occupy,
  scratch,
  serveOne,
} from './rig.ts';

/** A store whose medium fails when told. */
class FailingStore extends MemoryStore {
  failing: 'before' | 'after' | null = null;

  override async commit(version: number, changes: readonly ConfigChange[]): Promise<number> {
    if (this.failing === 'before') throw new AnagateError('INTERNAL', 'no space');
    const committed = await super.commit(version, changes);
    if (this.failing === 'after') throw new AnagateError('INTERNAL', 'no answer');
    return committed;
  }
}

describe('a store that fails', () => {
  it('before the commit: nothing has changed', async () => {
    const directory = await scratch();
    const store = new FailingStore();
    const { gateway, devices, target } = makeRig({ store });
    await serveOne({ gateway });
    store.failing = 'before';
    const path = join(directory, 'disk.img');
    await expect(gateway.addNamespace(file(path))).rejects.toThrow('no space');
    await expect(stat(path)).rejects.toThrow('ENOENT');
    expect(devices.at(-1)!.closed).toBe(true);
    const port = await freePort();
    await expect(gateway.addListener(listener(port))).rejects.toThrow('no space');
    (await occupy(port)).close();
    await expect(gateway.deleteNamespace(NQN, 1)).rejects.toThrow('no space');
    expect(target.subsystems.get(NQN)!.namespaces.size).toBe(1);
    store.failing = null;
    await gateway.addNamespace(file(path));
  });

  it('while an image grows: the new size is committed later', async () => {
    const store = new FailingStore();
    const device = new MemoryDevice({ sizeBytes: MIB });
    const { gateway, fireTimers } = makeRig({ store, openBackend: async () => device });
    await gateway.start();
    await gateway.addSubsystem({ nqn: NQN });
    await gateway.addNamespace({ nqn: NQN, backend: { type: 'rbd', pool: 'p', image: 'i' } });
    store.failing = 'before';
    await device.resize(2 * MIB);
    device.onResize?.(2 * MIB);
    await expect(gateway.addSubsystem({ nqn: `${NQN}2` })).rejects.toThrow('no space');
    expect(gateway.listNamespaces()).toMatchObject([{ sizeBytes: MIB }]);
    store.failing = null;
    fireTimers();
    await vi.waitFor(() => expect(gateway.listNamespaces()).toMatchObject([{ sizeBytes: 2 * MIB }]));
  });

  it('after the commit: what was committed is what is served', async () => {
    const directory = await scratch();
    const store = new FailingStore();
    const { gateway, target } = makeRig({ store });
    await serveOne({ gateway });
    store.failing = 'after';
    await expect(gateway.addNamespace(file(join(directory, 'disk.img')))).rejects.toThrow('no answer');
    expect(gateway.listNamespaces()).toHaveLength(2);
    expect(target.subsystems.get(NQN)!.namespaces.size).toBe(2);
    store.failing = null;
    await gateway.deleteNamespace(NQN, 2);
  });
});

/** A store to which somebody else commits the very same just before. */
class LateStore extends MemoryStore {
  readonly #records: MemoryRecords;
  late = false;

  constructor(records: MemoryRecords) {
    super(records);
    this.#records = records;
  }

  override async commit(version: number, changes: readonly ConfigChange[]): Promise<number> {
    if (this.late) await new MemoryStore(this.#records).commit(version, changes);
    this.late = false;
    return super.commit(version, changes);
  }
}

describe('two gateways on one store', () => {
  it('resize a namespace though the owner of its group is faster to take the new size of its image over', async () => {
    const store = new LateStore(new MemoryRecords());
    const { gateway } = makeRig({ store });
    await serveOne({ gateway });
    store.late = true;
    expect(await gateway.resizeNamespace(NQN, 1, 2 * MIB)).toMatchObject({ sizeBytes: 2 * MIB });
    expect(store.late).toBe(false);
    await expect(gateway.resizeNamespace(NQN, 1, 2 * MIB)).rejects.toThrowError(code('SIZE_INVALID'));
  });

  it('follow each other', async () => {
    const records = new MemoryRecords();
    const one = makeRig({ records });
    const two = makeRig({
      records,
      identity: { version: '1', name: 'other', group: '', hostname: 'other', address: '', port: 0 },
    });
    const port = await serveOne(one);
    await two.gateway.start();
    expect(two.gateway.listSubsystems()).toHaveLength(1);
    expect(two.gateway.listListeners(NQN)[0]).toMatchObject({ trsvcid: port, active: false });

    const second = await freePort();
    await expect(one.gateway.addListener(listener(second, { hostName: 'other' }))).rejects.toThrowError(
      code('LISTENER_REMOTE'),
    );
    await one.gateway.addNamespace(memory());
    await vi.waitFor(() => expect(two.gateway.listNamespaces()).toHaveLength(2));
    const controller = await host(second);
    expect(await controller.activeNamespaces()).toEqual([1, 2]);

    // Both at once: the loser of the race plans anew and succeeds.
    const added = await Promise.all([
      one.gateway.addNamespace(memory()),
      two.gateway.addNamespace(memory({ uuid: HOST.slice(-36) })),
    ]);
    expect(added.map(({ nsid }) => nsid).sort()).toEqual([3, 4]);
    await vi.waitFor(() => expect(one.gateway.listNamespaces()).toEqual(two.gateway.listNamespaces()));

    // One namespace ID at both: what the loser had made ready is gone, and it serves the winner's.
    const asked = [one, two].map((rig, at) =>
      rig.gateway.addNamespace(memory({ nsid: 9, uuid: `00000000-0000-4000-9000-00000000000${at}` })),
    );
    const outcomes = await Promise.allSettled(asked);
    const lost = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.code] : []));
    expect(lost).toEqual(['NAMESPACE_EXISTS']);
    await vi.waitFor(() => expect(one.gateway.listNamespaces()).toEqual(two.gateway.listNamespaces()));
    for (const { devices } of [one, two]) {
      await vi.waitFor(() => expect(devices.filter(({ closed }) => !closed)).toHaveLength(5));
    }

    // One new file at both: the loser leaves it to the winner.
    const path = join(await scratch(), 'disk.img');
    const made = await Promise.allSettled(
      [one, two].map((rig, at) =>
        rig.gateway.addNamespace(file(path, { uuid: `00000000-0000-4000-9000-00000000001${at}` })),
      ),
    );
    expect(made.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.code] : []))).toEqual([
      'IMAGE_IN_USE',
    ]);
    expect((await stat(path)).size).toBe(1024 * 1024);

    await one.gateway.deleteSubsystem(NQN, true);
    await vi.waitFor(() => expect(two.gateway.listSubsystems()).toEqual([]));
    await vi.waitFor(() => expect(two.target.subsystems.size).toBe(0));
    await expect(controller.read(1, 0, 1, 512)).rejects.toThrow();
  });
});
