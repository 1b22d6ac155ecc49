"""The forming minute bar of each row, and the candles' colours."""

# mypy: allow-untyped-defs, allow-incomplete-defs
import numpy as np

from tapelight.market.extremes import max_known, min_known
from tapelight.market.jit import loop, step
from tapelight.market.row import SOURCE_MINUTE
from tapelight.market.spill import CLOSED_BARS, LATE_PRINTS


@step
def next_streak(streak, open_, close):
    """Return the signed count of candles of one colour after a candle; a doji ends it."""
    if close > open_:
        return streak + 1 if streak > 0 else 1
    if close < open_:
        return streak - 1 if streak < 0 else -1
    return 0


@step
def close_bar(row, r, counters, spill):
    """Close the forming minute bar of row `r`: a minute without an eligible print has no bar."""
    if not np.isnan(row.bar_o):
        spill_bar(
            r, row.bar_min, row.bar_o, row.bar_h, row.bar_l, row.bar_c, row.bar_v, row.bar_pv,
            row.bar_n, counters, spill,
        )  # fmt: skip
        go_on(row, row.bar_o, row.bar_c)
    else:
        row.loose_value += row.bar_pv
        row.loose_trades += row.bar_n
    clear_bar(row)


@step
def begin_bar(row, r, minute, counters, spill):
    """Close the forming bar, and let that of `minute` form.

    A candle of five minutes that bars of whole minutes left open ends before it.
    """
    if np.isnan(row.bar_o) and (row.bar_min - 1) // 5 != minute // 5:
        end_five(row)
    close_bar(row, r, counters, spill)
    row.bar_min = minute


@step
def clear_bar(row):
    """Let nothing be known of the forming minute."""
    row.bar_o = row.bar_h = row.bar_l = row.bar_c = np.nan
    row.bar_v = row.bar_pv = 0.0
    row.bar_n = 0


@step
def spill_bar(r, minute, open_, high, low, close, volume, value, trades, counters, spill):
    """Spill a closed bar."""
    bar = spill.bars[counters[CLOSED_BARS]]
    counters[CLOSED_BARS] += 1
    bar.minute, bar.row, bar.trades = minute, r, trades
    bar.open, bar.high, bar.low, bar.close = open_, high, low, close
    bar.volume, bar.value = volume, value


@step
def go_on(row, open_, close):
    """Let the candles go on by a minute's."""
    row.streak1 = next_streak(row.streak1, open_, close)
    if np.isnan(row.b5_o):
        row.b5_o = open_
    row.b5_c = close


@step
def end_five(row):
    """End the candle of five minutes, if anything is in it."""
    if not np.isnan(row.b5_o):
        row.streak5 = next_streak(row.streak5, row.b5_o, row.b5_c)
        row.b5_o = row.b5_c = np.nan


@step
def add_to_bar(row, r, minute, price, size, moves_last, moves_hl, counters, spill):
    """Add a print to the forming minute bar, closing an older one; late prints are spilled."""
    if minute < row.bar_min:
        spill_late(r, minute, price, size, moves_last, moves_hl, counters, spill)
        return
    if minute > row.bar_min:
        begin_bar(row, r, minute, counters, spill)
    row.bar_v += size
    row.bar_pv += price * size
    row.bar_n += 1
    if moves_hl:
        row.bar_h = max_known(row.bar_h, price)
        row.bar_l = min_known(row.bar_l, price)
    if moves_last:
        if np.isnan(row.bar_o):
            row.bar_o = price
            row.bar_h = max_known(row.bar_h, price)
            row.bar_l = min_known(row.bar_l, price)
        row.bar_c = price


@step
def spill_late(r, minute, price, size, moves_last, moves_hl, counters, spill):
    """Spill a print of a minute whose bar is closed, as a bar of one trade."""
    late = spill.late[counters[LATE_PRINTS]]
    counters[LATE_PRINTS] += 1
    late.minute, late.row, late.trades, late.volume = minute, r, 1, size
    late.open, late.close = price if moves_last else np.nan, np.nan
    late.high = late.low = price if moves_hl else np.nan
    late.value = price * size


@step
def spill_second(
    r, minute, open_, high, low, close, volume, value, trades, newest, counters, spill
):  # fmt: skip
    """Spill a second bar of a minute whose bar is closed: the minute's last second always is one."""
    late = spill.late[counters[LATE_PRINTS]]
    counters[LATE_PRINTS] += 1
    late.minute, late.row, late.trades, late.volume = minute, r, trades, volume
    late.open, late.high, late.low, late.value = open_, high, low, value
    late.close = close if newest else np.nan


@step
def widen_bar(row, r, minute, price, more_value, moves_hl, counters, spill):
    """Let a print whose shares are in a bar already move its high and low, and add to its value."""
    if minute == row.bar_min:
        row.bar_pv += more_value
        if moves_hl:
            row.bar_h = max_known(row.bar_h, price)
            row.bar_l = min_known(row.bar_l, price)
        return
    late = spill.late[counters[LATE_PRINTS]]
    counters[LATE_PRINTS] += 1
    late.minute, late.row, late.trades, late.volume = minute, r, 0, 0.0
    late.open = late.close = np.nan
    late.high = late.low = price if moves_hl else np.nan
    late.value = more_value


@loop
def close_bar_of(rows, r, counters, spill):
    """Close the forming minute bar of row `r` alone."""
    close_bar(rows[r], r, counters, spill)


@loop
def close_minutes(rows, minute, counters, spill):
    """Close the forming bars that ended before `minute`, each fifth minute the 5-m candles too.

    The bars of whole minutes come after their minute has ended, who knows when: where they make the
    candles, they end those of five minutes themselves.
    """
    for r in range(len(rows)):
        row = rows[r]
        if row.source == SOURCE_MINUTE and np.isnan(row.bar_o):
            continue
        if row.bar_min < minute:
            close_bar(row, r, counters, spill)
            row.bar_min = minute
        if minute % 5 == 0:
            end_five(row)
