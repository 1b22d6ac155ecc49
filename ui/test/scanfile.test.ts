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

  it('says BETWEEN as two conditions', () => {
    const sql = `SELECT symbol, last, gap_pct, rvol_tod, float_rot
FROM market
WHERE gap_pct > 4 AND rvol_tod >= 3 AND last BETWEEN 1 AND 20
ORDER BY gap_pct DESC LIMIT 50`;
    expect(isFormable(sql, false)).toBe(true);
    expect(formOf(sql)?.conditions).toEqual([
      { column: 'gap_pct', op: '>', value: '4' },
      { column: 'rvol_tod', op: '>=', value: '3' },
      { column: 'last', op: '>=', value: '1' },
      { column: 'last', op: '<=', value: '20' },
    ]);
    expect(sqlOf(formOf(sql)!, false)).toContain('AND last >= 1\n  AND last <= 20\nORDER BY');
  });

  it('leaves BETWEEN in a word alone', () => {
    const sql = "SELECT symbol\nFROM market\nWHERE name = 'x BETWEEN 1 AND 2'\n  AND sector BETWEEN 'A' AND 'B''C'\nLIMIT 9";
    expect(formOf(sql)?.conditions).toEqual([
      { column: 'name', op: '=', value: 'x BETWEEN 1 AND 2' },
      { column: 'sector', op: '>=', value: 'A' },
      { column: 'sector', op: '<=', value: "B'C" },
    ]);
  });

  it.each([
    'last NOT BETWEEN 1 AND 2',
    'NOT last BETWEEN 1 AND 2',
    'a > 1 OR last BETWEEN 1 AND 2',
    'last + vwap BETWEEN 1 AND 2',
    'last BETWEEN 1 AND 2 * vwap',
    '(last BETWEEN 1 AND 2)',
    'last BETWEEN abs(vwap) AND 2',
  ])('does not pretend to say WHERE %s', (where) => {
    expect(isFormable(`SELECT symbol FROM market WHERE ${where} LIMIT 9`, false)).toBe(false);
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
