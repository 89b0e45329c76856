/** What a gateway says to people when it has started: what it serves, and what to type on a host. Pure. */
import { isLoopback } from '../config/settings.ts';
import type { GatewayApi, ListenerInfo, NamespaceInfo } from '../gateway/gateway-api.ts';
import { formatSize } from './size.ts';

export interface BannerFacts {
  version: string;
  /** Where the configuration is. */
  state: string;
  gateway: GatewayApi;
  /** Bound addresses; null: switched off. */
  discovery: { address: string; port: number };
  grpc: { address: string; port: number };
  /** Clients of gRPC have to show a certificate. */
  grpcAuth: boolean;
  metrics: { scheme: string; address: string; port: number } | null;
  /** An address of this machine that stands for a wildcard in commands to type. */
  exampleAddress: string;
  /** How the program is called: "npx anagate". */
  program: string;
  /** Sentences about what is configured and not served. */
  troubles: readonly string[];
}

const HOST_OPTIONS = '--keep-alive-tmo=2 --reconnect-delay=2 --ctrl-loss-tmo=-1';

export function banner(facts: BannerFacts): string {
  const { grpc, grpcAuth, metrics, discovery } = facts;
  return [
    `Anagate ${facts.version} is serving. State: ${facts.state}`,
    '',
    ...subsystemLines(facts.gateway),
    ...facts.troubles.map((trouble) => `Not served: ${trouble}`),
    ...(facts.troubles.length > 0 ? [''] : []),
    `Discovery  ${addressOf(discovery)}`,
    `gRPC       ${addressOf(grpc)}${grpcAuth ? ' (TLS)' : ''}`,
    ...(metrics === null ? [] : [`Metrics    ${metrics.scheme}://${addressOf(metrics)}/metrics`]),
    '',
    ...hostLines(facts),
    ...managementLines(facts),
  ].join('\n');
}

function subsystemLines(gateway: GatewayApi): string[] {
  const lines: string[] = [];
  for (const { nqn, serial, allowAnyHost } of gateway.listSubsystems()) {
    const { hosts } = gateway.listHosts(nqn);
    const who = allowAnyHost ? 'any host' : hosts.length === 1 ? '1 host' : `${hosts.length} hosts`;
    lines.push(`Subsystem  ${nqn} (serial ${serial}, for ${who})`);
    for (const listener of gateway.listListeners(nqn)) lines.push(`  Listener   ${listenerText(listener)}`);
    for (const namespace of shown(gateway.listNamespaces({ nqn }))) lines.push(`  ${namespace}`);
    lines.push('');
  }
  if (lines.length === 0) lines.push('Nothing is configured yet.', '');
  return lines;
}

function listenerText(listener: ListenerInfo): string {
  const address = addressOf({ address: listener.traddr, port: listener.trsvcid });
  return listener.active ? address : `${address} (of ${listener.hostName}, not active here)`;
}

const NAMESPACES_SHOWN = 8;

function shown(namespaces: readonly NamespaceInfo[]): string[] {
  const lines = namespaces.slice(0, NAMESPACES_SHOWN).map(({ nsid, sizeBytes, backend, anaGroupId }) => {
    const place =
      backend.type === 'file'
        ? `file ${backend.path}`
        : backend.type === 'rbd'
          ? `${backend.pool}/${backend.image}`
          : 'memory';
    return `Namespace  ${nsid}: ${formatSize(sizeBytes)}, ${place}, ANA group ${anaGroupId}`;
  });
  const more = namespaces.length - NAMESPACES_SHOWN;
  return more > 0 ? [...lines, `Namespace  ... and ${more} more`] : lines;
}

function hostLines({ discovery, exampleAddress }: BannerFacts): string[] {
  const address = isWildcard(discovery.address) ? exampleAddress : discovery.address;
  const portal = `-t tcp -a ${address} -s ${discovery.port}`;
  return [
    'On a Linux host, as root:',
    '  modprobe nvme-tcp',
    `  nvme discover ${portal}`,
    `  nvme connect-all ${portal} ${HOST_OPTIONS}`,
    '  nvme list',
    ...(isLoopback(address)
      ? ['  (other machines cannot reach this address: start with --address and one that they can)']
      : []),
    '',
  ];
}

function managementLines({ grpc, grpcAuth, program }: BannerFacts): string[] {
  const server = [
    grpc.address === '127.0.0.1' || isWildcard(grpc.address) ? '' : ` --server-address ${grpc.address}`,
    grpc.port === 5500 ? '' : ` --server-port ${grpc.port}`,
    grpcAuth ? ' --client-key FILE --client-cert FILE --server-cert FILE' : '',
  ].join('');
  return [
    'To manage it, in another terminal in this directory:',
    `  ${program}${server} subsystem list`,
    `  ${program}${server} namespace add --help`,
    'Ctrl-C stops it; what is configured stays.',
  ];
}

function addressOf({ address, port }: { address: string; port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}
