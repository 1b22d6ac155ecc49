"""Dispatch: the stamps of a signal's way, what is published, what is logged, after a restart too."""

import dataclasses
from pathlib import Path

import pytest

from tapelight.app.dispatch import Dispatch, Folded, events_of, in_words
from tapelight.app.recording import Recording
from tapelight.engine import Cycle, Engine
from tapelight.model.batch import Batch, bars_of, quotes_of, trades_of
from tapelight.model.records import CalendarChoice, Mark, Questions, Record, Symbols
from tapelight.model.session import calendar
from tapelight.model.signals import Signal, witness
from tapelight.ports import Wanted
from tapelight.stores.signals import open_log, verify

MS = 1_000_000
NS = 1_000_000_000
START = 1_795_185_000 * NS
TEXTS = {
    "up": '-- gate = "none"\n-- kind = "events"\nSELECT symbol, last FROM market WHERE last > 10'
}


def trades(row: int, ts_ns: int, recv_ns: int, price: float = 10.5) -> Batch:
    return Batch(recv_ns, trades_of([row], [ts_ns], [price], [100.0], [0], [0], [0]))


class Clock:
    """Market time by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


class Station:
    """A recording, its engine and the dispatch between it and the listeners."""

    def __init__(self, data: Path, now_ns: int = START) -> None:
        self.clock = Clock()
        self.clock.now = now_ns
        self.published: list[Cycle] = []
        self.recording = Recording(data, calendar("XNYS"), now_ns)
        self.dispatch = Dispatch(self.clock, self.published.append)
        found = self.recording.opened.engine
        self.engine = found or Engine()
        self.newest = self.dispatch.open(data, self.engine, self.recording)
        if found is None:
            for record in (CalendarChoice("XNYS"), Symbols(0, ["A", "B"]), Questions(TEXTS)):
                self.take(record)

    def take(self, record: Record) -> Cycle | None:
        self.recording.append(record)
        return self.engine.apply(record)

    def put(self, batch: Batch, folded_ns: int) -> None:
        self.take(batch)
        self.clock.now = folded_ns
        self.dispatch.note(batch)

    def mark(self, ts_ns: int, answered_ns: int | None = None) -> list[Signal]:
        cycle = self.take(Mark(ts_ns, ts_ns))
        assert cycle is not None
        self.clock.now = answered_ns or ts_ns
        self.dispatch.on_cycle(cycle)
        return self.published[-1].signals

    def close(self) -> None:
        self.recording.close()
        self.dispatch.close()


def test_a_signal_bears_the_stamps_of_its_event(tmp_path: Path) -> None:
    station = Station(tmp_path)
    station.put(trades(0, START + 1 * MS, START + 30 * MS), START + 35 * MS)
    station.put(trades(0, START + 2 * MS, START + 36 * MS), START + 40 * MS)
    (signal,) = station.mark(START + 50 * MS, START + 52 * MS)
    hops = signal.hops
    assert hops is not None
    assert (hops.exchange_ns, hops.receive_ns) == (START + 2 * MS, START + 36 * MS)
    assert (hops.fold_ns, hops.fire_ns) == (START + 40 * MS, START + 52 * MS)
    assert hops.text == "50 ms (net 34, table 4, rule 12, send 0)"
    assert signal.event_ns == START + 2 * MS
    status = station.dispatch.status()
    assert status["signal_ms"]["net"] == {"p50": 34.0, "p99": 34.0}
    assert status["signal_ms"]["total"] == {"p50": 50.0, "p99": 50.0}
    station.close()


def test_a_signal_that_time_brought_has_no_event(tmp_path: Path) -> None:
    station = Station(tmp_path)
    station.put(trades(0, START + 1 * MS, START + 2 * MS), START + 3 * MS)
    fired = station.mark(START + 50 * MS)
    plain = dataclasses.replace(station.published[-1], signals=fired)
    station.dispatch.on_cycle(plain)
    hops = station.published[-1].signals[0].hops
    assert hops is not None
    assert (hops.exchange_ns, hops.receive_ns, hops.text) == (None, None, "")
    assert hops.fire_ns is not None
    assert station.dispatch.status()["signal_ms"]["rule"]["p50"] == 47.0
    station.close()


def test_who_alerts_hears_signals_with_their_stamps(tmp_path: Path) -> None:
    station, heard = Station(tmp_path), list[Cycle]()
    station.dispatch.heard = heard.append
    station.put(trades(0, START + 1 * MS, START + 2 * MS), START + 3 * MS)
    station.mark(START + 50 * MS)
    hops = heard[-1].signals[0].hops
    assert hops is not None
    assert hops.parts_ms()["total"] > 0
    station.close()


def test_trades_come_before_quotes_before_bars() -> None:
    quote = Batch(5, quotes=quotes_of([1, 2], [3, 4], [9.9] * 2, [10.0] * 2, [1.0] * 2, [1.0] * 2, [0] * 2))  # fmt: skip
    bar = Batch(8, bars=bars_of([[1, 3], [0, 0], [1, 1], *([[1.0] * 2] * 9)]))
    folded = [Folded(trades(1, 1, 2), 3), Folded(quote, 6), Folded(bar, 9)]
    found = events_of(folded, {1, 2, 3, 4})
    assert {row: tuple(stamps) for row, stamps in found.items()} == {
        1: (1, 2, 3), 2: (4, 5, 6), 3: (NS, 8, 9),
    }  # fmt: skip


def test_hops_in_words() -> None:
    parts = {"net": 61.2, "table": 8.9, "rule": 2.4, "send": 7.6, "total": 80.1}
    assert in_words(parts) == "80 ms (net 61, table 9, rule 2, send 8)"
    assert in_words({"send": 3.0}) == ""


def test_what_is_published_is_logged_once(tmp_path: Path) -> None:
    station = Station(tmp_path)
    station.put(trades(0, START + 1 * MS, START + 2 * MS), START + 3 * MS)
    fired = station.mark(START + 50 * MS)
    station.put(trades(1, START + 60 * MS, START + 61 * MS), START + 62 * MS)
    fired += station.mark(START + 100 * MS)
    assert station.mark(START + NS) == []
    log = station.dispatch.log
    assert log is not None
    assert log.wait()
    assert log.find(Wanted()) == fired[::-1]
    assert station.dispatch.status()["signal_log"]["counters"]["written"] == 2
    station.close()


@pytest.mark.parametrize("lost", [False, True])
def test_a_run_that_goes_on_logs_what_was_lost_and_nothing_twice(
    tmp_path: Path, lost: bool
) -> None:
    first = Station(tmp_path)
    if lost:
        assert first.dispatch.log is not None
        first.dispatch.log.close()
    first.put(trades(0, START + 1 * MS, START + 2 * MS), START + 3 * MS)
    fired = first.mark(START + 50 * MS)
    first.mark(START + NS)
    first.close()
    again = Station(tmp_path, START + 5 * NS)
    assert [witness(s) for s in again.newest] == [witness(s) for s in fired]
    again.put(trades(1, START + 6 * NS, START + 6 * NS), START + 6 * NS)
    more = again.mark(START + 6 * NS + 50 * MS)
    again.close()
    chain = verify(open_log(tmp_path))
    assert (len(more), chain.rows, chain.fault) == (1, 2, "")
