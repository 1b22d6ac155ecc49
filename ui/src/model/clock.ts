/** Market time on the screen: New York wall time reckoned from the messages' `ts_ns`. */

const HOUR_MS = 3_600_000;
/** How far the shown clock may run ahead of the last message: a dead gateway must stop it. */
const LEAD_MS = 1_500;
/** A difference larger than this is a new timeline (a replay, a restart), not network jitter. */
const JUMP_MS = 1_000;

const OFFSETS = new Intl.DateTimeFormat('en-US', {
  timeZone: 'America/New_York',
  timeZoneName: 'longOffset',
});

let cachedHour = Number.NaN;
let cachedOffset = 0;

/** Return New York's offset from UTC in ms at `utcMs`; negative west of Greenwich. */
export function newYorkOffset(utcMs: number): number {
  const hour = Math.floor(utcMs / HOUR_MS);
  if (hour !== cachedHour) {
    cachedHour = hour;
    cachedOffset = readOffset(utcMs);
  }
  return cachedOffset;
}

function readOffset(utcMs: number): number {
  const zone = OFFSETS.formatToParts(utcMs).find((part) => part.type === 'timeZoneName');
  const match = /GMT([+-])(\d\d):(\d\d)/.exec(zone?.value ?? '');
  if (match === null) return 0;
  const size = Number(match[2]) * HOUR_MS + Number(match[3]) * 60_000;
  return match[1] === '-' ? -size : size;
}

/** Return the New York time of day at `utcMs` as HH:MM:SS, with `.mmm` when asked. */
export function timeOfDay(utcMs: number, millis = false): string {
  const iso = new Date(utcMs + newYorkOffset(utcMs)).toISOString();
  return iso.slice(11, millis ? 23 : 19);
}

/** Return the New York time of day of `ns` (ns, UTC) as HH:MM:SS. */
export function timeOfDayNs(ns: number): string {
  return timeOfDay(ns / 1e6);
}

/** Return the time left until the opening bell as M:SS, or null outside 04:00 to 09:30. */
export function untilBell(utcMs: number): string | null {
  const local = utcMs + newYorkOffset(utcMs);
  const left = 9.5 * HOUR_MS - (((local % (24 * HOUR_MS)) + 24 * HOUR_MS) % (24 * HOUR_MS));
  if (left <= 0 || left > 5.5 * HOUR_MS) return null;
  const seconds = Math.ceil(left / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** Market time between messages. */
export class MarketClock {
  #rate = 1;
  #offset: number | null = null;
  #last = 0;

  /** Set how many market seconds pass in one second. */
  set rate(rate: number) {
    if (rate > 0 && rate !== this.#rate) {
      this.#rate = rate;
      this.#offset = null;
    }
  }

  /** Learn that market time was `tsMs` when the local monotonic clock read `nowMs`. */
  sync(tsMs: number, nowMs: number): void {
    const offset = tsMs - nowMs * this.#rate;
    const known = this.#offset;
    if (known === null || offset > known || known - offset > JUMP_MS) this.#offset = offset;
    // The earliest arrival is the truest; drift is followed slowly.
    else this.#offset = known + (offset - known) * 0.02;
    this.#last = known !== null && known - offset > JUMP_MS ? tsMs : Math.max(this.#last, tsMs);
  }

  /** Return market time (ms, UTC) at the local `nowMs`, or null before the first message. */
  read(nowMs: number): number | null {
    if (this.#offset === null) return null;
    const reckoned = this.#offset + nowMs * this.#rate;
    return Math.min(reckoned, this.#last + LEAD_MS * this.#rate);
  }
}

/**
 * Return the UTC time (ms) of `text`, New York wall time: 9:35, 09:35:10 or 2026-11-20 09:35:10.
 *
 * Without a date it is of the day of `dayMs`. Null for what is no time.
 */
export function localTime(text: string, dayMs: number): number | null {
  const match = /^(?:(\d{4}-\d\d-\d\d)[ T])?(\d{1,2}):(\d\d)(?::(\d\d))?$/.exec(text.trim());
  if (match === null) return null;
  const [, date, hour, minute, second = '0'] = match;
  const day = date ?? new Date(dayMs + newYorkOffset(dayMs)).toISOString().slice(0, 10);
  const midnight = Date.parse(`${day}T00:00:00Z`);
  const [h, m, s] = [Number(hour), Number(minute), Number(second)];
  if (Number.isNaN(midnight) || h > 23 || m > 59 || s > 59) return null;
  const local = midnight + h * HOUR_MS + m * 60_000 + s * 1000;
  // The offset at the wall time itself: twice, for the nights on which it changes.
  const first = local - newYorkOffset(local);
  return local - newYorkOffset(first);
}

const CLOSE_HOUR = 20;

/** Return the whole minutes from `ms` (UTC) to 20:00 New York, when a day's session ends: 1 or more. */
export function minutesToClose(ms: number): number {
  const local = ms + newYorkOffset(ms);
  const close = local - (local % (24 * HOUR_MS)) + CLOSE_HOUR * HOUR_MS;
  const left = close > local ? close - local : close + 24 * HOUR_MS - local;
  return Math.max(1, Math.ceil(left / 60_000));
}
