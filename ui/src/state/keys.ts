/** The keyboard: every key of the page in one table; the help sheet prints the same list. */

import type { Dashboard } from './dashboard.svelte';
import { preferences } from './preferences.svelte';

export type Sheet = 'none' | 'help' | 'search';

/** Keys and what they do, as the help sheet shows them. */
export const KEYS: readonly (readonly [string, string])[] = [
  ['/', 'Search a symbol'],
  ['j  k  ↓  ↑', 'Move the cursor in the active board'],
  ['Enter', 'Load the symbol under the cursor into chart and card'],
  ['h  l  ←  →', 'Go to the other board'],
  ['1 – 9', 'Show that board in the active pane'],
  ['Space', 'Freeze the order of both boards, and let it go'],
  ['t', 'Dark or light'],
  ['b', 'Green and red, or blue and orange'],
  ['?  F1', 'This sheet'],
  ['Esc', 'Close a sheet; clear cursor and freeze'],
];

/** Act on a key and return the sheet that is open afterwards. */
export function pressed(event: KeyboardEvent, dashboard: Dashboard, sheet: Sheet): Sheet {
  if (event.ctrlKey || event.metaKey || event.altKey) return sheet;
  if (event.key === 'Escape') return escaped(dashboard, sheet);
  if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement) {
    return sheet;
  }
  const open = SHEETS[event.key];
  const act = ACTIONS[event.key] ?? digit(event.key);
  if (open === undefined && act === undefined) return sheet;
  if (event.key === 'Enter' && event.target instanceof HTMLButtonElement) return sheet;
  event.preventDefault();
  if (open !== undefined) return sheet === open ? 'none' : open;
  if (sheet === 'none') act?.(dashboard);
  return sheet;
}

const SHEETS: Readonly<Record<string, Sheet>> = { '/': 'search', '?': 'help', F1: 'help' };

type Action = (dashboard: Dashboard) => void;

const ACTIONS: Readonly<Record<string, Action>> = {
  j: (dashboard) => step(dashboard, 1),
  k: (dashboard) => step(dashboard, -1),
  ArrowDown: (dashboard) => step(dashboard, 1),
  ArrowUp: (dashboard) => step(dashboard, -1),
  h: (dashboard) => (dashboard.active = 0),
  l: (dashboard) => (dashboard.active = 1),
  ArrowLeft: (dashboard) => (dashboard.active = 0),
  ArrowRight: (dashboard) => (dashboard.active = 1),
  Enter: load,
  ' ': (dashboard) => (dashboard.frozen = !dashboard.frozen),
  t: () => preferences.set({ theme: preferences.theme === 'dark' ? 'light' : 'dark' }),
  b: () =>
    preferences.set({ palette: preferences.palette === 'classic' ? 'blue-orange' : 'classic' }),
};

function digit(key: string): Action | undefined {
  if (!/^[1-9]$/.test(key)) return undefined;
  return (dashboard) => {
    const board = dashboard.boards[Number(key) - 1];
    if (board !== undefined) dashboard.pick(dashboard.active, board.name);
  };
}

function step(dashboard: Dashboard, by: number): void {
  dashboard.panes[dashboard.active]?.move(by, performance.now());
}

function load(dashboard: Dashboard): void {
  const symbol = dashboard.panes[dashboard.active]?.cursor;
  if (symbol != null) dashboard.select(symbol);
}

function escaped(dashboard: Dashboard, sheet: Sheet): Sheet {
  if (sheet === 'none') {
    dashboard.frozen = false;
    for (const pane of dashboard.panes) pane.cursor = null;
  }
  return 'none';
}
