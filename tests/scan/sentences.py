"""Sentences of the scan language by a seeded grammar, and DuckDB as the oracle of what they mean.

Each sentence is drawn twice at once: as our text, and as DuckDB's with the same meaning (NULL for
NaN, a guard where DuckDB would give infinity or an error). No code is shared with the compiler.
"""

import datetime as dt
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import duckdb
import numpy as np

from tapelight.engine import Engine
from tapelight.errors import ConfigError
from tapelight.market.column import columns
from tapelight.market.indicators import indicator_functions
from tapelight.market.text import Text
from tapelight.market.view import View
from tapelight.model.batch import Batch, quotes_of, trades_of
from tapelight.model.records import CalendarChoice, Mark, Reference, References, Symbols
from tapelight.model.session import NS, calendar
from tapelight.scan.functions import functions
from tapelight.scan.sql import Query, compile_query

NUMBERS = ("last", "bid", "prev_close", "vol", "float_shares", "adv20")
FLAGS = ("halted", "provisional", "new_hod")
TEXTS = ("symbol", "type", "sector")
WORDS = ("CS", "ETF", "Tech", "tech", "none", "", "S00003")
PATTERNS = ("%T%", "T%", "%e_h", "C_", "%", "S0000_", "")
LITERALS = ("0", "1", "2.5", "10", "100", "0.1", "3")
_DRAWN = (0.0, 1.0, 2.0, 2.5, 3.0, 5.0, 10.0, 0.1, 99.0, 1e6, -4.0, None, None)
PACKED = 8
"""Expressions that are asked in one SELECT."""
_CLOSED = re.compile(r"'[^']*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
KEYWORDS = frozenset(
    "select from market where and or not between in like is null true false case when then else "
    "end as order by asc desc limit forming nulls first last symmetric isnull notnull".split()
)


class Sentence(NamedTuple):
    """Hold one expression in both languages."""

    ours: str
    oracle: str


def market(rows: int, seed: int = 1) -> Engine:
    """Return an engine with `rows` symbols, nulls, zeros and equal values among them."""
    draw = random.Random(seed)
    session = calendar("XNYS").session_on(dt.date(2026, 11, 20))
    assert session is not None
    at = session.open_ns + 1800 * NS
    names = [f"S{i:05d}" for i in range(rows)]
    engine = Engine()
    engine.apply(CalendarChoice("XNYS"))
    engine.apply(Symbols(0, names))
    known = [
        Reference(
            symbol=name, prev_close=draw.choice(_DRAWN), float_shares=draw.choice(_DRAWN),
            adv20=draw.choice(_DRAWN), type=draw.choice(["CS", "ETF", "ADR", None]),
            sector=draw.choice(["Tech", "tech", "Food", "T%_x", None]),
        )
        for name in names
    ]  # fmt: skip
    engine.apply(References("2026-11-20", known))
    n = len(traded := [i for i in range(rows) if draw.random() < 0.8])
    prices = [draw.choice([1.0, 2.5, 5.0, 10.0, 99.0, 0.5]) for _ in traded]
    sizes = [draw.choice([1.0, 100.0, 250.0]) for _ in traded]
    for begin in range(0, n, 2_000):
        cut = slice(begin, begin + 2_000)
        m = len(traded[cut])
        trades = trades_of(traded[cut], [at] * m, prices[cut], sizes[cut], [0] * m, [4] * m,
                           list(range(1, m + 1)))  # fmt: skip
        quotes = quotes_of(traded[cut][::2], [at] * len(traded[cut][::2]),
                           [p - 0.1 for p in prices[cut][::2]], prices[cut][::2],
                           *([[100.0] * len(traded[cut][::2])] * 2), [0] * len(traded[cut][::2]))  # fmt: skip
        engine.apply(Batch(at, trades=trades, quotes=quotes))
    engine.apply(Mark(at + NS, at + NS))
    return engine


class Sentences:
    """Draw expressions of the language."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)

    def literal(self) -> Sentence:
        word = self.pick.choice(LITERALS)
        return Sentence(word, f"{float(word)!r}::DOUBLE")

    def leaf(self) -> Sentence:
        pick = self.pick
        if pick.random() < 0.75:
            name = pick.choice(NUMBERS)
            return Sentence(name, name)
        return self.literal() if pick.random() < 0.9 else Sentence("NULL", "NULL::DOUBLE")

    def number(self, depth: int) -> Sentence:
        pick = self.pick
        if depth <= 0 or pick.random() < 0.3:
            return self.leaf()
        a, b = self.number(depth - 1), self.number(depth - 1)
        return pick.choice(
            (self._binary, self._binary, self._binary, self._unary, self._many, self._case,
             self._power)
        )(a, b, depth)  # fmt: skip

    def _binary(self, a: Sentence, b: Sentence, _depth: int) -> Sentence:
        op = self.pick.choice("+-*/%")
        divisor = f"nullif({b.oracle}, 0)" if op in "/%" else b.oracle
        return Sentence(f"({a.ours} {op} {b.ours})", f"({a.oracle} {op} {divisor})")

    def _unary(self, a: Sentence, _b: Sentence, _depth: int) -> Sentence:
        name = self.pick.choice(("abs", "sign", "floor", "ceil", "round", "sqrt", "-", "digits"))
        if name == "-":
            return Sentence(f"(-{a.ours})", f"(-{a.oracle})")
        if name == "digits":
            return Sentence(f"round({a.ours}, 1)", f"round({a.oracle}, 1)")
        if name == "sqrt":
            guarded = f"sqrt(CASE WHEN {a.oracle} >= 0 THEN {a.oracle} END)"
            return Sentence(f"sqrt({a.ours})", guarded)
        return Sentence(f"{name}({a.ours})", f"{name}({a.oracle})::DOUBLE")

    def _many(self, a: Sentence, b: Sentence, _depth: int) -> Sentence:
        name, c = self.pick.choice(("least", "greatest", "coalesce")), self.leaf()
        return Sentence(
            f"{name}({a.ours}, {b.ours}, {c.ours})", f"{name}({a.oracle}, {b.oracle}, {c.oracle})"
        )

    def _case(self, a: Sentence, b: Sentence, depth: int) -> Sentence:
        test = self.condition(depth - 1)
        last = ("", "") if self.pick.random() < 0.4 else (f" ELSE {b.ours}", f" ELSE {b.oracle}")
        return Sentence(
            f"CASE WHEN {test.ours} THEN {a.ours}{last[0]} END",
            f"CASE WHEN {test.oracle} THEN {a.oracle}{last[1]} END",
        )

    def _power(self, a: Sentence, _b: Sentence, _depth: int) -> Sentence:
        leaf = self.leaf()
        del a
        return Sentence(f"power({leaf.ours}, 2)", f"({leaf.oracle} * {leaf.oracle})")

    def text(self, depth: int) -> Sentence:
        pick = self.pick
        if depth <= 0 or pick.random() < 0.6:
            return Sentence(*[pick.choice(TEXTS)] * 2)
        a, b = self.text(depth - 1), self.text(depth - 1)
        if pick.random() < 0.5:
            return Sentence(f"coalesce({a.ours}, {b.ours})", f"coalesce({a.oracle}, {b.oracle})")
        test, word = self.condition(depth - 1), pick.choice(WORDS)
        form = "CASE WHEN {} THEN '{}' ELSE {} END"
        return Sentence(
            form.format(test.ours, word, a.ours), form.format(test.oracle, word, a.oracle)
        )

    def condition(self, depth: int) -> Sentence:
        pick = self.pick
        if depth > 0 and pick.random() < 0.5:
            a, b = self.condition(depth - 1), self.condition(depth - 1)
            form = pick.choice(
                ["NOT ({0})", "({0} AND {1})", "({0} OR {1})", "({0}) IS NULL", "({0}) IS TRUE",
                 "NOT (({0}) IS FALSE)"]
            )  # fmt: skip
            return Sentence(form.format(a.ours, b.ours), form.format(a.oracle, b.oracle))
        return self._words(depth) if pick.random() < 0.3 else self._comparison(depth)

    def _comparison(self, depth: int) -> Sentence:
        pick = self.pick
        if pick.random() < 0.12:
            return Sentence(*[pick.choice([*FLAGS, "TRUE", "FALSE"])] * 2)
        a, b, c = (self.number(depth - 1) for _ in range(3))
        negated = pick.choice(["", "NOT "])
        form = pick.choice(
            [*[f"{{0}} {op} {{1}}" for op in ("=", "<>", "<", "<=", ">", ">=")] * 2,
             f"{{0}} {negated}BETWEEN {{1}} AND {{2}}", f"{{0}} {negated}IN (1, 2.5, 10)",
             f"{{0}} IS {negated}NULL"]
        )  # fmt: skip
        return Sentence(
            form.format(a.ours, b.ours, c.ours), form.format(a.oracle, b.oracle, c.oracle)
        )

    def _words(self, depth: int) -> Sentence:
        pick, a = self.pick, self.text(depth - 1)
        negated = pick.choice(["", "NOT "])
        if pick.random() < 0.3:
            b, op = self.text(depth - 1), pick.choice(["=", "<>"])
            return Sentence(f"{a.ours} {op} {b.ours}", f"{a.oracle} {op} {b.oracle}")
        words = ", ".join(f"'{w}'" for w in pick.sample(WORDS, 2))
        form = pick.choice(
            [f"{{0}} {pick.choice(['=', '<>'])} '{pick.choice(WORDS)}'",
             f"{{0}} {negated}IN ({words})", f"{{0}} IS {negated}NULL",
             f"{{0}} {negated}LIKE '{pick.choice(PATTERNS)}'"]
        )  # fmt: skip
        return Sentence(form.format(a.ours), form.format(a.oracle))

    def across(self, depth: int) -> Sentence:
        """Draw a value over all rows, which stands in SELECT alone: DuckDB nests no windows."""
        x = self.number(depth)
        known = f"CASE WHEN ({x.oracle}) IS NOT NULL THEN {{}} END"
        below = f"rank() OVER (ORDER BY {x.oracle} NULLS LAST) - 1"
        group = self.pick.choice(TEXTS[1:])
        return self.pick.choice([
            Sentence(f"rank({x.ours})",
                     known.format(f"rank() OVER (ORDER BY {x.oracle} DESC NULLS LAST)")),
            Sentence(f"pctl({x.ours})", known.format(
                f"100.0::DOUBLE * ({below}) / greatest(count({x.oracle}) OVER () - 1, 1)")),
            Sentence(f"rank_in({group}, {x.ours})", known.format(
                f"CASE WHEN {group} IS NOT NULL THEN rank() OVER (PARTITION BY {group} "
                f"ORDER BY {x.oracle} DESC NULLS LAST) END")),
            Sentence(f"vs('S00003', {x.ours})",
                     f"({x.oracle}) - (SELECT {x.oracle} FROM market WHERE symbol = 'S00003')"),
        ])  # fmt: skip

    def draw(self, depth: int) -> tuple[str, Sentence]:
        """Draw one expression with its kind: condition, number, text."""
        chance = self.pick.random()
        if chance < 0.6:
            return "condition", self.condition(depth)
        if chance < 0.85:
            return "number", self.number(depth)
        return ("text", self.text(depth)) if chance < 0.95 else ("number", self.across(depth - 1))


@dataclass
class Counts:
    """Count what a run found."""

    asked: int = 0
    selecting: int = 0
    """Conditions that hold for some rows and not for all."""
    refused: int = 0
    costly: int = 0
    """Expressions that are refused for their cost."""
    escaped: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    slowest_ms: float = 0.0
    slowest: str = ""


AGAIN = 4
"""How often an expression is timed again that took too long: on a busy machine any may."""


class Oracle:
    """Ask DuckDB and us the same."""

    def __init__(self, engine: Engine, slow_ms: float | None = None) -> None:
        self.view = View(engine.table)
        self.slow_ms = slow_ms
        self.counts = Counts()
        self.db = duckdb.connect(":memory:")
        self.db.execute("SET threads = 1")
        kinds = [f"{n} DOUBLE" for n in NUMBERS] + [f"{n} BOOLEAN" for n in FLAGS]
        kinds += [f"{n} VARCHAR" for n in TEXTS]
        self.db.execute(f"CREATE TABLE market (place INTEGER, {', '.join(kinds)})")
        frame = {name: self._column(name) for name in (*NUMBERS, *FLAGS, *TEXTS)}
        rows = [list(row) for row in zip(range(len(self.view)), *frame.values(), strict=True)]
        marks = ", ".join("?" * (len(frame) + 1))
        self.db.execute("BEGIN")
        self.db.executemany(f"INSERT INTO market VALUES ({marks})", rows)
        self.db.execute("COMMIT")

    def _column(self, name: str) -> list[Any]:
        values = self.view[name]
        if isinstance(values, Text):
            return values.values()
        return [None if v != v else v for v in values.tolist()]

    def check(self, drawn: Sequence[tuple[str, Sentence]]) -> None:
        """Compare the answers to all of these, which DuckDB is asked together."""
        asked = ", ".join(
            f"coalesce({s.oracle}, FALSE) AS x{i}" if kind == "condition" else f"{s.oracle} AS x{i}"
            for i, (kind, s) in enumerate(drawn)
        )
        found = self.db.execute(f"SELECT {asked} FROM market ORDER BY place").fetchnumpy()
        self.counts.asked += len(drawn)
        asked_in_where = [i for i, (k, _) in enumerate(drawn) if k == "condition" and i % 4 == 0]
        for i in asked_in_where:
            mask = np.asarray(found[f"x{i}"], np.bool_)
            self._note(drawn[i][1], self._where(drawn[i][1].ours, mask))
        rest = [i for i in range(len(drawn)) if i not in set(asked_in_where)]
        for begin in range(0, len(rest), PACKED):
            several = rest[begin : begin + PACKED]
            values = self._selected([drawn[i][1].ours for i in several])
            for i, value in zip(several, values, strict=True):
                kind, sentence = drawn[i]
                if value is not None:
                    self._note(sentence, self._same(kind, value, found[f"x{i}"]))

    def _note(self, sentence: Sentence, same: bool) -> None:
        if not same:
            self.counts.different.append(f"{sentence.ours}   --   {sentence.oracle}")

    def _where(self, text: str, mask: np.ndarray) -> bool:
        try:
            query = self._compiled(f"SELECT symbol FROM market WHERE {text}")
        except ConfigError as error:
            if "would cost" not in str(error):
                raise
            self.counts.costly += 1
            return True
        assert query.where is not None
        rows = self._timed(text, query.where.rows)
        self.counts.selecting += bool(mask.any() and not mask.all())
        return np.array_equal(query.where(self.view), mask) and np.array_equal(
            rows, np.flatnonzero(mask)
        )

    def _selected(self, texts: list[str]) -> list[Any]:
        asked = ", ".join(f"{text} AS x{i}" for i, text in enumerate(texts))
        try:
            query = self._compiled(f"SELECT {asked} FROM market")
        except ConfigError as error:
            if "would cost" not in str(error):
                raise
            if len(texts) == 1:
                self.counts.costly += 1
                return [None]
            half = len(texts) // 2
            return self._selected(texts[:half]) + self._selected(texts[half:])
        return [
            self._timed(text, named.expr.evaluate)
            for text, named in zip(texts, query.select, strict=True)
        ]

    def _compiled(self, sql: str) -> Query:
        if not closed(sql, {f"x{i}" for i in range(PACKED)}):
            self.counts.escaped.append(sql)
        query = compile_query.__wrapped__(sql)
        for name in query.used:
            self.view[name]
        return query

    def _timed(self, text: str, evaluate: Callable[[View], Any]) -> Any:
        values, spent_ms = self._spent(evaluate)
        for _ in range(AGAIN):
            if self.slow_ms is not None and spent_ms > self.slow_ms:
                spent_ms = min(spent_ms, self._spent(evaluate)[1])
        if spent_ms > self.counts.slowest_ms:
            self.counts.slowest_ms, self.counts.slowest = spent_ms, text
        if self.slow_ms is not None and spent_ms > self.slow_ms:
            self.counts.slow.append(text)
        return values

    def _spent(self, evaluate: Callable[[View], Any]) -> tuple[Any, float]:
        """Return the values over a view that knows the columns alone, and the CPU time in ms."""
        view = View(self.view.table)
        view._done.update(self.view._done)
        begin = time.process_time()
        values = evaluate(view)
        return values, (time.process_time() - begin) * 1e3

    def _same(self, kind: str, values: Any, wanted: Any) -> bool:
        if kind == "text":
            return values.values() == _objects(wanted)
        if kind == "condition":
            return np.array_equal(values, np.asarray(wanted, np.bool_))
        ours = np.broadcast_to(np.asarray(values, np.float64), len(self.view))
        return np.allclose(ours, _floats(wanted), rtol=1e-12, atol=0.0, equal_nan=True)


def _floats(values: Any) -> np.ndarray:
    if isinstance(values, np.ma.MaskedArray):
        return values.astype(np.float64).filled(np.nan)
    return np.asarray(values, np.float64)


def _objects(values: Any) -> list[Any]:
    if isinstance(values, np.ma.MaskedArray):
        return [None if masked else v for v, masked in
                zip(values.data.tolist(), np.ma.getmaskarray(values).tolist(), strict=True)]  # fmt: skip
    return list(values.tolist())


def run(oracle: Oracle, seed: int, count: int, depth: int = 2, together: int = 100) -> Counts:
    """Draw and check `count` expressions."""
    sentences = Sentences(seed)
    for begin in range(0, count, together):
        oracle.check([sentences.draw(depth) for _ in range(min(together, count - begin))])
    return oracle.counts


# Hostile text

_WEAPONS = (
    "read_csv('/etc/passwd')", "; DROP TABLE market", "--", "/*", "*/", "$$", "'", '"', "\x00", "﻿",
    "UNION SELECT 1", "(SELECT 1)", "COPY market TO 'x'", "ATTACH 'x' AS y", "getenv('HOME')",
    "glob('*')", "system('id')", "{{x}}", "${x}", "%s", "\\", "🚀", "é", "::", "[1]", "{'a': 1}",
    "OVER ()", "DISTINCT", "JOIN market m", "GROUP BY last", "WINDOW w AS ()", "EXISTS (SELECT 1)",
    "pragma_version()", "market.last", "x.y.z", "@a", "?", ":1", "$1", "~", "^", "**", "||", "->",
    "lambda x: x", "interval '1' day", "DATE '2020-01-01'", "CAST(last AS INT)", "1e999", "1e-999",
    "99999999999999999999999999", "0x10", "1_0", "NaN", "inf", "'nan'::FLOAT", "nullif(last, 0)",
    "random()", "uuid()", "now()", "current_timestamp", "COLUMNS('.*')", "* EXCLUDE (last)",
    "last IS NOT DISTINCT FROM bid", "last IN (1, NULL)", "last = ANY (1)", "NOT", "((((", "))))",
    "rsi(-1)", "rsi(1e9, '1m')", "delta(last, '999999999s')", "rank(rank(rank(last)))",
    "power(9, power(9, 9))", "sqrt(0 - last)", "least()", "CASE", "END", "FORMAT JSON", "\ud7ff",
    "SET threads = 1", "CALL x()", "LIMIT ALL", "LIMIT -1", "OFFSET 1", "QUALIFY 1 = 1", "TRY_CAST(1 AS INT)",
)  # fmt: skip


def hostile(seed: int, count: int) -> Iterator[str]:
    """Yield texts made of good sentences with something hostile put in, cut out or doubled."""
    pick, sentences = random.Random(seed), Sentences(seed)
    for _ in range(count):
        text = f"SELECT symbol, last FROM market WHERE {sentences.condition(2).ours} LIMIT 5"
        for _ in range(pick.randint(1, 3)):
            at = pick.randrange(len(text) + 1)
            way = pick.random()
            if way < 0.6:
                text = f"{text[:at]} {pick.choice(_WEAPONS)} {text[at:]}"
            elif way < 0.8:
                text = text[:at] + text[at + pick.randint(1, 12) :]
            else:
                text = text[:at] + text[at : at + 30] * pick.randint(2, 40) + text[at:]
        yield text


def attack(view: View, text: str, counts: Counts) -> None:
    """Compile a hostile text: refused with ConfigError, or of the closed list."""
    counts.asked += 1
    try:
        query = compile_query.__wrapped__(text)
    except ConfigError as error:
        counts.refused += 1
        if "\n" in str(error) or len(str(error)) > 500:
            counts.different.append(f"{text!r}: {error}")
        return
    if not closed(text, {named.name for named in query.select}):
        counts.escaped.append(text)
    if query.where is not None:
        query.where.rows(view)
    for named in query.select:
        named.expr.evaluate(view)


def closed(text: str, named: set[str] | None = None) -> bool:
    """Tell whether every word of a text is a column, a function or a keyword of the language."""
    bare = _CLOSED.sub(" '' ", text)
    callable_ = {*functions(), *indicator_functions()}
    named = named or set()
    for word, paren in re.findall(r"\b([A-Za-z_]\w*)\b\"?\s*(\(?)", bare):
        low = word.lower()
        if paren and low not in callable_ and low not in KEYWORDS:
            return False
        if not paren and low not in KEYWORDS and word not in columns() and word not in named:
            return False
    return bare.count(";") <= 1 and len(re.findall(r"\bselect\b", bare, re.IGNORECASE)) == 1
