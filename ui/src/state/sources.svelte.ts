/** What comes on a topic, kept for all the panels that look at it. */

import { mergeBars } from '../model/bars';
import { Board } from '../model/board';
import { fieldOf, type Field } from '../model/columns';
import type { Bar, BarsMessage, BoardMessage, Cell, Envelope, Fault, Print, PrintsMessage, SymbolMessage } from '../wire';

export interface Source {
  apply(message: Envelope): void;
  refuse(fault: Fault): void;
}

/** A board; panels draw it at the next paint after `changes` rose. */
export class BoardSource implements Source {
  readonly board = new Board();
  changes = 0;
  fault = $state('');

  apply(message: Envelope): void {
    this.board.apply(message as BoardMessage);
    this.fault = '';
    this.changes += 1;
  }

  refuse(fault: Fault): void {
    this.fault = fault.detail;
    this.changes += 1;
  }
}

export class SymbolSource implements Source {
  values = $state.raw<Readonly<Record<string, Cell>>>({});
  fields = $state.raw<readonly Field[]>([]);
  loaded = $state(false);
  /** Why the gateway has nothing on the symbol; empty while it has. */
  absent = $state('');

  apply(envelope: Envelope): void {
    const message = envelope as SymbolMessage;
    if (message.kind === 'snapshot') {
      this.absent = '';
      this.values = message.values;
      if (message.columns.length > 0) this.fields = message.columns.map(fieldOf);
      this.loaded = true;
    } else this.values = { ...this.values, ...message.values };
  }

  refuse(fault: Fault): void {
    this.absent = fault.detail;
  }

  number(column: string): number | null {
    const value = this.values[column];
    return typeof value === 'number' ? value : null;
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

  apply(envelope: Envelope): void {
    const { prints } = envelope as PrintsMessage;
    const newest = this.prints[0]?.n ?? -1;
    // A snapshot is the newest part: what was seen before it stays below.
    const fresh = prints.filter((each) => each.n > newest);
    this.prints = [...fresh, ...this.prints].slice(0, PRINTS_KEPT);
    this.loaded = true;
    this.absent = '';
  }

  refuse(fault: Fault): void {
    this.absent = fault.detail;
  }
}

/** Return the source for `topic`; signals and status have none of their own. */
export function sourceFor(topic: string): Source | null {
  if (topic.startsWith('board:')) return new BoardSource();
  if (topic.startsWith('symbol:')) return new SymbolSource();
  if (topic.startsWith('prints:')) return new PrintsSource();
  return topic.startsWith('bars:') ? new BarsSource() : null;
}
