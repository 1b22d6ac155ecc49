/** Which board a pane shows while nobody has chosen one. */

import type { BoardInfo } from '../wire';

/** Return whether `board` is ranked in `phase`; one that names no phase is ranked in all. */
export function isRankedIn(board: BoardInfo, phase: string): boolean {
  const phases = board.phases ?? [];
  return phase === '' || phases.length === 0 || phases.includes(phase);
}

/**
 * Return the name of the board for a panel that shows `current`, beside those that show `others`.
 *
 * It stays while it is ranked in `phase`; else the first list that is, and not shown already.
 */
export function boardFor(
  boards: readonly BoardInfo[],
  phase: string,
  current: string,
  others: readonly string[],
): string | undefined {
  const fits = boards.filter((board) => isRankedIn(board, phase));
  if (fits.some((board) => board.name === current)) return current;
  const free = fits.filter((board) => !others.includes(board.name));
  const lists = free.filter((board) => board.kind !== 'events');
  return (lists[0] ?? free[0] ?? fits[0] ?? boards[0])?.name;
}
