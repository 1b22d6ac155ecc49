"""Coinbase Exchange's public stream: trades and best quotes, without a key.

wss://ws-feed.exchange.coinbase.com, channels `matches` and `ticker`. The first message of a
product is `last_match`: a print of before, which counts once by its number. Source:
docs.cdp.coinbase.com; the frames are checked against recorded ones, the daily bars' form
(GET /products/BTC-USD/candles) is not verified.
"""

import datetime as dt
from collections.abc import Sequence

import httpx
import msgspec

from tapelight.errors import ConfigError
from tapelight.feeds._prints import NAN, Prints
from tapelight.feeds._venue import Day, VenueFeed, checked_url, named, utc_ns

DAY_S = 86_400


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[feed.coinbase]: which symbols, and where."""

    symbols: tuple[str, ...] = (
        *("BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "DOGE-USD", "ADA-USD", "AVAX-USD"),
        *("LINK-USD", "LTC-USD", "BCH-USD", "DOT-USD", "UNI-USD", "ATOM-USD", "NEAR-USD"),
        *("AAVE-USD", "SUI-USD", "APT-USD", "ARB-USD", "OP-USD", "XLM-USD"),
    )
    url: str = "wss://ws-feed.exchange.coinbase.com"
    rest: str = "https://api.exchange.coinbase.com"
    silence_s: float = 30.0


class Message(msgspec.Struct, gc=False):
    """Hold a message of any kind; numbers are strings.

    {"type":"match","trade_id":1,"side":"sell","size":"0.04","price":"14.77",
    "product_id":"BAND-GBP","sequence":333,"time":"2021-04-17T16:43:30.244075Z"}
    """

    type: str
    product_id: str = ""
    trade_id: int = 0
    price: str = ""
    size: str = ""
    time: str = ""
    best_bid: str = ""
    best_ask: str = ""
    best_bid_size: str = ""
    best_ask_size: str = ""
    message: str = ""
    reason: str = ""


class Coinbase:
    """Speak Coinbase Exchange's protocol."""

    name = "coinbase"

    def __init__(self, config: Config) -> None:
        self.url = checked_url(config.url, "feed.coinbase.url")
        self.symbols = named(config.symbols, "COINBASE", "coinbase")
        self._products = dict(zip(config.symbols, self.symbols, strict=True))
        self._by_symbol = {symbol: product for product, symbol in self._products.items()}
        self._rest = config.rest
        self._decode = msgspec.json.Decoder(Message).decode

    def hello(self) -> Sequence[str]:
        """Return the one subscription, due within 5 s of the connection."""
        wanted = {
            "type": "subscribe",
            "product_ids": list(self._products),
            "channels": ["matches", "ticker", "heartbeat"],
        }
        return [msgspec.json.encode(wanted).decode()]

    def decode(self, frame: bytes, prints: Prints) -> None:
        """Add the print or quote of a frame."""
        m = self._decode(frame)
        if m.type in ("match", "last_match"):
            symbol = self._products[m.product_id]
            prints.trade(symbol, utc_ns(m.time), float(m.price), float(m.size), m.trade_id)
        elif m.type == "ticker" and m.time:
            symbol = self._products[m.product_id]
            sizes = _number(m.best_bid_size), _number(m.best_ask_size)
            prints.quote(symbol, utc_ns(m.time), _number(m.best_bid), _number(m.best_ask), *sizes)
        elif m.type == "error":
            raise ConfigError(
                f"Coinbase refuses the subscription ({m.reason or m.message}): "
                "see feed.coinbase.symbols, written as BTC-USD."
            )

    async def days(self, client: httpx.AsyncClient, symbol: str) -> list[Day]:
        """Return up to 300 daily bars: [time, low, high, open, close, volume], newest first."""
        path = f"{self._rest}/products/{self._by_symbol[symbol]}/candles"
        response = await client.get(path, params={"granularity": DAY_S})
        response.raise_for_status()
        rows = msgspec.json.decode(response.content, type=list[tuple[float, ...]])
        return [
            Day(symbol, dt.datetime.fromtimestamp(at, dt.UTC).date(), o, h, low, c, v)
            for at, low, h, o, c, v in sorted(rows)
        ]


def _number(text: str) -> float:
    return float(text) if text else NAN


def open(config: Config) -> VenueFeed:  # noqa: A001 - a plug-in's word
    """Return the feed."""
    return VenueFeed(Coinbase(config), config.silence_s)
