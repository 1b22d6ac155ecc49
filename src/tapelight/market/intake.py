"""Intake: each kind of record into the table."""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tapelight.errors import Bug
from tapelight.market import fold
from tapelight.market.correction import take_correction
from tapelight.market.fold_bars import fold_bars, replace_bar
from tapelight.market.halts import take_halt
from tapelight.market.history import bars_to_store, take_history
from tapelight.market.quarantine import rule
from tapelight.market.row import ABSENT, GAP, KNOWN_DAY, PARTIAL, SOURCE_MINUTE, UNSEEN
from tapelight.market.snapshot import take_snapshot
from tapelight.market.spill import BANDS, BARS, BARS_SUPERSEDED, IN, LATE, touch_all
from tapelight.market.table import EVENTS, Table
from tapelight.market.windows import AHEAD_S
from tapelight.model import records as rec
from tapelight.model.batch import (
    MAX_AHEAD_NS,
    Bands,
    Bars,
    Batch,
    Int64s,
    Quotes,
    Trades,
    quotes_of,
    size,
    trades_of,
)
from tapelight.model.options import Chain
from tapelight.model.session import MINUTE_NS, NS

NO_TRADES = trades_of([], [], [], [], [], [], [])
NO_QUOTES = quotes_of([], [], [], [], [], [], [])
MINUTE_S = 60
Part = TypeVar("Part", Trades, Quotes, Bars)


def take(table: Table, record: rec.Record) -> None:
    """Let `record` change the table; marks and digests are the engine's."""
    match record:
        case Batch():
            take_batch(table, record)
        case rec.Snapshot():
            take_snapshot(table, record)
        case rec.History():
            take_history(table, record)
        case rec.Healed():
            take_batch(table, Batch(record.ts_recv_ns, trades=record.trades))
            end_hole(table)
        case rec.Profile():
            table.take_profile(record)
        case Chain():
            table.options.take_chain(record)
        case _:
            take_message(table, record)


def take_message(table: Table, message: rec.Message) -> None:
    """Let a message change the table."""
    match message:
        case rec.Symbols():
            if message.first > table.n:
                raise Bug(f"Symbols begin at row {message.first}, the table ends at {table.n}.")
            table.grow(message.symbols)
        case rec.References():
            table.take_references(message)
        case rec.CalendarChoice():
            table.use_calendar(message.name)
        case rec.Rules():
            table.use_rules(message.rules)
        case rec.FeedState():
            take_feed_state(table, message)
        case rec.Halt():
            take_halt(table, message)
        case rec.Correction():
            take_correction(table, message)
        case rec.News():
            table.news.take(message)
        case rec.Ruling():
            rule(table, message)
        case _:
            raise Bug(f"The table takes no {type(message).__name__}.")


def take_batch(table: Table, batch: Batch) -> None:
    """Fold a batch, rolling the session where its events cross into a new one.

    An event stamped days ahead counts as late: it would roll the session for all rows.
    """
    if table.session is None:
        table.begin(_first_ts(batch))
    table.counters[IN] += size(batch)
    batch = _timely(table, batch)
    if batch.trades is not None or batch.quotes is not None:
        trades, quotes = batch.trades or NO_TRADES, batch.quotes or NO_QUOTES
        take_events(table, trades, quotes, batch.ts_recv_ns)
    if batch.bars is not None:
        take_bars(table, batch.bars, batch.ts_recv_ns)
    if batch.bands is not None:
        take_bands(table, batch.bands)


def _timely(table: Table, batch: Batch) -> Batch:
    """Return the batch without the events that lie in a session which can't have begun yet."""
    latest_ns = max(batch.ts_recv_ns + MAX_AHEAD_NS, table.next_roll_ns - 1)
    trades, quotes, bars = batch.trades, batch.quotes, batch.bars
    if trades is not None and len(trades.ts_ns) and trades.ts_ns.max() > latest_ns:
        keep = trades.ts_ns <= latest_ns
        trades = _kept(table, trades, keep)
        if quotes is not None:
            arrived = np.concatenate(([0], np.cumsum(keep))).astype(np.int32)
            quotes = replace(quotes, before=arrived[quotes.before])
    if bars is not None and len(bars.start_ns) and bars.start_ns.max() > latest_ns:
        bars = _kept(table, bars, bars.start_ns <= latest_ns)
    return Batch(batch.ts_recv_ns, trades, quotes, bars, batch.bands)


def _kept(table: Table, part: Part, keep: npt.NDArray[np.bool_]) -> Part:
    table.counters[LATE] += len(keep) - int(np.count_nonzero(keep))
    return type(part)(*(getattr(part, f.name)[keep] for f in fields(part)))


def _first_ts(batch: Batch) -> int:
    stamps = [batch.ts_recv_ns]
    if batch.trades is not None and len(batch.trades.ts_ns):
        stamps.append(int(batch.trades.ts_ns[0]))
    if batch.bars is not None and len(batch.bars.start_ns):
        stamps.append(int(batch.bars.start_ns[0]))
    return min(stamps)


def _pieces(table: Table, begins: Int64s, ends: Int64s, recv_ns: int) -> Iterator[tuple[int, int]]:
    """Yield the pieces in which to fold events, the table's session and windows ready for each.

    A piece has at most EVENTS events, and is cut where a session begins, and where an event is
    so far ahead of the windows that they have to move first (after a silence without marks).
    """
    at, n = 0, len(begins)
    while at < n:
        table.enter_session(int(begins[at]))
        table.reach(min(int(ends[at]), recv_ns) // NS)
        bound_ns = table.next_roll_ns
        ahead_ns = (table.now_s + AHEAD_S + 1) * NS
        if recv_ns >= ahead_ns:
            beyond = (begins[at + 1 : at + EVENTS] >= bound_ns) | (
                ends[at + 1 : at + EVENTS] >= ahead_ns
            )
        else:
            beyond = begins[at + 1 : at + EVENTS] >= bound_ns
        first = int(beyond.argmax()) if len(beyond) else 0
        end = at + 1 + (first if len(beyond) and beyond[first] else len(beyond))
        yield at, end
        at = end


def _slice(part: Part, begin: int, end: int) -> Part:
    if begin == 0 and end == len(part.row):
        return part
    return type(part)(*(getattr(part, f.name)[begin:end] for f in fields(part)))


def take_events(table: Table, trades: Trades, quotes: Quotes, recv_ns: int) -> None:
    """Fold trades and quotes in arrival order."""
    if not len(trades.row):
        _fold(table, trades, quotes, 0)
        return
    begin_q = 0
    for begin, end in _pieces(table, trades.ts_ns, trades.ts_ns, recv_ns):
        end_q = len(quotes.row)
        if end < len(trades.row):
            end_q = int(np.searchsorted(quotes.before, end, "right"))
        _fold(table, _slice(trades, begin, end), _slice(quotes, begin_q, end_q), begin)
        begin_q = end_q


def _fold(table: Table, t: Trades, q: Quotes, first_trade: int) -> None:
    before = q.before if first_trade == 0 else q.before - np.int32(first_trade)
    fold.fold_events(
        table.rows, table.rings, table.day(), table.masks, table.counters, table.spill,
        *_plain(t.row, t.ts_ns, t.price, t.size, t.conditions, t.exchange, t.seq),
        *_plain(q.row, q.ts_ns, q.bid, q.ask, q.bid_size, q.ask_size, before),
    )  # fmt: skip
    table.drain()


def _plain(*columns: Any) -> list[Any]:
    """Return writable columns: a loop would be compiled anew for read-only ones (from Parquet)."""
    return [c if c.flags.writeable else c.copy() for c in columns]


def take_bands(table: Table, bands: Bands) -> None:
    """Let the newest limit bands stand."""
    for name in ("luld_dn", "luld_up", "luld_ns"):
        given = {"luld_dn": bands.lower, "luld_up": bands.upper, "luld_ns": bands.ts_ns}[name]
        table.rows[name][bands.row] = given
    table.counters[BANDS] += len(bands.row)
    touch_all(table.rows, bands.row, table.counters, table.spill)


def take_bars(table: Table, bars: Bars, recv_ns: int) -> None:
    """Fold bars; a minute bar that the store already has is replaced, not added."""
    ends = bars.start_ns + (bars.span_s.astype(np.int64) - 1) * NS
    for begin, end in _pieces(table, bars.start_ns, ends, recv_ns):
        piece = _slice(bars, begin, end)
        for resent, run in _runs(table, piece):
            if resent:
                _replace_minutes(table, run)
                continue
            columns = _plain(*(getattr(run, f.name) for f in fields(Bars)))
            fold_bars(table.rows, table.rings, table.day(), table.counters, table.spill, *columns)
            table.drain()


def _runs(table: Table, bars: Bars) -> Iterator[tuple[bool, Bars]]:
    """Yield runs of bars that are new, and single minute bars that came before."""
    begin = 0
    for i in np.flatnonzero(_resent(table, bars)).tolist():
        if i > begin:
            yield False, _slice(bars, begin, i)
        yield True, _slice(bars, i, i + 1)
        begin = i + 1
    if begin < len(bars.row):
        yield False, _slice(bars, begin, len(bars.row))


def _resent(table: Table, bars: Bars) -> npt.NDArray[np.bool_]:
    """Return which are minute bars that the store, or the batch before them, has already."""
    resent = np.zeros(len(bars.row), np.bool_)
    minutes = bars.start_ns // MINUTE_NS
    for minute in np.unique(minutes[bars.span_s == MINUTE_S]).tolist():
        at = np.flatnonzero((minutes == minute) & (bars.span_s == MINUTE_S))
        resent[at] = table.bars.has(minute, bars.row[at])
        _, first = np.unique(bars.row[at], return_index=True)
        resent[np.delete(at, first)] = True
    return resent


def _replace_minutes(table: Table, bars: Bars) -> None:
    """Replace one stored minute bar; sums move by the difference, extremes are taken anew."""
    row, start = int(bars.row[0]), int(bars.start_ns[0])
    state, old = table.row(row), table.bars.get(start // MINUTE_NS, row)
    if old is None or state["source"] > SOURCE_MINUTE:
        table.counters[BARS_SUPERSEDED] += 1
        return
    table.counters[BARS] += 1
    state["source"] = SOURCE_MINUTE
    fresh = bars_to_store(bars)
    trades = np.nan if np.isnan(bars.trades[0]) else float(bars.trades[0] - old["trades"])
    volume, value = (float(fresh[n][0] - old[n]) for n in ("volume", "value"))
    price = float(bars.vwap[0])
    if not np.isnan(volume):
        replace_bar(
            table.rows, row, table.rings, table.day(), start, float(bars.close[0]), price,
            volume, value, trades,
        )  # fmt: skip
    table.bars.add(fresh)
    _extremes_anew(table, row)
    touch_all(table.rows, bars.row, table.counters, table.spill)


def _extremes_anew(table: Table, row: int) -> None:
    """Take a row's extremes from its bars alone, which are its whole day."""
    bars, session, state = table.bars.of_row(row), table.session, table.row(row)
    if session is None or not state["known"] & KNOWN_DAY:
        return
    start = bars["minute"] * MINUTE_NS
    regular = (start >= session.open_ns) & (start < session.close_ns)
    for part, high, low in (
        (bars, "hod", "lod"),
        (bars[regular], "high", "low"),
        (bars[start < session.open_ns], "pm_high", "pm_low"),
    ):
        if len(part):
            state[high], state[low] = part["high"].max(), part["low"].min()


def take_feed_state(table: Table, state: rec.FeedState) -> None:
    """Open or close a hole: while one is open the rows are provisional.

    A hole that closes without a snapshot leaves rows that do not know their whole day.
    """
    table.feed = state.feed
    table.healing = state.provisional and state.heals
    if state.provisional:
        table.gap_since_ns = table.gap_since_ns or state.since_ns or state.ts_ns
        table.live["provisional"] |= GAP
    elif state.state == "live" and table.gap_since_ns:
        end_hole(table)
        table.live["known"] &= 0xFF ^ (KNOWN_DAY | PARTIAL | UNSEEN)
    table.live["provisional"] &= 0xFF ^ ABSENT
    known = table.universe.rows
    table.live["provisional"][[known[s] for s in state.absent if s in known]] |= ABSENT


def end_hole(table: Table) -> None:
    """Let no row be provisional for a hole any more."""
    table.gap_since_ns, table.healing = 0, False
    table.live["provisional"] &= 0xFF ^ GAP
