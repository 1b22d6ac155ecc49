"""`tapelight scan test`: a scan's fixtures, rows of column values and what is expected of them."""

import datetime as dt
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tapelight.app.scanplay import Fire, Span, play
from tapelight.errors import ConfigError
from tapelight.market.column import ColumnInfo, columns
from tapelight.market.indicators import Ask
from tapelight.market.table import Table
from tapelight.market.text import Text
from tapelight.market.view import View
from tapelight.model.session import NS, parse_time
from tapelight.scan.board import Board
from tapelight.scan.question import Question
from tapelight.scan.scan import Scan
from tapelight.scan.sql import answer, compile_query

SUFFIX = ".test.toml"
DEFAULTS: Mapping[str, Any] = {"type": "CS", "last": 10.0, "spread_pct": 0.1}
"""What a row has unless it says otherwise: it passes the default gate."""
DATE = dt.date(2026, 11, 20)
BEGIN = {"pre": "08:00:00", "regular": "10:00:00", "post": "16:30:00"}
Row = Mapping[str, Any]


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold the rows at one moment, and what is expected then: the order, or who fires."""

    at: float
    """Seconds after the first."""
    rows: list[dict[str, Any]]
    expect: list[str]


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold one case: rows, or steps of rows, or a recording."""

    name: str
    expect: list[str] = []
    rows: list[dict[str, Any]] = []
    steps: list[Step] = []
    phase: str = "regular"
    recording: str = ""
    """A recorded day or a run's folder."""
    at: str = ""
    until: str = ""
    """A scan's signals between `at` and `until` are expected; a board's order at `at`."""


class Fixture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold a fixture file."""

    case: list[Case]
    defaults: dict[str, Any] = {}


class Outcome(msgspec.Struct, frozen=True):
    """Say how a case ended."""

    scan: str
    case: str
    ok: bool
    expected: list[str]
    got: list[str]


def fixture_of(path: Path) -> Fixture:
    """Read a fixture file; raises ConfigError that names file and fault."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), Fixture)
    except OSError as error:
        raise ConfigError(f"{path} can't be read ({error.strerror}): write one.") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}.") from error


def run_cases(
    question: Question, fixture: Fixture, texts: Mapping[str, str], data: Path
) -> Iterator[Outcome]:
    """Yield the outcome of each case; raises ConfigError for a case that makes no sense."""
    for case in fixture.case:
        for expected, got in _case(question, case, fixture.defaults, texts, data):
            if expected != got:
                break
        yield Outcome(question.name, case.name, expected == got, expected, got)


Pairs = Iterator[tuple[list[str], list[str]]]


def _case(
    question: Question, case: Case, defaults: Row, texts: Mapping[str, str], data: Path
) -> Pairs:
    if case.recording:
        yield case.expect, _recorded(question, case, texts, data)
    elif case.steps:
        yield from _steps(question, case, defaults)
    elif question.header.kind == "events":
        yield from _steps(question, _once(case), defaults)
    else:
        view = _given(case, case.rows, defaults, 0.0)
        yield case.expect, [str(row["symbol"]) for row in _answer(question, view)]


def _once(case: Case) -> Case:
    return msgspec.structs.replace(case, steps=[Step(0.0, case.rows, case.expect)])


def _answer(question: Question, view: View) -> list[dict[str, Any]]:
    if all(named.name != "symbol" for named in question.query.select):
        raise ConfigError(f"{question.name}: SELECT symbol too, the fixture expects symbols.")
    return answer(question.query, view)


def _steps(question: Question, case: Case, defaults: Row) -> Pairs:
    """Ask the scan or board step by step, with its memory: cooldown, hysteresis, hold."""
    scan, board = Scan(question), Board(question)
    symbols = [str(row.get("symbol", "")) for step in case.steps for row in step.rows]
    table = _table(list(dict.fromkeys(symbols)), case.phase)
    for step in case.steps:
        view = _given(case, step.rows, defaults, step.at, table)
        if question.header.kind == "board":
            yield step.expect, board.evaluate(view).order
            continue
        everything = np.arange(len(view))
        told = scan.evaluate(view, everything, np.ones(len(view), np.bool_))
        fired = [s.symbol for s in told if s.state == "fired" and s.kind == "entry"]
        yield sorted(step.expect), sorted(fired)


def _table(symbols: list[str], phase: str) -> Table:
    if phase not in BEGIN:
        raise ConfigError(f"phase is {phase!r}: it is {', '.join(BEGIN)}.")
    table = Table()
    table.grow(symbols)
    return table


def _given(
    case: Case, rows: list[dict[str, Any]], defaults: Row, at_s: float, table: Table | None = None
) -> "Given":
    own = [str(row.get("symbol", "")) for row in rows]
    if not all(own) or len(set(own)) < len(own):
        raise ConfigError(f"case {case.name!r}: each row needs a symbol of its own.")
    table = table or _table(own, case.phase)
    session = table.calendar.session_on(DATE)
    assert session is not None
    table.advance(parse_time(BEGIN[case.phase], session) + int(at_s * NS))
    merged = {s: {**DEFAULTS, **defaults, **r} for s, r in zip(own, rows, strict=True)}
    everyone = [merged.get(s, {}) | {"symbol": s} for s in table.universe.symbols]
    return Given(table, [{"phase": case.phase, **row} for row in everyone], case.name)


class Given(View):
    """Be a view whose columns are given: what is not given is unknown."""

    def __init__(self, table: Table, rows: list[dict[str, Any]], case: str) -> None:
        super().__init__(table)
        self._case = case
        names = {name for row in rows for name in row}
        asks = {name: self._ask(name) for name in names if "(" in name}
        unknown = next((n for n in names if n not in columns() and n not in asks), None)
        if unknown is not None:
            near = get_close_matches(unknown, columns(), 1)
            hint = f"did you mean {near[0]}?" if near else "see `tapelight list columns`."
            raise ConfigError(f"case {case!r}: unknown column {unknown!r}, {hint}")
        for name, info in columns().items():
            self._done[name] = self._column(info, [row.get(name) for row in rows])
        table.indicators.want(asks.values())
        for name, ask in asks.items():
            values = self._numbers(name, [row.get(name) for row in rows])
            table.indicators.put(ask, np.arange(len(rows)), values, len(rows))

    def _ask(self, text: str) -> Ask:
        asked = compile_query(f"SELECT {text} AS x FROM market").indicators
        if len(asked) != 1:
            raise ConfigError(
                f"case {self._case!r}: {text!r} is no indicator: give columns and indicators; what "
                "looks at other rows or at the past (pctl, delta) is tested on a recording."
            )
        return asked[0]

    def _column(self, info: ColumnInfo, values: list[Any]) -> Any:
        if info.kind == "text":
            words = sorted({str(v) for v in values if v is not None})
            codes = [-1 if v is None else words.index(str(v)) for v in values]
            return Text(np.array(codes, np.int32), tuple(words))
        if info.kind == "flag":
            if not all(v is None or isinstance(v, bool) for v in values):
                raise ConfigError(f"case {self._case!r}: {info.name} is true or false.")
            return np.array([bool(v) for v in values], np.bool_)
        return self._numbers(info.name, values)

    def _numbers(self, name: str, values: list[Any]) -> Any:
        if not all(v is None or isinstance(v, int | float) for v in values):
            raise ConfigError(f"case {self._case!r}: {name} is a number.")
        return np.array([np.nan if v is None else v for v in values], np.float64)


def _recorded(question: Question, case: Case, texts: Mapping[str, str], data: Path) -> list[str]:
    """Return a board's order at `at`, or the symbols that fired from `at` to `until`."""
    span = Span(case.recording, case.at, case.until or case.at)
    played = play(span, texts, [question.name], data)
    if question.header.kind == "board":
        return played.order(question.name)
    return [fire.symbol for fire in played.fires if _within(fire, played.begin_ns)]


def _within(fire: Fire, begin_ns: int) -> bool:
    return fire.ts_ns >= begin_ns
