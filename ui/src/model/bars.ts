/** Minute bars of one symbol, kept in order; a re-sent bar replaces the one it repeats. */

import type { Bar } from '../wire';

/**
 * Return `bars` with `changed` merged by start time; both hold starts in seconds UTC.
 *
 * The chart needs one bar a start, in order, and whole: a bar with an unknown price is left out.
 */
export function mergeBars(bars: readonly Bar[], changed: readonly Bar[]): readonly Bar[] {
  if (changed.length === 0) return bars;
  const byStart = new Map(bars.map((bar) => [bar[0], bar]));
  for (const bar of changed) if (bar.every(Number.isFinite)) byStart.set(bar[0], bar);
  return [...byStart.values()].sort((a, b) => a[0] - b[0]);
}

const MINUTE_S = 60;
const OPEN_MINUTE = 9 * 60 + 30;
const CLOSE_MINUTE = 16 * 60;

/** Return whether a bar that starts at `localS` (s, New York wall time) is of regular hours. */
export function isRegular(localS: number): boolean {
  const minute = Math.floor(localS / MINUTE_S) % (24 * 60);
  return minute >= OPEN_MINUTE && minute < CLOSE_MINUTE;
}

/** Return the first and last time of each run of bars outside of regular hours. */
export function extendedRuns(times: readonly number[]): readonly (readonly [number, number])[] {
  const runs: [number, number][] = [];
  let open = false;
  for (const time of times) {
    const run = runs.at(-1);
    if (isRegular(time)) open = false;
    else if (open && run !== undefined) run[1] = time;
    else {
      runs.push([time, time]);
      open = true;
    }
  }
  return runs;
}
