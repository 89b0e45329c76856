import { describe, expect, it } from 'vitest';
import { encodeIntroduction, requireFits } from '../../src/gateway/group/group-roll.ts';

const OWNERS = [
  { group: 1, gateway: 'gw-a' },
  { group: 2, gateway: 'gw-b' },
];
const own = { name: 'gw-a', owners: OWNERS };

describe('roll call of a group', () => {
  it('lets pass whom others fit', () => {
    requireFits(own, []);
    requireFits(own, [encodeIntroduction({ name: 'gw-b', owners: OWNERS }), '', '{}', 'something new']);
  });

  it.each([
    ['of the same name', { name: 'gw-a', owners: OWNERS }, /Another gateway named gw-a runs in this group/],
    [
      'with another order',
      { name: 'gw-b', owners: OWNERS.toReversed() },
      /gw-b of this group runs with another table of owners, "2:gw-b, 1:gw-a", not "1:gw-a, 2:gw-b"/,
    ],
    [
      'with a longer table',
      { name: 'gw-b', owners: [...OWNERS, { group: 3, gateway: 'gw-b' }] },
      /"1:gw-a, 2:gw-b, 3:gw-b"/,
    ],
  ])('refuses one that meets another %s', (_, other, message) => {
    expect(() => requireFits(own, [encodeIntroduction(other)])).toThrowError(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });
});
