/** What this browser remembers of its user: colours, density, sounds, places to look further. */

const KEY = 'tapelight';

export const THEMES = ['dark', 'light'] as const;
export const PALETTES = ['classic', 'blue-orange', 'red-up'] as const;
export const DENSITIES = ['normal', 'compact', 'roomy'] as const;

export type Theme = (typeof THEMES)[number];
export type Palette = (typeof PALETTES)[number];
export type Density = (typeof DENSITIES)[number];

/** A place to look further; `{symbol}` in the address stands for the symbol. */
export interface DeepLink {
  readonly title: string;
  readonly address: string;
}

interface Saved {
  readonly theme: Theme;
  readonly palette: Palette;
  readonly density: Density;
  /** A click on a symbol copies it. */
  readonly copies: boolean;
  readonly volume: number;
  readonly speaks: boolean;
  /** The scans whose signals sound. */
  readonly sounding: readonly string[];
  readonly links: readonly DeepLink[];
  /** Symbols left out for a session: blacklisted from boards, and muted in tape and sound. */
  readonly hidden: Readonly<Record<string, string>>;
  readonly muted: Readonly<Record<string, string>>;
}

const DEFAULTS: Saved = {
  theme: 'dark',
  palette: 'classic',
  density: 'normal',
  copies: true,
  volume: 0.4,
  speaks: false,
  sounding: [],
  links: [
    { title: 'TradingView', address: 'https://www.tradingview.com/chart/?symbol={symbol}' },
    { title: 'Finviz', address: 'https://finviz.com/quote.ashx?t={symbol}' },
    { title: 'SEC filings', address: 'https://www.sec.gov/cgi-bin/browse-edgar?CIK={symbol}' },
  ],
  hidden: {},
  muted: {},
};
export const ROW_PX: Readonly<Record<Density, number>> = { compact: 18, normal: 22, roomy: 28 };
const TOUCH_PX = 38;

/** Return the JSON kept under `key`; null where there is none, or storage is refused. */
export function stored(key: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null');
  } catch (error) {
    // Storage may be refused (private windows) or hold another program's text.
    if (error instanceof SyntaxError || error instanceof DOMException) return null;
    throw error;
  }
}

/** Keep `value` under `key`; a full or refused storage keeps nothing. */
export function keep(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
  }
}

function checked(saved: Partial<Saved>): Saved {
  const all = { ...DEFAULTS, ...saved };
  return {
    ...all,
    theme: one(THEMES, all.theme),
    palette: one(PALETTES, all.palette),
    density: one(DENSITIES, all.density),
    sounding: Array.isArray(all.sounding) ? all.sounding : [],
    links: Array.isArray(all.links) ? all.links : DEFAULTS.links,
  };
}

function one<T extends string>(known: readonly T[], value: string): T {
  return known.find((each) => each === value) ?? (known[0] as T);
}

class Preferences {
  #saved = $state.raw<Saved>(checked((stored(KEY) ?? {}) as Partial<Saved>));

  /** Whether rows are as high as a finger: on a small screen. */
  touch = $state(false);

  get now(): Saved {
    return this.#saved;
  }

  /** The height of a row (px). */
  get rowPx(): number {
    return this.touch ? TOUCH_PX : ROW_PX[this.#saved.density];
  }

  set(change: Partial<Saved>): void {
    this.#saved = checked({ ...this.#saved, ...change });
    keep(KEY, this.#saved);
  }

  /** Take over what another window of this browser has set. */
  follow(): () => void {
    const changed = (event: StorageEvent): void => {
      if (event.key === KEY) this.#saved = checked((stored(KEY) ?? {}) as Partial<Saved>);
    };
    addEventListener('storage', changed);
    return () => removeEventListener('storage', changed);
  }

  turnTheme(): void {
    this.set({ theme: next(THEMES, this.#saved.theme) });
  }

  turnPalette(): void {
    this.set({ palette: next(PALETTES, this.#saved.palette) });
  }

  turnDensity(): void {
    this.set({ density: next(DENSITIES, this.#saved.density) });
  }

  /** Leave `symbol` out for `session`, or take it back. */
  toggle(list: 'hidden' | 'muted', symbol: string, session: string): boolean {
    const kept = Object.entries(this.#saved[list]).filter(([, day]) => day === session);
    const before = kept.some(([each]) => each === symbol);
    const rest = kept.filter(([each]) => each !== symbol);
    this.set({ [list]: Object.fromEntries(before ? rest : [...rest, [symbol, session]]) });
    return !before;
  }

  has(list: 'hidden' | 'muted', symbol: string, session: string): boolean {
    return this.#saved[list][symbol] === session;
  }
}

function next<T>(known: readonly T[], value: T): T {
  return known[(known.indexOf(value) + 1) % known.length] as T;
}

export const preferences = new Preferences();
