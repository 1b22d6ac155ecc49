"""The condition of a question over a view: tests that must all hold, the later of few rows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tapelight.market.some import Some
from tapelight.market.view import View
from tapelight.scan.expr import Bools, Expr

Positions = npt.NDArray[np.intp]
FEW = 8
"""Where fewer than an eighth of the rows is left, the other tests are asked of these alone."""
NONE: Positions = np.zeros(0, np.intp)


@dataclass(frozen=True, slots=True)
class Filter:
    """Hold conditions that must all hold, in the order as written, the gate first."""

    tests: tuple[Expr, ...]

    def __call__(self, view: View) -> Bools:
        """Return the mask of the rows that pass; the whole view is asked."""
        mask = self.tests[0](view)
        for test in self.tests[1:]:
            mask = mask & test(view)
        return np.asarray(mask)

    def rows(self, view: View) -> Positions:
        """Return the positions of the rows that pass, ascending: the same rows at less cost."""
        few = len(view) // FEW
        mask = None
        for done, test in enumerate(self.tests, 1):
            found = test.evaluate(view)
            mask = found if mask is None else mask & found
            left = int(np.count_nonzero(mask))
            if not left:
                return NONE
            if left <= few and done < len(self.tests):
                return _remaining(self.tests[done:], view, mask.nonzero()[0])
        assert mask is not None
        at: Positions = mask.nonzero()[0]
        return at

    def among(self, view: View, at: Positions) -> Bools:
        """Return which of the rows at the positions `at` pass."""
        if len(at) * FEW > len(view):
            return np.asarray(self(view)[at])
        passes = np.zeros(len(at), np.bool_)
        if len(at):
            passes[np.searchsorted(at, _remaining(self.tests, view, at))] = True
        return passes


def let_go(where: Filter, leave: Filter, view: View, at: Positions) -> Positions:
    """Return those of the positions `at`, ascending, at which neither condition holds.

    `leave` is `where` with its bounds let out, which a bound inside CASE or under IS NOT TRUE makes
    narrower: what holds has not been let go.
    """
    at = at[~leave.among(view, at)]
    return at[~where.among(view, at)]


def _remaining(tests: tuple[Expr, ...], view: View, at: Positions) -> Positions:
    """Return those of the positions `at`, ascending, that pass the tests."""
    for test in tests:
        at = at[test.evaluate(Some(view, at))]
        if not len(at):
            return NONE
    return at
