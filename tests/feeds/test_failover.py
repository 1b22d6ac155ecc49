"""Failover: what is usual silence, who is asked, who serves."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from faults.virtual import VirtualLoop
from tapelight.app.feeds import open_feed
from tapelight.config import Config
from tapelight.errors import ConfigError, Unavailable
from tapelight.feeds.failover import Failover, Pulse
from tapelight.model.clock import MarketClock
from tapelight.model.records import FeedState, Record, Snapshot
from tapelight.model.universe import Universe
from tapelight.ports import Sink

NOON_NS = 1_795_194_000_000_000_000
MASSIVE = {"massive": {"api_key": "key"}}


def fed(pulse: Pulse, every_s: float, begin_s: float, count: int) -> float:
    """Let data come; return when the last did."""
    for i in range(count):
        pulse.fed(begin_s + i * every_s)
    return begin_s + (count - 1) * every_s


def test_a_busy_stream_is_silent_for_a_second_at_most() -> None:
    pulse = Pulse(100.0)
    last = fed(pulse, 0.01, 100.0, 500)
    assert pulse.limit_s() == 1.0
    assert not pulse.overdue(last + 0.9)
    assert pulse.overdue(last + 1.1)
    assert not pulse.overdue(last + 1.1, 1.5)
    assert pulse.overdue(last + 1.6, 1.5)


def test_a_thin_stream_may_be_silent_three_times_its_longest_silence() -> None:
    pulse = Pulse(0.0)
    fed(pulse, 0.5, 0.0, 10)
    pulse.fed(7.5)
    assert pulse.limit_s() == pytest.approx(9.0)
    fed(pulse, 0.5, 8.0, 700)
    assert pulse.limit_s() == pytest.approx(1.5), "after five minutes a silence is forgotten"
    pulse.fed(5000.0)
    assert pulse.limit_s() == 15.0


def test_after_an_answer_that_nothing_trades_twice_the_silence_passes() -> None:
    pulse = Pulse(0.0)
    last = fed(pulse, 0.1, 0.0, 50)
    pulse.quiet(last + 4.0)
    assert pulse.limit_s() == pytest.approx(8.0)
    pulse.fed(last + 5.0)
    assert pulse.limit_s() == 15.0
    pulse.begin(last + 20.0)
    assert not pulse.overdue(last + 34.0)


def test_what_a_new_connection_waits_for_is_no_usual_silence() -> None:
    pulse = Pulse(0.0)
    fed(pulse, 0.1, 4.0, 50)
    assert pulse.limit_s() == 1.0
    pulse.begin(20.0)
    fed(pulse, 0.1, 26.0, 2)
    assert pulse.limit_s() == 1.0


def test_before_any_data_nothing_is_usual() -> None:
    assert Pulse(0.0).limit_s() == 15.0


def test_a_stream_of_which_nothing_is_known_is_asked_about_soon_once_prints_are_proven() -> None:
    pulse = Pulse(0.0)
    pulse.busy()
    pulse.begin(20.0)
    assert pulse.limit_s() == 1.0
    pulse.quiet(23.0)
    assert pulse.limit_s() == 6.0
    pulse.fed(24.0)
    assert pulse.limit_s() == 15.0


def test_the_configuration_names_who_serves() -> None:
    feed = open_feed(Config(feed=MASSIVE, fallback="massive"))
    assert isinstance(feed, Failover)
    assert (feed.name, feed.calendar) == ("massive", "XNYS")
    assert feed.counts()["switches"] == 0
    assert not isinstance(open_feed(Config(feed=MASSIVE)), Failover)


def test_a_feed_that_cannot_poll_is_refused() -> None:
    coinbase = {"symbols": ["BTC-USD"]}
    with pytest.raises(ConfigError, match="that feed can't poll; massive, alpaca and kite can"):
        open_feed(Config(feed={**MASSIVE, "coinbase": coinbase}, fallback="coinbase"))


class Notes:
    """A sink that keeps what the feed says."""

    def __init__(self, monotonic_ns: Callable[[], int]) -> None:
        self.universe = Universe()
        self.clock = MarketClock(NOON_NS, 1.0, monotonic_ns)
        self.states: list[FeedState] = []

    def put(self, record: Record) -> None:
        if isinstance(record, FeedState):
            self.states.append(record)

    def alive(self, complete_ns: int) -> None: ...

    def reject(self, kind: str, sample: bytes | str) -> None: ...

    def raw(self, frames: Sequence[bytes]) -> None: ...


class Still:
    """A feed that is live and brings nothing; it knows no other connection."""

    name, calendar, coverage = "still", "24x7", "all"

    def __init__(self, breaks_s: float = 1e9) -> None:
        self.breaks_s = breaks_s

    async def run(self, sink: Sink) -> None:
        sink.put(FeedState(NOON_NS, self.name, "live", ""))
        await asyncio.sleep(self.breaks_s)
        sink.put(FeedState(NOON_NS, self.name, "gap", "broken", True, NOON_NS))
        await asyncio.sleep(1e9)

    async def history(self, symbol: str) -> None: ...

    def counts(self) -> Mapping[str, int]:
        return {}


class Renewed(Still):
    """The same, which can connect anew."""

    watched, usual_s, delay_ns = False, 0.0, 0

    def __init__(self) -> None:
        super().__init__()
        self.whys: list[str] = []

    def reconnect(self, why: str) -> None:
        self.whys.append(why)


class Pictures:
    """A poller whose answers are given; prints are always newer than the stream's."""

    name = "pictures"

    def __init__(self, *answers: Exception | None) -> None:
        self.newest_ns = NOON_NS + 1_000_000_000_000_000
        self.answers = answers
        self.polls = 0

    async def poll(self, sink: Sink) -> Snapshot:
        answer = self.answers[min(self.polls, len(self.answers) - 1)]
        self.polls += 1
        if answer is not None:
            raise answer
        none = np.zeros(0)
        return Snapshot(NOON_NS, none.astype(np.int32), none.astype(np.int64), *[none] * 11)

    async def close(self) -> None: ...


def virtual(feed: Failover, seconds: float) -> Notes:
    """Run a feed for a while, in virtual time."""
    loop = VirtualLoop()
    notes = Notes(loop.monotonic_ns)

    async def run() -> None:
        try:
            async with asyncio.timeout(seconds):
                await feed.run(notes)
        except TimeoutError:
            pass

    work: Coroutine[Any, Any, None] = run()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()
    return notes


def test_a_feed_that_cannot_connect_anew_is_not_asked_about_in_a_loop() -> None:
    pictures = Pictures(None)
    feed = Failover(Still(), pictures)
    virtual(feed, 100.0)
    assert pictures.polls == 4, "at the start, after 15, 30 and 60 s"
    assert feed.counts()["mute"] == 0


def test_a_poller_that_does_not_answer_is_asked_once_a_second() -> None:
    stream, pictures = Renewed(), Pictures(Unavailable("429"))
    virtual(Failover(stream, pictures), 40.0)
    assert pictures.polls <= 12
    assert stream.whys == [
        "The stream brings nothing, and nobody answers whether the market is silent."
    ]


def test_what_a_poller_lacks_is_told_at_the_start() -> None:
    with pytest.raises(ConfigError, match="refuses the key"):
        virtual(Failover(Still(), Pictures(ConfigError("It refuses the key: get another."))), 5.0)


def test_a_poller_that_is_refused_later_ends_nothing() -> None:
    refused = ConfigError("It refuses the key: get another.")
    feed = Failover(Still(breaks_s=5.0), Pictures(None, refused))
    notes = virtual(feed, 20.0)
    assert [s.state for s in notes.states] == ["live", "gap", "gap"]
    assert notes.states[-1].detail.endswith(
        "pictures does not answer: It refuses the key: get another."
    )
    assert feed.counts()["polls_failed"] >= 10
