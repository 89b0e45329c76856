/** The configuration that `npm run bench:scale` starts a gateway with: many subsystems, each with its share of namespaces. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemTimers } from '../../src/base/clock.ts';
import { nullLog } from '../../src/base/log.ts';
import { setRecord } from '../../src/gateway/configuration/configuration.ts';
import type { BackendRecord, ConfigRecord } from '../../src/gateway/configuration/records.ts';
import { encodeStateFile } from '../../src/store/state-file.ts';

export const ADDRESS = '127.0.0.1';
const IMAGE_BYTES = 4 * 1024 * 1024;
/** Images made at a time. */
const PARALLEL_IMAGES = 64;
/** Records per commit. */
const BATCH = 512;

export interface Shape {
  subsystems: number;
  namespaces: number;
  /** ANA groups that namespaces are spread over; the gateway under test owns the first. */
  groups: number;
  ioPort: number;
}

export interface CephPlace {
  conf: string;
  pool: string;
}

export const nqnOf = (subsystem: number): string =>
  `nqn.2026-11.io.anagate:scale-${String(subsystem).padStart(3, '0')}`;

/** ANA group of the namespace with this number. Neighbours in a subsystem are in different ones. */
export const groupOf = (shape: Shape, i: number): number =>
  1 + (Math.floor(i / shape.subsystems) % shape.groups);

/** Namespaces are dealt out to the subsystems in turn. */
export function placeOf(shape: Shape, i: number): { nqn: string; nsid: number } {
  return { nqn: nqnOf(i % shape.subsystems), nsid: 1 + Math.floor(i / shape.subsystems) };
}

export function* recordsOf(shape: Shape, backendOf: (i: number) => BackendRecord): Generator<ConfigRecord> {
  for (let i = 0; i < shape.subsystems; i++) {
    const nqn = nqnOf(i);
    yield { kind: 'subsystem', nqn, serial: `SCALE${i}`, maxNamespaces: 1024 };
    yield { kind: 'host', nqn, hostNqn: '*' };
    yield {
      kind: 'listener',
      nqn,
      hostName: '',
      traddr: ADDRESS,
      adrfam: 'ipv4',
      trsvcid: shape.ioPort,
    };
  }
  for (let i = 0; i < shape.namespaces; i++) {
    yield {
      kind: 'namespace',
      ...placeOf(shape, i),
      uuid: randomUUID(),
      anaGroupId: groupOf(shape, i),
      blockSize: 4096,
      sizeBytes: IMAGE_BYTES,
      readOnly: false,
      backend: backendOf(i),
    };
  }
}

/** As a state file, for namespaces in memory or in files. */
export function writeStateFile(stateDir: string, shape: Shape, backend: 'memory' | 'file'): void {
  const files = join(stateDir, 'disks');
  mkdirSync(files);
  const backendOf = (i: number): BackendRecord => {
    if (backend === 'memory') return { type: 'memory' };
    const path = join(files, String(i));
    writeFileSync(path, '');
    truncateSync(path, IMAGE_BYTES);
    return { type: 'file', path };
  };
  const changes = [...recordsOf(shape, backendOf)].map(setRecord);
  const records = new Map(changes.map(({ key, value }) => [key, value!]));
  const text = [...encodeStateFile({ version: 1, records })].join('');
  writeFileSync(join(stateDir, 'state.json'), text, { mode: 0o600 });
}

/** As the shared configuration of `group`, with thin images that are made here. */
export async function writeGroupState(shape: Shape, { conf, pool }: CephPlace, group: string): Promise<void> {
  const { openGroupPool, openGroupStore } = await import('../../src/store/group-store.ts');
  const place = { pool, configFile: conf, id: 'admin' };
  const objects = await openGroupPool(place);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < shape.namespaces; i = next++)
      await objects.images.create(`${group}-${i}`, IMAGE_BYTES);
  };
  await Promise.all(Array.from({ length: PARALLEL_IMAGES }, worker));
  await objects.cluster.close();

  const store = await openGroupStore({
    ...place,
    group,
    gateway: 'bench',
    introduction: '',
    newCommitId: randomUUID,
    timers: systemTimers,
    log: nullLog,
  });
  const backendOf = (i: number): BackendRecord => ({ type: 'rbd', pool, image: `${group}-${i}` });
  const changes = [...recordsOf(shape, backendOf)].map(setRecord);
  for (let at = 0; at < changes.length; at += BATCH)
    await store.commit(at / BATCH, changes.slice(at, at + BATCH));
  await store.close();
}
