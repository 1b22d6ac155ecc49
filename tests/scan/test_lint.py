"""Lint says what a sound question probably does not mean; the shipped ones say what they mean."""

import numpy as np
import pytest

from replay.tape import Tape, live
from tapelight.app.questions import shipped
from tapelight.market.view import View
from tapelight.scan.lint import NULL_IN, lint
from tapelight.scan.question import read_question
from tapelight.scan.questions import read_set

BOARD = "SELECT symbol, last FROM market WHERE {} ORDER BY last DESC LIMIT 50"
EVENTS = '-- kind = "events"\n-- gate = "none"\n{}\nSELECT symbol, last FROM market WHERE {}'


def findings(text: str) -> list[tuple[str, int | None, int | None]]:
    return [(f.rule, f.line, f.column) for f in lint(read_question("mine", text))]


def said(text: str) -> str:
    return " ".join(f.message for f in lint(read_question("mine", text)))


def test_the_shipped_questions_are_clean() -> None:
    found = {q.name: lint(q) for q in read_set(shipped()).questions}
    assert {name: told for name, told in found.items() if told} == {}


@pytest.mark.parametrize(
    ("where", "rule", "column", "words"),
    [
        ("NOT float_shares > 5", "null", 43, "false where float_shares is unknown"),
        ("NOT (float_shares BETWEEN 1 AND 5)", "null", 44, "turn the comparison round"),
        ("float_shares <> 5", "null", 39, "add OR float_shares IS NULL"),
        ("float_shares = NULL", "null", 39, "write IS NULL"),
        ("last > 20 AND chg_pct > 1 AND last < 5", "bounds", 69, "last > 20 and last < 5"),
        ("last > 5 AND last <= 5", "bounds", 52, "never true"),
        ("chg_pct BETWEEN 5 AND 1", "bounds", 39, "chg_pct BETWEEN 5 AND 1"),
        ("5 > chg_pct AND chg_pct = 6", "bounds", 39, "chg_pct = 6"),
    ],
)
def test_null_traps_and_bounds_are_told_with_their_place(
    where: str, rule: str, column: int, words: str
) -> None:
    text = BOARD.format(where)
    (found,) = lint(read_question("mine", text))
    assert found.rule == rule
    assert words in found.message
    assert (found.line, found.column) == (1, column)


def test_bounds_are_held_against_the_gate() -> None:
    gated = "-- gate = \"last >= 1 AND type IN ('CS', 'ADR')\"\n"
    assert "Nothing meets last >= 1 and last < 0.5" in said(gated + BOARD.format("last < 0.5"))
    assert "No type meets" in said(gated + BOARD.format("type = 'ETF'"))
    assert findings(gated + BOARD.format("type = 'ADR'")) == []


@pytest.mark.parametrize(
    "where",
    [
        "float_shares <= 5",
        "NOT halted",
        "NOT (halted OR stale)",
        "exchange <> 'XNAS'",
        "last > 5 AND last < 20 OR last < 2",
        "last BETWEEN 5 AND 5",
        "float_shares <> 5 OR float_shares IS NULL",
    ],
)
def test_what_is_meant_so_is_left_alone(where: str) -> None:
    told = findings(BOARD.format(where))
    assert told == [] or where.startswith("float_shares <>")


def test_a_forming_bar_repaints() -> None:
    text = EVENTS.format("-- cooldown_s = 60.0", "rsi(14, '5m', forming) < 30")
    assert findings(text) == [("look-ahead", None, None)]
    assert "changes until its bar closes" in said(text)
    assert findings(text.replace(", forming", "")) == []


def test_what_has_no_bound_is_told() -> None:
    assert "add LIMIT 50" in said("SELECT symbol FROM market WHERE last > 5 ORDER BY last")
    assert "more than anybody reads" in said(
        "SELECT symbol FROM market WHERE last > 5 ORDER BY last LIMIT 5000"
    )
    assert "how often it fires" in said(EVENTS.format("", "chg_pct > 5"))
    assert "order the whole market" in said(
        EVENTS.format("-- rearm_pct = 1.0", "rank_in(sector, chg_pct) < 3")
    )


def test_what_does_nothing_is_told() -> None:
    text = EVENTS.format("-- cooldown_s = 1.0", "chg_pct > 5 ORDER BY last LIMIT 5")
    assert [rule for rule, *_ in findings(text)] == ["idle", "idle"]
    assert "first of the alphabet" in said("SELECT symbol FROM market WHERE last > 5 LIMIT 5")


def test_columns_that_are_unknown_in_the_asked_phases_are_told() -> None:
    text = '-- phases = ["pre"]\n' + BOARD.format("vwap_dist_pct > 1")
    assert findings(text) == [("null", 2, 39)]
    assert findings(text.replace('"pre"', '"pre", "regular"')) == []
    both = text.replace("vwap_dist_pct > 1", "(vwap_dist_pct > 1 OR chg_pct > 1)")
    assert findings(both) == []


@pytest.mark.parametrize(("start", "phase"), [("07:00:00", "pre"), ("16:10:00", "post")])
def test_no_row_knows_those_columns_in_that_phase(start: str, phase: str) -> None:
    engine = live(Tape(start=f"2026-11-20T{start}", seconds=3).records(), None).engine
    view = View(engine.table)
    known = [n for n in NULL_IN[phase] if not np.isnan(np.asarray(view[n], np.float64)).all()]
    assert known == []
