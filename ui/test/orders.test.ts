import { expect, test } from 'vitest';

import { asked, badgeOf, fillMarks, share, type Fill, type LimitUse, type Order } from '../src/model/orders';
import type { Bar } from '../src/wire';

const KILL = { on: false, reason: '', by: '', ts_ns: 0, flatten: false };

test.each([
  [undefined, 'DRY-RUN', 'dry'],
  [{ state: 'off', mode: 'off', reason: '', kill: KILL }, 'DRY-RUN', 'dry'],
  [{ state: 'ready', mode: 'live', reason: '', kill: KILL }, 'LIVE', 'live'],
  [{ state: 'halted', mode: 'paper', reason: 'no beat', kill: KILL }, 'PAPER halted', 'dry'],
])('the badge of %o', (trader, text, tone) => {
  expect(badgeOf(trader)).toMatchObject({ text, tone });
});

test('the use of a limit is a share, or unknown', () => {
  const limit: LimitUse = { name: 'x', unit: '$', most: '40', used: '10', where: '', reached: false };
  expect(share(limit)).toBe(0.25);
  expect(share({ ...limit, used: '80' })).toBe(1);
  expect(share({ ...limit, used: null })).toBeNull();
  expect(share({ ...limit, most: 'false', used: '1' })).toBeNull();
});

test('an order is told in words', () => {
  const order = { side: 'buy', quantity: '5', kind: 'stop_limit', stop: '9.1', limit: '9.2' } as Order;
  expect(asked(order)).toBe('buy 5 stop-limit 9.1 / 9.2');
  expect(asked({ ...order, kind: 'market', stop: null, limit: null })).toBe('buy 5 market');
});

test('fills stand at their bars, and before the first nowhere', () => {
  const bars: Bar[] = [60, 120].map((start) => [start, 1, 1, 1, 1, 1]);
  const fill = (side: string, s: number): Fill => ({
    ts_ns: s * 1e9, symbol: 'A', side, quantity: '1', price: '2', fee: '0', order: 'o', purpose: 'entry', strategy: '',
  });
  const marks = fillMarks([fill('sell', 150), fill('buy', 61), fill('buy', 5)], bars);
  expect(marks.map((mark) => [mark.startS, mark.above, mark.text])).toEqual([
    [60, false, 'bought 1 at 2'],
    [120, true, 'sold 1 at 2'],
  ]);
});
