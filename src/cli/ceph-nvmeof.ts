/** Reads the state of a ceph-nvmeof group for `anagate state import`: from its object, or from a dump. Changes nothing there. */
import { AnagateError } from '../base/errors.ts';
import { type LeftOut, takeCephNvmeofState } from '../gateway/state/ceph-nvmeof.ts';
import { encodeStateDocument } from '../gateway/state/document.ts';
import { parseOmapDump } from '../gateway/state/omap-dump.ts';
import { LIMITS } from '../limits.ts';
import type { CephNvmeofPlace } from '../store/ceph-nvmeof-place.ts';

export interface CephNvmeofSource {
  pool: string | undefined;
  /** Absent: see `dump`. */
  object: string | undefined;
  /** Text of a dump. */
  dump: string | undefined;
  /** ceph.conf and user. */
  configFile: string;
  id: string;
}

/** `failure`: why nothing could be read. */
export async function readCephNvmeof(
  source: CephNvmeofSource,
  say: (text: string) => void,
): Promise<{ document: string; left: LeftOut[] } | { failure: AnagateError }> {
  let place: CephNvmeofPlace | undefined;
  try {
    const dumped = source.dump === undefined ? undefined : parseOmapDump(source.dump);
    const pool = source.pool ?? poolIn(dumped!);
    // Only here: the rest of the command line works on machines without Ceph.
    if (pool !== undefined) {
      const { CephNvmeofPlace } = await import('../store/ceph-nvmeof-place.ts');
      place = await CephNvmeofPlace.open({ pool, configFile: source.configFile, id: source.id });
    }
    const state = dumped ?? (await place!.state(source.object!));
    say(`The state of ceph-nvmeof has ${state.size} keys; reading the sizes of its images`);
    const taken = await takeCephNvmeofState(state, {
      imageBytes: (image) => place!.imageBytes(image),
      parallel: LIMITS.maxParallelBackendOpens,
    });
    const document = await encodeStateDocument({ group: '', version: 0, records: taken.records });
    return { document, left: taken.left };
  } catch (error) {
    if (!(error instanceof AnagateError)) throw error;
    return { failure: error };
  } finally {
    await place?.close();
  }
}

/** Some pool, to reach the cluster through; undefined when there is no image, hence no size to be read. */
function poolIn(state: ReadonlyMap<string, string>): string | undefined {
  for (const [key, value] of state) {
    const pool = key.startsWith('namespace_')
      ? /"rbd_pool_name"\s*:\s*"([^"]+)"/.exec(value)?.[1]
      : undefined;
    if (pool !== undefined) return pool;
  }
  return undefined;
}
