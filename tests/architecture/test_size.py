"""Sizes that ask for a better noun. A longer one may stand with its reason, written here."""

import statistics
from collections.abc import Callable

import pytest

from architecture import rules

MAX_FUNCTION = 60
MAX_FILE = 400
MAX_MEDIAN = 10
FOLDERS = (rules.SRC, rules.ROOT / "tools")

LONG_FUNCTIONS: dict[str, str] = {}
"""name: why it is better in one piece"""
LONG_FILES: dict[str, str] = {"src/tapelight/ports.py": "every Protocol of the system on one page"}


@pytest.fixture(scope="module")
def functions() -> list[rules.Size]:
    return [size for folder in FOLDERS for size in rules.functions(rules.read_sources(folder))]


def files() -> list[rules.Size]:
    return [
        rules.Size(str(path.relative_to(rules.ROOT)), len(path.read_text().splitlines()))
        for folder in FOLDERS
        for path in sorted(folder.rglob("*.py"))
    ]


def test_no_function_is_long_without_a_reason(functions: list[rules.Size]) -> None:
    long = {size.name: size.lines for size in functions if size.lines > MAX_FUNCTION}
    assert {name: lines for name, lines in long.items() if name not in LONG_FUNCTIONS} == {}
    assert set(LONG_FUNCTIONS) - set(long) == set(), "no longer long: drop the reason"


def test_no_file_is_long_without_a_reason() -> None:
    long = {size.name: size.lines for size in files() if size.lines > MAX_FILE}
    assert {name: lines for name, lines in long.items() if name not in LONG_FILES} == {}
    assert set(LONG_FILES) - set(long) == set(), "no longer long: drop the reason"


def test_the_median_function_is_small(
    functions: list[rules.Size], record_property: Callable[[str, object], None]
) -> None:
    median = statistics.median(size.lines for size in functions)
    record_property("told", f"{len(functions)} functions, median {median:g} lines")
    assert median <= MAX_MEDIAN


def test_the_count_takes_in_methods_and_nested_functions() -> None:
    sources = rules.parse(m="class C:\n  def f(self):\n    def g():\n      pass\n    return g\n")
    assert list(rules.functions(sources)) == [rules.Size("m.C.f", 4), rules.Size("m.C.f.g", 2)]
