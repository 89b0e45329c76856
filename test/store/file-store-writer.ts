/** The writer that file-store.test.ts kills: commits without end, each commit setting all records to its version. */
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { FileStore } from '../../src/store/file-store.ts';

writeSync(1, 'ready\n');
await once(process.stdin, 'data');
const store = await FileStore.open(process.argv[2]!);
let { version } = await store.load();
for (;;) {
  // Written synchronously, so that the parent has every line that was written before the kill.
  writeSync(1, `begin ${version + 1}\n`);
  const value = `${version + 1}`.padEnd(50, '.');
  version = await store.commit(
    version,
    Array.from({ length: 300 }, (_, i) => ({ key: `record_${i}`, value })),
  );
  writeSync(1, `done ${version}\n`);
}
