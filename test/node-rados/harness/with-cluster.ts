/** What the tests of node-rados begin with: the cluster under test, clients of it, names that nothing else uses. */
import { afterAll, describe, inject } from 'vitest';
import { Cluster, type ConnectOptions } from '../../../src/node-rados/lib/node-rados.ts';

export const cephConf = inject('cephConf');
export const cephEnvironment = inject('cephEnvironment');

/** `describe`, skipped when there is no cluster; the setup has said so loudly. */
export const describeWithCeph: typeof describe.skip = cephConf === '' ? describe.skip : describe;

const clients: Cluster[] = [];
let names = 0;

/** A client with the cache off, closed after the file's tests. */
export async function connect(options: ConnectOptions = {}): Promise<Cluster> {
  const client = await Cluster.connect({
    confFile: cephConf,
    ...options,
    options: { rbd_cache: false, ...options.options },
  });
  clients.push(client);
  return client;
}

/** A name for an object or image of this test. */
export function freshName(kind: string): string {
  names += 1;
  return `${kind}-${process.pid}-${names}`;
}

/** The code that the promise is rejected with; fails when it is not. */
export async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
  throw new Error('it succeeded');
}

/** A promise with its ends outside. */
export function later<T>(): { promise: Promise<T>; resolve(value: T): void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((end) => {
    resolve = end;
  });
  return { promise, resolve };
}

afterAll(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});
