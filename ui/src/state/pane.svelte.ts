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
  waiting = $state(0);
  held = $state(false);
  cursor = $state<string | null>(null);
  /** True once the user has picked the board, here or on an earlier visit. */
  chosen = false;
  #ranking = new Ranking();
  #heldUntil = 0;

  /** Show another board. */
  pick(name: string): void {
    this.name = name;
    this.cursor = null;
    this.loaded = false;
    this.entries = [];
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

  /** Take over the state of `board` for the next paint. */
  paint(board: Board, now: number, frozen: boolean): void {
    this.held = frozen || now < this.#heldUntil;
    if (this.#ranking.advance(board, now, this.held)) this.entries = this.#ranking.entries;
    this.waiting = this.#ranking.waiting;
    this.fields = board.fields;
    this.title = board.title;
    this.loaded = board.loaded;
  }
}
