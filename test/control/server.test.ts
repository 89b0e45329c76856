import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import {
  Client,
  type ClientDuplexStream,
  credentials,
  type ServiceDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { service as healthDefinition } from 'grpc-health-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gatewayService, type RpcName } from '../../src/control/gateway-proto.ts';
import { startGrpcServer } from '../../src/control/server.ts';
import { unsupportedRpcs } from '../../src/control/unsupported.ts';
import { FakeGateway } from './fake-gateway.ts';
import { type Decoded, decode, messages, text } from './protobuf-bytes.ts';
import { keepLog, type LogLine, NQN, ServedGateway } from './rpc-client.ts';

const ENOTSUP = 95;

let lines: LogLine[];
let served: ServedGateway;
beforeEach(async () => {
  lines = [];
  served = await ServedGateway.start(keepLog(lines));
});
afterEach(() => served.stop());

describe('the Gateway service', () => {
  it('answers every RPC of the proto file', async () => {
    for (const rpc of Object.keys(gatewayService) as RpcName[]) {
      const error = await served.call(rpc, {}).then(
        () => null,
        (e: ServiceError) => e,
      );
      if (rpc === 'set_ana_state') expect(error?.code).toBe(status.UNIMPLEMENTED);
      else expect(error, rpc).toBeNull();
    }
  });

  it('says ENOTSUP and why for what is not done yet', async () => {
    for (const rpc of Object.keys(unsupportedRpcs) as (keyof typeof unsupportedRpcs)[]) {
      if (rpc === 'set_ana_state') continue;
      const answer = await served.call(rpc, {});
      expect(answer.status, rpc).toBe(ENOTSUP);
      expect(answer.error_message, rpc).toMatch(/^Failure .+: .+/);
    }
  });

  it('fails set_ana_state at the gRPC level, as its client does not look at the status in the answer', async () => {
    const request = { states: [{ nqn: NQN, states: [{ grp_id: 1, state: 'OPTIMIZED' as const }] }] };
    await expect(served.call('set_ana_state', request)).rejects.toMatchObject({ code: status.UNIMPLEMENTED });
    const logged = lines.filter(({ rpc }) => rpc === 'set_ana_state').map(({ level }) => level);
    expect(logged).toEqual(['warn']);
  });

  it('turns a failure inside the gateway into INTERNAL, logs it and serves on', async () => {
    served.gateway.broken = new TypeError('a bug');
    await expect(served.call('list_subsystems', {})).rejects.toMatchObject({
      code: status.INTERNAL,
      details: expect.stringContaining('list_subsystems failed inside the gateway: a bug'),
    });
    expect(lines).toContainEqual(expect.objectContaining({ level: 'error', rpc: 'list_subsystems' }));
    served.gateway.broken = null;
    expect(await served.call('list_subsystems', {})).toMatchObject({ status: 0 });
  });

  it('logs a change, a refusal with its errno, and nothing of the request', async () => {
    await served.addSubsystem();
    await served.call('add_host', { subsystem_nqn: NQN, host_nqn: '*' });
    await served.call('add_host', {
      subsystem_nqn: NQN,
      host_nqn: 'nqn.2026-11.test:h',
      psk: 'NVMeTLSkey-1:secret',
      psk_encrypted: true,
    });
    expect(lines).toContainEqual(
      expect.objectContaining({ level: 'info', rpc: 'add_host', message: 'RPC done' }),
    );
    expect(lines).toContainEqual(expect.objectContaining({ level: 'warn', rpc: 'add_host', errno: ENOTSUP }));
    expect(JSON.stringify(lines)).not.toContain('secret');
  });
});

describe('starting and stopping', () => {
  it('refuses a port in use, naming it', async () => {
    const { gateway } = served;
    const { port } = served.server;
    const options = { gateway, address: '127.0.0.1', port, log: keepLog([]), version: '1.0.0' };
    await expect(startGrpcServer(options)).rejects.toThrow(`cannot listen on 127.0.0.1:${port}`);
  });

  it('listens on an IPv6 address', async () => {
    const { gateway } = served;
    const server = await startGrpcServer({
      gateway,
      address: '::1',
      port: 0,
      log: keepLog([]),
      version: '1.0.0',
    });
    const client = new Client(`[::1]:${server.port}`, credentials.createInsecure());
    expect(await check(client, '')).toBe('SERVING');
    client.close();
    await server.stop();
  });

  it('answers no more once stopped', async () => {
    const other = await ServedGateway.start();
    await other.call('list_subsystems', {});
    await other.server.stop();
    await expect(other.call('list_subsystems', {})).rejects.toMatchObject({ code: status.UNAVAILABLE });
    other.client.close();
  });
});

it('cuts calls that do not end when it stops', async () => {
  const gateway = new FakeGateway();
  const after: { ms: number; fn: () => void }[] = [];
  const timers = {
    after: (ms: number, fn: () => void) => {
      after.push({ ms, fn });
      return { cancel: () => {} };
    },
  };
  const options = { gateway, address: '127.0.0.1', port: 0, log: keepLog([]), version: '1.0.0', timers };
  const server = await startGrpcServer(options);
  const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = healthDefinition.Watch;
  const watch = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service: '' });
  const ended = new Promise<ServiceError>((resolve) => watch.once('error', resolve));
  const nextState = () => new Promise((resolve) => watch.once('data', (answer) => resolve(answer.status)));
  expect(await nextState()).toBe('SERVING');

  const stopped = server.stop();
  expect(await nextState()).toBe('NOT_SERVING');
  expect(after).toMatchObject([{ ms: 2000 }]);
  after[0].fn();
  await stopped;
  expect([status.CANCELLED, status.UNAVAILABLE]).toContain((await ended).code);
  client.close();
});

describe('health', () => {
  it('is SERVING for the whole server at once, and for the Gateway service when that has started', async () => {
    expect(await check(served.client, '')).toBe('SERVING');
    expect(await check(served.client, 'Gateway')).toBe('NOT_SERVING');
    served.server.ready();
    expect(await check(served.client, 'Gateway')).toBe('SERVING');
  });
});

function check(client: Client, service: string): Promise<string> {
  const { path, requestSerialize, responseDeserialize } = healthDefinition.Check;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, (error, answer) => {
      if (error === null) resolve((answer as { status: string }).status);
      else reject(error);
    });
  });
}

describe('reflection', () => {
  it('lists the services', async () => {
    const { listServicesResponse } = await reflect({ listServices: '' });
    const names = listServicesResponse?.service.map((service) => service.name);
    expect(names).toContain('Gateway');
    expect(names).toContain('grpc.health.v1.Health');
  });

  it.each([
    ['the service', 'Gateway'],
    ['a method', 'Gateway.namespace_add'],
    ['a message', 'namespace_add_req'],
  ])('gives the file of %s, complete', async (_what, symbol) => {
    const { fileDescriptorResponse } = await reflect({ fileContainingSymbol: symbol });
    const files = fileDescriptorResponse?.fileDescriptorProto.map((file) => decode(file)) ?? [];
    const service = files.flatMap((file) => messages(file, 6)).find((s) => text(s, 1) === 'Gateway');
    const methods = messages(service as Decoded, 2);
    expect(methods.map((method) => text(method, 1)).sort()).toEqual(Object.keys(gatewayService).sort());

    const types = new Set(files.flatMap((file) => messages(file, 4)).map((type) => text(type, 1)));
    for (const method of methods) {
      for (const field of [2, 3]) expect(types).toContain(text(method, field).replace(/^\./, ''));
    }
  });

  it('is there in its v1alpha form too, which older grpcurl speaks', async () => {
    const { listServicesResponse } = await reflect({ listServices: '' }, 'v1alpha');
    expect(listServicesResponse?.service.map((service) => service.name)).toContain('Gateway');
  });
});

interface ReflectionAnswer {
  listServicesResponse?: { service: { name: string }[] };
  fileDescriptorResponse?: { fileDescriptorProto: Buffer[] };
}

/** One question to the reflection service, as grpcurl asks it. */
function reflect(question: object, version = 'v1'): Promise<ReflectionAnswer> {
  const packageFile = createRequire(import.meta.url).resolve('@grpc/reflection/package.json');
  const protoFile = packageFile.replace(
    /package\.json$/,
    `build/proto/grpc/reflection/${version}/reflection.proto`,
  );
  const name = `grpc.reflection.${version}.ServerReflection`;
  const service = loadSync(protoFile)[name] as ServiceDefinition;
  const { path, requestSerialize, responseDeserialize } = service.ServerReflectionInfo;
  return new Promise((resolve, reject) => {
    const stream: ClientDuplexStream<object, ReflectionAnswer> = served.client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize as (bytes: Buffer) => ReflectionAnswer,
    );
    stream.on('data', resolve);
    stream.on('error', reject);
    stream.write(question);
    stream.end();
  });
}

it('gateway-types.ts is what gen-proto-types.mjs makes of the proto file', () => {
  const script = fileURLToPath(new URL('../../scripts/gen-proto-types.mjs', import.meta.url));
  expect(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' })).not.toThrow();
});
