"""Binance's public spot stream: trades and best quotes, without a key.

wss://data-stream.binance.vision carries market data only; where binance.com refuses a country
(HTTP 451), set url = "wss://stream.binance.us:9443" and rest = "https://api.binance.us".
Source: binance-spot-api-docs; the frames are checked against recorded ones, the daily bars'
form (GET /api/v3/klines) is not verified.
"""

import datetime as dt
from collections.abc import Sequence

import httpx
import msgspec

from tapelight.errors import ConfigError
from tapelight.feeds._prints import Prints
from tapelight.feeds._venue import Day, VenueFeed, checked_url, named

MS = 1_000_000


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[feed.binance]: which symbols, and where."""

    symbols: tuple[str, ...] = (
        *("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "AVAXUSDT"),
        *("LINKUSDT", "LTCUSDT", "BCHUSDT", "DOTUSDT", "UNIUSDT", "ATOMUSDT", "NEARUSDT"),
        *("AAVEUSDT", "SUIUSDT", "APTUSDT", "ARBUSDT", "OPUSDT", "XLMUSDT", "BNBUSDT"),
    )
    url: str = "wss://data-stream.binance.vision"
    rest: str = "https://data-api.binance.vision"
    silence_s: float = 30.0


class Data(msgspec.Struct, gc=False):
    """Hold a trade or a best quote; numbers are strings, a quote bears no time.

    {"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63","q":"0.02",
    "T":1723161255342,"m":true,"M":true}
    {"u":50093239212,"s":"BTCUSDT","b":"61837.63","B":"3.78","a":"61837.64","A":"1.54"}
    """

    s: str = ""
    e: str = ""
    t: int = 0
    p: str = ""
    q: str = ""
    T: int = 0
    b: str = ""
    B: str = ""
    a: str = ""
    A: str = ""


class Message(msgspec.Struct, gc=False):
    """Hold a message of the combined stream, or the answer to a request."""

    stream: str = ""
    data: Data | None = None
    code: int = 0
    msg: str = ""


class Binance:
    """Speak Binance's protocol."""

    name = "binance"

    def __init__(self, config: Config) -> None:
        self.symbols = named(config.symbols, "SPOT", "binance")
        self._pairs = dict(zip(config.symbols, self.symbols, strict=True))
        self._by_symbol = {symbol: pair for pair, symbol in self._pairs.items()}
        streams = "/".join(
            f"{pair.lower()}@{kind}" for pair in config.symbols for kind in ("trade", "bookTicker")
        )
        self.url = checked_url(config.url, "feed.binance.url") + f"/stream?streams={streams}"
        self._rest = config.rest
        self._decode = msgspec.json.Decoder(Message).decode
        self._last_ns = 0

    def hello(self) -> Sequence[str]:
        """Return nothing: the address names the streams."""
        return ()

    def decode(self, frame: bytes, prints: Prints) -> None:
        """Add the print or quote of a frame; a quote takes the time of the newest print."""
        message = self._decode(frame)
        d = message.data
        if d is None:
            if message.code:
                raise ConfigError(
                    f"Binance refuses the subscription ({message.msg}): "
                    "see feed.binance.symbols, written as BTCUSDT."
                )
        elif d.e == "trade":
            prints.trade(self._pairs[d.s], d.T * MS, float(d.p), float(d.q), d.t)
            self._last_ns = d.T * MS
        elif d.b and self._last_ns:
            values = (float(x) for x in (d.b, d.a, d.B, d.A))
            prints.quote(self._pairs[d.s], self._last_ns, *values)

    async def days(self, client: httpx.AsyncClient, symbol: str) -> list[Day]:
        """Return up to 400 daily bars: [open time ms, open, high, low, close, volume, ...]."""
        params: dict[str, str | int] = {
            "symbol": self._by_symbol[symbol], "interval": "1d", "limit": 400
        }  # fmt: skip
        response = await client.get(f"{self._rest}/api/v3/klines", params=params)
        response.raise_for_status()
        return [
            Day(symbol, dt.datetime.fromtimestamp(row[0] / 1000, dt.UTC).date(),
                *(float(x) for x in row[1:6]))
            for row in msgspec.json.decode(response.content)
        ]  # fmt: skip


def open(config: Config) -> VenueFeed:  # noqa: A001 - a plug-in's word
    """Return the feed."""
    return VenueFeed(Binance(config), config.silence_s)
