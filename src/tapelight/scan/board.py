"""Boards: ranked lists whose membership does not flicker."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tapelight.market.view import View
from tapelight.model.session import PHASES
from tapelight.scan.filter import Filter, let_go
from tapelight.scan.members import NEVER, Int64s, enter, entered_by
from tapelight.scan.question import Question
from tapelight.scan.sql import cells
from tapelight.scan.top import Top

ENTER_NS = 500_000_000
HOLD_NS = 15_000_000_000


@dataclass(frozen=True, slots=True)
class Ranking:
    """Hold a board's answer at a mark: symbols in rank order, cells by column."""

    name: str
    ts_ns: int
    order: list[str]
    columns: list[list[Any]]

    def rows(self) -> dict[str, list[Any]]:
        """Return symbol -> cells in the order of the columns."""
        cells_of = zip(*self.columns, strict=True) if self.order else []
        return dict(zip(self.order, (list(c) for c in cells_of), strict=True))


class Board:
    """Keep who is on a ranked list.

    A row enters when its condition has held for 500 ms, and leaves when the condition fails as it is
    and with its bounds let out by a fifth, 15 s after it entered at the earliest.
    """

    def __init__(self, question: Question, rows: int = 0) -> None:
        self.question = question
        self.true_since: Int64s = np.zeros(rows, np.int64)
        self.entered: Int64s = np.zeros(rows, np.int64)
        self._top = Top()

    @property
    def name(self) -> str:
        """Return the file's name."""
        return self.question.name

    def asked(self, view: View) -> bool:
        """Tell whether the board is asked in the present phase."""
        phases = self.question.header.phases
        return not phases or PHASES[view.moment.phase] in phases

    def evaluate(self, view: View) -> Ranking:
        """Update the membership at the view's moment and return the ranking."""
        self._resize(len(view))
        query, now = self.question.query, view.moment.now_ns
        if not self.asked(view):
            self.clear()
        elif query.where is None or query.leave is None:
            self.entered[:] = np.where(self.entered == NEVER, now, self.entered)
        else:
            enter(query.where.rows(view), self.true_since, self.entered, now, ENTER_NS)
            self._leave(query.where, query.leave, view, now)
        return self.rank(view)

    def _leave(self, where: Filter, leave: Filter, view: View, now: int) -> None:
        """Let members go whose time is over and of which the condition, also let out, fails."""
        free = entered_by(self.entered, now - HOLD_NS)
        if len(free):
            self.entered[let_go(where, leave, view, free)] = NEVER

    def rank(self, view: View) -> Ranking:
        """Return the present members in order, with the view's values."""
        query = self.question.query
        entered = self.entered[: len(view)] if view.index is None else self.entered[view.index]
        chosen = self._top.of(query, view, entered != NEVER)
        order = view.symbols(chosen)
        return Ranking(self.name, view.moment.now_ns, order, cells(query, view, chosen))

    def freeze(self) -> dict[str, Any]:
        """Return who is on the board, and who is about to be: (rows,) arrays of ns."""
        return {"true_since": self.true_since.copy(), "entered": self.entered.copy()}

    def thaw(self, state: dict[str, Any]) -> None:
        """Take back what `freeze` gave."""
        self.true_since, self.entered = state["true_since"], state["entered"]

    def clear(self) -> None:
        """Let nobody be on the board."""
        self.true_since[:] = NEVER
        self.entered[:] = NEVER

    def _resize(self, rows: int) -> None:
        grown = rows - len(self.entered)
        if grown > 0:
            more = np.zeros(grown, np.int64)
            self.true_since = np.concatenate([self.true_since, more])
            self.entered = np.concatenate([self.entered, more])
