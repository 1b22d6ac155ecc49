"""Strategies give one digest, however their input was cut, numbered or resumed."""

import dataclasses

import numpy as np
import pytest

from market.tape import DAY
from market_tape import Day, begin_engine, make_day, play
from tapelight.app.frozen import freeze, thaw
from tapelight.engine import Engine
from tapelight.model.records import Strategies
from tapelight.model.session import NS, calendar
from tapelight.scan.source import choose, shipped

pytestmark = pytest.mark.slow

BUSY = """
import numpy as np
from tapelight.scan.strategy import LONG, SHORT, Entries, Exit, Strategy, above, multiples

class Busy(Strategy):
    title = "Busy"
    sides = ("long", "short")
    memory = {"top": float("nan"), "asked": 0}
    gated = frozenset()

    def signals(self, look):
        last, top = look["last"], look.kept("top")
        side = np.where(look["chg_30s"] > 0, LONG, SHORT).astype(np.int8)
        stop = last * (1 - 0.01 * side)
        return Entries(
            when=(above("asked", look.kept("asked").astype(float), 3.0),
                  above("move", np.abs(look["chg_30s"]), 0.02)),
            side=side, entry=last, stop=stop, targets=multiples(last, stop, 0.2, 0.4),
            armed=np.abs(look["chg_30s"]) > 0.01,
            exits=(Exit("invalid", "new top", last > top),),
            exit_ns=look.now_ns + 5 * 10**9,
            keep={"top": np.fmax(top, last), "asked": look.kept("asked") + 1},
        )
"""
SESSION = calendar("XNYS").session_on(DAY)
assert SESSION is not None


@pytest.fixture(scope="module")
def day() -> Day:
    return make_day(SESSION, SESSION.open_ns + 600 * NS, seed=4, n=4_000, symbols=30, span_s=25.0)


def begin(day: Day, order: list[int] | None = None) -> Engine:
    engine = begin_engine(day, DAY.isoformat(), order)
    chosen = {name: choose(name) for name, kind in shipped().items() if kind.enabled}
    engine.apply(Strategies({**chosen, "busy": choose("busy", "cooldown_s = 2", BUSY)}))
    return engine


@pytest.fixture(scope="module")
def whole(day: Day) -> list[str]:
    return play(begin(day), day, 2_000)


def test_batches_of_any_size_give_one_digest(day: Day, whole: list[str]) -> None:
    engine = begin(day)
    assert play(engine, day, 7) == whole
    course = engine.strategies["busy"].course
    assert course["tries"].sum() > 15
    assert {rule.fault for rule in engine.strategies.values()} == {""}


def test_other_row_numbers_give_the_same_digest(day: Day, whole: list[str]) -> None:
    order = np.random.default_rng(3).permutation(len(day.symbols))
    new_row = np.argsort(order).astype(np.int32)
    moved = dataclasses.replace(
        day,
        trades=dataclasses.replace(day.trades, row=new_row[day.trades.row]),
        quotes=dataclasses.replace(day.quotes, row=new_row[day.quotes.row]),
    )
    assert play(begin(day, order.tolist()), moved, 2_000) == whole


def test_a_snapshot_in_between_gives_the_same_digest(day: Day, whole: list[str]) -> None:
    half = len(day.marks) // 2
    engine = begin(day)
    first = play(engine, day, 2_000, marks=slice(0, half))
    rest = play(thaw(freeze(engine)), day, 2_000, marks=slice(half, None))
    assert first + rest == whole
