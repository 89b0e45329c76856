/** The program as users run it: `anagate serve` in a process of its own, and the CLI against it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliResult, runCli } from './run-cli.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NQN = 'nqn.2026-11.test:end-to-end';
const HOST = 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-555555555555';
const MIB = 2 ** 20;
const START_MS = 60_000;

let directory: string;
let gateway: ChildProcess;
let grpcPort: string;
let listenerPort: number;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'anagate-cli-'));
  listenerPort = await freePort();
  await start();
}, START_MS);

afterAll(async () => {
  await stop();
  await rm(directory, { recursive: true });
});

/** Resolves when it says its gRPC port. */
async function start(): Promise<void> {
  const ports = ['--discovery-port', '0', '--grpc-port', '0', '--metrics-port', '0'];
  gateway = spawn(
    process.execPath,
    [
      '--import',
      'tsx',
      'src/main.ts',
      'serve',
      '--no-demo',
      '--state-dir',
      join(directory, 'state'),
      ...ports,
    ],
    { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  grpcPort = await new Promise<string>((resolve, reject) => {
    let said = '';
    const listen = (chunk: Buffer) => {
      said += chunk.toString();
      const port = /^gRPC\s+127\.0\.0\.1:(\d+)$/m.exec(said)?.[1];
      if (port !== undefined) resolve(port);
    };
    gateway.stdout?.on('data', listen);
    gateway.stderr?.on('data', listen);
    gateway.once('exit', (code) => reject(new Error(`serve ended with ${code}:\n${said}`)));
  });
}

function stop(): Promise<number | null> {
  return new Promise((resolve) => {
    gateway.once('exit', (code) => resolve(code));
    gateway.kill('SIGTERM');
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

function cli(line: string): Promise<CliResult> {
  return runCli(line, { CEPH_NVMEOF_SERVER_ADDRESS: '127.0.0.1', CEPH_NVMEOF_SERVER_PORT: grpcPort });
}

async function list(noun: string): Promise<Record<string, unknown>> {
  return JSON.parse((await cli(`${noun} list -n ${NQN} --format json`)).out);
}

describe('anagate', () => {
  it('is configured from nothing to a disk that hosts may use', async () => {
    const lines = [
      `subsystem add -n ${NQN} -s E2E`,
      `listener add -n ${NQN} -a 127.0.0.1 -s ${listenerPort}`,
      `host add -n ${NQN} -t ${HOST}`,
      `ns add -n ${NQN} --backend file --path ${join(directory, 'disk')} --size 64M`,
      `ns add -n ${NQN} --backend memory --size 32M -s 4096`,
      `ns resize -n ${NQN} --nsid 1 --size 96M`,
      `ns change_load_balancing_group -n ${NQN} --nsid 2 -l 1`,
    ];
    for (const line of lines) {
      expect(await cli(line)).toMatchObject({
        status: 0,
        err: '',
        out: expect.stringContaining(': Successful'),
      });
    }
    expect((await stat(join(directory, 'disk'))).size).toBe(96 * MIB);
  });

  it('shows what it was told', async () => {
    expect(await list('subsystem')).toMatchObject({
      subsystems: [{ nqn: NQN, serial_number: 'E2E', namespace_count: 2, allow_any_host: false }],
    });
    expect(await list('listener')).toMatchObject({
      listeners: [{ traddr: '127.0.0.1', trsvcid: listenerPort, active: true }],
    });
    expect(await list('host')).toMatchObject({ hosts: [{ nqn: HOST }] });
    expect(await list('ns')).toMatchObject({
      namespaces: [
        { nsid: 1, backend: 'file', rbd_image_size: String(96 * MIB), block_size: 512 },
        { nsid: 2, backend: 'memory', rbd_image_size: String(32 * MIB), block_size: 4096 },
      ],
    });
    expect(await list('connection')).toMatchObject({ status: 0 });
    expect(await cli('gw info')).toMatchObject({
      status: 0,
      out: expect.stringContaining('Gateway is ready: yes'),
    });
  });

  it('refuses what would do harm', async () => {
    const taken = await cli(`ns add -n ${NQN} --backend file --path ${join(directory, 'disk')} --size 64M`);
    expect([taken.status, taken.err.includes('in use')]).toEqual([17, true]);
    expect((await cli(`subsystem add -n ${NQN}`)).status).toBe(17);
    expect((await cli(`subsystem del -n ${NQN}`)).status).toBe(16);
    expect((await cli(`ns resize -n ${NQN} --nsid 1 --size 32M`)).status).toBe(22);
    expect((await cli(`ns del -n ${NQN} --nsid 9`)).status).toBe(19);
    // no addon, or no cluster
    expect([5, 95]).toContain((await cli(`ns add -n ${NQN} -p rbd -i image`)).status);
  });

  it(
    'knows it all again after a restart',
    async () => {
      const before = await list('ns');
      expect(await stop()).toBe(0);
      await start();
      const after = await list('ns');
      expect(after).toEqual(before);
      expect(await list('listener')).toMatchObject({ listeners: [{ active: true }] });
    },
    START_MS,
  );

  it(
    'exits with the errno as a process, its results on standard output, its errors on standard error',
    async () => {
      const run = (...words: string[]) =>
        new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
          const args = [
            '--import',
            'tsx',
            'src/main.ts',
            '--server-address',
            '127.0.0.1',
            '--server-port',
            grpcPort,
          ];
          execFile(process.execPath, [...args, ...words], { cwd: ROOT }, (error, stdout, stderr) =>
            resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
          );
        });
      const [good, refused, mistyped] = await Promise.all([
        run('subsystem', 'list', '--format', 'plain'),
        run('subsystem', 'add', '-n', NQN),
        run('subsystem', 'frobnicate'),
      ]);
      expect(good).toMatchObject({ code: 0, stdout: expect.stringContaining(NQN), stderr: '' });
      expect(refused).toMatchObject({
        code: 17,
        stdout: '',
        stderr: expect.stringMatching(/^Failure adding subsystem/),
      });
      expect(mistyped).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('frobnicate') });
    },
    START_MS,
  );

  it(
    'is content when whoever reads has seen enough',
    async () => {
      const pipeline = `set -o pipefail; '${process.execPath}' --import tsx src/main.ts completion | true`;
      const { code, stderr } = await new Promise<{ code: number; stderr: string }>((resolve) => {
        execFile('bash', ['-c', pipeline], { cwd: ROOT }, (error, _stdout, stderr) =>
          resolve({ code: Number(error?.code ?? 0), stderr }),
        );
      });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    },
    START_MS,
  );

  it('deletes', async () => {
    const lines = [
      `ns del -n ${NQN} --nsid 2`,
      `listener del -n ${NQN} -a 127.0.0.1 -s ${listenerPort}`,
      `host del -n ${NQN} -t ${HOST}`,
      `subsystem del -n ${NQN} --force`,
    ];
    for (const line of lines) expect(await cli(line)).toMatchObject({ status: 0, err: '' });
    expect((await cli('subsystem list')).out).toBe('No subsystems');
    expect((await stat(join(directory, 'disk'))).size).toBe(96 * MIB);
  });
});
