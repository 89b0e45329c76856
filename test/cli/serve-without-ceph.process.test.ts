/** A machine without Ceph's libraries: only who asks for Ceph is told to install them. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ENOTSUP = 95;

it('says in one line what to install when a group on Ceph is asked for', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'anagate-no-ceph-'));
  const config = join(directory, 'anagate.conf');
  await writeFile(config, '[gateway]\nname = gw\n[ceph]\npool = rbd\n[monitor]\nowners = 1:gw\n');
  // The addon is looked for where it is not.
  const env = { ...process.env, NODE_RADOS_ADDON: join(directory, 'none.node') };
  const args = ['--import', 'tsx', 'src/main.ts', 'serve', '--config', config, '--log-level', 'fatal'];
  const { status, err } = await new Promise<{ status: unknown; err: string }>((resolve) => {
    execFile(process.execPath, args, { cwd: ROOT, env }, (error, _out, stderr) =>
      resolve({ status: error?.code, err: stderr }),
    );
  });
  await rm(directory, { recursive: true });
  expect(err.trim().split('\n')).toEqual([expect.stringMatching(/^anagate: .*librados/)]);
  expect(status).toBe(ENOTSUP);
});
