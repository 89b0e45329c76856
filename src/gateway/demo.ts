/**
 * What is served before anybody has configured anything: one subsystem that any host may use, with one sparse file. Written
 * to the store in one commit before the gateway starts, so that there is never half a demo.
 */
import { join } from 'node:path';
import type { ConfigChange, ConfigSnapshot, ConfigStore } from '../store/store.ts';
import { removeRecord, setRecord } from './configuration/configuration.ts';
import {
  type BackendRecord,
  decodeRecord,
  isGatewayKey,
  keyOf,
  type ListenerRecord,
} from './configuration/records.ts';
import type { OpenBackend } from './serving/backends.ts';

export const DEMO_NQN = 'nqn.2026-11.io.anagate:demo';
const DEMO_FILE_NAME = 'demo.img';
const DEMO_SIZE_BYTES = 1024 ** 3;

export interface DemoOptions {
  store: ConfigStore;
  openBackend: OpenBackend;
  /** Absolute; the file is made there. */
  stateDir: string;
  /** Where hosts reach it. */
  address: string;
  ioPort: number;
  newUuid(): string;
  newSerial(): string;
}

/**
 * Configures the demo in a store that was never written. In one that has the demo, moves its listener to where this
 * gateway is started now. Otherwise does nothing: who has deleted the demo does not want it back.
 */
export async function ensureDemo(options: DemoOptions): Promise<void> {
  const snapshot = await options.store.load();
  const changes = snapshot.version === 0 ? await createDemo(options) : moveDemo(snapshot, options);
  if (changes.length > 0) await options.store.commit(snapshot.version, changes);
}

async function createDemo(options: DemoOptions): Promise<ConfigChange[]> {
  const backend: BackendRecord = { type: 'file', path: join(options.stateDir, DEMO_FILE_NAME) };
  const device = await options.openBackend({
    backend,
    anaGroupId: 1,
    create: true,
    sizeBytes: DEMO_SIZE_BYTES,
    readOnly: false,
  });
  await device.close();
  return [
    setRecord({ kind: 'subsystem', nqn: DEMO_NQN, serial: options.newSerial(), maxNamespaces: 4096 }),
    setRecord({ kind: 'host', nqn: DEMO_NQN, hostNqn: '*' }),
    setRecord({
      kind: 'namespace',
      nqn: DEMO_NQN,
      nsid: 1,
      uuid: options.newUuid(),
      anaGroupId: 1,
      blockSize: 512,
      sizeBytes: DEMO_SIZE_BYTES,
      readOnly: false,
      backend,
    }),
    setRecord(listenerOf(options)),
  ];
}

function moveDemo(snapshot: ConfigSnapshot, options: DemoOptions): ConfigChange[] {
  const wanted = listenerOf(options);
  for (const [key, text] of snapshot.records) {
    if (!key.startsWith(`listener_${DEMO_NQN}_`)) continue;
    if (isGatewayKey(key)) continue;
    const record = decodeRecord(key, text);
    if (record.kind === 'listener' && record.demo && key !== keyOf(wanted)) {
      return [removeRecord(record), setRecord(wanted)];
    }
  }
  return [];
}

function listenerOf({ address, ioPort }: DemoOptions): ListenerRecord {
  const adrfam = address.includes(':') ? 'ipv6' : 'ipv4';
  return {
    kind: 'listener',
    nqn: DEMO_NQN,
    hostName: '*',
    traddr: address,
    adrfam,
    trsvcid: ioPort,
    demo: true,
  };
}
