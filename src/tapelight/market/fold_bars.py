"""The fold of aggregate bars, for rows whose volume comes from no better source."""

import numba
import numpy as np

from tapelight.market.fold import (
    CHANGED,
    CLOSED_BARS,
    LATE,
    add_vwap,
    close_bar,
    max_known,
    min_known,
    move_extremes,
    move_last,
    move_ranges,
    next_streak,
    touch,
)
from tapelight.market.row import OPENED, SOURCE_MINUTE, SOURCE_SECOND
from tapelight.market.windows import SHORT, SLOTS, add_volume

NS = 1_000_000_000


@numba.njit(cache=True, error_model="numpy")
def fold_bars(
    rows, rings, day, counters, spill,
    b_row, b_start, b_span, b_open, b_high, b_low, b_close, b_volume, b_vwap, b_trades,
    b_day_volume, b_day_open,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Fold bars in arrival order; a second bar with a start seen before replaces it."""
    for i in range(len(b_row)):
        r = b_row[i]
        row = rows[r]
        source = SOURCE_SECOND if b_span[i] == 1 else SOURCE_MINUTE
        if row.source > source:
            continue
        if b_start[i] < day.start_ns:
            counters[LATE] += 1
            continue
        if b_start[i] + b_span[i] * NS <= row.snap_ns:
            continue
        row.source = source
        volume, trades = b_volume[i], b_trades[i]
        if source == SOURCE_SECOND:
            volume, trades = _beyond_seen(rings, r, b_start[i] // NS, day.now_s, volume, trades)
        _fold_bar(
            row, r, rings, day, counters, spill, b_start[i], b_span[i],
            b_open[i], b_high[i], b_low[i], b_close[i], volume, b_vwap[i], trades,
        )  # fmt: skip
        if b_day_volume[i] > row.vol:
            row.vol = b_day_volume[i]
        if b_day_open[i] > 0.0 and row.open_src < 2:
            row.open = b_day_open[i]
            row.open_src = 2
            row.flags |= OPENED
        touch(row, r, counters, spill)


@numba.njit(cache=True, error_model="numpy")
def _beyond_seen(rings, r, s, now_s, volume, trades):  # type: ignore[no-untyped-def]
    """Return what a second bar holds beyond what its second already had: a re-sent bar replaces."""
    if now_s - 300 <= s <= now_s + 15:
        volume -= rings.vol[s % SLOTS, r]
        if now_s - 60 <= s:
            trades -= rings.n[s % SHORT, r]
    return volume, trades


@numba.njit(cache=True, error_model="numpy")
def _fold_bar(
    row, r, rings, day, counters, spill, start, span, open_, high, low, close, volume, vwap, trades
):  # type: ignore[no-untyped-def]  # fmt: skip
    end = start + span * NS
    regular = day.open_ns <= start < day.close_ns
    if end > row.print_ns:
        row.print_ns = end
    _add_bar_volume(row, r, rings, day, start, span, volume, trades, vwap, high, low, close)
    if not np.isnan(vwap):
        add_vwap(row, vwap, volume, regular)
        row.dollar_vol += vwap * volume
    else:
        row.pv = row.pv_pm = row.dollar_vol = row.vw_m2 = np.nan
    if np.isnan(close):
        return
    move_extremes(row, end, high, regular, True)
    move_extremes(row, end, low, regular, True)
    if regular:
        move_ranges(row, start - day.open_ns, high, low)
        if row.open_src == 0:
            row.open = open_
            row.open_src = 1
            row.flags |= OPENED
    elif start < day.open_ns:
        row.pm_high = max_known(row.pm_high, high)
        row.pm_low = min_known(row.pm_low, low)
    if end >= row.last_ns:
        move_last(row, end, close, row.last_exchange, regular, day)
    _keep_bar(
        row, r, counters, spill, start // NS // 60, span, open_, high, low, close, volume, vwap,
        trades,
    )  # fmt: skip


@numba.njit(cache=True, error_model="numpy")
def _add_bar_volume(row, r, rings, day, start, span, volume, trades, vwap, high, low, close):  # type: ignore[no-untyped-def]
    """Add the bar's shares to the day, its phase and the windows, at the bar's last second."""
    row.vol += volume
    if trades == trades:
        row.trades += int(trades)
    if day.open_ns <= start < day.close_ns:
        row.vol_rth += volume
    elif start < day.open_ns:
        row.pm_vol += volume
    else:
        row.post_vol += volume
    price = (high + low + close) / 3.0 if np.isnan(vwap) else vwap
    s = start // NS + span - 1
    add_volume(row, r, rings, s, day.now_s, volume, price * volume)
    if trades == trades and day.now_s - 60 <= s <= day.now_s + 15:
        rings.n[s % SHORT, r] += int(trades)
        row.n60 += int(trades)
        if s >= day.now_s - 10:
            row.n10 += int(trades)


@numba.njit(cache=True, error_model="numpy")
def _keep_bar(
    row, r, counters, spill, minute, span, open_, high, low, close, volume, vwap, trades
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Widen the forming minute bar by a second bar; a minute bar is closed as it comes."""
    if minute < row.bar_min:
        return
    if minute > row.bar_min:
        close_bar(row, r, counters, spill)
        row.bar_min = minute
    if np.isnan(row.bar_o):
        row.bar_o = open_
    row.bar_h = max_known(row.bar_h, high)
    row.bar_l = min_known(row.bar_l, low)
    row.bar_c = close
    row.bar_v += volume
    row.bar_pv += vwap * volume
    row.bar_n += int(trades) if trades == trades else 0
    if span == 60:
        close_bar(row, r, counters, spill)
        row.bar_min = minute + 1


__all__ = ["CHANGED", "CLOSED_BARS", "fold_bars", "next_streak"]
