/** Numbers as a trader reads them: fixed decimals by kind, so that a column never moves. */

import type { Cell } from '../wire';

export type Kind =
  | 'text'
  | 'flag'
  | 'price'
  | 'money'
  | 'signed'
  | 'percent'
  | 'ratio'
  | 'count'
  | 'integer'
  | 'rate'
  | 'seconds'
  | 'milliseconds'
  | 'time';

/** What stands for a value that is not known. */
export const UNKNOWN = '–';
const MINUS = '\u2212';

/** Return `value` with `decimals` decimals and a true minus sign. */
export function fixed(value: number, decimals: number): string {
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) !== 0 ? MINUS + text : text;
}

/** Return `value` with an explicit sign; zero has none. */
export function signed(value: number, decimals: number): string {
  const text = fixed(value, decimals);
  return value > 0 && Number(text) !== 0 ? `+${text}` : text;
}

/** Return a price: four decimals below one dollar, none from 100,000 on, otherwise two. */
export function price(value: number): string {
  const size = Math.abs(value);
  return fixed(value, size < 1 ? 4 : size < 100_000 ? 2 : 0);
}

/** Return the decimals, at most two, with which `value` keeps to a column of six digits. */
function decimals(value: number): number {
  const size = Math.abs(value);
  return size < 999.995 ? 2 : size < 9_999.95 ? 1 : 0;
}

const SCALES: readonly (readonly [number, string])[] = [
  [1e12, 'T'],
  [1e9, 'B'],
  [1e6, 'M'],
  [1e3, 'K'],
];

/** Return a volume or an amount as 1.23M; below a thousand the whole number. */
export function compact(value: number): string {
  const size = Math.abs(value);
  for (const [scale, letter] of SCALES) {
    // 999,999 is 1.00M, not 1000.00K.
    if (size >= scale * 0.999995) return fixed(value / scale, 2) + letter;
  }
  return fixed(value, 0);
}

/** Return a length of time: 4.2s, 3m07s, 2h05m. */
export function span(seconds: number): string {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${fixed(Math.floor(seconds * 10) / 10, 1)}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor(whole / 60) % 60)}m`;
}

/** Return the age of news in minutes as a trader reads it: 45 min, 13 h 51 min, 3 d. */
export function age(minutes: number): string {
  const whole = Math.round(minutes);
  if (whole <= 120) return `${whole} min`;
  if (whole <= 48 * 60) return `${Math.floor(whole / 60)} h ${whole % 60} min`;
  return `${Math.floor(whole / (24 * 60))} d`;
}

function two(value: number): string {
  return value.toString().padStart(2, '0');
}

/** Return `value` as text of `kind`; `clock` turns nanoseconds into a time of day. */
export function format(value: Cell | undefined, kind: Kind, clock: (ns: number) => string): string {
  if (value === null || value === undefined || value === '') return UNKNOWN;
  if (typeof value === 'boolean') return value ? 'yes' : '·';
  if (typeof value === 'string') return value;
  if (!Number.isFinite(value)) return UNKNOWN;
  return kind === 'time' ? clock(value) : NUMBERS[kind](value);
}

const NUMBERS: Readonly<Record<Exclude<Kind, 'time'>, (value: number) => string>> = {
  text: (value) => String(value),
  flag: (value) => (value === 0 ? '·' : 'yes'),
  price,
  money: compact,
  signed: (value) => signed(value, decimals(value)),
  percent: (value) => fixed(value, decimals(value)),
  ratio: (value) => fixed(value, decimals(value)),
  count: compact,
  integer: (value) => fixed(value, 0),
  rate: (value) => fixed(value, 1),
  seconds: span,
  milliseconds: (value) => fixed(value, 0),
};
