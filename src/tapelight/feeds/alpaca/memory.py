"""The last million prints of the stream: what a cancel or a correction names only by its id."""

from collections.abc import Sequence

import numpy as np

from tapelight.model.batch import Trades
from tapelight.model.records import Print
from tapelight.model.session import MINUTE_NS

KEPT = 1 << 20
MOST_OF_A_MINUTE = 5_000
"""Prints handed over with a correction: the busiest symbols have more only at the bell."""
PRINT = np.dtype(
    [("row", "i4"), ("exchange", "u1"), ("id", "i8"), ("ts_ns", "i8"), ("price", "f8"),
     ("size", "f8"), ("conditions", "u8")]
)  # fmt: skip


class Memory:
    """Keep prints in a ring, newest last; memory is taken as it fills."""

    def __init__(self, kept: int = KEPT) -> None:
        self._ring = np.zeros(kept, PRINT)
        self._count = 0

    def add(self, trades: Trades, ids: Sequence[int]) -> None:
        """Remember the prints of a batch; `ids` are the provider's."""
        n = len(self._ring)
        fresh = np.zeros(len(ids), PRINT)
        for name in ("row", "exchange", "ts_ns", "price", "size", "conditions"):
            fresh[name] = getattr(trades, name)
        fresh["id"] = ids
        fresh = fresh[-n:]
        places = (self._count + np.arange(len(fresh))) % n
        self._ring[places] = fresh
        self._count += len(fresh)

    def find(self, row: int, number: int, exchange: int) -> int | None:
        """Return the place of a row's newest print with an id; None where it is not known."""
        ring = self._ring[: self._count]
        places = np.flatnonzero(
            (ring["id"] == number) & (ring["row"] == row) & (ring["exchange"] == exchange)
        )
        return int(places[np.argmax(self._order(places))]) if len(places) else None

    def since(self, ts_ns: int) -> set[tuple[int, int, int]]:
        """Return (row, id, exchange) of all prints from a time on."""
        ring = self._ring[: self._count]
        found = ring[ring["ts_ns"] >= ts_ns]
        columns = (found[name].tolist() for name in ("row", "id", "exchange"))
        return set(zip(*columns, strict=True))

    def print_at(self, place: int) -> Print:
        """Return a print."""
        one = self._ring[place]
        return Print(
            int(one["ts_ns"]), float(one["price"]), float(one["size"]), int(one["conditions"]),
            int(one["exchange"]),
        )  # fmt: skip

    def rest(self, place: int) -> tuple[Print, ...]:
        """Return the other prints of a print's minute, in arrival order, the newest at the most."""
        ring, one = self._ring[: self._count], self._ring[place]
        same = (ring["row"] == one["row"]) & (
            ring["ts_ns"] // MINUTE_NS == one["ts_ns"] // MINUTE_NS
        )
        same[place] = False
        places = np.flatnonzero(same)
        places = places[np.argsort(self._order(places), kind="stable")]
        return tuple(self.print_at(int(at)) for at in places[-MOST_OF_A_MINUTE:])

    def forget(self, place: int) -> None:
        """Forget a print that was cancelled."""
        self._ring["row"][place] = -1

    def put_right(self, place: int, number: int, right: Print) -> None:
        """Let a corrected print stand where the wrong one was."""
        one = self._ring[place : place + 1]
        one["id"], one["price"], one["size"] = number, right.price, right.size
        one["conditions"] = right.conditions

    def _order(self, places: "np.ndarray[tuple[int], np.dtype[np.intp]]") -> "np.ndarray[tuple[int], np.dtype[np.intp]]":  # fmt: skip
        """Return numbers that rise with arrival."""
        return (places - self._count) % len(self._ring)
