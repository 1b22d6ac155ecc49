"""What becomes of a signal after it fired: confirmed, invalidated, expired, halted, retracted."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tapelight.market.table import Table
from tapelight.market.view import View
from tapelight.model.signals import Signal
from tapelight.scan.filter import let_go
from tapelight.scan.life import Life, Live, places
from tapelight.scan.sql import Query
from tapelight.scan.telling import Rows, Teller, changed

NS = 1_000_000_000
Flags = npt.NDArray[np.bool_]


class Ending(NamedTuple):
    """Say what may end a signal: the state it ends in, where that is so, and in what words."""

    state: str
    holds: Callable[[Rows], Flags]
    reason: Callable[[int], str]
    query: Query | None = None


class Lifecycle:
    """Lead the live signals of one question to their ends; `life` remembers which they are."""

    def __init__(self, teller: Teller, life: Life) -> None:
        self.teller = teller
        self.life = life

    def step(self, view: View, rows: Rows, asked: Flags, sound: Flags) -> list[Signal]:
        """Return what became of the live signals of those of `rows` (the view's) that are `asked`."""
        told = self._close_session(view, rows, asked)
        self._let_go(view, rows, asked & sound)
        for ending in self._endings(view, rows, sound):
            at = places(rows, asked, self.life.live)
            told += self.end(view, rows, at[ending.holds(at)], ending) if len(at) else []
        return told

    def fired_again(self, view: View, rows: Rows, at: Rows) -> list[Signal]:
        """Let the earlier signals of rows that fire anew expire: a symbol has one live at a time."""
        earlier = [row in self.life.live for row in rows[at].tolist()]
        ending = Ending("expired", lambda _at: _at >= 0, lambda _place: "fired again")
        return self.end(view, rows, at[np.array(earlier, np.bool_)], ending)

    def end(self, view: View, rows: Rows, at: Rows, ending: Ending) -> list[Signal]:
        """Let the live signals at the view's places `at` end."""
        born = [self.life.live.pop(row).born_ns for row in rows[at].tolist()]
        made = self.teller.records(view, at, born, ending.state, ending.query)
        reasons = [ending.reason(place) for place in at.tolist()]
        return [changed(s, reason=reason) for s, reason in zip(made, reasons, strict=True)]

    def _endings(self, view: View, rows: Rows, sound: Flags) -> tuple[Ending, ...]:
        """Return what may end a signal, in the order in which it is looked at."""
        question = self.teller.question
        now, span_s = view.moment.now_ns, question.header.expires_s

        def halted(at: Rows) -> Flags:
            return np.asarray(view.table.rows["halted"][rows[at]] != 0)

        def expired(at: Rows) -> Flags:
            fired = np.array([self.life.live[row].fired_ns for row in rows[at].tolist()], np.int64)
            return np.asarray((now - fired >= span_s * NS) & (span_s > 0))

        return (
            Ending("halted", halted, lambda _place: "trading in the symbol halted"),
            self._asked("invalidated", question.invalid, view, sound),
            self._asked("confirmed", question.confirm, view, sound),
            Ending("expired", expired, lambda _place: f"{span_s:g} s have passed"),
        )

    def _asked(self, state: str, query: Query | None, view: View, sound: Flags) -> Ending:
        """Return the ending that a condition brings about; a stale row ends by none."""

        def holds(at: Rows) -> Flags:
            if query is None or query.where is None:
                return np.zeros(len(at), np.bool_)
            return np.asarray(query.where.among(view, at) & sound[at])

        return Ending(state, holds, lambda place: self.teller.sentence(query, view, place), query)

    def _let_go(self, view: View, rows: Rows, asked: Flags) -> None:
        """Let spent rows fire again once the condition, also with its bounds let out, is false."""
        query = self.teller.question.query
        at = places(rows, asked, self.life.spent)
        if len(at) and query.where is not None and query.leave is not None:
            for row in rows[let_go(query.where, query.leave, view, at)].tolist():
                del self.life.spent[row]

    def _close_session(self, view: View, rows: Rows, asked: Flags) -> list[Signal]:
        """Let what was live when the session ended expire."""
        born = {signal.row: signal.born_ns for signal in self.life.over}
        if not born:
            return []
        at = places(rows, asked, born)
        ended = rows[at].tolist()
        self.life.over = [signal for signal in self.life.over if signal.row not in ended]
        made = self.teller.records(view, at, [born[row] for row in ended], "expired")
        return [changed(signal, reason="the session ended") for signal in made]

    def retract(
        self, table: Table, row: int, event_ns: int, reason: str
    ) -> tuple[list[Live], list[Signal]]:
        """Take back the signals of this session that `row` gave on the print of `event_ns`.

        Returns them, and a record of each. Those taken back already are left out.
        """
        gone = self.life.told.of_event(row, event_ns)
        if not gone:
            return [], []
        self.life.told.forget(gone)
        for signal in gone:
            if self.life.live.get(signal.row) == signal:
                del self.life.live[signal.row]
        view = View(table, np.array([signal.row for signal in gone], np.intp))
        born = [signal.born_ns for signal in gone]
        made = self.teller.records(view, np.arange(len(gone)), born, "retracted")
        return gone, [changed(signal, reason=reason) for signal in made]
