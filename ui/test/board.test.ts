import { describe, expect, it } from 'vitest';

import { Board, GHOST_MS, MOVE_MS, Ranking } from '../src/model/board';
import type { BoardMessage } from '../src/wire';

const head = { topic: 'board:x', epoch: 1, seq: 1, mark: 1, ts_ns: 0 };
const columns = [
  { name: 'last', unit: '$', doc: 'the last print' },
  { name: 'vol', unit: 'shares', doc: '' },
];

function snapshot(order: string[]): BoardMessage {
  const rows = Object.fromEntries(order.map((symbol, at) => [symbol, [at + 1, 100]]));
  const body = { name: 'x', title: 'X', board_kind: 'list', columns, order, rows };
  return { ...head, kind: 'snapshot', ...body };
}

function loaded(...order: string[]): Board {
  const board = new Board();
  board.apply(snapshot(order));
  return board;
}

const reorder = (board: Board, order: string[], rows = {}) =>
  board.apply({ ...head, kind: 'diff', order, rows });
const symbols = (ranking: Ranking) => ranking.entries.map((entry) => entry.symbol);

describe('a board', () => {
  it('takes a snapshot whole', () => {
    const board = loaded('A', 'B');
    expect(board.order).toEqual(['A', 'B']);
    expect(board.rows.get('B')).toEqual([2, 100]);
    expect(board.fields.map((field) => field.kind)).toEqual(['price', 'count']);
    board.apply(snapshot(['C']));
    expect([...board.rows.keys()]).toEqual(['C']);
  });

  it('writes cells into new rows, so that identity tells what changed', () => {
    const board = loaded('A', 'B');
    const [a, b] = [board.rows.get('A'), board.rows.get('B')];
    board.apply({ ...head, kind: 'diff', cells: [['A', 0, 9], ['A', 1, 7]] });
    expect(board.rows.get('A')).toEqual([9, 7]);
    expect(a).toEqual([1, 100]);
    expect(board.rows.get('B')).toBe(b);
  });

  it('drops rows that are not in the order, adds new ones, ignores unknown cells', () => {
    const board = loaded('A', 'B');
    board.apply({
      ...head,
      kind: 'diff',
      order: ['C', 'A'],
      rows: { C: [5, 6] },
      cells: [['C', 1, 8], ['Z', 0, 1]],
    });
    expect([...board.rows]).toEqual([['A', [1, 100]], ['C', [5, 8]]]);
  });

  it('holds a symbol named like an object property', () => {
    const board = new Board();
    const rows = JSON.parse('{"__proto__":[1,2],"constructor":[3,4]}') as Record<string, number[]>;
    const message = snapshot([]) as BoardMessage & { kind: 'snapshot' };
    board.apply({ ...message, order: ['__proto__', 'constructor'], rows });
    expect(board.rows.get('__proto__')).toEqual([1, 2]);
    expect(board.rows.get('constructor')).toEqual([3, 4]);
  });
});

describe('the shown order', () => {
  it('keeps no row under other columns, not as a ghost and not in a frozen order', () => {
    const board = loaded('A', 'B');
    const ranking = new Ranking();
    ranking.advance(board, 0, true);
    const turned = snapshot(['B']) as BoardMessage & { kind: 'snapshot' };
    board.apply({ ...turned, columns: columns.toReversed() });
    expect(ranking.advance(board, 10, true)).toBe(true);
    expect(symbols(ranking)).toEqual(['B']);
  });

  it('keeps no row of another time', () => {
    const board = loaded('A', 'B');
    const ranking = new Ranking();
    ranking.advance(board, 0, true);
    const seen = (order: string[], moment?: number): string[] => {
      const told = snapshot(order) as BoardMessage & { kind: 'snapshot' };
      board.apply(moment === undefined ? told : { ...told, moment });
      ranking.advance(board, 10, true);
      return symbols(ranking);
    };
    expect(seen(['C'], 60_000)).toEqual(['C']);
    expect(seen(['D'], 61_000)).toEqual(['C']);
    expect(seen(['D'], 59_000)).toEqual(['D']);
    expect(seen(['E'], 70_000)).toEqual(['E']);
    expect(seen(['F'])).toEqual(['F']);
    board.clear();
    ranking.advance(board, 20, true);
    expect(symbols(ranking)).toEqual([]);
  });

  it('numbers the rows and keeps unchanged entries', () => {
    const board = loaded('A', 'B', 'C');
    const ranking = new Ranking();
    expect(ranking.advance(board, 0, false)).toBe(true);
    expect(ranking.entries.map((entry) => entry.rank)).toEqual([1, 2, 3]);
    const first = ranking.entries[0];
    expect(ranking.advance(board, 10, false)).toBe(false);
    board.apply({ ...head, kind: 'diff', cells: [['B', 0, 9]] });
    expect(ranking.advance(board, 20, false)).toBe(true);
    expect(ranking.entries[0]).toBe(first);
    expect(ranking.entries[1]?.cells).toEqual([9, 100]);
  });

  it('shows by an arrow who rose and who fell, for four seconds', () => {
    const board = loaded('A', 'B', 'C');
    const ranking = new Ranking();
    ranking.advance(board, 0, false);
    reorder(board, ['C', 'A', 'B']);
    ranking.advance(board, 100, false);
    expect(ranking.entries.map((entry) => entry.moved)).toEqual([2, -1, -1]);
    ranking.advance(board, 100 + MOVE_MS - 1, false);
    expect(ranking.entries[0]?.moved).toBe(2);
    ranking.advance(board, 100 + MOVE_MS, false);
    expect(ranking.entries.map((entry) => entry.moved)).toEqual([0, 0, 0]);
  });

  it('leaves a ghost in its place for three seconds', () => {
    const board = loaded('A', 'B', 'C');
    const ranking = new Ranking();
    ranking.advance(board, 0, false);
    reorder(board, ['A', 'C']);
    ranking.advance(board, 100, false);
    expect(symbols(ranking)).toEqual(['A', 'B', 'C']);
    const ghost = ranking.entries[1];
    expect([ghost?.ghost, ghost?.rank, ghost?.cells]).toEqual([true, 0, [2, 100]]);
    expect(ranking.entries.map((entry) => entry.rank)).toEqual([1, 0, 2]);
    ranking.advance(board, 100 + GHOST_MS - 1, false);
    expect(symbols(ranking)).toEqual(['A', 'B', 'C']);
    ranking.advance(board, 100 + GHOST_MS, false);
    expect(symbols(ranking)).toEqual(['A', 'C']);
  });

  it('brings a ghost back to life when its symbol returns', () => {
    const board = loaded('A', 'B');
    const ranking = new Ranking();
    ranking.advance(board, 0, false);
    reorder(board, ['A']);
    ranking.advance(board, 100, false);
    reorder(board, ['B', 'A'], { B: [7, 7] });
    ranking.advance(board, 200, false);
    expect(ranking.entries.map((entry) => [entry.symbol, entry.ghost])).toEqual([
      ['B', false],
      ['A', false],
    ]);
  });

  it('stands still while frozen, and values go on', () => {
    const board = loaded('A', 'B', 'C');
    const ranking = new Ranking();
    ranking.advance(board, 0, false);
    reorder(board, ['C', 'D', 'A'], { D: [4, 4] });
    board.apply({ ...head, kind: 'diff', cells: [['A', 0, 55]] });
    ranking.advance(board, 100, true);
    expect(symbols(ranking)).toEqual(['A', 'B', 'C']);
    expect(ranking.entries[0]?.cells).toEqual([55, 100]);
    expect(ranking.entries.map((entry) => entry.rank)).toEqual([3, 0, 1]);
    expect(ranking.waiting).toBe(1);
    ranking.advance(board, 9_000, true);
    expect(symbols(ranking)).toEqual(['A', 'B', 'C']);
    ranking.advance(board, 9_100, false);
    expect(symbols(ranking)).toEqual(['C', 'D', 'A']);
    expect(ranking.waiting).toBe(0);
  });

  it('fills an empty board even while frozen', () => {
    const board = loaded();
    const ranking = new Ranking();
    ranking.advance(board, 0, true);
    reorder(board, ['A'], { A: [1, 1] });
    ranking.advance(board, 10, true);
    expect(symbols(ranking)).toEqual(['A']);
  });
});
