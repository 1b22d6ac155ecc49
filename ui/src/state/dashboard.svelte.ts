/** What the page shows: the connection's messages folded into models, one paint a frame. */

import { browser, Connection, type LinkState } from '../link/connection';
import { mergeBars } from '../model/bars';
import { Board } from '../model/board';
import { boardFor } from '../model/choice';
import { MarketClock, timeOfDay } from '../model/clock';
import { fieldOf, type Field } from '../model/columns';
import { addSignals } from '../model/tape';
import type {
  Bar,
  BarsMessage,
  BoardInfo,
  BoardMessage,
  Cell,
  Envelope,
  Fault,
  Signal,
  SignalsMessage,
  Status,
  StatusMessage,
  SymbolMessage,
} from '../wire';
import { Pane } from './pane.svelte';
import { preferences } from './preferences.svelte';

/** Ghosts, arrows and held orders end by themselves: look at them so often (ms). */
const SWEEP_MS = 250;
const NOTICE_MS = 6_000;

export class Dashboard {
  readonly panes: readonly Pane[] = [new Pane(), new Pane()];
  active = $state(0);
  boards = $state.raw<readonly BoardInfo[]>([]);
  status = $state.raw<Status | null>(null);
  link = $state.raw<LinkState>({
    phase: 'connecting',
    since: Date.now(),
    retryAt: 0,
    attempt: 0,
    reason: '',
  });
  /** Market time (ms) and local time (ms) when the connection was lost; null while it lives. */
  lost = $state.raw<{ market: number | null; local: number; reason: string } | null>(null);
  symbol = $state<string | null>(null);
  values = $state.raw<Readonly<Record<string, Cell>>>({});
  symbolFields = $state.raw<readonly Field[]>([]);
  /** Why the gateway has nothing on the symbol; empty while it has. */
  absent = $state('');
  bars = $state.raw<readonly Bar[]>([]);
  barsLoaded = $state(false);
  signals = $state.raw<readonly Signal[]>([]);
  frozen = $state(false);
  notice = $state('');
  /** Local time (s), for what is told in seconds. */
  wall = $state(Math.floor(Date.now() / 1000));
  /** Market time (ms, UTC) of the last paint. */
  time = $state<number | null>(null);

  #models = new Map<string, Board>();
  #clock = new MarketClock();
  #connection: Connection;
  /** True until this page has settled on a symbol that the gateway knows, or the user chose. */
  #guessing = true;
  #dirty = true;
  #frame = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #noticeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string) {
    this.#connection = new Connection(
      url,
      {
        message: (message) => this.#receive(message),
        fault: (fault) => this.#refused(fault),
        state: (state) => this.#linked(state),
      },
      browser,
    );
  }

  /** Connect and paint until the returned function is called. */
  start(): () => void {
    this.symbol = preferences.symbol;
    this.#rewatch();
    this.#connection.start();
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS);
    const frame = () => {
      this.#paint();
      this.#frame = requestAnimationFrame(frame);
    };
    this.#frame = requestAnimationFrame(frame);
    return () => this.#stop();
  }

  #sweep(): void {
    this.#dirty = true;
    this.wall = Math.floor(Date.now() / 1000);
  }

  #stop(): void {
    cancelAnimationFrame(this.#frame);
    clearInterval(this.#timer);
    clearTimeout(this.#noticeTimer);
    this.#connection.stop();
  }

  /** Show board `name` in pane `index`, now and when the page is opened again. */
  pick(index: number, name: string): void {
    const pane = this.panes[index];
    if (pane === undefined) return;
    pane.chosen = true;
    this.#show(pane, name);
    preferences.set({ boards: this.panes.map((each) => (each.chosen ? each.name : '')) });
  }

  #show(pane: Pane, name: string): void {
    if (pane.name === name) return;
    pane.pick(name);
    this.#rewatch();
  }

  /** Show `symbol` in the chart and the card, now and when the page is opened again. */
  select(symbol: string): void {
    this.#guessing = false;
    preferences.set({ symbol });
    if (symbol !== this.symbol) this.#follow(symbol);
  }

  #follow(symbol: string): void {
    this.symbol = symbol;
    this.absent = '';
    this.values = {};
    this.symbolFields = [];
    this.bars = [];
    this.barsLoaded = false;
    this.#rewatch();
  }

  /** Show `text` for a few seconds. */
  say(text: string): void {
    this.notice = text;
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = setTimeout(() => (this.notice = ''), NOTICE_MS);
  }

  /** Return every symbol that the page knows of, for the search. */
  symbols(): string[] {
    const known = new Set<string>();
    for (const board of this.#models.values()) for (const each of board.order) known.add(each);
    for (const signal of this.signals) known.add(signal.symbol);
    return [...known].sort();
  }

  #rewatch(): void {
    const topics = new Set(['status', 'signals']);
    for (const { name } of this.panes) if (name !== '') topics.add(`board:${name}`);
    if (this.symbol !== null) {
      topics.add(`symbol:${this.symbol}`);
      topics.add(`bars:${this.symbol}:1m`);
    }
    for (const topic of this.#models.keys()) if (!topics.has(topic)) this.#models.delete(topic);
    this.#connection.watch(topics);
    this.#dirty = true;
  }

  #refused(fault: Fault): void {
    const ours = this.symbol !== null && fault.topic === `symbol:${this.symbol}`;
    // The symbol of an earlier visit may be none of this feed's: the top row takes its place.
    if (ours && this.#guessing) {
      this.symbol = null;
      this.#rewatch();
      return;
    }
    if (ours) this.absent = fault.detail;
    this.say(`${fault.title}: ${fault.detail}`);
  }

  #linked(state: LinkState): void {
    this.link = state;
    if (state.phase === 'live') {
      this.lost = null;
      void this.#loadBoards();
    } else if (state.phase === 'lost' && this.lost === null) {
      const market = this.#clock.read(performance.now());
      this.lost = { market, local: state.since, reason: state.reason };
    }
  }

  async #loadBoards(): Promise<void> {
    try {
      const answer = await fetch('/api/boards', { signal: AbortSignal.timeout(5_000) });
      if (!answer.ok) throw new TypeError(`the gateway answered ${answer.status}`);
      this.boards = (await answer.json()) as readonly BoardInfo[];
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof DOMException)) throw error;
      this.say(`The list of boards could not be read (${error.message}); reload the page.`);
      return;
    }
    this.#fillPanes();
  }

  /** Give each pane a board: the user's, else one that is ranked in the present phase. */
  #fillPanes(): void {
    const phase = this.status?.phase ?? '';
    this.panes.forEach((pane, index) => {
      const saved = preferences.boards[index] ?? '';
      pane.chosen = this.boards.some((board) => board.name === saved);
      const other = this.panes[1 - index]?.name ?? '';
      const next = pane.chosen ? saved : boardFor(this.boards, phase, pane.name, other);
      if (next !== undefined) this.#show(pane, next);
    });
  }

  #receive(message: Envelope): void {
    this.#clock.sync(message.ts_ns / 1e6, performance.now());
    this.#dirty = true;
    if (message.recovered === false) this.say('The gap since the lost connection was not filled.');
    const kind = message.topic.split(':', 1)[0];
    if (kind === 'board') this.#boardOf(message.topic).apply(message as BoardMessage);
    else if (kind === 'symbol') this.#showSymbol(message as SymbolMessage);
    else if (kind === 'bars') this.#showBars(message as BarsMessage);
    else if (kind === 'signals') this.#showSignals(message as SignalsMessage);
    else if (kind === 'status') this.#showStatus(message as StatusMessage);
  }

  #boardOf(topic: string): Board {
    const known = this.#models.get(topic);
    if (known !== undefined) return known;
    const board = new Board();
    this.#models.set(topic, board);
    return board;
  }

  #showSymbol(message: SymbolMessage): void {
    if (message.kind === 'snapshot') {
      this.#guessing = false;
      this.absent = '';
      this.values = message.values;
      this.symbolFields = message.columns.map(fieldOf);
    } else this.values = { ...this.values, ...message.values };
  }

  #showBars(message: BarsMessage): void {
    this.bars = mergeBars(message.kind === 'snapshot' ? [] : this.bars, message.bars);
    this.barsLoaded = true;
  }

  #showSignals(message: SignalsMessage): void {
    const kept = message.kind === 'snapshot' ? [] : this.signals;
    this.signals = addSignals(kept, message.signals);
  }

  #showStatus(message: StatusMessage): void {
    const before = this.status?.phase;
    this.status = message.status;
    if (message.status.phase !== before) this.#fillPanes();
    this.#clock.rate = message.status.rate ?? 1;
  }

  #paint(): void {
    // Without a connection nothing is known of market time: the clock stands.
    if (this.lost === null) this.time = this.#clock.read(performance.now());
    if (!this.#dirty) return;
    this.#dirty = false;
    const now = performance.now();
    for (const pane of this.panes) {
      const board = this.#models.get(`board:${pane.name}`);
      if (board !== undefined) pane.paint(board, now, this.frozen);
    }
    const top = this.panes.find((pane) => pane.entries.length > 0)?.entries[0];
    if (this.symbol === null && this.#guessing && top !== undefined) {
      this.#guessing = false;
      this.#follow(top.symbol);
    }
  }

  /** Return what is wrong with the connection in one sentence, or an empty text. */
  get outage(): string {
    if (this.lost === null) return '';
    const { market, local, reason } = this.lost;
    const when = market === null ? '' : `Data stand still since ${timeOfDay(market)} ET. `;
    const seconds = Math.max(0, this.wall - Math.floor(local / 1000));
    return (
      `${when}Connection lost ${seconds} s ago (${reason}). ` +
      'Trying again by itself; if it stays so, start the gateway with: tapelight run'
    );
  }
}
