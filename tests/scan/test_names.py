"""Columns that one question names and another uses; where a file's faults are."""

import pytest

from market.tape import Tape
from tapelight.errors import ConfigError
from tapelight.market.view import View
from tapelight.model.records import Questions
from tapelight.scan.questions import read_set
from tapelight.scan.sql import answer, compile_query

FIRST = '-- gate = "none"\nSELECT symbol, last - prev_close AS gain, gain / prev_close AS part FROM market'
SECOND = (
    '-- gate = "none"\n-- kind = "events"\nSELECT symbol, first.gain AS won FROM market WHERE {}'
)


def names(**texts: str) -> list[str]:
    return [question.name for question in read_set(texts).questions]


def test_a_scan_uses_the_names_of_a_board() -> None:
    tape = Tape("A", "B")
    tape.ask(first=FIRST, second=SECOND.format("first.part > 0.1 AND first.symbol = 'B'"))
    tape.trade("10:00:00", 10.9)
    tape.trade("10:00:00", 12.0, symbol="B")
    (signal,) = tape.mark("10:00:00").signals
    assert (signal.symbol, signal.values) == ("B", {"symbol": "B", "won": 2.0})
    assert [leaf.name for leaf in signal.why] == ["first.part", "first.symbol"]
    query = compile_query("SELECT symbol FROM market WHERE first.gain < 1", names=tape.engine.names)
    assert [row["symbol"] for row in answer(query, View(tape.table))] == ["A"]


def test_a_condition_of_the_header_uses_them_too() -> None:
    text = SECOND.format("last > 12").replace("-- kind", '-- armed = "first.gain > 1"\n-- kind')
    assert names(second=text, first=FIRST) == ["first", "second"]


def test_order_of_names_does_not_matter_and_chains_are_followed() -> None:
    texts = {
        "a": "SELECT b.x + 1 AS x FROM market",
        "b": "SELECT c.x + 1 AS x FROM market",
        "c": "SELECT last AS x FROM market WHERE symbol <> 'a.x'",
    }
    found = read_set(texts)
    assert [q.name for q in found.questions] == ["a", "b", "c"]
    assert "last" in found.questions[0].query.used


def test_a_version_follows_what_it_rests_on() -> None:
    def versions(first: str) -> tuple[str, ...]:
        found = read_set({"first": first, "second": SECOND.format("first.gain > 1")})
        return tuple(question.version for question in found.questions)

    before, after = versions(FIRST), versions(FIRST.replace("last -", "open -"))
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert versions(FIRST) == before


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ({"a": "SELECT b.x AS x FROM market", "b": "SELECT a.x AS x FROM market"},
         "a.sql: names go round in a circle, a -> b -> a"),
        ({"a": "SELECT a.x AS x FROM market"}, "a.sql: names go round in a circle, a -> a"),
        ({"first": FIRST, "b": "SELECT frist.gain AS x FROM market"},
         "b.sql: There is no table 'frist' and no question of that name, did you mean first?"),
        ({"first": FIRST, "b": "SELECT first.gian AS x FROM market"},
         "b.sql: first names no column 'gian', did you mean gain?"),
        ({"first": FIRST, "b": "SELECT first.zzz AS x FROM market"},
         "it names symbol, gain, part."),
        ({"first": FIRST.replace("prev_close", "prev_clos", 1), "b": "SELECT 1 AS x FROM market"},
         "first.sql: Unknown column 'prev_clos', did you mean prev_close? (line 2, column 23)"),
    ],
)  # fmt: skip
def test_faults_name_the_file(texts: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_set(texts)
    assert says in str(caught.value)


def test_faults_count_the_lines_of_the_file() -> None:
    text = '-- title = "t"\n\n-- gate = "none"\nSELECT symbol\nFROM market\nWHERE lst > 1'
    with pytest.raises(ConfigError, match=r"\(line 6, column 7\): lst"):
        read_set({"a": text})
    with pytest.raises(ConfigError, match=r"\(line 6, column"):
        read_set({"a": text.replace("lst > 1", "last > (1")})
    with pytest.raises(ConfigError, match="In the gate: Unknown column 'lst'"):
        read_set({"a": '-- gate = "lst > 1"\nSELECT symbol FROM market'})


def test_an_engine_refuses_a_set_and_keeps_the_one_it_has() -> None:
    tape = Tape()
    tape.ask(first=FIRST)
    with pytest.raises(ConfigError):
        tape.engine.apply(Questions({"b": "SELECT c.x AS y FROM market"}))
    assert list(tape.engine.boards) == ["first"]
    assert tape.engine.questions == Questions({"first": FIRST})
