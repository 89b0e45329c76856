/** Every error of the catalogue happens for some reason that an operator can give, and says what happened to which object. */
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { AnagateError, ERROR_ERRNO, type ErrorCode } from '../../src/base/errors.ts';
import { rehearseChange, rehearseMove } from '../../src/control/group-rehearsal.ts';
import { unsupportedRpcs } from '../../src/control/unsupported.ts';
import { FileStore } from '../../src/store/file-store.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import { StateLock } from '../../src/store/state-lock.ts';
import { FakeAdmin } from '../control/fake-admin.ts';
import {
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

const OTHER = 'nqn.2026-11.io.anagate:other';
const UUID = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';

/** Fails when told, as the medium or another writer would have it. */
class MovingStore extends MemoryStore {
  failure: AnagateError | null = null;

  override async commit(version: number, changes: Parameters<MemoryStore['commit']>[1]): Promise<number> {
    if (this.failure !== null) throw this.failure;
    return super.commit(version, changes);
  }
}

/** A gateway that serves namespace 1 of {@link NQN} at `port`. */
async function served() {
  const store = new MovingStore();
  const rig = makeRig({ store });
  const port = await serveOne(rig);
  return { ...rig, store, port };
}

type Served = Awaited<ReturnType<typeof served>>;

/** Does what is refused; and what the refusal has to name. */
type Provocation = [says: RegExp, provoke: (rig: Served) => unknown];

/** A new code needs an entry: the type says so. */
const PROVOCATIONS: Record<ErrorCode, Provocation> = {
  INVALID_ARGUMENT: [
    /block size 1000 .* use 512 or 4096/,
    ({ gateway }) => gateway.addNamespace(memory({ blockSize: 1000 as 512 })),
  ],
  NQN_INVALID: [/NQN "disk" /, ({ gateway }) => gateway.addSubsystem({ nqn: 'disk' })],
  SIZE_INVALID: [
    /1000 bytes .* multiple .* 512/,
    ({ gateway }) => gateway.addNamespace(memory({ sizeBytes: 1000 })),
  ],
  SUBSYSTEM_NOT_FOUND: [/no subsystem .*:other/, ({ gateway }) => gateway.addHost(OTHER, HOST)],
  SUBSYSTEM_EXISTS: [/:one/, ({ gateway }) => gateway.addSubsystem({ nqn: NQN })],
  SUBSYSTEM_NOT_EMPTY: [
    /:one still has 1 namespace; delete .* or use force/,
    ({ gateway }) => gateway.deleteSubsystem(NQN, false),
  ],
  SERIAL_IN_USE: [/S1/, ({ gateway }) => gateway.addSubsystem({ nqn: OTHER, serial: 'S1' })],
  LISTENER_NOT_FOUND: [/127\.0\.0\.1:4/, ({ gateway }) => gateway.deleteListener(listener(4), false)],
  LISTENER_EXISTS: [/127\.0\.0\.1:\d+/, ({ gateway, port }) => gateway.addListener(listener(port))],
  LISTENER_IN_USE: [
    /127\.0\.0\.1:\d+/,
    async ({ gateway, port }) => {
      await host(port);
      await gateway.deleteListener(listener(port), false);
    },
  ],
  LISTENER_REMOTE: [
    /elsewhere/,
    ({ gateway }) => gateway.addListener(listener(4420, { hostName: 'elsewhere', traddr: '192.0.2.1' })),
  ],
  ADDRESS_NOT_AVAILABLE: [
    /192\.0\.2\.77/,
    ({ gateway }) => gateway.addListener(listener(4420, { traddr: '192.0.2.77' })),
  ],
  ADDRESS_IN_USE: [
    /127\.0\.0\.1:\d+.* stop it, or choose another port/,
    async ({ gateway }) => {
      const port = await freePort();
      const other = await occupy(port);
      await gateway.addListener(listener(port)).finally(() => other.close());
    },
  ],
  NETWORK_NOT_FOUND: [/10\.1\.0\.0\/16/, ({ gateway }) => gateway.deleteSubsystemNetwork(NQN, '10.1.0.0/16')],
  NETWORK_EXISTS: [
    /10\.1\.0\.0\/16/,
    async ({ gateway }) => {
      await gateway.addSubsystemNetwork(NQN, '10.1.0.0/16');
      await gateway.addSubsystemNetwork(NQN, '10.1.0.0/16');
    },
  ],
  HOST_NOT_FOUND: [/uuid:5d2b/, ({ gateway }) => gateway.deleteHost(NQN, HOST)],
  HOST_EXISTS: [
    /uuid:5d2b/,
    async ({ gateway }) => {
      await gateway.addHost(NQN, HOST);
      await gateway.addHost(NQN, HOST);
    },
  ],
  NAMESPACE_NOT_FOUND: [/:one has no namespace 9/, ({ gateway }) => gateway.deleteNamespace(NQN, 9)],
  NAMESPACE_EXISTS: [/namespace 1/, ({ gateway }) => gateway.addNamespace(memory({ nsid: 1 }))],
  NAMESPACE_IN_USE: [
    /namespace 1/,
    async ({ gateway, port }) => {
      await host(port);
      await gateway.changeNamespaceVisibility(NQN, 1, false, false);
    },
  ],
  UUID_IN_USE: [
    /aaaaaaaa-bbbb.* namespace 2 of .*:one/,
    async ({ gateway }) => {
      await gateway.addNamespace(memory({ uuid: UUID }));
      await gateway.addNamespace(memory({ uuid: UUID }));
    },
  ],
  IMAGE_IN_USE: [
    /disk\.img is in use by namespace 2 of .*:one/,
    async ({ gateway }) => {
      const path = join(await scratch(), 'disk.img');
      await gateway.addNamespace(file(path));
      await gateway.addNamespace(file(path));
    },
  ],
  STORAGE_NOT_FOUND: [
    /none\.img/,
    async ({ gateway }) => gateway.addNamespace(file(join(await scratch(), 'none.img'), {}, false)),
  ],
  BACKEND_FAILED: [/ENOTDIR/, ({ gateway }) => gateway.addNamespace(file('/dev/null/disk', {}, false))],
  BACKEND_UNAVAILABLE: [
    /install|build:rados/,
    async ({ gateway }) => {
      vi.stubEnv('NODE_RADOS_ADDON', '/nonexistent.node');
      const backend = { type: 'rbd', pool: 'disks', image: 'one' } as const;
      await gateway.addNamespace(memory({ backend })).finally(() => vi.unstubAllEnvs());
    },
  ],
  LIMIT_EXCEEDED: [
    /:other has 1 namespaces already/,
    async ({ gateway }) => {
      await gateway.addSubsystem({ nqn: OTHER, maxNamespaces: 1 });
      await gateway.addNamespace(memory({ nqn: OTHER }));
      await gateway.addNamespace(memory({ nqn: OTHER }));
    },
  ],
  GATEWAY_NOT_FOUND: [/no gateway "gw-z" .* gw list/, () => rehearseChange(new FakeAdmin(), 'drain', 'gw-z')],
  ANA_GROUP_NOT_FOUND: [/no ANA group 9; group show/, () => rehearseMove(new FakeAdmin(), 9, 'gw-a')],
  NOT_SUPPORTED: [
    /encryption is not supported/,
    async () => {
      const { status, error_message } = await unsupportedRpcs.list_kmip_server_endpoints();
      expect(status).toBe(ERROR_ERRNO.NOT_SUPPORTED);
      throw new AnagateError('NOT_SUPPORTED', error_message);
    },
  ],
  KEY_REQUIRED: [
    /keys are stored encrypted only, .*openssl rand/,
    ({ gateway }) =>
      gateway.addHost(NQN, 'nqn.2026-11.test:other', {
        psk: 'NVMeTLSkey-1:01:MDAxMTIyMzM0NDU1NjY3Nzg4OTlhYWJiY2NkZGVlZmZwJEiQ:',
      }),
  ],
  STATE_DIR_IN_USE: [
    /anagate-gateway-\w+ .*pid \d+\)\. Stop that one/,
    async () => {
      const directory = await scratch();
      const first = await StateLock.acquire(directory, 0);
      await StateLock.acquire(directory, 0).finally(() => first.release());
    },
  ],
  STATE_CORRUPT: [
    /record namespace_x .* cannot be used/,
    async ({ store }) => {
      await store.commit((await store.load()).version, [{ key: 'namespace_x', value: '{}' }]);
      await makeRig({ store }).gateway.start();
    },
  ],
  STATE_WRITE_FAILED: [
    /State file .*state\.json cannot be written.* Check .*space/,
    async () => {
      const store = await FileStore.open(join(await scratch(), 'gone'));
      await makeRig({ store: store as unknown as MemoryStore }).gateway.start();
      await store.commit(0, [{ key: 'x', value: '{}' }]);
    },
  ],
  STATE_VERSION_CONFLICT: [
    /somebody else/,
    async ({ gateway, store }) => {
      // Somebody who is always faster.
      store.failure = new AnagateError('STATE_VERSION_CONFLICT', 'somebody else changed it; try again');
      await gateway.addHost(NQN, HOST).finally(() => {
        store.failure = null;
      });
    },
  ],
  STARTING_UP: [
    /is starting; try again later/,
    async () => {
      const { gateway, fireTimers } = makeRig();
      await gateway.load();
      const added = gateway.addSubsystem({ nqn: OTHER });
      fireTimers();
      await added;
    },
  ],
  SHUTTING_DOWN: [
    /is stopped; try again later/,
    async ({ gateway }) => {
      await gateway.stop();
      await gateway.addHost(NQN, HOST);
    },
  ],
  INTERNAL: [
    /no answer/,
    async ({ gateway, store }) => {
      store.failure = new AnagateError('INTERNAL', 'no answer from the cluster');
      await gateway.addNamespace(memory({ sizeBytes: 2 * MIB })).finally(() => {
        store.failure = null;
      });
    },
  ],
};

describe('each error of the catalogue can be met, and names its object:', () => {
  for (const [name, [says, provoke]] of Object.entries(PROVOCATIONS)) {
    it(name, async () => {
      const rig = await served();
      const error = await Promise.resolve()
        .then(() => provoke(rig))
        .then(
          () => null,
          (thrown: unknown) => thrown,
        );
      expect(error).toBeInstanceOf(AnagateError);
      expect(error).toMatchObject({ code: name, errno: ERROR_ERRNO[name as ErrorCode] });
      expect((error as AnagateError).message).toMatch(says);
    });
  }
});
