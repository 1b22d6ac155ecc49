"""One run of the Massive feed: the clock, one connection after another, their holes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict

from tapelight.errors import Rejected, Unavailable
from tapelight.feeds._tasks import beside
from tapelight.feeds._timing import Timing
from tapelight.feeds._websocket import Backoff, Closed, Silent, Stream, open_stream
from tapelight.feeds.massive.almanac import Almanac
from tapelight.feeds.massive.backfill import Backfill
from tapelight.feeds.massive.chains import Chains
from tapelight.feeds.massive.config import MassiveConfig, Secret
from tapelight.feeds.massive.decode import Decoder
from tapelight.feeds.massive.library import Library
from tapelight.feeds.massive.line import Evicted, Granted, Line
from tapelight.feeds.massive.missed import BEFORE_NS, Missed, traded_since
from tapelight.feeds.massive.newsroom import Newsroom
from tapelight.feeds.massive.payloads import TickerSnapshot
from tapelight.feeds.massive.rest import Rest
from tapelight.feeds.massive.snapshot import Lines, lines_of, most_active, snapshot_of
from tapelight.model.records import FeedState, Snapshot
from tapelight.model.session import (
    MINUTE_NS,
    REGULAR,
    Session,
    calendar,
    latest_session,
    session_at,
)
from tapelight.ports import Cold, Sink

STAND_BACK_S = 60.0
"""After an eviction: two programs with one key would evict each other for ever."""
POLICY_VIOLATION = 1008
PROVED_S = 10.0
"""A connection that lived so long was a good one: the next wait is short again."""
SNAPSHOT_S = 20.0
AGAIN_S, AGAIN_MOST_S = 2.0, 30.0
"""After a snapshot that failed, while the stream goes on: half as long again each time."""
LONGEST_NS = 30 * MINUTE_NS
"""A longer hole is not healed: its rows have the snapshot's day."""
SETTLE_S = 0.2
"""How long the service may take to know the newest prints itself."""
Picture = tuple[list[TickerSnapshot], Lines]


class Run:
    """Hold the state of one `run`: clock, references, the connection of the moment."""

    def __init__(
        self,
        config: MassiveConfig,
        sink: Sink,
        rest: Rest,
        backoff: Backoff,
        cold: Cold | None = None,
    ) -> None:
        self.live = asyncio.Event()
        """Set once the first connection is live."""
        self.filled = asyncio.Event()
        """Set once the active symbols have their minute bars: the deep pass may begin."""
        self.watched = False
        self._config = config
        self._sink = sink
        self._rest = rest
        self._backoff = backoff
        self._key = Secret(config.api_key)
        self._calendar = calendar("XNYS")
        self._session: Session | None = None
        self._wanted = None
        if config.symbols is not None:
            self._wanted = list(dict.fromkeys([*config.symbols, config.canary]))
        self._library = Library(rest, cold, sink.clock.now_ns)
        self._decoder = Decoder(sink.universe)
        rows = self._decoder.rows
        self.almanac = Almanac(config, sink, self._library, self._calendar, rows, cold)
        self.chains = Chains(rest, sink, self._calendar)
        self.newsroom = Newsroom(self._library, sink, self._calendar, config.news_s)
        self._backfill: Backfill | None = None
        self._stream: Stream | None = None
        self._connections = 0
        self._expired = 0
        """Events that waited for a snapshot when their connection broke."""
        self._hole_ns = 0
        """Since when events may lack; 0 when none do."""
        self._said: tuple[str, str, int] | None = None
        self._timing = Timing(sink.clock)

    @property
    def coverage(self) -> str:
        """Return what share of the market the data are: SIP, delayed, synthetic."""
        if self._timing.synthetic:
            return "synthetic"
        return "SIP, 15 min delayed" if "delayed" in self._config.url else "SIP"

    def counts(self) -> Mapping[str, int]:
        """Return the running totals."""
        totals = {
            "connections": self._connections, "requests": self._rest.calls,
            "expired": self._expired,
        }  # fmt: skip
        return asdict(self._decoder.counts) | totals

    def say(self, state: str, detail: str) -> None:
        """Put a FeedState, unless it was the last one said."""
        hole_ns = self._hole_ns
        if (state, detail, hole_ns) != self._said:
            self._said = (state, detail, hole_ns)
            now_ns, heals = self._sink.clock.now_ns(), self._can_heal()
            self._sink.put(FeedState(now_ns, "massive", state, detail, hole_ns > 0, hole_ns, heals))

    async def history(self, symbol: str) -> None:
        """Fetch the bars of one symbol if a connection is live."""
        if self._backfill is not None:
            await self._backfill.symbol(symbol)

    def reconnect(self, why: str) -> None:
        """Give up the connection, which brings nothing."""
        if self._stream is not None:
            self._stream.ended(Silent(why))

    async def connections(self) -> None:
        """Prepare, then hold one connection after another until cancelled."""
        self.say("connecting", "")
        while not await self._survived(self._prepare):
            pass
        while True:
            await self._survived(self._connection)

    async def _survived(self, step: Callable[[], Awaitable[None]]) -> bool:
        """Do a step; after `Unavailable` say so, wait the back-off and return False."""
        self._backoff.attempt()
        began = asyncio.get_running_loop().time()
        try:
            await step()
        except Unavailable as error:
            if asyncio.get_running_loop().time() - began > PROVED_S:
                self._backoff.succeeded()
            self.say("gap" if self._hole_ns else "connecting", str(error))
            evicted = isinstance(error, Evicted) or (
                isinstance(error, Closed) and error.code == POLICY_VIOLATION
            )
            await asyncio.sleep(self._backoff.delay_s(STAND_BACK_S if evicted else 0.0))
            return False
        return True

    async def _prepare(self) -> None:
        await self._library.check_key()
        await self._timing.set(self._library.simulator_clock)
        await self.almanac.open()

    async def _connection(self) -> None:
        """Hold one connection until it ends, which is always by an exception."""
        config = self._config
        async with open_stream(config.url, self._silence_s) as stream:
            self._connections += 1
            self._stream = stream
            line = Line(stream, self._decoder, self._sink)
            try:
                await line.authenticate(self._key)
                granted = await line.subscribe(config.channels, config.symbols, config.canary)
                await self._follow(stream, line, granted)
            except Unavailable as error:
                self._lose(line, error)  # at once: a close may take a second
                raise
            finally:
                self._backfill = self._stream = None
                self._expired += line.held_events

    def _lose(self, line: Line, error: Unavailable) -> None:
        """Say that the stream is lost; a hole begins with its last frame."""
        if self.live.is_set() and not self._hole_ns:
            self._hole_ns = line.last_ns
        self.say("gap" if self._hole_ns else "connecting", str(error))

    async def _follow(self, stream: Stream, line: Line, granted: Granted) -> None:
        """Read on while the snapshot is fetched; put it, then what was held; read on for good."""
        async with beside() as tasks:
            now_ns = self._sink.clock.now_ns()
            session = latest_session(self._calendar, now_ns)
            self._backfill = backfill = Backfill(self._library, self._sink, session)
            again_s = AGAIN_S
            picture: asyncio.Task[Picture | str] | None
            picture = tasks.create_task(self._picture(stream, line, 0.0), name="snapshot")
            while True:
                await line.read()
                if picture is None or not picture.done():
                    continue
                found, picture = picture.result(), None
                if isinstance(found, str):
                    self.filled.set()
                    again = self._picture(stream, line, again_s)
                    again_s = min(1.5 * again_s, AGAIN_MOST_S)
                    picture = tasks.create_task(again, name="snapshot again")
                    line.release()
                    self._say_live(granted, found)
                    continue
                heals = self._can_heal()
                if heals:
                    self.say("healing", "the missed trades are being fetched")
                snapshot = self._put_picture(found)
                tasks.create_task(self._fill(backfill, snapshot), name="backfill")
                line.release()
                if heals:
                    tasks.create_task(self._heal(granted, snapshot), name="healing")
                else:
                    self._say_live(granted, "")

    def _can_heal(self) -> bool:
        """Tell whether a hole is open whose trades may be fetched: not from before the first stream."""
        hole_ns = self._sink.clock.now_ns() - self._hole_ns if self._hole_ns else LONGEST_NS
        return self._config.heal > 0 and self.live.is_set() and hole_ns < LONGEST_NS

    async def _heal(self, granted: Granted, snapshot: Snapshot) -> None:
        """Bring the trades that the hole missed; a plan without them leaves the snapshot's day."""
        # The clock was set anew at this connection: it may stand a little before the hole's begin.
        until_ns = max(self._sink.clock.now_ns(), self._hole_ns + 1)
        missed = Missed(self._library, self._sink, self._hole_ns, until_ns)
        symbols = self._sink.universe.symbols
        wanted = [symbols[r] for r in traded_since(snapshot, self._hole_ns - BEFORE_NS)]
        most = self._config.heal
        await asyncio.sleep(SETTLE_S)
        healed = await missed.fetch(wanted[:most], wanted[most:])
        if not missed.refused:
            self._sink.put(healed)
        self._say_live(granted, "")

    async def _picture(self, stream: Stream, line: Line, after_s: float) -> Picture | str:
        """Return the day so far, or in words why there is none; the line holds meanwhile."""
        await asyncio.sleep(after_s)
        line.hold()
        try:
            async with asyncio.timeout(SNAPSHOT_S):
                await self._timing.set(self._library.simulator_clock)
                tickers = await self._library.snapshot(self._wanted)
                lines = await asyncio.to_thread(
                    lines_of,
                    tickers,
                    session_at(self._calendar, self._sink.clock.now_ns()),
                    self.almanac.rules,
                    self.almanac.adjusted,
                )
        except TimeoutError:
            return f"the snapshot took over {SNAPSHOT_S:g} s"
        except (Unavailable, Rejected) as error:
            return f"no snapshot: {error}"
        finally:
            stream.wake()
        return tickers, lines

    def _put_picture(self, picture: Picture) -> Snapshot:
        row = self._decoder.rows.__getitem__
        snapshot = snapshot_of(*picture, row, self._sink.clock.now_ns())
        self._decoder.rows.bad.clear()
        self._sink.put(snapshot)
        return snapshot

    def _say_live(self, granted: Granted, fault: str) -> None:
        """Say that the stream is live; without a snapshot the day's figures stay provisional."""
        now_ns = self._sink.clock.now_ns()
        if not fault:
            self._hole_ns = 0
        elif not self._hole_ns:
            self._hole_ns = min(now_ns, latest_session(self._calendar, now_ns).start_ns)
        missing = "; ".join(self._library.missing)
        self.say("live", "; ".join(words for words in (granted.detail, fault, missing) if words))
        self.live.set()

    async def _fill(self, backfill: Backfill, snapshot: Snapshot) -> None:
        """Bring the minute bars of the most active symbols, and tell what their pages say."""
        symbols = self._sink.universe.symbols
        active = [symbols[row] for row in most_active(snapshot, self._config.backfill)]
        await backfill.run(active, self.almanac.pages)
        await self.almanac.learn(backfill.details)
        self.filled.set()

    def _silence_s(self) -> float | None:
        """Return how long the stream may be mute: None while no session runs or time stands."""
        now_ns, rate = self._sink.clock.now_ns(), self._sink.clock.rate
        session = self._session
        if session is None or not session.start_ns <= now_ns < session.end_ns:
            session = self._session = session_at(self._calendar, now_ns)
        if session is None or rate <= 0 or self.watched:
            return None
        limit_s = self._config.silence_s
        if session.phase(now_ns) != REGULAR:
            limit_s = max(limit_s, self._config.quiet_silence_s)
        return limit_s / min(rate, 1.0)
