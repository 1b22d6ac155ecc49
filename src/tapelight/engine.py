"""The engine: records in, rankings and signals out. Pure: no clock, network or environment."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import numpy as np

from tapelight.healing import Course, Healing
from tapelight.market.intake import take
from tapelight.market.table import Table
from tapelight.market.turning import Scratch
from tapelight.market.view import View, words_of
from tapelight.model.records import (
    Correction,
    Digest,
    Disabled,
    Healed,
    Mark,
    Pin,
    Questions,
    Record,
    Strategies,
    TierGate,
    TierResult,
    TierWorkers,
)
from tapelight.model.session import MINUTE_NS
from tapelight.model.signals import Signal, witness
from tapelight.scan.board import Board, Ranking
from tapelight.scan.compile import Names
from tapelight.scan.edits import edited, kept, same
from tapelight.scan.lifecycle import Flags
from tapelight.scan.owed import Owed
from tapelight.scan.questions import read_set
from tapelight.scan.roster import Roster
from tapelight.scan.rule import StrategyRule
from tapelight.scan.scan import Scan
from tapelight.scan.tiers import Rows, Tiers

NS = 1_000_000_000
SHARED_ABOVE = 3
"""Where more than a third of the rows is asked for, scans and boards share one view of all."""


Share = Callable[[str], bool]
"""Tells by its name whether a board, scan or strategy is answered here."""


def everything(_name: str) -> bool:
    """Answer all of them: one process does so."""
    return True


Freeze = Callable[["Engine"], dict[str, Any]]
Thaw = Callable[[dict[str, Any]], "Engine"]


class Part(Protocol):
    """What remembers something between marks: a snapshot holds it, a new session clears it."""

    def freeze(self) -> dict[str, Any]:
        """Return what it remembers as arrays and bytes by name."""

    def thaw(self, state: dict[str, Any]) -> None:
        """Take back what `freeze` gave."""

    def clear(self) -> None:
        """Begin a new session."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """Hold what one mark brought: rankings at whole seconds, signals at each mark."""

    mark: Mark
    rankings: list[Ranking] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    whole: bool = False


class Engine:
    """Apply records in order; answer the boards and scans at each mark."""

    def __init__(self, calendar: str = "XNYS") -> None:
        self.table = Table(calendar)
        self.tiers = Tiers(self.table)
        self.boards: dict[str, Board] = {}
        self.scans: dict[str, Scan] = {}
        self.questions: Questions | None = None
        self.share: Share = everything
        """What is answered here. All else is the same whatever the share: indicators of every question
        are reckoned, so that the shares of several processes together are what one would answer."""
        self.names = Names()
        """What the questions name, for a query asked once."""
        self.roster = Roster()
        self.digest = hashlib.blake2b(digest_size=16).hexdigest()
        self.last_mark_ns = 0
        self._scratch = Scratch(0, 0)
        self.rolls = 0
        self.owed = Owed()
        """The ends of signals whose scan was changed or removed since the last mark."""
        self.course = Course()
        self.store: tuple[Freeze, Thaw] | None = None
        """How to copy the whole state, where a recording's holes are to be healed."""
        self.rewind: Callable[[Healed], Healing[Engine] | None] = self._from_base
        """Gives the course since before a hole, reckoned anew up to now; None where it can't."""
        self.on_step: Callable[[str, str], None] = _unwatched
        """Called when a mark begins, and after each board, scan or other part of it, by kind and name."""
        self.on_ask: Callable[[Engine], None] | None = None
        """Called at each mark before the strategies are asked, while they remember what they will be
        asked with; it may read, and change nothing."""
        self.on_look: Callable[[Engine], None] | None = None
        """Called at each mark while what happened since the last one (a new high) still stands; it
        may read, and change nothing."""

    def apply(self, record: Record) -> Cycle | None:
        """Apply one record; a mark returns its cycle."""
        self.course.note(record)
        match record:
            case Mark():
                return self._cycle(record)
            case Healed():
                self._heal(record)
            case Questions():
                self._ask(record)
            case Strategies():
                self.roster.choose(record)
                self._want()
            case Disabled():
                self.roster.disable(record)
            case TierResult(tier=3):
                self.table.options.take(record)
            case Pin() | TierGate() | TierWorkers() | TierResult():
                self.tiers.take(record)
            case Digest():
                pass
            case Correction():
                take(self.table, record)
                self._take_back(record)
            case _:
                take(self.table, record)
        return None

    def foresee(self, since_ns: int) -> None:
        """Be told that a hole will begin: the state before it is then kept, to heal it."""
        if self.store is not None:
            self.course.foreseen.append(since_ns)

    def _heal(self, healed: Healed) -> None:
        """Take over the day without the hole; what was told otherwise is put right at the next mark.

        Where the time of the hole can't be reckoned anew, the missed trades are taken as late ones.
        """
        healing = self.rewind(healed)
        if healing is None:
            take(self.table, healed)
            return
        new = healing.finish()
        self.course.correct(healed, healing.signals)
        self._take_over(new)

    def _take_over(self, new: "Engine") -> None:
        """Be in the state of `new`, an engine as of the same record; digest and hooks stay."""
        new.table.universe = self.table.universe
        new.roster.watch = self.roster.watch
        self._narrow(new)
        for name in ("table", "tiers", "boards", "scans", "roster", "names", "owed", "rolls"):
            setattr(self, name, getattr(new, name))

    def _narrow(self, new: "Engine") -> None:
        """Leave those questions alone in `new` that are not asked here."""
        new.tiers.still, new.share = self.tiers.still, self.share
        new.boards = {n: one for n, one in new.boards.items() if n in self.boards}
        new.scans = {n: one for n, one in new.scans.items() if n in self.scans}
        rules = new.roster.rules
        new.roster.rules = {n: one for n, one in rules.items() if n in self.roster.rules}

    def _from_base(self, healed: Healed) -> "Healing[Engine] | None":
        """Reckon anew from the state that was kept before the hole, if one was."""
        base = self.course.base
        if base is None or self.store is None or base.begun_ns > healed.since_ns:
            return None
        new = self.store[1](base.copied())
        self._narrow(new)
        records = base.records[:-1]  # the last is the healing's own
        healing = Healing(new, healed, records)
        for record in records:
            healing.take(record)
        return healing

    def _take_back(self, correction: Correction) -> None:
        """Owe the retraction of what was told on a trade that never was at its price."""
        wrong, right = correction.wrong, correction.right
        if right is not None and right.price == wrong.price:
            return
        done = f"corrected from {wrong.price:g} to {right.price:g}" if right else "cancelled"
        reason = f"the trade that it was told on was {done}"
        row = self.table.universe.rows[correction.symbol]
        tellers: list[Scan | StrategyRule] = [*self.scans.values(), *self.strategies.values()]
        for one in tellers:
            self.owed.add(one.retract(self.table, row, wrong.ts_ns, reason))

    def _ask(self, questions: Questions) -> None:
        """Take the set of boards and scans; those that ask what they asked keep their memory."""
        found = read_set(questions.texts)
        read, self.names, self.questions = found.questions, found.names, questions
        boards = [question for question in read if question.header.kind == "board"]
        scans = [question for question in read if question.header.kind != "board"]
        self.boards = {q.name: kept(self.boards.get(q.name), q, Board) for q in boards}
        old, begun = self.scans, self._begun()
        self.scans = {q.name: edited(old.get(q.name), q, begun) for q in scans}
        left = [scan for name, scan in old.items() if not same(scan, self.scans.get(name))]
        self.owed.add(end for scan in left for end in scan.give_up(self.table))
        self._want()
        self.table.memory.want(past for q in read for query in q.queries() for past in query.kept)

    def _begun(self) -> bool:
        """Tell whether a mark of the session has been made: what is asked from now on is new in it."""
        session = self.table.session
        return session is not None and self.last_mark_ns >= session.start_ns

    def _want(self) -> None:
        """Let the indicators be reckoned that questions and strategies ask for, and no others."""
        asking: list[Board | Scan] = [*self.boards.values(), *self.scans.values()]
        queries = (query for one in asking for query in one.question.queries())
        self.tiers.want({ask for query in queries for ask in query.indicators} | self.roster.asks())

    def parts(self) -> dict[str, Part]:
        """Return all that remembers something between marks, by the name it has in a snapshot."""
        boards = {f"board.{name}": board for name, board in self.boards.items()}
        scans = {f"scan.{name}": scan for name, scan in self.scans.items()}
        strategies = {f"strategy.{name}": rule for name, rule in self.strategies.items()}
        kept: dict[str, Part] = {
            "news": self.table.news,
            "options": self.table.options,
            "tiers": self.tiers,  # before the memory, which keeps what the gate asks for
            "memory": self.table.memory,
            "owed": self.owed,
            "course": self.course,
            "roster": self.roster,
        }
        return {**kept, **boards, **scans, **strategies}

    @property
    def strategies(self) -> dict[str, StrategyRule]:
        """Return the strategies that run, by name."""
        return self.roster.rules

    def _cycle(self, mark: Mark) -> Cycle:
        table = self.table
        self.on_step("mark", "")
        table.complete_ns = mark.complete_ns
        table.advance(mark.ts_ns)
        if table.rolls != self.rolls:
            self._begin_session()
        table.options.step(mark.ts_ns, table.n)
        whole = mark.ts_ns % NS == 0
        everything = self._everything() if whole else None
        self.tiers.step(mark.ts_ns, everything)
        self.on_step("part", "tiers")
        changed = table.changed()
        found = self.owed.tell(table) + self._scan(everything, changed)
        if self.on_ask is not None:
            self.on_ask(self)
        found += self._follow(mark.ts_ns, changed)
        self.on_step("part", "strategies")
        course = self.course
        late = course.tell(mark.ts_ns)
        signals = sorted(late + found, key=lambda s: (s.scan, s.symbol))
        rankings = self._rank(everything) if everything is not None else []
        if everything is not None:
            table.memory.sample(everything, table.now_s)
        if self.on_look is not None:
            self.on_look(self)
        table.forget_changes()
        self.last_mark_ns = mark.ts_ns
        course.step(table, found, self._frozen)
        self._witness(mark, rankings, signals)
        return Cycle(mark, rankings, signals, whole)

    def _everything(self) -> View:
        """Return the view of all rows; the last one is over, so its memory is used again."""
        shape = words_of(self.table).shape
        if self._scratch.words.shape != shape[::-1]:
            self._scratch = Scratch(*shape)
        return View(self.table, scratch=self._scratch)

    def _frozen(self) -> dict[str, Any]:
        return self.store[0](self) if self.store is not None else {}

    def enter_session(self, ts_ns: int) -> bool:
        """Begin the session of `ts_ns` ahead of its first mark, which then finds it begun.

        Tell whether every window is empty now: a night lies before it.
        """
        before = self.table.session
        self.table.enter_session(ts_ns)
        begun = self.table.session
        if self.table.rolls == self.rolls or before is None or begun is None:
            return False
        self._begin_session()
        return begun.start_ns != before.end_ns

    def _begin_session(self) -> None:
        self.rolls = self.table.rolls
        for part in self.parts().values():
            part.clear()

    def _scan(self, everything: View | None, changed: Flags) -> list[Signal]:
        """Ask the scans of the rows that changed; at whole seconds also of those that held.

        Where a scan asks for a pulse, which the mark ends, what held is asked at each mark; where it
        asks for what moves by itself, a rank or a window, all rows are asked at whole seconds. Rows
        whose indicators are new are asked by the scans that look at these, and by no others.
        """
        n, whole = self.table.n, everything is not None
        looked_at = changed.copy()
        mine = {name: scan for name, scan in self.scans.items() if self.share(name)}
        news = {name: self.tiers.new_rows(scan.asks) for name, scan in mine.items()}
        for name, scan in mine.items():
            if len(news[name]):
                looked_at[news[name]] = True
            if (whole or scan.pulsing) and not scan.quiet:
                looked_at |= scan.held_rows(n)
            if scan.fresh or (whole and scan.everywhere):
                looked_at[:] = True
        rows = np.flatnonzero(looked_at)
        if not len(rows):
            return []
        if everything is not None and len(rows) * SHARED_ABOVE > n:
            view, rows = everything, np.arange(n)
        else:
            view = View(self.table, rows)
        signals: list[Signal] = []
        seen = changed if view is everything else changed[rows]
        for name, scan in mine.items():
            asked = _asked(scan, changed, news[name], whole)
            at = asked if view is everything else asked[rows] if asked is not changed else seen
            signals += scan.evaluate(view, rows, at)
            self.on_step("scan", name)
        return signals

    def _follow(self, ts_ns: int, changed: Flags) -> list[Signal]:
        """Ask the strategies; a second after each minute bars have closed."""
        closed = (ts_ns - NS) // MINUTE_NS > (self.last_mark_ns - NS) // MINUTE_NS
        whole, new = ts_ns % NS == 0, self.tiers.new_rows
        return self.roster.evaluate(self.table, changed, whole, closed, new, self.share)

    def _rank(self, view: View) -> list[Ranking]:
        rankings: list[Ranking] = []
        for name, board in self.boards.items():
            if not self.share(name):
                continue
            rankings.append(board.evaluate(view))
            self.on_step("board", name)
        return rankings

    def _witness(self, mark: Mark, rankings: list[Ranking], signals: list[Signal]) -> None:
        """Fold the cycle's answers into the running digest."""
        if not rankings and not signals:
            return
        answers = (
            mark.ts_ns,
            [(r.name, r.order, r.columns) for r in rankings],
            [witness(s) for s in signals],
        )
        packed = msgspec.msgpack.encode(answers)
        self.digest = hashlib.blake2b(
            bytes.fromhex(self.digest) + packed, digest_size=16
        ).hexdigest()


def _asked(scan: Scan, changed: Flags, new: Rows, whole: bool) -> Flags:
    """Return which of the table's rows a scan is asked of; indicators of it are `new` in some."""
    if scan.fresh or (whole and scan.everywhere):
        return np.ones(len(changed), np.bool_)
    if len(new):
        changed = changed.copy()
        changed[new] = True
    if (whole or scan.pulsing) and not scan.quiet:
        return np.asarray(changed | scan.held_rows(len(changed)))
    return changed


def _unwatched(_kind: str, _name: str) -> None:
    """Let nobody look at the steps."""
