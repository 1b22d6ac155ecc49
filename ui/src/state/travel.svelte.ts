/** Time travel: every board and symbol on the page as of a recorded second. */

import { PastQueue } from '../link/queue';
import { ask, told } from '../link/rest';
import type { Cell, Column, Envelope, Signal } from '../wire';
import type { Gateway } from './gateway.svelte';
import type { Source } from './sources.svelte';

export const SPEEDS = [0.5, 1, 2, 5, 10, 30, 60] as const;
const TICK_MS = 100;
/** While it plays, what is shown may lag so much of the playing time (ms). */
const LAG_MS = 2_000;

interface PastBoard {
  readonly name: string;
  readonly title: string;
  readonly kind: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Readonly<Record<string, Cell>>[];
}

export class Travel {
  /** Market time (ms, UTC) that is shown; null is now. */
  at = $state<number | null>(null);
  playing = $state(false);
  speed = $state<number>(1);
  /** True while an answer is awaited. */
  busy = $state(false);
  /** What the gateway said instead; empty while it answers. */
  fault = $state('');
  /** The second that the page shows; it follows `at` as answers come. */
  shown = $state<number | null>(null);
  signals = $state.raw<readonly Signal[]>([]);
  /** What every question about the past goes through, the panels' own ones too. */
  readonly queue = new PastQueue();

  #gateway: Gateway;
  #round = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  /** The second asked for as the gateway reads it; undefined for now. */
  get iso(): string | undefined {
    return this.at === null ? undefined : new Date(this.at).toISOString();
  }

  /** Whether what is on the page is not of the second that the bar tells. */
  get behind(): boolean {
    if (this.at === null) return false;
    const lag = this.playing ? LAG_MS * this.speed : 0;
    return this.shown === null || Math.abs(this.shown - this.at) > lag;
  }

  /** Show the market as of `ms`; a second that has not been is now. */
  go(ms: number): void {
    const now = this.#gateway.time;
    if (now !== null && ms >= now) {
      this.live();
      return;
    }
    const fresh = this.at === null;
    this.at = ms;
    if (fresh) {
      this.#gateway.pause(true);
      void this.#readSignals();
    }
    void this.#show();
  }

  /** Move by `seconds` from what is shown, or from now. */
  step(seconds: number): void {
    const from = this.at ?? this.#gateway.time;
    if (from !== null) this.go(from + seconds * 1000);
  }

  /** Return to the present. */
  live(): void {
    this.stop();
    if (this.at === null) return;
    this.at = null;
    this.shown = null;
    this.fault = '';
    this.#round += 1;
    this.#gateway.pause(false);
  }

  play(): void {
    if (this.playing) {
      this.stop();
      return;
    }
    if (this.at === null) this.step(-60);
    this.playing = true;
    let last = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      const by = (now - last) * this.speed;
      last = now;
      // The market waits for the answer: a slow recording plays slower, it skips nothing.
      if (this.at !== null && !this.busy) this.go(this.at + by);
      else if (this.at !== null) last = now;
    }, TICK_MS);
  }

  stop(): void {
    this.playing = false;
    clearInterval(this.#timer);
  }

  /** Ask again, as when a panel has come. */
  again(): void {
    if (this.at !== null) void this.#show();
  }

  async #show(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      for (let shown: number | null = -1; shown !== this.at && this.at !== null; ) {
        shown = this.at;
        await this.#fill(new Date(shown).toISOString());
        this.shown = shown;
        // While it plays, the next tick asks for the next second.
        if (this.playing) break;
      }
    } finally {
      this.busy = false;
    }
  }

  async #fill(at: string): Promise<void> {
    const round = (this.#round += 1);
    const wanted = [...this.#gateway.watched].filter(([topic]) => /^(board|symbol):/.test(topic));
    this.fault = '';
    await Promise.all(wanted.map(([topic, source]) => this.#one(topic, source, at, round)));
    this.#gateway.touch();
  }

  async #one(topic: string, source: Source, at: string, round: number): Promise<void> {
    try {
      const question = (): Promise<Envelope> =>
        topic.startsWith('board:') ? pastBoard(topic, at) : pastSymbol(topic, at);
      const message = await this.queue.ask(question, () => round !== this.#round);
      if (round === this.#round && this.at !== null) source.apply(message);
    } catch (error) {
      if (round !== this.#round) return;
      this.fault = told(error);
      this.stop();
    }
  }

  async #readSignals(): Promise<void> {
    try {
      const { signals } = await ask<{ signals: Signal[] }>('/api/signals', { limit: 1000 });
      this.signals = signals.filter((signal) => signal.state !== 'armed');
    } catch (error) {
      this.fault = told(error);
    }
  }
}

async function pastBoard(topic: string, at: string): Promise<Envelope> {
  const name = topic.slice('board:'.length);
  const past = await ask<PastBoard>(`/api/boards/${encodeURIComponent(name)}`, { at }, SLOW);
  const names = past.rows.map((row, place) => rowName(row, past.kind, place));
  const rows = past.rows.map((row) => past.columns.map((column) => row[column.name] ?? null));
  return {
    ...envelope(topic),
    name,
    title: past.title,
    board_kind: past.kind,
    columns: past.columns,
    order: names,
    rows: Object.fromEntries(names.map((each, place) => [each, rows[place]])),
  } as unknown as Envelope;
}

function rowName(row: Readonly<Record<string, Cell>>, kind: string, place: number): string {
  return kind === 'events' ? `${row['symbol']}@${place}` : String(row['symbol']);
}

async function pastSymbol(topic: string, at: string): Promise<Envelope> {
  const symbol = topic.slice('symbol:'.length);
  const path = `/api/symbols/${encodeURIComponent(symbol)}`;
  const values = await ask<Readonly<Record<string, Cell>>>(path, { at }, SLOW);
  return { ...envelope(topic), values, columns: [] } as unknown as Envelope;
}

const SLOW = { limitMs: 40_000 };

function envelope(topic: string): Envelope {
  return { topic, epoch: 'past', seq: 0, mark: 0, ts_ns: 0, kind: 'snapshot' };
}
