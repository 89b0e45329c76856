/** Python's gRPC, from Debian's packages, with stubs made from a proto file. */
import { execFile, spawn } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const HERE = fileURLToPath(new URL('.', import.meta.url));
/** Debian's; another one on the path has none of Debian's packages. */
const PYTHON = '/usr/bin/python3';
const PACKAGES = ['python3-grpcio', 'python3-protobuf', 'protobuf-compiler', 'protobuf-compiler-grpc'];

export interface PythonAnswer {
  rpc: string;
  /** Name of the gRPC status. */
  code: string;
  answer: Record<string, unknown>;
}

/** Installs what is missing, which needs root and a Debian mirror; throws an Error that says what to install. */
export async function ensurePythonGrpc(): Promise<void> {
  if (await isThere()) return;
  const options = ['-qq', '-o', 'DPkg::Lock::Timeout=600'];
  const install = () =>
    run('apt-get', [...options, 'install', '-y', '--no-install-recommends', ...PACKAGES], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  try {
    await install().catch(async () => {
      await run('apt-get', [...options, 'update']);
      await install();
    });
  } catch (cause) {
    throw new Error(`Python's gRPC is not here; install ${PACKAGES.join(', ')}`, { cause });
  }
}

async function isThere(): Promise<boolean> {
  try {
    await run(PYTHON, ['-c', 'import grpc, google.protobuf.json_format']);
    await run('protoc', ['--version']);
    await run('which', ['grpc_python_plugin']);
    return true;
  } catch {
    return false;
  }
}

/** Makes stubs of `proto` in `directory`. */
export async function makeStubs(proto: string, directory: string): Promise<void> {
  await copyFile(proto, join(directory, 'gateway.proto'));
  const plugin = (await run('which', ['grpc_python_plugin'])).stdout.trim();
  await run('protoc', [
    `--proto_path=${directory}`,
    `--python_out=${directory}`,
    `--grpc_python_out=${directory}`,
    `--plugin=protoc-gen-grpc_python=${plugin}`,
    join(directory, 'gateway.proto'),
  ]);
}

/** Calls RPCs in this order. Resolves with all that the stubs have, and with the answers. */
export async function callAll(
  stubs: string,
  address: string,
  calls: readonly (readonly [rpc: string, request: object])[],
): Promise<{ rpcs: string[]; answers: PythonAnswer[] }> {
  const client = spawn(PYTHON, [join(HERE, 'client.py'), stubs, address], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let [output, complaints] = ['', ''];
  client.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  client.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  client.stdin.end(JSON.stringify(calls));
  const code = await new Promise((resolve) => client.once('close', resolve));
  if (code !== 0) throw new Error(`the Python client ended with ${code}: ${complaints}`);
  const [head, ...answers] = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return { rpcs: (head as { rpcs: string[] }).rpcs, answers };
}
