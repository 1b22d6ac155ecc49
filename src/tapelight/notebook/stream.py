"""The gateway's WebSocket: topics as they change, through reconnects."""

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidHandshake

from tapelight.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    import polars as pl

View = dict[str, Any]
MAX_BYTES = 16 * 1024 * 1024
OPEN_S = 5.0
SHORTEST_S, LONGEST_S = 0.25, 5.0
"""Between tries to connect."""
SIGNALS_KEPT = 100
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Update:
    """Hold one change: of which topic, at which market time, and how the topic looks now."""

    topic: str
    kind: str
    """snapshot or diff."""
    ts_ns: int
    recovered: bool
    """Whether nothing was missed before it: False after a break that could not be filled."""
    view: View
    """The topic's present state: rows by symbol, values, bars, signals, who is armed or status."""
    new: View
    """What the message brought."""

    def frame(self) -> "pl.DataFrame":
        """Return the topic's present state as a frame."""
        from tapelight.notebook.frames import bars_frame, frame, signals_frame

        view, prefix = self.view, self.topic.partition(":")[0]
        if prefix == "board":
            names = [column["name"] for column in view["columns"]]
            rows = ((s, dict(zip(names, view["rows"][s], strict=True))) for s in view["order"])
            return frame({"symbol": s, **cells} for s, cells in rows)
        if prefix == "bars":
            return bars_frame(view["bars"])
        if prefix == "signals":
            return signals_frame(view["signals"])
        return frame([{k: v for k, v in view.get("values", view).items() if _is_plain(v)}])


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


@dataclass(slots=True)
class _Topic:
    epoch: str = ""
    seq: int = 0
    view: View = field(default_factory=dict)


class Stream:
    """Follow topics until cancelled; after a break it connects again and goes on where it was.

    `state` is connecting, live or lost, and `detail` says why it is lost.
    """

    def __init__(self, url: str, topics: Sequence[str], key: str = "") -> None:
        parts = urlsplit(url)
        self.url = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}/ws"
        self.state, self.detail = "connecting", ""
        self._topics = {name: _Topic() for name in topics}
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._proxy: Literal[True] | None = None if parts.hostname in LOOPBACK else True
        self._connection: ClientConnection | None = None
        self._waits_s = SHORTEST_S

    async def updates(self) -> AsyncGenerator[Update, None]:
        """Yield each change; raises ConfigError for a topic that there is not, or a refused key."""
        while True:
            try:
                async with self._open() as connection:
                    self._connection = connection
                    await self._ask(connection, [*self._topics])
                    while True:  # the connection's own iterator would outlive a reader that leaves
                        update = self._take(msgspec.json.decode(await connection.recv()))
                        if update is not None:
                            yield update
            except ConnectionClosedOK:
                self._lose(Unavailable(f"{self.url} has closed the connection."))
            except (
                OSError,
                TimeoutError,
                ConnectionClosed,
                InvalidHandshake,
                Unavailable,
            ) as error:
                self._lose(error)
            await asyncio.sleep(self._waits_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            self._waits_s = min(2 * self._waits_s, LONGEST_S)

    async def follow(self, *topics: str) -> None:
        """Follow these instead: what is new is asked for, what is not named any more is left."""
        left = [name for name in self._topics if name not in topics]
        new = [name for name in topics if name not in self._topics]
        for name in left:
            del self._topics[name]
        self._topics |= {name: _Topic() for name in new}
        if self._connection is not None and self.state == "live":
            if left:
                await _send(self._connection, {"op": "unsubscribe", "topics": left})
            await self._ask(self._connection, new)

    def _open(self) -> connect:
        return connect(
            self.url, additional_headers=self._headers, open_timeout=OPEN_S, max_size=MAX_BYTES,
            close_timeout=1.0, proxy=self._proxy,
        )  # fmt: skip

    async def _ask(self, connection: ClientConnection, names: Sequence[str]) -> None:
        """Subscribe, or resume what was followed before the break."""
        seen = {n: t.seq for n, t in self._topics.items() if n in names and t.epoch}
        new = [name for name in names if name not in seen]
        for epoch in {self._topics[name].epoch for name in seen}:
            topics = {n: seq for n, seq in seen.items() if self._topics[n].epoch == epoch}
            await _send(connection, {"op": "resume", "epoch": epoch, "topics": topics})
        if new:
            await _send(connection, {"op": "subscribe", "topics": new})
        self.state, self.detail = "live", ""

    def _lose(self, error: Exception) -> None:
        self.state, self._connection = "lost", None
        status = getattr(getattr(error, "response", None), "status_code", 0)
        if status in (401, 403):
            raise ConfigError(f"{self.url} refuses us (HTTP {status}): give an API key.") from error
        reason = str(error) or type(error).__name__
        self.detail = f"{self.url}: {reason}"

    def _take(self, message: Mapping[str, Any]) -> Update | None:
        """Return the update that a message makes; None for an answer to an operation."""
        if message.get("op") == "error":
            raise ConfigError(str(message.get("detail")))
        topic = self._topics.get(str(message.get("topic", "")))
        if topic is None or message.get("kind") not in ("snapshot", "diff"):
            return None
        name, kind = message["topic"], message["kind"]
        new = {k: v for k, v in message.items() if k not in _ENVELOPE}
        topic.view = new if kind == "snapshot" else applied(name, topic.view, new)
        topic.epoch, topic.seq = message["epoch"], message["seq"]
        self._waits_s = SHORTEST_S
        recovered = bool(message.get("recovered", True))
        return Update(name, kind, message["ts_ns"], recovered, topic.view, new)


_ENVELOPE = {"topic", "epoch", "seq", "mark", "ts_ns", "kind", "recovered"}


async def _send(connection: ClientConnection, op: Mapping[str, Any]) -> None:
    await connection.send(msgspec.json.encode(op).decode())


def applied(topic: str, view: View, change: View) -> View:
    """Return the view after a diff."""
    prefix = topic.partition(":")[0]
    match prefix:
        case "board":
            return _board(view, change)
        case "symbol":
            return {**view, "values": {**view["values"], **change["values"]}}
        case "bars":
            bars = {bar[0]: bar for bar in view["bars"]} | {bar[0]: bar for bar in change["bars"]}
            return {**view, "bars": [bars[start] for start in sorted(bars)]}
        case "signals":
            return {**view, "signals": [*change["signals"], *view["signals"]][:SIGNALS_KEPT]}
        case "armed":
            return _armed(view, change)
    return {**view, **change}


def _armed(view: View, change: View) -> View:
    gone = {tuple(row) for row in change["gone"]}
    kept = {(one["scan"], one["symbol"]): one for one in view["armed"]}
    kept |= {(one["scan"], one["symbol"]): one for one in change["armed"]}
    left = [one for row, one in kept.items() if row not in gone]
    order = sorted(left, key=lambda one: (-one["since_ns"], one["scan"], one["symbol"]))
    return {**change, "armed": order}


def _board(view: View, change: View) -> View:
    order: list[str] = change["order"] if "order" in change else view["order"]
    rows = {**view["rows"], **change.get("rows", {})}
    for symbol, i, value in change.get("cells", ()):
        rows[symbol] = [*rows[symbol][:i], value, *rows[symbol][i + 1 :]]
    return {**view, "order": order, "rows": {symbol: rows[symbol] for symbol in order}}
