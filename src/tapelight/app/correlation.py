"""How today's minute returns of some symbols move together, from the live table's bars."""

from collections.abc import Sequence

import numpy as np

from tapelight.analytics.correlation import correlation_matrix
from tapelight.engine import Engine


class EngineCorrelations:
    """Answer for the live table."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def correlation(self, symbols: Sequence[str], minutes: int) -> list[list[float | None]]:
        """Return the correlations of the returns over the newest closed `minutes`.

        A minute without a print of a symbol leaves its return unknown; a pair with fewer than
        three quarters of the minutes in common is None. Raises KeyError for an unwatched symbol.
        """
        table = self._engine.table
        rows = [table.universe.rows[symbol] for symbol in symbols]
        bars = [table.bars.of_row(row) for row in rows]
        newest = max((int(each["minute"][-1]) for each in bars if len(each)), default=0)
        closes = np.full((len(rows), minutes + 1), np.nan)
        for row, own in enumerate(bars):
            at = own["minute"].astype(np.int64) - (newest - minutes)
            kept = at >= 0
            closes[row, at[kept]] = own["close"][kept]
        found = correlation_matrix(closes, minutes)
        return [
            [None if each != each else round(each, 4) for each in row] for row in found.tolist()
        ]
