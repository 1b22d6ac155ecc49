"""Take a trade back: the sums without it, its minute's bar and the extremes anew.

What had been told of it (an event counted at the time, the side of the tape it was put on) is not
untold; what stands in a row afterwards is what it would be had the trade not come. Prices that it
set are taken from the day's bars, so that their times are known to the minute, except in the
trade's own minute. A row whose bars are not the whole day becomes provisional then.
"""

from typing import Any, NamedTuple

import numpy as np

from tapelight.market.candle import next_streak
from tapelight.market.eligibility import counts_for_vwap, eligibility
from tapelight.market.extremes import move_ranges
from tapelight.market.row import AUCTION_PRINT, FIRST_PRINT, GAP, KNOWN_DAY
from tapelight.market.spill import ACCEPTED, BAR, CORRECTIONS, IN, INSIDE_SNAPSHOT, LATE, touch
from tapelight.market.table import Table
from tapelight.market.uncount import move_sums
from tapelight.market.windows import PRICES
from tapelight.model.records import Correction, Print
from tapelight.model.session import MINUTE_NS, NS, Session

_eligibility, _counts_for_vwap = eligibility.py_func, counts_for_vwap.py_func
_next_streak = next_streak.py_func
_move_ranges, _touch = move_ranges.py_func, touch.py_func
NONE = np.zeros(0, BAR)


class Weighed(NamedTuple):
    """Hold a print with what it could move."""

    one: Print
    regular: bool
    counts: bool
    held: bool
    worth: float
    """The price at which its shares were counted: another than its own when it was held."""
    moves_last: bool
    moves_high_low: bool


def take_correction(table: Table, correction: Correction) -> None:
    """Let the table forget the wrong print and know the right one."""
    table.grow([correction.symbol])
    row = table.universe.rows[correction.symbol]
    session, state = table.session, table.row(row)
    wrong = correction.wrong
    table.counters[IN] += 1
    if session is None or not session.start_ns <= wrong.ts_ns < table.next_roll_ns:
        table.counters[LATE] += 1
        return
    if correction.ts_ns <= int(state["snap_ns"]):
        table.counters[INSIDE_SNAPSHOT] += 1
        return  # the snapshot was made without it
    table.counters[CORRECTIONS] += 1
    before = _weigh(table, row, state, wrong)
    _count(table, row, before, -1)
    after = None
    if correction.right is not None:
        after = _weigh(table, row, state, correction.right)
        _count(table, row, after, 1)
    rest = [_weigh(table, row, state, one) for one in correction.rest]
    minute = _in_order([*rest, after] if after is not None else rest)
    _bar_anew(table, row, state, before, after, minute)
    _prices_anew(table, row, state, session, before, minute)
    _candles_anew(table, row, state)
    _touch(state, row, table.counters, table.spill)


def _in_order(prints: list[Weighed]) -> list[Weighed]:
    return sorted(prints, key=lambda w: w.one.ts_ns)


def _weigh(table: Table, row: int, state: Any, one: Print) -> Weighed:
    session, mask = table.session, np.uint64(one.conditions)
    assert session is not None
    auction = bool(mask & table.masks.auction) and not mask & table.masks.form_t
    regular = session.open_ns <= one.ts_ns < session.close_ns or auction
    last, high_low = _eligibility(state, mask, one.exchange, regular, table.masks)
    reference = _held_at(table, row, one)
    held = reference is not None
    worth = one.price if reference is None else reference
    counts = not mask & table.masks.no_volume
    moves = (bool(last) and not held, bool(high_low) and not held)
    return Weighed(one, regular, bool(counts), held, worth, *moves)


def _held_at(table: Table, row: int, one: Print) -> float | None:
    """Return the last price when a print was put in quarantine, None where it was not."""
    if not table.rows["quarantined"][row]:
        return None
    ring = table.spill.suspects
    found = (ring["row"] == row) & (ring["ts_ns"] == one.ts_ns)
    found &= (ring["price"] == one.price) & (ring["size"] == one.size)
    found &= ring["ruling"] != ACCEPTED
    return float(ring["reference"][found][0]) if found.any() else None


def _count(table: Table, row: int, found: Weighed, sign: int) -> None:
    """Add a print to the sums of the day and of the windows, or take it out (sign -1)."""
    if not found.counts:
        return
    one, mask = found.one, np.uint64(found.one.conditions)
    tape = not found.held and not mask & table.masks.not_tape
    vwap = not found.held and bool(_counts_for_vwap(mask, found.regular, table.masks))
    move_sums(
        table.rows, row, table.rings, table.day(), one.ts_ns, one.price, sign * one.size,
        sign * found.worth * one.size, sign, found.regular, bool(tape), vwap,
    )  # fmt: skip


def _bar_anew(
    table: Table, row: int, state: Any, before: Weighed, after: Weighed | None,
    minute: list[Weighed],
) -> None:  # fmt: skip
    """Make the minute's bar of what is left of its prints, as far as these are known."""
    number = before.one.ts_ns // MINUTE_NS
    forming = number == int(state["bar_min"])
    old = _forming(state, row) if forming else _closed(table, number, row)
    known = sum(w.counts for w in minute) - (after is not None and after.counts)
    bar = _made(minute, number, row)
    if len(old):
        if int(old["trades"][0]) > known + before.counts:
            bar = _narrowed(old, bar, before)
        for name, sums in (("volume", 1.0), ("value", 0.0)):
            bar_sum = _sum(before, sums) * -1 + (_sum(after, sums) if after is not None else 0.0)
            bar[name] = old[name] + bar_sum
        bar["trades"] = old["trades"] - before.counts + (after is not None and after.counts)
    if forming:
        _put_forming(state, bar)
    elif np.isnan(bar["open"][0]):
        table.bars.drop(number, row)
    elif len(old) or after is not None:
        table.bars.add(bar)


def _sum(found: Weighed, shares: float) -> float:
    """Return a print's part of its bar's volume (`shares` 1) or value."""
    if not found.counts:
        return 0.0
    return found.one.size * (shares or found.worth)


def _forming(state: Any, row: int) -> np.ndarray:
    names = ("bar_min", "bar_n", "bar_o", "bar_h", "bar_l", "bar_c", "bar_v", "bar_pv")
    minute, trades, *rest = (state[name] for name in names)
    return np.array([(minute, row, trades, *rest)], BAR)


def _closed(table: Table, minute: int, row: int) -> np.ndarray:
    bar = table.bars.get(minute, row)
    return NONE if bar is None else np.array([bar], BAR)


def _made(minute: list[Weighed], number: int, row: int) -> np.ndarray:
    """Return the bar of prints; its prices are NaN where none may open it."""
    bar = np.array([(number, row, 0, *[np.nan] * 4, 0.0, 0.0)], BAR)
    counted = [w for w in minute if w.counts]
    first = [w.one.price for w in counted if w.moves_last]
    wide = [w.one.price for w in counted if w.moves_high_low] + first[:1]
    if first:
        bar["open"], bar["close"] = first[0], first[-1]
        bar["high"], bar["low"] = max(wide), min(wide)
    bar["trades"] = len(counted)
    bar["volume"] = sum(w.one.size for w in counted)
    bar["value"] = sum(w.one.size * w.worth for w in counted)
    return bar


def _narrowed(old: np.ndarray, known: np.ndarray, before: Weighed) -> np.ndarray:
    """Return a bar of which only some prints are known without a price that only one had set."""
    bar, price = old.copy(), before.one.price
    inner = [float(v) for v in (old["open"][0], old["close"][0], known["high"][0], known["low"][0])]
    inner = [v for v in inner if v not in (price,) and not np.isnan(v)]
    if inner and old["high"][0] == price:
        bar["high"] = max(inner)
    if inner and old["low"][0] == price:
        bar["low"] = min(inner)
    return bar


def _put_forming(state: Any, bar: np.ndarray) -> None:
    for name, field in (
        ("bar_o", "open"), ("bar_h", "high"), ("bar_l", "low"), ("bar_c", "close"),
        ("bar_v", "volume"), ("bar_pv", "value"), ("bar_n", "trades"),
    ):  # fmt: skip
        state[name] = bar[field][0]


def _prices_anew(
    table: Table, row: int, state: Any, session: Session, before: Weighed, minute: list[Weighed]
) -> None:
    """Take the prices that the wrong print may have set from the bars, and from its minute."""
    bars = table.bars.of_row(row)
    forming = _forming(state, row)
    if not np.isnan(state["bar_o"]):
        bars = np.concatenate([bars, forming])
    start = bars["minute"] * MINUTE_NS
    regular = (start >= session.open_ns) & (start < session.close_ns)
    parts = (
        (bars, "hod", "lod"), (bars[regular], "high", "low"),
        (bars[start < session.open_ns], "pm_high", "pm_low"),
    )  # fmt: skip
    price = before.one.price
    auctions = _auctions(state)
    for part, high, low in parts:
        if price in (state[high], state[low]) and not state["known"] & KNOWN_DAY:
            state["provisional"] |= GAP
            continue
        extra = auctions if high == "high" else []
        if state[high] == price:
            state[high] = max([*part["high"], *extra], default=np.nan)
        if state[low] == price:
            state[low] = min([*part["low"], *extra], default=np.nan)
    if state["known"] & KNOWN_DAY:
        _day_times(state, before, minute, bars, start)
        _ranges_anew(state, session, price, bars[regular], start[regular])
    moved = [w for w in minute if w.moves_last]
    _last_anew(table, row, state, before, moved, bars)
    _open_anew(state, session, before, bars[regular])


def _auctions(state: Any) -> list[float]:
    """Return the official prices of the day, which no regular minute's bar need hold."""
    found = ((state["open"], state["open_src"]), (state["close_rth"], state["close_src"]))
    return [float(v) for v, src in found if src == AUCTION_PRINT and not np.isnan(v)]


def _day_times(
    state: Any, before: Weighed, minute: list[Weighed], bars: np.ndarray, start: np.ndarray
) -> None:
    """Give the day's extremes the time of the print, else of the bar, that has them now."""
    for price, at, field in (("hod", "hod_ns", "high"), ("lod", "lod_ns", "low")):
        if int(state[at]) != before.one.ts_ns or np.isnan(state[price]):
            continue
        own = [w.one.ts_ns for w in minute if w.moves_high_low and w.one.price == state[price]]
        holding = start[bars[field] == state[price]]
        state[at] = own[0] if own else int(holding[0]) if len(holding) else 0
    if state["hod_event_price"] == before.one.price:
        state["hod_event_price"] = state["hod"]
        state["hod_events"] = max(0, int(state["hod_events"]) - 1)


def _ranges_anew(
    state: Any, session: Session, price: float, bars: np.ndarray, start: np.ndarray
) -> None:
    names = [f"or{m}_{side}" for m in (5, 15, 30) for side in ("high", "low")]
    if not any(state[name] == price for name in names):
        return
    for name in names:
        state[name] = np.nan
    for bar, begin in zip(bars, start, strict=True):
        _move_ranges(state, begin - session.open_ns, bar["high"], bar["low"])


def _last_anew(
    table: Table, row: int, state: Any, before: Weighed, moved: list[Weighed], bars: np.ndarray
) -> None:
    """Let the last eligible print before or after the wrong one be the last price."""
    price, ts_ns = before.one.price, before.one.ts_ns
    if int(state["print_ns"]) == ts_ns:
        ends = (bars["minute"] + 1) * MINUTE_NS - 1
        state["print_ns"] = max(
            [w.one.ts_ns for w in moved] + ends[ends < ts_ns].tolist(), default=0
        )
    if not before.moves_last:
        return
    earlier = [w for w in moved if w.one.ts_ns <= ts_ns]
    closed = bars[bars["minute"] < ts_ns // MINUTE_NS]
    stood = earlier[-1].one.price if earlier else closed["close"][-1] if len(closed) else np.nan
    _past_prices_anew(table, row, price, float(stood), ts_ns)
    if int(state["last_ns"]) != ts_ns or state["last"] != price:
        return
    state["last"] = stood
    if earlier:
        state["last_ns"] = earlier[-1].one.ts_ns
    elif len(closed):
        state["last_ns"] = (int(closed["minute"][-1]) + 1) * MINUTE_NS - 1
    if state["close_src"] == FIRST_PRINT and state["close_rth"] == price:
        state["close_rth"] = stood


def _candles_anew(table: Table, row: int, state: Any) -> None:
    """Count the colours of the day's candles anew, of one minute and of five."""
    if not state["known"] & KNOWN_DAY:
        return
    streaks, five = [0, 0], (-1, np.nan, np.nan)
    for bar in table.bars.of_row(row):
        streaks[0] = _next_streak(streaks[0], bar["open"], bar["close"])
        number = int(bar["minute"]) // 5
        if number != five[0]:
            streaks[1] = _next_streak(streaks[1], five[1], five[2])
            five = (number, bar["open"], bar["close"])
        five = (number, five[1], bar["close"])
    if table.now_s // 300 > five[0]:
        streaks[1] = _next_streak(streaks[1], five[1], five[2])
        five = (-1, np.nan, np.nan)
    state["streak1"], state["streak5"] = streaks
    state["b5_o"], state["b5_c"] = five[1:]


def _past_prices_anew(table: Table, row: int, price: float, stood: float, ts_ns: int) -> None:
    """Let the seconds that ended with the wrong price have ended with the one before it."""
    first = max(ts_ns // NS, table.now_s - PRICES + 1)
    for second in range(first, table.now_s):
        if table.rings.price[second % PRICES, row] != price:
            return
        table.rings.price[second % PRICES, row] = stood


def _open_anew(state: Any, session: Session, before: Weighed, bars: np.ndarray) -> None:
    """Take the open from the first regular bar, and the short-sale restriction from the low."""
    one = before.one
    first = len(bars) > 0 and bars["minute"][0] >= one.ts_ns // MINUTE_NS
    if first and state["open_src"] == FIRST_PRINT and state["open"] == one.price:
        state["open"] = bars["open"][0]
    limit = 0.9 * state["prev_close"]
    if state["ssr"] and one.price <= limit < state["low"] and one.ts_ns >= session.open_ns:
        state["ssr"] = 0
