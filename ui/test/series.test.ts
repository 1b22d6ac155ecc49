import { describe, expect, it } from 'vitest';

import { extendedRuns, isRegular, mergeBars } from '../src/model/bars';
import { MarketClock, newYorkOffset, timeOfDay, untilBell } from '../src/model/clock';
import { addSignals, TAPE_ROWS } from '../src/model/tape';
import type { Bar, Signal } from '../src/wire';

const bar = (start: number, close: number): Bar => [start, 1, 2, 0.5, close, 100];
const HOUR = 3_600_000;
const winter = Date.UTC(2026, 10, 20, 14, 28, 3, 482);
const summer = Date.UTC(2026, 6, 20, 13, 28);

describe('bars', () => {
  it('replace the forming bar, append the next, and mend an older one', () => {
    const bars = [bar(60, 1), bar(120, 2)];
    const merged = mergeBars(bars, [bar(180, 4), bar(120, 3)]);
    expect(merged.map((each) => [each[0], each[4]])).toEqual([[60, 1], [120, 3], [180, 4]]);
    expect(merged[0]).toBe(bars[0]);
    expect(mergeBars(bars, [])).toBe(bars);
    expect(mergeBars(merged, [bar(90, 9)]).map((each) => each[0])).toEqual([60, 90, 120, 180]);
  });

  it('come out in order, once each, and whole, whatever was sent', () => {
    const broken = [120, 1, 2, Number.NaN, 1, 5] as const;
    const sent = [bar(180, 3), bar(60, 1), bar(60, 2), broken];
    expect(mergeBars([], sent).map((each) => [each[0], each[4]])).toEqual([[60, 2], [180, 3]]);
  });

  it('know the regular hours and find the runs outside of them', () => {
    const at = (hour: number, minute: number) => hour * 3600 + minute * 60;
    expect([at(9, 29), at(9, 30), at(15, 59), at(16, 0)].map(isRegular)).toEqual([
      false,
      true,
      true,
      false,
    ]);
    const times = [at(9, 28), at(9, 29), at(9, 30), at(15, 59), at(16, 0)];
    expect(extendedRuns(times)).toEqual([
      [at(9, 28), at(9, 29)],
      [at(16, 0), at(16, 0)],
    ]);
  });
});

describe('market time', () => {
  it('is New York time, in winter and in summer', () => {
    expect(newYorkOffset(winter)).toBe(-5 * HOUR);
    expect(newYorkOffset(summer)).toBe(-4 * HOUR);
    expect(timeOfDay(winter, true)).toBe('09:28:03.482');
    expect(timeOfDay(summer)).toBe('09:28:00');
  });

  it('changes its offset at the very hour of the change', () => {
    expect(timeOfDay(Date.UTC(2026, 10, 1, 5, 59, 59))).toBe('01:59:59');
    expect(timeOfDay(Date.UTC(2026, 10, 1, 6, 0, 0))).toBe('01:00:00');
    expect(timeOfDay(Date.UTC(2026, 2, 8, 7, 0, 0))).toBe('03:00:00');
  });

  it('counts down to the bell in the pre-market only', () => {
    expect(untilBell(winter)).toBe('1:57');
    expect(untilBell(winter + 3 * 60_000)).toBeNull();
    expect(untilBell(winter - 6 * HOUR)).toBeNull();
  });

  it('runs between messages, at the market rate, and stops soon after the last', () => {
    const clock = new MarketClock();
    expect(clock.read(0)).toBeNull();
    clock.sync(1_000_000, 500);
    expect(clock.read(600)).toBe(1_000_100);
    expect(clock.read(90_000)).toBe(1_001_500);
    clock.rate = 10;
    clock.sync(1_010_000, 1_500);
    expect(clock.read(1_600)).toBe(1_011_000);
  });

  it('is not pulled back by a late message, but follows a new timeline', () => {
    const clock = new MarketClock();
    clock.sync(1_000_000, 0);
    clock.sync(1_000_100, 400);
    expect(clock.read(400)).toBeGreaterThan(1_000_390);
    clock.sync(500_000, 500);
    expect(clock.read(500)).toBe(500_000);
  });
});

describe('the tape', () => {
  const signal = (id: string, ts_ns: number, state = 'fired'): Signal => ({
    ...{ id, ts_ns, state },
    ...{ scan: 's', symbol: 'A', text: '' },
  });

  it('puts the newest first and counts a repeated record once', () => {
    const tape = addSignals([signal('a', 1)], [signal('b', 2), signal('a', 1)]);
    expect(tape.map(({ id }) => id)).toEqual(['b', 'a']);
    expect(addSignals([], [signal('a', 1), signal('a', 1)])).toHaveLength(1);
    expect(addSignals(tape, [signal('a', 3, 'expired')]).map(({ state }) => state)).toEqual([
      'expired',
      'fired',
      'fired',
    ]);
  });

  it('is bounded', () => {
    const many = Array.from({ length: TAPE_ROWS + 50 }, (_, at) => signal(`n${at}`, at));
    const tape = addSignals([], many);
    expect(tape).toHaveLength(TAPE_ROWS);
    expect(tape[0]?.ts_ns).toBe(TAPE_ROWS + 49);
  });
});
