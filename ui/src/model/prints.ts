/** Time and sales: how each print stands to the one before it. */

import type { Print } from '../wire';

export interface Line {
  readonly print: Print;
  /** Above 0 after a lower price, below 0 after a higher one, of prints that may move the last. */
  readonly tick: number;
}

/** Return the prints from `least` shares on, newest first, each with the direction that it moved in. */
export function linesOf(prints: readonly Print[], least: number): Line[] {
  const lines: Line[] = [];
  let last: number | null = null;
  let tick = 0;
  for (const print of prints.toReversed()) {
    if (print.moves) {
      // At the same price the direction holds: the tick rule.
      if (last !== null && print.price !== last) tick = Math.sign(print.price - last);
      last = print.price;
    }
    if (print.size >= least) lines.push({ print, tick: print.moves ? tick : 0 });
  }
  return lines.reverse();
}
