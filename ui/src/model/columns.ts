/** How each column is shown: its kind, width, label and whether it has a direction. */

import type { Column } from '../wire';
import known from './columns.json';
import type { Kind } from './format';

/** A column ready for the screen; `width` is in characters and never changes on a tick. */
export interface Field extends Column {
  readonly kind: Kind;
  readonly label: string;
  readonly width: number;
  readonly align: 'left' | 'right' | 'center';
  /** Green above zero, red below. */
  readonly directed: boolean;
  /** A change of the shown text lights the cell for an instant. */
  readonly flashes: boolean;
}

const UNITS: Readonly<Record<string, Kind>> = {
  '%': 'signed',
  '%/s': 'signed',
  $: 'price',
  usd: 'price',
  price: 'price',
  shares: 'count',
  share: 'count',
  trades: 'count',
  prints: 'count',
  count: 'integer',
  x: 'ratio',
  days: 'integer',
  ratio: 'ratio',
  '1/s': 'rate',
  't/s': 'rate',
  'trades/s': 'rate',
  s: 'seconds',
  ms: 'milliseconds',
  ns: 'time',
  time: 'time',
  bool: 'flag',
  flag: 'flag',
  text: 'text',
};

/** Percentages that have no direction: a spread of 1 % is not a rise of 1 %. */
const UNSIGNED =
  /^(spread_pct|buy_pct.*|atr_pct|range_.*|short_float_pct|luld_dist_pct|bb_.*|hv\d+|.*_pctl|iv.*)$/;
const MONEY = /^(dollar_vol|dv_\w+|mcap|dollar_\w+|market_cap)$/;
const SIGNED = /^(chg\w*|accel|velocity|imb)$/;
const TIMES = /_ns$/;
const INTEGERS = /(_today|^blocks_\w+|^tier|^streak\w*|^rank\w*|^quarantined|_days\w*)$/;
const TEXTS =
  /^(symbol|name|exchange|type|sector|industry|phase|feed|halt_code|rvol_src|float_src|headline|flags)$/;

/** Return the kind of a column from its unit, and from its name where the unit is silent. */
export function kindOf(column: Column): Kind {
  const unit = column.unit.toLowerCase();
  if (TEXTS.test(column.name)) return 'text';
  if (TIMES.test(column.name)) return 'time';
  if (MONEY.test(column.name)) return 'money';
  if (SIGNED.test(column.name)) return 'signed';
  const kind = UNITS[unit] ?? kindOfName(column.name);
  return kind === 'signed' && UNSIGNED.test(column.name) ? 'percent' : kind;
}

function kindOfName(name: string): Kind {
  if (INTEGERS.test(name)) return 'integer';
  if (/^trades$/.test(name)) return 'count';
  if (/_pct$/.test(name)) return 'signed';
  if (/^(vol|adv|mean)|_vol$|shares/.test(name)) return 'count';
  if (/^(last|bid|ask|mid|open|high|low|hod|lod|prev_|pm_|vwap)/.test(name)) return 'price';
  return 'ratio';
}

const WIDTHS: Readonly<Record<Kind, number>> = {
  text: 8,
  flag: 4,
  price: 8,
  money: 7,
  signed: 7,
  percent: 5,
  ratio: 6,
  count: 7,
  integer: 4,
  rate: 5,
  seconds: 6,
  milliseconds: 6,
  time: 8,
};

const TEXT_WIDTHS: Readonly<Record<string, number>> = {
  symbol: 8,
  name: 22,
  headline: 40,
  exchange: 6,
  type: 5,
  sector: 14,
  phase: 8,
  halt_code: 6,
  rvol_src: 8,
};

const LABELS: Readonly<Record<string, string>> = {
  symbol: 'Symbol',
  last: 'Last',
  chg: 'Chg',
  chg_pct: 'Chg %',
  chg_open_pct: 'Open %',
  post_chg_pct: 'Post %',
  gap_pct: 'Gap %',
  vol: 'Volume',
  pm_vol: 'PM vol',
  post_vol: 'Post vol',
  dollar_vol: '$ volume',
  rvol_tod: 'RVol',
  rvol_day: 'RVol day',
  rvol_5m: 'RVol 5m',
  rvol_1m: 'RVol 1m',
  vol_burst: 'Burst',
  float_shares: 'Float',
  float_rot: 'Rotation',
  spread_pct: 'Spr %',
  trade_rate: 'Tr/s',
  trade_rate_10s: 'Tr/s 10s',
  hod_dist_pct: 'HOD %',
  lod_dist_pct: 'LOD %',
  vwap_dist_pct: 'VWAP %',
  pmh_dist_pct: 'PMH %',
  pdh_dist_pct: 'PDH %',
  w52h_dist_pct: '52wH %',
  luld_dist_pct: 'LULD %',
  atr_used: 'ATR used',
  prev_close: 'Prev cl',
  range_pos: 'Range',
  mcap: 'Mkt cap',
  quiet_s: 'Quiet',
  age_ms: 'Age ms',
  halt_code: 'Code',
  halt_time: 'Halted at',
};

/** Return the header text of a column: a trader's short name where there is one. */
export function labelOf(name: string): string {
  const known = LABELS[name];
  if (known !== undefined) return known;
  const text = name.replace(/_pct$/, ' %').replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const CENTRED: ReadonlySet<Kind> = new Set<Kind>(['flag']);
const FLASHING: ReadonlySet<Kind> = new Set<Kind>(['price', 'signed', 'ratio']);

/** Return a formula's sentence without the verb that a function's has. */
function plain(doc: string): string {
  const text = doc.replace(/^(Return|Tell) /, '');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Return how `column` is shown. */
export function fieldOf(column: Column): Field {
  const kind = kindOf(column);
  const label = labelOf(column.name);
  const content = kind === 'text' ? (TEXT_WIDTHS[column.name] ?? WIDTHS.text) : WIDTHS[kind];
  return {
    ...column,
    doc: plain(column.doc),
    kind,
    label,
    width: Math.max(content, Math.ceil(label.length * 0.8)),
    align: kind === 'text' ? 'left' : CENTRED.has(kind) ? 'center' : 'right',
    directed: kind === 'signed',
    flashes: FLASHING.has(kind),
  };
}

/** Return `widths` (px) shared out over `room` (px): never narrower than they are, no fractions. */
export function stretched(widths: readonly number[], room: number): readonly number[] {
  const sum = widths.reduce((total, width) => total + width, 0);
  const factor = Math.max(1, room / Math.max(1, sum));
  return widths.map((width) => Math.floor(width * factor));
}

/** Return how many of `widths` (px), taken from the left, fit into `room` (px); at least one. */
export function fitting(widths: readonly number[], room: number): number {
  let used = 0;
  let count = 0;
  for (const width of widths) {
    used += width;
    if (used > room) break;
    count += 1;
  }
  return Math.max(1, count);
}

/** Every column of the table as this version knows it: unit, formula, topic. */
export const COLUMNS: ReadonlyMap<string, Column> = new Map(
  Object.entries(known).map(([name, [unit = '', doc = '', topic = '']]) => [
    name,
    { name, unit, doc: plain(doc), topic },
  ]),
);

/** Return how `name` is shown: a column of the table, or one that a question made. */
export function fieldNamed(name: string): Field {
  return fieldOf(COLUMNS.get(name) ?? { name, unit: '', doc: 'A column of the question itself.' });
}

/** Columns of running text: a table that has one is as wide as it needs, and scrolls. */
export const PROSE: ReadonlySet<string> = new Set(['headline', 'name', 'headline_tags']);

/** Return whether two lists of columns are the same, in the same order. */
export function sameFields(a: readonly Field[], b: readonly Field[]): boolean {
  return a.length === b.length && a.every((field, at) => field.name === b[at]?.name);
}

const MARKS = ['stale', 'provisional'] as const;

/** Return a SELECT list with the columns that say whether its values are to be trusted. */
export function marked(columns: string): string {
  const lacking = MARKS.filter((name) => !new RegExp(`\\b${name}\\b`, 'i').test(columns));
  return columns.trim() === '*' || lacking.length === 0 ? columns : `${columns}, ${lacking.join(', ')}`;
}
