/** Track records: what followed a scan's signals, as the gateway tells it. */

import { fixed, signed, UNKNOWN } from './format';

export interface Interval {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export interface ScanRecord {
  readonly scan: string;
  readonly fires: number;
  /** Of a strategy: entries that were traded within their limit; null for a scan. */
  readonly filled: number | null;
  readonly horizons: readonly {
    readonly horizon: string;
    readonly n: number;
    readonly median: Interval;
    readonly hit_rate: Interval;
  }[];
  readonly mae_30m: number | null;
  readonly mfe_30m: number | null;
  readonly since: string;
  readonly until: string;
}

/** Return the fires, and of a strategy how many were filled: 3, or 1 of 3. */
export function firesText(record: ScanRecord | undefined): string {
  const fires = record?.fires ?? 0;
  return record?.filled == null ? `${fires}` : `${record.filled} of ${fires}`;
}

/** Return a median of returns: +0.42% (−0.10 to +0.90). */
export function medianText({ value, low, high }: Interval): string {
  if (value === null) return UNKNOWN;
  const range = low === null || high === null ? '' : ` (${signed(low, 2)} to ${signed(high, 2)})`;
  return `${signed(value, 2)}%${range}`;
}

/** Return a hit rate, a share from 0 to 1: 54% (48 to 60). */
export function rateText({ value, low, high }: Interval): string {
  if (value === null) return UNKNOWN;
  const range = low === null || high === null ? '' : ` (${percent(low)} to ${percent(high)})`;
  return `${percent(value)}%${range}`;
}

function percent(share: number): string {
  return fixed(share * 100, 0);
}
