/** The user's own symbols, by list; the gateway keeps them. */

import { changeDocument, documentPath, documentsOf, type Doc } from '../link/documents';
import { ask, told } from '../link/rest';

/** The list that `w` writes to. */
export const MAIN = 'Main';
const MOST = 1_000;
const KIND = 'watchlists';

interface List {
  readonly symbols?: readonly string[];
}

export class Watchlist {
  #kept = $state.raw<ReadonlyMap<string, Doc<List>>>(new Map());
  /** Whether the lists were read; before that nothing is known of them. */
  loaded = $state(false);
  /** Why they were not; empty while they were. */
  fault = $state('');
  #say: (text: string) => void;
  #loading: Promise<void> | null = null;

  /** `say` tells the user what could not be kept. */
  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  /** The names of the lists; `MAIN` is always one. */
  get names(): readonly string[] {
    return [...new Set([MAIN, ...this.#kept.keys()])];
  }

  symbols(name: string): readonly string[] {
    return this.#kept.get(name)?.body.symbols ?? [];
  }

  /** Read the lists: what other windows and browsers have put there too. */
  load(): Promise<void> {
    this.#loading ??= this.#read().finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #read(): Promise<void> {
    try {
      const found = await documentsOf<List>(KIND);
      this.#kept = new Map(found.map((doc) => [doc.name, doc]));
      this.loaded = true;
      this.fault = '';
    } catch (error) {
      this.fault = told(error);
    }
  }

  /** Put `symbol` on the list, or take it off; tell which. */
  async toggle(symbol: string, name = MAIN): Promise<void> {
    if (!this.loaded) await this.load();
    if (!this.loaded) {
      this.#say(`Watchlist: nothing was changed, for the list can't be read. ${this.fault}`);
      return;
    }
    const off = this.symbols(name).includes(symbol);
    const done = await this.change(name, (now) => (off ? now.filter((each) => each !== symbol) : [...now, symbol]));
    if (done) this.#say(`${symbol} is ${off ? 'off' : 'on'} the watchlist ${name}.`);
  }

  /** Write what `change` makes of the list as it is kept now; return whether it was written. */
  async change(name: string, change: (symbols: readonly string[]) => readonly string[]): Promise<boolean> {
    return this.#attempt(async () => {
      const doc = await changeDocument<List>(
        KIND,
        name,
        (list) => ({ symbols: [...new Set(change(list?.symbols ?? []))].slice(0, MOST) }),
        this.#kept.get(name),
      );
      this.#kept = new Map([...this.#kept, [name, doc]]);
    });
  }

  async remove(name: string): Promise<void> {
    await this.#attempt(async () => {
      await ask(documentPath(KIND, name), {}, { method: 'DELETE', headers: { 'if-match': '*' } });
      this.#kept = new Map([...this.#kept].filter(([each]) => each !== name));
    });
  }

  async #attempt(act: () => Promise<void>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      this.#say(`Watchlist: ${told(error)}`);
      return false;
    }
  }
}
