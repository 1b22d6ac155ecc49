/** The layout of a first visit. */

import type { Layout, PanelSpec, Settings } from './layout';

function panel(id: string, kind: string, settings: Settings = {}): PanelSpec {
  return { id, kind, link: 'blue', settings };
}

const DEFAULT_PANELS = [
  panel('board-1', 'board'),
  panel('board-2', 'board'),
  panel('tape-1', 'tape'),
  panel('signals-1', 'signals'),
  panel('halts-1', 'halts'),
  panel('armed-1', 'armed'),
  panel('positions-1', 'positions'),
  panel('orders-1', 'orders'),
  panel('approvals-1', 'approvals'),
  panel('chart-1', 'chart'),
  panel('card-1', 'card'),
  panel('why-1', 'why'),
  panel('news-1', 'market', { preset: 'news' }),
  panel('prints-1', 'prints'),
];

function tabs(id: string, ...panels: string[]): Layout['root'] & object {
  return { type: 'tabs', id, panels, active: panels[0] ?? '' };
}

/** What a first visit shows: two boards above the tape, chart above card. */
export const DEFAULT_LAYOUT: Layout = {
  format: 1,
  panels: Object.fromEntries(DEFAULT_PANELS.map((each) => [each.id, each])),
  root: {
    type: 'split',
    dir: 'row',
    sizes: [0.7, 0.3],
    children: [
      {
        type: 'split',
        dir: 'column',
        sizes: [0.68, 0.32],
        children: [
          {
            type: 'split',
            dir: 'row',
            sizes: [0.5, 0.5],
            children: [tabs('group-1', 'board-1'), tabs('group-2', 'board-2')],
          },
          tabs('group-3', 'tape-1', 'signals-1', 'halts-1', 'armed-1', 'positions-1', 'orders-1', 'approvals-1'),
        ],
      },
      {
        type: 'split',
        dir: 'column',
        sizes: [0.48, 0.52],
        children: [tabs('group-4', 'chart-1'), tabs('group-5', 'card-1', 'why-1', 'news-1', 'prints-1')],
      },
    ],
  },
};
