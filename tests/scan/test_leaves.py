"""The comparisons of a condition one by one, and what they come to."""

from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from market.tape import Tape
from scan.sentences import Sentences, market
from tapelight.engine import Engine
from tapelight.errors import ConfigError
from tapelight.market.view import View
from tapelight.model.signals import Leaf
from tapelight.scan.explain import failing, verdict
from tapelight.scan.leaves import leaves, tree_of
from tapelight.scan.sql import compile_query
from tapelight.scan.wording import faulted, listed, number, said, span


@cache
def drawn_market() -> Engine:
    return market(60)


def tape() -> Tape:
    """One symbol: last 10.5, prev_close 10, no 52-week high, exchange unknown, not halted."""
    made = Tape("A")
    made.trade("10:00:00", 10.5, 300.0)
    made.mark("10:00:01")
    return made


def seen(where: str, gate: str = "", select: str = "1") -> tuple[Leaf, ...]:
    query = compile_query(f"SELECT {select} FROM market WHERE {where}", gate)
    (found,) = leaves(tree_of(query), View(tape().table), np.zeros(1, np.intp))
    return found


@pytest.mark.parametrize(
    ("where", "leaf"),
    [
        ("last > 10", Leaf("last", 10.5, ">", 10.0, True)),
        ("10 <= last", Leaf("last", 10.5, ">=", 10.0, True)),
        ("-10 < last", Leaf("last", 10.5, ">", -10.0, True)),
        ("NOT last > 10", Leaf("last", 10.5, "<=", 10.0, False)),
        ("last <> 10.5", Leaf("last", 10.5, "<>", 10.5, False)),
        ("last > prev_close", Leaf("last", 10.5, ">", 10.0, True, (), "prev_close")),
        ("last < 2 * prev_close", Leaf("last", 10.5, "<", 20.0, True, (), "2 * prev_close")),
        ("abs(chg_pct) >= 7", Leaf("abs(chg_pct)", 5.0, ">=", 7.0, False)),
        ("w52_high > 1", Leaf("w52_high", None, ">", 1.0, None)),
        ("last > w52_high", Leaf("last", 10.5, ">", None, None, (), "w52_high")),
        ("w52_high IS NULL", Leaf("w52_high", None, "is null", None, True)),
        ("last IS NOT NULL", Leaf("last", 10.5, "is not null", None, True)),
        ("w52_high IS NOT NULL", Leaf("w52_high", None, "is not null", None, False)),
        ("halted", Leaf("halted", False, "is", True, False)),
        ("NOT halted", Leaf("halted", False, "is", False, True)),
        ("halted IS FALSE", Leaf("halted", False, "is", False, True)),
        ("type = 'ADR'", Leaf("type", "CS", "=", "ADR", False)),
        ("'ADR' <> type", Leaf("type", "CS", "<>", "ADR", True)),
        ("type IN ('CS', 'ADR')", Leaf("type", "CS", "in", "CS, ADR", True)),
        ("type NOT IN ('CS')", Leaf("type", "CS", "not in", "CS", False)),
        ("vol IN (100, 300)", Leaf("vol", 300.0, "in", "100, 300", True)),
        ("symbol LIKE 'B%'", Leaf("symbol", "A", "like", "B%", False)),
        ("symbol NOT LIKE 'B%'", Leaf("symbol", "A", "not like", "B%", True)),
        ("exchange = 'XNAS'", Leaf("exchange", None, "=", "XNAS", None)),
        ("streak_1m IN (-3, 3)", Leaf("streak_1m", 0.0, "in", "-3, 3", False)),
        ("symbol IN ('A', 'B')", Leaf("symbol", "A", "in", "A, B", True)),
        ("abs( last ) < 20_0", Leaf("abs(last)", 10.5, "<", 200.0, True)),
        ("TRUE", Leaf("TRUE", True, "is", True, True)),
        (
            "last >= CASE WHEN last < 1 THEN 10 ELSE 11 END",
            Leaf("last", 10.5, ">=", 11.0, False, (), "CASE WHEN last < 1 THEN 10 ELSE 11 END"),
        ),
    ],
)  # fmt: skip
def test_a_leaf_says_value_bound_and_truth(where: str, leaf: Leaf) -> None:
    assert seen(where) == (leaf,)


def places(where: str, gate: str = "") -> list[tuple[str, str, tuple[str, ...]]]:
    return [(leaf.name, leaf.op, leaf.within) for leaf in seen(where, gate)]


def test_leaves_stand_in_text_order_with_their_groups() -> None:
    found = places("last > 1 AND (vol > 2 OR (chg_pct > 3 AND halted)) AND last < 9", "NOT stale")
    assert found == [
        ("last", ">", ()),
        ("vol", ">", ("or1",)),
        ("chg_pct", ">", ("or1", "and1")),
        ("halted", "is", ("or1", "and1")),
        ("last", "<", ()),
        ("stale", "is", ("gate",)),
    ]


def test_brackets_between_and_not_are_resolved() -> None:
    assert places("last BETWEEN 1 AND 20 AND (vol > 1 AND vol < 9)") == [
        ("last", ">=", ()), ("last", "<=", ()), ("vol", ">", ()), ("vol", "<", ()),
    ]  # fmt: skip
    assert places("NOT (last BETWEEN 1 AND 20 AND NOT halted)") == [
        ("last", "<", ("or1",)), ("last", ">", ("or1",)), ("halted", "is", ("or1",)),
    ]  # fmt: skip
    assert places("(last > 1 OR vol > 1) AND (last > 2 OR vol > 2)", "last > 3 OR vol > 3") == [
        ("last", ">", ("or1",)), ("vol", ">", ("or1",)),
        ("last", ">", ("or2",)), ("vol", ">", ("or2",)),
        ("last", ">", ("gate", "or1")), ("vol", ">", ("gate", "or1")),
    ]  # fmt: skip


def test_a_name_of_the_query_is_a_leaf() -> None:
    (leaf,) = seen("thrust > 2", select="chg_pct / 2 AS thrust")
    assert leaf == Leaf("thrust", 2.5, ">", 2.0, True)


@pytest.mark.parametrize(
    ("where", "truth", "failed"),
    [
        ("last > 1 AND vol > 1", True, []),
        ("last > 1 AND vol > 999", False, ["vol"]),
        ("last > 1 AND w52_high > 1", None, ["w52_high"]),
        ("last > 99 AND w52_high > 1", False, ["last", "w52_high"]),
        ("last > 99 OR vol > 1", True, []),
        ("last > 99 OR w52_high > 1", None, ["last", "w52_high"]),
        ("last > 99 OR vol > 999", False, ["last", "vol"]),
        ("last > 1 AND (vol > 999 OR (last > 1 AND w52_low < 1))", None, ["vol", "w52_low"]),
        ("(last > 99 OR vol > 1) AND halted", False, ["halted"]),
        ("(last > 99 OR vol > 999) AND (last > 1 OR halted)", False, ["last", "vol"]),
    ],
)
def test_what_leaves_come_to(where: str, truth: bool | None, failed: list[str]) -> None:
    found = seen(where)
    assert verdict(found) is truth
    assert [leaf.name for leaf in failing(found)] == failed


@pytest.mark.integration
@given(seed=st.integers(0, 10**6), join=st.sampled_from(["AND", "OR", "AND NOT", "OR NOT"]))
@settings(max_examples=60, deadline=None)
def test_the_verdict_is_the_mask_of_the_engine(seed: int, join: str) -> None:
    """True where the engine's mask is, false where that of its negation is, else unknown."""
    drawn = Sentences(seed)
    where = f" {join} ".join(f"({drawn.condition(2).ours})" for _ in range(3))
    table = drawn_market().table
    view, every = View(table), np.arange(table.n)
    masks = []
    for condition in (where, f"NOT ({where})"):
        try:
            query = compile_query.__wrapped__(f"SELECT symbol FROM market WHERE {condition}")
        except ConfigError as error:
            assume("allowed" not in str(error))  # three such conditions may cost too much
            raise
        assert query.where is not None
        masks.append(query.where(view))
        if condition == where:
            found = [verdict(each) for each in leaves(tree_of(query), view, every)]
    assert [told is True for told in found] == masks[0].tolist(), where
    assert [told is False for told in found] == masks[1].tolist(), where


@pytest.mark.parametrize(
    ("leaf", "holds", "fails"),
    [
        (Leaf("rvol", 2.1, ">=", 3.0, False), "rvol 2.1 >= 3", "rvol 2.1 >= 3 false"),
        (Leaf("f", None, "<=", 5e7, None), "f unknown <= 50,000,000", "f unknown"),
        (Leaf("x", 2.0, ">", None, None, (), "y * 2"), "x 2 > unknown (y * 2)", "y * 2 unknown"),
        (Leaf("x", 2.0, ">", 4.5, False, (), "y"), "x 2 > 4.5 (y)", "x 2 > 4.5 (y) false"),
        (Leaf("hod", False, "is", True, False), "hod", "hod false"),
        (Leaf("halted", True, "is", False, False), "NOT halted", "halted true"),
        (Leaf("t", "ETF", "in", "CS, ADR", False), "t ETF in (CS, ADR)", "t ETF in (CS, ADR) false"),
        (Leaf("t", "x", "is null", None, False), "t x is null", "t x is null false"),
        (Leaf("p", 2.99999, ">=", 3.0, False), "p 2.99999 >= 3.0", "p 2.99999 >= 3.0 false"),
        (Leaf("v", 5e6 + 0.4, "<=", 5e6, False), "v 5000000.4 <= 5000000.0", "v 5000000.4 <= 5000000.0 false"),
    ],
)  # fmt: skip
def test_a_leaf_as_a_sentence(leaf: Leaf, holds: str, fails: str) -> None:
    assert said(leaf) == holds
    assert faulted(leaf) == fails


def test_alternatives_are_joined_by_or() -> None:
    found = failing(seen("last > 99 AND (vol > 999 OR w52_high > 1) AND (last > 98 OR halted)"))
    assert listed(found) == (
        "last 10.5 > 99 false; vol 300 > 999 false or w52_high unknown; "
        "last 10.5 > 98 false or halted false"
    )


def test_numbers_and_spans_are_short() -> None:
    values = (3.0, 2.1, 1234567.25, 0.00012345, 12.34567, -0.5, 10.5, 123.456, 99.99999)
    assert [number(v) for v in values] == [
        "3", "2.1", "1,234,567", "0.0001234", "12.3457", "-0.5", "10.5", "123.46", "100",
    ]  # fmt: skip
    assert [span(s) for s in (41, 60, 200.4)] == ["41 s", "1 min", "3 min 20 s"]
