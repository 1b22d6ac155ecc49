"""The trader as a client of the gateway: prices of its symbols, and the clock beat."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from websockets.exceptions import ConnectionClosed

from tapelight.errors import ConfigError
from tapelight.model.clock import MarketClock
from tapelight.model.orders import Picture
from tapelight.notebook.stream import Stream, Update

log = structlog.get_logger()
NS = 1_000_000_000
SURE_S = 2.0
"""A clock without a beat for this long is unsure."""
BEHIND_NS = NS // 2
"""A beat this far behind our clock sets it back; less is the beat's way to us."""
WANTED_S = 10.0
"""How long the symbol of a signal is followed for its own sake."""
AGAIN_S = 0.5
REFUSED_S = 5.0
MOST = 127
"""Symbols beside `status`: asked for more topics than 128 the gateway would serve none."""


class GatewayPrices:
    """Follow `status` and `symbol:X`. `shown` is called with each picture and the day's volume.

    Where more symbols are asked for than one client may follow, what is watched comes before
    the symbols of signals, and of those the newest.
    """

    def __init__(
        self, url: str, key: Callable[[], str], clock: MarketClock,
        shown: Callable[[Picture, float], None],
    ) -> None:  # fmt: skip
        self.begun = asyncio.Event()
        """Set by the first beat: before it nobody knows the market's time."""
        self.detail = ""
        self.coverage = ""
        """What share of the market the scanner's data are, in its feed's words; empty = unknown."""
        self._url, self._key, self._clock, self._shown = url, key, clock, shown
        self._pictures: dict[str, Picture] = {}
        self._watched: frozenset[str] = frozenset()
        self._wanted: dict[str, float] = {}
        self._refused: dict[str, float] = {}
        self._full = False
        """Whether more symbols are asked for than are followed: it is told as it begins."""
        self._beat_s = float("-inf")
        self._stream: Stream | None = None
        self._changed = asyncio.Event()

    # --- the port --------------------------------------------------------------------------------

    def picture(self, symbol: str) -> Picture | None:
        """Return the newest picture of a symbol; None = nothing is known."""
        return self._pictures.get(symbol)

    def watch(self, symbols: frozenset[str]) -> None:
        """Keep these up to date, beside those of the newest signals."""
        if symbols != self._watched:
            self._watched = symbols
            self._changed.set()

    # --- what the trader asks --------------------------------------------------------------------

    def want(self, symbol: str) -> None:
        """Follow a symbol for a while: a signal may need its prices."""
        new = symbol not in self._wanted
        self._wanted[symbol] = time.monotonic() + WANTED_S
        if new:
            self._changed.set()

    def sure(self) -> bool:
        """Tell whether a clock beat has come within 2 s."""
        return time.monotonic() - self._beat_s <= SURE_S

    async def run(self) -> None:
        """Follow the gateway until cancelled, through its restarts."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            while True:
                self._stream = Stream(self._url, self._topics(), self._key())
                try:
                    async for update in self._stream.updates():
                        self._take(update)
                except ConfigError as error:
                    self._refuse(str(error))
                await asyncio.sleep(AGAIN_S)

    async def _follow(self) -> None:
        """Tell the stream which symbols are wanted, whenever that changes."""
        told: tuple[str, ...] = ()
        while True:
            try:
                async with asyncio.timeout(1.0):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            topics = self._topics()
            if self._stream is None or topics == told:
                continue
            told = topics
            try:
                await self._stream.follow(*topics)
            except ConnectionClosed:
                continue  # all topics are asked for anew at the next connect

    def _topics(self) -> tuple[str, ...]:
        now_s = time.monotonic()
        self._wanted = {s: until for s, until in self._wanted.items() if until > now_s}
        self._refused = {s: until for s, until in self._refused.items() if until > now_s}
        newest = sorted(self._wanted.keys() - self._watched, key=self._wanted.__getitem__)[::-1]
        ranked = [s for s in (*sorted(self._watched), *newest) if s not in self._refused]
        if len(ranked) > MOST and not self._full:
            log.warning("more symbols than a client may follow", asked=len(ranked), followed=MOST)
        self._full = len(ranked) > MOST
        symbols = set(ranked[:MOST])
        for symbol in self._pictures.keys() - symbols:
            del self._pictures[symbol]
        return ("status", *(f"symbol:{symbol}" for symbol in sorted(symbols)))

    def _refuse(self, reason: str) -> None:
        """Leave a symbol that the scanner does not know out for a while; a new key is read anyway."""
        if reason != self.detail:
            log.warning("the gateway refuses", reason=reason)
        self.detail = reason
        until = time.monotonic() + REFUSED_S
        words = {word.strip("\"'.,:") for word in reason.split()}
        for symbol in (self._watched | self._wanted.keys()) & words:
            self._refused[symbol] = until

    def _take(self, update: Update) -> None:
        self._beat(update)
        prefix, _, symbol = update.topic.partition(":")
        if prefix != "symbol":
            self.coverage = coverage_of(update.view) or self.coverage
            return
        values = update.view["values"]
        self._pictures[symbol] = picture = picture_of(symbol, update.ts_ns, values)
        self._shown(picture, float(values.get("vol") or 0.0))

    def _beat(self, update: Update) -> None:
        now_ns, ts_ns = self._clock.now_ns(), update.ts_ns
        if ts_ns > now_ns or now_ns - ts_ns > BEHIND_NS or not self.begun.is_set():
            self._clock.set(ts_ns, self._rate(update))
        self._beat_s = time.monotonic()
        self.begun.set()

    def _rate(self, update: Update) -> float:
        status = update.view.get("status")
        found = status.get("rate") if isinstance(status, dict) else update.view.get("rate")
        return float(found) if found is not None else self._clock.rate


def coverage_of(view: Mapping[str, Any]) -> str:
    """Return the feed's coverage that a status tells; empty where it tells none."""
    status = view.get("status")
    feed = (status if isinstance(status, dict) else view).get("feed")
    return str(feed.get("coverage") or "") if isinstance(feed, dict) else ""


def picture_of(symbol: str, ts_ns: int, values: Mapping[str, Any]) -> Picture:
    """Return a row of the gateway as the desk sees it."""
    state = next(
        (state for flag, state in _STATES if values.get(flag)),
        "LIVE",
    )
    return Picture(
        symbol=symbol,
        ts_ns=ts_ns - int((values.get("age_ms") or 0.0) * 1e6),
        state=state,
        bid=values.get("bid"),
        ask=values.get("ask"),
        last=values.get("last"),
        luld_up=values.get("luld_up"),
        luld_down=values.get("luld_dn"),
        short_restricted=bool(values.get("ssr")),
    )


_STATES = (("halted", "HALTED"), ("provisional", "PROVISIONAL"), ("stale", "STALE"))
