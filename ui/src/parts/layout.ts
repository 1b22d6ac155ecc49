/** Sizes and small texts that several parts share. */

import type { Field } from '../model/columns';

/** Advance of one digit of the monospaced face at 11.5 px, and the cell's padding (px). */
const DIGIT_PX = 6.9;
const PADDING_PX = 10;

/** Return the smallest width (px) at which nothing of a column is clipped. */
export function widthPx(field: Field): number {
  return Math.ceil(field.width * DIGIT_PX) + PADDING_PX;
}

/** Columns that are states: a letter beside the symbol instead of a column of their own. */
export const FLAGS: Readonly<Record<string, { letter: string; tip: string; tone: string }>> = {
  halted: { letter: 'H', tip: 'Halted', tone: 'alarm' },
  stale: { letter: 'STALE', tip: 'The feed is not complete for the last 5 s', tone: 'alarm' },
  provisional: { letter: 'P', tip: 'Provisional: a hole or a split is being mended', tone: 'amber' },
  ssr: { letter: 'S', tip: 'Short sale restriction', tone: 'alarm' },
  split_today: { letter: 'SP', tip: 'Split effective today', tone: 'amber' },
};

/** Return the text that explains a column: its name in SQL, unit, formula. */
export function tipOf(field: Field): string {
  const unit = field.unit === '' ? '' : `  [${field.unit}]`;
  return `${field.name}${unit}\n${field.doc}`;
}

const PHASES: Readonly<Record<string, string>> = {
  pre: 'pre-market',
  regular: 'regular hours',
  post: 'after hours',
  closed: 'closed',
};

/** Return a phase of the session in a trader's words. */
export function phaseName(phase: string): string {
  return PHASES[phase] ?? phase;
}
