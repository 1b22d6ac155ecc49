/** The gateway as the page sees it: topics by need, status, signals, market time. */

import { flushSync } from 'svelte';

import { browser, Connection, type LinkState } from '../link/connection';
import { ask, told } from '../link/rest';
import { MarketClock, timeOfDay } from '../model/clock';
import { heardNow, unheard } from '../model/heard';
import { addSignals } from '../model/tape';
import type {
  Alert,
  AlertsMessage,
  BoardInfo,
  Envelope,
  Fault,
  Gone,
  Signal,
  SignalsMessage,
  Status,
  StatusMessage,
} from '../wire';
import { keep, stored } from './preferences.svelte';
import { ArmedSource, BarsSource, BoardSource, PrintsSource, sourceFor, SymbolSource, type Source } from './sources.svelte';

/** Ghosts, arrows and held orders end by themselves: look at them so often (ms). */
const SWEEP_MS = 250;
/** A panel is painted at most so often (ms): ten times a second. */
const PAINT_MS = 95;
/** So much of a frame goes to panels before the others wait for the next one (ms). */
const SLICE_MS = 3;
/** Without a message for so long the values on the page are marked: a second more and they are old (ms). */
const SILENT_MS = 4_000;
const NOTICE_MS = 6_000;
/** Of many alerts at once so many are told one by one. */
const ALARMS = 5;

interface Held {
  readonly source: Source;
  uses: number;
}

export class Gateway {
  boards = $state.raw<readonly BoardInfo[]>([]);
  status = $state.raw<Status | null>(null);
  link = $state.raw<LinkState>({ phase: 'connecting', since: Date.now(), retryAt: 0, attempt: 0, reason: '' });
  /** Market time (ms) and local time (ms) when the connection was lost; null while it lives. */
  lost = $state.raw<{ market: number | null; local: number; reason: string } | null>(null);
  /** Whether the connection stands and yet nothing comes: what is shown may be old. */
  silent = $state(false);
  /** Newest first, without those that are merely armed. */
  signals = $state.raw<readonly Signal[]>([]);
  notice = $state('');
  /** Local time (s), for what is told in seconds. */
  wall = $state(Math.floor(Date.now() / 1000));
  /** Market time (ms, UTC) of the last paint. */
  time = $state<number | null>(null);
  /** Called with each new signal; sounds and notices hang on it. */
  heralds = new Set<(signal: Signal) => void>();

  /** Called when a connection stands. */
  births = new Set<() => void>();
  /** Called when the connection is lost, or an attempt to connect fails. */
  mourners = new Set<() => void>();
  /** Called with each alert of the user's own rules and levels. */
  alarms = new Set<(alert: Alert) => void>();
  /** The user whose alerts are followed; empty for nobody's. */
  user = '';

  #held = new Map<string, Held>();
  #painters = new Set<(now: number) => void>();
  #clock = new MarketClock();
  #connection: Connection;
  #paused = false;
  #watching = false;
  #due = false;
  #painted = 0;
  #frame = 0;
  /** Panels that this round of painting has yet to reach. */
  #round: ((now: number) => void)[] = [];
  /** Whether something came while a round was on: another follows. */
  #again = false;
  #paintTimer: ReturnType<typeof setTimeout> | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #noticeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string) {
    const listener = {
      message: (message: Envelope) => this.#receive(message),
      fault: (fault: Fault) => this.#refused(fault),
      state: (state: LinkState) => this.#linked(state),
    };
    this.#connection = new Connection(url, listener, browser);
  }

  /** Connect and paint until the returned function is called. */
  start(): () => void {
    this.#rewatch();
    this.#connection.start();
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS);
    return () => this.#stop();
  }

  #stop(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#paintTimer);
    clearInterval(this.#timer);
    clearTimeout(this.#noticeTimer);
    this.#due = false;
    this.silent = false;
    this.#connection.stop();
  }

  #sweep(): void {
    this.#soon();
    const now = Date.now();
    this.wall = Math.floor(now / 1000);
    this.silent = this.link.phase === 'live' && now - this.#connection.heard > SILENT_MS;
  }

  /** Look at board `name`; `release` when done. */
  board(name: string): { source: BoardSource; release: () => void } {
    return this.#use(`board:${name}`) as { source: BoardSource; release: () => void };
  }

  symbol(name: string): { source: SymbolSource; release: () => void } {
    return this.#use(`symbol:${name}`) as { source: SymbolSource; release: () => void };
  }

  bars(symbol: string): { source: BarsSource; release: () => void } {
    return this.#use(`bars:${symbol}:1m`) as { source: BarsSource; release: () => void };
  }

  prints(symbol: string): { source: PrintsSource; release: () => void } {
    return this.#use(`prints:${symbol}`) as { source: PrintsSource; release: () => void };
  }

  armed(): { source: ArmedSource; release: () => void } {
    return this.#use('armed') as { source: ArmedSource; release: () => void };
  }

  #use(topic: string): { source: Source; release: () => void } {
    const known = this.#held.get(topic);
    const held = known ?? { source: sourceFor(topic) as Source, uses: 0 };
    held.uses += 1;
    if (known === undefined) {
      this.#held.set(topic, held);
      this.#rewatch();
    }
    return { source: held.source, release: () => this.#released(held) };
  }

  #released(held: Held): void {
    held.uses -= 1;
    if (held.uses === 0) this.#rewatch();
  }

  /** Call `painter` at each paint until the returned function is called. */
  paint(painter: (now: number) => void): () => void {
    this.#painters.add(painter);
    this.#soon();
    return () => void this.#painters.delete(painter);
  }

  /** Ask for the next paint at once, as after a key. */
  touch(): void {
    clearTimeout(this.#paintTimer);
    cancelAnimationFrame(this.#frame);
    this.#round = [];
    this.#frame = requestAnimationFrame(() => this.#paint());
    this.#due = true;
  }

  /** The topics that panels look at, with what they show: time travel feeds them itself. */
  get watched(): ReadonlyMap<string, Source> {
    return new Map([...this.#held].map(([topic, held]) => [topic, held.source]));
  }

  /** Whether something on the page still shows the past that a panel was filled with. */
  get showsPast(): boolean {
    return [...this.#held.values()].some(({ source, uses }) => uses > 0 && (source.moment ?? null) !== null);
  }

  /** Let boards and symbols stand (true), or go on from now (false). */
  pause(paused: boolean): void {
    this.#paused = paused;
    this.#rewatch();
  }

  /** Tell the connection what is wanted, once for all changes of this turn. */
  #rewatch(): void {
    if (this.#watching) return;
    this.#watching = true;
    queueMicrotask(() => {
      this.#watching = false;
      // Who lets go and takes up again within one turn keeps what is known: nothing is sent anew.
      for (const [topic, held] of this.#held) if (held.uses === 0) this.#held.delete(topic);
      const topics = [...this.#held.keys()].filter(
        (topic) => !this.#paused || !/^(board|symbol):/.test(topic),
      );
      const own = this.user === '' ? [] : [`alerts:${this.user}`];
      this.#connection.watch(['status', 'signals', ...own, ...topics]);
      this.#soon();
    });
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
    for (const { source } of this.#held.values()) {
      if (source instanceof BoardSource) for (const each of source.board.order) known.add(each);
    }
    for (const signal of this.signals) known.add(signal.symbol);
    return [...known].sort();
  }

  #refused(fault: Fault): void {
    const held = fault.topic === undefined ? undefined : this.#held.get(fault.topic);
    held?.source.refuse(fault);
    // A board that is no more, or has another name now, is not in the list either.
    if (fault.topic?.startsWith('board:') === true) void this.loadBoards();
    this.#soon();
    this.say(`${fault.title}: ${fault.detail}`);
  }

  #linked(state: LinkState): void {
    this.link = state;
    if (state.phase === 'live') {
      this.lost = null;
      void this.loadBoards();
      for (const birth of this.births) birth();
    } else if (state.phase === 'lost' && this.lost === null) {
      const market = this.#clock.read(performance.now());
      this.lost = { market, local: state.since, reason: state.reason };
    }
    if (state.phase === 'lost') for (const mourner of this.mourners) mourner();
  }

  /** Keep nothing of the market on the page: who looks at it has no right to it any more. */
  forget(): void {
    this.lost = null;
    this.#clock = new MarketClock();
    this.status = null;
    this.time = null;
    this.signals = [];
    this.boards = [];
  }

  async loadBoards(): Promise<void> {
    try {
      const before = new Set(this.boards.map(({ name }) => name));
      this.boards = await ask<readonly BoardInfo[]>('/api/boards');
      // A board that has come back is asked for again.
      const back = this.boards.filter(({ name }) => !before.has(name)).map(({ name }) => `board:${name}`);
      for (const topic of back) {
        const source = this.#held.get(topic)?.source;
        if (source instanceof BoardSource && source.fault !== '') this.#connection.again(topic);
      }
    } catch (error) {
      this.say(`The list of boards could not be read. ${told(error)}`);
    }
  }

  #receive(message: Envelope): void {
    // An alert bears the time of its signal, which may be long ago, and a test's any.
    const alert = message.topic.startsWith('alerts:');
    if (!alert) this.#clock.sync(message.ts_ns / 1e6, performance.now());
    this.#soon();
    if (message.recovered === false) this.say('The gap since the lost connection was not filled.');
    if (message.topic === 'signals') this.#showSignals(message as SignalsMessage);
    else if (message.topic === 'status') this.#showStatus(message as StatusMessage);
    else if (alert) this.#alarm(message as AlertsMessage);
    else {
      this.#held.get(message.topic)?.source.apply(message);
      if ((message as Gone).gone === true) void this.loadBoards();
    }
  }

  #showSignals(message: SignalsMessage): void {
    const fresh = message.kind === 'snapshot' ? [] : message.signals;
    const kept = message.kind === 'snapshot' ? [] : this.signals;
    this.signals = addSignals(kept, message.signals);
    for (const signal of fresh) for (const herald of this.heralds) herald(signal);
  }

  /** Tell of alerts; a snapshot brings also those that came while nobody was connected. */
  #alarm(message: AlertsMessage): void {
    const key = `tapelight-heard-${this.user}`;
    const heard = stored(key) as readonly string[] | null;
    const snapshot = message.kind === 'snapshot';
    const fresh = snapshot ? unheard(message.alerts, heard) : message.alerts.toReversed();
    keep(key, heardNow(message.alerts, heard));
    for (const alert of fresh.slice(-ALARMS)) for (const alarm of this.alarms) alarm(alert);
    if (snapshot && fresh.length > 1) {
      this.say(`${fresh.length} alerts came while this page was away: the panel Alerts lists them.`);
    }
  }

  #showStatus(message: StatusMessage): void {
    this.status = message.status;
    this.#clock.rate = message.status.rate ?? 1;
  }

  /** Paint in the next frame whose turn it is; what comes until then is in it. */
  #soon(): void {
    this.#again ||= this.#round.length > 0;
    if (this.#due) return;
    this.#due = true;
    const wait = Math.max(0, this.#painted + PAINT_MS - performance.now());
    this.#paintTimer = setTimeout(() => {
      this.#frame = requestAnimationFrame(() => this.#paint());
    }, wait);
  }

  /** Paint the panels in turn, as many as a slice of a frame takes: many at once would stop the page. */
  #paint(): void {
    const now = performance.now();
    if (this.#round.length === 0) {
      this.#painted = now;
      this.#again = false;
      // Without a connection nothing is known of market time: the clock stands.
      if (this.lost === null) this.time = this.#clock.read(now);
      this.#round = [...this.#painters];
    }
    do {
      const painter = this.#round.shift();
      if (painter !== undefined && this.#painters.has(painter)) flushSync(() => painter(now));
    } while (this.#round.length > 0 && performance.now() - now < SLICE_MS);
    if (this.#round.length > 0) this.#frame = requestAnimationFrame(() => this.#paint());
    else {
      this.#due = false;
      if (this.#again) this.#soon();
    }
  }

  /** The session's date, or an empty text before the first status. */
  get session(): string {
    return this.status?.session ?? '';
  }

  /** Return what is wrong with the connection in one sentence, or an empty text. */
  get outage(): string {
    if (this.silent) return 'Data stand still: the gateway has been silent for more than 4 s.';
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
