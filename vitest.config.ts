import { defineConfig } from 'vitest/config';

const setupFiles = ['test/patience.ts'];
const LAYERS = '{base,wire,target,transport,backend,store,monitor,gateway,control,cli,observe,config}';

/**
 * unit: nothing but loopback, no root, under a minute. sim: failovers in simulated worlds, from seeds. process: whole processes
 * started, killed and started again. conformance: an initiator of our own against a target. rados: a real Ceph cluster on
 * loopback. e2e: a real Linux host. See CONTRIBUTING.md.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          setupFiles,
          include: [`test/${LAYERS}/**/*.test.ts`, 'test/*.test.ts'],
          exclude: ['test/**/*.process.test.ts', 'test/**/*.rados.test.ts'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'process',
          setupFiles,
          include: ['test/**/*.process.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      { test: { name: 'sim', setupFiles, include: ['test/sim/**/*.test.ts'], testTimeout: 300_000 } },
      { test: { name: 'conformance', setupFiles, include: ['test/conformance/**/*.test.ts'], testTimeout: 60_000 } },
      {
        test: {
          name: 'e2e',
          setupFiles,
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
      {
        // needs a Ceph cluster, which it starts: npm run test:ceph
        test: {
          name: 'rados',
          setupFiles,
          include: ['test/{node-rados,rbd}/**/*.test.ts', 'test/**/*.rados.test.ts'],
          globalSetup: ['test/node-rados/harness/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
