"""The first rows of a question in its order: ties by symbol, nulls last."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tapelight.market.text import Text
from tapelight.market.view import View
from tapelight.scan.expr import Expr
from tapelight.scan.filter import Positions
from tapelight.scan.sql import Query, order_of

SLACK, LOOSE = 2, 8


class Top:
    """Find the first rows of one question, mark after mark.

    Remembers how far down the rows of interest reached, so that next time few are sorted: that
    changes no answer, so no snapshot holds it.
    """

    def __init__(self) -> None:
        self._bound = np.nan

    def of(self, query: Query, view: View, members: Positions) -> Positions:
        """Return the first of `members` (positions in the view), at most the query's limit."""
        limit = query.limit
        if query.order and limit and len(members) > 2 * SLACK * limit:
            members = self._contenders(query.order[0], view, members, limit)
        return order_of(query, view, members)[:limit]

    def _contenders(
        self, first: tuple[Expr, bool], view: View, members: Positions, limit: int
    ) -> Positions:
        """Return those of `members` that may be among the first `limit`: a sort of few, not of all."""
        key = _key(first, view, members)
        if key is None:
            return members
        near = key <= self._bound
        if not limit <= np.count_nonzero(near) <= LOOSE * limit:
            at = SLACK * limit - 1
            self._bound = float(np.partition(key, at)[at])
            if np.isnan(self._bound):
                return members
            near = key <= self._bound
        return members[near]


def _key(
    first: tuple[Expr, bool], view: View, members: Positions
) -> npt.NDArray[np.float64] | None:
    """Return what `members` are ordered by, the smallest first; None for text."""
    expr, descending = first
    values: Any = expr.evaluate(view)
    if isinstance(values, Text):
        return None
    numbers = np.asarray(values, np.float64)
    key = np.broadcast_to(numbers, len(view))[members]
    return -key if descending else key
