/** The user's own symbols, by list; the gateway keeps them. */

import { ask, told } from '../link/rest';

/** The list that `w` writes to. */
export const MAIN = 'Main';
const MOST = 1_000;

interface Info {
  readonly name: string;
  readonly mine: boolean;
}

export class Watchlist {
  lists = $state.raw<Readonly<Record<string, readonly string[]>>>({ [MAIN]: [] });
  #say: (text: string) => void;
  #loaded: Promise<void> | null = null;

  /** `say` tells the user what could not be kept. */
  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  symbols(name: string): readonly string[] {
    // A list may have any name, also that of what every object has.
    return Object.hasOwn(this.lists, name) ? (this.lists[name] ?? []) : [];
  }

  /** Read the lists, once. */
  load(): Promise<void> {
    this.#loaded ??= this.#attempt(async () => {
      const mine = (await ask<Info[]>('/api/watchlists')).filter((info) => info.mine);
      const found = await Promise.all(mine.map(({ name }) => read(name)));
      this.lists = { [MAIN]: [], ...Object.fromEntries(found) };
    });
    return this.#loaded;
  }

  /** Put `symbol` on the list, or take it off; tell which. */
  async toggle(symbol: string, name = MAIN): Promise<void> {
    await this.load();
    const now = this.symbols(name);
    const on = !now.includes(symbol);
    await this.set(name, on ? [...now, symbol] : now.filter((each) => each !== symbol));
    this.#say(`${symbol} is ${on ? 'on' : 'off'} the watchlist ${name}.`);
  }

  async set(name: string, symbols: readonly string[]): Promise<void> {
    const kept = [...new Set(symbols)].slice(0, MOST);
    await this.#attempt(async () => {
      const wish = { method: 'PUT', body: { symbols: kept, shared: false }, headers: ANY };
      await ask(path(name), {}, wish);
      this.lists = { ...this.lists, [name]: kept };
    });
  }

  async remove(name: string): Promise<void> {
    await this.#attempt(async () => {
      await ask(path(name), {}, { method: 'DELETE', headers: ANY });
      const { [name]: _, ...rest } = this.lists;
      this.lists = { [MAIN]: [], ...rest };
    });
  }

  async #attempt(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.#say(`Watchlist: ${told(error)}`);
    }
  }
}

const ANY = { 'if-match': '*' };

function path(name: string): string {
  return `/api/watchlists/${encodeURIComponent(name)}`;
}

async function read(name: string): Promise<readonly [string, readonly string[]]> {
  const { body } = await ask<{ body: { symbols?: readonly string[] } }>(path(name));
  return [name, body.symbols ?? []];
}
