/** What `anagate top` shows: rows in an order, and as many as there is room for. Pure. */
import type { Output } from '../output.ts';
import type { Rates } from './rates.ts';

export const SORT_KEYS = ['iops', 'bandwidth', 'latency', 'name'] as const;
export type SortKey = (typeof SORT_KEYS)[number];

export interface NamespaceRow extends Rates {
  subsystem: string;
  nsid: number;
  anaGroup: number;
}

export interface GatewayRow extends Rates {
  gateway: string;
}

export interface View {
  /** Wall clock, ms since 1970. */
  atMs: number;
  gateways: GatewayRow[];
  namespaces: NamespaceRow[];
  /** Gateways that do not answer, with the reason. */
  silent: { gateway: string; why: string }[];
}

const MEGABYTE = 1e6;

/** The busiest first, or by name. */
export function sorted(namespaces: readonly NamespaceRow[], key: SortKey): NamespaceRow[] {
  const measure: Record<SortKey, (row: NamespaceRow) => number> = {
    iops: (row) => row.readIops + row.writeIops,
    bandwidth: (row) => row.readBandwidth + row.writeBandwidth,
    latency: (row) => Math.max(row.readLatency ?? 0, row.writeLatency ?? 0),
    name: () => 0,
  };
  const byName = (a: NamespaceRow, b: NamespaceRow): number =>
    a.subsystem === b.subsystem ? a.nsid - b.nsid : a.subsystem < b.subsystem ? -1 : 1;
  return [...namespaces].sort((a, b) => measure[key](b) - measure[key](a) || byName(a, b));
}

const HEADERS = ['Reads/s', 'Writes/s', 'Read MB/s', 'Write MB/s', 'Read ms', 'Write ms'];

/** @param lines of the terminal; undefined: everything is shown */
export function viewText(view: View, output: Output, lines: number | undefined): string {
  const cells = (rates: Rates): string[] => [
    rates.readIops.toFixed(0),
    rates.writeIops.toFixed(0),
    (rates.readBandwidth / MEGABYTE).toFixed(1),
    (rates.writeBandwidth / MEGABYTE).toFixed(1),
    rates.readLatency?.toFixed(2) ?? '-',
    rates.writeLatency?.toFixed(2) ?? '-',
  ];
  const { gateways, namespaces, silent } = view;
  const head = [
    new Date(view.atMs).toISOString(),
    plainTable(
      ['Gateway', ...HEADERS],
      gateways.map((row) => [row.gateway, ...cells(row)]),
      output,
    ),
    ...silent.map(({ gateway, why }) => `${gateway}: ${why}`),
    '',
  ].join('\n');
  const room = lines === undefined ? namespaces.length : Math.max(lines - head.split('\n').length - 3, 1);
  const rows = namespaces
    .slice(0, room)
    .map((row) => [row.subsystem, String(row.nsid), String(row.anaGroup), ...cells(row)]);
  const more = namespaces.length - rows.length;
  if (rows.length === 0) return `${head}\nNo namespace has I/O; --all shows those without`;
  const table = plainTable(['Subsystem', 'NSID', 'ANA Group', ...HEADERS], rows, output);
  return `${head}\n${table}${more > 0 ? `\n... and ${more} more` : ''}`;
}

/** Figures are set to the right although they are text. */
function plainTable(headers: string[], rows: string[][], output: Output): string {
  const widths = headers.map((header, c) => Math.max(header.length, ...rows.map((row) => row[c]!.length)));
  const padded = rows.map((row) => row.map((cell, c) => (c === 0 ? cell : cell.padStart(widths[c]!))));
  return output.columns(
    headers.map((header, c) => (c === 0 ? header : header.padStart(widths[c]!))),
    padded,
  );
}
