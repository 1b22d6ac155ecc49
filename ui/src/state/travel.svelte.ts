/** Time travel: every board and symbol on the page as of a recorded second. */

import { PastQueue } from '../link/queue';
import { ask, told } from '../link/rest';
import type { Cell, Column, Envelope, Signal } from '../wire';
import type { Gateway } from './gateway.svelte';
import type { Source } from './sources.svelte';

export const SPEEDS = [0.5, 1, 2, 5, 10, 30, 60] as const;
const TICK_MS = 100;
/** So many signals before the time shown are known, and those of so long after it (ms). */
const SIGNALS = 1_000;
const AHEAD_MS = 120_000;
/** What is an event: armed is what may come. */
const EVENTS = 'fired,confirmed,invalidated,expired,halted,retracted';
/** While it plays, what is shown may lag so much of the playing time (ms). */
const LAG_MS = 2_000;

interface PastBoard {
  readonly name: string;
  readonly title: string;
  readonly kind: string;
  readonly columns: readonly Column[];
  /** The rows' keys: a symbol, or SYMBOL@MS of a scan's firing. */
  readonly order?: readonly string[];
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
  /** The signals up to some time after `at`, newest first, without those that are merely armed. */
  signals = $state.raw<readonly Signal[]>([]);
  /** Why they are not known; empty while they are. */
  signalsFault = $state('');
  /** What every question about the past goes through, the panels' own ones too. */
  readonly queue = new PastQueue();

  #gateway: Gateway;
  #filling = new AbortController();
  #again = false;
  /** The signals are known up to this time (ms). */
  #signalsUntil = 0;
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
    // Back in the present, what is on the page is of the past until the gateway has told.
    if (this.at === null) return this.#gateway.showsPast;
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
    if (this.at === null) this.#gateway.pause(true);
    // A jump needs no answer for where it leaves; while it plays, each second is shown.
    if (!this.playing) this.#filling.abort();
    this.at = ms;
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
    this.#signalsUntil = 0;
    this.#filling.abort();
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
    this.#again = true;
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.at !== null && (this.#again || (this.shown !== this.at && !this.playing))) {
        this.#again = false;
        await this.#fill(this.at);
        // While it plays, the next tick asks for the next second.
      }
    } finally {
      this.busy = false;
    }
  }

  /** Show the market as of `at` wherever it is looked at; what has no answer shows nothing. */
  async #fill(at: number): Promise<void> {
    const gone = new AbortController();
    this.#filling = gone;
    this.fault = '';
    const wanted = [...this.#gateway.watched].filter(([topic]) => /^(board|symbol):/.test(topic));
    await Promise.all([
      this.#readSignals(at, gone.signal),
      ...wanted.map(([topic, source]) => this.#one(topic, source, at, gone.signal)),
    ]);
    if (!gone.signal.aborted) this.shown = at;
    this.#gateway.touch();
  }

  async #one(topic: string, source: Source, at: number, gone: AbortSignal): Promise<void> {
    const past = topic.startsWith('board:') ? pastBoard : pastSymbol;
    try {
      const message = await this.queue.ask(() => past(topic, at, gone), () => gone.aborted);
      if (!gone.aborted) source.apply(message);
    } catch (error) {
      const detail = told(error);
      if (gone.aborted) return;
      source.refuse({ detail }, at);
      this.fault = detail;
      this.stop();
    }
  }

  /** Read the signals up to a while after `at`, where they are not known yet. */
  async #readSignals(at: number, gone: AbortSignal): Promise<void> {
    if (at <= this.#signalsUntil && at > this.#signalsUntil - 2 * AHEAD_MS) return;
    const until = at + AHEAD_MS;
    const query = { state: EVENTS, until: new Date(until).toISOString(), limit: SIGNALS };
    try {
      const { signals } = await ask<{ signals: Signal[] }>('/api/signals', query, { signal: gone });
      if (gone.aborted) return;
      this.signals = signals.filter((signal) => signal.state !== 'armed');
      this.signalsFault = '';
      this.#signalsUntil = until;
    } catch (error) {
      const detail = told(error);
      if (gone.aborted) return;
      this.signals = [];
      this.signalsFault = detail;
    }
  }
}

async function pastBoard(topic: string, at: number, signal: AbortSignal): Promise<Envelope> {
  const name = topic.slice('board:'.length);
  const path = `/api/boards/${encodeURIComponent(name)}`;
  const past = await ask<PastBoard>(path, { at: new Date(at).toISOString() }, { ...SLOW, signal });
  const names = past.rows.map((row, place) => past.order?.[place] ?? String(row['symbol']));
  const rows = past.rows.map((row) => past.columns.map((column) => row[column.name] ?? null));
  return {
    ...envelope(topic, at),
    name,
    title: past.title,
    board_kind: past.kind,
    columns: past.columns,
    order: names,
    rows: Object.fromEntries(names.map((each, place) => [each, rows[place]])),
  } as unknown as Envelope;
}

async function pastSymbol(topic: string, at: number, signal: AbortSignal): Promise<Envelope> {
  const symbol = topic.slice('symbol:'.length);
  const path = `/api/symbols/${encodeURIComponent(symbol)}`;
  const query = { at: new Date(at).toISOString() };
  const values = await ask<Readonly<Record<string, Cell>>>(path, query, { ...SLOW, signal });
  return { ...envelope(topic, at), values, columns: [] } as unknown as Envelope;
}

const SLOW = { limitMs: 40_000 };

function envelope(topic: string, moment: number): Envelope {
  return { topic, epoch: 'past', seq: 0, mark: 0, ts_ns: 0, kind: 'snapshot', moment };
}
