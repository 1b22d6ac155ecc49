import { describe, expect, it } from 'vitest';

import { isUnread, wasKnown } from '../src/model/moment';

describe('what the page shows of the past', () => {
  it.each([
    ['the present in the present', null, null, false],
    ['the present in the past', null, 5_000, true],
    ['another past second', 9_000, 5_000, false],
    ['the past that stands until the present has come', 5_000, null, false],
  ])('waits with %s', (_, moment, at, unread) => expect(isUnread(moment, at)).toBe(unread));

  it.each([
    ['the present', null, null, true],
    ['the present in the past', null, 5_000, false],
    ['a later second', 5_001, 5_000, false],
    ['the second itself', 5_000, 5_000, true],
    ['an earlier second', 4_000, 5_000, true],
    ['the past that stands until the present has come', 5_000, null, true],
  ])('draws levels: %s', (_, moment, at, known) => expect(wasKnown(moment, at)).toBe(known));
});
