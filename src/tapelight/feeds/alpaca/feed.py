"""The Alpaca feed: references, then the stream, then what closes its holes."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from tapelight.errors import Rejected, Unavailable
from tapelight.feeds._following import follow
from tapelight.feeds._minutes import PUBLISHED_NS, begin_of, minute_columns, most_active
from tapelight.feeds._standing import BEFORE_NS, DELAY_NS, Standing, traded_since
from tapelight.feeds._timing import Timing, until
from tapelight.feeds._websocket import Backoff, Silent, Stream, open_stream
from tapelight.feeds.alpaca.almanac import Almanac
from tapelight.feeds.alpaca.config import FEEDS, TEST_SYMBOL, AlpacaConfig, check
from tapelight.feeds.alpaca.decode import Decoder
from tapelight.feeds.alpaca.library import Library
from tapelight.feeds.alpaca.line import Granted, Line
from tapelight.feeds.alpaca.missed import Missed
from tapelight.feeds.alpaca.picture import (
    Day,
    day_of,
    early_risers,
    minutes_of,
    snapshot_of,
    volume_of,
)
from tapelight.model.records import History, Snapshot
from tapelight.model.session import (
    MINUTE_NS,
    REGULAR,
    Session,
    calendar,
    latest_session,
    session_after,
    session_at,
)
from tapelight.ports import Sink
from tapelight.tasks import beside

SNAPSHOT_S = 60.0
AGAIN_S = 30.0
SETTLE_S = 1.0
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
        self._line: Line | None = None
        self._expired = 0
        """Events that waited for a snapshot when their connection broke."""
        self._connections = 0
        self._granted = Granted(frozenset())
        self._asked: set[str] = set()
        self._filled: set[str] = set()
        self._sink: Sink
        self._standing: Standing
        self._library: Library | None = None
        self._decoder: Decoder | None = None
        self._almanac: Almanac

    @property
    def coverage(self) -> str:
        """Return what share of the market the data are: SIP, IEX, delayed, synthetic."""
        synthetic = self._timing is not None and self._timing.synthetic
        return "synthetic" if synthetic else FEEDS[self._config.feed]

    @property
    def delay_ns(self) -> int:
        """Return how much older than its arrival an event is."""
        return DELAY_NS if self._config.feed == "delayed_sip" else 0

    @property
    def usual_s(self) -> float:
        """Return what silence of prints and bars is nothing unusual, in seconds."""
        return 0.0 if "trades" in self._granted.channels else self._config.bar_silence_s

    def owns(self) -> str:
        """Return the stream's address and the key, which allows one connection."""
        return f"{self._config.url} {self._config.key}"

    def reconnect(self, why: str) -> None:
        """Drop the connection and open another; the hole begins with the last frame."""
        if self._stream is not None:
            self._stream.ended(Silent(why))

    def counts(self) -> Mapping[str, int]:
        """Return the running totals of events, rejects, requests and connections."""
        if self._decoder is None or self._library is None:
            return {}
        totals = {
            "connections": self._connections, "requests": self._library.calls,
            "expired": self._expired, "waiting": self._line.held.events if self._line else 0,
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
        self._standing = standing = Standing(self.name, sink, self._days, self._backoff)
        standing.say("connecting", "")
        library.tell_tries(standing.trying)
        try:
            while not await standing.survived(self._prepare):
                pass
            async with beside() as tasks:
                if config.feed != "test":
                    tasks.create_task(self._almanac.keep(self._session()), name="alpaca references")
                while True:
                    await standing.survived(self.connection)
        finally:
            standing.say("closed", "")
            self._library = None
            await library.close()

    async def history(self, symbol: str) -> None:
        """Fetch today's minute bars of `symbol` and put them, once a connection."""
        if (
            self._library is not None
            and symbol not in self._asked
            and self._standing.lived.is_set()
        ):
            await self._backfill([symbol])

    async def _prepare(self) -> None:
        """Check the keys, set the clock, read the references."""
        library = self._rest()
        await self._set_clock()
        if self._config.feed == "test":
            self._almanac.symbols = [TEST_SYMBOL]
            return
        await library.check_keys()
        await self._almanac.open(self._session())

    def _session(self) -> Session:
        """Return the session that runs, or between sessions the next one."""
        now_ns = self._sink.clock.now_ns()
        session = latest_session(self._days, now_ns)
        return session if now_ns < session.end_ns else session_after(self._days, now_ns)

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
            self._line = line = Line(stream, self._decoder, self._sink, config)
            try:
                await line.authenticate()
                symbols = None if config.symbols is None else self._almanac.symbols
                if config.feed == "test":
                    symbols = [TEST_SYMBOL]
                self._granted = await line.subscribe(config.channels, symbols)
                self._standing.heals = config.heal > 0 and self._granted.ticks
                self._asked, self._filled = set(), set()
                await follow(self, self._standing, stream, line, SNAPSHOT_S, AGAIN_S)
            except Unavailable as error:
                self._standing.lose(line.last_ns, error)  # at once: a close may take a second
                raise
            finally:
                self._stream = self._line = None
                self._expired += line.held.events

    async def picture(self) -> Picture:
        """Set the clock and return the day so far of all symbols that are watched."""
        await self._set_clock()
        return await self.day()

    async def day(self) -> Picture:
        """Return the day so far of all symbols that are watched."""
        if self._config.feed == "test":
            return Picture({}, {})
        library, session = self._rest(), latest_session(self._days, self._sink.clock.now_ns())
        found = await library.snapshots(self._almanac.symbols)
        days = {symbol: day_of(snapshot, session) for symbol, snapshot in found.items()}
        known = {symbol: day for symbol, day in days.items() if day is not None}
        minutes = await library.minutes(
            early_risers(known), session.start_ns, self._sink.clock.now_ns()
        )
        return Picture(known, {symbol: volume_of(bars) for symbol, bars in minutes.items()})

    def put_picture(self, picture: Picture) -> Snapshot:
        """Put the day so far."""
        assert self._decoder is not None
        rows = self._decoder.rows
        now_ns = self._sink.clock.now_ns()
        snapshot = snapshot_of(picture.days, picture.volumes, rows.of, now_ns)
        self._sink.put(snapshot)
        return snapshot

    def say_live(self, fault: str) -> None:
        """Say that the stream is live; without a snapshot the day's figures stay provisional."""
        self._standing.live((self._granted.detail, *self._rest().missing), fault)

    async def heal(self, snapshot: Snapshot) -> None:
        """Bring the trades that the hole missed."""
        assert self._decoder is not None
        since_ns, until_ns = self._standing.hole()
        missed = Missed(self._rest(), self._sink, self._decoder, since_ns, until_ns, self.delay_ns)
        symbols, from_ns = self._sink.universe.symbols, since_ns - BEFORE_NS - self.delay_ns
        wanted = [symbols[r] for r in traded_since(snapshot, from_ns)]
        most = self._config.heal
        await asyncio.sleep(SETTLE_S)
        self._sink.put(await missed.fetch(wanted[:most], wanted[most:]))
        self.say_live("")

    async def fill(self, snapshot: Snapshot) -> None:
        """Bring the minute bars of the most active symbols."""
        active = most_active(snapshot, self._config.backfill)
        await self._backfill([self._sink.universe.symbols[row] for row in active])
        begin_ns = begin_of(int(snapshot.updated_ns.max(initial=0)))
        end_ns = begin_ns + MINUTE_NS + self.delay_ns
        await until(self._sink.clock, end_ns + PUBLISHED_NS)
        await self._backfill(sorted(self._filled), begin_ns - MINUTE_NS)

    async def _backfill(self, symbols: list[str], from_ns: int = 0) -> None:
        """Put today's minute bars of some symbols; what fails is counted and may be asked again."""
        self._asked.update(symbols)
        session = latest_session(self._days, self._sink.clock.now_ns())
        from_ns = max(from_ns, session.start_ns)
        now_ns = self._sink.clock.now_ns()
        try:
            found = await self._rest().minutes(symbols, from_ns, now_ns)
        except (Unavailable, Rejected) as error:
            self._asked.difference_update(symbols)
            self._sink.reject("history", f"{len(symbols)} symbols: {error}")
            return
        self._filled.update(symbols)
        for symbol, bars in found.items():
            columns = minute_columns(
                minutes_of(bars), self._sink.universe.add(symbol), from_ns, now_ns
            )
            if columns is not None:
                self._sink.put(History(self._sink.clock.now_ns(), columns))
                await asyncio.sleep(0)

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
