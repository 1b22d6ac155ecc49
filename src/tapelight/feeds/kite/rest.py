"""Ask Kite's REST service: the session, the instruments, quotes, minute bars."""

import asyncio
import csv
import datetime as dt
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec

from tapelight.errors import ConfigError, Rejected, Unavailable
from tapelight.feeds._rest import Service
from tapelight.feeds._standing import StandBack
from tapelight.feeds.kite.packets import NAN, Tick
from tapelight.model.session import KOLKATA

T = TypeVar("T")
QUOTES_AT_ONCE = 500
QUOTE_PAUSE_S = 1.0
"""Kite allows one request of quotes a second."""
LOGIN_S = 30.0
"""Between looks whether somebody has logged in again."""
LOGIN = "log in to Kite again and put the new token there; it is valid until about 06:00 IST."


class Refused(StandBack):
    """Say that Kite no longer takes the access token."""

    wait_s = LOGIN_S


class Failure(msgspec.Struct):
    """Hold the body of an error: {"status":"error","message":"...","error_type":"..."}."""

    message: str = ""
    error_type: str = ""


class Ohlc(msgspec.Struct):
    """Hold the day's prices; `close` is the previous close."""

    open: float = NAN
    high: float = NAN
    low: float = NAN
    close: float = NAN


class Level(msgspec.Struct):
    """Hold one level of the book."""

    price: float = NAN
    quantity: float = NAN


class Depth(msgspec.Struct):
    """Hold the book, the best level first."""

    buy: list[Level] = []
    sell: list[Level] = []


class Quote(msgspec.Struct):
    """Hold one instrument of /quote; times are local texts: 2026-11-20 15:29:59."""

    instrument_token: int
    last_price: float = NAN
    average_price: float = NAN
    volume: int = -1
    last_trade_time: str | None = None
    timestamp: str | None = None
    ohlc: Ohlc = msgspec.field(default_factory=Ohlc)
    depth: Depth = msgspec.field(default_factory=Depth)


class Quotes(msgspec.Struct):
    """Hold the body of /quote, by EXCHANGE:SYMBOL."""

    data: dict[str, Quote]


class Candles(msgspec.Struct):
    """Hold [time, open, high, low, close, volume] by minute."""

    candles: list[tuple[str, float, float, float, float, float]]


class History(msgspec.Struct):
    """Hold the body of /instruments/historical."""

    data: Candles


class Instrument(msgspec.Struct, frozen=True):
    """Name a share or an index that Kite knows."""

    token: int
    symbol: str
    name: str
    segment: str
    kind: str
    exchange: str


class Rest:
    """Hold the HTTP connections to Kite; the token is read anew for each request.

    Nothing is asked twice here: Kite allows one request of quotes a second.
    """

    def __init__(self, base: str, api_key: str, token: str | Path) -> None:
        self._api_key = api_key
        self._token = token
        self._service = Service(base, self._headers, _failed, attempts=1)

    @property
    def calls(self) -> int:
        """Return the requests so far."""
        return self._service.calls

    async def close(self) -> None:
        """Close the connection."""
        await self._service.close()

    def token(self) -> str:
        """Return the access token of now; raises ConfigError when its file can't be read."""
        if isinstance(self._token, str):
            return self._token
        try:
            return self._token.read_text("utf-8").strip()
        except OSError as error:
            raise ConfigError(
                f"feed.kite.access_token_file {self._token}: {error.strerror}; "
                "write the day's access token there."
            ) from error

    async def check(self) -> None:
        """Raise Refused, with the reason, when Kite does not take the key and the token."""
        await self._service.get("/user/profile", msgspec.Raw)

    async def instruments(self, exchange: str) -> list[Instrument]:
        """Return the instruments of an exchange, shares and indices alike."""
        body = await self._service.body(f"/instruments/{exchange}")
        try:
            rows = csv.DictReader(io.StringIO(body.decode("utf-8")))
            return [_instrument(row) for row in rows]
        except (ValueError, KeyError, TypeError, csv.Error) as error:
            raise Rejected(f"Kite's list of instruments is not as documented: {error}.") from error

    async def quotes(self, names: Sequence[str]) -> list[Tick]:
        """Return the state of instruments (EXCHANGE:SYMBOL), 500 a request, a request a second."""
        found: list[Tick] = []
        for at in range(0, len(names), QUOTES_AT_ONCE):
            if at:
                await asyncio.sleep(QUOTE_PAUSE_S)
            found += (await self.named(names[at : at + QUOTES_AT_ONCE])).values()
        return found

    async def named(self, names: Sequence[str]) -> dict[str, Tick]:
        """Return the state of up to 500 instruments by their name."""
        answer = await self._service.get("/quote", Quotes, {"i": list(names)})
        return {name: _tick(quote) for name, quote in answer.data.items()}

    async def minutes(self, token: int, begin: dt.datetime, end: dt.datetime) -> Candles:
        """Return the minute bars of an instrument between two local times."""
        span = {"from": f"{begin:%Y-%m-%d %H:%M:%S}", "to": f"{end:%Y-%m-%d %H:%M:%S}"}
        path = f"/instruments/historical/{token}/minute"
        return (await self._service.get(path, History, span)).data

    def _headers(self) -> Mapping[str, str]:
        return {"X-Kite-Version": "3", "Authorization": f"token {self._api_key}:{self.token()}"}


def _failed(path: str, response: httpx.Response) -> Unavailable | Rejected:
    """Return Refused, Unavailable or Rejected, in Kite's own words."""
    status = response.status_code
    try:
        failure = msgspec.json.decode(response.content, type=Failure)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        failure = Failure()
    words = "".join(c for c in failure.message if c.isprintable())[:120]
    if failure.error_type == "TokenException" or status in (401, 403):
        reason = f"{status}, {words}" if words else str(status)
        return Refused(f"Kite refuses api_key or access_token ({reason}): {LOGIN}")
    if status == 429 or status >= 500:
        return Unavailable(f"Kite's {path} answers {status}{words and ': ' + words}.")
    return Rejected(f"Kite's {path} answers {status}{words and ': ' + words}.")


def _instrument(row: Mapping[str, str]) -> Instrument:
    return Instrument(
        int(row["instrument_token"]), row["tradingsymbol"], row["name"], row["segment"],
        row["instrument_type"], row["exchange"],
    )  # fmt: skip


def _tick(quote: Quote) -> Tick:
    """Return a quote as the sample that a full packet would be."""
    bid = quote.depth.buy[0] if quote.depth.buy else Level()
    ask = quote.depth.sell[0] if quote.depth.sell else Level()
    day = quote.ohlc
    return Tick(
        quote.instrument_token, quote.last_price, quote.volume, _price(quote.average_price),
        _price(day.open), _price(day.high), _price(day.low), _price(day.close),
        _local_ns(quote.last_trade_time), _local_ns(quote.timestamp),
        _price(bid.price), _price(ask.price), bid.quantity, ask.quantity,
    )  # fmt: skip


def _price(value: float) -> float:
    """Return a price; 0 stands for none."""
    return value if value > 0 else NAN


def _local_ns(text: str | None) -> int:
    """Return ns UTC of 2026-11-20 15:29:59, which is Indian time; 0 for what is no time."""
    try:
        moment = dt.datetime.fromisoformat(text or "")
    except ValueError:
        return 0
    return int(moment.replace(tzinfo=moment.tzinfo or KOLKATA).timestamp()) * 1_000_000_000
