"""Fill a row's day from past minute bars: what the stream could not see before the snapshot."""

from typing import Any

import numpy as np

from tapelight.market.candle import close_bar_of
from tapelight.market.extremes import move_ranges
from tapelight.market.fold import add_vwap
from tapelight.market.row import AUCTION_PRINT, FIRST_PRINT, KNOWN_DAY, PARTIAL, UNSEEN
from tapelight.market.spill import BAR, touch
from tapelight.market.table import Table
from tapelight.model.batch import Bars
from tapelight.model.records import History
from tapelight.model.session import MINUTE_NS, NS, Session

_FORMING = {
    "minute": "bar_min", "trades": "bar_n", "open": "bar_o", "high": "bar_h", "low": "bar_l",
    "close": "bar_c", "volume": "bar_v", "value": "bar_pv",
}  # fmt: skip
"""What a BAR has -> the field of a row that keeps it of the forming minute."""

_touch = touch.py_func
_move_ranges, _add_vwap = move_ranges.py_func, add_vwap.py_func


def bars_to_store(bars: Bars) -> np.ndarray:
    """Return `bars` as stored BARs; one without VWAP is worth its typical price."""
    stored = np.zeros(len(bars.row), BAR)
    stored["minute"] = bars.start_ns // MINUTE_NS
    for name in ("row", "open", "high", "low", "close", "volume"):
        stored[name] = getattr(bars, name)
    stored["trades"] = np.nan_to_num(bars.trades)
    typical = (bars.high + bars.low + bars.close) / 3.0
    stored["value"] = bars.volume * np.where(np.isnan(bars.vwap), typical, bars.vwap)
    return stored


def take_history(table: Table, history: History) -> None:
    """Fill the days of the rows in `history`; a row that saw its whole day is left alone.

    A bar of less than a minute is what the snapshot told of the minute in which it was taken.
    """
    table.enter_session(history.ts_recv_ns)
    session, bars = table.session, history.bars
    assert session is not None
    today = (bars.start_ns >= session.start_ns) & (bars.start_ns < table.next_roll_ns)
    stored, whole = bars_to_store(bars), bars.span_s >= MINUTE_NS // NS
    for row in np.unique(bars.row[today]).tolist():
        state = table.row(row)
        if state["known"] & KNOWN_DAY and not state["known"] & PARTIAL:
            continue
        mine = today & (bars.row == row)
        if not (bars.volume[mine] > 0).any() and not len(table.bars.of_row(row)):
            continue  # it tells of no trade, and none is known: what the day was is unknown
        _store(table, state, row, stored[mine & whole])
        for cut in stored[mine & ~whole]:
            _join(table, state, row, cut)
        _reckon_day(table, state, row, session)
        if not np.isnan(bars.trades[mine]).any():
            state["untold"] = 0
        _touch(state, row, table.counters, table.spill)


def _store(table: Table, state: Any, row: int, fresh: np.ndarray) -> None:
    """Keep the fuller of each two bars, and note whether the snapshot's minute is among them."""
    newest = int(fresh["minute"].max(initial=0))
    if newest >= int(state["bar_min"]):
        _close(table, state, row, newest + 1)
    if len(fresh):
        table.bars.set_past(row, _fuller(table.bars.of_row(row), fresh))
    state["known"] |= KNOWN_DAY
    state["known"] &= 0xFF ^ PARTIAL
    if newest < int(state["snap_ns"]) // MINUTE_NS:
        state["known"] |= PARTIAL


def _join(table: Table, state: Any, row: int, cut: np.void) -> None:
    """Let the bar of the snapshot's minute begin with what the snapshot told of it."""
    minute = int(cut["minute"])
    lacks = state["known"] & PARTIAL and state["known"] & UNSEEN
    if not lacks or minute != int(state["snap_ns"]) // MINUTE_NS:
        return
    state["known"] &= 0xFF ^ (PARTIAL | UNSEEN)
    if not cut["volume"] > 0:
        return
    if minute < int(state["bar_min"]):
        mine = table.bars.get(minute, row)
        table.bars.add(np.array([cut if mine is None else _after(cut, mine)], BAR))
        return
    if minute > int(state["bar_min"]):
        _close(table, state, row, minute)
    whole = _after(cut, _own(state, row)[0])
    for name, field in _FORMING.items():
        state[field] = whole[name]


def _close(table: Table, state: Any, row: int, minute: int) -> None:
    """Close the forming minute bar; `minute` forms next."""
    close_bar_of(table.live, row, table.counters, table.spill)
    table.drain()
    state["bar_min"] = minute


def _fuller(known: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """Return both, oldest first; of two bars of one minute the one of more volume, else the fresh."""
    both = np.concatenate([known, fresh])
    order = np.lexsort((np.arange(len(both)), both["volume"], both["minute"]))
    both = both[order]
    last = np.append(both["minute"][1:] != both["minute"][:-1], True)
    return both[last]


def _reckon_day(table: Table, state: Any, row: int, session: Session) -> None:
    """Reckon the day's sums and extremes anew from all bars, the forming one among them."""
    bars = np.concatenate([table.bars.of_row(row), _forming(state, row)])
    start = bars["minute"] * MINUTE_NS
    pre, post = start < session.open_ns, start >= session.close_ns
    regular = ~(pre | post)
    loose_trades, loose_value = _loose(state)
    state["trades"] = bars["trades"].sum() + loose_trades
    state["dollar_vol"] = loose_value
    if not len(bars):
        return
    state["dollar_vol"] = np.cumsum(bars["value"])[-1] + loose_value
    if np.isnan(state["pm_vol"]):
        state["pm_vol"], state["post_vol"] = bars["volume"][pre].sum(), bars["volume"][post].sum()
        state["vol_rth"] = state["vol"] - state["pm_vol"] - state["post_vol"]
    _reckon_vwap(state, bars, regular)
    _widen(state, bars, "hod", "lod")
    state["hod_ns"] = max(int(state["hod_ns"]), int(start[np.argmax(bars["high"])]))
    _widen(state, bars[pre], "pm_high", "pm_low")
    _widen(state, bars[regular], "high", "low")
    for bar, begin in zip(bars[regular], start[regular], strict=True):
        _move_ranges(state, begin - session.open_ns, bar["high"], bar["low"])
    if regular.any() and state["open_src"] < AUCTION_PRINT:
        state["open"], state["open_src"] = bars["open"][regular][0], FIRST_PRINT


def _after(cut: np.void, mine: np.void) -> np.void:
    """Return one bar of two halves of a minute; the second may have no price."""
    both = mine.copy()
    both["open"] = cut["open"]
    both["high"] = np.fmax(cut["high"], mine["high"])
    both["low"] = np.fmin(cut["low"], mine["low"])
    if np.isnan(mine["close"]):
        both["close"] = cut["close"]
    for name in ("trades", "volume", "value"):
        both[name] += cut[name]
    return both


def _own(state: Any, row: int) -> np.ndarray:
    """Return what the row keeps of its forming minute as one BAR, its prices NaN where none is."""
    bar = np.zeros(1, BAR)
    bar["row"] = row
    for name, field in _FORMING.items():
        bar[name] = state[field]
    return bar


def _forming(state: Any, row: int) -> np.ndarray:
    """Return the forming minute bar as an array of one BAR, or of none."""
    return np.zeros(0, BAR) if np.isnan(state["bar_o"]) else _own(state, row)


def _loose(state: Any) -> tuple[int, float]:
    """Return trades and dollars of live minutes that made no bar: odd lots alone, say."""
    trades, value = int(state["loose_trades"]), float(state["loose_value"])
    if np.isnan(state["bar_o"]):
        trades, value = trades + int(state["bar_n"]), value + float(state["bar_pv"])
    return trades, value


def _reckon_vwap(state: Any, bars: np.ndarray, regular: np.ndarray) -> None:
    for name in ("pv", "v", "pv_pm", "v_pm", "vw_mean", "vw_m2"):
        state[name] = 0.0
    for bar, is_regular in zip(bars, regular, strict=True):
        if bar["volume"] > 0:
            price = bar["value"] / bar["volume"]
            _add_vwap(state, price, bar["volume"], bar["value"], is_regular)


def _widen(state: Any, bars: np.ndarray, high: str, low: str) -> None:
    if len(bars):
        state[high] = np.fmax(state[high], bars["high"].max())
        state[low] = np.fmin(state[low], bars["low"].min())
