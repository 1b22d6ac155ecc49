"""The books: what came in is folded, superseded, rejected or expired, stage by stage."""

from pathlib import Path

import numpy as np
import pytest

from tapelight.app.accounts import accounts, table_account, unaccounted
from tapelight.app.measures import books_measures, scanner_measures
from tapelight.app.scanner import Scanner
from tapelight.engine import Engine
from tapelight.model.batch import Batch, bands_of, bars_of, quotes_of, trades_of
from tapelight.model.records import Correction, Mark, Print, Questions, Snapshot, Symbols
from tapelight.model.session import MINUTE_NS, NS, calendar, parse_time, session_after
from tapelight.web.metrics import exposition

SESSION = session_after(calendar("XNYS"), parse_time("2026-11-20T00:00:00-05:00", None))  # type: ignore[arg-type]
NOON_NS = SESSION.open_ns + 150 * MINUTE_NS
NAN = np.nan


@pytest.fixture
def engine() -> Engine:
    engine = Engine("XNYS")
    engine.apply(Symbols(0, ["A", "B", "C"]))
    engine.apply(Mark(NOON_NS, NOON_NS))
    return engine


def trade(row: int, ts_ns: int, seq: int) -> Batch:
    return Batch(NOON_NS, trades=trades_of([row], [ts_ns], [10.0], [100.0], [0], [4], [seq]))


def bar(row: int, start_ns: int, span_s: int) -> Batch:
    columns = [[row], [start_ns], [span_s], [10.0], [10.0], [10.0], [10.0], [5.0], *[[NAN]] * 4]
    return Batch(NOON_NS, bars=bars_of(columns))


def picture(row: int, updated_ns: int) -> Snapshot:
    floats = [np.array([10.0]) for _ in range(11)]
    return Snapshot(NOON_NS, np.array([row], np.int32), np.array([updated_ns]), *floats)


def test_every_event_of_the_table_has_its_place(engine: Engine) -> None:
    minute = NOON_NS // MINUTE_NS * MINUTE_NS
    wrong = Print(NOON_NS, 10.0, 100.0, 0, 4)
    for record in (
        trade(0, NOON_NS, 1),
        trade(0, NOON_NS, 1),  # a repeat
        trade(0, SESSION.start_ns - NS, 2),  # of the day before
        trade(0, NOON_NS + 10**6 * NS, 3),  # of a session to come
        bar(0, minute, 60),  # the row has trades
        bar(1, minute - MINUTE_NS, 60),
        bar(1, minute - MINUTE_NS, 60),  # again: replaces
        picture(2, NOON_NS),
        trade(2, NOON_NS - NS, 1),  # inside the picture
        Batch(NOON_NS, quotes=quotes_of([0], [NOON_NS], [9.9], [10.1], [1.0], [1.0], [0])),
        Batch(NOON_NS, bands=bands_of([0], [NOON_NS], [9.0], [11.0])),
        Correction(NOON_NS, "A", wrong, None, ()),
    ):
        engine.apply(record)
    assert table_account(engine.table) == {
        "in": 11, "folded": 6, "superseded": 3, "rejected": 0, "expired": 2,
        "ignored": 0, "waiting": 0, "unaccounted": 0,
    }  # fmt: skip


def test_a_feed_is_asked_for_what_it_decoded_and_held_back(engine: Engine) -> None:
    engine.apply(trade(0, NOON_NS, 1))
    feed = {"events": 14, "trades": 5, "quotes": 2, "superseded": 1, "rejected": 3,
            "statuses": 2, "ignored": 1, "expired": 2, "waiting": 1, "frames": 9}  # fmt: skip
    found = accounts(feed, engine.table, taken=4)
    assert {k: v for k, v in found["decode"].items() if v} == {
        "in": 14, "folded": 7, "superseded": 1, "rejected": 3, "ignored": 3,
    }  # fmt: skip
    assert {k: v for k, v in found["line"].items() if v} == {
        "in": 7, "folded": 4, "expired": 2, "waiting": 1,
    }  # fmt: skip
    assert unaccounted(found) == 0
    found = accounts(feed | {"events": 16}, engine.table, taken=6)
    assert (found["decode"]["unaccounted"], found["line"]["unaccounted"]) == (2, -2)
    assert unaccounted(found) == 4
    lost = accounts(feed | {"waiting": 0}, engine.table, taken=4)
    assert lost["line"]["unaccounted"] == 1


def test_a_feed_of_samples_has_no_line_and_one_that_counts_nothing_no_books(engine: Engine) -> None:
    feed = {"events": 9, "prints": 4, "superseded": 2, "rejected": 1, "expired": 1, "waiting": 1}
    found = accounts(feed, engine.table, taken=7)
    assert list(found) == ["decode", "table"]
    assert unaccounted(found) == 0
    assert list(accounts({"requests": 3}, engine.table, taken=0)) == ["table"]


def test_the_books_are_metrics(engine: Engine) -> None:
    engine.apply(trade(0, NOON_NS, 1))
    books = accounts({}, engine.table, taken=1)
    status = {"accounts": books, "unaccounted": unaccounted(books), "counters": {}}
    text = exposition(lambda: books_measures(status))().decode()
    assert 'tapelight_events_total{fate="folded",stage="table"} 1.0' in text
    assert 'tapelight_events_waiting{stage="table"} 0.0' in text
    assert "tapelight_events_unaccounted 0.0" in text


def test_a_scanner_without_a_clock_has_its_measures_all_the_same(tmp_path: Path) -> None:
    scanner = Scanner(tmp_path, Questions({}), "XNYS")
    names = {measure.name for measure in scanner_measures(scanner)}
    assert "rows" in names
    assert "data_age_seconds" not in names
