"""Turn the table's rows into columns, a block of rows at a time."""

import numpy as np
import numpy.typing as npt

from tapelight.market.jit import loop

Words = npt.NDArray[np.int64]

BLOCK = 64
"""Rows of a block: 64 rows of some hundred words stay in the nearest cache while each field is written."""


@loop
def turn(rows: Words, into: Words) -> None:
    """Write `rows` (rows, fields) into `into` (fields, rows)."""
    count, fields = rows.shape
    for first in range(0, count, BLOCK):
        last = min(first + BLOCK, count)
        for field in range(fields):
            for row in range(first, last):
                into[field, row] = rows[row, field]
