/** Mutual TLS of the management port: who is let in, whom clients believe, which files are refused. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { nullLog } from '../../src/base/log.ts';
import { TlsWatch } from '../../src/cli/tls-watch.ts';
import { type GrpcServer, startGrpcServer } from '../../src/control/server.ts';
import {
  type ClientTlsFiles,
  clientTls,
  renewedClientTls,
  serverCredentials,
} from '../../src/control/tls.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { runCli } from '../cli/run-cli.ts';
import { Certificates, type KeyPair } from './certificates.ts';
import { FakeGateway } from './fake-gateway.ts';
import { Follower, Leader } from './peer-rig.ts';
import { keepLog, type LogLine } from './rpc-client.ts';

const ECONNREFUSED = 111;
const DAY_MS = 86_400_000;

const certificates = new Certificates();
let server: KeyPair;
let client: KeyPair;
let stranger: KeyPair;
let authority: KeyPair;
let running: GrpcServer | null = null;

beforeAll(() => {
  server = certificates.selfSigned('server');
  client = certificates.selfSigned('client');
  stranger = certificates.selfSigned('stranger');
  authority = certificates.selfSigned('authority');
});
afterEach(async () => {
  await running?.stop();
  running = null;
});
afterAll(() => certificates.remove());

async function serve(
  pair: KeyPair,
  trusted: string,
  credentials = serverCredentials({ ...pair, trusted }, Date.now()),
): Promise<GrpcServer> {
  const options = { gateway: new FakeGateway(), address: '127.0.0.1', port: 0, log: nullLog, version: '1' };
  running = await startGrpcServer({ ...options, credentials });
  return running;
}

function list(port: number, files?: ClientTlsFiles) {
  const options = files
    ? `--client-key ${files.key} --client-cert ${files.cert} --server-cert ${files.trusted}`
    : '';
  return runCli(`--server-address 127.0.0.1 --server-port ${port} ${options} subsystem list`);
}

describe('clients', () => {
  it('are let in with the certificate that the gateway was given as theirs', async () => {
    const { port } = await serve(server, client.cert);
    expect(await list(port, { ...client, trusted: server.cert })).toEqual({
      status: 0,
      out: 'No subsystems',
      err: '',
    });
  });

  it('are turned away in the clear, and told what to give', async () => {
    const { port } = await serve(server, client.cert);
    const { status, err } = await list(port);
    expect([status, err]).toEqual([ECONNREFUSED, expect.stringContaining('give --client-key')]);
  });

  it('are turned away with a certificate of their own', async () => {
    const { port } = await serve(server, client.cert);
    const { status, err } = await list(port, { ...stranger, trusted: server.cert });
    expect([status, err]).toEqual([ECONNREFUSED, expect.stringContaining('are the certificates right')]);
  });

  it('do not speak to a gateway that shows another certificate', async () => {
    const { port } = await serve(stranger, client.cert);
    const { status, err } = await list(port, { ...client, trusted: server.cert });
    expect([status, err]).toEqual([ECONNREFUSED, expect.stringContaining('certificate')]);
  });

  it('believe an authority only for the address that it signed', async () => {
    const right = certificates.signed('right', 'IP:127.0.0.1', authority);
    const wrong = certificates.signed('wrong', 'IP:192.0.2.9', authority);
    const mine = certificates.signed('mine', 'DNS:operator', authority);
    const files = { ...mine, trusted: authority.cert };
    expect((await list((await serve(right, authority.cert)).port, files)).status).toBe(0);
    await running?.stop();
    const { status, err } = await list((await serve(wrong, authority.cert)).port, files);
    expect([status, err]).toEqual([ECONNREFUSED, expect.stringContaining('127.0.0.1')]);
  });

  it('believe a certificate of a gateway whatever signed it, when it is the one that they were given', async () => {
    const theirs = certificates.signed('single', 'IP:192.0.2.9', authority);
    const { port } = await serve(theirs, client.cert);
    expect((await list(port, { ...client, trusted: theirs.cert })).status).toBe(0);
  });

  it('take their files from the environment, and need all three', async () => {
    const { port } = await serve(server, client.cert);
    const env = {
      CEPH_NVMEOF_SERVER_ADDRESS: `127.0.0.1:${port}`,
      CEPH_NVMEOF_CLIENT_KEY: client.key,
      CEPH_NVMEOF_CLIENT_CERT: client.cert,
    };
    expect((await runCli(`--server-cert ${server.cert} subsystem list`, env)).status).toBe(0);
    const { status, err } = await runCli('subsystem list', env);
    expect([status, err]).toEqual([
      2,
      expect.stringContaining('missing: --server-cert (or CEPH_NVMEOF_SERVER_CERT)'),
    ]);
  });
});

describe('files', () => {
  const refused = (files: Partial<ClientTlsFiles>, nowMs = Date.now()) => {
    const all = { ...client, trusted: server.cert, ...files };
    for (const use of [serverCredentials, clientTls]) {
      try {
        use(all, nowMs);
      } catch (error) {
        expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
        return (error as Error).message;
      }
    }
    return 'nothing';
  };

  it('are refused by path when they are not there, or are something else', () => {
    const none = certificates.path('none');
    expect(refused({ key: none })).toContain(`${none} cannot be read`);
    const text = certificates.path('text');
    writeFileSync(text, 'hello');
    expect(refused({ cert: text })).toContain(`${text} holds no certificate`);
    expect(refused({ key: text })).toContain(`${text} holds no private key`);
    const cut = certificates.path('cut');
    writeFileSync(cut, readFileSync(client.cert, 'utf8').replace(/\n.{20}/, '\n'));
    expect(refused({ trusted: cut })).toContain(`${cut} holds a certificate that cannot be read`);
  });

  it('are refused when the key is that of another certificate', () => {
    expect(refused({ key: stranger.key })).toContain(
      `${stranger.key} is not that of the certificate in ${client.cert}`,
    );
  });

  it('of a client that an authority signed are refused without the authority', () => {
    const { cert } = certificates.signed('lonely', 'DNS:operator', authority);
    expect(() => serverCredentials({ ...server, trusted: cert }, Date.now())).toThrow(
      `${cert} is signed by CN=authority, which has to be trusted then: name its certificate as root_ca_cert`,
    );
  });

  it('are refused when they have expired, or are not valid yet', () => {
    expect(refused({}, Date.now() + 5 * DAY_MS)).toContain(`${client.cert} has expired`);
    expect(refused({}, Date.now() - 5 * DAY_MS)).toContain(`${client.cert} is not valid before`);
  });
});

describe('files that are replaced', () => {
  const put = (from: KeyPair, to: KeyPair) => {
    copyFileSync(from.key, to.key);
    copyFileSync(from.cert, to.cert);
  };
  const place = (name: string): KeyPair => ({
    key: certificates.path(`${name}.key`),
    cert: certificates.path(`${name}.crt`),
  });

  it('are used for new connections, once all of them fit; until then those from before are', async () => {
    const [own, theirs] = [place('own'), place('theirs')];
    put(server, own);
    put(client, theirs);
    const lines: LogLine[] = [];
    const clock = new ManualClock();
    const watch = await TlsWatch.start({
      files: [own.key, own.cert, theirs.cert],
      timers: clock,
      log: keepLog(lines),
    });
    const credentials = serverCredentials({ ...own, trusted: theirs.cert }, Date.now());
    watch.onChange(() => credentials.renew(Date.now()));
    const { port } = await serve(own, theirs.cert, credentials);
    const status = async (who: KeyPair, trusted: KeyPair) =>
      (await list(port, { ...who, trusted: trusted.cert })).status;
    await watch.look();
    expect(lines).toEqual([]);
    copyFileSync(stranger.key, own.key);
    await watch.look();
    expect(lines).toEqual([]);
    await watch.look();
    await watch.look();
    expect(lines.map(({ level }) => level)).toEqual(['warn']);
    expect(await status(client, server)).toBe(0);
    put(stranger, own);
    put(authority, theirs);
    await watch.look();
    expect(lines.map(({ level }) => level)).toEqual(['warn', 'info']);
    expect(await status(authority, stranger)).toBe(0);
    expect(await status(client, stranger)).toBe(ECONNREFUSED);
    expect(clock.armed).toBe(1);
    watch.stop();
    expect(clock.armed).toBe(0);
  });

  it('are used by a gateway for its next stream to another', async () => {
    const theirs = place('follower');
    put(stranger, theirs);
    const tls = renewedClientTls({ ...theirs, trusted: server.cert }, systemClock, nullLog);
    const leader = await Leader.start(serverCredentials({ ...server, trusted: client.cert }, Date.now()));
    const refused = new Follower(leader.port, 'gw-b-1', undefined, tls);
    await refused.happenings.have('end clean');
    put(client, theirs);
    const follower = new Follower(leader.port, 'gw-b-1', undefined, tls);
    follower.beacon();
    await leader.happenings.have('beacon gw-b-1 1');
    writeFileSync(theirs.key, 'half a fi');
    const another = new Follower(leader.port, 'gw-b-2', undefined, tls);
    another.beacon();
    await leader.happenings.have('beacon gw-b-2 1');
    await Promise.all([follower.stream.close(), another.stream.close()]);
    await leader.stop();
  });
});

it('streams between gateways use it', async () => {
  const leader = await Leader.start(serverCredentials({ ...server, trusted: client.cert }, Date.now()));
  const follower = new Follower(
    leader.port,
    'gw-b-1',
    undefined,
    clientTls({ ...client, trusted: server.cert }, Date.now()),
  );
  follower.beacon();
  await leader.happenings.have('beacon gw-b-1 1');
  const clear = new Follower(leader.port, 'gw-c-1');
  await clear.happenings.have('end clean');
  await follower.stream.close();
  await leader.stop();
});
