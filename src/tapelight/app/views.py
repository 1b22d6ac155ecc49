"""What the gateway sees of the engine: its ports Boards and Market."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from tapelight.app.armed import armed_rows, newest_armed
from tapelight.engine import Engine
from tapelight.errors import Bug
from tapelight.market.column import columns
from tapelight.market.view import View
from tapelight.model.session import PHASES, latest_session
from tapelight.model.signals import Signal
from tapelight.ports import Json, Row
from tapelight.scan.board import Ranking
from tapelight.scan.question import Question
from tapelight.scan.sql import answer, as_cells, check_now, compile_query

KEEP_SIGNALS = 2_000
EVENTS_SHOWN = 100
"""Firings that a scan shows as a board."""
MINUTE_S = 60
STALE_NS = 5_000_000_000


def phase_and_session(engine: Engine, ts_ns: int) -> tuple[str, str]:
    """Return the market's phase at a market time, and the session's date; empty before the first one.

    What is given again after a restart is of before: of another phase, maybe of the day before.
    """
    session = engine.table.session
    if session is None:
        return PHASES[0], ""
    if not session.start_ns <= ts_ns < engine.table.next_roll_ns:
        session = latest_session(engine.table.calendar, ts_ns)
    return PHASES[session.phase(ts_ns)], session.date.isoformat()


def last_prices(engine: Engine, symbols: Iterable[str]) -> dict[str, float]:
    """Return the last prices that are known, not provisional and not old."""
    table = engine.table
    if table.now_ns - table.complete_ns > STALE_NS:
        return {}
    found: dict[str, float] = {}
    for symbol in symbols:
        row = table.universe.rows.get(symbol)
        if row is None:
            continue
        state = table.rows[row]
        price = float(state["last"])
        if price > 0 and not state["provisional"]:
            found[symbol] = price
    return found


class EngineBoards:
    """Answer for boards and signals: the rankings of the last whole second."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.rankings: dict[str, Ranking] = {}
        self._asked: dict[str, Question] = {}
        """What each ranking answers: until the next whole second an edited board shows the old answer
        under the old columns."""
        self.newest: deque[Signal] = deque(maxlen=KEEP_SIGNALS)
        self.counts: Callable[[], Mapping[str, int]] = dict
        """The feed's running totals, noted with each set of rankings."""
        self.taken: Mapping[str, int] = {}

    def keep(self, rankings: Sequence[Ranking], signals: Sequence[Signal]) -> None:
        """Take what a cycle brought."""
        if rankings:
            self.taken = self.counts()
        for ranking in rankings:
            self.rankings[ranking.name] = ranking
            self._asked[ranking.name] = self.engine.boards[ranking.name].question
        self.newest.extendleft(signals)

    def board_names(self) -> Sequence[Mapping[str, Json]]:
        """Return what boards and scans there are, in the order of their numbers."""
        questions = [b.question for b in self.engine.boards.values()]
        questions += [s.question for s in self.engine.scans.values()]
        return [_described(q) for q in sorted(questions, key=lambda q: (q.header.number, q.name))]

    def board(self, name: str) -> Mapping[str, Json]:
        """Return a board as of the last whole second; raises KeyError for an unknown name."""
        board = self.engine.boards.get(name)
        if board is None:
            return self._events(name)
        question, ranking = self._asked.get(name), self.rankings.get(name)
        if question is None or ranking is None:
            question, ranking = board.question, Ranking(name, self.engine.last_mark_ns, [], [])
        return {**board_state(question, ranking), "taken": self.taken}

    def _events(self, name: str) -> Mapping[str, Json]:
        """Return a scan's newest signals in the form of a board, newest first."""
        question = self.engine.scans[name].question
        rows = event_rows(name, [named.name for named in question.query.select], self.newest)
        ranking = Ranking(name, self.engine.last_mark_ns, [], [])
        return {**board_state(question, ranking), "order": list(rows), "rows": rows}

    def signals(self, limit: int) -> Sequence[Signal]:
        """Return the newest signals first."""
        return [s for s, _ in zip(self.newest, range(limit), strict=False)]

    def armed(self) -> Mapping[str, Json]:
        """Return who is armed at the last mark, the newest first."""
        mark = self.engine.last_mark_ns
        return {"mark": mark, "ts_ns": mark, "armed": newest_armed(armed_rows(self.engine))}


def event_rows(
    name: str, columns: Sequence[str], newest: Iterable[Signal]
) -> dict[str, list[Json]]:
    """Return a scan's newest firings as rows: SYMBOL@MS -> the values of `columns`.

    By their names: a firing before an edit has other columns; what it has not is null.
    """
    fired = (s for s in newest if s.scan == name and s.state == "fired")
    return {
        f"{s.symbol}@{s.ts_ns // 1_000_000}": [s.values.get(column) for column in columns]
        for s in islice(fired, EVENTS_SHOWN)
    }


def _described(question: Question) -> Mapping[str, Json]:
    header = question.header
    return {
        "name": question.name,
        "title": header.title,
        "kind": header.kind,
        "doc": header.doc,
        "columns": [n.name for n in question.query.select],
        "sql": question.query.text,
        "phases": list(header.phases),
    }


def board_state(question: Question, ranking: Ranking) -> dict[str, Json]:
    """Return a ranking in the gateway's form."""
    return {
        "name": question.name,
        "title": question.header.title,
        "kind": question.header.kind,
        "mark": ranking.ts_ns,
        "ts_ns": ranking.ts_ns,
        "columns": [{"name": n.name, "unit": n.unit, "doc": n.doc} for n in question.query.select],
        "order": ranking.order,
        "rows": ranking.rows(),
    }


class EngineMarket:
    """Answer for the live table."""

    def __init__(self, engine: Engine, status: Callable[[], Mapping[str, Json]]) -> None:
        self.engine = engine
        self._status = status
        self.asked_for: Callable[[str], None] = lambda _symbol: None
        """Called with a symbol whose bars somebody looks at."""

    def query(self, sql: str) -> Sequence[Row]:
        """Answer a SELECT over `market`; raises ConfigError that names the fault."""
        query = compile_query(sql, names=self.engine.names)
        check_now(query, self.engine.table)
        return answer(query, View(self.engine.table))

    def symbol(self, symbol: str) -> Row:
        """Return every column of one symbol; raises KeyError when it is not watched."""
        table = self.engine.table
        view = View(table, np.array([table.universe.rows[symbol]], np.intp))
        first = np.zeros(1, np.intp)
        return {name: as_cells(view[name], 1, first)[0] for name in columns()}

    def bars(self, symbol: str, span_s: int) -> Sequence[Sequence[float]]:
        """Return today's minute bars, oldest first, the forming one last; `span_s` is 60."""
        if span_s != MINUTE_S:
            raise Bug(f"The table keeps minute bars, not bars of {span_s} s.")
        table = self.engine.table
        row = table.universe.rows[symbol]
        self.asked_for(symbol)
        minutes = [_bar_cells(bar) for bar in table.bars.of_row(row)]
        state = table.rows[row]
        if not np.isnan(state["bar_o"]):
            forming = (state[n] for n in ("bar_o", "bar_h", "bar_l", "bar_c", "bar_v"))
            minutes.append([int(state["bar_min"]) * MINUTE_S, *(float(v) for v in forming)])
        return minutes

    def status(self) -> Mapping[str, Json]:
        """Return what /health shows."""
        return self._status()


def _bar_cells(bar: Any) -> list[float]:
    prices = (bar["open"], bar["high"], bar["low"], bar["close"], bar["volume"])
    return [int(bar["minute"]) * MINUTE_S, *(float(p) for p in prices)]
