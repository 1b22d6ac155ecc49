"""The test stream: one symbol round the clock, so that a client can be tried at any hour."""

import numpy as np

from tapelight.feeds.simulator.alpaca.forms import Event, Time
from tapelight.feeds.simulator.market import MS

SYMBOL = "FAKEPACA"
EVERY_MS = 500


class Playground:
    """Make a trade and a quote each half second, a bar each minute; the same for one seed."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng([seed, 77])
        self._price, self._number = 13_300, 0
        self._bar: list[int] = []

    def events(self, start_ms: int, end_ms: int, time: Time) -> list[Event]:
        """Return what [start_ms, end_ms) brings."""
        found: list[Event] = []
        first = -(-start_ms // EVERY_MS) * EVERY_MS
        for at in range(first, end_ms, EVERY_MS):
            found += self._tick(at, time)
        if end_ms // 60_000 > start_ms // 60_000 and self._bar:
            found.append(self._close(end_ms // 60_000 * 60_000 - 60_000, time))
        return found

    def _tick(self, at_ms: int, time: Time) -> list[Event]:
        self._price = max(1_000, self._price + int(self._random.integers(-3, 4)))
        self._number += 1
        self._bar.append(self._price)
        price, stamp = self._price / 100.0, time(at_ms * MS)
        quote = {
            "T": "q", "S": SYMBOL, "bx": "O", "bp": (self._price - 1) / 100.0, "bs": 4, "ax": "R",
            "ap": (self._price + 1) / 100.0, "as": 7, "c": ["R"], "z": "A", "t": stamp,
        }  # fmt: skip
        return [quote, {
            "T": "t", "S": SYMBOL, "i": self._number, "x": "N", "p": price, "s": 100, "c": [" "],
            "z": "A", "t": stamp,
        }]  # fmt: skip

    def _close(self, start_ms: int, time: Time) -> Event:
        prices, self._bar = self._bar, []
        shares = 100 * len(prices)
        return {
            "T": "b", "S": SYMBOL, "o": prices[0] / 100.0, "h": max(prices) / 100.0,
            "l": min(prices) / 100.0, "c": prices[-1] / 100.0, "v": shares, "n": len(prices),
            "vw": round(sum(prices) / len(prices) / 100.0, 6), "t": time(start_ms * MS),
        }  # fmt: skip
