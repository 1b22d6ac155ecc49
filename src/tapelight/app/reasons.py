"""Why and why not, from an engine: live, at any recorded second, and from the signal log."""

import asyncio
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NamedTuple

import msgspec
import numpy as np

from tapelight.app.asof import Stopped, Then
from tapelight.app.past import Past
from tapelight.app.views import EngineBoards
from tapelight.engine import Engine
from tapelight.errors import Missing
from tapelight.market.view import View
from tapelight.model.session import clock_zone, iso
from tapelight.model.signals import Leaf, Signal
from tapelight.ports import Json, Wanted
from tapelight.scan.board import Board
from tapelight.scan.explain import Explanation, explain, explain_rule, near_misses
from tapelight.scan.rule import StrategyRule
from tapelight.scan.scan import Scan
from tapelight.scan.wording import clock, span
from tapelight.stores.signals import SignalLog

NS = 1_000_000_000
GO_ON_S = 600
"""How far a question about the past looks ahead for what the scan did next."""
WEB_GO_ON_S = 120
NEAR = 50
NAMES_SHOWN = 5

Asker = Board | Scan | StrategyRule


def askers(engine: Engine) -> dict[str, Asker]:
    """Return the boards, scans and strategies that run, by name."""
    return {**engine.boards, **engine.scans, **engine.strategies}


def asker_of(engine: Engine, name: str) -> Asker:
    """Return the board, scan or strategy of a name; raises Missing that names the nearest."""
    known = askers(engine)
    if name in known:
        return known[name]
    chosen = engine.roster.chosen
    names = {*known, *(engine.questions.texts if engine.questions else ())}
    names |= set(chosen.chosen if chosen else ())
    raise Missing(f"There is no board, scan or strategy {name!r}.{_nearest(name, names)}")


def row_of(engine: Engine, symbol: str) -> int:
    """Return a symbol's row; raises Missing that names the nearest watched symbol."""
    rows = engine.table.universe.rows
    if symbol in rows:
        return rows[symbol]
    raise Missing(f"Symbol {symbol!r} is not watched.{_nearest(symbol.upper(), rows)}")


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = get_close_matches(name[:80], names, 1, 0.5)
    if near:
        return f" Did you mean {near[0]}?"
    if not names:
        return " There are none yet."
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f" There are {', '.join(names[:NAMES_SHOWN])}{more}."


def explained(
    engine: Engine, symbol: str, name: str, asked: tuple[Leaf, ...] | None = None
) -> Explanation:
    """Explain how a board, scan or strategy stands for a symbol, as the table is; raises Missing.

    `asked` are the leaves that a strategy was asked with at this mark.
    """
    asker = asker_of(engine, name)
    view = _row_view(engine, symbol)
    if isinstance(asker, StrategyRule):
        return explain_rule(asker, view, 0, asked)
    return explain(asker.question, view, 0, asker)


def _row_view(engine: Engine, symbol: str) -> View:
    return View(engine.table, np.array([row_of(engine, symbol)], np.intp))


@dataclass(slots=True)
class Looker:
    """Explain at each mark that an engine passes, while a new high of the mark still stands.

    A strategy is explained with what it was asked with: once asked, it has moved its memory on.
    """

    symbol: str
    name: str
    found: list[Explanation] = field(default_factory=list)
    _asked: tuple[Leaf, ...] | None = None

    @contextmanager
    def beside(self, engine: Engine) -> Iterator[None]:
        """Look at each mark that the engine makes meanwhile."""
        engine.on_ask, engine.on_look = self.ask, self.look
        try:
            yield
        finally:
            engine.on_ask = engine.on_look = None

    def ask(self, engine: Engine) -> None:
        """Note what a strategy is about to be asked with."""
        rule = engine.strategies.get(self.name)
        if rule is not None and self.symbol in engine.table.universe.rows:
            self._asked = rule.explain(_row_view(engine, self.symbol), 0, due=True)

    def look(self, engine: Engine) -> None:
        """Explain the mark at which the engine stands, where symbol and question are known there.

        An edit within the second may have taken the question away.
        """
        if self.symbol in engine.table.universe.rows and self.name in askers(engine):
            self.found.append(explained(engine, self.symbol, self.name, self._asked))
        self._asked = None

    def nearest(self, pulsing: bool) -> Explanation | None:
        """Return the last explanation; of a pulse (a new high), the one with the fewest failures."""
        if not pulsing:
            return self.found[-1] if self.found else None
        return min(reversed(self.found), key=lambda e: len(e.failed), default=None)


def why_then(
    then: Then, symbol: str, name: str, at_ns: int, go_on_s: int = GO_ON_S
) -> dict[str, Json]:
    """Explain a past second, and say what the scan did next.

    `then` stands a second before `at_ns`. A scan of pulses, or a strategy that remembers what moves
    at each mark, is explained at the mark of that second at which the fewest leaves failed, any
    other at the last mark. Raises Missing.
    """
    engine = then.engine
    asker = asker_of(engine, name)
    looker = Looker(symbol, name)
    with looker.beside(engine):
        then.cursor.go_to(at_ns, then.check)
    told = looker.nearest(getattr(asker, "pulsing", False))
    told = told if told is not None else explained(engine, symbol, name)
    newest = _newest(then.boards.newest, symbol, name)
    later = _later(then, symbol, asker, at_ns, go_on_s)
    words = later.words(told, clock_zone(engine.table.calendar))
    return {
        **_answer(told, newest),
        "run": then.run,
        "next_ns": later.next_ns,
        "text": f"{told.text}; {words}" if words else told.text,
    }


class Later(NamedTuple):
    """Say what a question did next: when it fired (or listed the symbol), how far was looked.

    Either is 0 where there is nothing to say.
    """

    next_ns: int
    until_ns: int

    def words(self, told: Explanation, zone: dt.tzinfo) -> str:
        """Return it as a part of a sentence; nothing where nothing was looked for."""
        if told.state == "listed" or not self.until_ns:
            return ""
        fired, fire = ("listed", "listed") if told.kind == "board" else ("fired", "fire")
        if self.next_ns:
            return (
                f"{fired} at {clock(self.next_ns, zone)}, {_after(told.ts_ns, self.next_ns)} later"
            )
        did_not = "was not" if told.kind == "board" else "did not"
        return f"{did_not} {fire} in the {_after(told.ts_ns, self.until_ns)} after"


def _after(begin_ns: int, end_ns: int) -> str:
    return span((end_ns - begin_ns) / NS)


def _later(then: Then, symbol: str, asker: Asker, at_ns: int, go_on_s: int) -> Later:
    """Go on until the question fires for the symbol, for `go_on_s` or what time is given."""
    until_ns = 0
    try:
        for second in range(1, go_on_s + 1):
            goes_on = then.cursor.go_to(at_ns + second * NS, then.check)
            until_ns = then.cursor.mark_ns
            next_ns = _hit(then, symbol, asker, at_ns)
            if next_ns or not goes_on:
                return Later(next_ns, until_ns)
    except Stopped:
        pass  # the answer itself is known: it is worth more than what came next
    return Later(0, until_ns)


def _hit(then: Then, symbol: str, asker: Asker, after_ns: int) -> int:
    if isinstance(asker, Board):
        ranking = then.boards.rankings.get(asker.name)
        listed = ranking is not None and ranking.ts_ns > after_ns and symbol in ranking.order
        return ranking.ts_ns if ranking is not None and listed else 0
    newest = _newest(then.boards.newest, symbol, asker.name)
    return newest.ts_ns if newest is not None and newest.ts_ns > after_ns else 0


def _newest(newest: Iterable[Signal], symbol: str, name: str) -> Signal | None:
    """Return the newest firing of a scan for a symbol."""
    mine = (s for s in newest if s.symbol == symbol and s.scan == name and _fires(s))
    return next(mine, None)


def _fires(signal: Signal) -> bool:
    return signal.state == "fired" and signal.kind == "entry"


def _answer(told: Explanation, signal: Signal | None) -> dict[str, Json]:
    return {**msgspec.to_builtins(told), "signal": msgspec.to_builtins(signal)}


def near_now(engine: Engine, name: str, limit: int = NEAR) -> dict[str, Json]:
    """Return who is armed and who misses a question by one leaf; raises Missing."""
    asker = asker_of(engine, name)
    if isinstance(asker, StrategyRule):
        raise Missing(f"{name} is a strategy: near misses are told of boards and scans.")
    armed = sorted(asker.life.armed) if isinstance(asker, Scan) else []
    symbols = engine.table.universe.symbols
    misses = near_misses(asker.question, View(engine.table), limit)
    return {
        "scan": name,
        "title": asker.question.header.title,
        "ts_ns": engine.last_mark_ns,
        "armed": sorted(symbols[row] for row in armed),
        "misses": msgspec.to_builtins(misses),
    }


def near_then(then: Then, name: str, limit: int) -> dict[str, Json]:
    """Return the same of a past second."""
    return near_now(then.engine, name, limit)


class EngineReasons:
    """Answer for explanations and signals: what the gateway asks by its port Reasons."""

    def __init__(self, engine: Engine, boards: EngineBoards, past: Past) -> None:
        self.engine = engine
        self.boards = boards
        self.past = past
        self.log: SignalLog | None = None

    async def why(self, symbol: str, scan: str, at: str) -> Mapping[str, Json]:
        """Explain a past second, or the present; a new high stands for its mark's blink only."""
        if not at:
            told = explained(self.engine, symbol, scan)
            return _answer(told, _newest(self.boards.newest, symbol, scan))
        at_ns = self.past.moment(at)
        asked, before = frozenset([scan]), iso(at_ns - NS)
        return await self.past.ask(before, why_then, symbol, scan, at_ns, WEB_GO_ON_S, asked=asked)

    async def near(self, scan: str, limit: int, at: str) -> Mapping[str, Json]:
        """Return who is armed and who misses by one leaf."""
        if not at:
            return near_now(self.engine, scan, limit)
        return await self.past.ask(at, near_then, scan, limit, asked=frozenset([scan]))

    async def signals(self, wanted: Wanted) -> Sequence[Signal]:
        """Return records, the newest first: those of this process, and the log's before them."""
        live = [s for s in self.boards.newest if wanted.fits(s)][: wanted.limit]
        if len(live) >= wanted.limit or self.log is None:
            return live
        logged = await asyncio.to_thread(self.log.find, wanted)
        seen = {(s.mark, s.scan, s.symbol, s.id, s.state) for s in live}
        older = [s for s in logged if (s.mark, s.scan, s.symbol, s.id, s.state) not in seen]
        return sorted([*live, *older], key=lambda s: -s.mark)[: wanted.limit]
