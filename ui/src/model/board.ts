/** A board as the gateway last told it, and its rows in the order in which they are shown. */

import type { BoardDiff, BoardMessage, BoardSnapshot, Cell } from '../wire';
import { fieldOf, sameFields, type Field } from './columns';

/** How long a row that left stays visible, dimmed (ms). */
export const GHOST_MS = 3_000;
/** How long the arrow of a rank change stays (ms). */
export const MOVE_MS = 4_000;

/** The state of one board topic. Rows are replaced, never altered, so identity tells change. */
export class Board {
  title = '';
  kind = 'list';
  fields: readonly Field[] = [];
  order: readonly string[] = [];
  rows = new Map<string, readonly Cell[]>();
  /** True once a snapshot was received. */
  loaded = false;
  /** The past time (ms) that it is of; null for the present. */
  moment: number | null = null;
  /** Rises when what was shown before has nothing to do with what is shown now. */
  generation = 0;

  apply(message: BoardMessage): void {
    if (message.kind === 'snapshot') this.#replace(message, message.moment ?? null);
    else this.#change(message);
  }

  /** Forget the rows: they are of another time, or the board is no more. */
  clear(): void {
    this.order = [];
    this.rows = new Map();
    this.loaded = false;
    this.generation += 1;
  }

  #replace(snapshot: BoardSnapshot, moment: number | null): void {
    const fields = snapshot.columns.map(fieldOf);
    if (!sameFields(this.fields, fields) || jumped(this.moment, moment)) this.generation += 1;
    this.moment = moment;
    this.title = snapshot.title;
    this.kind = snapshot.board_kind;
    this.fields = fields;
    this.order = [...new Set(snapshot.order)];
    this.rows = new Map(Object.entries(snapshot.rows));
    this.loaded = true;
  }

  #change(diff: BoardDiff): void {
    for (const [symbol, cells] of Object.entries(diff.rows ?? {})) this.rows.set(symbol, cells);
    this.#write(diff.cells ?? []);
    if (diff.order !== undefined) {
      this.order = [...new Set(diff.order)];
      this.#forget(new Set(diff.order));
    }
  }

  #write(cells: NonNullable<BoardDiff['cells']>): void {
    const copied = new Map<string, Cell[]>();
    for (const [symbol, index, value] of cells) {
      const row = copied.get(symbol) ?? this.rows.get(symbol)?.slice();
      if (row === undefined) continue;
      row[index] = value;
      copied.set(symbol, row);
    }
    for (const [symbol, row] of copied) this.rows.set(symbol, row);
  }

  #forget(kept: ReadonlySet<string>): void {
    for (const symbol of this.rows.keys()) if (!kept.has(symbol)) this.rows.delete(symbol);
  }
}

/** Return whether from one time to the other is more than a ghost would last, or back. */
function jumped(from: number | null, to: number | null): boolean {
  if (from === null || to === null) return from !== to;
  return to < from || to - from > GHOST_MS;
}

/** One shown row. An unchanged entry keeps its identity from paint to paint. */
export interface Entry {
  readonly symbol: string;
  readonly cells: readonly Cell[];
  /** 1 for the top; 0 when the row has left the board. */
  readonly rank: number;
  /** Places gained (above 0) or lost since the last change; 0 once the arrow has faded. */
  readonly moved: number;
  readonly ghost: boolean;
}

interface Seen {
  rank: number;
  moved: number;
  movedAt: number;
}

/** The shown order of a board: rows that leave linger, and a frozen order stands still. */
export class Ranking {
  entries: readonly Entry[] = [];
  /** Rows that are on the board but not shown, because the order is frozen. */
  waiting = 0;
  #seen = new Map<string, Seen>();
  #left = new Map<string, number>();
  #generation = -1;

  /** Bring the shown rows up to `board` at `now` (ms, monotonic); return whether any changed. */
  advance(board: Board, now: number, frozen: boolean): boolean {
    const fresh = board.generation !== this.#generation;
    this.#generation = board.generation;
    // Cells of other columns, or of another time, are no ghosts of these.
    if (fresh && this.entries.length > 0) {
      this.clear();
      this.advance(board, now, false);
      return true;
    }
    const ranks = new Map(board.order.map((symbol, index) => [symbol, index + 1]));
    this.#follow(ranks, now);
    const shown = frozen && this.entries.length > 0 ? this.#frozen() : this.#merged(board.order, now);
    this.waiting = frozen ? board.order.length - shown.filter((s) => ranks.has(s)).length : 0;
    return this.#publish(shown, ranks, board);
  }

  /** Forget everything, as when another board is picked. */
  clear(): void {
    this.entries = [];
    this.waiting = 0;
    this.#seen.clear();
    this.#left.clear();
  }

  #follow(ranks: ReadonlyMap<string, number>, now: number): void {
    for (const [symbol, rank] of ranks) {
      const seen = this.#seen.get(symbol);
      if (seen === undefined) this.#seen.set(symbol, { rank, moved: 0, movedAt: now });
      else if (seen.rank !== rank) {
        this.#seen.set(symbol, { rank, moved: seen.rank - rank, movedAt: now });
      } else if (seen.moved !== 0 && now - seen.movedAt >= MOVE_MS) seen.moved = 0;
      this.#left.delete(symbol);
    }
    for (const { symbol } of this.entries) {
      if (!ranks.has(symbol) && !this.#left.has(symbol)) this.#left.set(symbol, now);
    }
    for (const symbol of this.#seen.keys()) if (!ranks.has(symbol)) this.#seen.delete(symbol);
  }

  #frozen(): string[] {
    return this.entries.map((entry) => entry.symbol);
  }

  /** Return the live order with each ghost put back at the place where it was last shown. */
  #merged(order: readonly string[], now: number): string[] {
    const merged = [...order];
    const live = new Set(order);
    this.entries.forEach(({ symbol }, place) => {
      if (live.has(symbol)) return;
      if (now - (this.#left.get(symbol) ?? now) < GHOST_MS) {
        merged.splice(Math.min(place, merged.length), 0, symbol);
      } else this.#left.delete(symbol);
    });
    return merged;
  }

  #publish(shown: readonly string[], ranks: ReadonlyMap<string, number>, board: Board): boolean {
    const before = new Map(this.entries.map((entry) => [entry.symbol, entry]));
    let same = shown.length === this.entries.length;
    const next = shown.map((symbol, place) => {
      const old = before.get(symbol);
      const entry: Entry = {
        symbol,
        cells: board.rows.get(symbol) ?? old?.cells ?? [],
        rank: ranks.get(symbol) ?? 0,
        moved: this.#seen.get(symbol)?.moved ?? 0,
        ghost: !ranks.has(symbol),
      };
      const kept = old !== undefined && equal(old, entry) ? old : entry;
      same &&= kept === this.entries[place];
      return kept;
    });
    if (!same) this.entries = next;
    return !same;
  }
}

function equal(a: Entry, b: Entry): boolean {
  return a.cells === b.cells && a.rank === b.rank && a.moved === b.moved && a.ghost === b.ghost;
}
