/** The event tape: signals, newest first, bounded, each signal's states apart. */

import type { Signal } from '../wire';

/** How many signals the tape keeps. */
export const TAPE_ROWS = 200;

/** Return a tape with `fresh` put on top of `kept`; a repeated state of a signal counts once. */
export function addSignals(kept: readonly Signal[], fresh: readonly Signal[]): readonly Signal[] {
  const known = new Set(kept.map(keyOf));
  const added = new Map(fresh.map((signal) => [keyOf(signal), signal]));
  for (const key of known) added.delete(key);
  if (added.size === 0) return kept;
  return [...added.values(), ...kept].sort((a, b) => b.ts_ns - a.ts_ns).slice(0, TAPE_ROWS);
}

/** Return what tells one record of the tape from another. */
export function keyOf(signal: Signal): string {
  return `${signal.id}/${signal.state}/${signal.ts_ns}`;
}
