"""Run a keyless venue's trade stream: symbols, daily bars, one connection after another.

A venue is one file: its address, its subscriptions, its frames. What they share stands here.
"""

import asyncio
import contextlib
import datetime as dt
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import urlsplit

import httpx
import numpy as np

from tapelight.errors import ConfigError, Unavailable
from tapelight.feeds._prints import FAULTS, Prints, RefusedSymbol
from tapelight.feeds._standing import StandBack, Standing
from tapelight.feeds._timing import Timing, until
from tapelight.feeds._websocket import Backoff, Stream, open_stream
from tapelight.model.batch import Batch, size
from tapelight.model.daily import DailyFold, levels
from tapelight.model.records import Reference, References, Snapshot
from tapelight.model.session import MINUTE_NS, calendar, latest_session, session_after
from tapelight.ports import Sink
from tapelight.tasks import beside

DAYS_AT_ONCE = 4
REST_S = httpx.Timeout(10.0, connect=4.0)
ANSWER_S = 65.0
"""One whole answer, however slowly it comes."""
MAX_HELD = 1_000_000
MOST_WORDS = 500
JITTER_NS = 5 * MINUTE_NS
"""References are read so long after a day began, at the most: not all scanners ask at once."""


@dataclass(slots=True)
class Day:
    """Hold one day of one symbol (UTC); `ticker` is our name of it."""

    ticker: str
    date: dt.date
    o: float
    h: float
    l: float  # noqa: E741 - the field's usual name
    c: float
    v: float
    told_ns: int = field(default=0, kw_only=True)
    """When the venue said so, where that was before its whole answer came."""


class Venue(Protocol):
    """What a venue's file offers."""

    name: str
    url: str
    symbols: list[str]
    """Our names, with the venue as suffix: BTC-USD.COINBASE."""

    def hello(self) -> Sequence[str]:
        """Return the messages that subscribe, in order."""

    def decode(self, frame: bytes, prints: Prints) -> None:
        """Add what a frame brings; raises one of FAULTS for a malformed one.

        Raises ConfigError when the venue refuses a subscription.
        """

    async def days(self, client: httpx.AsyncClient, symbol: str) -> list[Day]:
        """Return the last days, oldest first, the last one today's so far."""


class Frames(Protocol):
    """What a venue's frames come from: a WebSocket's stream, or a child process's lines."""

    async def take(self) -> list[bytes]: ...

    def wake(self) -> None: ...


Connect = Callable[[], contextlib.AbstractAsyncContextManager[Frames]]


class VenueFeed:
    """Feed the table from one venue's public stream."""

    coverage = "one venue"
    calendar = "24x7"

    def __init__(
        self, venue: Venue, silence_s: float = 30.0, connect: Connect | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:  # fmt: skip
        self.name = venue.name
        self._venue = venue
        self._connect = connect or (lambda: open_stream(venue.url, lambda: silence_s))
        self._calendar = calendar(self.calendar)
        self._now_ns = now_ns
        self._sink: Sink
        self._timing: Timing
        self._backoff = Backoff()
        self._counts = {"frames": 0, "events": 0, "trades": 0, "quotes": 0, "superseded": 0, "ignored": 0, "rejected": 0,
                        "expired": 0, "waiting": 0, "connections": 0}  # fmt: skip
        self._standing: Standing
        self._last_ns = 0
        self._refusals: dict[str, str] = {}
        """What the venue says of each symbol that it refuses on this connection; of all: by ''."""

    async def run(self, sink: Sink) -> None:
        """Feed `sink` until cancelled; raises ConfigError for a symbol that the venue has not."""
        self._sink = sink
        self._timing = Timing(sink.clock, self._now_ns)
        self._timing.set_utc()
        self._standing = standing = Standing(self.name, sink, self._calendar, self._backoff)
        standing.say("connecting", "")
        self._put_references(await self._days(), self._venue.symbols)
        # What was traded before the first connection was not seen.
        standing.hole_ns = latest_session(self._calendar, sink.clock.now_ns()).start_ns
        try:
            async with beside() as tasks:
                tasks.create_task(self._keep(), name=f"{self.name} references")
                while True:
                    await standing.survived(self._connection)
        finally:
            standing.say("closed", "")

    async def _keep(self) -> None:
        """Put the references of each day that begins, for which the last one is a past one."""
        clock = self._sink.clock
        session = latest_session(self._calendar, clock.now_ns())
        while True:
            session = session_after(self._calendar, session.start_ns)
            await until(clock, session.start_ns + secrets.randbelow(JITTER_NS))
            days = {symbol: found for symbol, found in (await self._days()).items() if found}
            self._put_references(days, [s for s in self._venue.symbols if s in days])

    async def history(self, symbol: str) -> None:
        """Do nothing: a venue's minute bars are not fetched."""

    def counts(self) -> Mapping[str, int]:
        """Return the running totals."""
        return dict(self._counts)

    async def _connection(self) -> None:
        """Hold one connection until it ends, which is always by an exception."""
        self._timing.set_utc()
        self._refusals = {}
        async with self._connect() as stream:
            self._counts["connections"] += 1
            if isinstance(stream, Stream):
                for message in self._venue.hello():
                    await stream.send(message)
            try:
                await self._follow(stream)
            except Unavailable as error:
                self._standing.lose(self._last_ns, error)  # at once: a close may take a second
                raise

    async def _follow(self, stream: Frames) -> None:
        """Hold batches back until today's bars are there; then read on for good."""
        held: list[Batch] = []
        picture = asyncio.create_task(self._days(), name=f"{self.name} today")
        picture.add_done_callback(lambda _: stream.wake())
        try:
            while not picture.done():
                held += await self._read(stream)
                self._counts["waiting"] = sum(map(size, held))
                if len(held) > MAX_HELD:
                    raise Unavailable("The day's bars took so long that the stream ran over.")
            self._say_live()
            self._put_picture(picture.result())
            now = self._sink.clock.now_ns()
            self._counts["waiting"] = 0
            while held:
                self._sink.put(replace(held.pop(0), ts_recv_ns=now))
            while True:
                for batch in await self._read(stream):
                    self._sink.put(batch)
                self._sink.alive(self._last_ns)
        finally:
            # What came before the day's bars is lost with its connection, in a hole that is open.
            self._counts["expired"] += sum(map(size, held))
            self._counts["waiting"] = 0
            picture.cancel()
            await asyncio.wait({picture})

    async def _read(self, stream: Frames) -> list[Batch]:
        """Return what waits as a batch, or nothing."""
        frames = await stream.take()
        self._timing.check()
        self._sink.raw(frames)
        known = len(self._refusals)
        found = self.decoded(frames)
        if "" in self._refusals:
            raise StandBack(self._refusals[""])
        if len(self._refusals) > known and not self._standing.hole_ns:
            self._say_live()
        return found

    def _say_live(self) -> None:
        """Say that the stream is live, and which symbols the venue refuses."""
        self._standing.absent = tuple(sorted(self._refusals))
        words = "; ".join(f"{s}: {said}" for s, said in sorted(self._refusals.items()))
        self._standing.live([words[:MOST_WORDS]])

    def decoded(self, frames: Sequence[bytes]) -> list[Batch]:
        """Return what frames bring as a batch, or nothing; what is malformed is counted.

        Raises ConfigError where the venue refuses a subscription before it has brought anything.
        """
        now = self._last_ns = self._sink.clock.now_ns()
        prints = Prints()
        for frame in frames:
            self._decode(frame, prints)
        batch, lost = prints.batch(self._sink.universe, now)
        self._counts["frames"] += len(frames)
        self._counts["events"] += len(prints.trades) + len(prints.quotes) + prints.repeated
        self._counts["superseded"] += prints.repeated
        for kind, sample in prints.rejected:
            self._counts["events"] += 1
            self._reject(kind, sample)
        for _ in range(lost):
            self._reject("unknown symbol or time ahead", "")
        if batch is None:
            return []
        self._counts["trades"] += 0 if batch.trades is None else len(batch.trades.row)
        self._counts["quotes"] += 0 if batch.quotes is None else len(batch.quotes.row)
        return [batch]

    def _decode(self, frame: bytes, prints: Prints) -> None:
        """Read one frame; one that brings nothing is counted as ignored."""
        brought = _brought(prints)
        try:
            self._venue.decode(frame, prints)
        except FAULTS as error:
            prints.rejected.append((type(error).__name__, frame[:200]))
        except ConfigError as error:
            if not self._counts["trades"]:
                raise
            prints.rejected.append(("refused by the venue", str(error)))
            symbol = error.symbol if isinstance(error, RefusedSymbol) else ""
            self._refusals[symbol] = str(error)
        if brought == _brought(prints):
            self._counts["events"] += 1
            self._counts["ignored"] += 1

    def _reject(self, kind: str, sample: bytes | str) -> None:
        self._counts["rejected"] += 1
        self._sink.reject(kind, sample)

    async def _days(self) -> dict[str, list[Day]]:
        """Return the last days of each symbol; none of those that the venue does not tell."""
        found: dict[str, list[Day]] = {}
        slots = asyncio.Semaphore(DAYS_AT_ONCE)
        async with httpx.AsyncClient(timeout=REST_S) as client:

            async def fetch(symbol: str) -> None:
                async with slots:
                    with contextlib.suppress(*FAULTS):
                        try:
                            found[symbol] = await self._told(client, symbol)
                        except (httpx.HTTPError, OSError) as error:
                            self._miss(error)

            async with beside() as fetches:
                for symbol in self._venue.symbols:
                    fetches.create_task(fetch(symbol))
        return found

    async def _told(self, client: httpx.AsyncClient, symbol: str) -> list[Day]:
        """Return a symbol's days, the last with its time: others may answer seconds later."""
        async with asyncio.timeout(ANSWER_S):
            days = await self._venue.days(client, symbol)
        if days and not days[-1].told_ns:
            days[-1].told_ns = self._sink.clock.now_ns()
        return days

    def _miss(self, error: Exception) -> None:
        """Say at the start that the days can't be had: it may be long until the stream's turn."""
        words = str(error) or type(error).__name__
        self._standing.trying(Unavailable(f"{self.name} gives no daily bars: {words}."))

    def _put_references(self, days: Mapping[str, Sequence[Day]], of: Sequence[str]) -> None:
        today = latest_session(self._calendar, self._sink.clock.now_ns()).date
        fold = DailyFold(today - dt.timedelta(weeks=52), deep=True)
        past = sorted({d.date for found in days.values() for d in found if d.date < today})
        for date in past:
            fold.add(date, [d for f in days.values() for d in f if d.date == date], full=True)
        known = levels(fold)
        references = [
            Reference(symbol=s, name=s, exchange=self.name, type="CRYPTO", **known.get(s, {}))  # type: ignore[arg-type]
            for s in of
        ]
        self._sink.put(References(today.isoformat(), references))

    def _put_picture(self, days: Mapping[str, Sequence[Day]]) -> None:
        """Put the day so far of the symbols whose day is known."""
        now = self._sink.clock.now_ns()
        date = latest_session(self._calendar, now).date
        today = [(s, f[-1]) for s, f in sorted(days.items()) if f and f[-1].date == date]
        if not today:
            return
        count = len(today)
        unknown = np.full(count, np.nan)
        columns = {k: np.array([getattr(d, k) for _, d in today]) for k in "ohlcv"}
        self._sink.put(
            Snapshot(
                now,
                np.array([self._sink.universe.add(s) for s, _ in today], np.int32),
                np.array([d.told_ns for _, d in today], np.int64),
                columns["c"],
                columns["v"],
                columns["o"],
                columns["h"],
                columns["l"],
                *(unknown.copy() for _ in range(6)),
            )
        )


def _brought(prints: Prints) -> int:
    return len(prints.trades) + len(prints.quotes) + len(prints.rejected) + prints.repeated


def named(symbols: Sequence[str], suffix: str, table: str) -> list[str]:
    """Return our names of a venue's symbols; raises ConfigError when there are none."""
    if not symbols:
        raise ConfigError(f"feed.{table}.symbols is empty: name at least one.")
    return [f"{symbol.replace('/', '-')}.{suffix}" for symbol in dict.fromkeys(symbols)]


def checked_url(url: str, key: str) -> str:
    """Return `url`; raises ConfigError when it is no WebSocket address."""
    if urlsplit(url).scheme not in ("ws", "wss"):
        raise ConfigError(f"{key} is {url!r}: it must begin with wss:// or ws://.")
    return url


def utc_ns(text: str) -> int:
    """Return ns UTC of 2024-06-24T18:33:53.123456Z; raises ValueError."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = dt.datetime.fromisoformat(whole).replace(tzinfo=dt.UTC).timestamp()
    return int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0") or 0)
