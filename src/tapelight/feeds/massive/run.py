"""One run of the Massive feed: the clock, one connection after another, their holes."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict

from tapelight.errors import Unavailable
from tapelight.feeds._following import follow
from tapelight.feeds._minutes import most_active
from tapelight.feeds._standing import BEFORE_NS, DELAY_NS, Standing, traded_since
from tapelight.feeds._timing import Timing
from tapelight.feeds._websocket import Backoff, Silent, Stream, open_stream
from tapelight.feeds.massive.almanac import Almanac
from tapelight.feeds.massive.backfill import Backfill
from tapelight.feeds.massive.chains import Chains
from tapelight.feeds.massive.config import MassiveConfig, Secret
from tapelight.feeds.massive.decode import Decoder
from tapelight.feeds.massive.library import Library
from tapelight.feeds.massive.line import Granted, Line
from tapelight.feeds.massive.missed import Missed
from tapelight.feeds.massive.newsroom import Newsroom
from tapelight.feeds.massive.payloads import TickerSnapshot
from tapelight.feeds.massive.rest import Rest
from tapelight.feeds.massive.snapshot import Lines, cuts_of, lines_of, snapshot_of
from tapelight.model.records import Snapshot
from tapelight.model.session import REGULAR, Session, calendar, latest_session, session_at
from tapelight.ports import Cold, Sink

SNAPSHOT_S = 20.0
AGAIN_S = 2.0
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
        self.filled = asyncio.Event()
        """Set once the active symbols have their minute bars: the deep pass may begin."""
        self.watched = False
        self._config = config
        self._sink = sink
        self._rest = rest
        self._key = Secret(config.api_key)
        self._calendar = calendar("XNYS")
        self._standing = Standing("massive", sink, self._calendar, backoff, config.heal > 0)
        rest.trying = self._standing.trying
        self.live = self._standing.lived
        """Set once the first connection is live."""
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
        self._tickers: list[TickerSnapshot] = []
        """Of the newest snapshot, until what they tell of its minute has been read."""
        self._stream: Stream | None = None
        self._line: Line | None = None
        self._connections = 0
        self._expired = 0
        """Events that waited for a snapshot when their connection broke."""
        self._granted = Granted(frozenset(), ())
        self._timing = Timing(sink.clock)

    @property
    def coverage(self) -> str:
        """Return what share of the market the data are: SIP, delayed, synthetic."""
        if self._timing.synthetic:
            return "synthetic"
        return "SIP, 15 min delayed" if self.delay_ns else "SIP"

    @property
    def delay_ns(self) -> int:
        """Return how much older than its arrival an event is."""
        return DELAY_NS if "delayed" in self._config.url else 0

    @property
    def usual_s(self) -> float:
        """Return what silence is nothing unusual: of prices, whatever quotes do."""
        return self._config.bar_silence_s if self._granted.by_the_minute else 0.0

    def counts(self) -> Mapping[str, int]:
        """Return the running totals."""
        totals = {
            "connections": self._connections, "requests": self._rest.calls,
            "expired": self._expired, "waiting": self._line.held.events if self._line else 0,
        }  # fmt: skip
        return asdict(self._decoder.counts) | totals

    def closed(self) -> None:
        """Say that the feed has ended."""
        self._standing.say("closed", "")

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
        standing = self._standing
        standing.say("connecting", "")
        while not await standing.survived(self._prepare):
            pass
        while True:
            await standing.survived(self._connection)

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
            self._line = line = Line(stream, self._decoder, self._sink)
            try:
                await line.authenticate(self._key)
                self._granted = await line.subscribe(config.channels, config.symbols, config.canary)
                self._open_backfill()
                await follow(self, self._standing, stream, line, SNAPSHOT_S, AGAIN_S)
            except Unavailable as error:
                self._standing.lose(line.last_ns, error)  # at once: a close may take a second
                raise
            finally:
                self._backfill = self._stream = self._line = None
                self._expired += line.held.events

    def _open_backfill(self) -> None:
        session = latest_session(self._calendar, self._sink.clock.now_ns())
        self._backfill = Backfill(self._library, self._sink, session)

    async def picture(self) -> Picture:
        """Set the clock and return the day so far."""
        await self._timing.set(self._library.simulator_clock)
        tickers = await self._library.snapshot(self._wanted)
        session = session_at(self._calendar, self._sink.clock.now_ns())
        rules, adjusted = self.almanac.rules, self.almanac.adjusted
        return tickers, await asyncio.to_thread(lines_of, tickers, session, rules, adjusted)

    def put_picture(self, picture: Picture) -> Snapshot:
        """Put the day so far."""
        row = self._decoder.rows.of
        self._tickers = picture[0]
        snapshot = snapshot_of(*picture, row, self._sink.clock.now_ns())
        self._sink.put(snapshot)
        return snapshot

    def say_live(self, fault: str) -> None:
        """Say that the stream is live; without a snapshot the day's figures stay provisional."""
        if fault:
            self.filled.set()
        self._standing.live((self._granted.detail, *self._library.missing), fault)

    async def heal(self, snapshot: Snapshot) -> None:
        """Bring the trades that the hole missed; a plan without them leaves the snapshot's day."""
        since_ns, until_ns = self._standing.hole()
        missed = Missed(self._library, self._sink, since_ns, until_ns, self.delay_ns)
        symbols, from_ns = self._sink.universe.symbols, since_ns - BEFORE_NS - self.delay_ns
        wanted = [symbols[r] for r in traded_since(snapshot, from_ns)]
        most = self._config.heal
        await asyncio.sleep(SETTLE_S)
        healed = await missed.fetch(wanted[:most], wanted[most:])
        if not missed.refused:
            self._sink.put(healed)
        self.say_live("")

    async def fill(self, snapshot: Snapshot) -> None:
        """Bring the minute bars of the most active symbols, and tell what their pages say."""
        assert self._backfill is not None
        backfill, symbols = self._backfill, self._sink.universe.symbols
        active = [symbols[row] for row in most_active(snapshot, self._config.backfill)]
        cuts, self._tickers = cuts_of(self._tickers, frozenset(active)), []
        await backfill.run(active, self.almanac.pages, cuts)
        await self.almanac.learn(backfill.details)
        self.filled.set()
        newest_ns = int(snapshot.updated_ns.max(initial=0))
        await backfill.complete(newest_ns, self.delay_ns)

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
        if "Q" not in self._granted.channels:
            limit_s = max(limit_s, self.usual_s)
        return limit_s / min(rate, 1.0)
