/** The RPCs for the whole configuration. */
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { ServedGateway } from './rpc-client.ts';

let served: ServedGateway;
beforeAll(async () => {
  served = await ServedGateway.start();
});
beforeEach(() => served.gateway.reset());
afterAll(() => served.stop());

it('export_state is compressed', async () => {
  const { status, document, version } = await served.call('export_state', {});
  expect({ status, version }).toEqual({ status: 0, version: '7' });
  expect(gunzipSync(document).toString()).toBe(served.gateway.state.document);
});

it('import_state says what changes', async () => {
  const document = gzipSync('the document');
  expect(await served.call('import_state', { document, mode: 'merge', dry_run: true })).toEqual({
    status: 0,
    error_message: 'Success',
    changes: [{ key: 'subsystem_nqn.x', change: 'added', remark: '' }],
    commits: 1,
  });
  expect(served.gateway.state.document).toBe('the document');
  expect(served.gateway.state.lastImport).toEqual({ mode: 'merge', dryRun: true });
  await served.call('import_state', { document });
  expect(served.gateway.state.lastImport).toEqual({ mode: 'empty', dryRun: false });
});

it.each([
  ['what is not compressed', { document: Buffer.from('{}') }, /not compressed with gzip/],
  [
    'a mode that there is not',
    { document: gzipSync('{}'), mode: 'over' },
    /mode "over" is none of empty, replace, merge/,
  ],
])('import_state refuses %s', async (_what, request, reason) => {
  const answer = await served.call('import_state', request);
  expect(answer.status).toBe(22);
  expect(answer.error_message).toMatch(reason);
});

it('list_encryption_keys and rotate_encryption_key say what is encrypted with what', async () => {
  expect(await served.call('list_encryption_keys', {})).toEqual({
    status: 0,
    error_message: 'Success',
    keys: [
      { id: 'aaaaaaaaaaaa', known: true, secrets: 1 },
      { id: 'bbbbbbbbbbbb', known: false, secrets: 2 },
    ],
  });
  expect(await served.call('rotate_encryption_key', {})).toMatchObject({
    status: 0,
    key_id: 'aaaaaaaaaaaa',
    changed: 3,
  });
});
