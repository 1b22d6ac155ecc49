/** What is drawn over the candles, reckoned from the bars that are shown. */

import type { Bar } from '../wire';

export const SPANS: Readonly<Record<string, number>> = {
  '1m': 60,
  '2m': 120,
  '3m': 180,
  '5m': 300,
  '10m': 600,
  '15m': 900,
  '30m': 1800,
  '1h': 3600,
  '4h': 14_400,
  '1d': 86_400,
};

/** A value a bar; null where it is not known. */
export type Line = readonly (number | null)[];

/**
 * Return `bars` (oldest first) joined into bars of `spanS`, aligned to New York's midnight.
 *
 * `offsetS` is New York's offset from UTC in s at a bar's start.
 */
export function widen(
  bars: readonly Bar[],
  spanS: number,
  offsetS: (startS: number) => number,
): readonly Bar[] {
  if (spanS <= 60) return bars;
  const wide: Bar[] = [];
  for (const bar of bars) {
    const local = bar[0] + offsetS(bar[0]);
    const start = bar[0] - (local % spanS);
    const last = wide.at(-1);
    if (last?.[0] === start) wide[wide.length - 1] = joined(last, bar);
    else wide.push([start, bar[1], bar[2], bar[3], bar[4], bar[5]]);
  }
  return wide;
}

function joined(a: Bar, b: Bar): Bar {
  return [a[0], a[1], Math.max(a[2], b[2]), Math.min(a[3], b[3]), b[4], a[5] + b[5]];
}

/** Return the exponential mean of closes; the first `length` closes seed it with their mean. */
export function ema(bars: readonly Bar[], length: number): Line {
  const weight = 2 / (length + 1);
  let mean = 0;
  return bars.map((bar, at) => {
    if (at < length) mean += bar[4] / length;
    else mean += (bar[4] - mean) * weight;
    return at >= length - 1 ? mean : null;
  });
}

/** Return upper, middle and lower Bollinger bands of closes (population deviation). */
export function bollinger(bars: readonly Bar[], length: number, width: number): readonly Line[] {
  const lines: (number | null)[][] = [[], [], []];
  bars.forEach((_, at) => {
    const known = at >= length - 1;
    const closes = known ? bars.slice(at - length + 1, at + 1).map((bar) => bar[4]) : [];
    const mean = closes.reduce((sum, close) => sum + close, 0) / length;
    const deviation = Math.sqrt(closes.reduce((sum, c) => sum + (c - mean) ** 2, 0) / length);
    [width, 0, -width].forEach((by, line) => lines[line]?.push(known ? mean + by * deviation : null));
  });
  return lines;
}

/** Return the VWAP of typical prices from the first bar for which `counts` says so. */
export function vwap(bars: readonly Bar[], counts: (bar: Bar) => boolean): Line {
  let money = 0;
  let shares = 0;
  return bars.map((bar) => {
    if (!counts(bar)) return null;
    money += ((bar[2] + bar[3] + bar[4]) / 3) * bar[5];
    shares += bar[5];
    return shares > 0 ? money / shares : null;
  });
}
