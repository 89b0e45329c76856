/** A served FakeGateway and the means to ask it. */
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { type Log, type LogFields, nullLog } from '../../src/base/log.ts';
import {
  gatewayService,
  type RpcAnswer,
  type RpcName,
  type RpcRequest,
} from '../../src/control/gateway-proto.ts';
import type { Sent } from '../../src/control/gateway-types.ts';
import { type GrpcServer, startGrpcServer } from '../../src/control/server.ts';
import { FakeGateway } from './fake-gateway.ts';

export const NQN = 'nqn.2026-11.test:sub';
export const VERSION = '9.8.7';

export interface LogLine extends LogFields {
  level: string;
  message: string;
}

/** A log that keeps its lines. */
export function keepLog(lines: LogLine[]): Log {
  const keep = (level: string) => (fields: LogFields, message: string) => {
    lines.push({ ...fields, level, message });
  };
  const log: Log = {
    debug: keep('debug'),
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
    child: () => log,
  };
  return log;
}

export class ServedGateway {
  readonly gateway: FakeGateway;
  readonly server: GrpcServer;
  readonly client: Client;

  private constructor(gateway: FakeGateway, server: GrpcServer) {
    this.gateway = gateway;
    this.server = server;
    this.client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  }

  static async start(log: Log = nullLog): Promise<ServedGateway> {
    const gateway = new FakeGateway();
    const server = await startGrpcServer({ gateway, address: '127.0.0.1', port: 0, log, version: VERSION });
    return new ServedGateway(gateway, server);
  }

  /** Rejects with the gRPC error. */
  call<R extends RpcName>(rpc: R, request: Sent<RpcRequest<R>>): Promise<RpcAnswer<R>> {
    const method = gatewayService[rpc];
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        (error: ServiceError | null, answer?: object) => {
          if (error === null) resolve(answer as RpcAnswer<R>);
          else reject(error);
        },
      );
    });
  }

  /** Sends bytes to a method by its name and gives back bytes: nothing of our proto file is used. */
  callBytes(path: string, request: Buffer): Promise<Buffer> {
    const same = (bytes: Buffer) => bytes;
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        path,
        same,
        same,
        request,
        (error: ServiceError | null, answer?: Buffer) => {
          if (error === null) resolve(answer as Buffer);
          else reject(error);
        },
      );
    });
  }

  async addSubsystem(nqn = NQN): Promise<void> {
    await this.gateway.addSubsystem({ nqn });
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.server.stop();
  }
}
