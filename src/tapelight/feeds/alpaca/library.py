"""Fetch from Alpaca's REST services what is known before and beside the stream."""

import datetime as dt
from collections.abc import AsyncIterator, Callable, Sequence

from tapelight.errors import ConfigError, Rejected, Unavailable
from tapelight.feeds._rest import NotServed, Params
from tapelight.feeds._symbols import is_symbol, is_test
from tapelight.feeds._timing import SimulatorClock
from tapelight.feeds.alpaca.config import AlpacaConfig
from tapelight.feeds.alpaca.moments import rfc
from tapelight.feeds.alpaca.payloads import (
    Asset,
    BarsPage,
    PastBar,
    PastTrade,
    StockSnapshot,
    TradesPage,
)
from tapelight.feeds.alpaca.rest import open_service

SYMBOLS_A_REQUEST = 200
PAGE = 10_000
MAX_PAGES = 500
CHECKED = "SPY"


class Library:
    """Ask for snapshots, bars, trades and the list of securities of one feed."""

    def __init__(self, config: AlpacaConfig) -> None:
        self._config = config
        self._data = open_service(config.rest, config.key, config.secret)
        self._broker = open_service(config.broker, config.key, config.secret)
        self._feed = {"test": "iex"}.get(config.feed, config.feed)
        self.missing: list[str] = []
        """What could not be had, in words."""

    def tell_tries(self, trying: Callable[[Exception], object]) -> None:
        """Let it be told when a request is to be tried again."""
        self._data.trying = self._broker.trying = trying

    @property
    def calls(self) -> int:
        """Return the requests so far."""
        return self._data.calls + self._broker.calls

    async def close(self) -> None:
        """Close the connections."""
        await self._data.close()
        await self._broker.close()

    async def simulator_clock(self) -> SimulatorClock | None:
        """Return a simulator's clock; None of the real service, which goes by UTC."""
        try:
            return await self._data.get("/simulator/clock", SimulatorClock)
        except (NotServed, ConfigError):
            return None  # the real service knows no such path, or asks for other keys there

    async def check_keys(self) -> None:
        """Ask for one snapshot; raises ConfigError for refused keys or a plan without the feed."""
        await self.snapshots([CHECKED])

    async def snapshots(self, symbols: Sequence[str]) -> dict[str, StockSnapshot]:
        """Return the snapshots of some symbols."""
        found: dict[str, StockSnapshot] = {}
        for at in range(0, len(symbols), SYMBOLS_A_REQUEST):
            params = self._params(symbols[at : at + SYMBOLS_A_REQUEST])
            kind = dict[str, StockSnapshot | None]
            answered = await self._data.get("/v2/stocks/snapshots", kind, params)
            found.update({s: one for s, one in answered.items() if one is not None})
        return found

    def _params(self, symbols: Sequence[str]) -> dict[str, str | int]:
        return {"symbols": ",".join(symbols), "feed": self._feed}

    async def assets(self) -> dict[str, Asset]:
        """Return the securities that can be traded, by symbol; none where the list is not to be had."""
        params: Params = {"status": "active", "asset_class": "us_equity"}
        try:
            found = await self._broker.get("/v2/assets", list[Asset], params)
        except (Unavailable, Rejected, ConfigError) as error:
            words = f"names and exchanges: {error}"
            self.missing += [words] if words not in self.missing else []
            return {}
        kept = (a for a in found if a.tradable and is_symbol(a.symbol) and not is_test(a.symbol))
        return {asset.symbol: asset for asset in kept}

    async def days(
        self, symbols: Sequence[str], first: dt.date, last: dt.date
    ) -> dict[str, list[PastBar]]:
        """Return the daily bars of some symbols, split-adjusted as of today."""
        found: dict[str, list[PastBar]] = {}
        for at in range(0, len(symbols), SYMBOLS_A_REQUEST):
            params = self._params(symbols[at : at + SYMBOLS_A_REQUEST]) | {
                "timeframe": "1Day", "start": first.isoformat(), "end": last.isoformat(),
                "adjustment": "split", "limit": PAGE,
            }  # fmt: skip
            async for page in self._bars(params):
                for symbol, bars in page.items():
                    found.setdefault(symbol, []).extend(bars)
        return found

    async def minutes(
        self, symbols: Sequence[str], from_ns: int, until_ns: int
    ) -> dict[str, list[PastBar]]:
        """Return the minute bars of some symbols from a time to another."""
        found: dict[str, list[PastBar]] = {}
        for at in range(0, len(symbols), SYMBOLS_A_REQUEST):
            params = self._params(symbols[at : at + SYMBOLS_A_REQUEST]) | {
                "timeframe": "1Min", "start": rfc(from_ns), "end": rfc(until_ns),
                "limit": PAGE,
            }  # fmt: skip
            async for page in self._bars(params):
                for symbol, bars in page.items():
                    found.setdefault(symbol, []).extend(bars)
        return found

    async def _bars(self, params: Params) -> AsyncIterator[dict[str, list[PastBar]]]:
        token: str | None = ""
        for _ in range(MAX_PAGES):
            more = {**params, "page_token": token} if token else params
            page = await self._data.get("/v2/stocks/bars", BarsPage, more)
            yield page.bars or {}
            token = page.next_page_token
            if not token:
                return

    async def trades(self, symbol: str, since_ns: int, until_ns: int) -> list[PastTrade]:
        """Return the trades of a symbol in [since, until)."""
        params: Params = self._params([symbol]) | {
            "start": rfc(since_ns), "end": rfc(until_ns), "limit": PAGE,
        }  # fmt: skip
        found: list[PastTrade] = []
        token: str | None = ""
        for _ in range(MAX_PAGES):
            more = {**params, "page_token": token} if token else params
            page = await self._data.get("/v2/stocks/trades", TradesPage, more)
            found += (page.trades or {}).get(symbol, [])
            token = page.next_page_token
            if not token:
                break
        return found
