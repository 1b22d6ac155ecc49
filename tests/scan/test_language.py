"""The scan language: every node, three-valued logic against SQLite, faults, bounds."""

import math
import random
import sqlite3

import numpy as np
import pytest

from market.tape import Tape
from tapelight.errors import ConfigError
from tapelight.market.view import View
from tapelight.model.records import Reference
from tapelight.scan.leaves import tree_of
from tapelight.scan.parse import MAX_LIMIT, MAX_TEXT
from tapelight.scan.sql import DEFAULT_COLUMNS, answer, compile_query

NUMBERS = ("last", "bid", "prev_close", "vol", "float_shares", "adv20")
FLAGS = ("halted", "provisional", "new_hod")
TEXTS = ("symbol", "type", "sector")
ROWS = [
    # last, bid, prev_close, float_shares, adv20, type, sector
    ("AA", 10.0, 9.5, 8.0, 1e6, 2.0, "CS", "Tech"),
    ("BB", 2.5, None, 2.5, None, 0.0, "ETF", None),
    ("CC", None, None, None, 3.0, -4.0, None, "Food"),
    ("DD", 0.5, 0.5, -1.0, 0.0, None, "CS", "T%_x"),
    ("EE", 100.0, 99.0, 90.0, 5.0, 5.0, "ADR", "tech"),
]


@pytest.fixture(scope="module")
def tape() -> Tape:
    tape = Tape(*(row[0] for row in ROWS), known=False)
    for symbol, last, bid, prev_close, floated, adv, kind, sector in ROWS:
        tape.refer(Reference(
            symbol=symbol, prev_close=prev_close, float_shares=floated, adv20=adv, type=kind,
            sector=sector,
        ))  # fmt: skip
        if last is not None:
            tape.trade("10:00:00", last, 100.0, symbol=symbol)
        if bid is not None:
            tape.quote("10:00:00", bid, bid + 0.5, symbol=symbol)
    tape.halt("10:00:00", True, "T1")
    tape.mark("10:00:01")
    return tape


@pytest.fixture(scope="module")
def oracle(tape: Tape) -> sqlite3.Connection:
    names = [*TEXTS, *NUMBERS, *FLAGS]
    db = sqlite3.connect(":memory:")
    db.execute(f"CREATE TABLE market ({', '.join(f'{n} REAL' for n in NUMBERS)}, "
               f"{', '.join(f'{n} TEXT' for n in TEXTS)}, {', '.join(f'{n} INT' for n in FLAGS)})")  # fmt: skip
    db.execute("PRAGMA case_sensitive_like = ON")
    for symbol in tape.symbols:
        cells = [tape(n, symbol) for n in names]
        db.execute(
            f"INSERT INTO market ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", cells
        )
    return db


def selected(tape: Tape, condition: str) -> list[str]:
    query = compile_query(f"SELECT symbol FROM market WHERE {condition}")
    return [row["symbol"] for row in answer(query, View(tape.table))]


class Sentences:
    """Draw expressions of the language, nulls, zeros and nesting among them."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)

    def number(self, depth: int) -> str:
        pick = self.pick
        if depth == 0 or pick.random() < 0.3:
            return pick.choice([*NUMBERS, *NUMBERS, "0", "1", "2.5", "10", "100", "NULL"])
        a, b = self.number(depth - 1), self.number(depth - 1)
        test = self.condition(depth - 1)
        return pick.choice([
            f"({a} {pick.choice('+-*/')} {b})", f"(-{a})", f"abs({a})", f"coalesce({a}, {b})",
            f"CASE WHEN {test} THEN {a} ELSE {b} END", f"CASE WHEN {test} THEN {a} END",
        ])  # fmt: skip

    def condition(self, depth: int) -> str:
        pick = self.pick
        if depth and pick.random() < 0.5:
            a, b = self.condition(depth - 1), self.condition(depth - 1)
            return pick.choice([f"NOT ({a})", f"({a} AND {b})", f"({a} OR {b})"])
        low = max(depth - 1, 0)
        a, b, c = (self.number(low) for _ in range(3))
        name, text = pick.choice(NUMBERS), pick.choice(TEXTS)
        words = ", ".join(pick.sample(["'CS'", "'ETF'", "'Tech'", "'tech'", "'none'", "''"], 2))
        negated = pick.choice(["", "NOT "])
        return pick.choice([
            pick.choice([*FLAGS, "TRUE", "FALSE"]),
            *[f"{a} {pick.choice(['=', '<>', '<', '<=', '>', '>='])} {b}"] * 4,
            f"{a} {negated}BETWEEN {b} AND {c}",
            f"{name} {negated}IN (1, 2.5, 10)",
            f"{pick.choice([name, text])} IS {negated}NULL",
            f"{text} {pick.choice(['=', '<>'])} {words.split(',')[0]}",
            f"{text} {negated}IN ({words})",
            f"{text} {negated}LIKE {pick.choice(['%T%', 'T%', '%e_h', 'C_', '%'])!r}",
        ])  # fmt: skip


@pytest.mark.integration
@pytest.mark.parametrize("seed", range(8))
def test_truth_is_that_of_sql(tape: Tape, oracle: sqlite3.Connection, seed: int) -> None:
    sentences = Sentences(seed)
    selecting = 0
    for _ in range(250):
        where = sentences.condition(3)
        found = oracle.execute(f"SELECT symbol FROM market WHERE {where}")
        wanted = {symbol for (symbol,) in found}
        assert set(selected(tape, where)) == wanted, where
        selecting += 0 < len(wanted) < len(ROWS)
    assert selecting > 80


@pytest.mark.parametrize(
    ("condition", "symbols"),
    [
        ("last > 5", "AA EE"),
        ("5 < last", "AA EE"),
        ("NOT last > 5", "BB DD"),
        ("NOT (last > 5 AND prev_close > 50)", "AA BB DD"),
        ("last = NULL", ""),
        ("NOT last = NULL", ""),
        ("last / 0 > 0 OR last / 0 <= 0", ""),
        ("last / 0 IS NULL", "AA BB CC DD EE"),
        ("last % 3 = 1", "AA EE"),
        ("last % 0 IS NULL", "AA BB CC DD EE"),
        ("least(last, prev_close, 3) >= 3", "AA CC EE"),
        ("greatest(last, NULL) = 10", "AA"),
        ("halted", "AA"),
        ("halted IS TRUE", "AA"),
        ("halted IS FALSE", "BB CC DD EE"),
        ("NOT halted AND NOT stale", "BB CC DD EE"),
        ("type = 'CS'", "AA DD"),
        ("'CS' = type", "AA DD"),
        ("sector LIKE 'T%'", "AA DD"),
        ("sector LIKE '_ech'", "AA EE"),
        ("vol >= 1_00", "AA BB DD EE"),
        ("CASE WHEN last > 50 THEN 1 WHEN last > 5 THEN 2 ELSE 3 END = 2", "AA"),
        ("(((last > 5)))", "AA EE"),
        ("last IN (-1, 10.0)", "AA"),
    ],
)  # fmt: skip
def test_conditions_by_value(tape: Tape, condition: str, symbols: str) -> None:
    assert " ".join(sorted(selected(tape, condition))) == symbols


def test_names_given_in_select_may_be_asked_for_and_ordered_by(tape: Tape) -> None:
    query = compile_query(
        "SELECT symbol, last * 2 AS twice, twice + 1 AS more FROM market WHERE more > 5 "
        "ORDER BY twice DESC LIMIT 2"
    )
    assert answer(query, View(tape.table)) == [
        {"symbol": "EE", "twice": 200.0, "more": 201.0},
        {"symbol": "AA", "twice": 20.0, "more": 21.0},
    ]


def test_a_name_that_is_a_column_is_shown_and_ordered_by_yet_the_condition_asks_the_column(
    tape: Tape,
) -> None:
    text = "SELECT symbol, coalesce(bid, 1) AS bid FROM market {} ORDER BY bid, symbol"
    query = compile_query(text.format("WHERE bid <= 50"))
    rows = answer(query, View(tape.table))
    assert [(row["symbol"], row["bid"]) for row in rows] == [("DD", 0.5), ("AA", 9.5)]
    rows = answer(compile_query(text.format("")), View(tape.table))
    assert [row["bid"] for row in rows] == [0.5, 1.0, 1.0, 9.5, 99.0]


def test_order_nulls_last_ties_by_symbol(tape: Tape) -> None:
    def order(by: str) -> str:
        rows = answer(compile_query(f"SELECT symbol FROM market ORDER BY {by}"), View(tape.table))
        return " ".join(row["symbol"] for row in rows)

    assert order("last") == "DD BB AA EE CC"
    assert order("last DESC") == "EE AA BB DD CC"
    assert order("vol DESC") == "AA BB DD EE CC"
    assert order("sector") == "CC DD AA EE BB"
    assert order("sector DESC, last") == "EE AA DD CC BB"
    assert order("halted DESC, last DESC") == "AA EE BB DD CC"
    assert order("symbol DESC") == "EE DD CC BB AA"


def test_star_is_the_default_columns(tape: Tape) -> None:
    query = compile_query("SELECT * FROM market LIMIT 1")
    assert [named.name for named in query.select] == DEFAULT_COLUMNS
    assert list(answer(query, View(tape.table))[0]) == DEFAULT_COLUMNS


def test_cells_are_json(tape: Tape) -> None:
    query = compile_query("SELECT symbol, bid, halted, sector, 1 AS one FROM market LIMIT 2")
    assert answer(query, View(tape.table)) == [
        {"symbol": "AA", "bid": 9.5, "halted": True, "sector": "Tech", "one": 1.0},
        {"symbol": "BB", "bid": None, "halted": False, "sector": None, "one": 1.0},
    ]


def test_a_view_of_some_rows(tape: Tape) -> None:
    view = View(tape.table, np.array([4, 0], np.intp))
    query = compile_query("SELECT symbol FROM market WHERE last > 5 ORDER BY last")
    assert [row["symbol"] for row in answer(query, view)] == ["AA", "EE"]


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("", "exactly one SELECT"),
        ("SELECT 1 FROM market; SELECT 2 FROM market", "exactly one SELECT"),
        ("DROP TABLE market", "does not parse"),
        ("SELECT lst FROM market", "'lst', did you mean last? (line 1, column 8)"),
        ("SELECT last FROM market WHERE chg_pc > 1", "did you mean chg_pct?"),
        ("SELECT last FROM market WHERE zzzzz > 1", "tapelight list columns"),
        ("SELECT LAST FROM market", "did you mean last?"),
        ("SELECT volume FROM market", "'volume', here it is vol (line 1, column 8)"),
        ("SELECT last FROM market WHERE symbol = AAPL", "a text stands in single quotes: 'AAPL'"),
        ('SELECT last FROM market WHERE sector = "Tech"', "stands in single quotes: 'Tech'"),
        ("SELECT last FROM market WHERE sector = 'Tech", "a single quote is open"),
        ("SELECT last FROM market WHERE vol > 2.5M", "does not parse: write 2.5M as 2.5e6."),
        ("SELECT last FROM market WHERE last => 5", "write >= for at least"),
        ("SELECT last FROM market WHERE avg(last) > 5", "each row is asked alone"),
        ("SELECT last FROM market\nWHERE nope > 1", "(line 2, column 7)"),
        ("SELECT last FROM", "does not parse"),
        ("SELECT last FROM market WHERE (last > 1", "does not parse"),
        ("SELECT 'x FROM market", "does not parse"),
        (
            "SELECT last FROM market WHERE last BETWEEN 1 AND 100e",
            "at most 308 digits (line 1, column 50): 100e",
        ),
        ("SELECT last * 1e AS x FROM market", "at most 308 digits (line 1, column 15): 1e"),
        (
            "SELECT last FROM market WHERE last < 1e999",
            "at most 308 digits (line 1, column 38): 1e999",
        ),
        ("SELECT last FROM other", "write FROM market"),
        ("SELECT last", "write FROM market"),
        ("SELECT last FROM 'market.parquet'", "write FROM market"),
        ("SELECT last FROM read_csv('/etc/passwd')", "write FROM market"),
        ("SELECT last FROM market JOIN market m ON TRUE", "JOINS is not part"),
        ("SELECT DISTINCT last FROM market", "DISTINCT is not part"),
        ("SELECT last FROM market GROUP BY last", "GROUP is not part"),
        ("SELECT last FROM market OFFSET 3", "OFFSET is not part"),
        ("WITH x AS (SELECT 1) SELECT last FROM market", "is not part"),
        ("SELECT last FROM market UNION SELECT 1", "exactly one SELECT"),
        ("SELECT (SELECT 1 FROM market) FROM market", "no query inside"),
        ("SELECT last FROM market WHERE last IN (SELECT 1)", "no query inside"),
        ("SELECT count(*) FROM market", "count is not part of the scan language"),
        ("SELECT sum(last) OVER () FROM market", "is not part of the scan language"),
        ("SELECT getenv('HOME') FROM market", "is not part of the scan language"),
        ("SELECT foo(last) FROM market", "foo is not part"),
        ("SELECT last::int FROM market", "Cast is not part"),
        ("SELECT last, last FROM market", "named twice"),
        ("SELECT last FROM market WHERE last", "A condition is needed here, this is a number"),
        ("SELECT last FROM market WHERE symbol", "this is a text"),
        ("SELECT symbol + 1 AS x FROM market", "A number is needed here, this is a text"),
        ("SELECT last FROM market WHERE symbol > 'A'", "Text knows only"),
        ("SELECT last FROM market WHERE last = 'x'", "A text column is needed"),
        ("SELECT last FROM market WHERE halted = 1", "A flag is a condition by itself"),
        ("SELECT last FROM market WHERE last IN (last)", "IN needs a list of literals"),
        ("SELECT last FROM market WHERE last LIKE 'x'", "A text column is needed"),
        ("SELECT last FROM market WHERE symbol LIKE type", "a pattern in quotes"),
        ("SELECT CASE last WHEN 1 THEN 2 END AS x FROM market", "without a value after CASE"),
        ("SELECT last FROM market ORDER BY last NULLS FIRST", "NULLS_FIRST is not part"),
        ("SELECT last FROM market WHERE last BETWEEN SYMMETRIC 5 AND 1", "SYMMETRIC is not part"),
        ("SELECT other.last FROM market", "There is no table 'other'"),
        ("SELECT symbol FROM market WHERE symbol LIKE 'a' ESCAPE '!'", "Escape is not part"),
        ("SELECT last FROM market WHERE last IS DISTINCT FROM bid", "is not part"),
        ("SELECT last FROM market LIMIT last", "LIMIT needs a whole number"),
        ("SELECT last FROM market LIMIT 1.5", "LIMIT needs a whole number"),
        (f"SELECT last FROM market LIMIT {MAX_LIMIT + 1}", "LIMIT is at most 20,000"),
        ("SELECT last FROM market LIMIT 10 PERCENT", "LIMIT_OPTIONS is not part"),
        ("SELECT last FROM market LIMIT 10%", "LIMIT_OPTIONS is not part"),
        ("SELECT * EXCLUDE (symbol) FROM market", "EXCEPT is not part"),
        ("SELECT * REPLACE (last * 2 AS last) FROM market", "REPLACE is not part"),
        ("SELECT * RENAME (last AS l) FROM market", "RENAME is not part"),
        ("SELECT symbol, last FROM market ORDER BY 2 DESC", "ORDER BY needs a column: name it"),
        ("SELECT symbol, last FROM market ORDER BY 'last'", "ORDER BY needs a column: name it"),
        ("SELECT last FROM market ORDER BY -1", "ORDER BY needs a column: name it"),
        ("SELECT last FROM market WHERE last > 3 AND", "is missing after AND (line 1, column 42)."),
        ("SELECT last FROM market WHERE AND last > 3", "something is missing before AND"),
        ("SELECT last FROM market WHERE last >", "something is missing after >"),
        ("SELECT last FROM market WHERE NOT", "something is missing after NOT"),
        ("SELECT last FROM market WHERE last BETWEEN 1 AND", "something is missing after BETWEEN"),
        ("SELECT last FROM market WHERE CHG_PCT > 3", "did you mean chg_pct?"),
    ],
)
def test_faults_say_what_and_where(sql: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_query(sql)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("last > 1 OR " * 400 + "TRUE", "4,000 are allowed"),
        ("(" * 1_900 + "last > 1" + ")" * 1_900, "nested"),
        ("NOT " * 900 + "halted", "nested"),
        ("last > " + "-" * 1 + "(" * 150 + "1" + ")" * 150, "nested"),
        ("NOT (last > 1 AND " * 70 + "TRUE" + ")" * 70, "nested"),
        (" AND ".join(f"vol+{i % 10}>1" for i in range(300)), "parts; 2,000 are allowed"),
    ],
)
def test_bounds(condition: str, says: str) -> None:
    assert MAX_TEXT == 4_000
    with pytest.raises(ConfigError) as caught:
        compile_query(f"SELECT last FROM market WHERE {condition}")
    assert says in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(("join", "symbols"), [(" OR ", "AA BB DD EE"), (" AND ", "EE")])
def test_a_long_chain_is_flat(tape: Tape, join: str, symbols: str) -> None:
    text = join.join(f"last>{i % 90}" for i in range(300))
    assert " ".join(sorted(selected(tape, text))) == symbols
    query = compile_query(f"SELECT last FROM market WHERE {text}")
    assert len(list(tree_of(query).probes())) == 300


def test_a_gate_is_a_condition_and_nothing_else() -> None:
    with pytest.raises(ConfigError):
        compile_query("SELECT last FROM market", "last > 1 ORDER BY last")
    with pytest.raises(ConfigError):
        compile_query("SELECT last FROM market", "last > (SELECT 1)")


def test_the_gate_binds_as_a_whole(tape: Tape) -> None:
    query = compile_query(
        "SELECT symbol FROM market WHERE last > 50 OR last < 1", "last < 5 OR halted"
    )
    assert [row["symbol"] for row in answer(query, View(tape.table))] == ["DD"]


def test_nan_is_no_number(tape: Tape) -> None:
    query = compile_query("SELECT symbol, last FROM market WHERE symbol = 'CC'")
    assert answer(query, View(tape.table)) == [{"symbol": "CC", "last": None}]
    assert not math.isnan(tape("vol", "CC"))
