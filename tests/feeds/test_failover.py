"""Failover: what is usual silence, who is asked, who serves."""

import pytest

from tapelight.app.feeds import open_feed
from tapelight.config import Config
from tapelight.errors import ConfigError
from tapelight.feeds.failover import Failover, Pulse

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
