import { describe, expect, it } from 'vitest';

import { fieldOf, fitting, kindOf, labelOf, stretched } from '../src/model/columns';

const column = (name: string, unit = '') => ({ name, unit, doc: '' });

describe('kinds', () => {
  it.each([
    ['last', '$', 'price'],
    ['dollar_vol', '$', 'money'],
    ['mcap', '$', 'money'],
    ['chg', '$', 'signed'],
    ['chg_pct', '%', 'signed'],
    ['spread_pct', '%', 'percent'],
    ['vol', 'shares', 'count'],
    ['rvol_tod', '', 'ratio'],
    ['trades', '', 'count'],
    ['mean20_1m', '', 'count'],
    ['chg_5m', '', 'signed'],
    ['halts_today', '', 'integer'],
    ['halt_time', 's', 'seconds'],
    ['age_ms', 'ms', 'milliseconds'],
    ['trade_rate', '1/s', 'rate'],
    ['sector', '', 'text'],
    ['last_trade_ns', 'ns', 'time'],
  ])('%s [%s] is shown as %s', (name, unit, kind) =>
    expect(kindOf(column(name, unit))).toBe(kind),
  );

  it('aligns numbers right and text left, and colours only what has a direction', () => {
    const change = fieldOf(column('chg_pct', '%'));
    expect([change.align, change.directed, change.flashes]).toEqual(['right', true, true]);
    const volume = fieldOf(column('vol', 'shares'));
    expect([volume.align, volume.directed, volume.flashes]).toEqual(['right', false, false]);
    expect(fieldOf(column('sector')).align).toBe('left');
  });

  it('names a column that it does not know from its own name', () => {
    expect(labelOf('chg_pct')).toBe('Chg %');
    expect(labelOf('new_fancy_pct')).toBe('New fancy %');
  });
});

describe('widths', () => {
  it('shows whole columns only, and at least one', () => {
    expect(fitting([50, 60, 70], 115)).toBe(2);
    expect(fitting([50, 60, 70], 180)).toBe(3);
    expect(fitting([50, 60], 10)).toBe(1);
  });

  it('shares out what is left, and never squeezes', () => {
    expect(stretched([50, 50], 150)).toEqual([75, 75]);
    expect(stretched([50, 50], 80)).toEqual([50, 50]);
  });
});
