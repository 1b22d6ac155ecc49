/** What comes on a topic, kept for all the panels that look at it. */

import { mergeBars } from '../model/bars';
import { Board } from '../model/board';
import { fieldOf, type Field } from '../model/columns';
import type { Armed, ArmedMessage, Bar, BarsMessage, BoardMessage, Cell, Envelope, Fault, Print, PrintsMessage, SymbolMessage } from '../wire';

export interface Source {
  apply(message: Envelope): void;
  /** Show nothing, and say why; `moment` is the past time (ms) at which it was so. */
  refuse(fault: Pick<Fault, 'detail'>, moment?: number | null): void;
  /** The past time (ms) that it shows; null for the present, undefined for what has all times. */
  readonly moment?: number | null;
}

/** A board; panels draw it at the next paint. */
export class BoardSource implements Source {
  readonly board = new Board();
  /** Why the gateway has no such board; empty while it has. */
  fault = $state('');
  moment = $state<number | null>(null);

  apply(envelope: Envelope): void {
    const message = envelope as BoardMessage;
    if (message.kind === 'snapshot' && message.gone === true) {
      this.refuse({ detail: 'This board is no more: it was deleted, or has another name now.' });
      return;
    }
    this.board.apply(message);
    this.fault = '';
    this.moment = message.moment ?? null;
  }

  refuse(fault: Pick<Fault, 'detail'>, moment: number | null = null): void {
    this.board.clear();
    this.fault = fault.detail;
    this.moment = moment;
  }
}

export class SymbolSource implements Source {
  values = $state.raw<Readonly<Record<string, Cell>>>({});
  fields = $state.raw<readonly Field[]>([]);
  loaded = $state(false);
  /** Why the gateway has nothing on the symbol; empty while it has. */
  absent = $state('');
  moment = $state<number | null>(null);

  apply(envelope: Envelope): void {
    const message = envelope as SymbolMessage;
    this.moment = message.moment ?? null;
    if (message.kind === 'snapshot') {
      this.absent = '';
      this.values = message.values;
      if (message.columns.length > 0) this.fields = message.columns.map(fieldOf);
      this.loaded = true;
    } else this.values = { ...this.values, ...message.values };
  }

  refuse(fault: Pick<Fault, 'detail'>, moment: number | null = null): void {
    this.values = {};
    this.absent = fault.detail;
    this.moment = moment;
  }
}

export class BarsSource implements Source {
  bars = $state.raw<readonly Bar[]>([]);
  loaded = $state(false);

  apply(envelope: Envelope): void {
    const message = envelope as BarsMessage;
    this.bars = mergeBars(message.kind === 'snapshot' ? [] : this.bars, message.bars);
    this.loaded = true;
  }

  refuse(): void {
    this.loaded = true;
  }
}

/** How many prints a panel keeps while it is open. */
const PRINTS_KEPT = 1_000;

export class PrintsSource implements Source {
  /** Newest first. */
  prints = $state.raw<readonly Print[]>([]);
  loaded = $state(false);
  absent = $state('');
  /** The numbers of prints below which some are missing. */
  holes = $state.raw<ReadonlySet<number>>(new Set());

  #epoch: number | string = '';

  apply(envelope: Envelope): void {
    const { prints, epoch } = envelope as PrintsMessage;
    // Each run of the scanner counts from 0: the prints of two runs have no order.
    if (epoch !== this.#epoch || (prints[0]?.n ?? Infinity) < (this.prints[0]?.n ?? 0)) this.prints = [];
    this.#epoch = epoch;
    const newest = this.prints[0]?.n ?? -1;
    // A snapshot is the newest part: what was seen before it stays below.
    const fresh = prints.filter((each) => each.n > newest);
    const oldest = fresh.at(-1);
    const hole = envelope.kind === 'snapshot' && newest >= 0 && oldest !== undefined && fresh.length === prints.length;
    if (this.prints.length === 0) this.holes = new Set();
    else if (hole) this.holes = new Set([...this.holes, oldest.n].slice(-PRINTS_KEPT));
    this.prints = [...fresh, ...this.prints].slice(0, PRINTS_KEPT);
    this.loaded = true;
    this.absent = '';
  }

  refuse(fault: Pick<Fault, 'detail'>): void {
    this.absent = fault.detail;
  }
}

/** Who is armed now, newest first. */
export class ArmedSource implements Source {
  armed = $state.raw<readonly Armed[]>([]);
  total = $state(0);
  loaded = $state(false);
  absent = $state('');

  apply(envelope: Envelope): void {
    const { kind, armed, gone = [], total } = envelope as ArmedMessage;
    const kept = new Map(kind === 'snapshot' ? [] : this.armed.map((each) => [`${each.scan}/${each.symbol}`, each]));
    for (const [scan, symbol] of gone) kept.delete(`${scan}/${symbol}`);
    for (const each of armed) kept.set(`${each.scan}/${each.symbol}`, each);
    this.armed = [...kept.values()].sort((a, b) => b.since_ns - a.since_ns);
    this.total = total;
    this.loaded = true;
    this.absent = '';
  }

  refuse(fault: Pick<Fault, 'detail'>): void {
    this.armed = [];
    this.absent = fault.detail;
  }
}

/** Return the source for `topic`; signals and status have none of their own. */
export function sourceFor(topic: string): Source | null {
  if (topic.startsWith('board:')) return new BoardSource();
  if (topic.startsWith('symbol:')) return new SymbolSource();
  if (topic === 'armed') return new ArmedSource();
  if (topic.startsWith('prints:')) return new PrintsSource();
  return topic.startsWith('bars:') ? new BarsSource() : null;
}
