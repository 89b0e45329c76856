/** What is common to all commands: formats, outputs, finding the gateway, mistyped lines, help. */
import { execFileSync } from 'node:child_process';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { type Command, isNoun, type Verb } from '../../src/cli/command.ts';
import { commands } from '../../src/cli/commands/registry.ts';
import { pythonLiteral } from '../../src/cli/python-literal.ts';
import { NQN, ServedGateway } from '../control/rpc-client.ts';
import { runCli } from './run-cli.ts';

const ECONNREFUSED = 111;
const EMSGSIZE = 90;

let served: ServedGateway;
let env: Record<string, string>;
beforeAll(async () => {
  served = await ServedGateway.start();
  env = { CEPH_NVMEOF_SERVER_ADDRESS: '127.0.0.1', CEPH_NVMEOF_SERVER_PORT: `${served.server.port}` };
});
beforeEach(() => served.gateway.reset());
afterAll(() => served.stop());

const cli = (line: string) => runCli(line, env);

describe('formats', () => {
  beforeEach(async () => {
    await served.addSubsystem();
    await served.gateway.addNamespace({ nqn: NQN, backend: { type: 'memory' }, sizeBytes: 2 ** 40 });
  });

  it('text is a grid', async () => {
    const lines = (await cli(`subsystem list`)).out.split('\n');
    expect(lines[0]).toBe('Subsystems:');
    expect(lines[1]).toMatch(/^╒═+╤.*╕$/);
    expect(lines[2]).toMatch(/^│ NQN +│ Serial Number │ Controller IDs │/);
    expect(lines[4]).toContain(`│ ${NQN} │ AG0001 `);
    expect(new Set(lines.slice(1).map((line) => line.length)).size).toBe(1);
  });

  it('plain has no lines', async () => {
    expect((await cli(`host list -n ${NQN} --format plain`)).out).toBe(
      `No hosts are allowed to access ${NQN}`,
    );
    expect((await cli(`subsystem list --format plain`)).out).not.toMatch(/[│═]/);
  });

  it("json is protobuf's: the file's names in its order, defaults, 64 bits as text, four spaces", async () => {
    const { out } = await cli(`ns list -n ${NQN} --format json`);
    expect(out).toMatch(/^\{\n {4}"status": 0,\n {4}"error_message": "Success",\n {4}"subsystem_nqn": "nqn/);
    const [namespace] = JSON.parse(out).namespaces;
    expect(Object.keys(namespace).slice(0, 4)).toEqual([
      'nsid',
      'bdev_name',
      'rbd_image_name',
      'rbd_pool_name',
    ]);
    expect(namespace).toMatchObject({
      rbd_image_name: '',
      rbd_image_size: '1099511627776',
      hosts: [],
      nsid: 1,
    });
  });

  it('yaml says the same as json', async () => {
    const json = JSON.parse((await cli(`ns list -n ${NQN} --format json`)).out);
    expect(parse((await cli(`ns list -n ${NQN} --format yaml`)).out)).toEqual(json);
  });

  it('python is a literal that says the same as json', async () => {
    const literal = (await cli(`ns list -n ${NQN} --format python`)).out;
    const read = new Function('True', 'False', 'None', `return ${literal}`);
    const json = JSON.parse((await cli(`ns list -n ${NQN} --format json`)).out);
    expect(read(true, false, null)).toEqual(json);
    expect(literal).not.toMatch(/\n|true|false|null/);
    expect(pythonLiteral({ a: [true, false, null, -1.5, 'ü"\n\u2028'], b: {} })).toBe(
      '{"a": [True, False, None, -1.5, "ü\\"\\n\u2028"], "b": {}}',
    );
  });

  it('a refusal is a document too, and the exit status says it', async () => {
    const { status, out, err } = await cli('subsystem del -n nqn.x --format json');
    expect([status, err]).toEqual([2, '']);
    expect(JSON.parse(out)).toEqual({
      status: 2,
      error_message: 'Failure deleting subsystem nqn.x: there is no subsystem nqn.x',
    });
  });

  it('several answers are several documents', async () => {
    const { out } = await cli(`host add -n ${NQN} -t nqn.2026-11.test:a nqn.2026-11.test:b --format yaml`);
    expect(parseAllDocuments(out).map((document) => document.toJS().status)).toEqual([0, 0]);
  });
});

it('--max-message-length is how long an answer may be', async () => {
  await served.addSubsystem();
  for (let i = 0; i < 6000; i += 1)
    await served.gateway.addHost(NQN, `nqn.2026-11.test:${'x'.repeat(180)}${i}`);
  expect((await cli(`host list -n ${NQN}`)).status).toBe(0);
  const { status, err } = await cli(`host list -n ${NQN} --max-message-length 1`);
  expect([status, err]).toEqual([EMSGSIZE, expect.stringMatching(/list_hosts .* too long .* is 1 MiB/)]);
  expect((await cli(`host list -n ${NQN} --max-message-length 0`)).status).toBe(2);
});

describe('--output and --verbose', () => {
  it('log puts everything on standard error, down to its level', async () => {
    expect(await cli('--output log subsystem list')).toEqual({ status: 0, out: '', err: 'No subsystems' });
    expect(await cli('--output log --log-level warning subsystem list')).toEqual({
      status: 0,
      out: '',
      err: '',
    });
    const { err } = await cli('--output log --log-level error subsystem del -n nqn.x');
    expect(err).toContain('Failure deleting');
  });

  it('--verbose says on standard error what is asked and answered', async () => {
    const { out, err } = await cli('subsystem list --verbose');
    expect(out).toBe('No subsystems');
    expect(err).toContain(`Asking 127.0.0.1:${served.server.port}: list_subsystems`);
    expect(err).toContain('status 0');
  });
});

describe('finding the gateway', () => {
  it('by options, which win over the environment', async () => {
    const wrong = { CEPH_NVMEOF_SERVER_ADDRESS: '127.0.0.1', CEPH_NVMEOF_SERVER_PORT: '1' };
    const { status } = await runCli(`--server-port ${served.server.port} gw version`, wrong);
    expect(status).toBe(0);
    expect((await runCli(`--server-address 127.0.0.2 --server-port 1 gw version`, env)).status).toBe(
      ECONNREFUSED,
    );
  });

  it('says which address it could not reach', async () => {
    const { status, out, err } = await runCli(
      `subsystem add -n ${NQN} --server-port 1 --server-address 127.0.0.1`,
    );
    expect([status, out]).toEqual([ECONNREFUSED, '']);
    expect(err).toBe(
      `Failure adding subsystem ${NQN}: cannot reach the gateway at 127.0.0.1:1 (connect ECONNREFUSED 127.0.0.1:1); ` +
        'is it running, and are --server-address and --server-port right?',
    );
  });

  it('is a whole document with the errno when it cannot be reached', async () => {
    const { status, out } = await runCli(`ns list --format json --server-port 1 --server-address 127.0.0.1`);
    expect(status).toBe(ECONNREFUSED);
    expect(JSON.parse(out)).toMatchObject({ status: ECONNREFUSED, namespaces: [] });
  });

  it('gives up on a server that does not answer', async () => {
    const silent: Server = createServer();
    const port = await new Promise<number>((resolve) => {
      silent.listen(0, '127.0.0.1', () => resolve((silent.address() as { port: number }).port));
    });
    const { status, err } = await runCli(
      `gw info --timeout 1 --server-address 127.0.0.1 --server-port ${port}`,
    );
    expect(status).toBeGreaterThan(2);
    expect(err).toContain(`127.0.0.1:${port}`);
    silent.close();
  });

  it('says when the gateway failed inside', async () => {
    served.gateway.broken = new Error('a bug');
    const { status, err } = await cli('subsystem list');
    expect(status).toBe(5);
    expect(err).toContain('list_subsystems failed inside the gateway: a bug');
  });

  it.each(['0', '65536', 'http', '1.5'])('refuses port %s', async (port) => {
    expect(await runCli(`gw info --server-port ${port}`)).toMatchObject({ status: 2, out: '' });
    const { status, err } = await runCli('gw info', { CEPH_NVMEOF_SERVER_PORT: port });
    expect(status).toBe(2);
    expect(err).toContain('CEPH_NVMEOF_SERVER_PORT');
  });
});

describe('mistyped lines exit with 2 and say what was meant', () => {
  it.each([
    ['', 'say what to do'],
    ['subsystem', 'say what to do with subsystem: add, del, list'],
    ['subsytem list', 'unknown command "subsytem"; did you mean subsystem?'],
    ['serv', 'unknown command "serv"; did you mean serve?'],
    ['tape list', 'unknown command "tape"'],
    ['ns lst', 'unknown namespace command "lst"; did you mean list?'],
    ['host frobnicate', 'unknown host command "frobnicate"; there are add, del, list'],
    ['subsystem list --fromat json', 'unknown option --fromat; did you mean --format?'],
    ['subsystem add --subsytem x', 'unknown option --subsytem; did you mean --subsystem?'],
    ['subsystem add -z x', 'unknown option -z'],
    ['subsystem add', '--subsystem (-n) is missing'],
    ['ns resize', '--subsystem (-n), --nsid, --size are missing'],
    ['subsystem add -n', '-n needs a value'],
    ['subsystem add -n a -n b', '--subsystem is given more than once'],
    ['subsystem list --format xml', '--format cannot be "xml"; use text, json, yaml, plain'],
    ['ns list more', 'unexpected "more"'],
    ['serve --bogus', 'unexpected --bogus'],
  ])('%s', async (line, message) => {
    const { status, out, err } = await cli(line);
    expect([status, out]).toEqual([2, '']);
    expect(err).toMatch(/^anagate: .*\nSee: anagate .*--help$/);
    expect(err).toContain(message);
  });

  it('points to the help of the command', async () => {
    expect((await cli('ns resize')).err).toContain('See: anagate namespace resize --help');
    expect((await cli('ns rsize')).err).toContain('See: anagate namespace --help');
    expect((await cli('serve --bogus')).err).toContain('See: anagate serve --help');
  });

  it('takes an empty value for a missing one', async () => {
    const { status, err } = await runCli('subsystem add -n', env, ['']);
    expect(status).toBe(2);
    expect(err).toContain('--subsystem needs a value');
  });
});

describe('help', () => {
  const verbsOf = (command: Command): [path: string, verb: Verb][] =>
    isNoun(command)
      ? command.verbs.map((verb) => [`${command.name} ${verb.name}`, verb])
      : [[command.name, command]];
  const verbs = commands.flatMap(verbsOf);

  it('names every command, and shows examples', async () => {
    const { status, out } = await cli('--help');
    expect(status).toBe(0);
    for (const { name, describe: sentence } of commands) {
      expect(out).toContain(`anagate ${name}`);
      expect(out).toContain(sentence);
    }
    expect(out).toContain('Examples:');
    expect(out).toContain('anagate serve');
  });

  it.each(verbs)(
    '%s --help has its sentence, every option with a description, and an example',
    async (path, verb) => {
      const { status, out } = await cli(`${path} --help`);
      const words = out.replace(/\s+/g, ' ');
      expect(status).toBe(0);
      expect(words).toContain(verb.describe);
      expect(words).toContain('Examples: anagate ');
      for (const [name, option] of Object.entries(verb.options)) {
        expect(words).toMatch(new RegExp(`--${name}[ ,]`));
        expect(option.describe, name).toBeTruthy();
      }
    },
  );

  it('examples are command lines that are accepted', async () => {
    for (const [, verb] of verbs) {
      for (const [example] of verb.examples) {
        // That one would look for a Ceph cluster.
        if (/--from-ceph-nvmeof|--offline/.test(example)) continue;
        const nobody = { CEPH_NVMEOF_SERVER_ADDRESS: '127.0.0.1', CEPH_NVMEOF_SERVER_PORT: '1' };
        const { status, err } = await runCli(
          example
            .replaceAll("'", '')
            .replaceAll(/\/root\/\S+/g, 'package.json')
            .replace('192.0.2.10 gw', '127.0.0.1 gw')
            .replace('/etc/anagate.conf', '/dev/null'),
          nobody,
        );
        expect(err, example).not.toContain('See:');
        expect([0, ECONNREFUSED], example).toContain(status);
      }
    }
  });

  it.each([
    ['sub', ['subsystem', 'namespace', 'serve', 'completion']],
    ['subsystem ', ['add', 'del', 'list']],
    ['--format json ns ch', ['change_load_balancing_group']],
    ['ns add --', ['--subsystem', '--size', '--format', '--help']],
    ['ns add --backend ', ['rbd', 'file', 'memory']],
    ['gw set_log_level -l ', ['debug']],
  ])('completes "%s"', async (line, expected) => {
    const { status, out } = await runCli('--get-yargs-completions anagate', {}, line.split(' '));
    expect(status).toBe(0);
    expect(out.split('\n')).toEqual(expect.arrayContaining(expected));
  });

  it('completes values that the gateway knows, and nothing when it cannot be asked', async () => {
    const served = await ServedGateway.start();
    await served.addSubsystem();
    await served.gateway.addHost(NQN, 'nqn.2026-11.test:host');
    await served.gateway.addNamespace({ nqn: NQN, backend: { type: 'memory' } });
    const env = { CEPH_NVMEOF_SERVER_ADDRESS: `127.0.0.1:${served.server.port}` };
    const complete = async (line: string, at = env) =>
      (await runCli('--get-yargs-completions anagate', at, line.split(' '))).out;
    expect(await complete('listener list -n ')).toBe(NQN);
    expect(await complete('subsystem del --subsystem nqn.2026-')).toBe(NQN);
    expect(await complete(`ns del -n ${NQN} --nsid `)).toBe('1');
    expect(await complete(`host del --subsystem=${NQN} -t `)).toBe('nqn.2026-11.test:host');
    expect(await complete('ns del --nsid ')).toBe('');
    await served.stop();
    expect(await complete('listener list -n ')).toBe('');
  });

  it('prints a completion script that bash takes', async () => {
    const { out } = await cli('completion');
    expect(() => execFileSync('bash', ['-n', '-c', out])).not.toThrow();
    const words = `COMP_WORDS=(anagate subs); COMP_CWORD=1; anagate() { echo subsystem; echo "$@" >&2; }`;
    const shell = `${out.replace('2> /dev/null', '')}\n${words}; _anagate_completion; echo "\${COMPREPLY[@]}"`;
    expect(execFileSync('bash', ['--norc', '-c', shell], { stdio: 'pipe' }).toString()).toBe('subsystem\n');
  });

  it.each([
    ['subsystem list --nqn nqn.2026-11.test:a', 0],
    ['listener list --subsystem_nqn=nqn.2026-11.test:a', 2],
    ['ns set-auto-resize --nqn nqn.2026-11.test:a --nsid 1 --auto_resize_enabled no', 2],
    ['gw ok_to_stop --gateway gw-a', 95],
    ['subsystem list --gw-group=other', 22],
    ['subsystem list --gw-group shop', 0],
  ])('takes other names for the same things: %s', async (line, expected) => {
    const served = await ServedGateway.start();
    served.gateway.gatewayInfo.group = 'shop';
    const env = { CEPH_NVMEOF_SERVER_ADDRESS: `127.0.0.1:${served.server.port}` };
    const { status, err } = await runCli(line, env);
    expect(err).not.toContain('See:');
    expect(status).toBe(expected);
    await served.stop();
  });

  it.each(['spdk_log_level get', 'subsystem add_kmip_server_endpoint -n x'])(
    'says why ceph-nvmeof has it and Anagate has not: %s',
    async (line) => {
      expect(await cli(line)).toMatchObject({ status: 2, err: expect.stringContaining('not supported: ') });
    },
  );

  it('prints a completion script', async () => {
    expect((await cli('completion')).out).toContain('anagate --get-yargs-completions');
  });

  it('--version is the version of the CLI', async () => {
    expect(await cli('--version')).toEqual({ status: 0, out: '0.1.0', err: '' });
  });
});
