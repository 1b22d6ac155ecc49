"""Failover: a poller serves while a feed's stream is gone, and is silent otherwise.

A stream is gone when its feed says so, or when it is mute: nothing came for longer than usual, and
the poller knows of newer prints. Silence alone proves nothing, neither do pings; the other source
is asked before the stream is given up, so that a quiet morning switches nothing.
"""

import asyncio
import contextlib
import datetime as dt
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace

from tapelight.errors import ConfigError, Rejected, Unavailable
from tapelight.model.batch import Batch, Floats
from tapelight.model.clock import MarketClock
from tapelight.model.records import FeedState, Record, Snapshot
from tapelight.model.session import Session, calendar, iso, session_at
from tapelight.model.universe import Universe
from tapelight.ports import Cold, Feed, Keyed, OptionFeed, Poller, Reconnects, ReferenceFeed, Sink

NS = 1_000_000_000
LOOK_S = 0.1
POLL_S = 1.0
POLL_LIMIT_S = 5.0
"""A picture that takes longer is given up."""
ASK_LIMIT_S = 0.5
"""The same where it is asked whether a stream is mute, or half the silence that is unusual."""
UNDOUBTED = 1.5
"""Where nobody answers, so many times the unusual silence is proof enough."""
GRACE_S = 0.5
"""A stream that is back so soon is not replaced."""
START_S = 10.0
"""So long a feed may take to its first live stream before pictures serve."""
STABLE_S = 5.0
"""A stream that has held so long counts as back; one that breaks before is replaced at once."""
SHORTEST_S, LONGEST_S = 1.0, 15.0
"""Silence after which the poller is asked, at the least and at the most."""
USUAL = 3.0
"""So many times the longest silence of late is unusual."""
REMEMBERED_S = 300.0
NEWER_NS = NS // 4
"""A print so much newer than our last one proves that the stream is mute."""


class Pulse:
    """Know how long a stream is usually silent; times are seconds of the loop."""

    def __init__(self, now_s: float) -> None:
        self._last_s = now_s
        self._silences: deque[tuple[float, float]] = deque()
        """(when, how long), each longer than those after it."""
        self._asked_s = 0.0
        """The silence after which the poller was last asked in vain."""
        self._fresh = True
        """Whether the connection has brought nothing yet: what it waits for then is no silence."""
        self._wait_s = 0.0
        """Until when nobody is asked, after a question without an answer."""
        self.usual_s = 0.0
        """What the stream's own kind makes usual: minute bars come once a minute."""
        self._busy = False
        """Whether the market trades, though the stream has not brought a print since that was told."""

    def fed(self, now_s: float) -> None:
        """Note that data came."""
        silence = now_s - self._last_s
        self._last_s, self._asked_s, self._busy = now_s, 0.0, False
        if self._fresh:
            self._fresh = False
            return
        while self._silences and self._silences[-1][1] <= silence:
            self._silences.pop()
        self._silences.append((now_s, silence))
        while self._silences[0][0] < now_s - REMEMBERED_S:
            self._silences.popleft()

    def limit_s(self) -> float:
        """Return the silence that is unusual; after an answer that nothing trades, twice as much."""
        unknown_s = 0.0 if self._busy else LONGEST_S
        longest = self._silences[0][1] if self._silences else unknown_s
        usual = min(max(USUAL * longest, SHORTEST_S), LONGEST_S)
        return max(usual, self.usual_s, 2.0 * self._asked_s)

    def overdue(self, now_s: float, times: float = 1.0) -> bool:
        """Tell whether the silence is `times` an unusual one by now."""
        return now_s - self._last_s > times * self.limit_s()

    def due(self, now_s: float) -> bool:
        """Tell whether somebody is to be asked about the silence."""
        return now_s >= self._wait_s and self.overdue(now_s)

    def begin(self, now_s: float) -> None:
        """Begin to count anew: another connection stands; what is usual stays so."""
        self._last_s, self._asked_s, self._fresh = now_s, 0.0, True

    def quiet(self, now_s: float) -> None:
        """Note that the market itself is silent."""
        self._asked_s = now_s - self._last_s

    def unanswered(self, now_s: float) -> None:
        """Note that nobody answered: the next question waits, but not beyond what is proof enough."""
        self._wait_s = now_s + min(POLL_S, (UNDOUBTED - 1.0) * self.limit_s())

    def busy(self) -> None:
        """Note that the market trades: where nothing is known of the stream, it is asked soon."""
        self._busy = True


class Failover:
    """Be a feed whose stream is `primary`, and which `secondary` replaces while that is gone."""

    def __init__(self, primary: Feed, secondary: Poller) -> None:
        self.name = primary.name
        self.calendar = primary.calendar
        self._primary = primary
        self._secondary = secondary
        self._counts = {"switches": 0, "switches_back": 0, "polls": 0, "polls_failed": 0, "mute": 0}
        self._asked = False
        """Whether the poller was asked before: what its settings lack is told at the start."""
        self._fault = ""
        """What the poller's settings lack by now."""
        if isinstance(primary, Reconnects):
            primary.watched = True

    @property
    def coverage(self) -> str:
        """Return the stream's coverage: baselines are of it, whoever serves for a while."""
        return self._primary.coverage

    async def run(self, sink: Sink) -> None:
        """Run the stream's feed, and beside it what watches and replaces it."""
        watched = _Watched(sink, self.calendar)
        feed = asyncio.create_task(self._primary.run(watched), name=f"{self.name} stream")
        guard = asyncio.create_task(self._guard(watched), name=f"{self.name} failover")
        try:
            await asyncio.wait({feed, guard}, return_when=asyncio.FIRST_COMPLETED)
            for task in (feed, guard):
                if task.done():
                    task.result()
        finally:
            for task in (guard, feed):
                task.cancel()
            await asyncio.gather(guard, feed, return_exceptions=True)
            await self._secondary.close()

    async def history(self, symbol: str) -> None:
        """Fetch today's minute bars of `symbol` through the stream's feed."""
        await self._primary.history(symbol)

    async def chains(self, symbols: Sequence[str]) -> None:
        """Fetch option chains through the stream's feed, where it knows options."""
        if isinstance(self._primary, OptionFeed):
            await self._primary.chains(symbols)

    def owns(self) -> str:
        """Return what the stream's feed alone may use."""
        return self._primary.owns() if isinstance(self._primary, Keyed) else ""

    def keep_in(self, cold: Cold) -> None:
        """Let the stream's feed keep reference data, where it has any."""
        if isinstance(self._primary, ReferenceFeed):
            self._primary.keep_in(cold)

    async def pull(self, sessions: int, tell: Callable[[str, int, int], object]) -> Sequence[str]:
        """Bring reference data through the stream's feed; return what could not be had."""
        if isinstance(self._primary, ReferenceFeed):
            return await self._primary.pull(sessions, tell)
        return [f"{self.name} knows of no past days"]

    async def volumes(
        self, symbols: Sequence[str], sessions: Sequence[Session]
    ) -> AsyncIterator[tuple[str, Mapping[dt.date, Floats]]]:
        """Bring minute volumes through the stream's feed, where it has any."""
        if isinstance(self._primary, ReferenceFeed):
            async for found in self._primary.volumes(symbols, sessions):
                yield found

    def counts(self) -> Mapping[str, int]:
        """Return the totals of the stream's feed, and of switches, polls and mute streams found."""
        return {**self._primary.counts(), **self._counts}

    async def _guard(self, watched: "_Watched") -> None:
        """Look after the stream until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            if watched.lived and not self._asked:
                await self._poll(watched)
            if watched.is_gone():
                await self._serve(watched)
            elif watched.is_silent():
                await self._ask(watched)
            if isinstance(self._primary, Reconnects):
                watched.pulse.usual_s = self._primary.usual_s

    async def _ask(self, watched: "_Watched") -> None:
        """Ask the poller whether the market is silent too; give the stream up where it is not."""
        heard_ns, pulse = watched.data_ns, watched.pulse
        limit_s = min(max(ASK_LIMIT_S, pulse.limit_s() / 2), POLL_LIMIT_S)
        answered = await self._poll(watched, limit_s) is not None
        if watched.data_ns != heard_ns:
            return
        newest_ns = self._secondary.newest_ns
        due_ns = newest_ns + (
            self._primary.delay_ns if isinstance(self._primary, Reconnects) else 0
        )
        if due_ns > newest_ns and due_ns > watched.clock.now_ns():
            answered = False  # a poller without that delay knows what is not due here yet
        if answered and due_ns <= heard_ns + NEWER_NS:
            pulse.quiet(_now_s())
            return
        if not answered and not pulse.overdue(_now_s(), UNDOUBTED):
            pulse.unanswered(_now_s())
            return
        pulse.quiet(_now_s())  # what can't be helped is not asked about in a loop
        if not isinstance(self._primary, Reconnects):
            return
        self._counts["mute"] += 1
        watched.at_once = True
        why = "The stream brings nothing, and nobody answers whether the market is silent."
        if answered:
            pulse.busy()
            why = f"The stream brings nothing, though there are prints of {iso(newest_ns)}."
        self._primary.reconnect(why)

    async def _serve(self, watched: "_Watched") -> None:
        """Bring a picture a second until the stream is back."""
        self._counts["switches"] += 1
        watched.replaced = True
        while watched.is_gone():
            began_s = _now_s()
            picture = await self._poll(watched)
            if not watched.is_gone():
                break
            watched.tell_serving(self._secondary.name, picture, self._fault)
            watched.back.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(began_s + POLL_S - _now_s()):
                    await watched.back.wait()
        watched.replaced = False
        self._counts["switches_back"] += 1

    async def _poll(self, watched: "_Watched", limit_s: float = POLL_LIMIT_S) -> Snapshot | None:
        """Return a picture, None where none is to be had; raises ConfigError at the first time."""
        first, self._asked, self._fault = not self._asked, True, ""
        self._counts["polls"] += 1
        try:
            async with asyncio.timeout(limit_s):
                return await self._secondary.poll(watched)
        except ConfigError as error:
            if first:
                raise
            self._fault = str(error)
        except (Unavailable, Rejected, TimeoutError):
            pass
        self._counts["polls_failed"] += 1
        return None


class _Watched:
    """Stand between the stream's feed and the sink: note what comes, and when nothing does."""

    def __init__(self, sink: Sink, calendar_name: str) -> None:
        self._sink = sink
        self._calendar = calendar(calendar_name)
        self.universe: Universe = sink.universe
        self.clock: MarketClock = sink.clock
        self.pulse = Pulse(_now_s())
        self.data_ns = 0
        """Market time of the last prints, or since when the stream stands."""
        self.at_once = False
        """Whether the next break is replaced without waiting."""
        self.replaced = False
        """Whether pictures serve."""
        self._state: FeedState | None = None
        self._since_s = _now_s()
        """When the state began."""
        self.lived = False
        """Whether the stream has been there."""
        self._said = ""
        self.back = asyncio.Event()
        """Set when the stream delivers again."""

    def put(self, record: Record) -> None:
        """Pass a record on; while pictures serve, tries to connect again are not told."""
        if isinstance(record, Batch):
            self.heard(record)
        elif isinstance(record, FeedState) and self._note(record):
            return
        self._sink.put(record)

    def heard(self, batch: Batch) -> None:
        """Note that prints came: quotes alone do not prove that trades still do."""
        if batch.trades is not None or batch.bars is not None:
            self.data_ns = self.clock.now_ns()
            self.pulse.fed(_now_s())

    def alive(self, complete_ns: int) -> None:
        """Pass on up to when the stream is complete."""
        self._sink.alive(complete_ns)

    def reject(self, kind: str, sample: bytes | str) -> None:
        """Pass on a malformed message."""
        self._sink.reject(kind, sample)

    def raw(self, frames: Sequence[bytes]) -> None:
        """Pass on raw frames."""
        self._sink.raw(frames)

    def _note(self, state: FeedState) -> bool:
        """Note the stream's state; tell whether it is to be kept from the sink."""
        was, self._state = self._state, state
        if _delivers(state) != (was is not None and _delivers(was)):
            self._since_s = _now_s()
            if _delivers(state):
                self._begin()
        return self.replaced and not _delivers(state) and state.state != "closed"

    def _begin(self) -> None:
        """Note that another stream stands: what it has to bring is newer than now."""
        self.lived = True
        self._said = ""
        self.back.set()
        self.data_ns = self.clock.now_ns()
        self.pulse.begin(_now_s())

    def is_gone(self) -> bool:
        """Tell whether the stream, once there, is to be replaced."""
        if self._state is None or self._state.state == "closed":
            return False
        held_s = _now_s() - self._since_s
        if not self.lived:
            return held_s > START_S
        if _delivers(self._state):
            if held_s > STABLE_S:
                self.at_once = False
            return False
        return self.at_once or self.replaced or held_s > GRACE_S

    def is_silent(self) -> bool:
        """Tell whether a stream that should bring data has been mute for unusually long."""
        if self._state is None or not _delivers(self._state):
            return False
        if self.clock.rate <= 0 or self._closed():
            self.pulse.begin(_now_s())
            return False
        return self.pulse.due(_now_s())

    def _closed(self) -> bool:
        return session_at(self._calendar, self.clock.now_ns()) is None

    def tell_serving(self, name: str, picture: Snapshot | None, fault: str) -> None:
        """Put a picture, after saying that pictures serve; without one say that nothing does."""
        state = self._state
        assert state is not None
        since = f" since {iso(state.since_ns)[11:19]}" if state.since_ns else ""
        words = f"the stream is gone{since}: a picture a second by {name}"
        if picture is None:
            words = f"the stream is gone{since}, and {name} does not answer"
            words = f"{words}: {fault}" if fault else words
        if words != self._said:
            self._said, self.at_once = words, True
            now_ns = self.clock.now_ns()
            kind = "gap" if picture is None else "polling"
            self._sink.put(
                FeedState(
                    now_ns, name if picture else state.feed, kind, words, state.provisional,
                    state.since_ns, state.heals,
                )
            )  # fmt: skip
        if picture is not None:
            self._sink.put(replace(picture, whole=False))
            if not state.heals:
                self._sink.alive(picture.ts_recv_ns)


def _delivers(state: FeedState) -> bool:
    return state.state in ("live", "healing")


def _now_s() -> float:
    return asyncio.get_running_loop().time()
