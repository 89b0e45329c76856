import { describe, expect, it } from 'vitest';
import { parseServers, serverText } from '../../src/cli/server-list.ts';
import { ServedGateway } from '../control/rpc-client.ts';
import { runCli } from './run-cli.ts';

describe('addresses of gateways', () => {
  it.each([
    ['gw-a', ['gw-a:5500']],
    ['192.0.2.1:5501, gw-b', ['192.0.2.1:5501', 'gw-b:5500']],
    ['[2001:db8::1]:77,2001:db8::2,[::1]', ['[2001:db8::1]:77', '[2001:db8::2]:5500', '[::1]:5500']],
    ['fe80::1%eth0', ['[fe80::1%eth0]:5500']],
  ])('%s', (text, servers) => {
    expect(parseServers(text, 5500, 'x').map(serverText)).toEqual(servers);
  });

  it.each(['', 'a,,b', 'a:0', 'a:70000', 'a b', '[::1', 'a:b', 'x::y:z', '[a]:'])('refuses %j', (text) => {
    expect(() => parseServers(text, 5500, '--server-address')).toThrow(
      /--server-address: ".*" is not a gateway's address/,
    );
  });
});

describe('several gateways', () => {
  it('the first that serves is used', async () => {
    const [a, b] = [await ServedGateway.start(), await ServedGateway.start()];
    for (const { server } of [a, b]) server.ready();
    await b.addSubsystem('nqn.2026-11.test:b');
    const servers = (...ports: number[]) => ports.map((port) => `127.0.0.1:${port}`).join(',');
    const list = (...ports: number[]) =>
      runCli(`--server-address ${servers(...ports)} subsystem list --format plain`);
    expect((await list(1, b.server.port)).out).toContain('nqn.2026-11.test:b');
    expect((await list(b.server.port, a.server.port)).out).toContain('nqn.2026-11.test:b');
    expect((await list(a.server.port, b.server.port)).out).toBe('No subsystems');
    await Promise.all([a.stop(), b.stop()]);
    const { status, err } = await list(1, a.server.port);
    expect(status).toBe(111);
    expect(err).toMatch(
      new RegExp(`127.0.0.1:1 \\(.*ECONNREFUSED.*\\), 127.0.0.1:${a.server.port} \\(.*ECONNREFUSED`),
    );
  });

  it('one that has not started yet is used only when no other serves', async () => {
    const [starting, serving] = [await ServedGateway.start(), await ServedGateway.start()];
    await starting.addSubsystem('nqn.2026-11.test:starting');
    await serving.addSubsystem('nqn.2026-11.test:serving');
    const list = async () => {
      const servers = [1, starting.server.port, serving.server.port].map((port) => `127.0.0.1:${port}`);
      return (await runCli(`--server-address ${servers} subsystem list --format plain`)).out;
    };
    expect(await list()).toContain('nqn.2026-11.test:starting');
    serving.server.ready();
    expect(await list()).toContain('nqn.2026-11.test:serving');
    await Promise.all([starting.stop(), serving.stop()]);
  });

  it('one that takes connections and says nothing does not hold the command up', async () => {
    const { createServer } = await import('node:net');
    const mute = createServer(() => {});
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', () => resolve()));
    const { port } = mute.address() as { port: number };
    const gateway = await ServedGateway.start();
    gateway.server.ready();
    const env = { CEPH_NVMEOF_SERVER_ADDRESS: `127.0.0.1:${port},127.0.0.1:${gateway.server.port}` };
    expect(await runCli('subsystem list', env)).toMatchObject({ status: 0, out: 'No subsystems' });
    await gateway.stop();
    mute.close();
  });
});
