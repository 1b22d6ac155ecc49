/** The keyboard: every key of the page in one table; the help sheet prints the same list. */

import type { Desk } from './desk.svelte';
import { preferences } from './preferences.svelte';

/** Keys and what they do, by theme, as the help sheet shows them. */
export const KEYS: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  [
    'Boards',
    [
      ['j  k  ↓  ↑', 'Move the cursor in the active board'],
      ['Enter', 'Show the symbol under the cursor in all panels of its colour'],
      ['h  l  ←  →', 'Go to the board before, or the next'],
      ['1 – 9', 'Show that board in the active panel'],
      ['g', 'Pick a board by name'],
      ['Space', 'Freeze the order of all boards, and let it go'],
      ['f', 'Filters under the columns: >3, 1..20, !x'],
      ['c', 'Columns of the active board'],
      ['?', 'Why is the symbol on the board, or not'],
      ['w', 'Put the symbol on the watchlist, or take it off'],
      ['x', 'Leave the symbol out of boards today'],
      ['m', 'Mute the symbol today: tape, sounds and your alerts'],
    ],
  ],
  [
    'Time',
    [
      ['[  ]', 'Ten seconds back, or on'],
      ['{  }', 'Five minutes back, or on'],
      ['p', 'Play the past, or pause it'],
      ['0', 'LIVE: back to the present'],
    ],
  ],
  [
    'Page',
    [
      ['/', 'Search a symbol'],
      ['Ctrl+K', 'Every command, panel and board by name'],
      ['Ctrl+Z  Ctrl+Y', 'Undo and redo changes of the layout'],
      ['z', 'Enlarge the active panel, or show all'],
      ['t', 'Dark or light'],
      ['b', 'Green and red, blue and orange, or red up'],
      ['d', 'Row height'],
      ['Ctrl+Alt+K', 'Held for a second: the kill switch'],
      ['F1', 'This sheet'],
      ['Esc', 'Close a sheet; clear cursor and freeze'],
    ],
  ],
];

/** Act on a key. */
export function pressed(event: KeyboardEvent, desk: Desk): void {
  if (event.defaultPrevented) return;
  if (event.key === 'F1') {
    event.preventDefault();
    desk.sheet = desk.sheet === 'help' ? 'none' : 'help';
    return;
  }
  if (event.key === 'Escape') escaped(desk);
  else if (event.ctrlKey || event.metaKey) combined(event, desk);
  else if (!event.altKey && desk.sheet === 'none' && !isTyping(event.target)) plain(event, desk);
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.closest('input, select, textarea, [contenteditable="true"]') !== null;
}

/** Act on a key that is let go. */
export function released(event: KeyboardEvent, desk: Desk): void {
  if (event.code === 'KeyK' || event.key === 'Control' || event.key === 'Alt') desk.trading.letGo();
}

function combined(event: KeyboardEvent, desk: Desk): void {
  const key = event.key.toLowerCase();
  // By its place on the keyboard: with Alt, layouts give other letters.
  if (event.altKey && event.code === 'KeyK') {
    event.preventDefault();
    if (!event.repeat) desk.trading.hold();
  } else if (key === 'k') {
    event.preventDefault();
    desk.sheet = desk.sheet === 'palette' ? 'none' : 'palette';
  } else if (!isTyping(event.target) && (key === 'z' || key === 'y')) {
    event.preventDefault();
    if (key === 'y' || event.shiftKey) desk.workspace.redo();
    else desk.workspace.undo();
  }
}

function plain(event: KeyboardEvent, desk: Desk): void {
  const act = ACTIONS[event.key] ?? digit(event.key);
  if (act === undefined) return;
  const onButton = event.target instanceof Element && event.target.closest('button, summary') !== null;
  if (onButton && (event.key === 'Enter' || event.key === ' ')) return;
  event.preventDefault();
  act(desk);
  desk.gateway.touch();
}

type Action = (desk: Desk) => void;

const ACTIONS: Readonly<Record<string, Action>> = {
  '/': (desk) => (desk.sheet = 'search'),
  g: (desk) => (desk.sheet = 'boards'),
  j: (desk) => desk.steered?.move(1),
  k: (desk) => desk.steered?.move(-1),
  ArrowDown: (desk) => desk.steered?.move(1),
  ArrowUp: (desk) => desk.steered?.move(-1),
  h: (desk) => desk.steer(-1),
  l: (desk) => desk.steer(1),
  ArrowLeft: (desk) => desk.steer(-1),
  ArrowRight: (desk) => desk.steer(1),
  Enter: (desk) => withSymbol(desk, (symbol, id) => desk.select(id, symbol)),
  ' ': (desk) => (desk.frozen = !desk.frozen),
  f: (desk) => desk.steered?.toggle('filters'),
  c: (desk) => desk.steered?.toggle('columns'),
  '?': why,
  w: (desk) => withSymbol(desk, (symbol) => void desk.watchlist.toggle(symbol)),
  x: (desk) => withSymbol(desk, (symbol) => hid(desk, symbol)),
  m: (desk) => withSymbol(desk, (symbol) => void desk.mutes.toggle(symbol)),
  '[': (desk) => desk.travel.step(-10),
  ']': (desk) => desk.travel.step(10),
  '{': (desk) => desk.travel.step(-300),
  '}': (desk) => desk.travel.step(300),
  p: (desk) => desk.travel.play(),
  '0': (desk) => desk.travel.live(),
  z: (desk) => desk.zoom(desk.workspace.focused),
  t: () => preferences.turnTheme(),
  b: () => preferences.turnPalette(),
  d: () => preferences.turnDensity(),
};

function digit(key: string): Action | undefined {
  if (!/^[1-9]$/.test(key)) return undefined;
  return (desk) => {
    const board = desk.gateway.boards[Number(key) - 1];
    if (board !== undefined) desk.steered?.pick(board.name);
  };
}

/** Act on the symbol under the cursor, or on that of the active panel's colour. */
function withSymbol(desk: Desk, act: (symbol: string, id: string) => void): void {
  const steered = desk.steered;
  const id = steered?.id ?? desk.workspace.focused;
  const symbol = steered?.cursor() ?? desk.symbol(id);
  if (symbol !== null) act(symbol, id);
}

function why(desk: Desk): void {
  withSymbol(desk, (symbol, id) => desk.why(symbol, desk.steered?.board() ?? '', id));
}

function hid(desk: Desk, symbol: string): void {
  const on = preferences.toggle('hidden', symbol, desk.session);
  desk.gateway.say(
    `${symbol} is ${on ? 'left out of boards today; x on it in the search brings it back' : 'on boards again'}.`,
  );
}

function escaped(desk: Desk): void {
  if (desk.sheet !== 'none') {
    desk.sheet = 'none';
    return;
  }
  desk.frozen = false;
  for (const board of desk.boards.values()) board.clear();
  desk.gateway.touch();
}
