/** `anagate serve` as a process: what it says, what it keeps, how it ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Certificates } from '../control/certificates.ts';
import { HostController } from '../initiator/controller.ts';
import { runCli } from './run-cli.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DEMO = 'nqn.2026-11.io.anagate:demo';
const LIMIT_MS = 60_000;

let directory: string;
let running: Serve[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'anagate-serve-'));
});
afterEach(async () => {
  await Promise.all(running.map((serve) => serve.end('SIGKILL')));
  running = [];
  await rm(directory, { recursive: true });
});

/** One run of the program. */
class Serve {
  readonly process: ChildProcess;
  out = '';
  err = '';
  readonly ended: Promise<number | null>;

  constructor(...more: string[]) {
    const ports = ['--discovery-port', '0', '--grpc-port', '0', '--metrics-port', '0'];
    const args = ['--import', 'tsx', 'src/main.ts', 'serve', '--state-dir', join(directory, 'state')];
    this.process = spawn(process.execPath, [...args, ...ports, ...more], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.process.stdout!.on('data', (chunk: Buffer) => {
      this.out += chunk.toString();
    });
    this.process.stderr!.on('data', (chunk: Buffer) => {
      this.err += chunk.toString();
    });
    this.ended = once(this.process, 'close').then(([status]) => status as number | null);
    running.push(this);
  }

  /** Resolves when it has said all that it serves. */
  async serving(): Promise<this> {
    while (!this.out.includes('what is configured stays')) {
      const event = await Promise.race([once(this.process.stdout!, 'data'), this.ended]);
      if (!Array.isArray(event)) throw new Error(`serve ended with ${event}: ${this.err}`);
    }
    return this;
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.process.kill(signal);
    return this.ended;
  }

  portOf(what: string): number {
    return Number(new RegExp(`${what}.*:(\\d+)`).exec(this.out)![1]);
  }

  cli(line: string) {
    const port = String(this.portOf('gRPC'));
    return runCli(line, { CEPH_NVMEOF_SERVER_ADDRESS: '127.0.0.1', CEPH_NVMEOF_SERVER_PORT: port });
  }

  logged(): { level: string; msg: string }[] {
    return this.err
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

function connect(port: number): Promise<HostController> {
  return HostController.connect({ host: '127.0.0.1', port, subnqn: DEMO });
}

describe('anagate serve', () => {
  it(
    'shows what it serves and what to type, and keeps the data over SIGTERM, SIGINT and SIGKILL',
    async () => {
      const ioPort = await freePort();
      const serve = await new Serve('--io-port', String(ioPort)).serving();
      const discovery = `-t tcp -a 127.0.0.1 -s ${serve.portOf('Discovery')}`;
      for (const line of [
        `Subsystem  ${DEMO}`,
        `Listener   127.0.0.1:${ioPort}`,
        `1 GiB, file ${join(directory, 'state', 'demo.img')}`,
        'modprobe nvme-tcp',
        `nvme discover ${discovery}\n`,
        `nvme connect-all ${discovery} --keep-alive-tmo=2 --reconnect-delay=2 --ctrl-loss-tmo=-1\n`,
        `npx anagate --server-port ${serve.portOf('gRPC')} subsystem list`,
      ]) {
        expect(serve.out).toContain(line);
      }
      expect(await stat(join(directory, 'state', 'demo.img'))).toMatchObject({ size: 2 ** 30, blocks: 0 });
      const metrics = await fetch(`http://127.0.0.1:${serve.portOf('Metrics')}/metrics`);
      expect(await metrics.text()).toContain(`ceph_nvmeof_subsystem_metadata{nqn="${DEMO}"`);

      let data = Buffer.alloc(4096, 1);
      const write = async (): Promise<void> => {
        const controller = await connect(ioPort);
        expect((await controller.write(1, 0, 8, data)).status).toBe(0);
        await controller.drop();
      };
      const readBack = async (): Promise<void> => {
        const controller = await connect(ioPort);
        expect((await controller.read(1, 0, 8, 512)).data.equals(data)).toBe(true);
        await controller.drop();
      };
      await write();
      expect(await serve.end('SIGTERM')).toBe(0);
      expect(serve.logged().at(-1)).toMatchObject({ msg: 'stopped' });

      const signals = ['SIGKILL', 'SIGKILL', 'SIGINT'] as const;
      for (const [i, signal] of signals.entries()) {
        const next = await new Serve('--io-port', String(ioPort)).serving();
        await readBack();
        data = Buffer.alloc(4096, 2 + i);
        await write();
        expect(await next.end(signal)).toBe(signal === 'SIGINT' ? 0 : null);
      }
    },
    LIMIT_MS,
  );

  it(
    'lets only one gateway have a state directory, and names the other',
    async () => {
      const first = await new Serve('--no-demo').serving();
      const second = new Serve('--no-demo');
      expect(await second.ended).toBe(16);
      expect(second.err).toContain(`${join(directory, 'state')} is in use by another gateway`);
      expect(second.err).toContain(`pid ${first.process.pid}`);
      expect(second.out).toBe('');
      // The lock taken away from outside: another could start now, so this one must not go on.
      process.kill(await lockHolderOf(first.process.pid!), 'SIGKILL');
      expect(await first.ended).toBe(1);
      expect(first.logged().at(-1)).toMatchObject({ level: 'error' });
    },
    LIMIT_MS,
  );

  it(
    'makes the demo once, moves it with its address, and leaves it alone when it was deleted',
    async () => {
      const empty = await new Serve('--no-demo').serving();
      expect(empty.out).toContain('Nothing is configured yet');
      await empty.end('SIGTERM');
      const ports = [await freePort(), await freePort()];
      for (const port of ports) {
        const serve = await new Serve('--io-port', String(port)).serving();
        expect(serve.out.match(/Listener .*/g)).toEqual([`Listener   127.0.0.1:${port}`]);
        if (port === ports[1]) {
          expect((await serve.cli(`subsystem del -n ${DEMO} --force`)).status).toBe(0);
        }
        await serve.end('SIGTERM');
      }
      const last = await new Serve('--io-port', String(ports[0])).serving();
      expect(last.out).toContain('Nothing is configured yet');
    },
    LIMIT_MS,
  );

  it(
    'says what is wrong when it cannot start',
    async () => {
      const squatter = createServer().listen(0, '127.0.0.1');
      await once(squatter, 'listening');
      const { port } = squatter.address() as { port: number };
      const taken = new Serve('--io-port', String(port));
      expect(await taken.ended).toBe(98);
      expect(taken.err).toContain(`127.0.0.1:${port}: another program listens there`);
      expect(taken.out).toBe('');
      const grpc = new Serve('--no-demo', '--grpc-port', String(port)).ended;
      expect(await grpc).not.toBe(0);
      squatter.close();

      const state = join(directory, 'state', 'state.json');
      await writeFile(state, '{"format":');
      const corrupt = new Serve();
      expect(await corrupt.ended).toBe(5);
      expect(corrupt.err).toContain(state);
      expect(await readFile(state, 'utf8')).toBe('{"format":');

      await unlink(state);
      const config = join(directory, 'anagate.conf');
      await writeFile(config, '[gateway]\nname = gw-a\nprot = 1\n');
      const misspelt = new Serve('--config', config);
      expect(await misspelt.ended).toBe(22);
      expect(misspelt.err).toContain(`${config}: line 3 sets prot`);
    },
    LIMIT_MS,
  );

  it(
    'takes its configuration file, and options over it',
    async () => {
      const config = join(directory, 'anagate.conf');
      const text = '[gateway]\nname = gw-a\ngroup = one\n[gateway-logs]\nlog_level = ERROR\n[spdk]\nx = 1\n';
      await writeFile(config, text);
      const serve = await new Serve('--config', config, '--group', 'two', '--no-demo').serving();
      const { out } = await serve.cli('gw info');
      expect(out).toContain("Gateway's name: gw-a");
      expect(out).toContain("Gateway's group: two");
      expect((await serve.cli('gw get_log_level')).out).toContain('"error"');
      await serve.end('SIGTERM');
      expect(serve.logged()).toEqual([]);
    },
    LIMIT_MS,
  );
});

describe('management', () => {
  it(
    'is for those with a certificate when enable_auth says so, and elsewhere than here only with or when told to',
    async () => {
      const certificates = new Certificates();
      try {
        const server = certificates.selfSigned('server');
        const client = certificates.selfSigned('client');
        const config = join(directory, 'anagate.conf');
        const mtls = `server_key = ${server.key}\nserver_cert = ${server.cert}\nclient_cert = ${client.cert}`;
        await writeFile(config, `[gateway]\nenable_auth = True\n[mtls]\n${mtls}\n`);
        const serve = await new Serve('--no-demo', '--config', config).serving();
        expect(serve.out).toMatch(/gRPC +127.0.0.1:\d+ \(TLS\)/);
        const files = `--client-key ${client.key} --client-cert ${client.cert} --server-cert ${server.cert}`;
        expect(await serve.cli(`${files} subsystem add -n nqn.2026-11.test:tls`)).toMatchObject({
          status: 0,
        });
        expect((await serve.cli('subsystem list')).status).toBe(111);
        expect(await serve.end('SIGTERM')).toBe(0);

        await writeFile(
          config,
          `[gateway]\nenable_auth = True\n[mtls]\n${mtls.replace(server.key, client.key)}\n`,
        );
        const mixed = new Serve('--no-demo', '--config', config);
        expect(await mixed.ended).toBe(22);
        expect(mixed.err).toContain(
          `the key in ${client.key} is not that of the certificate in ${server.cert}`,
        );
        const open = new Serve('--no-demo', '--grpc-address', '0.0.0.0');
        expect(await open.ended).toBe(22);
        expect(open.err).toContain('--insecure-grpc');
        const told = await new Serve('--no-demo', '--grpc-address', '0.0.0.0', '--insecure-grpc').serving();
        expect((await told.cli('subsystem list')).out).toContain('nqn.2026-11.test:tls');
      } finally {
        certificates.remove();
      }
    },
    LIMIT_MS,
  );
});

/** The child that holds the lock. */
async function lockHolderOf(pid: number): Promise<number> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ');
  for (const child of children) {
    if ((await readFile(`/proc/${child}/comm`, 'utf8')) === 'cat\n') return Number(child);
  }
  throw new Error(`process ${pid} has no child that holds a lock`);
}
