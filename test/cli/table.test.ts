import { describe, expect, it } from 'vitest';
import { renderTable } from '../../src/cli/table.ts';

const HEADERS = ['Name', 'N'];
const ROWS = [
  ['a', 1],
  ['longer', 22],
];

describe('renderTable', () => {
  it('grid', () => {
    expect(renderTable(HEADERS, ROWS, 'grid')).toBe(
      [
        '╒════════╤════╕',
        '│ Name   │  N │',
        '╞════════╪════╡',
        '│ a      │  1 │',
        '├────────┼────┤',
        '│ longer │ 22 │',
        '╘════════╧════╛',
      ].join('\n'),
    );
  });

  it('plain', () => {
    expect(renderTable(HEADERS, ROWS, 'plain')).toBe('Name     N\na        1\nlonger  22');
  });

  it('sets a column to the left when one cell is text', () => {
    expect(
      renderTable(
        ['N', 'X'],
        [
          [1, 'x'],
          ['<n/a>', 'y'],
        ],
        'plain',
      ),
    ).toBe('N      X\n1      x\n<n/a>  y');
  });
});
