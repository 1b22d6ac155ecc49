/** Everything that the command palette can do. */

import { DEFAULT_LAYOUT } from '../model/firstlayout';
import type { Command } from '../model/palette';
import { PRESETS } from '../model/presets';
import { KINDS } from '../panels/kinds';
import type { Desk } from './desk.svelte';
import { COLOURS, UNLINKED } from './links.svelte';
import { DENSITIES, PALETTES, preferences, THEMES } from './preferences.svelte';

/** Return the boards, each to be shown in the active board panel. */
export function boardCommands(desk: Desk): readonly Command[] {
  return desk.gateway.boards.map((board, at) => ({
    group: board.kind === 'events' ? 'Scan' : 'Board',
    title: board.title,
    ...(at < 9 ? { keys: String(at + 1) } : {}),
    run: () => show(desk, board.name),
  }));
}

function show(desk: Desk, board: string): void {
  const steered = desk.steered;
  if (steered === undefined) desk.workspace.add('board', { board });
  else steered.pick(board);
}

/** Return all commands. */
export function commands(desk: Desk): readonly Command[] {
  return [
    ...panelCommands(desk),
    ...viewCommands(desk),
    ...layoutCommands(desk),
    ...travelCommands(desk),
    ...tradeCommands(desk),
    ...boardCommands(desk),
  ];
}

function panelCommands(desk: Desk): Command[] {
  const kinds = Object.entries(KINDS).map(([kind, { title, hint }]) => ({
    group: 'Add',
    title: `${title}: ${hint}`,
    run: () => void desk.workspace.add(kind),
  }));
  const presets = Object.entries(PRESETS).map(([preset, { title }]) => ({
    group: 'Add',
    title: `Market table: ${title}`,
    run: () => void desk.workspace.add('market', { preset }),
  }));
  const { focused } = desk.workspace;
  if (desk.workspace.panel(focused) === undefined) return [...kinds, ...presets];
  const links = [...COLOURS, UNLINKED].map((colour) => ({
    group: 'Link',
    title: colour === UNLINKED ? 'Unlink the active panel' : `Link the active panel: ${colour}`,
    run: () => desk.workspace.link(focused, colour),
  }));
  return [
    ...kinds,
    ...presets,
    { group: 'Panel', title: 'Close the active panel', run: () => desk.workspace.close(focused) },
    { group: 'Panel', title: 'Move the active panel to the next group', run: () => desk.workspace.moveOn(focused) },
    { group: 'Panel', title: 'Open the active panel in its own window', run: () => desk.popOut(focused) },
    { group: 'Panel', title: 'Enlarge the active panel, or show all', keys: 'z', run: () => desk.zoom(focused) },
    ...links,
  ];
}

function viewCommands(desk: Desk): Command[] {
  const themes = THEMES.map((theme) => ({ title: `Theme: ${theme}`, change: { theme } }));
  const palettes = PALETTES.map((palette) => ({ title: `Colours: ${palette}`, change: { palette } }));
  const densities = DENSITIES.map((density) => ({ title: `Rows: ${density}`, change: { density } }));
  return [
    { group: 'View', title: 'Search a symbol', keys: '/', run: () => (desk.sheet = 'search') },
    { group: 'View', title: 'Help and keys', keys: 'F1', run: () => (desk.sheet = 'help') },
    { group: 'View', title: 'Settings: colours, sounds, links', run: () => (desk.sheet = 'settings') },
    ...[...themes, ...palettes, ...densities].map(({ title, change }) => ({
      group: 'View',
      title,
      run: () => preferences.set(change),
    })),
  ];
}

function layoutCommands(desk: Desk): Command[] {
  return [
    { group: 'Layout', title: 'Open, save, import, export', run: () => (desk.sheet = 'layouts') },
    { group: 'Layout', title: 'Undo', keys: 'Ctrl+Z', run: () => desk.workspace.undo() },
    { group: 'Layout', title: 'Redo', keys: 'Ctrl+Y', run: () => desk.workspace.redo() },
    { group: 'Layout', title: 'The first layout again', run: () => desk.workspace.open(DEFAULT_LAYOUT, '') },
  ];
}

function travelCommands(desk: Desk): Command[] {
  return [
    { group: 'Time', title: 'LIVE: back to the present', keys: '0', run: () => desk.travel.live() },
    { group: 'Time', title: 'Travel to a past second', run: () => (desk.travelOpen = true) },
    { group: 'Time', title: 'Five minutes back', keys: '{', run: () => desk.travel.step(-300) },
    { group: 'Time', title: 'Play the past, or pause it', keys: 'p', run: () => desk.travel.play() },
  ];
}

function tradeCommands(desk: Desk): Command[] {
  return [
    {
      group: 'Orders',
      title: 'Kill switch: block entries, cancel those that work',
      keys: 'Ctrl+Alt+K',
      run: () => (desk.sheet = 'kill'),
    },
  ];
}
