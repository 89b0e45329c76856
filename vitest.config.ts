import { defineConfig } from 'vitest/config';

/** unit: no network beyond loopback, no root, under a minute. conformance: wire tests against a served target. e2e: a real Linux host. */
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/{base,wire,target,transport,backend,store,monitor,gateway,control,cli,observe,config}/**/*.test.ts', 'test/*.test.ts'] } },
      { test: { name: 'conformance', include: ['test/conformance/**/*.test.ts'], testTimeout: 60_000 } },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], testTimeout: 600_000, hookTimeout: 600_000, fileParallelism: false } },
      // needs a Ceph cluster, which it starts: scripts/test-rados.mjs
      { test: { name: 'rados', include: ['test/node-rados/**/*.test.ts'], globalSetup: ['test/node-rados/harness/global-setup.ts'], testTimeout: 60_000, hookTimeout: 60_000, fileParallelism: false } },
    ],
  },
});
