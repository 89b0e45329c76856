/** The gRPC server: the Gateway service, health checks and reflection on one port. */
import {
  type ChannelOptions,
  logVerbosity,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  setLogVerbosity,
  status,
} from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { systemTimers, type Timers } from '../base/clock.ts';
import { ERROR_ERRNO } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { GatewayApi } from '../gateway/gateway-api.ts';
import type { GroupQuestions, MonitorAdmin } from '../monitor/admin.ts';
import { GrpcFailure, type RpcHandlers } from './answer.ts';
import { connectionRpcs } from './connections.ts';
import { gatewayInfoRpcs } from './gateway-info.ts';
import { GATEWAY_SERVICE_NAME, gatewayService, type RpcName } from './gateway-proto.ts';
import { groupRpcs } from './group.ts';
import { hostRpcs } from './hosts.ts';
import { listenerRpcs } from './listeners.ts';
import { namespaceVisibilityRpcs } from './namespace-visibility.ts';
import { namespaceRpcs } from './namespaces.ts';
import type { GrpcPeerStreams } from './peer-stream.ts';
import { addReflection } from './reflection.ts';
import { encodeLong, takingEncoded } from './sliced-answer.ts';
import { stateRpcs } from './state.ts';
import { statisticsRpcs } from './statistics.ts';
import { subsystemRpcs } from './subsystems.ts';
import { unsupportedRpcs } from './unsupported.ts';

/** How long calls may go on after {@link GrpcServer.stop}. */
const STOP_GRACE_MS = 2000;

export interface GrpcServerOptions {
  gateway: GatewayApi;
  /** Of the monitor; null or absent: no group decides here. */
  admin?: MonitorAdmin | null;
  /** What a gateway that is alone knows of itself, in place of `admin`. */
  alone?: GroupQuestions;
  /** Streams of the other gateways of the group, if there is one. */
  peers?: GrpcPeerStreams;
  /** IPv4 or IPv6 address, or a host name, to listen on. */
  address: string;
  /** TCP port; 0 takes any free one. */
  port: number;
  /** Absent: in the clear. */
  credentials?: ServerCredentials;
  /** Longest message in both directions, bytes; absent: 4 MiB for requests and no limit for answers, as grpc-js has it. */
  maxMessageBytes?: number;
  log: Log;
  /** Anagate's version. */
  version: string;
  timers?: Timers;
}

export interface GrpcServer {
  /** The TCP port it listens on. */
  readonly port: number;
  /** Health says from now on that the Gateway service is there to be used: the gateway has started. */
  ready(): void;
  /** Health says NOT_SERVING, calls under way end (within 2 s, or are cut), the port is closed. */
  stop(): Promise<void>;
}

/**
 * It answers at once. Requests for changes are the gateway's to refuse until it has started, see {@link GrpcServer.ready}.
 * @throws Error when it cannot listen, naming the address and the reason
 */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const log = options.log.child({ component: 'grpc' });
  setLogVerbosity(logVerbosity.NONE); // grpc-js would write to standard error by itself; its errors are reported here
  const server = new Server(messageLimits(options.maxMessageBytes));
  server.addService(takingEncoded(gatewayService), implementation(gatewayHandlers(options), log));
  const health = new HealthImplementation({ '': 'SERVING', [GATEWAY_SERVICE_NAME]: 'NOT_SERVING' });
  health.addToServer(server);
  addReflection(server);
  options.peers?.addTo(server);

  const host = options.address.includes(':') ? `[${options.address}]` : options.address;
  const credentials = options.credentials ?? ServerCredentials.createInsecure();
  const port = await bind(server, `${host}:${options.port}`, credentials);
  log.info({ address: options.address, port, tls: credentials._isSecure() }, 'gRPC server listens');
  return {
    port,
    ready: () => health.setStatus(GATEWAY_SERVICE_NAME, 'SERVING'),
    stop: async () => {
      health.setStatus('', 'NOT_SERVING');
      health.setStatus(GATEWAY_SERVICE_NAME, 'NOT_SERVING');
      options.peers?.serve(null);
      await shutDown(server, options.timers ?? systemTimers);
      log.info({ port }, 'gRPC server stopped');
    },
  };
}

function gatewayHandlers({ gateway, admin = null, alone, version }: GrpcServerOptions): RpcHandlers {
  return {
    ...subsystemRpcs(gateway),
    ...listenerRpcs(gateway),
    ...hostRpcs(gateway),
    ...namespaceRpcs(gateway),
    ...namespaceVisibilityRpcs(gateway),
    ...connectionRpcs(gateway),
    ...statisticsRpcs(gateway),
    ...stateRpcs(gateway),
    ...gatewayInfoRpcs(gateway, version),
    ...groupRpcs(gateway, admin, admin ?? alone ?? null),
    ...unsupportedRpcs,
  };
}

type UnaryCall = ServerUnaryCall<unknown, object>;
type AnyHandler = (request: unknown) => Promise<object>;

/** Handlers as grpc-js calls them. */
function implementation(handlers: RpcHandlers, log: Log) {
  const calls = Object.entries(handlers).map(([rpc, handler]) => [
    rpc,
    (call: UnaryCall, callback: sendUnaryData<object>) => {
      void serve(rpc as RpcName, handler as AnyHandler, call, log).then(
        (body) => callback(null, body),
        (error: Error) => callback(toGrpcError(rpc, error)),
      );
    },
  ]);
  return Object.fromEntries(calls);
}

/** One call, with one line in the log: nothing of the request is in it but the peer, as requests may hold keys. */
async function serve(rpc: RpcName, handler: AnyHandler, call: UnaryCall, log: Log): Promise<object> {
  const fields = { rpc, peer: call.getPeer() };
  try {
    const body = await handler(call.request);
    const { status: errno = 0, error_message: reason } = body as { status?: number; error_message?: string };
    if (errno !== 0 && errno !== ERROR_ERRNO.LISTENER_REMOTE)
      log.warn({ ...fields, errno, reason }, 'RPC refused');
    else if (readsOnly(rpc)) log.debug(fields, 'RPC done');
    else log.info(fields, 'RPC done');
    return encodeLong(body, gatewayService[rpc].responseSerialize);
  } catch (error) {
    if (error instanceof GrpcFailure) log.warn({ ...fields, reason: error.message }, 'RPC refused');
    else log.error({ ...fields, err: error }, 'RPC failed');
    throw error;
  }
}

function readsOnly(rpc: RpcName): boolean {
  return /^(list|get|show|ok)_/.test(rpc);
}

function toGrpcError(rpc: string, error: Error): { code: status; details: string } {
  if (error instanceof GrpcFailure) return { code: error.code, details: error.message };
  return {
    code: status.INTERNAL,
    details: `${rpc} failed inside the gateway: ${error.message}; its log has more`,
  };
}

function messageLimits(bytes: number | undefined): ChannelOptions {
  if (bytes === undefined) return {};
  return { 'grpc.max_receive_message_length': bytes, 'grpc.max_send_message_length': bytes };
}

function bind(server: Server, target: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(target, credentials, (error, port) => {
      if (error === null) resolve(port);
      else
        reject(new Error(`the gRPC server cannot listen on ${target}: ${error.message}`, { cause: error }));
    });
  });
}

function shutDown(server: Server, timers: Timers): Promise<void> {
  return new Promise((resolve) => {
    const cut = timers.after(STOP_GRACE_MS, () => server.forceShutdown());
    server.tryShutdown(() => {
      cut.cancel();
      resolve();
    });
  });
}
