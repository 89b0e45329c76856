/**
 * Makes dist/ from src/. The new one takes the old one's place only when it is complete, so that a build that fails or is
 * interrupted leaves what was there.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
// Beside dist/, so that the paths in source maps are right after the renaming.
const fresh = join(root, `dist.${process.pid}`);

const compiler = join(root, 'node_modules/typescript/bin/tsc');
if (!existsSync(compiler)) {
  process.stderr.write('build: the compiler is not installed; run "npm ci" first\n');
  process.exit(1);
}
try {
  const args = [compiler, '-p', join(root, 'tsconfig.build.json'), '--outDir', fresh, '--noEmitOnError'];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status === 0) {
    chmodSync(join(fresh, 'main.js'), 0o755);
    rmSync(dist, { recursive: true, force: true });
    renameSync(fresh, dist);
  } else {
    process.exitCode = status ?? 1;
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
