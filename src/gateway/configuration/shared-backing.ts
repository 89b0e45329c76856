/** Whether namespaces share what their bytes are kept in. Pure. */
import type { ConfigSnapshot } from '../../store/store.ts';
import { type BackendRecord, decodeRecord } from './records.ts';

/** Whether a namespace of that state of the configuration has its bytes in the same file or image. */
export function usesBacking(snapshot: ConfigSnapshot, backend: BackendRecord): boolean {
  const wanted = backingOf(backend);
  if (wanted === null) return false;
  for (const [key, text] of snapshot.records) {
    if (!key.startsWith('namespace_')) continue;
    const record = decodeRecord(key, text);
    if (record.kind === 'namespace' && backingOf(record.backend) === wanted) return true;
  }
  return false;
}

function backingOf(backend: BackendRecord): string | null {
  switch (backend.type) {
    case 'file':
      return `file ${backend.path}`;
    case 'memory':
      return null;
    case 'rbd':
      return `rbd ${backend.pool}/${backend.image}`;
  }
}
