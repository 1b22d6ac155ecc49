/** The desk: everything that the page's parts share. */

import { SvelteMap } from 'svelte/reactivity';

import type { Entry } from '../model/board';
import { EMPTY, place, type Layout, type Settings } from '../model/layout';
import { Account } from './account.svelte';
import { Gateway } from './gateway.svelte';
import { Herald } from './herald.svelte';
import { Mutes } from './mutes.svelte';
import { FIRST, Links, UNLINKED } from './links.svelte';
import { preferences } from './preferences.svelte';
import { Trading } from './trading.svelte';
import { Travel } from './travel.svelte';
import { Watchlist } from './watchlist.svelte';
import { Workspace } from './workspace.svelte';

export type Sheet = 'none' | 'help' | 'search' | 'palette' | 'boards' | 'layouts' | 'settings' | 'setup' | 'kill';

/** What a board panel lets the keyboard do. */
export interface Steered {
  readonly id: string;
  move(step: number): void;
  cursor(): string | null;
  /** The board that it is to show, and the one that it shows. */
  board(): string;
  shown(): string;
  pick(board: string): void;
  toggle(what: 'filters' | 'columns'): void;
  clear(): void;
}

export class Desk {
  readonly gateway: Gateway;
  readonly links = new Links();
  readonly travel: Travel;
  readonly trading: Trading;
  readonly workspace: Workspace;
  readonly herald: Herald;
  readonly watchlist: Watchlist;
  readonly mutes: Mutes;
  readonly account = new Account();
  /** Whether this window shows one panel of another. */
  readonly alone: boolean;
  sheet = $state<Sheet>('none');
  frozen = $state(false);
  /** Whether the bar of time travel is open while the page shows the present. */
  travelOpen = $state(false);
  /** Titles that panels give themselves, by id. */
  titles = $state<Record<string, string>>({});
  /** The board panels on the page, by id, for the keyboard. */
  readonly boards = new SvelteMap<string, Steered>();
  /** Whether the market is shown: before that the user may have to log in. */
  connected = $state(false);
  /** Whose session came to its end on this page; empty while none did. */
  #user = '';
  #disconnect: () => void = () => undefined;
  #ends: (() => void)[] = [];
  #ended = false;
  /** True until this page has settled on a symbol that the gateway knows, or the user chose. */
  guessing = true;

  /** `alone` is the panel of a window of its own, as `popOut` wrote it; null is the whole page. */
  constructor(url: string, alone: string | null = null) {
    this.alone = alone !== null;
    this.gateway = new Gateway(url);
    this.travel = new Travel(this.gateway);
    this.trading = new Trading(this.gateway, this.travel);
    this.workspace = new Workspace(!this.alone);
    this.mutes = new Mutes(this.gateway);
    this.herald = new Herald(this.gateway, this.mutes);
    this.watchlist = new Watchlist((text) => this.gateway.say(text));
    if (alone !== null) this.workspace.open(layoutOf(alone), '');
  }

  /** Ask who one is, and connect if the gateway lets; the returned function ends it. */
  start(): () => void {
    this.#ends.push(this.links.join(), preferences.follow(), this.herald.start(), this.mutes.follow());
    void this.account.load().then(() => this.open());
    const mourner = (): void => void this.#recheck();
    this.gateway.mourners.add(mourner);
    const live = (): void => void this.mutes.load();
    this.gateway.births.add(live);
    return () => {
      this.gateway.mourners.delete(mourner);
      this.gateway.births.delete(live);
      this.travel.stop();
      this.#ended = true;
      this.#disconnect();
      for (const end of this.#ends) end();
    };
  }

  /** Connect, where the user may see the market; a log-in calls it again. */
  open(): void {
    if (this.account.shut || this.connected || this.#ended) return;
    const { me } = this.account;
    if (this.#user !== '' && me?.name !== this.#user) {
      location.reload();
      return;
    }
    this.connected = true;
    // A guest has no alerts, and a paced replay no users.
    if (me !== null && me.role !== 'guest') this.gateway.user = me.name;
    this.#disconnect = this.gateway.start();
  }

  /** After a lost connection: show the log-in where the session is over, not an outage. */
  async #recheck(): Promise<void> {
    const before = this.account.me;
    await this.account.reload();
    const { me } = this.account;
    if (this.#ended || !this.connected || me === null) return;
    // Lists, layouts and alerts are a user's own: somebody else begins with a fresh page.
    if (!this.account.shut) {
      if (before !== null && before.name !== me.name) location.reload();
      return;
    }
    this.connected = false;
    this.#user = before?.name ?? '';
    this.sheet = 'none';
    this.travel.live();
    this.#disconnect();
    this.gateway.forget();
  }

  /** Show `symbol` wherever the link of panel `id` leads. */
  select(id: string, symbol: string): void {
    this.guessing = false;
    const link = this.workspace.panel(id)?.link ?? FIRST;
    if (link === UNLINKED) this.workspace.configure(id, { symbol });
    else this.links.set(link, symbol);
  }

  /** Return the symbol that panel `id` looks at. */
  symbol(id: string): string | null {
    const panel = this.workspace.panel(id);
    // What stands in no layout, as on a telephone, follows the first colour, as `select` does.
    if (panel === undefined) return this.links.symbol(FIRST);
    if (panel.link !== UNLINKED) return this.links.symbol(panel.link);
    return typeof panel.settings['symbol'] === 'string' ? panel.settings['symbol'] : null;
  }

  /** Take the top row of a board as the symbol while nobody has chosen one. */
  guess(entries: readonly Entry[]): void {
    const top = entries[0];
    if (top === undefined || !this.guessing || this.links.symbol(FIRST) !== null) return;
    this.guessing = false;
    this.links.set(FIRST, top.symbol);
  }

  /** Copy `symbol`, where the user wants that and the browser lets. */
  async copy(symbol: string): Promise<void> {
    if (!preferences.now.copies || navigator.clipboard === undefined) return;
    try {
      await navigator.clipboard.writeText(symbol);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
    }
  }

  /** Open panel `id` in a window of its own, linked with this one by colour. */
  popOut(id: string): void {
    const panel = this.workspace.panel(id);
    if (panel === undefined) return;
    const { kind, link, settings } = panel;
    const told = new URLSearchParams({ panel: JSON.stringify({ kind, link, settings }) });
    const window_ = open(`./?${told}`, `tapelight-${id}-${Date.now()}`, 'width=900,height=640');
    if (window_ === null) this.gateway.say('The browser blocked the window: allow pop-ups here.');
    else this.workspace.close(id);
  }

  /** Let panel `id` fill the page, or show all again. */
  zoom(id: string): void {
    this.workspace.zoomed = this.workspace.zoomed === '' ? id : '';
  }

  /** Tell the tape's and boards' panels of the active board: which one the keyboard acts on. */
  get steered(): Steered | undefined {
    const { focused, panels } = this.workspace;
    const first = panels.find(({ id }) => this.boards.has(id))?.id ?? '';
    return this.boards.get(focused) ?? this.boards.get(first);
  }

  /** Give the keyboard to the next board (1) or the one before (-1). */
  steer(by: number): void {
    const ids = this.workspace.panels.map(({ id }) => id).filter((id) => this.boards.has(id));
    const at = ids.indexOf(this.workspace.focused);
    const next = ids[(Math.max(at, 0) + by + ids.length) % ids.length];
    if (next !== undefined) this.workspace.focused = next;
  }

  /** The session that hidden and muted symbols belong to. */
  get session(): string {
    return this.gateway.session;
  }

  /** Explain `symbol` on `scan` in the panel for that, which is opened if need be. */
  why(symbol: string, scan: string, from: string): void {
    const link = this.workspace.panel(from)?.link ?? FIRST;
    const known = this.workspace.panels.find((panel) => panel.kind === 'why');
    const id = known?.id ?? this.workspace.add('why', {}, 'centre', link);
    this.workspace.configure(id, { scan });
    this.select(from, symbol);
    this.workspace.activate(id);
  }
}

/** Return the layout of a window that shows one panel; what is no panel shows a board. */
function layoutOf(text: string): Layout {
  let told: unknown = null;
  try {
    told = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const { kind, link, settings } = (told ?? {}) as Readonly<Record<string, unknown>>;
  return place(EMPTY, {
    id: 'alone',
    kind: typeof kind === 'string' ? kind : 'board',
    link: typeof link === 'string' ? link : FIRST,
    settings: typeof settings === 'object' && settings !== null ? (settings as Settings) : {},
  });
}

/** One panel as its component sees it. */
export class PanelView {
  readonly desk: Desk;
  readonly id: string;

  constructor(desk: Desk, id: string) {
    this.desk = desk;
    this.id = id;
  }

  get symbol(): string | null {
    return this.desk.symbol(this.id);
  }

  select(symbol: string): void {
    this.desk.select(this.id, symbol);
  }

  /** A click on a symbol: show it, and copy it. */
  click(symbol: string): void {
    this.select(symbol);
    void this.desk.copy(symbol);
  }

  /** What the user chose for it. */
  get settings(): Settings {
    return this.desk.workspace.panel(this.id)?.settings ?? {};
  }

  text(key: string, fallback = ''): string {
    const value = this.settings[key];
    return typeof value === 'string' ? value : fallback;
  }

  flag(key: string, fallback = false): boolean {
    const value = this.settings[key];
    return typeof value === 'boolean' ? value : fallback;
  }

  list(key: string): readonly string[] {
    const value = this.settings[key];
    return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
  }

  set(change: Settings): void {
    this.desk.workspace.configure(this.id, change);
  }
}

/** A panel that stands in no layout, as on a telephone: it follows the first colour. */
export class LonePanel extends PanelView {
  #own = $state.raw<Settings>({});

  constructor(desk: Desk) {
    super(desk, '');
  }

  override get settings(): Settings {
    return this.#own;
  }

  override set(change: Settings): void {
    this.#own = { ...this.#own, ...change };
  }
}
