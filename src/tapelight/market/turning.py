"""Turn the table's rows into columns, a block of rows at a time."""

import numpy as np
import numpy.typing as npt

from tapelight.market.jit import loop

Words = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

BLOCK = 64
"""Rows of a block: 64 rows of some hundred words stay in the nearest cache while each field is written."""


@loop
def turn(rows: Words, fields: npt.NDArray[np.intp], into: Words) -> None:
    """Write `fields` of `rows` (rows, words) into `into` (words, rows)."""
    count = len(rows)
    for first in range(0, count, BLOCK):
        last = min(first + BLOCK, count)
        for field in fields:
            for row in range(first, last):
                into[field, row] = rows[row, field]


class Scratch:
    """Be memory for one view at a time: fresh pages would cost each more than filling them."""

    def __init__(self, rows: int, words: int) -> None:
        self.words: Words = np.zeros((words, rows), np.int64)
        self.asked: Flags = np.zeros(words, np.bool_)
        """Which words a view has asked for: the next one turns them together."""


class Turned:
    """Give the words of all rows as columns: those that were asked for before at once, others one by one."""

    def __init__(self, rows: Words, scratch: Scratch | None) -> None:
        if scratch is None:
            scratch = Scratch(*rows.shape)
            scratch.asked[:] = True
        self._rows, self._scratch = rows, scratch
        self._done = scratch.asked.copy()
        turn(rows, scratch.asked.nonzero()[0], scratch.words)

    def __getitem__(self, word: int) -> Words:
        """Return a word of each row, contiguous."""
        scratch = self._scratch
        if not self._done[word]:
            self._done[word] = scratch.asked[word] = True
            turn(self._rows, np.array([word], np.intp), scratch.words)
        column: Words = scratch.words[word]
        return column
