"""The first rows of a question in its order: ties by symbol, nulls last."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tapelight.market.text import Text
from tapelight.market.view import View
from tapelight.scan.expr import Bools, Expr
from tapelight.scan.filter import Positions
from tapelight.scan.sql import Query, order_of

Floats = npt.NDArray[np.float64]
SLACK, LOOSE = 2, 8
"""How many times the limit the bound lets in when it is set, and at the most."""


class Top:
    """Find the first rows of one question, mark after mark.

    Remembers how far down the rows of interest reached, so that next time few are sorted: that
    changes no answer, so no snapshot holds it.
    """

    def __init__(self) -> None:
        self._bound = np.nan

    def of(self, query: Query, view: View, members: Bools) -> Positions:
        """Return where the first of `members` (a mask of the view) stand, at most the limit."""
        limit = query.limit
        if query.order and limit and np.count_nonzero(members) > 2 * SLACK * limit:
            members = self._contenders(query.order[0], view, members, limit)
        return order_of(query, view, members.nonzero()[0])[:limit]

    def _contenders(
        self, first: tuple[Expr, bool], view: View, members: Bools, limit: int
    ) -> Bools:
        """Return those of `members` that may be among the first `limit`: a sort of few, not of all."""
        expr, descending = first
        values: Any = expr.evaluate(view)
        if isinstance(values, Text):
            return members
        numbers = np.broadcast_to(np.asarray(values, np.float64), len(view))
        near = self._near(numbers, descending) & members
        if not limit <= np.count_nonzero(near) <= LOOSE * limit:
            self._set_bound(numbers[members], descending, SLACK * limit)
            if np.isnan(self._bound):
                return members
            near = self._near(numbers, descending) & members
        return near

    def _near(self, numbers: Floats, descending: bool) -> Bools:
        return np.asarray(numbers >= self._bound if descending else numbers <= self._bound)

    def _set_bound(self, numbers: Floats, descending: bool, count: int) -> None:
        """Let the bound be the value of the last of the first `count`; null where fewer are known."""
        key = -numbers if descending else numbers
        bound = float(np.partition(key, count - 1)[count - 1])
        self._bound = -bound if descending else bound
