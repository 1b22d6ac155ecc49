"""A bounded ring of the trades sent last, for /v3/trades."""

from collections import deque

import numpy as np

from tapelight.feeds.simulator import sales
from tapelight.feeds.simulator.frames import FIRST_SEQUENCE
from tapelight.feeds.simulator.listing import Listing
from tapelight.feeds.simulator.market import MS
from tapelight.feeds.simulator.tape import dollars
from tapelight.feeds.simulator.window import Window

KEEP_TRADES = 200_000


class Recent:
    """Hold the windows of the last `KEEP_TRADES` trades."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._windows: deque[Window] = deque()
        self._held = 0

    def add(self, window: Window) -> None:
        """Take a window that was sent; the oldest fall out."""
        if not len(window.trades):
            return
        self._windows.append(window)
        self._held += len(window.trades)
        while self._held > KEEP_TRADES and len(self._windows) > 1:
            self._held -= len(self._windows.popleft().trades)

    def trades(
        self, row: int, since_ns: int, limit: int, until_ns: int = 1 << 62
    ) -> list[dict[str, object]]:
        """Return up to `limit` trades of `row` in [since_ns, until_ns], newest first."""
        found: list[dict[str, object]] = []
        for window in reversed(self._windows):
            if window.end_ms * MS <= since_ns or len(found) >= limit:
                break
            stamps = window.trades.ts_ms * MS
            mine = (window.trades.row == row) & (stamps >= since_ns) & (stamps <= until_ns)
            found += [self._trade(window, at) for at in np.flatnonzero(mine)[::-1].tolist()]
        return found[:limit]

    def _trade(self, window: Window, at: int) -> dict[str, object]:
        trades, number = window.trades, window.first_trade + at
        stamp, size = int(trades.ts_ms[at]) * MS, float(trades.size[at])
        ids = sales.KINDS[int(trades.kind[at])]
        return {
            **({"conditions": list(ids)} if ids else {}),
            "exchange": int(trades.venue[at]), "id": str(number + 1),
            "participant_timestamp": stamp, "sip_timestamp": stamp,
            "price": float(dollars(trades.price[at : at + 1])[0]), "size": int(size),
            "decimal_size": str(size), "sequence_number": number * 3 + FIRST_SEQUENCE,
            "tape": int(self._listing.tape[trades.row[at]]),
        }  # fmt: skip
