import { describe, expect, it } from 'vitest';

import { boardFor } from '../src/model/choice';

const board = (name: string, phases: string[] = [], kind = 'board') => ({
  ...{ name, phases, kind },
  title: name,
});
const boards = [
  board('gappers', ['pre']),
  board('halts', [], 'events'),
  board('gainers'),
  board('open', ['regular']),
  board('post', ['post']),
];

describe('the board of a pane that nobody has chosen', () => {
  it('is the first list of the phase', () => {
    expect(boardFor(boards, 'pre', '', [])).toBe('gappers');
    expect(boardFor(boards, 'pre', '', ['gappers'])).toBe('gainers');
    expect(boardFor(boards, 'regular', '', [])).toBe('gainers');
  });

  it('stays while its phase lasts, and gives way when it ends', () => {
    expect(boardFor(boards, 'pre', 'gappers', ['gainers'])).toBe('gappers');
    expect(boardFor(boards, 'regular', 'gappers', ['gainers'])).toBe('open');
    expect(boardFor(boards, 'regular', 'gainers', ['open'])).toBe('gainers');
  });

  it('is the best that there is when nothing fits', () => {
    expect(boardFor([board('a', ['pre'])], 'post', '', [])).toBe('a');
    expect(boardFor([], 'pre', '', [])).toBeUndefined();
    expect(boardFor(boards, '', '', [])).toBe('gappers');
  });
});
