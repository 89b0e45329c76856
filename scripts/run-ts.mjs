/** Runs a TypeScript script through tsx: `node scripts/run-ts.mjs scripts/fuzz.ts --seed 1`. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { register } from 'tsx/esm/api';

const script = process.argv[2];
if (script === undefined) {
  process.stderr.write('usage: node scripts/run-ts.mjs SCRIPT.ts [ARGUMENT...]\n');
  process.exit(64);
}
process.argv.splice(1, 2, resolve(script));
register();
await import(pathToFileURL(process.argv[1]).href);
