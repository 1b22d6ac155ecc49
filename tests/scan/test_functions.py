"""The functions of the language by value, and what each refuses."""

import math

import numpy as np
import pytest

from market.tape import Tape
from tapelight.errors import ConfigError
from tapelight.market.indicators import Ask, indicator_functions
from tapelight.market.memory import percentile, ranking, ranking_within
from tapelight.market.view import View
from tapelight.model.records import Reference
from tapelight.scan.functions import functions
from tapelight.scan.sql import MAX_COST_US, answer, compile_query

SECTORS = {"A": "Tech", "B": "Tech", "C": "Food", "D": "Food", "E": None, "F": "Tech"}
PRICES = {"A": 10.0, "B": 12.0, "C": 9.0, "D": 12.0, "E": 11.0, "F": None}


@pytest.fixture(scope="module")
def tape() -> Tape:
    tape = Tape(*PRICES, known=False)
    for symbol, price in PRICES.items():
        tape.refer(Reference(symbol=symbol, type="CS", prev_close=10.0, sector=SECTORS[symbol]))
        if price is not None:
            tape.trade("10:00:00", price, symbol=symbol)
    tape.mark("10:00:00")
    return tape


def values(tape: Tape, expression: str, **how: object) -> list[object]:
    query = compile_query(f"SELECT {expression} AS x FROM market ORDER BY symbol", **how)  # type: ignore[arg-type]
    return [row["x"] for row in answer(query, View(tape.table))]


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("abs(last - 11)", [1.0, 1.0, 2.0, 1.0, 0.0, None]),
        ("ABS(10 - last)", [0.0, 2.0, 1.0, 2.0, 1.0, None]),
        ("sign(last - 11)", [-1.0, 1.0, -1.0, 1.0, 0.0, None]),
        ("round(last / 4)", [3.0, 3.0, 2.0, 3.0, 3.0, None]),
        ("round(last / 4, 1)", [2.5, 3.0, 2.3, 3.0, 2.8, None]),
        ("round(0 - last / 4)", [-3.0, -3.0, -2.0, -3.0, -3.0, None]),
        ("round(last * 3, -1)", [30.0, 40.0, 30.0, 40.0, 30.0, None]),
        ("floor(last / 4)", [2.0, 3.0, 2.0, 3.0, 2.0, None]),
        ("ceil(last / 4)", [3.0, 3.0, 3.0, 3.0, 3.0, None]),
        ("sqrt(last - 10)", [0.0, math.sqrt(2), None, math.sqrt(2), 1.0, None]),
        ("ln(last - 11)", [None, 0.0, None, 0.0, None, None]),
        ("power(last - 10, 2)", [0.0, 4.0, 1.0, 4.0, 1.0, None]),
        ("power(last - 10, -1)", [None, 0.5, -1.0, 0.5, 1.0, None]),
        ("power(10, last * 100)", [None] * 6),
        ("least(last, 11, prev_close)", [10.0, 10.0, 9.0, 10.0, 10.0, 10.0]),
        ("greatest(last, 11)", [11.0, 12.0, 11.0, 12.0, 11.0, 11.0]),
        ("coalesce(last, prev_close, 1)", [10.0, 12.0, 9.0, 12.0, 11.0, 10.0]),
        ("coalesce(sector, 'none')", ["Tech", "Tech", "Food", "Food", "none", "Tech"]),
        ("coalesce(NULL, sector, symbol)", ["Tech", "Tech", "Food", "Food", "E", "Tech"]),
        ("CASE WHEN last > 10 THEN 'up' WHEN last < 10 THEN sector END",
         [None, "up", "Food", "up", "up", None]),
        ("CASE WHEN last > 10 THEN NULL ELSE sector END",
         ["Tech", None, "Food", None, None, "Tech"]),
        ("CASE WHEN last > 11 THEN NULL WHEN last > 10 THEN last END",
         [None, None, None, None, 11.0, None]),
        ("last > 10", [False, True, False, True, True, False]),
        ("pctl(last)", [25.0, 75.0, 0.0, 75.0, 50.0, None]),
        ("rank(last)", [4.0, 1.0, 5.0, 1.0, 3.0, None]),
        ("rank_in(sector, last)", [2.0, 1.0, 2.0, 1.0, None, None]),
        ("rank_in(sector, 0 - last)", [1.0, 2.0, 1.0, 2.0, None, None]),
        ("vs('A', last)", [0.0, 2.0, -1.0, 2.0, 1.0, None]),
        ("vs('F', last)", [None] * 6),
        ("vs('NONE', last)", [None] * 6),
        ("vs('B', pctl(last))", [-50.0, 0.0, -75.0, 0.0, -25.0, None]),
        ("rsi(14, '1m')", [None] * 6),
    ],
)  # fmt: skip
def test_values(tape: Tape, expression: str, wanted: list[object]) -> None:
    assert values(tape, expression) == wanted


@pytest.mark.parametrize(
    ("condition", "symbols"),
    [
        ("sector = coalesce(sector, symbol)", "ABCDF"),
        ("symbol <> sector", "ABCDF"),
        ("symbol = symbol", "ABCDEF"),
        ("sector = NULL", ""),
        ("CASE WHEN last > 10 THEN 'up' ELSE 'down' END = 'up'", "BDE"),
        ("CASE WHEN last > 10 THEN 'up' ELSE 'down' END IN ('up', 'x')", "BDE"),
        ("coalesce(sector, 'Tech') LIKE 'T%'", "ABEF"),
        ("coalesce(sector, 'Tech') NOT LIKE 'T%'", "CD"),
        ("'a' = 'a'", "ABCDEF"),
        ("NOT (last > 10) IS TRUE", "ACF"),
        ("(last > 10) IS FALSE", "AC"),
        ("(last > 10) IS NULL", "F"),
        ("(last > 10) IS NOT NULL", "ABCDE"),
    ],
)
def test_conditions_of_text_and_flags(tape: Tape, condition: str, symbols: str) -> None:
    query = compile_query(f"SELECT symbol FROM market WHERE {condition} ORDER BY symbol")
    assert "".join(r["symbol"] for r in answer(query, View(tape.table))) == symbols


def test_the_negation_of_a_named_condition_is_unknown_where_it_is(tape: Tape) -> None:
    query = compile_query("SELECT symbol, last > 10 AS up FROM market WHERE NOT up ORDER BY symbol")
    assert [r["symbol"] for r in answer(query, View(tape.table))] == ["A", "C"]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("absolute(last)", "absolute is not part of the scan language"),
        ("rsi2(14)", "did you mean rsi?"),
        ("macd_his(12, 26, 9)", "did you mean macd_hist?"),
        ("abs(last, 2)", "Write abs(x): abs has 2 arguments here"),
        ("abs(symbol)", "A number is needed here, this is a text (line 1, column 12): symbol"),
        ("abs(last > 1)", "this is a flag"),
        ("round(last, last)", "a whole number of digits"),
        ("round(last, 1.5)", "a whole number of digits"),
        ("coalesce(last, symbol)", "coalesce takes numbers, or words, not number and text"),
        ("coalesce(halted, FALSE)", "not flag"),
        ("CASE WHEN last > 1 THEN 1 ELSE 'a' END", "CASE gives numbers, or words, not a number and"),
        ("CASE WHEN last > 1 THEN halted END", "not a flag"),
        ("delta(last, 60)", "a span in quotes from '1s' to '3600s'"),
        ("delta(last, '0s')", "a span in quotes"),
        ("delta(last, '3601s')", "a span in quotes"),
        ("delta(last, '61m')", "a span in quotes"),
        ("delta(last, '1h')", "a span in quotes"),
        ("delta(symbol, '1s')", "A number is needed here"),
        ("delta(last)", "Write delta(x, '60s'): delta has 1 arguments here"),
        ("rank_in(last, last)", "rank_in takes a text column first, this is a number"),
        ("vs(symbol, last)", "vs takes a symbol in quotes first"),
        ("vs('SPY', symbol)", "A number is needed here"),
        ("rsi(14, '2m')", "The timeframe '2m' is none of 1m, 5m, 15m, 30m, 60m"),
        ("rsi(14, 2, '1m')", "rsi takes 1 parameters"),
        ("rsi(last, '1m')", "An indicator takes plain numbers"),
        ("rsi(14, '1m', closed)", "An indicator takes plain numbers"),
        ("rsi(501, '1m')", "A parameter of rsi is 501; at most 500 is allowed"),
        ("rsi(14.5, '1m')", "give a whole number"),
        ("rsi(0, '1m')", "can't be reckoned"),
        ("a.b.c", "DB is not part of the scan language"),
        ("getenv('HOME')", "getenv is not part"),
        ("last || symbol", "DPipe is not part"),
        ("current_date", "Unknown column 'current_date'"),
        ("extract(year FROM last)", ""),
        ("last::VARCHAR", "Cast is not part"),
        ("rank(last) OVER (ORDER BY last)", "is not part"),
        ("abs(DISTINCT last)", "is not part"),
        ("abs(x := last)", "is not part"),
        ("list_transform([1], x -> x)", "is not part"),
    ],
)  # fmt: skip
def test_faults(expression: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_query(f"SELECT {expression} AS x FROM market")
    assert says in str(caught.value)


def test_indicators_are_asked_by_name_parameters_timeframe_and_forming() -> None:
    def asks(sql: str) -> tuple[Ask, ...]:
        return compile_query(f"SELECT symbol FROM market WHERE {sql}").indicators

    assert asks("rsi(14, '1m') > 70") == (Ask("rsi", (14.0,), "1m"),)
    assert asks("RSI() > 70") == (Ask("rsi", (14.0,), "1m"),)
    assert asks("rsi('5m') > 70") == (Ask("rsi", (14.0,), "5m"),)
    assert asks("macd_hist(12, 26, 9, '5m', forming) > 0") == (
        Ask("macd_hist", (12.0, 26.0, 9.0), "5m", True),
    )
    assert asks("rsi(2) < 5 AND rsi(2, '1m') < rsi(2, '5m')") == (
        Ask("rsi", (2.0,), "1m"),
        Ask("rsi", (2.0,), "5m"),
    )
    assert asks("ln(last) > 1") == ()
    assert asks("ln('1m') > 1") == (Ask("ln", (), "1m"),)


def test_a_column_asks_for_its_indicators() -> None:
    from tapelight.market.column import columns

    asking = [info for info in columns().values() if info.indicators]
    for info in asking:
        asked = compile_query(f"SELECT {info.name} FROM market").indicators
        assert set(info.indicators) <= set(asked)


def test_every_indicator_compiles_with_its_defaults() -> None:
    for name, info in indicator_functions().items():
        (asked,) = compile_query(f"SELECT {name}('1m') AS x FROM market").indicators
        assert asked.name == name
        assert asked.params == tuple(p.default for p in info.parameters)


def test_each_function_says_how_it_is_written() -> None:
    for function in functions().values():
        assert function.usage.startswith(f"{function.name}(")
        assert function.doc
        usage = function.usage.replace("x, y, ...", "x, y").replace("digits", "2")
        usage = usage.replace("x", "last").replace("y", "vol").replace("'SPY'", "'A'")
        compile_query(f"SELECT {usage.replace('mavol', 'max')} AS z FROM market")


def test_percentiles_and_ranks_with_ties_nulls_and_infinities() -> None:
    nan = math.nan
    assert percentile(np.array([3.0, 1.0, nan, 2.0, 2.0])).tolist()[:2] == [100.0, 0.0]
    np.testing.assert_array_equal(
        percentile(np.array([3.0, 1.0, nan, 2.0, 2.0])), [100.0, 0.0, nan, 100 / 3, 100 / 3]
    )
    np.testing.assert_array_equal(ranking(np.array([nan, 1.0, math.inf, 1.0])), [nan, 2, 1, 2])
    np.testing.assert_array_equal(percentile(np.array([5.0])), [0.0])
    np.testing.assert_array_equal(percentile(np.array([nan])), [nan])
    np.testing.assert_array_equal(percentile(np.zeros(0)), np.zeros(0))
    codes = np.array([0, 1, 0, -1, 1, 0], np.int32)
    figures = np.array([1.0, 5.0, 3.0, 9.0, nan, 3.0])
    np.testing.assert_array_equal(ranking_within(codes, figures), [3, 1, 1, nan, nan, 1])
    np.testing.assert_array_equal(ranking_within(codes[:0], figures[:0]), [])


def test_an_over_costly_query_is_refused_with_its_cost() -> None:
    cheap = compile_query("SELECT symbol FROM market WHERE last > 1")
    assert 15 < cheap.cost_us < 40
    many = " + ".join(f"rank_in(sector, last + {i})" for i in range(20))
    with pytest.raises(ConfigError, match=r"would cost about \d+ ms each time; 25 ms are allowed"):
        compile_query(f"SELECT {many} AS x FROM market")
    assert MAX_COST_US == 25_000


def test_names_on_names_cost_and_work_once(tape: Tape) -> None:
    named = ["last + 1 AS n0", *(f"n{i} + n{i} AS n{i + 1}" for i in range(60))]
    query = compile_query(f"SELECT symbol, {', '.join(named)} FROM market LIMIT 1")
    assert query.cost_us < 1_000
    assert answer(query, View(tape.table))[0]["n60"] == 11.0 * 2.0**60
    deep = ["last + 1 AS n0", *(f"n{i} + 1 AS n{i + 1}" for i in range(150))]
    with pytest.raises(ConfigError, match="more than 100 operations inside each other"):
        compile_query(f"SELECT {', '.join(deep)} FROM market")
