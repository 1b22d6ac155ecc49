"""The Alpaca feed: references, then the stream, then what closes its holes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass

from tapelight.errors import Rejected, Unavailable
from tapelight.feeds._tasks import beside
from tapelight.feeds._timing import Timing
from tapelight.feeds._websocket import Backoff, Stream, open_stream
from tapelight.feeds.alpaca.almanac import Almanac
from tapelight.feeds.alpaca.config import FEEDS, TEST_SYMBOL, AlpacaConfig, check
from tapelight.feeds.alpaca.decode import Decoder
from tapelight.feeds.alpaca.library import Library
from tapelight.feeds.alpaca.line import Evicted, Granted, Line
from tapelight.feeds.alpaca.missed import Missed
from tapelight.feeds.alpaca.picture import (
    Day,
    day_of,
    early_risers,
    minute_columns,
    most_active,
    snapshot_of,
    traded_since,
    volume_of,
)
from tapelight.model.records import FeedState, History, Snapshot
from tapelight.model.session import NS, REGULAR, calendar, latest_session, session_after, session_at
from tapelight.ports import Sink

STAND_BACK_S = 60.0
"""While another program has the connection: the newer one is refused."""
PROVED_S = 10.0
SNAPSHOT_S = 60.0
AGAIN_S = 30.0
SETTLE_S = 1.0
LONGEST_NS = 1_800 * NS
BEFORE_NS = 2 * NS
HEADERS = {"Content-Type": "application/msgpack"}


@dataclass(frozen=True, slots=True)
class Picture:
    """Hold the day so far by symbol, and the volumes that only minute bars tell."""

    days: Mapping[str, Day]
    volumes: Mapping[str, float]


class AlpacaFeed:
    """Bring US shares from Alpaca, or from anything that speaks its protocol."""

    name = "alpaca"
    calendar = "XNYS"

    def __init__(
        self, config: AlpacaConfig, backoff: Backoff | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:  # fmt: skip
        self._config = check(config)
        self._backoff = backoff or Backoff()
        self._now_ns = now_ns
        self._timing: Timing | None = None
        self._days = calendar(self.calendar)
        if config.feed == "test":
            self.calendar = "24x7"
        self.watched = False
        """Whether somebody else looks for silence: the feed's own watchdog then rests."""
        self._stream: Stream | None = None
        self._expired = 0
        """Events that waited for a snapshot when their connection broke."""
        self._connections = 0
        self._hole_ns = 0
        self._was_live = False
        self._said: tuple[str, str, int] | None = None
        self._granted = Granted(frozenset())
        self._asked: set[str] = set()
        self._sink: Sink
        self._library: Library | None = None
        self._decoder: Decoder | None = None
        self._almanac: Almanac

    @property
    def coverage(self) -> str:
        """Return what share of the market the data are: SIP, IEX, delayed, synthetic."""
        synthetic = self._timing is not None and self._timing.synthetic
        return "synthetic" if synthetic else FEEDS[self._config.feed]

    def owns(self) -> str:
        """Return the stream's address and the key, which allows one connection."""
        return f"{self._config.url} {self._config.key}"

    def counts(self) -> Mapping[str, int]:
        """Return the running totals of events, rejects, requests and connections."""
        if self._decoder is None or self._library is None:
            return {}
        totals = {
            "connections": self._connections, "requests": self._library.calls,
            "expired": self._expired,
        }  # fmt: skip
        return asdict(self._decoder.counts) | totals

    async def run(self, sink: Sink) -> None:
        """Feed `sink` until cancelled; raises ConfigError for keys or a plan that cannot do."""
        config = self._config
        self._sink = sink
        self._timing = Timing(sink.clock, self._now_ns)
        self._library = library = Library(config)
        self._decoder = Decoder(sink.universe, config.encoding == "msgpack", config.quote_lot)
        self._almanac = Almanac(config, sink, library, self._days, self._decoder.rows)
        self.say("connecting", "")
        try:
            while not await self._survived(self._prepare):
                pass
            while True:
                await self._survived(self.connection)
        finally:
            self.say("closed", "")
            self._library = None
            await library.close()

    async def history(self, symbol: str) -> None:
        """Fetch today's minute bars of `symbol` and put them, once a connection."""
        if self._library is not None and symbol not in self._asked and self._was_live:
            await self._backfill([symbol])

    def say(self, state: str, detail: str) -> None:
        """Put a FeedState, unless it was the last one said."""
        hole_ns = self._hole_ns
        if (state, detail, hole_ns) != self._said:
            self._said = (state, detail, hole_ns)
            now_ns, heals = self._sink.clock.now_ns(), self._can_heal()
            self._sink.put(FeedState(now_ns, self.name, state, detail, hole_ns > 0, hole_ns, heals))

    async def _survived(self, step: Callable[[], Awaitable[None]]) -> bool:
        """Do a step; after `Unavailable` say so, wait the back-off and return False."""
        self._backoff.attempt()
        began = asyncio.get_running_loop().time()
        try:
            await step()
        except (Unavailable, Rejected) as error:
            if asyncio.get_running_loop().time() - began > PROVED_S:
                self._backoff.succeeded()
            self._lose(error)
            stand_back = STAND_BACK_S if isinstance(error, Evicted) else 0.0
            await asyncio.sleep(self._backoff.delay_s(stand_back))
            return False
        return True

    async def _prepare(self) -> None:
        """Check the keys, set the clock, read the references."""
        library = self._rest()
        await self._set_clock()
        if self._config.feed == "test":
            self._almanac.symbols = [TEST_SYMBOL]
            return
        await library.check_keys()
        now_ns = self._sink.clock.now_ns()
        session = latest_session(self._days, now_ns)
        if now_ns >= session.end_ns:
            session = session_after(self._days, now_ns)
        await self._almanac.open(session)

    async def _set_clock(self) -> None:
        assert self._timing is not None
        await self._timing.set(self._rest().simulator_clock)

    def _rest(self) -> Library:
        assert self._library is not None
        return self._library

    async def connection(self) -> None:
        """Hold one connection until it ends, which is always by an exception."""
        config = self._config
        assert self._decoder is not None
        headers = HEADERS if config.encoding == "msgpack" else None
        path = "v2/test" if config.feed == "test" else f"v2/{config.feed}"
        url = f"{config.url.rstrip('/')}/{path}"
        async with open_stream(url, self._silence_s, headers=headers) as stream:
            self._connections += 1
            self._stream = stream
            line = Line(stream, self._decoder, self._sink, config)
            try:
                await line.authenticate()
                symbols = None if config.symbols is None else self._almanac.symbols
                if config.feed == "test":
                    symbols = [TEST_SYMBOL]
                self._granted = await line.subscribe(config.channels, symbols)
                await self._follow(stream, line)
            except Unavailable as error:
                if self._was_live and not self._hole_ns:
                    self._hole_ns = line.last_ns
                self._lose(error)  # at once: a close may take a second
                raise
            finally:
                self._stream = None
                self._expired += line.held_events

    def _lose(self, error: Exception) -> None:
        """Say why there is no stream."""
        words = str(error)
        if not isinstance(error, Evicted):
            words = f"{words} Check the network; trying again."
        self.say("gap" if self._hole_ns else "connecting", words)

    async def _follow(self, stream: Stream, line: Line) -> None:
        """Read on while the snapshot is fetched; put it, then what was held; read on for good."""
        self._asked = set()
        async with beside() as tasks:
            picture: asyncio.Task[Picture | str] | None
            picture = tasks.create_task(self._picture(stream, line, 0.0), name="alpaca snapshot")
            while True:
                await line.read()
                if picture is None or not picture.done():
                    continue
                found, picture = picture.result(), None
                if isinstance(found, str):
                    again = self._picture(stream, line, AGAIN_S)
                    picture = tasks.create_task(again, name="alpaca snapshot again")
                    line.release()
                    self._say_live(found)
                    continue
                heals = self._can_heal()
                if heals:
                    self.say("healing", "the missed trades are being fetched")
                snapshot = self.put_picture(found)
                line.release()
                if heals:
                    tasks.create_task(self._heal(snapshot), name="alpaca healing")
                else:
                    self._say_live("")
                active = most_active(snapshot, self._config.backfill)
                symbols = [self._sink.universe.symbols[row] for row in active]
                tasks.create_task(self._backfill(symbols), name="alpaca backfill")

    async def _picture(self, stream: Stream, line: Line, after_s: float) -> Picture | str:
        """Return the day so far, or in words why there is none; the line holds meanwhile."""
        await asyncio.sleep(after_s)
        line.hold()
        try:
            async with asyncio.timeout(SNAPSHOT_S):
                await self._set_clock()
                return await self.picture()
        except TimeoutError:
            return f"the snapshot took over {SNAPSHOT_S:g} s"
        except (Unavailable, Rejected) as error:
            return f"no snapshot: {error}"
        finally:
            stream.wake()

    async def picture(self) -> Picture:
        """Return the day so far of all symbols that are watched."""
        if self._config.feed == "test":
            return Picture({}, {})
        library, session = self._rest(), latest_session(self._days, self._sink.clock.now_ns())
        found = await library.snapshots(self._almanac.symbols)
        days = {symbol: day_of(snapshot, session) for symbol, snapshot in found.items()}
        known = {symbol: day for symbol, day in days.items() if day is not None}
        minutes = await library.minutes(early_risers(known), session, self._sink.clock.now_ns())
        return Picture(known, {symbol: volume_of(bars) for symbol, bars in minutes.items()})

    def put_picture(self, picture: Picture) -> Snapshot:
        """Put the day so far."""
        assert self._decoder is not None
        rows = self._decoder.rows
        now_ns = self._sink.clock.now_ns()
        snapshot = snapshot_of(picture.days, picture.volumes, rows.__getitem__, now_ns)
        rows.bad.clear()
        self._sink.put(snapshot)
        return snapshot

    def _can_heal(self) -> bool:
        """Tell whether a hole is open whose trades may be fetched: not from before the first stream."""
        hole_ns = self._sink.clock.now_ns() - self._hole_ns if self._hole_ns else LONGEST_NS
        return self._config.heal > 0 and self._granted.ticks and hole_ns < LONGEST_NS

    async def _heal(self, snapshot: Snapshot) -> None:
        """Bring the trades that the hole missed."""
        assert self._decoder is not None
        now_ns = self._sink.clock.now_ns()
        missed = Missed(self._rest(), self._sink, self._decoder, self._hole_ns, now_ns)
        symbols = self._sink.universe.symbols
        wanted = [symbols[r] for r in traded_since(snapshot, self._hole_ns - BEFORE_NS)]
        most = self._config.heal
        await asyncio.sleep(SETTLE_S)
        self._sink.put(await missed.fetch(wanted[:most], wanted[most:]))
        self._say_live("")

    async def _backfill(self, symbols: list[str]) -> None:
        """Put today's minute bars of some symbols; what fails is counted and may be asked again."""
        self._asked.update(symbols)
        session = latest_session(self._days, self._sink.clock.now_ns())
        now_ns = self._sink.clock.now_ns()
        try:
            found = await self._rest().minutes(symbols, session, now_ns)
        except (Unavailable, Rejected) as error:
            self._asked.difference_update(symbols)
            self._sink.reject("history", f"{len(symbols)} symbols: {error}")
            return
        for symbol, bars in found.items():
            columns = minute_columns(bars, self._sink.universe.add(symbol), session, now_ns)
            if columns is not None:
                self._sink.put(History(self._sink.clock.now_ns(), columns))
                await asyncio.sleep(0)

    def _say_live(self, fault: str) -> None:
        """Say that the stream is live; without a snapshot the day's figures stay provisional."""
        now_ns = self._sink.clock.now_ns()
        if not fault:
            self._hole_ns = 0
        elif not self._hole_ns:
            self._hole_ns = min(now_ns, latest_session(self._days, now_ns).start_ns)
        missing = "; ".join(self._rest().missing)
        words = (self._granted.detail, fault, missing)
        self.say("live", "; ".join(word for word in words if word))
        self._was_live = True

    def _silence_s(self) -> float | None:
        """Return how long the stream may be mute: None while no session runs or time stands."""
        config, clock = self._config, self._sink.clock
        if config.feed == "test":
            return config.quiet_silence_s
        now_ns = clock.now_ns()
        session = session_at(self._days, now_ns)
        if session is None or clock.rate <= 0 or self.watched:
            return None
        limit_s = config.silence_s
        if session.phase(now_ns) != REGULAR:
            limit_s = max(limit_s, config.quiet_silence_s)
        if not self._granted.ticks:
            limit_s = max(limit_s, config.bar_silence_s)
        return limit_s / min(clock.rate, 1.0)
