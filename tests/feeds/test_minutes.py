"""What a snapshot tells of its own minute, beside the minute bars fetched after it."""

import pytest

from tapelight.feeds._minutes import Cut, Minute, minute_columns
from tapelight.feeds.massive.payloads import LastTrade, MinutePart, TickerSnapshot
from tapelight.feeds.massive.snapshot import cuts_of
from tapelight.model.session import MINUTE_NS, NS

START = 1_700_000_040 * NS // MINUTE_NS * MINUTE_NS
"""The begin of the snapshot's minute."""
MS = 1_000_000
NAN = float("nan")


def bar(start_ns: int, volume: float = 100.0) -> Minute:
    return (start_ns, 10.0, 10.2, 9.9, 10.1, volume, 10.05, 3.0)


def spans(cut: Cut, *known: Minute, from_ns: int = 0) -> list[int] | None:
    """Return the lengths of the bars that come of a cut and known bars."""
    columns = minute_columns(known, 0, from_ns, START + 30 * NS, cut)
    return None if columns is None else columns.span_s.tolist()


def test_a_cut_follows_where_the_minute_before_is_known_or_has_been_published() -> None:
    before, older = bar(START - MINUTE_NS), bar(START - 2 * MINUTE_NS)
    early, later = Cut(bar(START), START + 2 * NS), Cut(bar(START), START + 20 * NS)
    assert spans(early, older, before) == [60, 60, 2]
    assert spans(early, older) == [60], "the minute before may come yet"
    assert spans(later, older) == [60, 20]
    assert spans(early, from_ns=START) == [2], "nothing can lie before it"


def test_a_cut_of_no_trade_alone_tells_nothing() -> None:
    nothing = Cut((START, NAN, NAN, NAN, NAN, 0.0, NAN, 0.0), START + 20 * NS)
    assert spans(nothing) is None
    assert spans(nothing, bar(START - MINUTE_NS)) == [60, 20]


@pytest.mark.parametrize(
    ("minute_ns", "high", "trade_ns", "volume"),
    [
        (START, 10.2, START + NS, 700.0),
        (START - MINUTE_NS, 10.2, START - NS, 0.0),
        (START - MINUTE_NS, 10.2, START + NS, None),
        (START - MINUTE_NS, 10.2, 0, None),
        (START, 0.0, START + NS, None),
    ],
    ids=["its own", "nothing traded", "a lagging bar", "no last trade told", "no prices"],
)
def test_what_a_snapshot_tells_of_its_minute(
    minute_ns: int, high: float, trade_ns: int, volume: float | None
) -> None:
    minute = MinutePart(t=minute_ns // MS, o=10.0, h=high, l=min(high, 9.9), c=10.1, v=700.0, n=5)
    trade = LastTrade(t=trade_ns, p=10.1)
    ticker = TickerSnapshot(ticker="A", updated=START + 5 * NS, min=minute, last_trade=trade)
    found = cuts_of([ticker], {"A"})
    assert [c.minute[5] for c in found.values()] == ([] if volume is None else [volume])
