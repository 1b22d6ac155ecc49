import { describe, expect, it } from 'vitest';

import { marked } from '../src/model/columns';
import { placeOf, stepsOf } from '../src/model/portfolio';
import { waitingNow, type Held } from '../src/model/orders';
import { ArmedSource, BoardSource, PrintsSource, SymbolSource } from '../src/state/sources.svelte';
import type { Envelope, Print } from '../src/wire';

function prints(epoch: string, kind: 'snapshot' | 'diff', ...numbers: number[]): Envelope {
  const told = numbers.map((n) => ({ n, ts_ns: n, price: 1, size: 1, moves: true, conditions: [] }));
  return { topic: 'prints:A', epoch, seq: 1, mark: 1, ts_ns: 1, kind, prints: told } as Envelope;
}

function numbers(source: PrintsSource): number[] {
  return source.prints.map((each: Print) => each.n);
}

describe('time and sales', () => {
  it('goes on from what a new snapshot brings', () => {
    const source = new PrintsSource();
    source.apply(prints('a', 'snapshot', 9, 7, 5));
    source.apply(prints('a', 'diff', 12, 10));
    source.apply(prints('a', 'snapshot', 14, 12, 10));
    expect(numbers(source)).toEqual([14, 12, 10, 9, 7, 5]);
    expect([...source.holes]).toEqual([]);
  });

  it('says where some are missing', () => {
    const source = new PrintsSource();
    source.apply(prints('a', 'snapshot', 9, 7));
    source.apply(prints('a', 'snapshot', 30, 28));
    expect(numbers(source)).toEqual([30, 28, 9, 7]);
    expect([...source.holes]).toEqual([28]);
  });

  it.each(['b', 'a'])('begins anew with another run of the scanner (%s)', (epoch) => {
    const source = new PrintsSource();
    source.apply(prints('a', 'snapshot', 9_000, 8_000));
    source.apply(prints(epoch, 'snapshot', 3, 1));
    expect(numbers(source)).toEqual([3, 1]);
    source.apply(prints(epoch, 'diff', 4));
    expect(numbers(source)).toEqual([4, 3, 1]);
  });
});

function snapshot(moment?: number): Envelope {
  const body = { name: 'b', title: 'B', board_kind: 'list', columns: [], order: ['A'], rows: { A: [1] }, values: { last: 1 } };
  return { topic: 'board:b', epoch: 1, seq: 1, mark: 1, ts_ns: 1, kind: 'snapshot', ...body, ...(moment === undefined ? {} : { moment }) } as Envelope;
}

describe.each([['a board', () => new BoardSource()], ['a symbol', () => new SymbolSource()]] as const)('%s', (_, make) => {
  it('knows of which time it is', () => {
    const source = make();
    source.apply(snapshot(5_000));
    expect(source.moment).toBe(5_000);
    source.apply(snapshot());
    expect(source.moment).toBeNull();
    source.refuse({ detail: 'Nothing.' }, 6_000);
    expect(source.moment).toBe(6_000);
  });

  it('shows nothing where it was refused', () => {
    const source = make();
    source.apply(snapshot());
    source.refuse({ detail: 'There is no board b.' });
    if (source instanceof BoardSource) expect([source.board.order, source.fault]).toEqual([[], 'There is no board b.']);
    else expect([source.values, source.absent]).toEqual([{}, 'There is no board b.']);
  });
});

it('every question asks whether its values are old', () => {
  expect(marked('symbol, last')).toBe('symbol, last, stale, provisional');
  expect(marked('symbol, stale, last')).toBe('symbol, stale, last, provisional');
  expect(marked('symbol, STALE, provisional')).toBe('symbol, STALE, provisional');
  expect(marked('*')).toBe('*');
});

describe('orders that wait', () => {
  const held = (id: string, made_ns: number): Held => ({ id, made_ns }) as Held;
  const ids = (list: ReturnType<typeof waitingNow>): string[] => list.map(({ order, gone }) => (gone ? `${order.id} gone` : order.id));

  it('are listed the oldest first', () => {
    expect(ids(waitingNow([], [held('c', 3), held('a', 1), held('b', 2)], false))).toEqual(['a', 'b', 'c']);
  });

  it('keep their place under the pointer, also where they wait no more', () => {
    const shown = waitingNow([], [held('b', 2), held('a', 1)], false);
    const over = waitingNow(shown, [held('c', 0), held('b', 2)], true);
    expect(ids(over)).toEqual(['a gone', 'b', 'c']);
    expect(ids(waitingNow(over, [held('c', 0), held('b', 2)], false))).toEqual(['c', 'b']);
  });
});

it('who is armed is a list that ends where the gateway says so', () => {
  const source = new ArmedSource();
  const say = (kind: string, body: object): void =>
    source.apply({ topic: 'armed', epoch: 1, seq: 1, mark: 1, ts_ns: 1, kind, ...body } as Envelope);
  say('snapshot', { armed: [{ scan: 's', symbol: 'A', since_ns: 1 }, { scan: 't', symbol: 'A', since_ns: 2 }], total: 2 });
  say('diff', { armed: [{ scan: 's', symbol: 'B', since_ns: 3 }], gone: [['t', 'A']], total: 900 });
  expect(source.armed.map(({ scan, symbol }) => `${scan} ${symbol}`)).toEqual(['s B', 's A']);
  expect(source.total).toBe(900);
  say('snapshot', { armed: [], total: 0 });
  expect([source.armed, source.total]).toEqual([[], 0]);
});

it('a picture of profits has a tail, losses and gains', () => {
  const picture = { low: -30, high: 30, counts: [1, 2, 4, 2, 1, 0], mean: 0, deviation: 1, loss_share: 0.7 };
  const steps = stepsOf(picture, 20);
  expect(steps.map(({ tone }) => tone)).toEqual(['tail', 'loss', 'loss', 'gain', 'gain', 'gain']);
  expect(steps.map(({ height }) => height)).toEqual([0.25, 0.5, 1, 0.5, 0.25, 0]);
  expect(steps[0]).toMatchObject({ left: 0, at: -25, share: 0.1 });
  expect([placeOf(picture, -20), placeOf(picture, 0), placeOf(picture, 31)]).toEqual([1 / 6, 0.5, null]);
});

it('a board that is gone says so, until it is back', () => {
  const source = new BoardSource();
  source.apply(snapshot());
  source.apply({ ...snapshot(), gone: true, order: [], rows: {} } as Envelope);
  expect([source.board.order, source.fault !== '']).toEqual([[], true]);
  source.apply(snapshot());
  expect([source.board.order, source.fault]).toEqual([['A'], '']);
});
