"""The pages on the language say what is there, and their examples are questions."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from tapelight.app.listing import listing
from tapelight.config import Config
from tapelight.errors import ConfigError
from tapelight.market.column import columns
from tapelight.market.indicators import indicator_functions
from tapelight.scan.functions import functions
from tapelight.scan.questions import read_set
from tapelight.scan.source import shipped
from tapelight.scan.sql import compile_query

ROOT = Path(__file__).parents[1]
LANGUAGE = (ROOT / "docs" / "scan-language.md").read_text("utf-8")


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "write_reference", ROOT / "tools" / "write_reference.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_what_the_tool_writes() -> None:
    found = tool()
    assert found.PAGE.read_text("utf-8") == found.page(), "run tools/write_reference.py"


def test_the_dashboards_words_are_what_the_tool_writes() -> None:
    found = tool()
    for file, told in found.words().items():
        kept = (found.WORDS / file).read_text("utf-8")
        assert kept == found.text(told), "run tools/write_reference.py"


def test_every_example_is_a_question() -> None:
    blocks = re.findall(r"```sql\n(.*?)```", LANGUAGE, re.DOTALL)
    assert len(blocks) == 10
    named = {
        "thrust" if "push DESC" in text else f"example_{i}": text for i, text in enumerate(blocks)
    }
    found = read_set(named)
    assert [q.header.kind for q in found.questions].count("events") == 5


def refusals() -> list[tuple[str, str]]:
    part = LANGUAGE.partition("## What is refused")[2]
    return re.findall(r"\| `WHERE (.*?)` \| (.*?) \|", part)


@pytest.mark.parametrize(("condition", "says"), refusals())
def test_what_the_page_refuses_is_refused_so(condition: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_query(f"SELECT symbol FROM market WHERE {condition}")
    assert str(caught.value).startswith(says)


def test_every_condition_of_the_table_compiles() -> None:
    table = LANGUAGE.partition("## What conditions are made of")[2].partition("##")[0]
    for row in re.findall(
        r"^\| (?!what|---|arithmetic|by case)[^|]*\| (.*?) \|$", table, re.MULTILINE
    ):
        for condition in re.findall(r"`([^`]*)`", row):
            compile_query(f"SELECT symbol FROM market WHERE {condition}")


@pytest.mark.parametrize(
    ("what", "count"),
    [
        ("columns", len(columns())),
        ("functions", len(functions()) + len(indicator_functions())),
        ("strategies", len(shipped())),
    ],
)
def test_the_list_has_all_of_them(what: str, count: int) -> None:
    rows = list(listing(what, Config()))
    assert len(rows) == count
    assert all(row["name"] and row["text"] for row in rows)
    json.dumps(rows)


def test_enough_is_there() -> None:
    assert len(columns()) >= 80
    assert len(shipped()) >= 12
    assert len(list(listing("boards", Config()))) >= 28
    assert {"rsi", "macd_hist", "bbands_upper", "squeeze_bars"} <= set(indicator_functions())


def test_an_indicator_is_listed_with_parameters_outputs_and_group() -> None:
    (found,) = [row for row in listing("functions", Config()) if row["name"] == "macd_hist"]
    assert found["parameters"] == "fastperiod=12, slowperiod=26, signalperiod=9"
    assert (found["function"], found["topic"]) == ("MACD", "Momentum Indicators")
    assert found["inputs"] == "close"
