/** Keys of hosts and subsystems on the command line. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { NQN, ServedGateway } from '../control/rpc-client.ts';
import { runCli } from './run-cli.ts';

const HOST = 'nqn.2026-11.test:host';

let served: ServedGateway;
beforeAll(async () => {
  served = await ServedGateway.start();
});
beforeEach(() => served.gateway.reset());
afterAll(() => served.stop());

const cli = (line: string) =>
  runCli(line, {
    CEPH_NVMEOF_SERVER_ADDRESS: '127.0.0.1',
    CEPH_NVMEOF_SERVER_PORT: String(served.server.port),
  });

describe('keys', () => {
  beforeEach(() => served.addSubsystem());
  const KEY = 'DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:';

  it('are taken from a file, and the operator is told what they mean today', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'anagate-cli-'));
    await writeFile(join(directory, 'host.key'), `${KEY}\n`);
    const { status, err } = await cli(`host add -n ${NQN} -t ${HOST} -k @${directory}/host.key -c ${KEY}`);
    expect(status).toBe(0);
    expect(err).toContain('A host with a key is not let in');
    expect(served.gateway.lastKeys).toEqual({ dhchapKey: KEY, dhchapControllerKey: KEY });
    const missing = await cli(`host add -n ${NQN} -t ${HOST} -k @${directory}/none`);
    expect(missing).toMatchObject({ status: 2, err: expect.stringContaining('--dhchap-key: ') });
    await rm(directory, { recursive: true });
  });

  it('belong to one host', async () => {
    expect(await cli(`host add -n ${NQN} -t ${HOST} ${HOST}2 -k ${KEY}`)).toMatchObject({ status: 2 });
  });

  it.each([
    [`change_key -k ${KEY}`, { dhchapKey: KEY }],
    ['del_key', { dhchapKey: null }],
    [`change_controller_key --dhchap-ctrlr-key ${KEY}`, { dhchapControllerKey: KEY }],
    ['del_controller_key', { dhchapControllerKey: null }],
  ])('host %s leaves the other key', async (verb, change) => {
    await served.gateway.addHost(NQN, HOST);
    expect(await cli(`host ${verb} -n ${NQN} -t ${HOST}`)).toMatchObject({ status: 0 });
    expect(served.gateway.lastKeys).toEqual(change);
  });

  it('of a subsystem', async () => {
    expect((await cli(`subsystem change_key -n ${NQN} -k ${KEY}`)).out).toContain('Successful');
    expect(served.gateway.listSubsystems()).toMatchObject([{ hasDhchapKey: true }]);
    expect((await cli(`subsystem del_key -n ${NQN}`)).out).toContain('Successful');
    expect(served.gateway.listSubsystems()).toMatchObject([{ hasDhchapKey: false }]);
    await cli(`subsystem add -n ${NQN}2 -k ${KEY}`);
    expect(served.gateway.listSubsystems({ nqn: `${NQN}2` })).toMatchObject([{ hasDhchapKey: true }]);
  });
});
