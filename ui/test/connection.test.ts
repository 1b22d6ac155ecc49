import { describe, expect, it } from 'vitest';

import { backoff, Connection, type LinkState, type Socket, type World } from '../src/link/connection';
import type { Envelope, Fault } from '../src/wire';

class Wire implements Socket {
  sent: { op: string; topics?: unknown; epoch?: unknown }[] = [];
  closed = false;
  readyState = 1;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as { op: string });
  }

  close(): void {
    this.closed = true;
  }

  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** What was sent since the last look, without pings. */
  take(): object[] {
    return this.sent.splice(0).filter((request) => request.op !== 'ping');
  }
}

/** Time, chance and sockets that a test moves by hand. */
class Bench implements World {
  sockets: Wire[] = [];
  time = 0;
  #timers: { at: number; action: () => void }[] = [];

  open(): Socket {
    this.sockets.push(new Wire());
    return this.wire;
  }

  get wire(): Wire {
    const last = this.sockets.at(-1);
    if (last === undefined) throw new Error('no socket was opened');
    return last;
  }

  now(): number {
    return this.time;
  }

  random(): number {
    return 0.5;
  }

  later(action: () => void, delayMs: number): () => void {
    const timer = { at: this.time + delayMs, action };
    this.#timers.push(timer);
    return () => (this.#timers = this.#timers.filter((each) => each !== timer));
  }

  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((each) => each !== due);
      this.time = due.at;
      due.action();
    }
    this.time = end;
  }
}

function connected(topics: string[] = ['status']) {
  const bench = new Bench();
  const got: Envelope[] = [];
  const faults: Fault[] = [];
  const states: LinkState[] = [];
  const listener = {
    message: (message: Envelope) => got.push(message),
    fault: (fault: Fault) => faults.push(fault),
    state: (state: LinkState) => states.push(state),
  };
  const connection = new Connection('ws://x/ws', listener, bench);
  connection.watch(topics);
  connection.start();
  bench.wire.onopen?.();
  return { bench, connection, got, faults, states };
}

const message = (topic: string, seq: number, kind = 'diff', epoch = 'a') => ({
  ...{ topic, seq, kind, epoch },
  ...{ mark: seq, ts_ns: 0 },
});

describe('the connection', () => {
  it('subscribes when it opens, and to what is added later', () => {
    const { bench, connection } = connected(['status', 'signals']);
    expect(bench.wire.take()).toEqual([{ op: 'subscribe', topics: ['status', 'signals'] }]);
    connection.watch(['status', 'board:x']);
    expect(bench.wire.take()).toEqual([
      { op: 'unsubscribe', topics: ['signals'] },
      { op: 'subscribe', topics: ['board:x'] },
    ]);
  });

  it('hands on a snapshot and the diffs that follow it, each once', () => {
    const { bench, got } = connected();
    bench.wire.say(message('status', 4));
    bench.wire.say(message('status', 5, 'snapshot'));
    bench.wire.say(message('status', 6));
    bench.wire.say(message('status', 6));
    bench.wire.say(message('other', 1, 'snapshot'));
    expect(got.map(({ seq }) => seq)).toEqual([5, 6]);
  });

  it('asks anew for a topic with a hole in its sequence', () => {
    const { bench, got } = connected();
    bench.wire.say(message('status', 5, 'snapshot'));
    bench.wire.take();
    bench.wire.say(message('status', 7));
    bench.wire.say(message('status', 8));
    expect(got.map(({ seq }) => seq)).toEqual([5]);
    expect(bench.wire.take()).toEqual([
      { op: 'unsubscribe', topics: ['status'] },
      { op: 'subscribe', topics: ['status'] },
    ]);
    bench.wire.say(message('status', 8, 'snapshot'));
    expect(got.map(({ seq }) => seq)).toEqual([5, 8]);
  });

  it('comes back by itself and resumes where it was', () => {
    const { bench, states, connection } = connected(['status', 'signals']);
    bench.wire.say(message('status', 5, 'snapshot'));
    bench.wire.onclose?.({ code: 1012, reason: 'restart' });
    expect(states.at(-1)).toMatchObject({ phase: 'lost', reason: 'restart', attempt: 1 });
    connection.watch(['status', 'signals', 'board:x']);
    bench.pass(backoff(1, 0.5));
    expect(bench.sockets).toHaveLength(2);
    bench.wire.onopen?.();
    expect(bench.wire.take()).toEqual([
      { op: 'resume', epoch: 'a', topics: { status: 5 } },
      { op: 'subscribe', topics: ['signals', 'board:x'] },
    ]);
    expect(states.at(-1)?.phase).toBe('live');
  });

  it('asks nothing of a socket that is closing, and the next for what came meanwhile', () => {
    const { bench, connection } = connected();
    const old = bench.wire;
    old.take();
    old.readyState = 2;
    connection.watch(['status', 'board:x']);
    expect(old.take()).toEqual([]);
    old.onclose?.({ code: 1001, reason: '' });
    bench.pass(15_000);
    bench.wire.onopen?.();
    expect(bench.wire.take()).toEqual([{ op: 'subscribe', topics: ['status', 'board:x'] }]);
  });

  it('waits longer after each failure, within bounds, and never in step', () => {
    expect([1, 2, 3, 20].map((attempt) => backoff(attempt, 1))).toEqual([500, 1000, 2000, 15_000]);
    expect([1, 20].map((attempt) => backoff(attempt, 0))).toEqual([250, 250]);
  });

  it('takes a socket that says nothing for dead', () => {
    const { bench, states } = connected();
    const first = bench.wire;
    bench.pass(6_000);
    expect(first.sent.filter(({ op }) => op === 'ping')).toHaveLength(3);
    first.say({ op: 'pong', ts_ns: 1 });
    bench.pass(6_000);
    expect(first.closed).toBe(false);
    bench.pass(2_000);
    expect(first.closed).toBe(true);
    expect(states.at(-1)?.reason).toBe('the gateway fell silent');
    bench.pass(500);
    expect(bench.sockets).toHaveLength(2);
  });

  it('survives text that is no message, and tells errors', () => {
    const { bench, got, faults } = connected();
    bench.wire.onmessage?.({ data: '{"topic":' });
    bench.wire.onmessage?.({ data: '7' });
    bench.wire.say({ op: 'error', title: 'No topic', detail: 'board:gainer; did you mean gainers?' });
    expect(got).toEqual([]);
    expect(faults.map(({ title }) => title)).toEqual(['No topic']);
  });

  it('stops for good', () => {
    const { bench, connection } = connected();
    connection.stop();
    bench.pass(60_000);
    expect(bench.wire.closed).toBe(true);
    expect(bench.sockets).toHaveLength(1);
  });
});
