"""The language against DuckDB, by sentences of a seeded grammar; hostile text against itself."""

from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scan.sentences import Counts, Oracle, Sentences, attack, closed, hostile, market, run
from tapelight.engine import Engine
from tapelight.errors import ConfigError
from tapelight.market.some import Some
from tapelight.market.view import View
from tapelight.scan.sql import compile_query

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle(market(40))


def sound(counts: Counts) -> None:
    assert counts.different == []
    assert counts.escaped == []


def test_what_it_means_is_what_sql_means(oracle: Oracle) -> None:
    counts = run(oracle, seed=1, count=600)
    sound(counts)
    assert counts.selecting > 30


@pytest.mark.slow
def test_20_000_sentences_mean_what_sql_means(oracle: Oracle) -> None:
    before = oracle.counts.asked
    counts = run(oracle, seed=2, count=20_000)
    sound(counts)
    assert counts.asked - before == 20_000


def test_hostile_text_is_refused_or_means_no_more_than_it_says(oracle: Oracle) -> None:
    counts = Counts()
    for text in hostile(seed=3, count=800):
        attack(oracle.view, text, counts)
    sound(counts)
    assert counts.refused > 700


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_is_refused_with_a_sentence(text: str) -> None:
    counts = Counts()
    view = View(market(1).table)
    attack(view, text, counts)
    attack(view, f"SELECT symbol FROM market WHERE {text}", counts)
    sound(counts)


@given(seed=st.integers(0, 10**6), rows=st.sets(st.integers(0, 399), max_size=60))
@settings(max_examples=150, deadline=None)
def test_few_rows_are_answered_like_all(seed: int, rows: set[int]) -> None:
    """The rows that pass, found by the way for few rows, are those of the plain mask."""
    table = wide().table
    drawn = Sentences(seed)
    asked = " AND ".join(drawn.condition(2).ours for _ in range(3))
    text = f"SELECT symbol FROM market WHERE symbol LIKE '%7%' AND {asked}"
    try:
        query = compile_query.__wrapped__(text)
    except ConfigError as error:
        assume("would cost" not in str(error))
        raise
    assert query.where is not None
    mask = query.where(View(table))
    np.testing.assert_array_equal(query.where.rows(View(table)), np.flatnonzero(mask))
    at = np.array(sorted(rows), np.intp)
    np.testing.assert_array_equal(query.where.among(View(table), at), mask[at])
    np.testing.assert_array_equal(query.where(View(table, at)), mask[at])
    np.testing.assert_array_equal(query.where(Some(View(table), at)), mask[at])
    value = compile_query.__wrapped__(f"SELECT {drawn.number(3).ours} AS x FROM market").select[0]
    everywhere = np.broadcast_to(value.expr(View(table)), table.n)
    some = np.broadcast_to(value.expr(Some(View(table), at)), len(at))
    np.testing.assert_array_equal(some, everywhere[at])


@cache
def wide() -> Engine:
    return market(400)


@pytest.mark.parametrize(("short", "long"), [("ISNULL", "IS NULL"), ("NOTNULL", "IS NOT NULL")])
def test_the_short_forms_of_is_null_ask_the_same(short: str, long: str) -> None:
    asked = [
        compile_query(f"SELECT symbol FROM market WHERE rvol_tod {form}") for form in (short, long)
    ]
    view = View(wide().table)
    first, second = (query.where(view) for query in asked if query.where is not None)
    np.testing.assert_array_equal(first, second)


def test_the_closed_list_is_told_from_what_is_not_on_it() -> None:
    assert closed("SELECT last FROM market WHERE rsi(14, '1m') > 1 -- x(y)")
    assert not closed("SELECT last FROM market WHERE getenv(last) > 1")
    assert not closed("SELECT last FROM other")
    assert not closed("SELECT (SELECT 1 FROM market) FROM market")
