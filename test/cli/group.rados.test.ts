/** `anagate serve --config`: processes of one group on one cluster, killed while they are told things. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Certificates } from '../control/certificates.ts';
import { cephConf, connect, describeWithCeph } from '../node-rados/harness/with-cluster.ts';
import { type CliResult, runCli } from './run-cli.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NQN = 'nqn.2026-11.test:group';
const NAMES = ['gw-a', 'gw-b', 'gw-c'];
const KILLS = 6;
const LIMIT_MS = 240_000;

let directory: string;
let group = '';
let groups = 0;
const members: Member[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'anagate-group-'));
  groups += 1;
  group = `test-${process.pid}-${groups}`;
});
afterEach(async () => {
  await Promise.all(members.splice(0).map((member) => member.end('SIGKILL')));
  await rm(directory, { recursive: true });
});

/** One gateway; a process that can be killed and started again. */
class Member {
  readonly name: string;
  readonly #config: string;
  #process: ChildProcess | null = null;
  #ended: Promise<number | null> = Promise.resolve(null);
  #port = '';
  err = '';

  constructor(name: string, config: string) {
    this.name = name;
    this.#config = config;
    members.push(this);
  }

  /** Resolves when it serves; rejects with what it complained of. */
  async start(): Promise<void> {
    this.#process = spawn(
      process.execPath,
      ['--import', 'tsx', 'src/main.ts', 'serve', '--config', this.#config],
      { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const { stdout, stderr } = this.#process;
    this.#ended = once(this.#process, 'close').then(([status]) => status as number | null);
    this.err = '';
    stderr!.on('data', (chunk: Buffer) => {
      this.err += chunk.toString();
    });
    for (let out = ''; !out.includes('what is configured stays'); ) {
      const event = await Promise.race([once(stdout!, 'data'), this.#ended]);
      if (!Array.isArray(event)) throw new Error(`serve ended with ${event}: ${this.err}`);
      out += (event as Buffer[])[0]!.toString();
      this.#port = /gRPC.*:(\d+)/.exec(out)?.[1] ?? '';
    }
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.#process?.kill(signal);
    return this.#ended;
  }

  cli(line: string): Promise<CliResult> {
    return runCli(line, { CEPH_NVMEOF_SERVER_ADDRESS: '127.0.0.1', CEPH_NVMEOF_SERVER_PORT: this.#port });
  }

  async list(noun: string): Promise<Record<string, unknown>> {
    return JSON.parse((await this.cli(`${noun} list -n ${NQN} --format json`)).out);
  }

  async hosts(): Promise<string[]> {
    return ((await this.list('host')).hosts as { nqn: string }[]).map(({ nqn }) => nqn);
  }
}

async function member(
  name: string,
  more: Partial<Record<'pool' | 'owners' | 'id' | 'mtls', string>> = {},
): Promise<Member> {
  const config = join(directory, `${name}.conf`);
  const owners = more.owners ?? NAMES.map((owner, at) => `${at + 1}:${owner}`).join(', ');
  const lines = [
    '[gateway]',
    `name = ${name}`,
    `group = ${group}`,
    'addr = 127.0.0.1',
    'port = 0',
    `enable_auth = ${more.mtls === undefined ? 'False' : 'True'}`,
    `override_hostname = ${name}`,
    'enable_prometheus_exporter = False',
    '[discovery]',
    'port = 0',
    '[ceph]',
    `pool = ${more.pool ?? 'rbd'}`,
    `config_file = ${cephConf}`,
    `id = ${more.id ?? 'admin'}`,
    ...(owners === '' ? [] : ['[monitor]', `owners = ${owners}`]),
    ...(more.mtls === undefined ? [] : ['[mtls]', more.mtls]),
  ];
  await writeFile(config, `${lines.join('\n')}\n`);
  return new Member(name, config);
}

describeWithCeph('anagate serve with [ceph]', () => {
  it(
    'keeps what was acknowledged, and one state at all members, however often they are killed',
    async () => {
      const all = await Promise.all(NAMES.map((name) => member(name)));
      await Promise.all(all.map((one) => one.start()));
      expect(await all[0]!.cli(`subsystem add -n ${NQN} --no-group-append`)).toMatchObject({ status: 0 });
      await vi.waitFor(async () => {
        for (const one of all) expect((await one.list('subsystem')).subsystems).toHaveLength(1);
      });

      const added = new Set<string>();
      const deleted = new Set<string>();
      let acknowledged = 0;
      let unanswered = 0;
      let done = false;
      const ask = async (one: Member, line: string): Promise<boolean> => {
        const { status } = await one.cli(line);
        if (status === 0) acknowledged += 1;
        else {
          // Killed: nobody to answer. Whether it was done, nobody knows.
          unanswered += 1;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        return status === 0;
      };
      const drive = async (one: Member): Promise<void> => {
        const mine: string[] = [];
        for (let i = 0; !done; i += 1) {
          const nqn = `nqn.2014-08.org.nvmexpress:${one.name}-${i}`;
          if (await ask(one, `host add -n ${NQN} -t ${nqn}`)) {
            added.add(nqn);
            mine.push(nqn);
          }
          if (mine.length <= 20) continue;
          const oldest = mine.shift()!;
          added.delete(oldest);
          if (await ask(one, `host del -n ${NQN} -t ${oldest}`)) deleted.add(oldest);
        }
      };
      const driving = Promise.all(all.map(drive));
      for (let kill = 0; kill < KILLS; kill += 1) {
        const victim = all[kill % all.length]!;
        const before = acknowledged;
        await vi.waitUntil(() => acknowledged > before + 20, { timeout: 30_000 });
        await victim.end('SIGKILL');
        await victim.start();
      }
      done = true;
      await driving;

      const [first, ...others] = all;
      await vi.waitFor(
        async () => {
          const hosts = await first!.hosts();
          for (const other of others) expect(await other.hosts()).toEqual(hosts);
        },
        { timeout: 10_000 },
      );
      const hosts = new Set(await first!.hosts());
      expect([...added].filter((nqn) => !hosts.has(nqn))).toEqual([]);
      expect([...deleted].filter((nqn) => hosts.has(nqn))).toEqual([]);
      process.stderr.write(
        `${acknowledged} changes acknowledged, ${unanswered} not answered over ${KILLS} kills\n`,
      );
      for (const one of all) expect(await one.end('SIGTERM'), one.err).toBe(0);
    },
    LIMIT_MS,
  );

  it(
    'manages a group over mutual TLS, from one gateway to the next',
    async () => {
      const certificates = new Certificates();
      const server = certificates.selfSigned('server');
      const client = certificates.selfSigned('client');
      const mtls = [
        `server_key = ${server.key}`,
        `server_cert = ${server.cert}`,
        `client_key = ${client.key}`,
      ];
      const files = [...mtls, `client_cert = ${client.cert}`].join('\n');
      const pair = [
        await member('gw-a', { owners: '', mtls: files }),
        await member('gw-b', { owners: '', mtls: files }),
      ];
      for (const one of pair) await one.start();
      const [first] = pair;
      const tls = `--client-key ${client.key} --client-cert ${client.cert} --server-cert ${server.cert}`;
      expect((await first!.cli('status')).status).toBe(111);
      await vi.waitFor(
        async () => {
          const { gateways } = JSON.parse((await first!.cli(`${tls} status --format json`)).out);
          expect(gateways).toMatchObject([
            { name: 'gw-a', answers: true },
            { name: 'gw-b', answers: true },
          ]);
        },
        { timeout: 20_000 },
      );
      for (const one of pair) expect(await one.end('SIGTERM'), one.err).toBe(0);
      certificates.remove();
    },
    LIMIT_MS,
  );

  it(
    'says in one line what keeps it from starting',
    async () => {
      const refused = async (one: Member, message: RegExp) => {
        await expect(one.start()).rejects.toThrow(message);
        expect(one.err.match(/^anagate: /gm)).toHaveLength(1);
      };
      await refused(await member('gw-x'), /does not name this gateway, gw-x; it names gw-a, gw-b, gw-c/);
      await refused(await member('gw-a', { pool: 'no-such-pool' }), /has no pool no-such-pool/);
      await refused(await member('gw-a', { id: 'nobody' }), /cannot be reached as client\.nobody/);
      const running = await member('gw-b');
      await running.start();
      await refused(await member('gw-b'), /Another gateway named gw-b runs in this group/);
      await refused(await member('gw-a', { owners: '2:gw-b, 1:gw-a' }), /gw-b .* another table of owners/);
      await refused(await member('gw-a', { owners: '' }), /gw-b .* another table of owners/);
      await running.end('SIGTERM');
      const admin = await (await connect()).openPool('rbd');
      await admin.omapSet(`anagate.${group}.config`, [['format', '2']]);
      await refused(await member('gw-a'), /format 2, written by a newer Anagate.*Upgrade this gateway/);
    },
    LIMIT_MS,
  );
});
