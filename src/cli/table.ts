/** Tables of text. */

/** `grid` has lines around every cell and is for people, `plain` has columns and is for pipes. */
export type TableStyle = 'grid' | 'plain';

export type Cell = string | number;

/** Cells are one line each. A column of numbers is set to the right. */
export function renderTable(
  headers: readonly string[],
  rows: readonly (readonly Cell[])[],
  style: TableStyle,
): string {
  const widths = headers.map((header, c) =>
    Math.max(header.length, ...rows.map((row) => String(row[c]).length)),
  );
  const numeric = headers.map((_, c) => rows.length > 0 && rows.every((row) => typeof row[c] === 'number'));
  const pad = (cell: Cell, c: number) =>
    numeric[c] ? String(cell).padStart(widths[c]) : String(cell).padEnd(widths[c]);

  if (style === 'plain') {
    return [headers, ...rows].map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
  }
  const rule = (left: string, middle: string, right: string, line: string) =>
    left + widths.map((width) => line.repeat(width + 2)).join(middle) + right;
  const line = (row: readonly Cell[]) => `│ ${row.map(pad).join(' │ ')} │`;
  const body = rows.map(line).join(`\n${rule('├', '┼', '┤', '─')}\n`);
  return [
    rule('╒', '╤', '╕', '═'),
    line(headers),
    rule('╞', '╪', '╡', '═'),
    body,
    rule('╘', '╧', '╛', '═'),
  ].join('\n');
}
