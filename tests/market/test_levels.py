"""Highs and lows of the last closed minutes, against bars made by hand."""

import numpy as np
import pytest

from market.tape import DAY
from tapelight.engine import Engine
from tapelight.market.view import Moment, View
from tapelight.model.batch import Batch, trades_of
from tapelight.model.records import Mark, Pin, Reference, References, Symbols
from tapelight.model.session import MINUTE_NS, NS, calendar

pytestmark = pytest.mark.slow

OPEN_NS = 1_795_185_000 * NS
"""2026-11-20 09:30 New York."""


def market(prices: dict[str, list[float]]) -> Engine:
    """Return an engine that saw one print a minute of each symbol, pinned, from the open on."""
    engine = Engine()
    engine.apply(Symbols(0, list(prices)))
    engine.apply(References("2026-11-20", [Reference(symbol=s, type="CS") for s in prices]))
    for symbol in prices:
        engine.apply(Pin(symbol))
    number = 0
    minutes = max(map(len, prices.values()))
    for minute in range(minutes):
        at = OPEN_NS + minute * 60 * NS + 10 * NS
        for row, own in enumerate(prices.values()):
            if minute < len(own) and not np.isnan(own[minute]):
                number += 1
                trades = trades_of([row], [at], [own[minute]], [100], [0], [4], [number])
                engine.apply(Batch(at, trades=trades))
        for second in range(11, 61):
            mark = OPEN_NS + (minute * 60 + second) * NS
            engine.apply(Mark(mark, mark))
    end = OPEN_NS + minutes * 60 * NS + NS
    engine.apply(Mark(end, end))
    return engine


def test_levels_are_those_of_the_last_closed_minutes() -> None:
    path = [10.0, 10.3, 10.2, 9.9, 10.05, 10.02, 10.01]
    gaps = [20.0, np.nan, np.nan, np.nan, np.nan, np.nan, 21.0]
    engine = market({"AA": path, "BB": gaps, "CC": [5.0]})
    view = View(engine.table)
    # Seven minutes are over, the last five are 09:32 to 09:36.
    assert view["high_5m"].tolist()[:2] == [10.2, 21.0]
    assert view["low_5m"].tolist()[:2] == [9.9, 21.0]
    assert np.isnan(view["high_5m"][2])
    assert view["high_15m"].tolist() == [10.3, 21.0, 5.0]
    assert view["low_60m"].tolist() == [9.9, 20.0, 5.0]
    part = View(engine.table, np.array([1]))
    assert part["high_5m"].tolist() == [21.0]


def test_the_forming_minute_is_no_level_yet() -> None:
    engine = market({"AA": [10.0, 10.5]})
    at = OPEN_NS + 130 * NS
    engine.apply(Batch(at, trades=trades_of([0], [at], [10.7], [100], [0], [4], [99])))
    engine.apply(Mark(at + NS, at + NS))
    assert View(engine.table)["high_5m"].tolist() == [10.5]
    assert View(engine.table)["last"].tolist() == [10.7]


def test_rows_outside_tier_2_have_none() -> None:
    engine = market({"AA": [10.0, 11.0]})
    engine.apply(Pin("AA", pinned=False))
    for second in range(122, 1400):
        mark = OPEN_NS + second * NS
        engine.apply(Mark(mark, mark))
    assert np.isnan(View(engine.table)["high_60m"]).all()


def test_each_minute_is_seen_at_its_first_second_and_no_sooner() -> None:
    session = calendar("XNYS").session_on(DAY)
    assert session is not None
    for minute in range(960):
        seen_ns = session.start_ns + minute * MINUTE_NS + NS
        at = [Moment(seen_ns - early, session, 0, 0, 0, 0, "") for early in (1, 0)]
        assert [m.seen_minute() for m in at] == [minute - 1, minute]
