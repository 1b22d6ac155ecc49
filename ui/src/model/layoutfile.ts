/** Layouts as files: what is read from outside is checked, an older version is brought up. */

import { groupsOf, tidy, type Layout, type Node, type PanelSpec } from './layout';

/** What is wrong with a layout, in a sentence for the user. */
export class LayoutFault extends Error {}

const MOST_PANELS = 64;
/** The gateway takes what is nested up to 32 deep: two for each split. */
const MOST_DEPTH = 12;
const FORMAT = 1;

/** Return the layout in `value`; raise LayoutFault with what is wrong and what to do. */
export function readLayout(value: unknown): Layout {
  const found = record(value, 'A layout is a JSON object.');
  if (found['tapelight'] === 'layout') return readLayout(found['body']);
  const { format } = found;
  if (format === FORMAT) return whole(found);
  if (typeof format === 'number' && format > FORMAT) {
    throw new LayoutFault(
      `This layout is of format ${format}, which a newer Tapelight wrote: update this one to open it.`,
    );
  }
  throw new LayoutFault(
    `A layout says "format": ${FORMAT}; this says ${JSON.stringify(format) ?? 'nothing'}. ` +
      'Export one here to see the form.',
  );
}

/** Return the layout in the text of a file. */
export function parseLayout(text: string): Layout {
  try {
    return readLayout(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) throw new LayoutFault(`This is no JSON: ${error.message}.`);
    throw error;
  }
}

function whole(found: Record<string, unknown>): Layout {
  const told = record(found['panels'], 'A layout has "panels": an object of panels by id.');
  const entries = Object.entries(told);
  if (entries.length > MOST_PANELS) {
    throw new LayoutFault(`A layout has ${MOST_PANELS} panels at most; this has ${entries.length}.`);
  }
  const panels = Object.fromEntries(entries.map(([id, panel]) => [id, readPanel(id, panel)]));
  const root = found['root'] == null ? null : tidy(readNode(found['root'], panels, 0));
  const shown = groupsOf(root).flatMap((group) => group.panels);
  if (new Set(shown).size !== shown.length) throw new LayoutFault('A panel stands in two places.');
  return { format: FORMAT, root, panels: Object.fromEntries(shown.map((id) => [id, panels[id]!])) };
}

function readPanel(id: string, value: unknown): PanelSpec {
  const found = record(value, `Panel ${id} is no object.`);
  const { kind, link, settings } = found;
  if (typeof kind !== 'string') throw new LayoutFault(`Panel ${id} has no "kind".`);
  return {
    id,
    kind,
    link: typeof link === 'string' ? link : 'none',
    settings: record(settings ?? {}, `The settings of panel ${id} are no object.`),
  };
}

function readNode(value: unknown, panels: Record<string, PanelSpec>, depth: number): Node {
  const found = record(value, 'A part of the layout is no object.');
  if (depth > MOST_DEPTH) throw new LayoutFault('The layout is nested too deeply.');
  if (found['type'] === 'tabs') return readTabs(found, panels);
  if (found['type'] !== 'split' || !Array.isArray(found['children'])) {
    throw new LayoutFault('A part of the layout is neither "tabs" nor a "split" with children.');
  }
  const children = found['children'].map((child) => readNode(child, panels, depth + 1));
  const given = Array.isArray(found['sizes']) ? found['sizes'] : [];
  const sizes = children.map((_, at) => share(given[at], children.length));
  return { type: 'split', dir: found['dir'] === 'column' ? 'column' : 'row', sizes, children };
}

function readTabs(found: Record<string, unknown>, panels: Record<string, PanelSpec>): Node {
  const { id, active } = found;
  const listed = Array.isArray(found['panels']) ? found['panels'] : [];
  const known = listed.filter((each): each is string => typeof each === 'string' && each in panels);
  if (typeof id !== 'string' || known.length === 0) {
    throw new LayoutFault('A group of tabs needs an "id" and at least one panel of the layout.');
  }
  const front = typeof active === 'string' && known.includes(active) ? active : (known[0] ?? '');
  return { type: 'tabs', id, panels: known, active: front };
}

function share(value: unknown, count: number): number {
  return typeof value === 'number' && value > 0 && value <= 1 ? value : 1 / count;
}

function record(value: unknown, fault: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new LayoutFault(fault);
  return value as Record<string, unknown>;
}
