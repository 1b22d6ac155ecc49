/** The one WebSocket of this browser: subscribe, watch for silence, come back, resume. */

import type { Envelope, Fault } from '../wire';

/** The part of WebSocket that is used, so that a test can stand in for the network. */
export interface Socket {
  readonly readyState: number;
  send(text: string): void;
  close(): void;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
}

/** Where time, chance and sockets come from. */
export interface World {
  open(url: string): Socket;
  now(): number;
  random(): number;
  /** Call `action` after `delayMs`; the answer cancels it. */
  later(action: () => void, delayMs: number): () => void;
}

export interface LinkState {
  readonly phase: 'connecting' | 'live' | 'lost';
  /** Local time (ms) at which this phase began. */
  readonly since: number;
  /** Local time (ms) of the next attempt; 0 unless lost. */
  readonly retryAt: number;
  readonly attempt: number;
  readonly reason: string;
}

export interface Listener {
  message(message: Envelope): void;
  fault(fault: Fault): void;
  state(state: LinkState): void;
}

interface Position {
  epoch: number | string;
  seq: number;
}

const BACKOFF_FIRST_MS = 250;
const BACKOFF_LAST_MS = 15_000;
const PING_MS = 2_000;
const OPEN = 1;
/** Without any message for so long the socket is taken for dead. */
const SILENCE_MS = 7_000;

/** Return the delay before attempt `attempt` (1 is the first): exponential with full jitter. */
export function backoff(attempt: number, random: number): number {
  const ceiling = Math.min(BACKOFF_LAST_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.round(BACKOFF_FIRST_MS + random * (ceiling - BACKOFF_FIRST_MS));
}

/** The connection to the gateway. `watch` says what is wanted; the rest it does itself. */
export class Connection {
  #url: string;
  #world: World;
  #listener: Listener;
  #socket: Socket | null = null;
  #open = false;
  #wanted = new Set<string>();
  #positions = new Map<string, Position>();
  #attempt = 0;
  #heard = 0;
  #cancelTimer: () => void = () => undefined;

  constructor(url: string, listener: Listener, world: World) {
    this.#url = url;
    this.#listener = listener;
    this.#world = world;
  }

  /** Connect, and stay connected until `stop`. */
  start(): void {
    this.#tell('connecting', '');
    const socket = this.#world.open(this.#url);
    this.#socket = socket;
    this.#heard = this.#world.now();
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = (event) => this.#received(socket, event.data);
    socket.onclose = (event) => this.#closed(socket, reasonOf(event));
    this.#after(PING_MS, () => this.#beat());
  }

  /** Local time (ms) of the last message, an answered ping among them. */
  get heard(): number {
    return this.#heard;
  }

  /** Close, and begin afresh at the next start: nothing is resumed. */
  stop(): void {
    this.#cancelTimer();
    this.#positions.clear();
    const socket = this.#socket;
    this.#socket = null;
    this.#open = false;
    socket?.close();
  }

  /** Want exactly `topics` from now on. */
  watch(topics: Iterable<string>): void {
    const wanted = new Set(topics);
    const dropped = [...this.#wanted].filter((topic) => !wanted.has(topic));
    const added = [...wanted].filter((topic) => !this.#wanted.has(topic));
    this.#wanted = wanted;
    for (const topic of dropped) this.#positions.delete(topic);
    if (dropped.length > 0) this.#send({ op: 'unsubscribe', topics: dropped });
    if (added.length > 0) this.#send({ op: 'subscribe', topics: added });
  }

  /** Ask for `topic` from its beginning. */
  again(topic: string): void {
    if (!this.#wanted.has(topic)) return;
    this.#positions.delete(topic);
    this.#send({ op: 'unsubscribe', topics: [topic] });
    this.#send({ op: 'subscribe', topics: [topic] });
  }

  #opened(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#open = true;
    this.#attempt = 0;
    this.#tell('live', '');
    this.#resume([...this.#wanted].filter((topic) => this.#positions.has(topic)));
    const fresh = [...this.#wanted].filter((topic) => !this.#positions.has(topic));
    if (fresh.length > 0) this.#send({ op: 'subscribe', topics: fresh });
  }

  /** Ask for what was missed since the last message of each of `topics`. */
  #resume(topics: readonly string[]): void {
    const byEpoch = new Map<number | string, Record<string, number>>();
    for (const topic of topics) {
      const position = this.#positions.get(topic);
      if (position === undefined) continue;
      const group = byEpoch.get(position.epoch) ?? {};
      group[topic] = position.seq;
      byEpoch.set(position.epoch, group);
    }
    for (const [epoch, seqs] of byEpoch) this.#send({ op: 'resume', epoch, topics: seqs });
  }

  #received(socket: Socket, data: unknown): void {
    if (socket !== this.#socket || typeof data !== 'string') return;
    this.#heard = this.#world.now();
    const message = parse(data);
    if (message === null) return;
    if ('op' in message) {
      if (message.op === 'error') this.#listener.fault(message as Fault);
    } else if (this.#accept(message)) this.#listener.message(message);
  }

  /** Return whether `message` follows what is known; a hole asks for what is missing. */
  #accept(message: Envelope): boolean {
    if (!this.#wanted.has(message.topic)) return false;
    const known = this.#positions.get(message.topic);
    if (message.kind === 'diff') {
      if (known === undefined) return false;
      const sameRun = known.epoch === message.epoch;
      if (sameRun && message.seq <= known.seq) return false;
      if (!sameRun || message.seq !== known.seq + 1) {
        this.again(message.topic);
        return false;
      }
    }
    this.#positions.set(message.topic, { epoch: message.epoch, seq: message.seq });
    return true;
  }

  #beat(): void {
    if (this.#world.now() - this.#heard > SILENCE_MS) {
      const socket = this.#socket;
      if (socket !== null) this.#closed(socket, 'the gateway fell silent');
      socket?.close();
      return;
    }
    if (this.#open) this.#send({ op: 'ping' });
    this.#after(PING_MS, () => this.#beat());
  }

  #closed(socket: Socket, reason: string): void {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.#open = false;
    this.#attempt += 1;
    const delay = backoff(this.#attempt, this.#world.random());
    this.#tell('lost', reason, this.#world.now() + delay);
    this.#after(delay, () => this.start());
  }

  #after(delayMs: number, action: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#world.later(action, delayMs);
  }

  #tell(phase: LinkState['phase'], reason: string, retryAt = 0): void {
    const since = this.#world.now();
    this.#listener.state({ phase, since, retryAt, attempt: this.#attempt, reason });
  }

  #send(request: object): void {
    // One that is closing tells so a little later: what is wanted is asked for on the next.
    if (this.#open && this.#socket?.readyState === OPEN) this.#socket.send(JSON.stringify(request));
  }
}

function parse(text: string): Envelope | Fault | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Envelope | Fault) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function reasonOf(event: { code: number; reason: string }): string {
  if (event.reason !== '') return event.reason;
  return event.code === 1006 ? 'the gateway does not answer' : `closed with code ${event.code}`;
}

/** The browser's own time, chance and sockets. */
export const browser: World = {
  open: (url) => new WebSocket(url) as unknown as Socket,
  now: () => Date.now(),
  random: () => Math.random(),
  later: (action, delayMs) => {
    const handle = setTimeout(action, delayMs);
    return () => clearTimeout(handle);
  },
};
