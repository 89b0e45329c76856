/** RADOS objects with omap, and what an OSD does with the steps of an operation on one. */
import type { Step } from '../../../src/node-rados/lib/binding.ts';
import type { WatchHandlers } from '../../../src/node-rados/lib/node-rados.ts';
import { StepCode } from '../../../src/node-rados/lib/operation-codes.ts';
import { type ClusterError, clusterError, type RadosClient } from './client.ts';

export interface Watcher {
  readonly client: RadosClient;
  readonly handlers: WatchHandlers;
}

export class RadosObject {
  readonly name: string;
  version = 0;
  readonly omap = new Map<string, Buffer>();
  readonly watchers = new Set<Watcher>();

  constructor(name: string) {
    this.name = name;
  }
}

export class ObjectStore {
  /** Called after an operation has set omap keys. */
  onOmapSet: (object: RadosObject, keys: readonly string[], by: RadosClient) => void = () => {};
  readonly #objects = new Map<string, RadosObject>();

  get(name: string): RadosObject | undefined {
    return this.#objects.get(name);
  }

  /** The object; throws ENOENT when there is none. */
  existing(name: string): RadosObject {
    const object = this.#objects.get(name);
    if (object === undefined) throw clusterError('ENOENT');
    return object;
  }

  /** Does all steps or none. Returns the object's version. */
  write(name: string, steps: readonly Step[], by: RadosClient): number {
    const before = this.#objects.get(name);
    for (const step of steps) this.#check(before, step);
    const object = before ?? new RadosObject(name);
    this.#objects.set(name, object);
    object.version += 1;
    for (const [code, ...rest] of steps) {
      if (code === StepCode.omapSet)
        this.#set(object, rest[0] as string[], rest[1] as (Buffer | string)[], by);
      else if (code === StepCode.omapRemove) for (const key of rest[0] as string[]) object.omap.delete(key);
    }
    return object.version;
  }

  read(name: string, steps: readonly Step[]): [version: number, answers: unknown[]] {
    const object = this.existing(name);
    for (const step of steps) this.#check(object, step);
    return [object.version, steps.map((step) => answerOf(object, step))];
  }

  #set(
    object: RadosObject,
    keys: readonly string[],
    values: readonly (Buffer | string)[],
    by: RadosClient,
  ): void {
    keys.forEach((key, i) => {
      object.omap.set(key, Buffer.from(values[i]!));
    });
    this.onOmapSet(object, keys, by);
  }

  /** Throws what an assertion that does not hold has the operation fail with. */
  #check(object: RadosObject | undefined, [code, ...rest]: Step): void {
    const error = failureOf(object, code, rest);
    if (error !== null) throw error;
  }
}

function failureOf(
  object: RadosObject | undefined,
  code: number,
  rest: readonly unknown[],
): ClusterError | null {
  switch (code) {
    case StepCode.assertExists:
      return object === undefined ? clusterError('ENOENT') : null;
    case StepCode.assertVersion: {
      const differs = (object?.version ?? 0) - (rest[0] as number);
      return differs === 0 ? null : clusterError(differs > 0 ? 'ERANGE' : 'EOVERFLOW');
    }
    case StepCode.create:
      return rest[0] === 1 && object !== undefined ? clusterError('EEXIST') : null;
    case StepCode.compareOmap: {
      const value = object?.omap.get(rest[0] as string) ?? Buffer.alloc(0);
      return value.equals(Buffer.from(rest[2] as string)) ? null : clusterError('ECANCELED');
    }
    case StepCode.omapSet:
    case StepCode.omapRemove:
    case StepCode.omapGet:
    case StepCode.omapGetByKeys:
      return null;
    default:
      throw new Error(`step ${code} is not simulated`);
  }
}

function answerOf({ omap }: RadosObject, [code, ...rest]: Step): unknown {
  if (code === StepCode.omapGetByKeys) {
    const keys = (rest[0] as string[]).filter((key) => omap.has(key));
    return [keys.map((key) => [key, omap.get(key)!]), false];
  }
  if (code !== StepCode.omapGet) return null;
  const [after, prefix, most] = rest as [string, string, number];
  const keys = [...omap.keys()].filter((key) => key > after && key.startsWith(prefix)).sort();
  return [keys.slice(0, most).map((key) => [key, omap.get(key)!]), keys.length > most];
}
