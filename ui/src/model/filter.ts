/** The filter under a column's header: >3, <=10, 1..20, =5, !x, or a part of the text. */

import type { Cell } from '../wire';

export type Test = (value: Cell) => boolean;

const NUMBER = String.raw`-?\d[\d_,]*(?:\.\d+)?[kmbKMB]?`;
const COMPARED = new RegExp(`^(>=|<=|>|<|=)\\s*(${NUMBER})$`);
const RANGE = new RegExp(`^(${NUMBER})\\s*\\.\\.\\s*(${NUMBER})$`);
const SCALES: Readonly<Record<string, number>> = { k: 1e3, m: 1e6, b: 1e9 };

/** Return the test that `text` stands for; null where it says nothing. */
export function filterOf(text: string): Test | null {
  const wanted = text.trim();
  if (wanted === '') return null;
  const compared = COMPARED.exec(wanted);
  if (compared !== null) return comparison(compared[1] ?? '', amount(compared[2] ?? ''));
  const range = RANGE.exec(wanted);
  if (range !== null) return between(amount(range[1] ?? ''), amount(range[2] ?? ''));
  if (wanted.startsWith('!')) {
    const rest = filterOf(wanted.slice(1));
    return rest === null ? null : (value) => value !== null && !rest(value);
  }
  const part = wanted.toLowerCase();
  return (value) => value !== null && String(value).toLowerCase().includes(part);
}

/** Return the number in 5, 1_000, 2.5m. */
export function amount(text: string): number {
  const scale = SCALES[text.slice(-1).toLowerCase()];
  const digits = scale === undefined ? text : text.slice(0, -1);
  return Number(digits.replaceAll(/[_,]/g, '')) * (scale ?? 1);
}

function comparison(op: string, bound: number): Test {
  return (value) => {
    if (typeof value !== 'number') return false;
    if (op === '>') return value > bound;
    if (op === '>=') return value >= bound;
    if (op === '<') return value < bound;
    return op === '<=' ? value <= bound : value === bound;
  };
}

function between(least: number, most: number): Test {
  return (value) => typeof value === 'number' && value >= least && value <= most;
}
