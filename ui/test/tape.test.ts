import { describe, expect, it } from 'vitest';

import { addSignals, leafLines, LINE_VALUES, planText, REASON_ROWS, sentence, TAPE_ROWS } from '../src/model/tape';
import type { Signal } from '../src/wire';

function signal(id: string, ts: number, state = 'fired'): Signal {
  return { id, scan: 's', symbol: 'AAA', state, ts_ns: ts, text: '' };
}

describe('the event tape', () => {
  it('puts the newest first, once, and is bounded', () => {
    let tape = addSignals([], [signal('a', 1), signal('b', 3)]);
    tape = addSignals(tape, [signal('b', 3), signal('c', 2)]);
    expect(tape.map((each) => each.id)).toEqual(['b', 'c', 'a']);
    const many = Array.from({ length: TAPE_ROWS + 50 }, (_, k) => signal(`n${k}`, k));
    expect(addSignals(tape, many)).toHaveLength(TAPE_ROWS);
  });

  it('keeps the reasons of the newest, and the line of the others', () => {
    const why = [{ name: 'last', value: 1, op: '>', bound: 0, true: true }];
    const values = Object.fromEntries(Array.from({ length: 20 }, (_, k) => [`column${k}`, k]));
    const many = Array.from({ length: REASON_ROWS + 20 }, (_, k) => ({ ...signal(`n${k}`, k), why, values }));
    const tape = addSignals([], many);
    expect(tape.filter((each) => each.why !== undefined)).toHaveLength(REASON_ROWS);
    expect(tape[REASON_ROWS - 1]).toMatchObject({ why, values });
    expect(Object.keys(tape[REASON_ROWS]?.values ?? {})).toHaveLength(LINE_VALUES);
  });

  it('leaves out what is only armed', () => {
    expect(addSignals([], [signal('a', 1, 'armed')])).toEqual([]);
    expect(addSignals([], [signal('a', 1, 'armed'), signal('a', 2)])).toHaveLength(1);
  });
});

describe('the reasons of a signal', () => {
  it('shows each leaf with its value, its bound and whether it holds', () => {
    const leaves = [
      { name: 'rvol_tod', value: 3.4, op: '>=', bound: 3, true: true },
      { name: 'float_shares', value: null, op: '<=', bound: 50_000_000, true: null },
      { name: 'halted', value: true, op: 'is', bound: false, true: false, within: ['gate', 'or1'] },
    ];
    const lines = leafLines(leaves);
    expect(lines.map((line) => `${line.mark} ${line.name} ${line.value} ${line.test}`)).toEqual([
      '✓ rvol_tod 3.4 ≥ 3',
      '? float_shares – ≤ 50,000,000',
      '✗ halted yes is no',
    ]);
    expect(lines[2]).toMatchObject({ depth: 1, group: 'gate, or 1', alternative: true });
  });

  it('says a plan in words', () => {
    const plan = { side: 'long', entry: 10.26, limit: 10.3, stop: 10.02, targets: [10.5, 10.74] };
    expect(planText(plan)).toBe('long 10.26, stop 10.02 (−2.34%), targets 10.50, 10.74');
    expect(planText({ ...plan, targets: [], signal_only: true })).toBe(
      'long 10.26, stop 10.02 (−2.34%), for people alone',
    );
  });
});

it('an alert names its symbol once', () => {
  expect(sentence({ symbol: 'NVDA', text: 'NVDA is at or above 1' })).toBe('NVDA is at or above 1');
  expect(sentence({ symbol: 'NVDA', text: 'new high' })).toBe('NVDA new high');
  expect(sentence({ symbol: '', text: 'this is a test' })).toBe('this is a test');
});
