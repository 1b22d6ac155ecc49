"""The Kite feed: a login, the day's instruments, the picture so far, then the stream."""

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from urllib.parse import urlencode

import msgspec
import numpy as np

from tapelight.errors import ConfigError, Rejected, Unavailable
from tapelight.feeds._standing import Standing
from tapelight.feeds._timing import Timing
from tapelight.feeds._websocket import Backoff, Silent, Stream, open_stream
from tapelight.feeds.kite.config import EXCHANGES, KiteConfig
from tapelight.feeds.kite.listing import Listing
from tapelight.feeds.kite.packets import HEARTBEAT, Tick, packets, tick
from tapelight.feeds.kite.rest import Refused, Rest
from tapelight.feeds.kite.samples import Samples
from tapelight.model.batch import Bars
from tapelight.model.records import History
from tapelight.model.session import (
    KOLKATA,
    MINUTE_NS,
    NS,
    REGULAR,
    calendar,
    latest_session,
    session_at,
)
from tapelight.ports import Sink

MOST_HELD = 200_000
"""Samples held back until the picture is there."""
TOKENS_AT_ONCE = 500


class Note(msgspec.Struct):
    """Hold a text message: {"type":"error","data":"..."}; also order and message."""

    type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


_TOTALS = ("frames", "events", "ignored", "rejected", "expired", "waiting")


class KiteFeed:
    """Feed the table with samples of Indian shares and indices."""

    name = "kite"
    coverage = "sampled"
    usual_s = 0.0
    delay_ns = 0

    def __init__(
        self,
        config: KiteConfig,
        backoff: Backoff | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.calendar = EXCHANGES[config.exchange]
        self._config = config
        self._now_ns = now_ns
        self._backoff = backoff or Backoff()
        self._days = calendar(self.calendar)
        self._samples = Samples()
        self.watched = False
        """Whether somebody else looks for silence: the feed's own watchdog then rests."""
        self._stream: Stream | None = None
        self._totals = dict.fromkeys(_TOTALS, 0)
        self._totals["connections"] = 0
        self._decode = msgspec.json.Decoder(Note).decode
        self._sink: Sink
        self._standing: Standing
        self._timing: Timing
        self._rest: Rest | None = None
        self._listing: Listing
        self._last_ns = 0
        """Market time of the newest packet."""

    def owns(self) -> str:
        """Return the address, the key and the exchange: two of them would ask for the same twice."""
        return f"{self._config.url} {self._config.api_key} {self._config.exchange}"

    def reconnect(self, why: str) -> None:
        """Drop the connection and open another; the hole begins with the last packet."""
        if self._stream is not None:
            self._stream.ended(Silent(why))

    async def run(self, sink: Sink) -> None:
        """Feed `sink` until cancelled; raises ConfigError where the first login is refused."""
        self._sink = sink
        config = self._config
        self._rest = rest = Rest(config.rest, config.api_key, config.token())
        self._listing = Listing(config, rest)
        self._timing = Timing(sink.clock, self._now_ns)
        self._timing.set_utc()
        self._standing = standing = Standing(self.name, sink, self._days, self._backoff)
        standing.say("connecting", "")
        try:
            while True:
                await standing.survived(self._connected)
        finally:
            standing.say("closed", "")
            self._rest = None
            await rest.close()

    async def history(self, symbol: str) -> None:
        """Fetch today's minute bars of `symbol` and put them."""
        token = self._listing.token_of(symbol) if self._rest is not None else None
        if self._rest is None or token is None:
            return
        session = latest_session(self._days, self._sink.clock.now_ns())
        begin, end = (_local(ns) for ns in (session.start_ns, self._sink.clock.now_ns()))
        try:
            candles = (await self._rest.minutes(token, begin, end)).candles
            bars = minute_bars(candles, self._listing.rows[token], self._sink.clock.now_ns())
        except (Unavailable, Rejected, ValueError) as error:
            self._sink.reject("history", f"{symbol}: {error}")
            return
        if len(bars.row):
            self._sink.put(History(self._sink.clock.now_ns(), bars))

    def counts(self) -> Mapping[str, int]:
        """Return the running totals: events = prints + superseded + ignored + rejected + expired."""
        calls = {"requests": self._rest.calls} if self._rest is not None else {}
        return self._totals | asdict(self._samples.counts) | calls

    async def _connected(self) -> None:
        """Connect once; raises ConfigError where the first login is refused."""
        try:
            await self.connection()
        except (Unavailable, Rejected) as error:
            if isinstance(error, Refused) and not self._standing.lived.is_set():
                raise ConfigError(str(error)) from error
            self._standing.lose(self._last_ns, error)
            raise

    async def prepare(self) -> Rest:
        """Set the clock, check the login and load the day's instruments."""
        assert self._rest is not None
        self._timing.set_utc()
        await self._rest.check()
        date = latest_session(self._days, self._sink.clock.now_ns()).date
        if await self._listing.load(date, self._sink):
            self._samples.follow(self._listing.rows)
        self._samples.forget()
        return self._rest

    async def connection(self) -> None:
        """Hold one connection until it ends, which is always by an exception."""
        rest = await self.prepare()
        query = urlencode({"api_key": self._config.api_key, "access_token": rest.token()})
        url = f"{self._config.url}?{query}"
        async with open_stream(url, self._silence_s) as stream:
            self._totals["connections"] += 1
            self._stream = stream
            try:
                await self._subscribe(stream)
                self._last_ns = self._sink.clock.now_ns()
                await self._follow(stream, rest)
            finally:
                self._stream = None

    async def _subscribe(self, stream: Stream) -> None:
        tokens = self._listing.tokens
        for at in range(0, len(tokens), TOKENS_AT_ONCE):
            some = tokens[at : at + TOKENS_AT_ONCE]
            for message in ({"a": "subscribe", "v": some}, {"a": "mode", "v": [self._config.mode, some]}):  # fmt: skip
                await stream.send(msgspec.json.encode(message).decode())

    async def _follow(self, stream: Stream, rest: Rest) -> None:
        """Hold samples back until the picture of the day is there; then read on for good."""
        held: list[Tick] = []
        picture = asyncio.create_task(rest.quotes(self._listing.names), name="kite picture")
        picture.add_done_callback(lambda _: stream.wake())
        try:
            while not picture.done():
                held += await self._read(stream)
                self._totals["waiting"] = len(held)
                if len(held) > MOST_HELD:
                    raise Unavailable("The day's quotes took so long that the stream ran over.")
            found = picture.result()
            self._totals["waiting"] = 0
            self._live(found, held)
            while True:
                self._take(await self._read(stream))
        finally:
            # What came before the picture is lost with its connection, in a hole that is open.
            self._totals["expired"] += self._totals["waiting"]
            self._totals["waiting"] = 0
            picture.cancel()
            await asyncio.wait({picture})

    def _live(self, picture: list[Tick], held: list[Tick]) -> None:
        """Put the picture, which closes a hole, then what came meanwhile."""
        self._each(picture, self._samples.picture)
        self._put()
        self._standing.live([self._listing.detail])
        self._take(held)

    def _take(self, ticks: list[Tick]) -> None:
        self._each(ticks, self._samples.take)
        self._put()
        self._sink.alive(self._last_ns)

    def _each(self, ticks: list[Tick], take: Callable[[Tick, int], None]) -> None:
        now_ns = self._sink.clock.now_ns()
        for sample in ticks:
            try:
                take(sample, now_ns)
            except Rejected as error:
                self._reject("unknown instrument", str(error))

    def _put(self) -> None:
        batch, snapshot = self._samples.records(self._sink.clock.now_ns())
        if batch is not None:
            self._sink.put(batch)
        if snapshot is not None:
            self._sink.put(snapshot)

    async def _read(self, stream: Stream) -> list[Tick]:
        """Return the samples that wait; raises Silent where there are only heartbeats."""
        frames = await stream.take()
        self._timing.check()
        self._sink.raw(frames)
        found: list[Tick] = []
        for frame in frames:
            self._totals["frames"] += 1
            found += self.decode(frame)
        now_ns = self._sink.clock.now_ns()
        limit_s = self._limit_s()
        if found or limit_s is None:
            self._last_ns = now_ns
        elif not self.watched and now_ns - self._last_ns > limit_s * NS:
            raise Silent("The connection brings heartbeats but no prices; connecting anew.")
        return found

    def decode(self, frame: bytes) -> list[Tick]:
        """Return the samples of a frame; what is malformed is counted, never raised."""
        if frame[:1] == b"{":
            self._totals["events"] += 1
            self._note(frame)
            return []
        found: list[Tick] = []
        try:
            for packet in packets(frame) if len(frame) >= HEARTBEAT else ():
                self._totals["events"] += 1
                try:
                    found.append(tick(packet))
                except Rejected as error:
                    self._reject("packet", str(error))
        except Rejected as error:
            self._totals["events"] += 1
            self._reject("frame", str(error))
        return found

    def _note(self, frame: bytes) -> None:
        """Take a text message: an error of the service is told, an order is not ours to read."""
        try:
            note = self._decode(frame)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._reject("text message", frame[:200])
            return
        if note.type == "error":
            self._reject("error of the service", bytes(note.data)[:200])
        else:
            self._totals["ignored"] += 1

    def _reject(self, kind: str, sample: bytes | str) -> None:
        self._totals["rejected"] += 1
        self._sink.reject(kind, sample)

    def _silence_s(self) -> float | None:
        """Return how long frames may be absent; None while somebody else looks for silence."""
        return None if self.watched else self._limit_s()

    def _limit_s(self) -> float | None:
        """Return how long prices may be absent; None outside regular hours."""
        now_ns = self._sink.clock.now_ns()
        session = session_at(self._days, now_ns)
        regular = session is not None and session.phase(now_ns) == REGULAR
        return self._config.silence_s if regular else None


def _local(ts_ns: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ts_ns // NS, KOLKATA)


def minute_bars(candles: list[tuple[str, float, float, float, float, float]], row: int, now_ns: int) -> Bars:  # fmt: skip
    """Return [time, open, high, low, close, volume] as bars, without the minute that runs.

    Raises ValueError for a time that is none.
    """
    starts = [int(dt.datetime.fromisoformat(c[0]).timestamp()) * NS for c in candles]
    kept = [
        (start, *candle[1:])
        for start, candle in zip(starts, candles, strict=True)
        if start + MINUTE_NS <= now_ns and candle[2] >= candle[3] > 0 and candle[5] >= 0
    ]
    count = len(kept)
    unknown = np.full(count, np.nan)
    columns = [np.array([bar[i] for bar in kept], np.float64) for i in range(1, 6)]
    return Bars(
        np.full(count, row, np.int32),
        np.array([bar[0] for bar in kept], np.int64),
        np.full(count, 60, np.int32),
        *columns,
        *(unknown.copy() for _ in range(4)),
    )
