import { describe, expect, it } from 'vitest';

import { formOf, isFormable, previewOf, quoted, readScan, sqlOf, unquoted, writeScan } from '../src/model/scanfile';

const TEXT = `-- title = "Runners"
-- kind = "events"
-- cooldown_s = 120.0
SELECT symbol, last, chg_5m
FROM market
WHERE chg_5m >= 3
  AND type = 'CS'
  AND NOT halted
`;

describe('the file of a question', () => {
  it('is read and written back', () => {
    const file = readScan(TEXT);
    expect(file.header).toEqual({ title: '"Runners"', kind: '"events"', cooldown_s: '120.0' });
    expect(file.sql.startsWith('SELECT')).toBe(true);
    expect(writeScan(file)).toBe(TEXT);
  });

  it('quotes titles', () => {
    expect(unquoted(quoted('a "b" \\ c'))).toBe('a "b" \\ c');
    expect(unquoted('12')).toBe('12');
  });
});

describe('the form', () => {
  it('says the same as the SQL', () => {
    const { sql } = readScan(TEXT);
    expect(isFormable(sql, true)).toBe(true);
    expect(formOf(sql)).toMatchObject({
      columns: ['symbol', 'last', 'chg_5m'],
      conditions: [
        { column: 'chg_5m', op: '>=', value: '3' },
        { column: 'type', op: '=', value: 'CS' },
        { column: 'halted', op: 'is not true', value: '' },
      ],
    });
    expect(sqlOf(formOf(sql)!, true)).toBe(sql);
  });

  it('says words with quotes and ANDs back', () => {
    const condition = { column: 'name', op: '=', value: "Rock 'n' Roll AND Sons" };
    const form = { columns: ['symbol'], conditions: [condition], order: '', descending: false, limit: '9' };
    expect(sqlOf(form, true)).toContain("name = 'Rock ''n'' Roll AND Sons'");
    expect(formOf(sqlOf(form, true))?.conditions).toEqual([condition]);
  });

  it('orders and limits boards', () => {
    const form = { columns: ['last'], conditions: [], order: 'vol', descending: true, limit: 'x' };
    expect(sqlOf(form, false)).toBe('SELECT symbol, last\nFROM market\nORDER BY vol DESC\nLIMIT 50');
    expect(isFormable(sqlOf(form, false), false)).toBe(true);
  });

  it('leaves half-filled conditions out, and makes words of text', () => {
    const conditions = [
      { column: 'last', op: '>=', value: ' ' },
      { column: '', op: '=', value: '3' },
      { column: 'last', op: '>', value: 'vwap' },
      { column: 'sector', op: '=', value: "Bob's" },
      { column: 'float_shares', op: 'is known', value: '' },
    ];
    const sql = sqlOf({ columns: [], conditions, order: '', descending: true, limit: '5' }, false);
    expect(sql).toContain("WHERE last > vwap\n  AND sector = 'Bob''s'\n  AND float_shares IS NOT NULL");
  });

  it.each(['SELECT symbol FROM market WHERE a > 1 OR b > 2', 'SELECT symbol, last / vwap AS x FROM market', 'SELECT'])(
    'does not pretend to say %s',
    (sql) => expect(isFormable(sql, false)).toBe(false),
  );
});

describe('the preview', () => {
  it('asks the parts of the SELECT', () => {
    expect(previewOf('SELECT symbol, rsi(14, \'1m\') AS r\nFROM market WHERE r > 70 ORDER BY r DESC LIMIT 5')).toEqual({
      columns: "symbol, rsi(14, '1m') AS r",
      where: 'r > 70',
      order: 'r DESC',
      limit: '5',
    });
    expect(previewOf('DROP TABLE market')).toBeNull();
  });
});
