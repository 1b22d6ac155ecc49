"""Conflate quotes inside one batch: drop those that nothing can ever see."""

import numpy as np
import numpy.typing as npt

from tapelight.model.batch import Int32s, Quotes, Trades

NARROW = 1 << 16
"""Rows below it are sorted as 16 bits, for which NumPy has a radix sort: a tenth of the time."""


def seen(quotes: Quotes, trades: Trades | None) -> npt.NDArray[np.bool_]:
    """Return a mask of the quotes that have an effect, shape (len(quotes.row),).

    A quote has none when a later quote of its row arrives before any trade of that row.
    """
    rows, positions = _merged(quotes, trades)
    narrow = rows.max(initial=0) < NARROW
    order = np.argsort(rows.astype(np.uint16) if narrow else rows, kind="stable")
    is_quote = np.zeros(len(rows), np.bool_)
    is_quote[positions] = True
    is_quote, rows = is_quote[order], rows[order]
    superseded = np.zeros(len(rows), np.bool_)
    followed = is_quote[:-1] & is_quote[1:] & (rows[:-1] == rows[1:])
    superseded[order[:-1][followed]] = True
    return ~superseded[positions]


def _merged(quotes: Quotes, trades: Trades | None) -> tuple[Int32s, npt.NDArray[np.intp]]:
    """Return the rows of all events in arrival order, and where among them the quotes stand."""
    count = len(quotes.row)
    positions = np.arange(count) + quotes.before
    if trades is None:
        return quotes.row, positions
    rows = np.empty(count + len(trades.row), np.int32)
    of_trades = np.ones(len(rows), np.bool_)
    of_trades[positions] = False
    rows[positions] = quotes.row
    rows[of_trades] = trades.row
    return rows, positions
