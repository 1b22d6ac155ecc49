"""Time and sales: the newest prints of the market, kept beside the table for whoever looks."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tapelight.engine import Engine
from tapelight.model.batch import Batch, Trades
from tapelight.model.conditions import words_of
from tapelight.ports import Json

KEPT = 1 << 18
"""Prints of all symbols together: 9 MB, and 13 s of a market of 20,000 trades a second."""
COLUMNS = ("row", "ts_ns", "price", "size", "conditions")


class PrintTape:
    """Keep the last `kept` prints in a ring; a view, and in no journal or digest."""

    def __init__(self, engine: Callable[[], Engine], kept: int = KEPT) -> None:
        self._engine = engine
        self._kept = kept
        self._count = 0
        """Prints ever noted: the number of the next one."""
        types = (np.int32, np.int64, np.float64, np.float64, np.uint64)
        self._ring = {n: np.zeros(kept, t) for n, t in zip(COLUMNS, types, strict=True)}
        self._ring["row"][:] = -1

    def note(self, batch: Batch) -> None:
        """Note a batch's prints, copied: a decoder may use its memory again."""
        if batch.trades is None:
            return
        n = len(batch.trades.row)
        for begin in range(0, n, self._kept):
            self._write(batch.trades, begin, min(begin + self._kept, n))

    def _write(self, trades: Trades, begin: int, end: int) -> None:
        at = self._count % self._kept
        first = min(end - begin, self._kept - at)
        for name, ring in self._ring.items():
            values = getattr(trades, name)[begin:end]
            ring[at : at + first] = values[:first]
            ring[: len(values) - first] = values[first:]
        self._count += end - begin

    def prints(self, symbol: str, limit: int) -> Sequence[Mapping[str, Json]]:
        """Return the newest prints of a symbol, newest first; raises KeyError if it isn't watched."""
        table = self._engine().table
        slots = np.flatnonzero(self._ring["row"] == table.universe.rows[symbol])
        age = (self._count - 1 - slots) % self._kept
        newest = np.argsort(age)[:limit]
        places, ages = slots[newest], age[newest]
        columns = (self._ring[name][places].tolist() for name in COLUMNS[1:])
        no_last = table.rules.no_last
        return [
            {"n": self._count - 1 - old, "ts_ns": ts_ns, "price": price, "size": size,
             "moves": not mask & no_last, "conditions": words_of(mask)}
            for old, ts_ns, price, size, mask in zip(ages.tolist(), *columns, strict=True)
        ]  # fmt: skip
