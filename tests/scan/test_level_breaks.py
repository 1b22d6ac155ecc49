"""A level that was broken is told once: not again because a spread or a volume flickers above it."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from market.tape import Tape
from tapelight.app.questions import shipped
from tapelight.app.scantest import Fixture, run_cases
from tapelight.model.records import Reference
from tapelight.scan.question import read_question

UP = {"open": 9.9, "rvol_tod": 2.5, "trade_rate": 1.0, "vol_rth": 90_000, "vol_1m": 5_000}
DOWN = {**UP, "open": 10.1}
GAP_UP, GAP_DOWN = {**UP, "open": 10.3, "gap_pct": 3.0}, {**UP, "open": 9.7, "gap_pct": -3.0}
LEVELS = [
    ("previous_high_break", "prev_high", UP, 10.01),
    ("previous_low_break", "prev_low", DOWN, 9.99),
    ("premarket_high_break", "pm_high", {**UP, "pm_vol": 50_000}, 10.01),
    ("red_to_green", "prev_close", UP, 10.01),
    ("green_to_red", "prev_close", DOWN, 9.99),
    ("gap_fill", "prev_close", GAP_UP, 10.0),
    ("gap_fill", "prev_close", GAP_DOWN, 10.0),
]


def steps(board: str, *rows: tuple[float, dict[str, Any], bool]) -> None:
    """Ask a shipped scan of one row at so many seconds, and check where it fires."""
    texts = shipped()
    case = {"name": board, "steps": [
        {"at": at, "rows": [{"symbol": "A", **row}], "expect": ["A"] if fires else []}
        for at, row, fires in rows
    ]}  # fmt: skip

    fixture = msgspec.convert({"case": [case]}, Fixture)
    for outcome in run_cases(read_question(board, texts[board]), fixture, texts, Path()):
        assert outcome.got == outcome.expected, (board, outcome)


@pytest.mark.parametrize(("board", "level", "row", "broken"), LEVELS)
def test_a_flicker_beyond_the_level_is_no_break(
    board: str, level: str, row: dict[str, Any], broken: float
) -> None:
    way = np.sign(broken - row["open"])
    before = {**row, level: 10.0, "last": 10.0 - way * 0.01, "chg_1m": 0.0}
    just = {**before, "last": broken, "chg_1m": 100 * (broken / (10.0 - way * 0.01) - 1)}
    held = {**just, "last": 10.0 + way, "chg_1m": way * 0.1}
    steps(
        board, (0, before, False), (1, just, True), (600, held, False),
        (4000, {**held, "spread_pct": 1.6}, False), (4600, held, False),
        (8200, {**held, "rvol_tod": 0.5}, False), (8800, held, False),
        (8900, before, False), (8990, just, True),
    )  # fmt: skip


@pytest.mark.parametrize(("board", "level", "row", "broken"), LEVELS)
def test_in_the_first_minute_the_open_is_what_it_came_from(
    board: str, level: str, row: dict[str, Any], broken: float
) -> None:
    young = {**row, level: 10.0, "last": broken, "vol_rth": 4_000}
    for ago in ({}, {"chg_1m": 100 * (broken / (10.5 if broken >= 10 else 9.5) - 1)}):
        steps(board, (0, {**young, **ago}, True))


def test_a_tape_that_holds_above_the_level_is_told_once() -> None:
    tape = Tape("A", known=False)
    tape.refer(Reference(symbol="A", type="CS", prev_close=9.8, prev_high=10.0, adv20=960_000.0))
    tape.profile(np.full(960, 1 / 960))
    tape.ask(previous_high_break=shipped()["previous_high_break"])
    tape.trade("09:20:00", 10.5)
    tape.quote("09:20:00", 10.49, 10.5)
    fired: list[str] = []

    def at(time: str, price: float, spread: float = 0.02) -> None:
        tape.trade(time, price, 20_000.0)
        tape.quote(time, price - spread, price)
        fired.extend(time for s in tape.mark(f"{time}.5").signals if s.state == "fired")

    at("09:30:05", 9.9)
    at("09:30:20", 10.02)
    assert fired == ["09:30:20"]
    for minute in range(31, 50, 2):
        at(f"09:{minute}:00", 11.0, 0.02)
        at(f"09:{minute}:30", 11.0, 0.2)
    assert fired == ["09:30:20"]
    at("09:54:00", 9.9)
    at("09:55:30", 10.02)
    assert fired == ["09:30:20", "09:55:30"]
