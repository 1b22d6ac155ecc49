/** A layout: a tree of splits whose leaves are groups of tabs. Every change returns a new one. */

export type Settings = Readonly<Record<string, unknown>>;

/** A panel: what it shows, which colour links it, and its own settings. */
export interface PanelSpec {
  readonly id: string;
  readonly kind: string;
  readonly link: string;
  readonly settings: Settings;
}

export interface Tabs {
  readonly type: 'tabs';
  readonly id: string;
  readonly panels: readonly string[];
  readonly active: string;
}

export interface Split {
  readonly type: 'split';
  readonly dir: 'row' | 'column';
  /** Shares of the room, one a child; they sum to 1. */
  readonly sizes: readonly number[];
  readonly children: readonly Node[];
}

export type Node = Tabs | Split;

export interface Layout {
  readonly format: 1;
  readonly root: Node | null;
  readonly panels: Readonly<Record<string, PanelSpec>>;
}

/** Where a panel lands: among a group's tabs, or beside the group. */
export type Side = 'centre' | 'left' | 'right' | 'top' | 'bottom';

export const EMPTY: Layout = { format: 1, root: null, panels: {} };
/** The smallest share that a child of a split keeps. */
export const LEAST_SHARE = 0.05;

/** Return the groups of tabs, in reading order. */
export function groupsOf(node: Node | null): Tabs[] {
  if (node === null) return [];
  return node.type === 'tabs' ? [node] : node.children.flatMap(groupsOf);
}

/** Return the panels in reading order. */
export function panelsOf(layout: Layout): PanelSpec[] {
  return groupsOf(layout.root).flatMap((group) =>
    group.panels.flatMap((id) => layout.panels[id] ?? []),
  );
}

/** Return the group that holds panel `id`. */
export function groupOf(layout: Layout, id: string): Tabs | undefined {
  return groupsOf(layout.root).find((group) => group.panels.includes(id));
}

/** Return a name that no panel or group has: board-1, board-2 ... */
export function freeId(layout: Layout, stem: string): string {
  const taken = new Set([
    ...Object.keys(layout.panels),
    ...groupsOf(layout.root).map((group) => group.id),
  ]);
  for (let number = 1; ; number += 1) {
    const id = `${stem}-${number}`;
    if (!taken.has(id)) return id;
  }
}

/** Return the layout with `panel` put to `side` of group `target` (the first group if unknown). */
export function place(
  layout: Layout,
  panel: PanelSpec,
  target = '',
  side: Side = 'centre',
  index?: number,
): Layout {
  const panels = { ...layout.panels, [panel.id]: panel };
  const groups = groupsOf(layout.root);
  const group = groups.find(({ id }) => id === target) ?? groups[0];
  if (group === undefined) {
    const only: Tabs = { type: 'tabs', id: 'group-1', panels: [panel.id], active: panel.id };
    return { format: 1, root: only, panels };
  }
  const landed = side === 'centre' ? inserted(group, panel.id, index) : beside(layout, group, panel.id, side);
  return { format: 1, root: tidy(swap(layout.root, group.id, landed)), panels };
}

function inserted(group: Tabs, id: string, index = group.panels.length): Tabs {
  const panels = [...group.panels];
  panels.splice(index, 0, id);
  return { ...group, panels, active: id };
}

function beside(layout: Layout, group: Tabs, panel: string, side: Side): Split {
  const fresh: Tabs = { type: 'tabs', id: freeId(layout, 'group'), panels: [panel], active: panel };
  const first = side === 'left' || side === 'top';
  return {
    type: 'split',
    dir: side === 'left' || side === 'right' ? 'row' : 'column',
    sizes: [0.5, 0.5],
    children: first ? [fresh, group] : [group, fresh],
  };
}

/** Return the layout without panel `id`; a group that is left empty goes too. */
export function close(layout: Layout, id: string): Layout {
  const group = groupOf(layout, id);
  const panels = { ...layout.panels };
  delete panels[id];
  if (group === undefined) return { ...layout, panels };
  return { format: 1, root: tidy(swap(layout.root, group.id, without(group, id))), panels };
}

function without(group: Tabs, id: string): Tabs | null {
  const at = group.panels.indexOf(id);
  const panels = group.panels.filter((each) => each !== id);
  if (panels.length === 0) return null;
  const next = panels[Math.min(at, panels.length - 1)] ?? '';
  return { ...group, panels, active: group.active === id ? next : group.active };
}

/** Return the layout with panel `id` moved to `side` of group `target`. */
export function move(layout: Layout, id: string, target: string, side: Side, index?: number): Layout {
  const panel = layout.panels[id];
  const group = groupOf(layout, id);
  if (panel === undefined || group === undefined) return layout;
  // Alone in its group, it can't stand beside itself.
  if (group.id === target && group.panels.length === 1) return layout;
  const from = group.id === target ? group.panels.indexOf(id) : -1;
  const place_ = index !== undefined && from >= 0 && from < index ? index - 1 : index;
  return place(close(layout, id), panel, target, side, place_);
}

/** Return the layout with panel `id` in front of its group. */
export function activate(layout: Layout, id: string): Layout {
  const group = groupOf(layout, id);
  if (group === undefined || group.active === id) return layout;
  return { ...layout, root: swap(layout.root, group.id, { ...group, active: id }) };
}

/** Return the layout with panel `id` changed. */
export function configure(layout: Layout, id: string, change: Partial<PanelSpec>): Layout {
  const panel = layout.panels[id];
  if (panel === undefined) return layout;
  return { ...layout, panels: { ...layout.panels, [id]: { ...panel, ...change, id } } };
}

/** Return the layout with the border after child `at` of the split at `path` moved by `share`. */
export function resize(layout: Layout, path: readonly number[], at: number, share: number): Layout {
  if (layout.root === null) return layout;
  return { ...layout, root: resized(layout.root, path, at, share) };
}

function resized(node: Node, path: readonly number[], at: number, share: number): Node {
  if (node.type === 'tabs') return node;
  const [step, ...rest] = path;
  if (step !== undefined) {
    const children = node.children.map((child, place) =>
      place === step ? resized(child, rest, at, share) : child,
    );
    return { ...node, children };
  }
  const [left, right] = [node.sizes[at], node.sizes[at + 1]];
  if (left === undefined || right === undefined) return node;
  const by = Math.max(LEAST_SHARE - left, Math.min(right - LEAST_SHARE, share));
  const sizes = [...node.sizes];
  sizes[at] = left + by;
  sizes[at + 1] = right - by;
  return { ...node, sizes };
}

/** Return `node` with the group `id` replaced by `by`; null takes it away. */
function swap(node: Node | null, id: string, by: Node | null): Node | null {
  if (node === null) return null;
  if (node.type === 'tabs') return node.id === id ? by : node;
  const kept = node.children
    .map((child, at) => ({ child: swap(child, id, by), size: node.sizes[at] ?? 0 }))
    .filter((each): each is { child: Node; size: number } => each.child !== null);
  return { ...node, children: kept.map(({ child }) => child), sizes: kept.map(({ size }) => size) };
}

/** Return `node` without splits of one child and without a row in a row; sizes sum to 1. */
export function tidy(node: Node | null): Node | null {
  if (node === null || node.type === 'tabs') return node;
  const children: Node[] = [];
  const sizes: number[] = [];
  node.children.forEach((each, at) => {
    const child = tidy(each);
    const size = node.sizes[at] ?? 0;
    if (child === null) return;
    if (child.type === 'split' && child.dir === node.dir) {
      children.push(...child.children);
      sizes.push(...child.sizes.map((share) => share * size));
    } else {
      children.push(child);
      sizes.push(size);
    }
  });
  if (children.length <= 1) return children[0] ?? null;
  const sum = sizes.reduce((total, size) => total + size, 0) || 1;
  return { ...node, children, sizes: sizes.map((size) => size / sum) };
}
