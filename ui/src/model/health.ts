/** What /health tells, as lines of label and value. */

import { compact, fixed, UNKNOWN } from './format';

type Json = unknown;
type Told = Readonly<Record<string, Json>>;

export interface Fact {
  readonly label: string;
  readonly text: string;
  /** warn: look at it; alarm: data or signals suffer. */
  readonly tone: '' | 'warn' | 'alarm';
  readonly tip: string;
}

export interface Theme {
  readonly title: string;
  readonly facts: readonly Fact[];
}

function part(told: Told, ...path: readonly string[]): Json {
  return path.reduce<Json>((at, key) => (at as Told | null | undefined)?.[key], told);
}

function number(value: Json): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function fact(label: string, text: string, tip = '', tone: Fact['tone'] = ''): Fact {
  return { label, text, tip, tone };
}

function count(told: Told, label: string, path: readonly string[], tip = '', wary = false): Fact {
  const value = number(part(told, ...path));
  const tone = wary && (value ?? 0) > 0 ? 'warn' : '';
  return fact(label, value === null ? UNKNOWN : value < 10_000 ? fixed(value, 0) : compact(value), tip, tone);
}

function times(told: Told, label: string, path: readonly string[], tip: string, limitMs: number): Fact {
  const [p50, p99] = [number(part(told, ...path, 'p50')), number(part(told, ...path, 'p99'))];
  const text = p99 === null ? UNKNOWN : `${p50 === null ? UNKNOWN : fixed(p50, 1)} / ${fixed(p99, 1)} ms`;
  return fact(label, text, `${tip} Median / 99th percentile.`, p99 !== null && p99 > limitMs ? 'warn' : '');
}

function state(told: Told, label: string, path: readonly string[], good: readonly string[]): Fact {
  const word = part(told, ...path, 'state');
  const detail = part(told, ...path, 'detail');
  const text = typeof word === 'string' ? word : UNKNOWN;
  const said = typeof detail === 'string' && detail !== '' ? `${text}: ${detail}` : text;
  return fact(label, said, '', good.includes(text) ? '' : 'alarm');
}

/** Return every number of an object as a fact; those in `wary` should be 0. */
function counters(told: Told, path: readonly string[], wary: ReadonlySet<string>): Fact[] {
  const found = part(told, ...path);
  if (typeof found !== 'object' || found === null) return [];
  return Object.keys(found).map((key) =>
    count(told, key.replaceAll('_', ' '), [...path, key], '', wary.has(key)),
  );
}

const WARY = new Set(['rejected', 'late', 'duplicates', 'expired', 'quarantined', 'unknown_conditions', 'lost']);

/** Return what comes in, what is missing and what was refused. */
export function feedThemes(told: Told): readonly Theme[] {
  const name = part(told, 'feed', 'name');
  const coverage = part(told, 'feed', 'coverage');
  return [
    {
      title: 'Feed',
      facts: [
        fact('name', typeof name === 'string' ? name : UNKNOWN),
        state(told, 'state', ['feed'], ['live', 'polling']),
        fact('coverage', typeof coverage === 'string' ? coverage : UNKNOWN, 'What share of the market the data are.'),
        fact('label', String(part(told, 'label', 'text') ?? UNKNOWN), 'What the figures are, in a sentence.'),
        count(told, 'events/s', ['events_s']),
        count(told, 'trades/s', ['trades_s']),
        times(told, 'lag', ['lag_ms'], "From the exchange's stamp into the table.", 250),
      ],
    },
    {
      title: 'Data',
      facts: [
        count(told, 'rows', ['rows'], 'Symbols in the live table.'),
        count(told, 'stale', ['stale'], 'Rows whose feed is not complete for the last 5 s: no signal.', true),
        count(told, 'provisional', ['provisional'], 'Rows in a hole, or awaiting a split: no signal.', true),
        count(told, 'gaps', ['gaps'], 'Holes in the stream today.', true),
        fact('open gap', part(told, 'gap_open') === true ? 'yes' : 'no', '', part(told, 'gap_open') === true ? 'alarm' : ''),
        count(told, 'bad prints', ['quarantined'], 'Prints set aside: they moved no price.'),
      ],
    },
    { title: 'Table', facts: counters(told, ['counters'], WARY) },
    { title: 'Stream', facts: counters(told, ['feed_counts'], WARY) },
    { title: 'Refused, by kind', facts: counters(told, ['rejected_by_kind'], new Set()) },
  ].filter((theme) => theme.facts.length > 0);
}

/** Return how the scanner itself does. */
export function systemThemes(told: Told): readonly Theme[] {
  const faults = part(told, 'questions', 'faults') as Told | undefined;
  const off = part(told, 'strategies', 'off') as Told | undefined;
  return [
    {
      title: 'Latency of signals',
      facts: [
        times(told, 'network', ['signal_ms', 'net'], "From the exchange's stamp to us.", 250),
        times(told, 'table', ['signal_ms', 'table'], 'Into the table.', 50),
        times(told, 'rule', ['signal_ms', 'rule'], 'Until the mark that asked.', 150),
        times(told, 'send', ['signal_ms', 'send'], 'Until it was published.', 50),
        times(told, 'total', ['signal_ms', 'total'], 'All together.', 500),
        times(told, 'cycle', ['cycle_ms'], 'One mark: all that is due is answered.', 50),
      ],
    },
    {
      title: 'Journal and log',
      facts: [
        state(told, 'journal', ['journal'], ['ok']),
        fact('run', String(part(told, 'journal', 'run') ?? UNKNOWN)),
        count(told, 'records', ['journal', 'seq']),
        count(told, 'bytes', ['journal', 'bytes']),
        state(told, 'signal log', ['signal_log'], ['ok']),
        state(told, 'track record', ['track_record'], ['ok']),
        count(told, 'signals', ['signals']),
      ],
    },
    {
      title: 'Questions and tiers',
      facts: [
        count(told, 'questions', ['questions', 'count']),
        ...faultsOf(faults, 'question'),
        count(told, 'strategies', ['strategies', 'running']),
        ...faultsOf(off, 'off'),
        count(told, 'in play', ['tiers', 'in_play'], 'Rows in tier 2: their indicators are reckoned.'),
        count(told, 'workers', ['tiers', 'workers']),
      ],
    },
    {
      title: 'Time',
      facts: [
        fact('market time', String(part(told, 'market_time') ?? UNKNOWN).slice(0, 19)),
        fact('speed', `${number(part(told, 'rate')) ?? UNKNOWN}×`),
        fact('phase', String(part(told, 'phase') ?? UNKNOWN)),
        fact('digest', String(part(told, 'digest') ?? UNKNOWN).slice(0, 16), 'A replay of the journal gives the same.'),
      ],
    },
  ];
}

function faultsOf(faults: Told | undefined, label: string): Fact[] {
  return Object.entries(faults ?? {}).map(([name, fault]) =>
    fact(`${label} ${name}`, String(fault), String(fault), 'alarm'),
  );
}
