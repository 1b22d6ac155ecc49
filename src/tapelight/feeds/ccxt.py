"""Any exchange that ccxt streams: public trades, without a key, through a process of its own.

ccxt is large and grows with its caches, so it runs in a child that is renewed every few hours or
when it is too large. Needs the extra: pip install 'tapelight[ccxt]'. Source: ccxt's manual; the
shapes of trades and bars are its unified ones.
"""

import asyncio
import datetime as dt
import importlib.util
import time
from collections import deque
from collections.abc import Sequence

import httpx
import msgspec

from tapelight.errors import ConfigError, Unavailable
from tapelight.feeds._lines import Life, open_lines
from tapelight.feeds._prints import Prints
from tapelight.feeds._venue import Day, VenueFeed, named

CHILD = ("-m", "tapelight.feeds._ccxt_child")
MS = 1_000_000
DAYS_S = 60.0
REMEMBERED = 2_000
"""Numbers of the last trades of each symbol: a renewed child tells some of them again."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[feed.ccxt]: which exchange and symbols, and how long a process lives."""

    exchange: str = "kraken"
    symbols: tuple[str, ...] = ("BTC/USD", "ETH/USD", "SOL/USD", "XRP/USD")
    silence_s: float = 120.0
    recycle_s: float = 6 * 3600.0
    recycle_mb: float = 600.0


class Message(msgspec.Struct, gc=False):
    """Hold a line of the child."""

    trades: list[msgspec.Raw] = []
    days: tuple[str, list[tuple[float, float, float, float, float, float]]] | None = None
    fatal: str = ""


class Ccxt:
    """Read what the child says."""

    url = ""

    def __init__(self, config: Config) -> None:
        self.name = f"ccxt {config.exchange}"
        self.symbols = named(config.symbols, config.exchange.upper(), "ccxt")
        self._ours = dict(zip(config.symbols, self.symbols, strict=True))
        self._config = config
        self._seen = {symbol: deque[str](maxlen=REMEMBERED) for symbol in config.symbols}
        self._known = {symbol: set[str]() for symbol in config.symbols}
        self._days: asyncio.Task[dict[str, list[Day]]] | None = None
        self._asking = 0
        self._message = msgspec.json.Decoder(Message).decode
        self._trade = msgspec.json.Decoder(tuple[str, int, float, float, str | None]).decode

    def hello(self) -> Sequence[str]:
        """Return nothing: the child subscribes."""
        return ()

    def arguments(self, what: str) -> list[str]:
        """Return the child's command line."""
        return [*CHILD, what, self._config.exchange, *self._config.symbols]

    def decode(self, frame: bytes, prints: Prints) -> None:
        """Add the prints of a line; raises ConfigError for what the user must mend."""
        message = self._message(frame)
        if message.fatal:
            raise ConfigError(f"{message.fatal}: see feed.ccxt.exchange and feed.ccxt.symbols.")
        for raw in message.trades:
            prints.each(raw, self._print)

    async def days(self, client: httpx.AsyncClient, symbol: str) -> list[Day]:  # noqa: ARG002
        """Return a symbol's daily bars; one child fetches those of all symbols."""
        if self._days is None or self._days.done():
            self._days = asyncio.create_task(self._all_days(), name="ccxt days")
        days, self._asking = self._days, self._asking + 1
        try:
            return (await asyncio.shield(days)).get(symbol, [])
        finally:
            self._asking -= 1
            if not self._asking and days.cancel():  # nobody is left to be told
                await asyncio.wait({days})

    def _print(self, raw: msgspec.Raw, prints: Prints) -> None:
        symbol, ms, price, amount, number = self._trade(raw)
        if number and not self._is_new(symbol, number):
            prints.repeated += 1
            return
        prints.trade(self._ours[symbol], ms * MS, price, amount, 0)

    def _is_new(self, symbol: str, number: str) -> bool:
        seen, known = self._seen[symbol], self._known[symbol]
        if number in known:
            return False
        if len(seen) == seen.maxlen:
            known.discard(seen[0])
        seen.append(number)
        known.add(number)
        return True

    async def _all_days(self) -> dict[str, list[Day]]:
        """Return what the child could fetch within its time."""
        found: dict[str, list[Day]] = {}
        try:
            async with asyncio.timeout(DAYS_S), open_lines(self.arguments("days"), Life()) as lines:
                while True:
                    for line in await lines.take():
                        message = self._message(line)
                        if message.days is not None:
                            symbol, bars = message.days
                            found[self._ours[symbol]] = _days(self._ours[symbol], bars)
        except (TimeoutError, Unavailable):
            return found


def _days(ticker: str, bars: Sequence[Sequence[float]]) -> list[Day]:
    """Return the bars of a line, which has just come; the child may be long at other symbols."""
    told_ns = time.time_ns()
    date = dt.datetime.fromtimestamp
    return [Day(ticker, date(b[0] / 1000, dt.UTC).date(), *b[1:], told_ns=told_ns) for b in bars]


def open(config: Config) -> VenueFeed:  # noqa: A001 - a plug-in's word
    """Return the feed; raises ConfigError where the package ccxt is not installed."""
    if importlib.util.find_spec("ccxt") is None:
        raise ConfigError(
            "The feed ccxt needs a package that is not installed: pip install 'tapelight[ccxt]'."
        )
    venue = Ccxt(config)
    life = Life(config.recycle_s, config.recycle_mb, config.silence_s)
    return VenueFeed(venue, connect=lambda: open_lines(venue.arguments("trades"), life))
