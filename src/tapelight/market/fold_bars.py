"""The fold of aggregate bars, for rows whose volume comes from no better source."""

# mypy: allow-untyped-defs, allow-incomplete-defs
import numpy as np

from tapelight.market.candle import (
    begin_bar,
    clear_bar,
    close_bar,
    end_five,
    go_on,
    spill_bar,
    spill_second,
)
from tapelight.market.extremes import (
    max_known,
    min_known,
    move_day,
    move_premarket,
    move_ranges,
    move_regular,
)
from tapelight.market.fold import add_vwap, move_last, open_officially
from tapelight.market.jit import loop, step
from tapelight.market.row import (
    FIRST_PRINT,
    OPENED,
    SOURCE_MINUTE,
    SOURCE_NONE,
    SOURCE_SECOND,
    UNSEEN,
)
from tapelight.market.spill import BARS, BARS_SUPERSEDED, INSIDE_SNAPSHOT, LATE, touch
from tapelight.market.windows import AHEAD_S, RECENT, SECONDS, add_volume

NS = 1_000_000_000


@loop
def fold_bars(
    rows, rings, day, counters, spill,
    b_row, b_start, b_span, b_open, b_high, b_low, b_close, b_volume, b_vwap, b_trades,
    b_day_volume, b_day_open,
):  # fmt: skip
    """Fold bars in arrival order; a second bar with a start seen before replaces it."""
    for i in range(len(b_row)):
        r = b_row[i]
        row = rows[r]
        source = SOURCE_SECOND if b_span[i] == 1 else SOURCE_MINUTE
        if row.source > source:
            counters[BARS_SUPERSEDED] += 1
            continue
        if b_start[i] < day.start_ns:
            counters[LATE] += 1
            continue
        if b_start[i] + b_span[i] * NS <= row.snap_ns:
            counters[INSIDE_SNAPSHOT] += 1
            continue
        if source == SOURCE_MINUTE and row.source == SOURCE_NONE and np.isnan(row.bar_o):
            row.bar_min = min(row.bar_min, b_start[i] // NS // 60)  # marks have moved it
        row.source = source
        volume, trades = b_volume[i], b_trades[i]
        price = b_vwap[i]
        if np.isnan(price):
            price = (b_high[i] + b_low[i] + b_close[i]) / 3.0
        value = price * volume
        kept_volume, kept_value = volume, value
        if source == SOURCE_SECOND:
            volume, value, trades = _beyond_seen(
                rings, r, b_start[i] // NS, day.now_s, volume, value, trades
            )
            kept_volume, kept_value = volume, value
        elif b_start[i] < row.snap_ns:
            volume, value = _beyond_snapshot(row, volume, value, b_day_volume[i])
        _add_sums(
            row, r, rings, day, b_start[i], b_span[i], volume, value, price, trades,
            np.isnan(b_vwap[i]),
        )  # fmt: skip
        _move_prices(row, day, b_start[i], b_span[i], b_open[i], b_high[i], b_low[i], b_close[i])
        told = 0 if np.isnan(trades) else int(trades)
        if source == SOURCE_SECOND:
            _keep_second(
                row, r, counters, spill, b_start[i],
                b_open[i], b_high[i], b_low[i], b_close[i], kept_volume, kept_value, told,
            )  # fmt: skip
        else:
            _keep_minute(
                row, r, counters, spill, b_start[i],
                b_open[i], b_high[i], b_low[i], b_close[i], kept_volume, kept_value, told,
            )  # fmt: skip
        if b_day_volume[i] > row.vol:
            row.vol = b_day_volume[i]
        open_officially(row, b_day_open[i])
        counters[BARS] += 1
        touch(row, r, counters, spill)


@step
def _beyond_seen(rings, r, s, now_s, volume, value, trades):
    """Return what a second bar holds beyond what its second already had: a re-sent one replaces."""
    if now_s - 60 <= s <= now_s + AHEAD_S:
        seen = rings.recent[s % RECENT, r]
        return volume - seen.vol, value - seen.dv, trades - seen.n
    if now_s - 300 <= s < now_s - 60:
        older = rings.seconds[s % SECONDS, r]
        if older.events > 0:
            # The ring keeps no count of trades so long: they are taken as unchanged.
            return volume - older.vol, value - older.dv, trades * 0.0
    return volume, value, trades


@step
def _beyond_snapshot(row, volume, value, day_volume):
    """Return what a minute bar holds beyond a snapshot taken inside its minute."""
    if np.isnan(day_volume) or volume <= 0.0:
        return 0.0, 0.0
    beyond = min(max(day_volume - row.vol, 0.0), volume)
    return beyond, value * (beyond / volume)


@step
def _add_sums(row, r, rings, day, start, span, volume, value, price, trades, no_vwap):
    """Add the bar's shares to the day, its phase and the windows, at the bar's last second."""
    regular = day.open_ns <= start < day.close_ns
    row.vol += volume
    if regular:
        row.vol_rth += volume
    elif start < day.open_ns:
        row.pm_vol += volume
    else:
        row.post_vol += volume
    s = min(start // NS + span - 1, day.now_s + AHEAD_S)
    add_volume(row, r, rings, s, day.now_s, volume, value)
    if np.isnan(trades):
        row.untold = 1
    else:
        _add_trades(row, r, rings, s, day.now_s, int(trades))
    if no_vwap:
        row.pv = row.pv_pm = row.dollar_vol = row.vw_m2 = np.nan
    else:
        add_vwap(row, price, volume, value, regular)
        row.dollar_vol += value


@step
def _add_trades(row, r, rings, s, now_s, trades):
    row.trades += trades
    if s >= now_s - 60:
        rings.recent[s % RECENT, r].n += trades
        row.n60 += trades
        if s >= now_s - 10:
            row.n10 += trades


@step
def _move_prices(row, day, start, span, open_, high, low, close):
    """Let the bar's prices move last and the extremes, as of the bar's end."""
    end = start + span * NS
    regular = day.open_ns <= start < day.close_ns
    if end > row.print_ns:
        row.print_ns = end
    if np.isnan(close):
        return
    move_day(row, end, high)
    move_day(row, end, low)
    if regular:
        move_regular(row, high, True)
        move_regular(row, low, True)
        move_ranges(row, start - day.open_ns, high, low)
        if row.open_src == 0:
            row.open = open_
            row.open_src = FIRST_PRINT
            row.flags |= OPENED
    elif start < day.open_ns:
        move_premarket(row, high, low)
    if end >= row.last_ns:
        move_last(row, end, close, regular)


@step
def _keep_second(row, r, counters, spill, start, open_, high, low, close, volume, value, trades):
    """Widen the forming minute bar by a second bar, or the closed one of which it is."""
    minute = start // NS // 60
    if np.isnan(close):
        return
    if minute < row.bar_min:
        newest = start + NS >= row.print_ns
        spill_second(
            r, minute, open_, high, low, close, volume, value, trades, newest, counters, spill
        )
        return
    if minute > row.bar_min:
        begin_bar(row, r, minute, counters, spill)
    if np.isnan(row.bar_o):
        row.bar_o = open_
    row.bar_h = max_known(row.bar_h, high)
    row.bar_l = min_known(row.bar_l, low)
    row.bar_c = close
    row.bar_v += volume
    row.bar_pv += value
    row.bar_n += trades


@step
def _keep_minute(row, r, counters, spill, start, open_, high, low, close, volume, value, trades):
    """Keep the bar of a whole minute; what a snapshot told of that minute is in it."""
    minute = start // NS // 60
    if start < row.snap_ns:
        row.known &= 0xFF ^ UNSEEN
    if np.isnan(close):
        return
    if minute == row.bar_min:
        row.trades -= row.bar_n  # the bar's own are in the day by now
        clear_bar(row)
    elif minute > row.bar_min:
        close_bar(row, r, counters, spill)
    spill_bar(r, minute, open_, high, low, close, volume, value, trades, counters, spill)
    if minute >= row.bar_min:
        if minute // 5 != (row.bar_min - 1) // 5:
            end_five(row)
        go_on(row, open_, close)
        if minute % 5 == 4:
            end_five(row)
        row.bar_min = minute + 1


@loop
def replace_bar(rows, r, rings, day, start, close, price, volume, value, trades):
    """Let a re-sent minute bar replace its earlier self: the sums move by the differences given."""
    row = rows[r]
    regular = day.open_ns <= start < day.close_ns
    _add_sums(
        row, r, rings, day, start, 60, volume, value, price, trades, np.isnan(row.pv_pm)
    )  # fmt: skip
    if start + 60 * NS == row.last_ns:
        move_last(row, row.last_ns, close, regular)


__all__ = ["fold_bars", "replace_bar"]
