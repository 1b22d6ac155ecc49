"""The hot state inside one process."""

import heapq
import time
from collections.abc import Callable, Mapping, Sequence

from tapelight.ports import Json, Ranked


class MemoryHot:
    """Keep boards and rows in dictionaries; what is over goes when it is looked at."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tops: dict[str, dict[str, tuple[float, Sequence[Ranked]]]] = {}
        self._rows: dict[str, tuple[float, Json]] = {}

    async def put_top(
        self, board: str, partition: str, top: Sequence[Ranked], ttl_s: float
    ) -> None:
        """Replace what a partition has on a board."""
        self._tops.setdefault(board, {})[partition] = self._clock() + ttl_s, tuple(top)

    async def top(self, board: str, most: int) -> Sequence[Ranked]:
        """Return the first rows of the union of all partitions."""
        now_s = self._clock()
        parts = self._tops.get(board, {})
        for name in [name for name, (until_s, _) in parts.items() if until_s <= now_s]:
            del parts[name]
        every = (ranked for _, top in parts.values() for ranked in top)
        return heapq.nsmallest(most, every, key=rank)

    async def put_rows(self, rows: Mapping[str, Json], ttl_s: float) -> None:
        """Replace rows by symbol."""
        until_s = self._clock() + ttl_s
        self._rows.update((symbol, (until_s, row)) for symbol, row in rows.items())

    async def row(self, symbol: str) -> Json:
        """Return a row; None where there is none, or no longer."""
        until_s, row = self._rows.get(symbol, (0.0, None))
        if until_s <= self._clock():
            self._rows.pop(symbol, None)
            return None
        return row


def rank(ranked: Ranked) -> tuple[float, str]:
    """Return by what rows are ordered."""
    return -ranked.score, ranked.symbol
