/** The workspace: which panels stand where, under which name it is kept, and the way back. */

import {
  activate,
  close,
  configure,
  freeId,
  groupOf,
  groupsOf,
  move,
  panelsOf,
  place,
  resize,
  type Layout,
  type PanelSpec,
  type Settings,
  type Side,
} from '../model/layout';
import { DEFAULT_LAYOUT } from '../model/firstlayout';
import { LayoutFault, readLayout } from '../model/layoutfile';
import { FIRST } from './links.svelte';
import { keep, stored } from './preferences.svelte';

/** How many steps can be taken back. */
const STEPS = 100;
/** Changes of size within so long are one step (ms). */
const ONE_STEP_MS = 600;
const DRAFT = 'tapelight-draft';

interface Draft {
  readonly name: string;
  readonly layout: unknown;
  readonly version?: number;
}

export class Workspace {
  layout = $state.raw<Layout>(DEFAULT_LAYOUT);
  /** The name under which the layout is kept; empty until it was saved. */
  name = $state('');
  /** The version that was opened or kept last; 0 where it is not known. */
  version = 0;
  /** Whether it differs from what is kept under its name. */
  changed = $state(false);
  /** The panel that the keyboard acts on. */
  focused = $state('');
  /** The panel that fills the page; empty while all are shown. */
  zoomed = $state('');
  undos = $state.raw<readonly Layout[]>([]);
  redos = $state.raw<readonly Layout[]>([]);
  #stepped = 0;
  #keeps: boolean;

  /** `keeps` is false in a window that shows one panel alone. */
  constructor(keeps = true) {
    this.#keeps = keeps;
    if (!keeps) return;
    const draft = stored(DRAFT) as Draft | null;
    if (draft === null) return;
    try {
      this.layout = readLayout(draft.layout);
      this.name = typeof draft.name === 'string' ? draft.name : '';
      this.version = typeof draft.version === 'number' ? draft.version : 0;
    } catch (error) {
      if (!(error instanceof LayoutFault)) throw error;
    }
  }

  get panels(): readonly PanelSpec[] {
    return panelsOf(this.layout);
  }

  panel(id: string): PanelSpec | undefined {
    return this.layout.panels[id];
  }

  /** Show `layout` as `name`. */
  open(layout: Layout, name: string, version = 0): void {
    this.#set(layout, true);
    this.name = name;
    this.version = version;
    this.changed = false;
    this.zoomed = '';
    this.#keep();
  }

  /** Note that the layout is kept under `name`. */
  saved(name: string, version = 0): void {
    this.name = name;
    this.version = version;
    this.changed = false;
    this.#keep();
  }

  add(kind: string, settings: Settings = {}, side: Side = 'centre', link: string = FIRST): string {
    const target = groupOf(this.layout, this.focused)?.id ?? '';
    const id = freeId(this.layout, kind);
    this.#set(place(this.layout, { id, kind, link, settings }, target, side), true);
    this.focused = id;
    return id;
  }

  close(id: string): void {
    this.#set(close(this.layout, id), true);
    if (this.zoomed === id) this.zoomed = '';
  }

  move(id: string, target: string, side: Side, index?: number): void {
    this.#set(move(this.layout, id, target, side, index), true);
  }

  /** Put panel `id` into the next group in reading order, for who uses no pointer. */
  moveOn(id: string): void {
    const groups = groupsOf(this.layout.root);
    const at = groups.findIndex((group) => group.panels.includes(id));
    const next = groups[(at + 1) % groups.length];
    if (next !== undefined) this.move(id, next.id, 'centre');
  }

  activate(id: string): void {
    this.focused = id;
    const next = activate(this.layout, id);
    if (next !== this.layout) this.#set(next, false);
  }

  resize(path: readonly number[], at: number, share: number): void {
    const now = performance.now();
    const fresh = now - this.#stepped > ONE_STEP_MS;
    this.#stepped = now;
    this.#set(resize(this.layout, path, at, share), fresh);
  }

  link(id: string, link: string): void {
    this.#set(configure(this.layout, id, { link }), true);
  }

  configure(id: string, change: Settings): void {
    const panel = this.layout.panels[id];
    if (panel === undefined) return;
    this.#set(configure(this.layout, id, { settings: { ...panel.settings, ...change } }), true);
  }

  undo(): void {
    this.#back('undos', 'redos');
  }

  redo(): void {
    this.#back('redos', 'undos');
  }

  #back(from: 'undos' | 'redos', to: 'undos' | 'redos'): void {
    const previous = this[from].at(-1);
    if (previous === undefined) return;
    this[from] = this[from].slice(0, -1);
    this[to] = [...this[to], this.layout];
    this.layout = previous;
    this.changed = true;
    this.#keep();
  }

  #set(layout: Layout, step: boolean): void {
    if (layout === this.layout) return;
    if (step) {
      this.undos = [...this.undos, this.layout].slice(-STEPS);
      this.redos = [];
    }
    this.layout = layout;
    this.changed = true;
    this.#keep();
  }

  #keep(): void {
    if (this.#keeps) keep(DRAFT, { name: this.name, layout: this.layout, version: this.version } satisfies Draft);
  }
}
