import { describe, expect, it } from 'vitest';

import { levelsOf, marksOf, studiesOf } from '../src/model/charting';
import { localTime, timeOfDay } from '../src/model/clock';
import { address } from '../src/model/deeplink';
import { amount, filterOf } from '../src/model/filter';
import { haltWords, sorted, type HaltRow } from '../src/model/halts';
import { feedThemes, systemThemes } from '../src/model/health';
import { closeness, found } from '../src/model/palette';
import { medianText, rateText } from '../src/model/record';
import { bollinger, ema, vwap, widen } from '../src/model/studies';
import { pitches } from '../src/model/sounds';
import type { Bar, Cell, Signal } from '../src/wire';

describe('a filter', () => {
  it.each<[string, Cell, boolean]>([
    ['>3', 3.1, true],
    ['>3', 3, false],
    ['>= 1_000', 1000, true],
    ['<=2.5m', 2_500_000, true],
    ['=5', 5, true],
    ['1..20', 20, true],
    ['1..20', 20.1, false],
    ['-5..-1', -3, true],
    ['>3', null, false],
    ['!>3', 2, true],
    ['!>3', null, false],
    ['bio', 'Lumen Biosciences', true],
    ['!bio', 'Lumen Biosciences', false],
    ['bio', null, false],
  ])('%s of %s is %s', (text, value, passes) => expect(filterOf(text)?.(value)).toBe(passes));

  it('says nothing when empty', () => {
    expect(filterOf('  ')).toBeNull();
    expect(amount('1,250k')).toBe(1_250_000);
  });
});

describe('bars of a longer span', () => {
  const bars: Bar[] = [0, 60, 120, 300].map((at, n) => [at, 10 + n, 12 + n, 9 - n, 11 + n, 100]);

  it('join minutes at even times', () => {
    expect(widen(bars, 300, () => 0)).toEqual([
      [0, 10, 14, 7, 13, 300],
      [300, 13, 15, 6, 14, 100],
    ]);
    expect(widen(bars, 60, () => 0)).toBe(bars);
    // Aligned to the local midnight, not to UTC's.
    expect(widen(bars, 300, () => 120).map((bar) => bar[0])).toEqual([-120, 180]);
  });

  it('carry studies', () => {
    expect(ema(bars, 2).map((value) => value && Number(value.toFixed(4)))).toEqual([null, 11.5, 12.5, 13.5]);
    expect(bollinger(bars, 2, 2).map((line) => line[1])).toEqual([12.5, 11.5, 10.5]);
    expect(vwap(bars, (bar) => bar[0] > 0)[0]).toBeNull();
    expect(vwap(bars, () => true)[0]).toBeCloseTo((12 + 9 + 11) / 3, 12);
  });
});

describe('the chart', () => {
  const bars: Bar[] = [60, 120, 240].map((at) => [at, 1, 2, 1, 2, 10]);
  const signal = (seconds: number, scan: string, more = {}): Signal => ({
    ...{ id: scan + seconds, scan, symbol: 'AAA', state: 'fired', ts_ns: seconds * 1e9, text: '' },
    ...more,
  });

  it('marks signals at their bars', () => {
    const signals = [
      signal(250, 'late', { kind: 'exit' }),
      signal(130, 'b'),
      signal(125, 'a'),
      signal(125, 'a', { state: 'confirmed' }),
      signal(30, 'early'),
      { ...signal(130, 'other'), symbol: 'BBB' },
    ];
    expect(marksOf(signals, 'AAA', bars)).toEqual([
      { startS: 120, above: false, colour: '--amber', text: 'b, a' },
      { startS: 240, above: true, colour: '--down', text: 'late' },
    ]);
  });

  it('draws the levels that are known and wanted', () => {
    const wanted = new Set(['close', 'pm']);
    expect(levelsOf({ prev_close: 5, pm_high: null, or5_high: 6 }, wanted)).toEqual([
      { title: 'PC', price: 5, colour: '--dim' },
    ]);
    expect(studiesOf(bars, new Set(['ema9', 'bb'])).map(({ name }) => name)).toEqual(['ema9', 'bb0', 'bb1', 'bb2']);
  });
});

describe('a time that is typed', () => {
  const day = Date.parse('2026-11-20T15:00:00Z');

  it.each([
    ['09:35:10', '2026-11-20T14:35:10.000Z'],
    ['9:35', '2026-11-20T14:35:00.000Z'],
    ['2026-07-01 10:00:00', '2026-07-01T14:00:00.000Z'],
  ])('%s is %s', (text, iso) => expect(new Date(localTime(text, day) ?? 0).toISOString()).toBe(iso));

  it('refuses what is no time', () => {
    for (const text of ['', '25:00', 'noon', '10:61', '2026-99-99 10:00']) expect(localTime(text, day)).toBeNull();
    expect(timeOfDay(localTime('09:35:10', day) ?? 0)).toBe('09:35:10');
  });
});

describe('links to elsewhere', () => {
  it('put the symbol in, and never run a script', () => {
    expect(address('https://x.test/?s={symbol}', 'A&B')).toBe('https://x.test/?s=A%26B');
    expect(address('das://open?{symbol}', 'AAPL')).toBe('das://open?AAPL');
    for (const evil of ['javascript:alert(1)', ' JavaScript:alert(1)', 'data:text/html,x', 'nonsense', '//x.test']) {
      expect(address(evil, 'AAPL')).toBeNull();
    }
  });
});

describe('the halt desk', () => {
  const row = (symbol: string, more: Partial<HaltRow>): HaltRow => ({
    ...{ symbol, last: 1, chg_pct: 1, halted: false, halt_code: null, halt_time: null, resume_time: null },
    ...{ halts_today: 0, secs_since_resume: null, luld_up: null, luld_dn: null, luld_dist_pct: null },
    ...{ limit_s: null, halt_suspected: false },
    ...more,
  });

  it('groups, the newest halt and the nearest band first', () => {
    const rows = [
      row('NEAR2', { luld_dist_pct: 1.5 }),
      row('OLD', { halted: true, halt_time: 300 }),
      row('NEAR1', { luld_dist_pct: 0.5 }),
      row('NEW', { halted: true, halt_time: 3 }),
      row('BACK', { secs_since_resume: 40, luld_dist_pct: 1 }),
      row('MUTE', { halt_suspected: true }),
    ];
    expect(sorted(rows).map(({ name, rows: all }) => [name, ...all.map(({ symbol }) => symbol)])).toEqual([
      ['halted', 'NEW', 'OLD'],
      ['suspected', 'MUTE'],
      ['resumed', 'BACK'],
      ['near', 'NEAR1', 'NEAR2'],
    ]);
    expect(haltWords('LUDP')).toBe('volatility pause');
    expect(haltWords(null)).toBe('');
  });
});

describe('health', () => {
  const told = {
    feed: { name: 'massive', state: 'stalled', detail: 'no message for 9 s', coverage: 'SIP' },
    stale: 4,
    counters: { trades: 12, rejected: 2 },
    strategies: { running: 6, off: { bull_flag: 'took too long' } },
  };

  it('says what suffers', () => {
    const facts = feedThemes(told).flatMap((theme) => theme.facts);
    expect(facts.find(({ label }) => label === 'state')).toMatchObject({ text: 'stalled: no message for 9 s', tone: 'alarm' });
    expect(facts.find(({ label }) => label === 'stale')).toMatchObject({ text: '4', tone: 'warn' });
    expect(facts.find(({ label }) => label === 'rejected')).toMatchObject({ text: '2', tone: 'warn' });
    expect(facts.find(({ label }) => label === 'rows')?.text).toBe('–');
    const system = systemThemes(told).flatMap((theme) => theme.facts);
    expect(system.find(({ label }) => label === 'off bull_flag')).toMatchObject({ tone: 'alarm' });
  });
});

describe('the palette', () => {
  const command = (title: string) => ({ group: 'View', title, run: () => undefined });

  it('finds by letters in order, whole words first', () => {
    const all = ['Theme: dark', 'Row height', 'Track record'].map(command);
    expect(found(all, 'record').map(({ title }) => title)).toEqual(['Track record']);
    expect(found(all, 'thd').map(({ title }) => title)).toEqual(['Theme: dark']);
    expect(found(all, '')).toHaveLength(3);
    expect(closeness('abc', 'x')).toBe(0);
  });
});

describe('words of a record', () => {
  it('come with their interval', () => {
    expect(medianText({ value: 0.424, low: -0.1, high: 0.9 })).toBe('+0.42% (−0.10 to +0.90)');
    expect(rateText({ value: 0.54, low: 0.48, high: 0.6 })).toBe('54% (48 to 60)');
    expect(medianText({ value: null, low: null, high: null })).toBe('–');
  });
});

describe('the sound of a scan', () => {
  it('is the same each time', () => {
    expect(pitches('hod_momo')).toEqual(pitches('hod_momo'));
    expect(pitches('hod_momo')).not.toEqual(pitches('running_up'));
  });
});
