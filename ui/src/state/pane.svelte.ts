/** One board on the screen: which board, in which shown order, frozen or not. */

import { Board, Ranking, type Entry } from '../model/board';
import type { Field } from '../model/columns';

/** A pointer that rests for so long no longer holds the order still (ms). */
const HOVER_MS = 10_000;
/** How long a key keeps the order still, so that the cursor does not slip (ms). */
const KEY_MS = 3_000;

export class Pane {
  name = $state('');
  entries = $state.raw<readonly Entry[]>([]);
  fields = $state.raw<readonly Field[]>([]);
  title = $state('');
  loaded = $state(false);
  /** Whether it is a scan: its newest firings, each a row. */
  events = $state(false);
  waiting = $state(0);
  held = $state(false);
  cursor = $state<string | null>(null);
  /** The past time (ms) that the entries are of; null for the present, and before anything came. */
  moment = $state<number | null>(null);
  #ranking = new Ranking();
  #heldUntil = 0;
  #hidden = 0;
  #symbols: ReadonlySet<string> = new Set();

  /** Show another board. */
  pick(name: string): void {
    if (name === this.name) return;
    this.name = name;
    this.cursor = null;
    this.loaded = false;
    this.entries = [];
    this.moment = null;
    this.#ranking.clear();
  }

  /** Hold the order still while the pointer is over the rows. */
  hover(now: number): void {
    this.#heldUntil = now + HOVER_MS;
  }

  release(): void {
    this.#heldUntil = 0;
  }

  /** Move the cursor by `step` rows and return its symbol. */
  move(step: number, now: number): string | null {
    const at = this.entries.findIndex((entry) => entry.symbol === this.cursor);
    const last = this.entries.length - 1;
    const next = at < 0 ? (step > 0 ? 0 : last) : Math.min(last, Math.max(0, at + step));
    this.cursor = this.entries[next]?.symbol ?? null;
    this.#heldUntil = Math.max(this.#heldUntil, now + KEY_MS);
    return this.cursor;
  }

  /** Return the symbol under the cursor. */
  symbolAt(): string | null {
    return this.cursor === null ? null : this.#symbolOf(this.cursor);
  }

  /** Return whether a row of `symbol` is on the board. */
  has(symbol: string): boolean {
    return this.#symbols.has(symbol);
  }

  /** Take over the state of `board` for the next paint, without rows that `hides` names. */
  paint(board: Board, now: number, frozen: boolean, hides: (symbol: string) => boolean): void {
    this.events = board.kind === 'events';
    this.held = frozen || now < this.#heldUntil;
    if (this.#ranking.advance(board, now, this.held) || this.#hidden !== this.#count(hides)) {
      this.entries = this.#ranking.entries.filter((entry) => !hides(this.#symbolOf(entry.symbol)));
      this.#symbols = new Set(this.entries.map((entry) => this.#symbolOf(entry.symbol)));
      this.#hidden = this.#count(hides);
    }
    this.waiting = this.#ranking.waiting;
    this.fields = board.fields;
    this.title = board.title;
    this.loaded = board.loaded;
  }
  #count(hides: (symbol: string) => boolean): number {
    return this.#ranking.entries.filter((entry) => hides(this.#symbolOf(entry.symbol))).length;
  }

  /** A scan's rows are called SYMBOL@milliseconds. */
  #symbolOf(row: string): string {
    return this.events ? (row.split('@', 1)[0] ?? row) : row;
  }
}
