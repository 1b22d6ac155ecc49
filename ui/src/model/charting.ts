/** What a chart draws besides candles: studies, levels of the day, signals at their bars. */

import type { Bar, Cell, Signal } from '../wire';
import { isRegular } from './bars';
import { newYorkOffset } from './clock';
import { bollinger, ema, vwap } from './studies';

/** A horizontal line at a price. */
export interface Level {
  readonly title: string;
  readonly price: number;
  /** A colour of the page, as in --amber. */
  readonly colour: string;
}

/** A line over the candles, a value a bar. */
export interface Study {
  readonly name: string;
  readonly colour: string;
  readonly line: readonly (number | null)[];
}

/** Something that happened at a bar. */
export interface Mark {
  /** Start of its bar (s, UTC). */
  readonly startS: number;
  readonly above: boolean;
  readonly colour: string;
  readonly text: string;
  /** Whether something was bought or sold there. */
  readonly fill?: boolean;
}

/** What can be switched on, with its title. */
export const OVERLAYS: Readonly<Record<string, string>> = {
  vwap: 'VWAP from the bars shown',
  ema9: 'EMA 9',
  ema20: 'EMA 20',
  bb: 'Bollinger bands 20, 2',
  or: 'Opening range',
  close: 'Previous close',
  pm: 'Pre-market high and low',
  day: "Yesterday's high and low",
  signals: 'Signals',
};
export const DEFAULT_OVERLAYS = ['vwap', 'ema9', 'close', 'pm', 'or', 'signals'];

/** Return the studies of `wanted` over `bars`. */
export function studiesOf(bars: readonly Bar[], wanted: ReadonlySet<string>): readonly Study[] {
  const studies: Study[] = [];
  if (wanted.has('vwap')) {
    const regular = bars.some(counts);
    // Before the bell there is no regular volume: the line is that since 04:00.
    const line = vwap(bars, regular ? counts : () => true);
    studies.push({ name: 'vwap', colour: '--amber', line });
  }
  if (wanted.has('ema9')) studies.push({ name: 'ema9', colour: '--accent', line: ema(bars, 9) });
  if (wanted.has('ema20')) studies.push({ name: 'ema20', colour: '--violet', line: ema(bars, 20) });
  if (wanted.has('bb')) {
    bollinger(bars, 20, 2).forEach((line, at) => {
      studies.push({ name: `bb${at}`, colour: '--dim', line });
    });
  }
  return studies;
}

function counts(bar: Bar): boolean {
  return isRegular(bar[0] + newYorkOffset(bar[0] * 1000) / 1000);
}

const LEVELS: readonly (readonly [string, string, string, string])[] = [
  ['close', 'prev_close', 'PC', '--dim'],
  ['pm', 'pm_high', 'PMH', '--cyan'],
  ['pm', 'pm_low', 'PML', '--cyan'],
  ['or', 'or5_high', 'ORH', '--violet'],
  ['or', 'or5_low', 'ORL', '--violet'],
  ['day', 'prev_high', 'PDH', '--soft'],
  ['day', 'prev_low', 'PDL', '--soft'],
];

/** Return the levels of `wanted` that the symbol's columns know. */
export function levelsOf(
  values: Readonly<Record<string, Cell>>,
  wanted: ReadonlySet<string>,
): readonly Level[] {
  return LEVELS.flatMap(([overlay, column, title, colour]) => {
    const price = values[column];
    return wanted.has(overlay) && typeof price === 'number' ? [{ title, price, colour }] : [];
  });
}

const SHOWN = new Set(['fired', 'confirmed', 'invalidated', 'retracted']);

/** Return the signals of `symbol` as marks at their bars, oldest first; a bar's share one. */
export function marksOf(
  signals: readonly Signal[],
  symbol: string,
  bars: readonly Bar[],
): readonly Mark[] {
  const byBar = new Map<number, { scans: string[]; down: boolean }>();
  for (const signal of signals) {
    if (signal.symbol !== symbol || !SHOWN.has(signal.state)) continue;
    const start = startAt(bars, signal.ts_ns / 1e9);
    if (start === null) continue;
    const told = byBar.get(start) ?? { scans: [], down: false };
    if (!told.scans.includes(signal.scan)) told.scans.push(signal.scan);
    told.down ||= signal.kind === 'exit' || signal.plan?.side === 'short';
    byBar.set(start, told);
  }
  return [...byBar]
    .sort(([a], [b]) => a - b)
    .map(([startS, { scans, down }]) => ({
      startS,
      above: down,
      colour: down ? '--down' : '--amber',
      text: scans.join(', '),
    }));
}

/** Return the start of the bar that holds `seconds`; null before the first. */
export function startAt(bars: readonly Bar[], seconds: number): number | null {
  let low = 0;
  let high = bars.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((bars[middle]?.[0] ?? 0) <= seconds) low = middle + 1;
    else high = middle;
  }
  return bars[low - 1]?.[0] ?? null;
}
