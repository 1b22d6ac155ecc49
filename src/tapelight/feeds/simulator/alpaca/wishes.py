"""What a client of the data stream has subscribed, by channel."""

from collections.abc import Mapping

import msgspec
import numpy as np

from tapelight.model.batch import Int64s

CHANNELS = (
    "trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds",
)  # fmt: skip
FREE_SYMBOLS = 30
"""Of trades and quotes, on the free feed."""


class Request(msgspec.Struct, kw_only=True):
    """Hold what a client sends: an action, keys, channels."""

    action: str = ""
    key: str = ""
    secret: str = ""
    trades: list[str] = []
    quotes: list[str] = []
    bars: list[str] = []
    updatedBars: list[str] = []  # noqa: N815 - Alpaca's name
    dailyBars: list[str] = []  # noqa: N815
    statuses: list[str] = []
    lulds: list[str] = []


class Wishes:
    """Hold which symbols of each channel are wanted; * is all."""

    def __init__(self, rows: Mapping[str, int]) -> None:
        self._rows = rows
        self.wanted: dict[str, set[str]] = {channel: set() for channel in CHANNELS}
        self._masks: dict[str, np.ndarray[tuple[int], np.dtype[np.bool_]]] = {}

    def fit(self, request: Request) -> bool:
        """Tell whether the free feed would still hold after a request to subscribe."""
        symbols: set[str] = set()
        for channel in ("trades", "quotes"):
            symbols |= self.wanted[channel] | set(getattr(request, channel))
        return "*" not in symbols and len(symbols) <= FREE_SYMBOLS

    def change(self, request: Request) -> None:
        """Subscribe or unsubscribe."""
        for channel in CHANNELS:
            given = set(getattr(request, channel))
            held = self.wanted[channel]
            self.wanted[channel] = held | given if request.action == "subscribe" else held - given
        self._masks = {}

    def pick(self, channel: str, rows: Int64s) -> list[int]:
        """Return the places in `rows` whose symbols are wanted."""
        wanted = self.wanted[channel]
        if not wanted or not len(rows):
            return []
        if "*" in wanted:
            return list(range(len(rows)))
        mask = self._masks.get(channel)
        if mask is None:
            mask = np.zeros(len(self._rows), np.bool_)
            mask[[self._rows[s] for s in wanted if s in self._rows]] = True
            self._masks[channel] = mask
        return np.flatnonzero(mask[rows]).tolist()

    def wants(self, channel: str, symbol: str) -> bool:
        """Tell whether a symbol is wanted."""
        return not self.wanted[channel].isdisjoint((symbol, "*"))

    def form(self) -> dict[str, object]:
        """Return the whole state, as Alpaca answers each subscription."""
        found: dict[str, object] = {"T": "subscription"}
        found.update({channel: sorted(symbols) for channel, symbols in self.wanted.items()})
        for channel in ("corrections", "cancelErrors"):
            found[channel] = sorted(self.wanted["trades"])
        return found
