import { describe, expect, it } from 'vitest';

import { age, compact, format, price, signed, span, type Kind } from '../src/model/format';

const clock = () => 'clock';
const show = (value: unknown, kind: Kind) => format(value as number, kind, clock);

describe('numbers', () => {
  it.each([
    [0.4, '0 min'],
    [120, '120 min'],
    [121, '2 h 1 min'],
    [831.3, '13 h 51 min'],
    [2_880, '48 h 0 min'],
    [2_881, '2 d'],
    [7_199, '4 d'],
  ])('news of %d minutes is %s old', (minutes, text) => expect(age(minutes)).toBe(text));

  it.each([
    [0.4321, '0.4321'],
    [0.99994, '0.9999'],
    [1, '1.00'],
    [12.345, '12.35'],
    [-2.5, '−2.50'],
    [99_999.99, '99999.99'],
    [612_345.67, '612346'],
  ])('price %d is %s', (value, text) => expect(price(value)).toBe(text));

  it.each([
    [0, '0'],
    [999, '999'],
    [1_000, '1.00K'],
    [999_994, '999.99K'],
    [999_999, '1.00M'],
    [1_234_567, '1.23M'],
    [2_500_000_000, '2.50B'],
    [3.2e12, '3.20T'],
    [-45_000, '−45.00K'],
  ])('volume %d is %s', (value, text) => expect(compact(value)).toBe(text));

  it.each([
    [3.456, '+3.46'],
    [-3.456, '−3.46'],
    [0, '0.00'],
    [0.001, '0.00'],
    [-0.001, '0.00'],
  ])('percent %d is %s', (value, text) => expect(signed(value, 2)).toBe(text));

  it.each([
    [4.25, '4.2s'],
    [59.99, '59.9s'],
    [187, '3m07s'],
    [7_500, '2h05m'],
  ])('a span of %d s is %s', (value, text) => expect(span(value)).toBe(text));

  it('keeps large percentages within the column', () => {
    expect(show(1234.5678, 'signed')).toBe('+1234.6');
    expect(show(-23_456.7, 'signed')).toBe('−23457');
  });
});

describe('cells', () => {
  it.each([null, undefined, '', Number.NaN, Number.POSITIVE_INFINITY])(
    'an unknown value (%s) is a dash',
    (value) => expect(show(value, 'price')).toBe('–'),
  );

  it('shows text and flags as they are', () => {
    expect(show('<b>x</b>', 'text')).toBe('<b>x</b>');
    expect(show(true, 'flag')).toBe('yes');
    expect(show(false, 'flag')).toBe('·');
  });

  it('gives times to the clock', () => expect(show(1e18, 'time')).toBe('clock'));
});
