import { describe, expect, it } from 'vitest';

import {
  activate,
  close,
  EMPTY,
  freeId,
  groupOf,
  groupsOf,
  LEAST_SHARE,
  move,
  panelsOf,
  place,
  resize,
  type Layout,
  type PanelSpec,
  type Split,
} from '../src/model/layout';
import { LayoutFault, parseLayout, readLayout } from '../src/model/layoutfile';
import { DEFAULT_LAYOUT } from '../src/model/firstlayout';

function panel(id: string): PanelSpec {
  return { id, kind: 'board', link: 'blue', settings: {} };
}

function ids(layout: Layout): string[] {
  return panelsOf(layout).map(({ id }) => id);
}

/** Two columns: a and b as tabs on the left, c above d on the right. */
function sample(): Layout {
  let layout = place(place(EMPTY, panel('a')), panel('b'));
  const left = groupOf(layout, 'a')!.id;
  layout = place(layout, panel('c'), left, 'right');
  return place(layout, panel('d'), groupOf(layout, 'c')!.id, 'bottom');
}

describe('a layout', () => {
  it('puts panels among tabs and beside groups', () => {
    const layout = sample();
    expect(ids(layout)).toEqual(['a', 'b', 'c', 'd']);
    const root = layout.root as Split;
    expect(root.dir).toBe('row');
    expect(root.sizes).toEqual([0.5, 0.5]);
    expect((root.children[1] as Split).dir).toBe('column');
    expect(groupOf(layout, 'b')).toMatchObject({ panels: ['a', 'b'], active: 'b' });
  });

  it('never nests a row in a row', () => {
    const layout = place(sample(), panel('e'), groupOf(sample(), 'a')!.id, 'left');
    const root = layout.root as Split;
    expect(root.children).toHaveLength(3);
    expect(root.sizes.reduce((sum, size) => sum + size, 0)).toBeCloseTo(1, 12);
  });

  it('closes panels, and the groups that they leave empty', () => {
    let layout = close(sample(), 'c');
    expect(ids(layout)).toEqual(['a', 'b', 'd']);
    layout = close(close(layout, 'b'), 'd');
    expect(layout.root).toMatchObject({ type: 'tabs', panels: ['a'], active: 'a' });
    expect(close(layout, 'a')).toEqual(EMPTY);
    expect(close(layout, 'unknown').root).toEqual(layout.root);
  });

  it('moves panels between groups, within one, and to its edge', () => {
    const layout = sample();
    const left = groupOf(layout, 'a')!.id;
    expect(ids(move(layout, 'd', left, 'centre', 0))).toEqual(['d', 'a', 'b', 'c']);
    expect(groupOf(move(layout, 'a', left, 'centre', 2), 'a')!.panels).toEqual(['b', 'a']);
    expect(ids(move(layout, 'b', left, 'top'))).toEqual(['b', 'a', 'c', 'd']);
    const right = groupOf(layout, 'd')!.id;
    expect(move(layout, 'd', right, 'left')).toBe(layout);
  });

  it('brings to the front, and resizes within bounds', () => {
    const layout = activate(sample(), 'a');
    expect(groupOf(layout, 'a')!.active).toBe('a');
    expect(activate(layout, 'a')).toBe(layout);
    expect((resize(layout, [], 0, 0.2).root as Split).sizes).toEqual([0.7, 0.3]);
    const squeezed = (resize(layout, [1], 0, -3).root as Split).children[1] as Split;
    expect(squeezed.sizes[0]).toBeCloseTo(LEAST_SHARE, 12);
  });

  it('gives names that nobody has', () => {
    expect(freeId(sample(), 'board')).toBe('board-1');
    expect(freeId(sample(), 'group')).not.toBe(groupsOf(sample().root)[0]!.id);
  });

  it('keeps its shape through any walk of changes', () => {
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    const sides = ['centre', 'left', 'right', 'top', 'bottom'] as const;
    let layout = sample();
    for (let step = 0; step < 500; step += 1) {
      const groups = groupsOf(layout.root);
      const target = groups[random(Math.max(1, groups.length))]?.id ?? '';
      const known = ids(layout);
      const some = known[random(Math.max(1, known.length))] ?? '';
      const side = sides[random(5)]!;
      if (known.length < 4 || random(3) === 0) layout = place(layout, panel(freeId(layout, 'p')), target, side);
      else if (random(2) === 0) layout = move(layout, some, target, side, random(3));
      else layout = close(layout, some);
      expect(new Set(ids(layout)).size).toBe(ids(layout).length);
      expect(Object.keys(layout.panels).toSorted()).toEqual(ids(layout).toSorted());
      expect(panelsOf(readLayout(JSON.parse(JSON.stringify(layout))))).toEqual(panelsOf(layout));
    }
  });
});

describe('a layout from outside', () => {
  it('is read back as it was written', () => {
    expect(parseLayout(JSON.stringify(DEFAULT_LAYOUT))).toEqual(DEFAULT_LAYOUT);
    expect(readLayout({ tapelight: 'layout', name: 'x', body: DEFAULT_LAYOUT })).toEqual(DEFAULT_LAYOUT);
  });

  it.each([
    ['{', 'no JSON'],
    ['[]', 'is a JSON object'],
    ['{}', 'says nothing'],
    ['{"format": 9}', 'newer Tapelight'],
    ['{"format": 1}', '"panels"'],
    ['{"format": 1, "panels": {"a": {}}}', 'has no "kind"'],
    ['{"format": 1, "panels": {}, "root": {"type": "tabs", "id": "g", "panels": ["a"]}}', 'at least one panel'],
    ['{"format": 1, "panels": {}, "root": {"type": "grid"}}', 'neither "tabs" nor a "split"'],
  ])('says what is wrong with %s', (text, sentence) => {
    expect(() => parseLayout(text)).toThrow(LayoutFault);
    expect(() => parseLayout(text)).toThrow(sentence);
  });

  it('forgets panels that stand nowhere, and mends sizes', () => {
    const told = {
      format: 1,
      panels: { a: panel('a'), b: panel('b'), lost: panel('lost') },
      root: {
        type: 'split',
        dir: 'row',
        sizes: ['wide', -1],
        children: [
          { type: 'tabs', id: 'g1', panels: ['a', 'gone'], active: 'gone' },
          { type: 'tabs', id: 'g2', panels: ['b'], active: 'b' },
        ],
      },
    };
    const layout = readLayout(told);
    expect(ids(layout)).toEqual(['a', 'b']);
    expect(Object.keys(layout.panels)).toEqual(['a', 'b']);
    expect((layout.root as Split).sizes).toEqual([0.5, 0.5]);
    expect(groupOf(layout, 'a')!.active).toBe('a');
  });
});
