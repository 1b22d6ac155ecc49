"""The fold: each print, quote and bar into its row, one at a time, in arrival order.

Sums therefore round alike however the stream was cut into batches. Eligibility is by sale
condition (see `model.conditions`), a price far from the market is held in quarantine until two
more prints confirm it.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from tapelight.market.row import (
    KNOWN_DAY,
    NEW_HIGH,
    NEW_HOD,
    NEW_LOD,
    NEW_LOW,
    OPENED,
    SOURCE_TRADES,
)
from tapelight.market.windows import AHEAD_S, Rings, add_tape, add_volume
from tapelight.model.conditions import ConditionRules

NS = 1_000_000_000
MINUTE_NS = 60 * NS

# Slots of the counters.
TRADES, QUOTES, DUPLICATES, LATE, QUARANTINED, UNKNOWN_CONDITION, INSIDE_SNAPSHOT = range(7)
CHANGED, CLOSED_BARS, LATE_PRINTS, SUSPECTS = range(7, 11)
N_COUNTERS = 12

BAR = np.dtype(
    [
        ("minute", "i8"),  # since the epoch
        ("row", "i4"),
        ("trades", "i4"),
        ("open", "f8"),
        ("high", "f8"),
        ("low", "f8"),
        ("close", "f8"),
        ("volume", "f8"),
        ("value", "f8"),  # sum of price x size; NaN unknown
    ]
)
SUSPECT = np.dtype(
    [("ts_ns", "i8"), ("row", "i4"), ("price", "f8"), ("size", "f8"), ("reference", "f8")]
)


class Masks(NamedTuple):
    """Hold the condition rules as the fold reads them."""

    no_last: np.uint64
    no_high_low: np.uint64
    no_volume: np.uint64
    first_only: np.uint64
    sold_last: np.uint64
    no_vwap: np.uint64
    not_tape: np.uint64
    not_clean: np.uint64
    form_t: np.uint64
    out_of_sequence: np.uint64
    auction: np.uint64
    closing: np.uint64
    official_open: np.uint64
    official_close: np.uint64
    quarantine: np.uint64


class Day(NamedTuple):
    """Hold the session's times in ns UTC, and the market second that the windows stand at."""

    start_ns: int
    open_ns: int
    close_ns: int
    end_ns: int
    now_s: int


class Spill(NamedTuple):
    """Take what the fold cannot keep in a row: bounded, emptied by the table after each batch."""

    changed: npt.NDArray[np.int32]
    bars: np.ndarray
    late: np.ndarray
    suspects: np.ndarray


def masks_of(rules: ConditionRules) -> Masks:
    """Return `rules` in the fold's form."""
    return Masks(*(np.uint64(getattr(rules, name)) for name in Masks._fields))


@numba.njit(cache=True)
def touch(row, r, counters, spill):  # type: ignore[no-untyped-def]
    """Note that row `r` changed since the last mark."""
    if row.changed == 0:
        row.changed = 1
        spill.changed[counters[CHANGED]] = r
        counters[CHANGED] += 1


@numba.njit(cache=True, error_model="numpy")
def fold_quote(row, ts, bid, ask, bid_size, ask_size):  # type: ignore[no-untyped-def]
    """Let the newest quote stand; a limit state begins or ends with it."""
    row.bid = bid
    row.ask = ask
    row.bid_size = bid_size
    row.ask_size = ask_size
    row.quote_ns = ts
    at_limit = bid >= row.luld_up or ask <= row.luld_dn
    if not at_limit:
        row.limit_ns = 0
    elif row.limit_ns == 0:
        row.limit_ns = ts


@numba.njit(cache=True, error_model="numpy")
def band_width(reference):  # type: ignore[no-untyped-def]
    """Return how far a print may stand from `reference` before it is suspect, as a fraction."""
    if reference >= 3.0:
        return 0.10
    return 0.20 if reference >= 0.75 else 0.50


@numba.njit(cache=True, error_model="numpy")
def is_suspect(row, ts, price):  # type: ignore[no-untyped-def]
    """Tell whether a print is held: far from a last under a minute old and outside the quotes."""
    reference = row.last
    width = band_width(reference)
    if np.isnan(reference) or ts - row.last_ns > 60 * NS or abs(price / reference - 1.0) <= width:
        return False
    inside = row.bid * (1.0 - width / 2) <= price <= row.ask * (1.0 + width / 2)
    if inside and ts - row.quote_ns <= 60 * NS:
        return False
    confirmed = (
        row.suspects > 0
        and ts - row.suspect_ns <= 5 * NS
        and abs(price / row.suspect - 1.0) <= width / 2
    )
    row.suspects = row.suspects + 1 if confirmed else 1
    row.suspect = price
    row.suspect_ns = ts
    return row.suspects < 3


@numba.njit(cache=True, error_model="numpy")
def side_of(row, price):  # type: ignore[no-untyped-def]
    """Classify a print: quote rule, tick rule at the mid; 1 bought, -1 sold, 0 unknown."""
    if price > row.tick_price:
        row.tick_dir = 1.0
    elif price < row.tick_price:
        row.tick_dir = -1.0
    row.tick_price = price
    mid = (row.bid + row.ask) / 2.0
    if price > mid:
        return 1
    if price < mid:
        return -1
    return int(row.tick_dir)


@numba.njit(cache=True, error_model="numpy")
def move_extremes(row, ts, price, regular, fires):  # type: ignore[no-untyped-def]
    """Let a print that is eligible for high and low move them; `fires` if it may be an event."""
    if not price <= row.hod:
        known = row.known & KNOWN_DAY
        if fires and known and not np.isnan(row.hod):
            row.flags |= NEW_HOD
            tick = 0.01 if price >= 1.0 else 0.0001
            apart = ts - row.hod_event_ns >= 5 * NS
            if apart and not price < row.hod_event_price + tick - 1e-9:
                row.hod_events += 1
                row.hod_event_ns = ts
                row.hod_event_price = price
        row.hod = price
        row.hod_ns = ts
    if not price >= row.lod:
        if fires and row.known & KNOWN_DAY and not np.isnan(row.lod):
            row.flags |= NEW_LOD
        row.lod = price
        row.lod_ns = ts
    if regular:
        _move_regular(row, price, fires)


@numba.njit(cache=True, error_model="numpy")
def _move_regular(row, price, fires):  # type: ignore[no-untyped-def]
    if not price <= row.high:
        if fires and not np.isnan(row.high):
            row.flags |= NEW_HIGH
        row.high = price
    if not price >= row.low:
        if fires and not np.isnan(row.low):
            row.flags |= NEW_LOW
        row.low = price


@numba.njit(cache=True, error_model="numpy")
def move_ranges(row, since_open, high, low):  # type: ignore[no-untyped-def]
    """Widen the opening ranges of 5, 15 and 30 minutes."""
    if since_open < 0 or since_open >= 30 * MINUTE_NS:
        return
    row.or30_high = max_known(row.or30_high, high)
    row.or30_low = min_known(row.or30_low, low)
    if since_open < 15 * MINUTE_NS:
        row.or15_high = max_known(row.or15_high, high)
        row.or15_low = min_known(row.or15_low, low)
    if since_open < 5 * MINUTE_NS:
        row.or5_high = max_known(row.or5_high, high)
        row.or5_low = min_known(row.or5_low, low)


@numba.njit(cache=True)
def max_known(a, b):  # type: ignore[no-untyped-def]
    """Return the larger, or the one that is known."""
    return b if not b <= a else a


@numba.njit(cache=True)
def min_known(a, b):  # type: ignore[no-untyped-def]
    """Return the smaller, or the one that is known."""
    return b if not b >= a else a


@numba.njit(cache=True, error_model="numpy")
def add_vwap(row, price, size, regular):  # type: ignore[no-untyped-def]
    """Add a print to the VWAP sums; the regular one also keeps its weighted deviation."""
    row.pv_pm += price * size
    row.v_pm += size
    if not regular:
        return
    row.pv += price * size
    row.v += size
    if size > 0.0:
        step = price - row.vw_mean
        row.vw_mean += step * (size / row.v)
        row.vw_m2 += size * step * (price - row.vw_mean)


@numba.njit(cache=True)
def close_bar(row, r, counters, spill):  # type: ignore[no-untyped-def]
    """Close the forming minute bar of row `r` and note the candle's colour."""
    if not np.isnan(row.bar_o):
        bar = spill.bars[counters[CLOSED_BARS]]
        counters[CLOSED_BARS] += 1
        bar.minute, bar.row, bar.trades = row.bar_min, r, row.bar_n
        bar.open, bar.high, bar.low, bar.close = row.bar_o, row.bar_h, row.bar_l, row.bar_c
        bar.volume, bar.value = row.bar_v, row.bar_pv
        row.streak1 = next_streak(row.streak1, row.bar_o, row.bar_c)
        if np.isnan(row.b5_o):
            row.b5_o = row.bar_o
        row.b5_c = row.bar_c
    row.bar_o = row.bar_h = row.bar_l = row.bar_c = np.nan
    row.bar_v = row.bar_pv = row.bar_tv = 0.0
    row.bar_n = 0


@numba.njit(cache=True)
def next_streak(streak, open_, close):  # type: ignore[no-untyped-def]
    """Return the signed count of candles of one colour after a candle; a doji ends it."""
    if close > open_:
        return streak + 1 if streak > 0 else 1
    if close < open_:
        return streak - 1 if streak < 0 else -1
    return 0


@numba.njit(cache=True, error_model="numpy")
def add_to_bar(row, r, minute, price, size, moves, opens, counters, spill):  # type: ignore[no-untyped-def]
    """Add a print to the forming minute bar, closing an older one; late prints are spilled."""
    if minute < row.bar_min:
        late = spill.late[counters[LATE_PRINTS]]
        counters[LATE_PRINTS] += 1
        late.minute, late.row, late.trades, late.volume = minute, r, 1, size
        late.open = late.close = np.nan
        late.high = late.low = price if opens else np.nan
        late.value = price * size
        return
    if minute > row.bar_min:
        close_bar(row, r, counters, spill)
        row.bar_min = minute
    row.bar_v += size
    row.bar_pv += price * size
    row.bar_n += 1
    if opens:
        if np.isnan(row.bar_o):
            row.bar_o = price
            row.bar_c = price
        row.bar_h = max_known(row.bar_h, price)
        row.bar_l = min_known(row.bar_l, price)
    if moves:
        if np.isnan(row.bar_o):
            row.bar_o = row.bar_h = row.bar_l = price
        row.bar_c = price


@numba.njit(cache=True, error_model="numpy")
def move_last(row, ts, price, exchange, regular, day):  # type: ignore[no-untyped-def]
    """Let an eligible print be the last price, and what hangs on it."""
    row.last = price
    row.last_ns = ts
    row.last_exchange = exchange
    if not regular:
        return
    row.has_reg = 1
    if row.open_src == 0:
        row.open = price
        row.open_src = 1
        row.flags |= OPENED
    if row.close_src < 2:
        row.close_rth = price
        row.close_src = 1
    if price <= 0.9 * row.prev_close:
        row.ssr = 1


@numba.njit(cache=True, error_model="numpy")
def official_price(row, mask, exchange, price, masks):  # type: ignore[no-untyped-def]
    """Take the listing market's official open (Q) or close (M); their shares are no volume."""
    listed = row.listing == 0 or exchange == row.listing
    if not listed or not price > 0.0:
        return
    if mask & masks.official_open and row.open_src < 2:
        row.open = price
        row.open_src = 2
        row.flags |= OPENED
    if mask & masks.official_close:
        row.close_rth = price
        row.close_src = 3


@numba.njit(cache=True, error_model="numpy")
def add_day_volume(row, ts, price, size, regular, held, day):  # type: ignore[no-untyped-def]
    """Add a print to the day's volume and its phase's; a held price adds no dollars."""
    row.vol += size
    row.trades += 1
    if regular:
        row.vol_rth += size
    elif ts < day.open_ns:
        row.pm_vol += size
    else:
        row.post_vol += size
    if not held:
        row.dollar_vol += price * size


@numba.njit(cache=True, error_model="numpy")
def eligibility(row, mask, exchange, regular, masks):  # type: ignore[no-untyped-def]
    """Return (may move last, may move high and low) by the print's sale conditions."""
    if not regular:
        clean = not mask & masks.not_clean
        return clean, clean
    moves_last = not mask & masks.no_last
    if mask & masks.first_only and row.has_reg:
        moves_last = False
    if mask & masks.sold_last and row.has_reg:
        moves_last = moves_last and (exchange == row.last_exchange or exchange == row.listing)
    return moves_last, not mask & masks.no_high_low


@numba.njit(cache=True, error_model="numpy")
def fold_trade(row, r, ts, price, size, mask, exchange, rings, day, masks, counters, spill):  # type: ignore[no-untyped-def]
    """Fold one print into its row."""
    if mask & (masks.official_open | masks.official_close):
        official_price(row, mask, exchange, price, masks)
    auction = mask & masks.auction
    regular = (day.open_ns <= ts < day.close_ns) or auction
    moves_last, moves_hl = eligibility(row, mask, exchange, regular, masks)
    held = False
    if (moves_last or moves_hl) and not auction and masks.quarantine:
        held = is_suspect(row, ts, price)
        if held:
            hold(row, r, ts, price, size, counters, spill)
            moves_last = moves_hl = False
        else:
            row.suspects = 0
    if ts > row.print_ns:
        row.print_ns = ts
    if not mask & masks.no_volume:
        count_volume(
            row, r, ts, price, size, mask, regular, held, moves_last, moves_hl,
            rings, day, masks, counters, spill,
        )  # fmt: skip
    if moves_hl:
        move_extremes(row, ts, price, regular, moves_last)
        if regular:
            move_ranges(row, ts - day.open_ns, price, price)
        elif ts < day.open_ns:
            row.pm_high = max_known(row.pm_high, price)
            row.pm_low = min_known(row.pm_low, price)
    if moves_last:
        move_last(row, ts, price, exchange, regular, day)
        if mask & masks.closing and row.close_src < 3:
            row.close_rth = price
            row.close_src = 2


@numba.njit(cache=True, error_model="numpy")
def hold(row, r, ts, price, size, counters, spill):  # type: ignore[no-untyped-def]
    """Put a suspect print on the quarantine list."""
    row.quarantined += 1
    counters[QUARANTINED] += 1
    entry = spill.suspects[counters[SUSPECTS] % len(spill.suspects)]
    counters[SUSPECTS] += 1
    entry.ts_ns, entry.row, entry.price, entry.size = ts, r, price, size
    entry.reference = row.last


@numba.njit(cache=True, error_model="numpy")
def count_volume(
    row, r, ts, price, size, mask, regular, held, moves_last, moves_hl,
    rings, day, masks, counters, spill,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Add a print that counts for volume to the day, the windows, the VWAP and its bar."""
    add_day_volume(row, ts, price, size, regular, held, day)
    worth = row.last if held else price
    s = min(ts // NS, day.now_s + AHEAD_S)
    add_volume(row, r, rings, s, day.now_s, size, worth * size)
    if not mask & masks.not_tape and not held:
        side = side_of(row, price)
        add_tape(row, r, rings, s, day.now_s, size, price * size, side)
    form_t_outside = mask & masks.form_t and not regular
    blocking = mask & masks.no_vwap
    if form_t_outside:
        blocking &= ~masks.form_t
    if not blocking and not held:
        add_vwap(row, price, size, regular)
    add_to_bar(row, r, s // 60, worth, size, moves_last, moves_hl, counters, spill)


@numba.njit(cache=True, error_model="numpy")
def fold_events(
    rows, rings, day, masks, counters, spill,
    t_row, t_ts, t_price, t_size, t_mask, t_exchange, t_seq,
    q_row, q_ts, q_bid, q_ask, q_bid_size, q_ask_size, q_before,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Fold a batch's trades and quotes in arrival order."""
    q = 0
    n_quotes = len(q_row)
    for i in range(len(t_row) + 1):
        while q < n_quotes and (i == len(t_row) or q_before[q] <= i):
            row = rows[q_row[q]]
            fold_quote(row, q_ts[q], q_bid[q], q_ask[q], q_bid_size[q], q_ask_size[q])
            touch(row, q_row[q], counters, spill)
            q += 1
        if i == len(t_row):
            break
        r = t_row[i]
        row = rows[r]
        if accept(row, t_ts[i], t_seq[i], t_mask[i], day, counters):
            fold_trade(
                row, r, t_ts[i], t_price[i], t_size[i], t_mask[i], t_exchange[i],
                rings, day, masks, counters, spill,
            )  # fmt: skip
            touch(row, r, counters, spill)
    counters[QUOTES] += n_quotes


@numba.njit(cache=True)
def accept(row, ts, seq, mask, day, counters):  # type: ignore[no-untyped-def]
    """Tell whether a trade is new to the row's day; count it, or why it is not."""
    if seq > 0:
        if seq <= row.seq:
            counters[DUPLICATES] += 1
            return False
        row.seq = seq
    if ts < day.start_ns:
        counters[LATE] += 1
        return False
    if ts <= row.snap_ns:
        counters[INSIDE_SNAPSHOT] += 1
        return False
    if mask & np.uint64(1 << 63):
        counters[UNKNOWN_CONDITION] += 1
    counters[TRADES] += 1
    row.source = SOURCE_TRADES
    return True


@numba.njit(cache=True, error_model="numpy")
def close_minutes(rows, minute, counters, spill):  # type: ignore[no-untyped-def]
    """Close every forming bar that ended before `minute`, and each fifth minute the 5-m candles."""
    for r in range(len(rows)):
        row = rows[r]
        if row.bar_min < minute:
            close_bar(row, r, counters, spill)
            row.bar_min = minute
        if minute % 5 == 0 and not np.isnan(row.b5_o):
            row.streak5 = next_streak(row.streak5, row.b5_o, row.b5_c)
            row.b5_o = row.b5_c = np.nan


def new_spill(rows: int, events: int) -> Spill:
    """Return empty spill areas for `rows` rows and at most `events` trades a batch."""
    return Spill(
        np.zeros(rows + 1, np.int32),
        np.zeros(rows + events + 1, BAR),
        np.zeros(events + 1, BAR),
        np.zeros(1024, SUSPECT),
    )


__all__ = ["BAR", "Day", "Masks", "Rings", "Spill", "fold_events", "masks_of", "new_spill"]
