"""docs/strategies.md: its example runs and conforms, its table is what ships."""

import re
from pathlib import Path

import pytest

from strategy_tape import StrategyTape
from tapelight.scan.source import load, shipped
from tapelight.testing.conformance import check_strategy

TEXT = (Path(__file__).parents[2] / "docs" / "strategies.md").read_text("utf-8")


def example() -> str:
    return re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[0]


def test_the_example_fires_once() -> None:
    tape = StrategyTape("prior_high", source=example(), prev_high=10.4)
    tape.minutes("10:00", *[(10.3, 10.35, 10.25, 10.3, 180_000.0)] * 2)
    assert tape.print("10:02:05", 10.4) == []
    assert tape.failing() == ["last"]
    (fired,) = tape.print("10:02:06", 10.41)
    plan = fired.plan
    assert plan is not None
    assert (plan.entry, plan.stop) == (10.41, pytest.approx(10.3059))
    assert plan.targets == pytest.approx((10.5141, 10.6182))
    tape.print("10:02:07", 10.42)
    tape.print("10:02:08", 10.7)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "target"), ("exit", "target")]


@pytest.mark.slow
def test_the_example_conforms() -> None:
    check_strategy(load("prior_high", example()))


def test_the_table_says_what_ships() -> None:
    rows = re.findall(
        r"^\| (S\d+|extra) \| `(\w+)` \| ([^|]+) \| ([^|]+) \| (\w+).* \| (.+) \|$", TEXT, re.M
    )
    said = {name: (code, title, sides, runs, doc) for code, name, title, sides, runs, doc in rows}
    assert said == {
        name: (
            kind.code or "extra", kind.title, ", ".join(kind.sides), "yes" if kind.enabled else "no", kind.doc,
        )
        for name, kind in shipped().items()
    }  # fmt: skip
