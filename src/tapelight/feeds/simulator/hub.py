"""Who listens to what: subscriptions, bounded outboxes, and the fan-out of each step."""

import asyncio
import contextlib
from collections import Counter, deque

import numpy as np
import numpy.typing as npt
import structlog

from tapelight.feeds.simulator.frames import Frames
from tapelight.feeds.simulator.simulation import Step
from tapelight.feeds.simulator.totals import Totals
from tapelight.model.batch import Int64s

log = structlog.get_logger()
CHANNELS = ("LULD", "Q", "T", "A", "AM")
"""In the order in which one window's events go out."""
FRAME_BYTES = 256 * 1024
POLICY, GOING_AWAY = 1008, 1001
"""WebSocket close codes."""
SLOW = '[{"ev":"status","status":"slow_consumer","message":"Client is reading too slowly."}]'
EVICTED = (
    '[{"ev":"status","status":"max_connections",'
    '"message":"Maximum number of websocket connections exceeded."}]'
)
SHUT = '[{"ev":"status","status":"force_disconnect","message":"The simulator has stopped."}]'


class Client:
    """Hold one connection's subscriptions and what it has yet to be sent."""

    def __init__(self, limit_bytes: int, rows: dict[str, int]) -> None:
        self._limit = limit_bytes
        self._rows = rows
        self.outbox: deque[str] = deque()
        self.held_bytes = 0
        self.ready = asyncio.Event()
        self.cut_off = asyncio.Event()
        self.gone = asyncio.Event()
        """Set once the connection is over."""
        self.code = POLICY
        self.farewell: str | None = None
        """The last status to send before the close; set once the client is cut off."""
        self.topics: set[str] = set()
        self.wild: tuple[str, ...] = ()
        self.listed: dict[str, npt.NDArray[np.bool_]] = {}

    def put(self, frame: str) -> None:
        """Queue a frame; a client that holds too much is cut off."""
        if self.farewell is not None:
            return
        if self.held_bytes + len(frame) > self._limit:
            self.cut(SLOW)
            return
        self.outbox.append(frame)
        self.held_bytes += len(frame)
        self.ready.set()

    def cut(self, farewell: str, code: int = POLICY) -> None:
        """Drop what is queued and let the connection end with `farewell` and close `code`."""
        self.code = code
        self.outbox.clear()
        self.held_bytes = 0
        self.farewell = farewell
        self.cut_off.set()
        self.ready.set()

    def end(self, farewell: str, code: int) -> None:
        """Let the connection end with `farewell` and close `code` after all that is queued."""
        self.code = code
        self.farewell = farewell
        self.ready.set()

    def pop(self) -> str | None:
        """Take the next frame; None when there is nothing."""
        if not self.outbox:
            self.ready.clear()
            return None
        frame = self.outbox.popleft()
        self.held_bytes -= len(frame)
        return frame

    def subscribe(self, topics: set[str]) -> None:
        """Listen to exactly `topics`, such as T.AAPL or AM.*."""
        self.topics = topics
        self.wild = tuple(c for c in CHANNELS if f"{c}.*" in topics)
        self.listed = {}
        for topic in topics:
            channel, _, symbol = topic.partition(".")
            if channel in self.wild or symbol not in self._rows:
                continue
            mask = self.listed.setdefault(channel, np.zeros(len(self._rows), np.bool_))
            mask[self._rows[symbol]] = True


class Hub:
    """Fan each step out: formatted once for wildcards, filtered for listed symbols."""

    def __init__(self, frames: Frames, totals: Totals) -> None:
        self._frames, self._totals = frames, totals
        self._clients: dict[str, Client] = {}
        self.sent: Counter[str] = Counter()
        """Events by channel that went to whoever listens to all symbols, each once."""

    def admit(self, key: str, client: Client) -> None:
        """Give `key`'s one connection to `client`; the older one is evicted."""
        older = self._clients.get(key)
        if older is not None:
            log.info("evicted: another connection of its key was opened")
            older.cut(EVICTED)
        self._clients[key] = client

    def leave(self, key: str, client: Client) -> None:
        """Forget `client`."""
        if self._clients.get(key) is client:
            del self._clients[key]

    async def close(self, limit_s: float) -> None:
        """Send everybody home with all that is queued, within `limit_s`."""
        clients = list(self._clients.values())
        for client in clients:
            client.end(SHUT, GOING_AWAY)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                for client in clients:
                    await client.gone.wait()

    def broadcast(self, step: Step) -> None:
        """Queue the step's events to all who want some of them."""
        bodies: dict[str, list[str]] = {}
        mixes: dict[tuple[str, ...], list[str]] = {}
        for client in list(self._clients.values()):
            if client.listed:
                frames = pack(self._own(client, step, bodies))
            else:
                if client.wild not in mixes:
                    mixes[client.wild] = pack(self._wild(client.wild, step, bodies))
                frames = mixes[client.wild]
            for frame in frames:
                client.put(frame)

    def _wild(
        self, channels: tuple[str, ...], step: Step, bodies: dict[str, list[str]]
    ) -> list[str]:
        for channel in channels:
            if channel not in bodies:
                bodies[channel] = self._write(channel, step, None)
                self.sent[channel] += _count(channel, step)
        return [body for channel in channels for body in bodies[channel]]

    def _own(self, client: Client, step: Step, bodies: dict[str, list[str]]) -> list[str]:
        found: list[str] = []
        for channel in CHANNELS:
            if channel in client.wild:
                found += self._wild((channel,), step, bodies)
            elif channel in client.listed:
                found += self._write(channel, step, client.listed[channel])
        return found

    def _write(self, channel: str, step: Step, mask: npt.NDArray[np.bool_] | None) -> list[str]:
        def pick(rows: Int64s) -> Int64s | None:
            return None if mask is None else np.flatnonzero(mask[rows])

        window = step.window
        if channel == "T":
            return self._frames.trades(window, pick(window.trades.row))
        if channel == "Q":
            return self._frames.quotes(window, pick(window.quotes.row))
        if channel == "LULD":
            bands = window.bands
            return self._frames.bands(bands, pick(bands.row)) if bands else []
        span_s = 1 if channel == "A" else 60
        return [
            body
            for span, bars in step.spans
            if span == span_s
            for body in self._frames.bars(span, bars, self._totals, pick(bars.row))
        ]


def _count(channel: str, step: Step) -> int:
    """Return how many events of a channel a step has."""
    window = step.window
    if channel == "T":
        return len(window.trades)
    if channel == "Q":
        return len(window.quotes.row)
    if channel == "LULD":
        return len(window.bands.row) if window.bands else 0
    span_s = 1 if channel == "A" else 60
    return sum(len(bars.row) for span, bars in step.spans if span == span_s)


def pack(bodies: list[str]) -> list[str]:
    """Join event texts into frames (JSON arrays) of about a quarter of a megabyte at most."""
    frames: list[str] = []
    group: list[str] = []
    size = 0
    for body in bodies:
        if group and size + len(body) > FRAME_BYTES:
            frames.append(f"[{','.join(group)}]")
            group, size = [], 0
        group.append(body)
        size += len(body)
    if group:
        frames.append(f"[{','.join(group)}]")
    return frames
