/**
 * The Gateway service as proto/gateway.proto defines it, loaded at run time. Messages have the file's own field names;
 * 64-bit integers are decimal strings and enumerations are names, as in protobuf's JSON; see gateway-types.ts.
 */
import { fileURLToPath } from 'node:url';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import type { GatewayRpcs } from './gateway-types.ts';

/** The same place seen from src/control and from dist/control. */
const PROTO_FILE = fileURLToPath(new URL('../../proto/gateway.proto', import.meta.url));

/** Everything in the file by its full name; there is no package. */
export const gatewayPackage: PackageDefinition = loadSync(PROTO_FILE, {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
});

export type RpcName = keyof GatewayRpcs;
export type RpcRequest<R extends RpcName> = GatewayRpcs[R]['request'];
export type RpcAnswer<R extends RpcName> = GatewayRpcs[R]['answer'];

/** The service's full name, as health checks and reflection know it. */
export const GATEWAY_SERVICE_NAME = 'Gateway';

export const gatewayService = gatewayPackage[GATEWAY_SERVICE_NAME] as ServiceDefinition;
