"""A frozen and thawed engine goes on as if nothing had been."""

import datetime as dt

import pytest

from market_tape import Day, begin_engine, make_day, play
from tapelight.app.frozen import freeze, thaw
from tapelight.errors import Rejected
from tapelight.model.records import Halt, Mark, Reference, References
from tapelight.model.session import NS, calendar
from tapelight.stores.journal.snapshots import read_snapshot, write_snapshot

pytestmark = pytest.mark.integration

DATE = dt.date(2026, 11, 20)
SESSION = calendar("XNYS").session_on(DATE)
assert SESSION is not None
NEXT = calendar("XNYS").session_on(dt.date(2026, 11, 23))
assert NEXT is not None


@pytest.fixture(scope="module")
def day() -> Day:
    assert SESSION is not None
    return make_day(SESSION, SESSION.open_ns - 20 * NS, seed=11, n=4_000, span_s=60.0)


@pytest.mark.parametrize("marks", [1, 333, 700])
def test_both_go_on_with_equal_digests(day: Day, marks: int, tmp_path: object) -> None:
    engine = begin_engine(day, DATE.isoformat())
    engine.apply(Halt(SESSION.open_ns, day.symbols[3], True, "T1"))
    play(engine, day, 50, marks=slice(0, marks))
    twin = thaw(freeze(engine))
    assert twin.digest == engine.digest
    rest = slice(marks, None)
    assert play(twin, day, 50, marks=rest) == play(engine, day, 50, marks=rest)
    assert twin.table.live.tolist().__repr__() == engine.table.live.tolist().__repr__()


def test_a_snapshot_file_holds_all_of_it(day: Day, tmp_path: object) -> None:
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    engine = begin_engine(day, DATE.isoformat())
    play(engine, day, 50, marks=slice(0, 600))
    write_snapshot(tmp_path, 7, freeze(engine))
    found = read_snapshot(tmp_path)
    assert found is not None
    twin = thaw(found[1])
    assert play(twin, day, 50, marks=slice(600, None)) == play(
        engine, day, 50, marks=slice(600, None)
    )


def test_what_the_roll_left_is_in_it(day: Day) -> None:
    assert NEXT is not None
    engine = begin_engine(day, DATE.isoformat())
    play(engine, day, 50)
    engine.apply(Mark(SESSION.close_ns, SESSION.close_ns))
    engine.apply(Mark(NEXT.start_ns, NEXT.start_ns))
    twin = thaw(freeze(engine))
    late = References("2026-11-23", [Reference(symbol=day.symbols[0], float_shares=5e6)])
    for each in (engine, twin):
        each.apply(late)
    mine, theirs = (e.table.reference.numbers for e in (twin, engine))
    n = engine.table.n
    assert {k: repr(v[:n].tolist()) for k, v in mine.items()} == {
        k: repr(v[:n].tolist()) for k, v in theirs.items()
    }
    after = make_day(NEXT, NEXT.start_ns + NS, seed=12, n=500, span_s=10.0)
    assert play(twin, after, 50) == play(engine, after, 50)


def test_another_versions_state_is_rejected(day: Day) -> None:
    state = freeze(begin_engine(day, DATE.isoformat()))
    state["scalars"] = b"\x80"
    with pytest.raises(Rejected, match="another version"):
        thaw(state)
