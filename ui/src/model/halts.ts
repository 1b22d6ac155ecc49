/** The halt desk: who is halted, suspected, back, or near a band, in this order. */

export interface HaltRow {
  readonly symbol: string;
  readonly last: number | null;
  readonly chg_pct: number | null;
  readonly halted: boolean | null;
  readonly halt_code: string | null;
  readonly halt_time: number | null;
  readonly resume_time: number | null;
  readonly halts_today: number | null;
  readonly secs_since_resume: number | null;
  readonly luld_up: number | null;
  readonly luld_dn: number | null;
  readonly luld_dist_pct: number | null;
  readonly limit_s: number | null;
  readonly halt_suspected: boolean | null;
  readonly stale?: boolean | null;
  readonly provisional?: boolean | null;
}

export interface HaltGroup {
  readonly name: 'halted' | 'suspected' | 'resumed' | 'near';
  readonly title: string;
  readonly rows: readonly HaltRow[];
}

const TITLES = [
  ['halted', 'Halted'],
  ['suspected', 'Halt suspected'],
  ['resumed', 'Resumed within 15 minutes'],
  ['near', 'Near a limit band'],
] as const;

/** Return the groups that have rows; the newest halt and the nearest band first. */
export function sorted(rows: readonly HaltRow[]): readonly HaltGroup[] {
  return TITLES.map(([name, title]) => ({
    name,
    title,
    rows: rows.filter((row) => groupOf(row) === name).sort((a, b) => order(a, name) - order(b, name)),
  })).filter((group) => group.rows.length > 0);
}

function groupOf(row: HaltRow): HaltGroup['name'] {
  if (row.halted === true) return 'halted';
  if (row.halt_suspected === true) return 'suspected';
  return row.secs_since_resume !== null && row.secs_since_resume < 900 ? 'resumed' : 'near';
}

function order(row: HaltRow, name: HaltGroup['name']): number {
  if (name === 'halted') return row.halt_time ?? 0;
  if (name === 'resumed') return row.secs_since_resume ?? 0;
  return row.luld_dist_pct ?? 100;
}

const WORDS: Readonly<Record<string, string>> = {
  LUDP: 'volatility pause',
  LUDS: 'volatility pause, straddle',
  M: 'volatility pause',
  T1: 'news pending',
  T2: 'news released',
  T3: 'news, resumption times set',
  T5: 'single-stock pause',
  T6: 'extraordinary activity',
  T8: 'fund halt',
  T12: 'information requested',
  H4: 'non-compliance',
  H9: 'filings not current',
  H10: 'SEC suspension',
  H11: 'regulatory concern',
  O1: 'operations',
  IPO1: 'new issue not yet quoted',
  MWC1: 'market-wide, level 1',
  MWC2: 'market-wide, level 2',
  MWC3: 'market-wide, level 3',
};

/** Return a halt code in plain words; an unknown one has none. */
export function haltWords(code: string | null): string {
  return WORDS[code ?? ''] ?? '';
}
