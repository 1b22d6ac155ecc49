"""A healed hole leaves the day as if there had been none: rows, signals, and what follows."""

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from replay.tape import SYMBOLS, Live, Tape, live
from tapelight.app.backtest.follow import is_fire
from tapelight.app.runs import healable, open_journal
from tapelight.engine import Engine
from tapelight.healing import Course, foreseen
from tapelight.model.batch import Batch, Trades, trades_of
from tapelight.model.records import (
    FeedState,
    Halt,
    Healed,
    Mark,
    Questions,
    Record,
    References,
    Snapshot,
    Symbols,
)
from tapelight.model.signals import Signal
from tapelight.ports import Wanted
from tapelight.stores.journal.writer import Writer
from tapelight.stores.signals import SignalLog

pytestmark = pytest.mark.integration

NS = 1_000_000_000
NAN = float("nan")
TAPE = Tape(seconds=16)
CROSS = (
    '-- title = "Crosses VWAP"\n-- kind = "events"\n-- gate = "none"\n-- cooldown_s = 1\n'
    '-- invalid = "last < low * 1.002"\n-- expires_s = 3\n'
    "SELECT symbol, last, vwap, vol FROM market WHERE last > vwap AND vol > 2000"
)
QUIET = (
    '-- title = "Slow"\n-- kind = "events"\n-- gate = "none"\n-- cooldown_s = 1\n'
    "SELECT symbol, last FROM market WHERE delta(vol, '1s') < 100 AND vol > 5000"
)
Hole = tuple[float, float, float, float]
LOST, TOLD, BACK, HEALED = ONE = (4.0, 5.51, 7.33, 9.21)
"""Seconds after the tape's begin: the stream stops, that is noticed, it comes back, it is healed."""
OTHER = (8.0, 8.61, 10.03, 12.07)
"""Another hole, which opens before the one above is healed."""


def picked(trades: Trades, at: np.ndarray) -> Trades:
    return Trades(*(getattr(trades, f.name)[at] for f in fields(Trades)))


def unbroken(questions: dict[str, str]) -> Iterator[Record]:
    """Yield the tape without its quotes: those of a hole are gone for good."""
    for record in TAPE.records():
        match record:
            case Batch():
                yield replace(record, quotes=None)
            case Questions():
                yield Questions(questions)
            case _:
                yield record


def broken(
    questions: dict[str, str], missing: tuple[int, ...] = (), holes: tuple[Hole, ...] = (ONE,)
) -> Iterator[Record]:
    """Yield the tape without the trades of the holes, with the states and healings of a feed."""
    begin = TAPE.start_ns
    times = [tuple(begin + int(s * NS) for s in hole) for hole in holes]
    lost: list[list[Trades]] = [[] for _ in holes]
    due = sorted((step for n in range(len(holes)) for step in steps(n, times)), key=lambda s: s[0])
    for record in unbroken(questions):
        if isinstance(record, Batch) and record.trades is not None:
            trades = record.trades
            for (since, _, back, _), gone in zip(times, lost, strict=True):
                inside = (trades.ts_ns > since) & (trades.ts_ns <= back)
                gone.append(picked(trades, inside))
                trades = picked(trades, ~inside)
            yield replace(record, trades=trades)
        elif isinstance(record, Mark):
            while due and due[0][0] < record.ts_ns:
                _, number, step = due.pop(0)
                if step is None:
                    yield heal(times[number], lost[number], missing)
                else:
                    yield step
            mute = [since for since, _, back, _ in times if since < record.ts_ns <= back]
            yield Mark(record.ts_ns, mute[0]) if mute else record
        else:
            yield record


def steps(number: int, times: list[tuple[int, ...]]) -> list[tuple[int, int, Record | None]]:
    """Return what a feed says of a hole, and when; None is the healing.

    It does not say that the stream is live where another hole has opened by then.
    """
    since, told, back, healed = times[number]
    again = any(healed > one[1] for one in times[number + 1 :])
    live = [] if again else [(healed, number, FeedState(healed, "tape", "live"))]
    return [
        (told, number, FeedState(told, "tape", "gap", "mute", True, since, True)),
        (back, number, FeedState(back, "tape", "healing", "", True, since, True)),
        (back, number, snapshot(back)),
        (healed, number, None),
        *live,
    ]


def heal(times: tuple[int, ...], lost: list[Trades], missing: tuple[int, ...]) -> Healed:
    since, _, back, healed = times
    columns = (np.concatenate([getattr(t, f.name) for t in lost]) for f in fields(Trades))
    trades = Trades(*columns)
    keep = ~np.isin(trades.row, missing)
    return Healed(healed, since, back, np.array(missing, np.int32), picked(trades, keep))


def snapshot(now: int) -> Snapshot:
    """Return a picture of the day that is wrong for all rows but those that need it."""
    n = 40
    unknown, price = np.full(n, NAN), np.full(n, 11.0)
    return Snapshot(
        now, np.arange(n, dtype=np.int32), np.full(n, now), price, np.full(n, 1e6),
        unknown, price + 1.0, price - 1.0, price, *(unknown.copy() for _ in range(5)),
    )  # fmt: skip


def played(records: Iterator[Record]) -> Live:
    engine = healable(Engine())
    return live(foreseen(records, engine.foresee), None, engine)


def standing(done: Live) -> dict[str, tuple[str, ...]]:
    """Return by id the last state of each signal that stands, as told last."""
    found: dict[str, Signal] = {}
    for cycle in done.cycles:
        for signal in cycle.signals:
            found[signal.id] = signal
    return {
        key: (s.scan, s.symbol, s.state, str(s.mark))
        for key, s in found.items()
        if s.state not in ("retracted", "armed")
    }


BOTH = {"cross": CROSS, "quiet": QUIET}


def test_signals_after_corrections_are_those_of_the_unbroken_day() -> None:
    whole, healed = played(unbroken(BOTH)), played(broken(BOTH))
    told = [s for c in healed.cycles for s in c.signals]
    assert standing(healed) == standing(whole)
    retracted = [s for s in told if s.state == "retracted"]
    late = [s for s in told if s.ts_ns > s.mark]
    assert retracted
    assert late
    assert all(s.reason.startswith("healed: the trades missed from 09:29:59") for s in retracted)
    assert all("told late" in s.reason for s in late)
    fired = {s.id for s in told if s.state == "fired" and s.mark <= TAPE.start_ns + BACK * NS}
    assert {s.id for s in retracted} <= fired


def test_what_is_told_again_is_the_last_word_of_the_log_and_no_second_firing(
    tmp_path: Path,
) -> None:
    begin = TAPE.start_ns

    def record(state: str, second: int) -> Signal:
        ts_ns = begin + second * NS
        return Signal(id="a", scan="s", symbol="A", state=state, ts_ns=ts_ns, mark=ts_ns, values={})

    fired, expired = record("fired", 1), record("expired", 2)
    course, hole = (
        Course(),
        Healed(begin + 4 * NS, begin, begin + 3 * NS, np.zeros(0, np.int32), trades_of(*[[]] * 7)),
    )
    course.told.extend([fired, expired])
    course.correct(hole, [fired])
    (again,) = course.tell(begin + 5 * NS)
    assert (again.state, again.mark, again.ts_ns) == ("fired", begin + 5 * NS, begin + 5 * NS)
    assert [is_fire(one) for one in (fired, expired, again)] == [True, False, False]
    log = SignalLog(tmp_path)
    log.append("d/1", [fired, expired])
    log.append("d/1", [again])
    log.wait()
    assert [one.state for one in log.find(Wanted(limit=1))] == ["fired"]
    log.close()


def test_every_row_and_window_is_that_of_the_unbroken_day() -> None:
    whole, healed = played(unbroken(BOTH)).engine.table, played(broken(BOTH)).engine.table
    for name in whole.rows.dtype.names or ():
        mine, theirs = healed.live[name], whole.live[name]
        assert np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f"), name
    assert (whole.bars.all() == healed.bars.all()).all()
    for ring, other in zip(whole.rings, healed.rings, strict=True):
        assert np.asarray(ring).tobytes() == np.asarray(other).tobytes()


def test_what_follows_the_healing_is_the_same() -> None:
    whole, healed = played(unbroken(BOTH)), played(broken(BOTH))
    after = TAPE.start_ns + int((HEALED + 0.1) * NS)
    mine = [s for c in healed.cycles for s in c.signals if c.mark.ts_ns > after]
    theirs = [s for c in whole.cycles for s in c.signals if c.mark.ts_ns > after]
    assert theirs
    assert mine == theirs


def test_in_the_hole_no_row_fires_and_a_snapshot_does_not_end_it() -> None:
    told = TAPE.start_ns + int(TOLD * NS)
    healed = played(broken(BOTH))
    at = TAPE.start_ns + int(HEALED * NS)
    held = [s for c in healed.cycles for s in c.signals if told < c.mark.ts_ns <= at]
    assert {s.state for s in held} <= {"expired", "halted"}


def test_a_row_without_its_trades_has_the_snapshots_day() -> None:
    whole, healed = played(unbroken(BOTH)).engine.table, played(broken(BOTH, (0, 3))).engine.table
    others = np.setdiff1d(np.arange(40), [0, 3])
    for name in ("vol", "high", "low", "pv", "v", "trades"):
        assert np.array_equal(
            healed.live[name][others], whole.live[name][others], equal_nan=True
        ), name
    assert healed.live["vol"][0] > 1e6
    assert not healed.live["provisional"].any()


def test_a_replay_of_the_journal_gives_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "journal" / "2026-11-20" / "0001"
    folder.mkdir(parents=True)
    writer = Writer(folder)
    engine = healable(Engine())
    done = live(foreseen(broken(BOTH), engine.foresee), writer, engine)
    writer.close()
    again, records = open_journal(folder)
    found = [c.signals for r in records if (c := again.apply(r)) is not None and c.signals]
    assert found == [c.signals for c in done.cycles if c.signals]
    assert again.digest == done.engine.digest


def test_two_holes_of_which_one_opens_before_the_other_is_healed() -> None:
    whole, healed = played(unbroken(BOTH)), played(broken(BOTH, holes=(ONE, OTHER)))
    assert standing(healed) == standing(whole)
    for name in whole.engine.table.rows.dtype.names or ():
        mine, theirs = healed.engine.table.live[name], whole.engine.table.live[name]
        assert np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f"), name


def test_what_is_healed_does_not_end_the_hole_that_is_open() -> None:
    engine = healable(Engine())
    for record in foreseen(broken(BOTH, holes=(ONE, OTHER)), engine.foresee):
        engine.apply(record)
        if isinstance(record, Healed):
            between = record.since_ns == TAPE.start_ns + int(LOST * NS)
            assert engine.table.gap_since_ns == (TAPE.start_ns + int(8 * NS) if between else 0)
            assert engine.table.live["provisional"].all() == between


def test_a_replay_of_two_holes_gives_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "journal" / "2026-11-20" / "0001"
    folder.mkdir(parents=True)
    writer = Writer(folder)
    engine = healable(Engine())
    done = live(foreseen(broken(BOTH, holes=(ONE, OTHER)), engine.foresee), writer, engine)
    writer.close()
    again, records = open_journal(folder)
    found = [c.signals for r in records if (c := again.apply(r)) is not None and c.signals]
    assert found == [c.signals for c in done.cycles if c.signals]
    assert again.digest == done.engine.digest


def test_without_what_was_before_the_trades_are_late_ones() -> None:
    done = live(broken(BOTH), None, Engine())
    assert not done.engine.table.live["provisional"].any()
    assert done.engine.table.gap_since_ns == 0


def test_a_hole_without_any_trade_is_healed() -> None:
    nothing = (r if not isinstance(r, Healed) else emptied(r) for r in broken(BOTH))
    done = played(nothing)
    assert not done.engine.table.live["provisional"].any()
    assert done.engine.table.gap_since_ns == 0


def emptied(healed: Healed) -> Healed:
    return replace(healed, trades=picked(healed.trades, np.zeros(0, np.int64)))


def test_a_symbol_may_have_its_first_trade_in_the_hole() -> None:
    """Its row is given when the trade is fetched, after the time at which it belongs."""
    late = SYMBOLS[-1]

    def without_first(records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            if isinstance(record, Symbols):
                yield Symbols(0, record.symbols[:-1])
            elif isinstance(record, References):
                yield References(record.session, record.references[:-1])
            elif isinstance(record, Healed):
                yield Symbols(len(SYMBOLS) - 1, [late])
                yield replace(record, trades=with_first(record))
            elif isinstance(record, Batch) and record.trades is not None:
                keep = record.trades.row < len(SYMBOLS) - 1
                yield replace(record, trades=picked(record.trades, keep))
            elif isinstance(record, Snapshot):
                keep = record.row < len(SYMBOLS) - 1
                columns = (getattr(record, f.name)[keep] for f in fields(Snapshot)[1:-1])
                yield Snapshot(record.ts_recv_ns, *columns)
            elif not (isinstance(record, Halt) and record.symbol == late) and not (
                isinstance(record, Batch) and record.bands is not None
            ):
                yield record

    table = played(without_first(broken(BOTH))).engine.table
    row = table.universe.rows[late]
    assert table.live["trades"][row] == 1
    assert table.live["last"][row] == 12.5


def with_first(healed: Healed) -> Trades:
    """Return the missed trades with one alone of the last symbol."""
    own = picked(healed.trades, healed.trades.row < len(SYMBOLS) - 1)
    row, ts = len(SYMBOLS) - 1, healed.since_ns + NS
    first = trades_of([row], [ts], [12.5], [100], [0], [4], [1])
    return Trades(
        *(np.append(getattr(own, f.name), getattr(first, f.name)) for f in fields(Trades))
    )
