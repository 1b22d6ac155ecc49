"""The label says in words what the figures are."""

import numpy as np
import pytest

from replay.tape import Tape
from tapelight.app.figures import Lateness
from tapelight.app.label import Label
from tapelight.engine import Engine
from tapelight.model.records import FeedState, Mark, Reference, References

NS = 1_000_000_000
LIVE = FeedState(0, "massive", "live")


@pytest.fixture
def engine() -> Engine:
    done = Engine()
    for record in Tape(seconds=2).records():
        done.apply(record)
    return done


def test_a_sound_stream(engine: Engine) -> None:
    found = Label().read(engine, LIVE, "SIP", "massive-sip")
    assert (found["serves"], found["live"], found["stale"], found["provisional"]) == (
        "stream", 40, 0, 0,
    )  # fmt: skip
    assert found["text"] == (
        "massive: SIP, real time; 40 live, 0 stale, 0 provisional; no hole; float by unknown"
        if "unknown" in found["float"]["sources"]
        else "massive: SIP, real time; 40 live, 0 stale, 0 provisional; no hole; no float"
    )
    assert found["baseline"] == {"origin": "massive-sip", "rows": 0}


def test_a_part_of_the_market_and_a_delay_are_said(engine: Engine) -> None:
    iex = Label().read(engine, LIVE, "IEX", "alpaca-iex")
    assert iex["share"] == "IEX alone: about 2.5 % of the market's volume"
    late = Label().read(engine, LIVE, "SIP, 15 min delayed", "massive-sip")
    assert late["delay_min"] == 15
    assert "15 min delayed" in late["text"]


def test_a_feed_that_is_late_is_not_called_real_time(engine: Engine) -> None:
    found = Label().read(engine, LIVE, "SIP", "massive-sip", late_s=150)
    assert found["late_s"] == 150
    assert found["text"].startswith("massive: SIP, its prints come 150 s late; ")
    delayed = Label().read(engine, LIVE, "SIP, 15 min delayed", "massive-sip", late_s=903)
    assert (delayed["late_s"], "15 min delayed" in delayed["text"]) == (0, True)


def test_how_late_prints_come_is_told_of_the_last_seconds_by_enough_of_them() -> None:
    lateness = Lateness()
    lateness.add(np.full(49, 150 * NS))
    lateness.step()
    assert lateness.seconds() == 0
    lateness.add(np.full(51, 150 * NS))
    lateness.step()
    assert lateness.seconds() == 150
    for _ in range(10):
        lateness.add(np.full(100, 40_000_000))
        lateness.step()
    assert lateness.seconds() == 0


def test_a_hole_that_pictures_serve(engine: Engine) -> None:
    now = engine.last_mark_ns
    state = FeedState(now, "massive snapshot", "polling", "", True, now, True)
    engine.apply(state)
    engine.apply(Mark(now + 9 * NS, now + 9 * NS))
    found = Label().read(engine, state, "SIP", "massive-sip")
    assert (found["serves"], found["live"], found["stale"], found["provisional"]) == (
        "pictures", 0, 40, 40,
    )  # fmt: skip
    assert "a hole since 09:29:57; pictures stand in for the stream" in found["text"]


def test_where_the_float_is_from(engine: Engine) -> None:
    label = Label()
    references = [
        Reference(symbol=f"S00{i}", float_shares=1e6, float_src=src, float_asof=asof)
        for i, (src, asof) in enumerate([("massive", "2026-10-31"), ("own", "2026-09-30")])
    ]
    engine.apply(References("2026-11-20", references))
    engine.apply(Mark(engine.last_mark_ns + NS, engine.last_mark_ns + NS))
    found = label.read(engine, LIVE, "SIP", "massive-sip")["float"]
    assert found["sources"] == {"massive": 1, "own": 1}
    assert found["oldest"] == "2026-09-30"
