/** The event tape: signals, newest first, bounded, each signal's states apart. */

import { price, signed, UNKNOWN } from './format';
import type { Cell, Leaf, Plan, Signal } from '../wire';

/** How many signals the tape keeps. */
export const TAPE_ROWS = 500;
/** How many of them, the newest, keep their reasons; those of older ones are asked for again. */
export const REASON_ROWS = 50;
/** How many of a signal's values stand on its line. */
export const LINE_VALUES = 6;

/** Return a tape with `fresh` put on top of `kept`; a repeated state of a signal counts once. */
export function addSignals(kept: readonly Signal[], fresh: readonly Signal[]): readonly Signal[] {
  // Armed is what may come: thousands of rows, and no event.
  const told = fresh.filter((signal) => signal.state !== 'armed');
  const added = new Map(told.map((signal) => [keyOf(signal), signal]));
  const ids = new Set(told.map((signal) => signal.id));
  for (const signal of kept) if (ids.has(signal.id)) added.delete(keyOf(signal));
  if (added.size === 0) return kept;
  const tape = [...added.values(), ...kept].sort((a, b) => b.ts_ns - a.ts_ns).slice(0, TAPE_ROWS);
  return tape.map((signal, at) => (at < REASON_ROWS || signal.why === undefined ? signal : lineOf(signal)));
}

/** Return what a line shows of a signal, and no more: a day's reasons would fill the page's memory. */
function lineOf(signal: Signal): Signal {
  const { id, scan, symbol, state, ts_ns, text, kind, reason, plan, count } = signal;
  const values = Object.fromEntries(valuesOf(signal));
  return { id, scan, symbol, state, ts_ns, text, kind, reason, plan, count, values };
}

/** Return the values that stand on a signal's line. */
export function valuesOf(signal: Signal): readonly (readonly [string, Cell])[] {
  return Object.entries(signal.values ?? {})
    .filter(([name, value]) => name !== 'symbol' && value !== null)
    .slice(0, LINE_VALUES);
}

/** Return what tells one record of the tape from another. */
export function keyOf(signal: Signal): string {
  return `${signal.id}/${signal.state}/${signal.ts_ns}`;
}

/** What a leaf of a condition looks like on its line. */
export interface LeafLine {
  readonly depth: number;
  readonly name: string;
  readonly value: string;
  readonly test: string;
  readonly mark: '✓' | '✗' | '?';
  /** The group it stands in: gate, or1 ...; empty where it must hold by itself. */
  readonly group: string;
  /** Whether another leaf of its group may hold instead. */
  readonly alternative: boolean;
}

const OPERATORS: Readonly<Record<string, string>> = { '>=': '≥', '<=': '≤', '<>': '≠' };

/** Return the leaves of a signal's condition as lines, in the order of its text. */
export function leafLines(leaves: readonly Leaf[]): LeafLine[] {
  return leaves.map((leaf) => ({
    depth: Math.max(0, (leaf.within?.length ?? 0) - 1),
    group: (leaf.within ?? []).map(groupName).filter(Boolean).join(', '),
    alternative: (leaf.within ?? []).some((name) => name.startsWith('or')),
    name: leaf.name,
    value: cell(leaf.value),
    test: `${OPERATORS[leaf.op] ?? leaf.op} ${leaf.bound === null ? '' : cell(leaf.bound)}`.trim(),
    mark: leaf.true === null ? '?' : leaf.true ? '✓' : '✗',
  }));
}

/** or1 is the first group of which one must hold; and1 a group of which all must. */
function groupName(name: string): string {
  if (name.startsWith('and')) return '';
  return name.startsWith('or') ? `or ${name.slice(2)}` : name;
}

/** Return a plan in words: long 10.26, stop 10.02 (−2.34%), targets 10.50, 10.74. */
export function planText(plan: Plan): string {
  const risk = signed((plan.stop / plan.entry - 1) * 100, 2);
  const targets = (plan.targets ?? []).map(price).join(', ');
  const ends = targets === '' ? '' : `, targets ${targets}`;
  const only = plan.signal_only ? ', for people alone' : '';
  return `${plan.side} ${price(plan.entry)}, stop ${price(plan.stop)} (${risk}%)${ends}${only}`;
}

function cell(value: Cell): string {
  if (value === null) return UNKNOWN;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'string') return value;
  const size = Math.abs(value);
  if (size >= 1e6) return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
  return Number(value.toPrecision(6)).toString().replace('-', '\u2212');
}

/** What an alert says, with its symbol named once. */
export function sentence({ symbol, text }: { readonly symbol: string; readonly text: string }): string {
  return symbol === '' || text.split(' ', 1)[0] === symbol ? text : `${symbol} ${text}`;
}
