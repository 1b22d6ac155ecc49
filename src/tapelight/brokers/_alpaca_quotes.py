"""Alpaca's own quotes, for what is held: https://docs.alpaca.markets/docs/real-time-stock-pricing-data.

A connection of its own, and Alpaca allows one an endpoint and key: not while the scanner uses it.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator

import msgspec
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tapelight.errors import ConfigError, Unavailable
from tapelight.model.halts import halted
from tapelight.model.orders import Picture

OPEN_S = 5.0
CHANNELS = ("quotes", "trades", "statuses")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Event(msgspec.Struct):
    """Show one message: {"T":"q","S":"AAPL","bp":190.1,"ap":190.2,"t":"2026-11-20T15:00:00.1Z"}."""

    T: str
    S: str = ""
    t: str = ""
    bp: float = 0.0
    ap: float = 0.0
    p: float = 0.0
    sc: str = ""
    z: str = ""
    msg: str = ""
    code: int = 0


_events = msgspec.json.Decoder(list[Event])


class AlpacaQuotes:
    """Follow symbols; `url` is that of an endpoint, as in wss://stream.data.alpaca.markets/v2/iex."""

    def __init__(self, url: str, key: str, secret: str) -> None:
        self._url, self._key, self._secret = url, key, secret
        self._near = any(f"//{host}" in url for host in LOOPBACK)
        self._wanted: frozenset[str] = frozenset()
        self._asked: frozenset[str] = frozenset()
        self._connection: ClientConnection | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._pictures: dict[str, Picture] = {}

    def follow(self, symbols: frozenset[str]) -> None:
        """Follow these from now on, and no others."""
        self._wanted = symbols
        if self._connection is not None and symbols != self._asked:
            task = asyncio.create_task(self._ask(self._connection))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def pictures(self) -> AsyncIterator[Picture]:
        """Yield each symbol's picture as it changes; raises Unavailable when the stream breaks."""
        try:
            async with connect(
                self._url,
                open_timeout=OPEN_S,
                close_timeout=1.0,
                proxy=None if self._near else True,
            ) as connection:
                await self._authorize(connection)
                self._asked, self._connection = frozenset(), connection
                await self._ask(connection)
                async for message in connection:
                    for event in _events.decode(message):
                        if (picture := self._taken(event)) is not None:
                            yield picture
        except (OSError, TimeoutError, ConnectionClosed, InvalidHandshake) as error:
            raise Unavailable(f"Alpaca's quotes broke: {error}.") from error
        except msgspec.MsgspecError as error:
            raise Unavailable(f"Alpaca's quotes can't be read: {error}.") from error
        finally:
            self._connection = None
        raise Unavailable("Alpaca has ended the quotes.")

    async def _authorize(self, connection: ClientConnection) -> None:
        keys = {"action": "auth", "key": self._key, "secret": self._secret}
        async with asyncio.timeout(OPEN_S):
            await connection.recv()  # the greeting
            await connection.send(msgspec.json.encode(keys).decode())
            (answer,) = _events.decode(await connection.recv())
        if answer.T == "error" and answer.code in (401, 402):
            raise ConfigError("Alpaca refuses the keys of [broker.alpaca] for its quotes.")
        if answer.T == "error":
            raise Unavailable(f"Alpaca's quotes are refused: {answer.msg}.")

    async def _ask(self, connection: ClientConnection) -> None:
        """Ask for what is wanted and leave what no longer is."""
        new, old = self._wanted - self._asked, self._asked - self._wanted
        self._asked = self._wanted
        try:
            for action, symbols in (("unsubscribe", old), ("subscribe", new)):
                if symbols:
                    wish = {"action": action} | dict.fromkeys(CHANNELS, sorted(symbols))
                    await connection.send(msgspec.json.encode(wish).decode())
        except ConnectionClosed:
            return  # all is asked for anew at the next connect

    def _taken(self, event: Event) -> Picture | None:
        """Return the picture after an event; None where it changes none."""
        if event.T == "error":
            raise Unavailable(f"Alpaca's quotes: {event.msg}.")
        if event.T not in ("q", "t", "s") or event.S not in self._wanted:
            return None
        ts_ns = _ns(event.t)
        known = self._pictures.get(event.S) or Picture(symbol=event.S, ts_ns=ts_ns)
        match event.T:
            case "q":
                found = replace(known, ts_ns=ts_ns, bid=event.bp or None, ask=event.ap or None)
            case "t":
                found = replace(known, ts_ns=ts_ns, last=event.p)
            case _:
                says = halted(event.sc, event.z)
                state = known.state if says is None else "HALTED" if says else "LIVE"
                found = replace(known, ts_ns=ts_ns, state=state)
        self._pictures[event.S] = found
        return found


def _ns(text: str) -> int:
    """Return an RFC 3339 time, to the microsecond."""
    moment = dt.datetime.fromisoformat(text)
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1_000
