"""Intake: each kind of record into the table."""

from dataclasses import fields
from typing import Any

import numpy as np

from tapelight.errors import Bug
from tapelight.market import fold
from tapelight.market.fold import BAR
from tapelight.market.fold_bars import fold_bars
from tapelight.market.row import KNOWN_DAY, SOURCE_MINUTE
from tapelight.market.table import EVENTS, Table
from tapelight.model import records as rec
from tapelight.model.batch import Bars, Batch, Quotes, Trades, quotes_of, trades_of

NS = 1_000_000_000
MINUTE_NS = 60 * NS
NO_TRADES = trades_of([], [], [], [], [], [], [])
NO_QUOTES = quotes_of([], [], [], [], [], [], [])
GAP, SPLIT = 1, 2

# The fold's own steps, run here on single rows, off the hot path.
touch = fold.touch.py_func
move_ranges = fold.move_ranges.py_func
add_vwap = fold.add_vwap.py_func


def take(table: Table, record: rec.Record) -> None:
    """Let `record` change the table; marks and digests are the engine's."""
    match record:
        case Batch():
            take_batch(table, record)
        case rec.Snapshot():
            take_snapshot(table, record)
        case rec.History():
            take_history(table, record.bars)
        case rec.Profile():
            table.baseline.set(record)
        case rec.Symbols():
            if record.first > table.n:
                raise Bug(f"Symbols begin at row {record.first}, the table ends at {table.n}.")
            table.grow(record.symbols)
        case rec.References():
            table.pending.append(record)
            if table.session is not None:
                table.apply_references()
        case rec.CalendarChoice():
            table.use_calendar(record.name)
        case rec.Rules():
            table.use_rules(record.rules)
        case rec.FeedState():
            take_feed_state(table, record)
        case rec.Halt():
            take_halt(table, record)
        case _:
            raise Bug(f"The table takes no {type(record).__name__}.")


def take_batch(table: Table, batch: Batch) -> None:
    """Fold a batch, rolling the session where its events cross into a new one."""
    if table.session is None:
        table.enter_session(_first_ts(batch))
        table.now_s = table.now_s or _first_ts(batch) // NS
    trades, quotes = batch.trades or NO_TRADES, batch.quotes or NO_QUOTES
    begin_t = begin_q = 0
    for end_t in _cuts(table, trades):
        end_q = (
            len(quotes.row)
            if end_t == len(trades.row)
            else int(np.searchsorted(quotes.before, end_t, "right"))
        )
        _fold(table, _slice(trades, begin_t, end_t), _slice_quotes(quotes, begin_q, end_q, begin_t))
        begin_t, begin_q = end_t, end_q
    if batch.bars is not None:
        take_bars(table, batch.bars)
    if batch.bands is not None:
        for i, row in enumerate(batch.bands.row.tolist()):
            state = table.row(row)
            state["luld_dn"], state["luld_up"] = batch.bands.lower[i], batch.bands.upper[i]
            state["luld_ns"] = batch.bands.ts_ns[i]


def _first_ts(batch: Batch) -> int:
    stamps = [batch.ts_recv_ns]
    if batch.trades is not None and len(batch.trades.ts_ns):
        stamps.append(int(batch.trades.ts_ns[0]))
    return min(stamps)


def _cuts(table: Table, trades: Trades) -> list[int]:
    """Return the ends of the pieces in which to fold: at most EVENTS, cut where a session begins."""
    n = len(trades.row)
    cuts: list[int] = []
    begin = 0
    late = np.flatnonzero(trades.ts_ns >= table.next_roll_ns)
    if len(late):
        begin = int(late[0])
        cuts = list(range(EVENTS, begin, EVENTS))
        if begin:
            cuts.append(begin)
    return [*cuts, *range(begin + EVENTS, n, EVENTS), n]


def _slice(trades: Trades, begin: int, end: int) -> Trades:
    if begin == 0 and end == len(trades.row):
        return trades
    return Trades(*(getattr(trades, f.name)[begin:end] for f in fields(Trades)))


def _slice_quotes(quotes: Quotes, begin: int, end: int, first_trade: int) -> Quotes:
    if begin == 0 and end == len(quotes.row) and first_trade == 0:
        return quotes
    columns = [getattr(quotes, f.name)[begin:end] for f in fields(Quotes)]
    return Quotes(*columns[:-1], columns[-1] - np.int32(first_trade))


def _fold(table: Table, t: Trades, q: Quotes) -> None:
    if len(t.ts_ns) and int(t.ts_ns[0]) >= table.next_roll_ns:
        table.enter_session(int(t.ts_ns[0]))
    fold.fold_events(
        table.rows, table.rings, table.day(), table.masks, table.counters, table.spill,
        t.row, t.ts_ns, t.price, t.size, t.conditions, t.exchange, t.seq,
        q.row, q.ts_ns, q.bid, q.ask, q.bid_size, q.ask_size, q.before,
    )  # fmt: skip
    table.drain()


def take_bars(table: Table, bars: Bars) -> None:
    """Fold bars; a minute bar that the store already has is replaced, not added."""
    if len(bars.row) and int(bars.start_ns[0]) >= table.next_roll_ns:
        table.enter_session(int(bars.start_ns[0]))
    resent = _resent(table, bars)
    for i in np.flatnonzero(resent):
        _replace_minute(table, bars, int(i))
    if resent.any():
        bars = Bars(*(getattr(bars, f.name)[~resent] for f in fields(Bars)))
    for begin in range(0, len(bars.row), EVENTS):
        columns = [getattr(bars, f.name)[begin : begin + EVENTS] for f in fields(Bars)]
        fold_bars(table.rows, table.rings, table.day(), table.counters, table.spill, *columns)
        table.drain()


def _resent(table: Table, bars: Bars) -> Any:
    """Return which minute bars are already in the store."""
    seen = np.zeros(len(bars.row), np.bool_)
    for i in np.flatnonzero(bars.span_s == 60):
        minute, row = int(bars.start_ns[i]) // MINUTE_NS, int(bars.row[i])
        seen[i] = table.bars.get(minute, row) is not None
    return seen


def _replace_minute(table: Table, bars: Bars, i: int) -> None:
    """Replace a stored minute bar; sums move by the difference, extremes are taken anew."""
    row, minute = int(bars.row[i]), int(bars.start_ns[i]) // MINUTE_NS
    state, old = table.row(row), table.bars.get(minute, row)
    if old is None or state["source"] > SOURCE_MINUTE:
        return
    fresh = bar_of(bars, i)
    delta = float(bars.volume[i]) - float(old["volume"])
    session = table.session
    start = int(bars.start_ns[i])
    part = "post_vol"
    if session is not None and start < session.close_ns:
        part = "pm_vol" if start < session.open_ns else "vol_rth"
    for name in ("vol", part):
        state[name] += delta
    state["dollar_vol"] += float(fresh["value"][0]) - float(old["value"])
    table.bars.add(fresh)
    _extremes_anew(table, row)
    touch(state, row, table.counters, table.spill)


def _extremes_anew(table: Table, row: int) -> None:
    bars, session, state = table.bars.of_row(row), table.session, table.row(row)
    if session is None or not len(bars):
        return
    start = bars["minute"] * MINUTE_NS
    regular = bars[(start >= session.open_ns) & (start < session.close_ns)]
    state["hod"], state["lod"] = bars["high"].max(), bars["low"].min()
    if len(regular):
        state["high"], state["low"] = regular["high"].max(), regular["low"].min()
    pre = bars[start < session.open_ns]
    if len(pre):
        state["pm_high"], state["pm_low"] = pre["high"].max(), pre["low"].min()


def bar_of(bars: Bars, i: int) -> np.ndarray:
    """Return element `i` of `bars` as an array of one stored BAR."""
    trades = bars.trades[i]
    return np.array(
        [
            (
                bars.start_ns[i] // MINUTE_NS,
                bars.row[i],
                0 if np.isnan(trades) else int(trades),
                bars.open[i],
                bars.high[i],
                bars.low[i],
                bars.close[i],
                bars.volume[i],
                bars.volume[i] * bars.vwap[i],
            )
        ],
        BAR,
    )


def take_snapshot(table: Table, snap: rec.Snapshot) -> None:
    """Take the provider's picture of the day: fill what the row lacks, never shrink a sum."""
    phase = table.phase()
    for i, row in enumerate(snap.row.tolist()):
        _snapshot_row(table, snap, i, row, phase)
        touch(table.row(row), row, table.counters, table.spill)
    table.gap_since_ns = 0
    table.rows["provisional"] &= 0xFF ^ GAP


def _snapshot_row(table: Table, snap: rec.Snapshot, i: int, row: int, phase: int) -> None:
    state = table.row(row)
    if snap.updated_ns[i] <= state["snap_ns"]:
        return
    state["snap_ns"] = snap.updated_ns[i]
    missed = snap.volume[i] - state["vol"]
    if missed > 0:
        _missed_volume(state, float(missed), phase)
    for name, value in (("bid", snap.bid[i]), ("ask", snap.ask[i])):
        if value > 0:
            state[name] = value
            state[f"{name}_size"] = getattr(snap, f"{name}_size")[i]
    if snap.last[i] > 0 and (missed > 0 or np.isnan(state["last"])) and snap.volume[i] > 0:
        state["last"] = snap.last[i]
        state["print_ns"] = max(int(state["print_ns"]), int(snap.updated_ns[i]))
    state["high"] = np.fmax(state["high"], snap.high[i])
    state["low"] = np.fmin(state["low"], snap.low[i])
    state["hod"] = np.fmax(state["hod"], snap.high[i])
    state["lod"] = np.fmin(state["lod"], snap.low[i])
    if snap.open[i] > 0 and state["open_src"] < 2:
        state["open"], state["open_src"] = snap.open[i], 2
    _check_previous_close(state, float(snap.prev_close[i]), table, row)


def _missed_volume(state: Any, missed: float, phase: int) -> None:
    """Count shares that traded unseen: in pre-market they are its own, later no phase's alone."""
    state["vol"] += missed
    state["known"] &= 0xFF ^ KNOWN_DAY
    if phase == 1:
        state["pm_vol"] = state["vol"]
    else:
        for name in ("pm_vol", "vol_rth", "post_vol"):
            state[name] = np.nan


def _check_previous_close(state: Any, provider: float, table: Table, row: int) -> None:
    """Verify a split-adjusted previous close against the provider's own."""
    mine = float(state["prev_close"])
    if not provider > 0:
        return
    if np.isnan(mine):
        state["prev_close"] = provider
        return
    factor = float(table.reference.numbers["split_today"][row])
    if abs(provider / mine - 1) < 0.005 or abs(provider * factor / mine - 1) < 0.005:
        state["provisional"] &= 0xFF ^ SPLIT


def take_history(table: Table, bars: Bars) -> None:
    """Fill a row's day from past minute bars; what was folded live stays."""
    for row in np.unique(bars.row).tolist():
        mine = np.flatnonzero(bars.row == row)
        _history_row(table, bars, mine, int(row))


def _history_row(table: Table, bars: Bars, mine: Any, row: int) -> None:
    session, state = table.session, table.row(row)
    if session is None or state["known"] & KNOWN_DAY:
        return
    minutes = bars.start_ns[mine] // MINUTE_NS
    before = mine[(bars.start_ns[mine] < max(int(state["snap_ns"]), 1)) & (minutes >= session.start_ns // MINUTE_NS)]
    if not len(before):
        return
    stored = np.concatenate([bar_of(bars, int(i)) for i in before])
    kept = [b for b in stored if table.bars.get(int(b["minute"]), row) is None]
    if kept:
        table.bars.add(np.array(kept, BAR))
    _sums_from_history(state, bars, before, session.open_ns, session.close_ns)
    high, low = bars.high[before], bars.low[before]
    state["hod"], state["lod"] = np.fmax(state["hod"], high.max()), np.fmin(state["lod"], low.min())
    pre = before[bars.start_ns[before] < session.open_ns]
    if len(pre):
        state["pm_high"] = np.fmax(state["pm_high"], bars.high[pre].max())
        state["pm_low"] = np.fmin(state["pm_low"], bars.low[pre].min())
    for i in before:
        move_ranges(state, bars.start_ns[i] - session.open_ns, bars.high[i], bars.low[i])
    state["known"] |= KNOWN_DAY
    touch(state, row, table.counters, table.spill)


def _sums_from_history(state: Any, bars: Bars, before: Any, open_ns: int, close_ns: int) -> None:
    """Add the bars' shares, trades and dollars to the sums that the stream could not see."""
    start = bars.start_ns[before]
    pre, post = start < open_ns, start >= close_ns
    pm, after = bars.volume[before][pre].sum(), bars.volume[before][post].sum()
    if np.isnan(state["pm_vol"]):
        state["pm_vol"], state["post_vol"] = pm, after
        state["vol_rth"] = state["vol"] - pm - after
    counts = bars.trades[before]
    state["trades"] += int(np.nansum(counts))
    for i in before:
        value = bars.vwap[i] * bars.volume[i]
        state["dollar_vol"] += value
        add_vwap(state, bars.vwap[i], bars.volume[i], open_ns <= bars.start_ns[i] < close_ns)


def take_feed_state(table: Table, state: rec.FeedState) -> None:
    """Open or close a hole: while one is open the rows are provisional."""
    table.feed = state.feed
    if state.provisional:
        table.gap_since_ns = table.gap_since_ns or state.since_ns or state.ts_ns
        table.live["provisional"] |= GAP
    elif state.state == "live" and table.gap_since_ns:
        table.gap_since_ns = 0
        table.live["provisional"] &= 0xFF ^ GAP


def take_halt(table: Table, halt: rec.Halt) -> None:
    """Halt or resume a symbol."""
    table.grow([halt.symbol])
    row = table.universe.rows[halt.symbol]
    state = table.row(row)
    if halt.halted and not state["halted"]:
        state["halts"] += 1
        state["halt_ns"] = halt.ts_ns
    state["halted"] = halt.halted
    state["resume_ns"] = halt.resume_ns if halt.halted else halt.ts_ns
    table.halt_codes.set(row, halt.code or None)
    touch(state, row, table.counters, table.spill)
