/** Server reflection: lets grpcurl and its like see the services without a proto file. */
import type { Server, UntypedServiceImplementation } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { protoPath as healthProtoPath } from 'grpc-health-check';
import { gatewayPackage } from './gateway-proto.ts';

/**
 * Adds the reflection service (v1 and v1alpha), which describes the Gateway and the health service.
 *
 * @grpc/reflection 1.0 gives symbols of a file without a package a leading dot, ".Gateway", where every client says
 * "Gateway". So it gets to see the clients' messages with the dot, and they see its without.
 */
export function addReflection(server: Server): void {
  const reflection = new ReflectionService({ ...gatewayPackage, ...loadSync(healthProtoPath) });
  reflection.addToServer({
    addService: (definition, implementation) => server.addService(definition, withoutDots(implementation)),
  });
}

/** The parts of the messages of grpc.reflection.v1 that name symbols. */
interface ReflectionRequest {
  fileContainingSymbol?: string;
}
interface ReflectionResponse {
  originalRequest: ReflectionRequest;
  listServicesResponse?: { service: { name: string }[] };
}

/** What @grpc/reflection uses of a call. */
interface ReflectionStream {
  on(event: string, listener: (message: ReflectionRequest) => void): unknown;
  write(response: ReflectionResponse): unknown;
  end(): unknown;
}
type ReflectionHandler = (stream: ReflectionStream) => void;

const METHOD = 'ServerReflectionInfo';

function withoutDots(implementation: UntypedServiceImplementation): UntypedServiceImplementation {
  const serve = implementation[METHOD] as unknown as ReflectionHandler;
  const serveWithoutDots: ReflectionHandler = (stream) =>
    serve({
      on: (event, listener) =>
        stream.on(event, (message) => listener(event === 'data' ? addDot(message) : message)),
      write: (response) => stream.write(removeDots(response)),
      end: () => stream.end(),
    });
  return { [METHOD]: serveWithoutDots as unknown as UntypedServiceImplementation[string] };
}

function addDot(request: ReflectionRequest): ReflectionRequest {
  const symbol = request.fileContainingSymbol;
  const isOurs = symbol !== undefined && symbol.split('.')[0] in gatewayPackage;
  return isOurs ? { ...request, fileContainingSymbol: `.${symbol}` } : request;
}

function removeDots(response: ReflectionResponse): ReflectionResponse {
  const { originalRequest, listServicesResponse: list } = response;
  const symbol = originalRequest.fileContainingSymbol;
  return {
    ...response,
    ...(symbol && { originalRequest: { ...originalRequest, fileContainingSymbol: bare(symbol) } }),
    ...(list && {
      listServicesResponse: { service: list.service.map(({ name }) => ({ name: bare(name) })) },
    }),
  };
}

function bare(symbol: string): string {
  return symbol.replace(/^\./, '');
}
