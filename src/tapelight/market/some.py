"""A few rows of a view: what the view has reckoned is gathered from it, not reckoned again."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tapelight.market.column import Values
from tapelight.market.text import Text
from tapelight.market.view import View

T = TypeVar("T")
Positions = npt.NDArray[np.intp]


class Some(View):
    """Give the columns of `view` at the positions `at`."""

    def __init__(self, view: View, at: Positions) -> None:
        self.table, self.feed, self.moment = view.table, view.feed, view.moment
        self.index = at if view.index is None else view.index[at]
        self._view, self._at = view, at
        self._done: dict[str, Values] = {}
        self._shared = {}

    def __getitem__(self, name: str) -> Values:
        """Return a column; reckoned for the whole view, which others may ask."""
        done = self._done.get(name)
        if done is None:
            whole = self._view[name]
            done = whole.take(self._at) if isinstance(whole, Text) else whole[self._at]
            self._done[name] = done
        return done

    def once(self, key: str, reckon: Callable[[View], T]) -> T:
        """Return what the view shares, or `reckon(self)`."""
        if key not in self._shared:
            whole = self._view.reckoned(key)
            if isinstance(whole, np.ndarray) and whole.shape == (len(self._view),):
                self._shared[key] = whole[self._at]
            else:
                self._shared[key] = reckon(self)
        kept: T = self._shared[key]
        return kept

    @property
    def root(self) -> View:
        """Return the view that this is a part of."""
        return self._view.root
