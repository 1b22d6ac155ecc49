import { expect, test } from 'vitest';

import { linesOf } from '../src/model/prints';
import type { Print } from '../src/wire';

function print(n: number, price: number, size = 100, moves = true): Print {
  return { n, ts_ns: n, price, size, moves, conditions: [] };
}

test('a print has the direction of the last change before it, and odd ones none', () => {
  const prints = [print(5, 10.2), print(4, 10.2), print(3, 9, 5, false), print(2, 10.1), print(1, 10)];
  expect(linesOf(prints, 0).map((line) => line.tick)).toEqual([1, 1, 0, 1, 0]);
  expect(linesOf(prints, 100).map((line) => line.print.n)).toEqual([5, 4, 2, 1]);
});
