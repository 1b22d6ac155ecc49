"""LIKE against SQLite, and its cost on a hostile pattern."""

import random
import sqlite3
import sys
from types import FrameType
from typing import Any

import pytest

from tapelight.errors import ConfigError
from tapelight.scan.like import MAX_CHARS, MAX_PERCENTS, like


def test_two_thousand_cases_equal_sqlite() -> None:
    pick = random.Random(5)
    db = sqlite3.connect(":memory:")
    db.execute("PRAGMA case_sensitive_like = 1")
    seen = set()
    for _ in range(2_000):
        text = "".join(pick.choices("aAb.é", k=pick.randint(0, 9)))
        pattern = "".join(pick.choices("aAb.é%%__", k=pick.randint(0, 7)))
        truth = bool(db.execute("SELECT ? LIKE ?", (text, pattern)).fetchone()[0])
        assert like(pattern)(text) is truth, (text, pattern)
        seen.add(truth)
    db.close()
    assert seen == {True, False}


@pytest.mark.parametrize("pattern", ["%_" * 12 + "!", "%_" * 12 + "!%", "%a" * 12 + "%!%"])
def test_a_hostile_pattern_takes_few_steps(pattern: str) -> None:
    test, name, steps = like(pattern), "a" * 31, 0

    def count(_frame: FrameType, event: str, _arg: Any) -> Any:
        nonlocal steps
        steps += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        found = test(name)
    finally:
        sys.settrace(before)
    assert found is False
    assert steps < 2_000


def test_a_pattern_is_bounded() -> None:
    assert like("%" * MAX_PERCENTS)("x")
    assert not like("x" * MAX_CHARS)("x")
    for pattern in ("%" * (MAX_PERCENTS + 1), "x" * (MAX_CHARS + 1)):
        with pytest.raises(ConfigError, match="at most 200 characters and 16 %: shorten"):
            like(pattern)
