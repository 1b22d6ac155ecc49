/** The user's own symbols, by list. The one place that knows where they are kept: this browser. */

import { keep, stored } from './preferences.svelte';

const KEY = 'tapelight-watchlists';
/** The list that `w` writes to. */
export const MAIN = 'Main';
const MOST = 500;

type Lists = Readonly<Record<string, readonly string[]>>;

export class Watchlist {
  lists = $state.raw<Lists>({ [MAIN]: [], ...((stored(KEY) ?? {}) as Lists) });

  symbols(name: string): readonly string[] {
    return this.lists[name] ?? [];
  }

  /** Put `symbol` on the list, or take it off; return whether it is on it now. */
  toggle(symbol: string, name = MAIN): boolean {
    const now = this.symbols(name);
    const on = !now.includes(symbol);
    this.set(name, on ? [...now, symbol] : now.filter((each) => each !== symbol));
    return on;
  }

  set(name: string, symbols: readonly string[]): void {
    this.lists = { ...this.lists, [name]: [...new Set(symbols)].slice(0, MOST) };
    keep(KEY, this.lists);
  }

  remove(name: string): void {
    const { [name]: _, ...rest } = this.lists;
    this.lists = { [MAIN]: [], ...rest };
    keep(KEY, this.lists);
  }
}
