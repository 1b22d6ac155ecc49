import { expect, test } from 'vitest';

import { minutesToClose } from '../src/model/clock';
import { heardNow, unheard } from '../src/model/heard';
import { Quiet } from '../src/model/quiet';
import { Sure } from '../src/state/sure.svelte';
import type { Alert } from '../src/wire';

function alert(id: string): Alert {
  return { id, rule: 'r', kind: 'signal', text: id, symbol: 'AAPL', scan: 's', ts_ns: 1, sound: '', speak: false };
}

test('one sound in 400 ms, and one for a scan and the rule on it', () => {
  const quiet = new Quiet();
  expect(quiet.may('AAPL/hod', 0)).toBe(true);
  expect(quiet.may('TSLA/hod', 399)).toBe(false);
  expect(quiet.may('TSLA/hod', 400)).toBe(true);
  expect(quiet.may('AAPL/hod', 2_000)).toBe(false);
  expect(quiet.may('AAPL/hod', 3_000)).toBe(true);
});

test('what came while the page was away is heard of once, and nothing on a first visit', () => {
  const told = [alert('c'), alert('b'), alert('a')];
  expect(unheard(told, null)).toEqual([]);
  expect(heardNow(told, null)).toEqual(['c', 'b', 'a']);
  expect(unheard(told, ['a']).map(({ id }) => id)).toEqual(['b', 'c']);
  expect(unheard(told, heardNow(told, ['a']))).toEqual([]);
  expect(heardNow([alert('z')], Array.from({ length: 400 }, (_, at) => String(at)))).toHaveLength(300);
});

test('a mute lasts to the end of the session', () => {
  expect(minutesToClose(Date.parse('2026-11-20T15:00:00Z'))).toBe(600);
  expect(minutesToClose(Date.parse('2026-11-21T00:59:30Z'))).toBe(1);
  expect(minutesToClose(Date.parse('2026-11-21T01:00:00Z'))).toBe(24 * 60);
  expect(minutesToClose(Date.parse('2026-07-20T23:00:00Z'))).toBe(60);
});

test('a second press counts, a double click does not', () => {
  const sure = new Sure();
  expect(sure.pressed('a', 0)).toBe(false);
  expect(sure.pressed('a', 200)).toBe(false);
  expect(sure.of).toBe('a');
  expect(sure.pressed('b', 400)).toBe(false);
  expect(sure.pressed('b', 900)).toBe(true);
  expect(sure.of).toBe('');
});
