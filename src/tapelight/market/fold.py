"""The fold: each print and quote into its row, one at a time, in arrival order.

Sums therefore round alike however the stream was cut into batches. Eligibility is by sale
condition (see `market.eligibility`), a price far from the market is held in quarantine until
two more prints confirm it.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from typing import NamedTuple

import numpy as np

from tapelight.market.candle import add_to_bar, close_minutes
from tapelight.market.eligibility import (
    Masks,
    counts_for_vwap,
    eligibility,
    is_suspect,
    masks_of,
    side_of,
)
from tapelight.market.extremes import (
    max_known,
    min_known,
    move_day,
    move_premarket,
    move_ranges,
    move_regular,
)
from tapelight.market.jit import loop, step
from tapelight.market.row import (
    AUCTION_PRINT,
    FIRST_PRINT,
    OFFICIAL,
    OPENED,
    SOURCE_TRADES,
)
from tapelight.market.spill import (
    BAR,
    CHANGED,
    CLOSED_BARS,
    DUPLICATES,
    FOR_VOLUME,
    FOR_VWAP,
    HIGH_LOW,
    INSIDE_SNAPSHOT,
    LAST,
    LATE,
    LATE_PRINTS,
    N_COUNTERS,
    QUARANTINED,
    QUOTES,
    REGULAR_TIME,
    SUSPECTS,
    TRADES,
    UNKNOWN_CONDITION,
    Spill,
    hold,
    new_spill,
    touch,
)
from tapelight.market.windows import AHEAD_S, NUMBERS, add_tape, add_volume

NS = 1_000_000_000


class Day(NamedTuple):
    """Hold the session's times in ns UTC, and the market second that the windows stand at."""

    start_ns: int
    open_ns: int
    close_ns: int
    end_ns: int
    now_s: int


@step
def fold_quote(row, ts, bid, ask, bid_size, ask_size):
    """Let the newest quote stand; a side without a price is unknown."""
    row.bid = bid if bid > 0.0 else np.nan
    row.ask = ask if ask > 0.0 else np.nan
    row.bid_size = bid_size
    row.ask_size = ask_size
    row.quote_ns = ts


@step
def add_vwap(row, price, size, value, regular):
    """Add shares worth `value` to the VWAP sums; the regular one keeps its weighted deviation."""
    row.pv_pm += value
    row.v_pm += size
    if not regular:
        return
    row.pv += value
    row.v += size
    if row.v > 0.0:
        step = price - row.vw_mean
        row.vw_mean += step * (size / row.v)
        row.vw_m2 += size * step * (price - row.vw_mean)


@step
def move_last(row, ts, price, regular):
    """Let an eligible print or bar be the last price, and what hangs on it."""
    row.last = price
    row.last_ns = ts
    if not regular:
        return
    row.has_reg = 1
    if row.open_src == 0:
        row.open = price
        row.open_src = FIRST_PRINT
        row.flags |= OPENED
    if row.close_src < AUCTION_PRINT:
        row.close_rth = price
        row.close_src = FIRST_PRINT
    if price <= 0.9 * row.prev_close:
        row.ssr = 1


@step
def open_officially(row, price):
    """Let `price` be the listing market's open, unless one stands already."""
    if price > 0.0 and row.open_src < AUCTION_PRINT:
        row.open = price
        row.open_src = AUCTION_PRINT
        row.flags |= OPENED


@step
def official_price(row, mask, exchange, price, masks):
    """Take the listing market's official open (Q) or close (M); their shares are no volume."""
    if row.listing == 0 or exchange != row.listing:
        return
    if mask & masks.official_open:
        open_officially(row, price)
    if mask & masks.official_close and price > 0.0:
        row.close_rth = price
        row.close_src = OFFICIAL


@step
def correct_close(row, price, day):
    """Take a corrected consolidated close (9): a price of the regular session, no trade."""
    if row.close_src < OFFICIAL:
        row.close_rth = price
        row.close_src = AUCTION_PRINT
    row.high = max_known(row.high, price)
    row.low = min_known(row.low, price)
    if row.last_ns < day.close_ns:
        row.last = price


@step
def add_day_volume(row, ts, size, value, regular, day):
    """Add a print to the day's volume and its phase's."""
    row.vol += size
    row.trades += 1
    row.dollar_vol += value
    if regular:
        row.vol_rth += size
    elif ts < day.open_ns:
        row.pm_vol += size
    else:
        row.post_vol += size


@step
def count_volume(
    row, r, ts, price, size, mask, regular, held, moves_last, moves_hl,
    rings, day, masks, counters, spill,
):  # fmt: skip
    """Add a print that counts for volume to the day, the windows, the VWAP and its bar.

    A held print's shares are counted at the last price: its own is in doubt.
    """
    worth = row.last if held else price
    add_day_volume(row, ts, size, worth * size, regular, day)
    s = min(ts // NS, day.now_s + AHEAD_S)
    add_volume(row, r, rings, s, day.now_s, size, worth * size)
    if not held:
        if not mask & masks.not_tape:
            side = side_of(row, price)
            add_tape(row, r, rings, s, day.now_s, size, price * size, side)
        if counts_for_vwap(mask, regular, masks):
            add_vwap(row, price, size, price * size, regular)
    add_to_bar(row, r, s // 60, worth, size, moves_last, moves_hl, counters, spill)


@step
def move_prices(row, ts, price, mask, exchange, regular, moves_last, moves_hl, day, masks):
    """Move the prices that a print may move; only one that may move both makes events."""
    if moves_hl and moves_last:
        move_day(row, ts, price)
    if moves_hl and regular:
        move_regular(row, price, moves_last)
        move_ranges(row, ts - day.open_ns, price, price)
    elif moves_hl and ts < day.open_ns:
        move_premarket(row, price, price)
    if moves_last:
        row.last_exchange = exchange
        move_last(row, ts, price, regular)
        if mask & masks.closing and row.close_src < OFFICIAL:
            row.close_rth = price
            row.close_src = AUCTION_PRINT


@step
def may_move(mask, regular, moves_last, moves_hl, masks):
    """Return the bits that say what a held print would have moved."""
    bits = (LAST if moves_last else 0) | (HIGH_LOW if moves_hl else 0)
    bits |= REGULAR_TIME if regular else 0
    if not mask & masks.no_volume:
        bits |= FOR_VOLUME
        bits |= FOR_VWAP if counts_for_vwap(mask, regular, masks) else 0
    return bits


@step
def reopen(row, ts):
    """End a halt by the print of the auction that ends it: before any status source may tell."""
    if row.halted and ts > row.halt_ns:
        row.halted = 0
        row.resume_ns = ts


@step
def fold_trade(
    row, r, ts, price, size, mask, exchange, in_turn, rings, day, masks, counters, spill
):
    """Fold one print into its row; one that others overtook is no last price."""
    if mask & (masks.official_open | masks.official_close):
        official_price(row, mask, exchange, price, masks)
    if mask & masks.reopening:
        reopen(row, ts)
    auction = mask & masks.auction and not mask & masks.form_t
    regular = (day.open_ns <= ts < day.close_ns) or auction
    if mask & masks.corrected and ts >= day.close_ns:
        correct_close(row, price, day)
    moves_last, moves_hl = eligibility(row, mask, exchange, regular, masks)
    moves_last = moves_last and in_turn
    held = False
    if (moves_last or moves_hl) and not auction and masks.quarantine:
        held = is_suspect(row, ts, price)
        if held:
            may = may_move(mask, regular, moves_last, moves_hl, masks)
            hold(row, r, ts, price, size, may, counters, spill)
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
    move_prices(row, ts, price, mask, exchange, regular, moves_last, moves_hl, day, masks)


@step
def is_repeat(row, r, seq, numbers):
    """Tell whether a print's number was heard before; note it where it was not.

    The newest numbers stand in rising order from the one that goes next. What is older than they
    are counts as heard: it comes when a provider sends again what it has sent.
    """
    first = row.heard % NUMBERS
    if seq > row.seq:  # nearly always: a store alone, so that nothing waits for the ring
        row.seq = seq
        row.heard += 1
        numbers[first, r] = seq
        return False
    repeat = seq <= numbers[first, r]
    for k in range(NUMBERS):
        repeat = repeat or numbers[k, r] == seq
    if not repeat:
        insert_number(r, seq, first, numbers)
    return repeat


@step
def insert_number(r, seq, first, numbers):
    """Let a number stand among the newer ones, in place of the oldest."""
    at = first
    for k in range(1, NUMBERS):
        after = (first + k) % NUMBERS
        if numbers[after, r] > seq:
            break
        numbers[at, r] = numbers[after, r]
        at = after
    numbers[at, r] = seq


@step
def accept(row, r, ts, seq, mask, numbers, day, counters):
    """Tell whether a trade is new to the row's day; count it, or why it is not."""
    if seq > 0 and is_repeat(row, r, seq, numbers):
        counters[DUPLICATES] += 1
        return False
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


@loop
def fold_events(
    rows, rings, day, masks, counters, spill,
    t_row, t_ts, t_price, t_size, t_mask, t_exchange, t_seq,
    q_row, q_ts, q_bid, q_ask, q_bid_size, q_ask_size, q_before,
):  # fmt: skip
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
        if accept(row, r, t_ts[i], t_seq[i], t_mask[i], rings.numbers, day, counters):
            in_turn = t_seq[i] <= 0 or t_seq[i] == row.seq
            fold_trade(
                row, r, t_ts[i], t_price[i], t_size[i], t_mask[i], t_exchange[i], in_turn,
                rings, day, masks, counters, spill,
            )  # fmt: skip
            touch(row, r, counters, spill)
    counters[QUOTES] += n_quotes


__all__ = [
    "BAR",
    "CHANGED",
    "CLOSED_BARS",
    "DUPLICATES",
    "INSIDE_SNAPSHOT",
    "LATE",
    "LATE_PRINTS",
    "N_COUNTERS",
    "QUARANTINED",
    "QUOTES",
    "SUSPECTS",
    "TRADES",
    "UNKNOWN_CONDITION",
    "Day",
    "Masks",
    "Spill",
    "close_minutes",
    "fold_events",
    "masks_of",
    "new_spill",
    "touch",
]
