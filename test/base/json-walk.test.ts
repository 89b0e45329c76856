/** A JSON text walked through member by member is what JSON.parse says it is, and is refused where that refuses it. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { JsonWalk } from '../../src/base/json-walk.ts';

function walked(text: string): unknown {
  const walk = new JsonWalk(text);
  const members: [string, unknown][] = [];
  for (const name of walk.members()) members.push([name, walk.value()]);
  walk.end();
  return Object.fromEntries(members);
}

it('reads what JSON.parse reads', () => {
  const spaces = fc.constantFrom(undefined, 1, '\t', '\r\n ');
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), spaces, (value, space) => {
      const text = ` ${JSON.stringify(value, null, space as string)}\n`;
      expect(walked(text)).toEqual(JSON.parse(text));
    }),
  );
});

it('refuses what JSON.parse refuses', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"',
    '"a"',
    ':',
    ',',
    '1',
    'null',
    'x',
    '\\',
    ' ',
    '\n',
    '{"a":1}',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = `{${pieces.join('')}}`;
      let parsed: unknown;
      try {
        parsed = JSON.parse(text);
      } catch {
        expect(() => walked(text)).toThrow(/^line \d+, column \d+: /);
        return;
      }
      expect(walked(text)).toEqual(parsed);
    }),
    { numRuns: 2000 },
  );
});

it('walks into an object within, and says where a mistake is', () => {
  const walk = new JsonWalk('{"a": {"b": 1,\n "c": x}}');
  const names = walk.members();
  expect(names.next().value).toBe('a');
  expect(walk.isObject).toBe(true);
  const inner = walk.members();
  expect(inner.next().value).toBe('b');
  expect(walk.value()).toBe(1);
  expect(inner.next().value).toBe('c');
  expect(() => walk.value()).toThrow(/^line 2, column 7: .*not valid JSON/);
});
