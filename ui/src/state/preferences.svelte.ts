/** What this browser remembers: boards, symbol, theme, colours. */

const KEY = 'tapelight';

export type Theme = 'dark' | 'light';
export type Palette = 'classic' | 'blue-orange';

interface Saved {
  boards: string[];
  symbol: string | null;
  theme: Theme;
  palette: Palette;
}

const DEFAULTS: Saved = { boards: [], symbol: null, theme: 'dark', palette: 'classic' };

function load(): Saved {
  try {
    const saved: unknown = JSON.parse(localStorage.getItem(KEY) ?? '{}');
    return { ...DEFAULTS, ...(saved as Partial<Saved>) };
  } catch (error) {
    // Storage may be refused (private windows) or hold another program's text.
    if (error instanceof SyntaxError || error instanceof DOMException) return { ...DEFAULTS };
    throw error;
  }
}

function store(saved: Saved): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(saved));
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
  }
}

class Preferences {
  #saved = $state<Saved>(load());

  get boards(): readonly string[] {
    return Array.isArray(this.#saved.boards) ? this.#saved.boards : [];
  }

  get symbol(): string | null {
    return typeof this.#saved.symbol === 'string' ? this.#saved.symbol : null;
  }

  get theme(): Theme {
    return this.#saved.theme === 'light' ? 'light' : 'dark';
  }

  get palette(): Palette {
    return this.#saved.palette === 'blue-orange' ? 'blue-orange' : 'classic';
  }

  set(change: Partial<Saved>): void {
    this.#saved = { ...this.#saved, ...change };
    store(this.#saved);
  }
}

export const preferences = new Preferences();
