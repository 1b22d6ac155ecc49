"""Kraken's public stream, version 2: trades, without a key.

wss://ws.kraken.com/v2, channel `trade`. Prices and sizes are JSON numbers; `trade_id` rises by
one in each pair, so a print that comes again in a snapshot counts once. Source: docs.kraken.com;
the daily bars' form (GET /0/public/OHLC) is not verified.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec

from tapelight.errors import ConfigError
from tapelight.feeds._prints import Prints, RefusedSymbol
from tapelight.feeds._venue import Day, VenueFeed, checked_url, named, utc_ns

DAY_MIN = 1440


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[feed.kraken]: which symbols, and where."""

    symbols: tuple[str, ...] = (
        *("BTC/USD", "ETH/USD", "SOL/USD", "XRP/USD", "DOGE/USD", "ADA/USD", "AVAX/USD"),
        *("LINK/USD", "LTC/USD", "BCH/USD", "DOT/USD", "UNI/USD", "ATOM/USD", "AAVE/USD"),
    )
    url: str = "wss://ws.kraken.com/v2"
    rest: str = "https://api.kraken.com"
    silence_s: float = 30.0


class Trade(msgspec.Struct, gc=False):
    """Hold one print of a `trade` message."""

    symbol: str
    price: float
    qty: float
    trade_id: int
    timestamp: str


class Message(msgspec.Struct, gc=False):
    """Hold a message of any kind.

    {"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy","price":1.0,
    "qty":0.1,"ord_type":"market","trade_id":1,"timestamp":"2023-09-25T07:48:36.925533Z"}]}
    """

    channel: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")
    success: bool = True
    error: str = ""
    symbol: str = ""
    """Of an answer to the subscription: there is one for each pair."""


class Ohlc(msgspec.Struct, gc=False):
    """Hold the answer of /0/public/OHLC: {"error":[],"result":{"XXBTZUSD":[[...]],"last":1}}."""

    result: dict[str, Any]


class Kraken:
    """Speak Kraken's protocol."""

    name = "kraken"

    def __init__(self, config: Config) -> None:
        self.url = checked_url(config.url, "feed.kraken.url")
        self.symbols = named(config.symbols, "KRAKEN", "kraken")
        self._pairs = dict(zip(config.symbols, self.symbols, strict=True))
        self._by_symbol = {symbol: pair for pair, symbol in self._pairs.items()}
        self._rest = config.rest
        self._decode = msgspec.json.Decoder(Message).decode
        self._each = msgspec.json.Decoder(list[msgspec.Raw]).decode
        self._trade = msgspec.json.Decoder(Trade).decode

    def hello(self) -> Sequence[str]:
        """Return the one subscription."""
        params = {"channel": "trade", "symbol": list(self._pairs), "snapshot": True}
        return [msgspec.json.encode({"method": "subscribe", "params": params}).decode()]

    def decode(self, frame: bytes, prints: Prints) -> None:
        """Add the prints of a frame."""
        message = self._decode(frame)
        if message.channel == "trade":
            for raw in self._each(message.data):
                prints.each(raw, self._print)
        elif not message.success:
            words = (
                f"Kraken refuses the subscription ({message.error}): "
                "see feed.kraken.symbols, written as BTC/USD."
            )
            if message.symbol in self._pairs:
                raise RefusedSymbol(words, self._pairs[message.symbol])
            raise ConfigError(words)

    def _print(self, raw: msgspec.Raw, prints: Prints) -> None:
        t = self._trade(raw)
        prints.trade(self._pairs[t.symbol], utc_ns(t.timestamp), t.price, t.qty, t.trade_id)

    async def days(self, client: httpx.AsyncClient, symbol: str) -> list[Day]:
        """Return up to 720 daily bars: [time, open, high, low, close, vwap, volume, count]."""
        params: dict[str, str | int] = {"pair": self._by_symbol[symbol], "interval": DAY_MIN}
        response = await client.get(f"{self._rest}/0/public/OHLC", params=params)
        response.raise_for_status()
        answer = msgspec.json.decode(response.content, type=Ohlc).result
        rows = next((value for key, value in answer.items() if key != "last"), ())
        return [
            Day(symbol, dt.datetime.fromtimestamp(row[0], dt.UTC).date(),
                *(float(row[i]) for i in (1, 2, 3, 4, 6)))
            for row in rows
        ]  # fmt: skip


def open(config: Config) -> VenueFeed:  # noqa: A001 - a plug-in's word
    """Return the feed."""
    return VenueFeed(Kraken(config), config.silence_s)
