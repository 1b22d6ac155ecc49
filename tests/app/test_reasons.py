"""Reasons: live, of strategies, from the log, and in the process that answers for the past."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.test_why import SYMBOLS, data, ns, records
from tapelight.app.past import Live, Past
from tapelight.app.reasons import EngineReasons, Looker, asker_of, explained, near_now
from tapelight.app.views import EngineBoards
from tapelight.engine import Engine
from tapelight.errors import Missing
from tapelight.model.records import Mark, Record, Strategies
from tapelight.ports import Wanted
from tapelight.scan.source import choose, shipped
from tapelight.stores.signals import SignalLog

__all__ = ["data"]
LIMIT_S = 120.0
"""A fresh process may have to compile the loops first."""


def played(until: str) -> tuple[Engine, EngineBoards]:
    """Return the hand-made day's engine after the last mark at or before a time."""
    engine = Engine()
    boards = EngineBoards(engine)
    for record in up_to(until):
        cycle = engine.apply(record)
        if cycle is not None:
            boards.keep(cycle.rankings, cycle.signals)
    return engine, boards


def up_to(until: str) -> Iterator[Record]:
    """Yield the day's records up to the last mark at or before a time."""
    waiting: list[Record] = []
    for record in records():
        waiting.append(record)
        if isinstance(record, Mark):
            if record.ts_ns > ns(until):
                return
            yield from waiting
            waiting.clear()


def reasons(until: str, data: Path) -> EngineReasons:
    engine, boards = played(until)
    return EngineReasons(
        engine, boards, Past(data, "XNYS", lambda: Live(engine.last_mark_ns), LIMIT_S)
    )


async def test_now_is_the_table_and_the_newest_signal(tmp_path: Path) -> None:
    asked = reasons("09:41:32", tmp_path)
    told = await asked.why("ABC", "hod_momo", "")
    assert (told["ts_ns"], told["state"]) == (ns("09:41:32"), "")
    assert told["failed"][0]["name"] == "new_hod"
    assert told["muted"] == ("muted until 09:41:35: it fired at 09:41:30",)
    assert told["signal"]["ts_ns"] == ns("09:41:30.05")
    near = await asked.near("movers", 5, "")
    assert [m["symbol"] for m in near["misses"]] == ["ABC", "XYZ"]
    with pytest.raises(Missing, match="Did you mean movers"):
        await asked.near("mover", 5, "")


def test_while_a_mark_is_made_a_new_high_still_stands() -> None:
    engine, looker = Engine(), Looker("ABC", "hod_momo")
    assert looker.nearest(True) is None
    for record in up_to("09:41:07"):
        at_ns = record.ts_ns if isinstance(record, Mark) else 0
        engine.on_look = looker.look if at_ns > ns("09:41:05") else None
        engine.apply(record)
    highs = [told.leaves[0].true for told in looker.found]
    assert highs == [True, False, True, False]
    nearest, last = looker.nearest(True), looker.nearest(False)
    assert nearest is not None
    assert last is not None
    assert (nearest.ts_ns, last.ts_ns) == (ns("09:41:06.05"), ns("09:41:07"))
    assert explained(engine, "ABC", "hod_momo").leaves[0].true is False
    unseen, _ = played("09:41:07")
    assert engine.digest == unseen.digest


def test_a_question_that_an_edit_took_away_is_looked_at_no_more() -> None:
    engine, _ = played("09:41:07")
    for symbol, name in (("ABC", "gone"), ("NOBODY", "movers")):
        looker = Looker(symbol, name)
        looker.look(engine)
        assert looker.found == []


def test_who_is_armed_is_told_by_symbol() -> None:
    engine, _ = played("09:40:55")
    told = near_now(engine, "hod_momo", 5)
    assert (told["title"], told["armed"]) == ("Hod momo", SYMBOLS)


def test_names_that_run_are_found_and_others_named() -> None:
    engine, _ = played("09:40:51")
    assert asker_of(engine, "movers").name == "movers"
    with pytest.raises(Missing, match=r"'zz'\. There are hod_momo, movers\."):
        asker_of(engine, "zz")


def test_a_strategy_is_explained_with_the_leaves_of_its_frame() -> None:
    engine, _ = played("09:41:00")
    name = sorted(shipped())[0]
    engine.apply(Strategies({name: choose(name)}))
    told = explained(engine, "ABC", name)
    assert (told.kind, told.scan, told.true is True) == ("strategy", name, False)
    assert len(told.leaves) > 5
    assert told.text.startswith("failed: ")
    with pytest.raises(Missing, match=f"{name} is a strategy"):
        near_now(engine, name)


async def test_signals_are_those_of_this_process_and_the_log_before_them(tmp_path: Path) -> None:
    engine, boards = played("09:41:40")
    asked = EngineReasons(engine, boards, Past(tmp_path, "XNYS", lambda: Live(0)))
    newest = list(boards.newest)
    assert {s.state for s in newest} == {"armed", "fired"}
    assert await asked.signals(Wanted()) == newest
    asked.log = SignalLog(tmp_path)
    asked.log.append("2026-11-20/0001", newest[::-1])
    assert asked.log.wait()
    assert await asked.signals(Wanted()) == newest
    boards.newest.clear()
    boards.newest.extend(newest[:2])
    assert await asked.signals(Wanted()) == newest
    assert await asked.signals(Wanted(limit=1)) == newest[:1]
    fired = [s for s in newest if s.state == "fired"]
    assert await asked.signals(Wanted(state="fired", symbol="ABC")) == fired
    asked.log.close()


@pytest.mark.slow
async def test_the_past_is_answered_by_the_process_for_it(data: Path) -> None:
    asked = reasons("09:42:00", data)
    try:
        told = await asked.why("ABC", "hod_momo", "2026-11-20T09:41:07-05:00")
        assert told["text"].endswith("failed: float_shares unknown; fired at 09:41:30, 24 s later")
        assert told["next_ns"] == ns("09:41:30.05")
        near = await asked.near("movers", 1, "2026-11-20T09:41:07-05:00")
        assert near["misses"][0]["text"] == "last 10.06 >= 10.5 false"
        with pytest.raises(Missing, match="Did you mean ABC"):
            await asked.why("ABX", "hod_momo", "2026-11-20T09:41:07-05:00")
    finally:
        asked.past.close()
