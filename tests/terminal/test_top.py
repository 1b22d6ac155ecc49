"""The terminal over a real gateway: board, tape, symbol, health; hostile words; a gateway that dies."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from notebook.test_stream import Desk, running
from tapelight.model.signals import Signal
from tapelight.notebook.stream import Stream
from tapelight.terminal.cells import cell, flat, number, plain
from tapelight.terminal.top import Top
from web.by_hand import COLUMNS, OPEN_NS

pytestmark = pytest.mark.integration

EVIL = "\x1b[31m[red]X[/red]"
SIZE = (140, 40)


@contextlib.asynccontextmanager
async def screen(desk: Desk) -> AsyncIterator[tuple[Top, Pilot[None]]]:
    app = Top(Stream(desk.url, []), ["gainers", "losers"], "gainers")
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "live" in head(app))
        yield app, pilot


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await pilot.pause(0.02)


def head(app: Top) -> str:
    return str(app.query_one("#head", Static).content)


def side(app: Top) -> list[str]:
    """Return the cells of the side panel."""
    found: Any = app.query_one("#side", Static).content
    if not hasattr(found, "columns"):
        return [str(found)]
    return [str(c) for column in found.columns for c in column.cells]


def side_title(app: Top) -> object:
    return getattr(app.query_one("#side", Static).content, "title", "")


def rows(app: Top, name: str) -> list[list[str]]:
    table = app.query_one(f"#{name}", DataTable)
    return [[str(c) for c in table.get_row_at(i)] for i in range(table.row_count)]


async def test_board_tape_symbol_and_health() -> None:
    async with running() as desk, screen(desk) as (app, pilot):
        await until(pilot, lambda: bool(rows(app, "board")) and bool(rows(app, "tape")))
        assert rows(app, "board") == [["TSLA", "250.00", "3.25"], ["AAPL", "190.50", "-"]]
        assert rows(app, "tape")[0] == ["09:30:00", "AAPL", "hod  AAPL new high 2"]
        assert "feed massive live" in head(app)
        assert "stale 3" in head(app)
        await pilot.press("down", "enter")
        await until(pilot, lambda: "symbol:AAPL" in app.stream._topics)
        desk.bus.publish("symbol:AAPL", {"mark": 9, "ts_ns": OPEN_NS, "columns": COLUMNS,
                                         "values": {"last": 190.5, "halted": True}})  # fmt: skip
        await until(pilot, lambda: "last" in side(app))
        assert side(app) == ["last", "halted", "190.50", "yes"]
        await pilot.press("h")
        await until(pilot, lambda: "lag_ms.p99" in side(app))
        assert "20.25" in side(app)


async def test_keys_change_and_freeze_the_board() -> None:
    async with running() as desk, screen(desk) as (app, pilot):
        await until(pilot, lambda: bool(rows(app, "board")))
        await pilot.press("]")
        await until(pilot, lambda: "board:losers" in app.stream._topics)
        assert app.board == "losers"
        assert "board:gainers" not in app.stream._topics
        await pilot.press("[")
        await until(pilot, lambda: len(rows(app, "board")) == 2)
        await pilot.press("space")
        desk.publish_board(order=["AAPL"], rows={"AAPL": [1.0, 2.0]})
        await until(pilot, lambda: app._views["board:gainers"]["order"] == ["AAPL"])
        await pilot.pause(0.4)
        assert len(rows(app, "board")) == 2
        await pilot.press("space")
        await until(pilot, lambda: rows(app, "board") == [["AAPL", "1.00", "2.00"]])


async def test_hostile_words_are_text() -> None:
    async with running() as desk, screen(desk) as (app, pilot):
        desk.publish_board(order=[EVIL], rows={EVIL: [EVIL, None]})
        await until(pilot, lambda: rows(app, "board")[:1] == [[plain(EVIL), plain(EVIL), "-"]])
        told = Signal(id="x", scan=EVIL, symbol=EVIL, state="fired", ts_ns=OPEN_NS + NS, mark=9,
                      values={}, text=EVIL)  # fmt: skip
        desk.bus.publish("signals", {"mark": 9, "ts_ns": OPEN_NS, "signals": [told]})
        await until(pilot, lambda: rows(app, "tape")[0][1] == plain(EVIL))
    assert plain(EVIL) == " [31m[red]X[/red]"


NS = 1_000_000_000


async def test_a_gateway_that_dies_is_shown_and_found_again() -> None:
    async with running() as desk, screen(desk) as (app, pilot):
        await until(pilot, lambda: bool(rows(app, "board")))
        await desk.stop()
        app.symbol = "AAPL"
        app._views["symbol:AAPL"] = {"values": {"last": 190.5, "stale": False}}
        await until(pilot, lambda: "lost" in head(app))
        await until(pilot, lambda: "AAPL  STALE" in str(side_title(app)))
        assert app.query_one("#board", DataTable).border_title == "gainers  (STALE)"
        assert f"127.0.0.1:{desk.port}" in head(app)
        desk.start("e2")
        await until(pilot, lambda: "lost" not in head(app))
        assert rows(app, "board")[0][0] == "TSLA"
        assert app.query_one("#board", DataTable).border_title == "gainers"


async def test_a_board_that_goes_ends_with_the_reason() -> None:
    async with running() as desk:
        app = Top(Stream(desk.url, []), ["gone"], "gone")
        async with app.run_test(size=SIZE) as pilot:
            await until(pilot, lambda: app.return_code is not None)
    assert app.return_code == 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (True, "yes"), (False, ""), (0.0, "0.00"), (0, "0"), (987, "987"), (0.01234, "0.0123"), (12.345, "12.35"),
     (1234.0, "1234"), (12_345.0, "12.35k"), (1.25e6, "1.25M"), (-3e9, "-3B"), ("a" * 60, "a" * 39 + "…")],
)  # fmt: skip
def test_cells(value: Any, shown: str) -> None:
    assert str(cell(value)) == shown


def test_a_report_is_flat() -> None:
    told = flat({"a": 1, "b": {"c": "", "d": {"e": 2.5}}, "f": [1], "g": None})
    assert list(told) == [("a", 1), ("b.d.e", 2.5)]
    assert number(999.5) == "999.50"
