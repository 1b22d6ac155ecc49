"""Outcomes to the cent, on tapes made by hand."""

from collections.abc import Iterable

import pytest

from backtest.made import SCAN, at, engine_with, tape
from tapelight.app.backtest.follow import Costs, Follower, outcomes
from tapelight.model.batch import Batch, bars_of
from tapelight.model.outcomes import HORIZONS, Outcome
from tapelight.model.records import FeedState, Mark, Record

pytestmark = pytest.mark.integration

NAN = float("nan")
PRINTS = [
    ("10:00:01", "AAA", 10.00),
    ("10:00:09.500", "AAA", 10.50),  # true at the mark of 10:00:10
    ("10:00:12.300", "AAA", 10.52),  # the first price that could be had
    ("10:00:40", "AAA", 10.31),
    ("10:01:05", "AAA", 10.60),
    ("10:01:11", "AAA", 99.00),  # after the first minute, and too far off to be believed
    ("10:04:00", "AAA", 10.94),
    ("10:20:00", "AAA", 10.20),
    ("10:29:59", "AAA", 10.73),
    ("10:31:00", "AAA", 11.30),
    ("15:59:30", "AAA", 10.00),
]
QUOTES = [("10:00:11", "AAA", 10.51, 10.53), ("10:01:04", "AAA", 10.58, 10.62)]


def follow(records: Iterable[Record], side: int = 1) -> list[Outcome]:
    engine, follower = engine_with({"above": SCAN}), Follower(side)
    for record in records:
        cycle = engine.apply(record)
        if cycle is not None:
            follower.on_mark(cycle.mark.ts_ns, cycle.signals, engine.table)
    follower.end()
    signals, done = follower.take()
    return outcomes(signals, done, ["2026-11-20"] * len(signals), Costs())


@pytest.fixture(scope="module")
def told() -> Outcome:
    found = follow(tape(PRINTS, QUOTES, begin="10:00:00", end="10:40:00"))
    assert [o.ts_ns for o in found][:1] == [at("10:00:10")]
    return found[0]


def test_the_entry_is_the_first_price_after_the_mark(told: Outcome) -> None:
    assert (told.entry, told.entry_ns, told.quoted) == (10.52, at("10:00:12.300"), True)


def test_the_price_at_a_horizon_is_the_last_one_by_then(told: Outcome) -> None:
    expected = [10.60, 10.94, 10.94, 10.73]
    assert told.gross[:4] == pytest.approx([100 * (p / 10.52 - 1) for p in expected])
    assert told.gross[4] is None, "the tape ends before the close"


def test_half_a_spread_is_paid_at_both_ends(told: Outcome) -> None:
    # Bought at 10.52 + 0.01, sold at 10.60 - 0.02: the quotes of those moments.
    assert told.net[0] == pytest.approx(100 * (10.58 / 10.53 - 1))


def test_the_extremes_are_those_of_thirty_minutes(told: Outcome) -> None:
    assert told.mfe_30m == pytest.approx(100 * (10.94 / 10.52 - 1))
    assert told.mae_30m == pytest.approx(100 * (10.20 / 10.52 - 1))
    assert (told.mae, told.mfe) == (None, None)


def test_a_short_gains_what_a_long_loses(told: Outcome) -> None:
    short = follow(tape(PRINTS, QUOTES, begin="10:00:00", end="10:31:00"), side=-1)[0]
    assert short.gross[0] == pytest.approx(-told.gross[0])  # type: ignore[operator]
    assert short.net[0] == pytest.approx(-100 * ((10.60 + 0.02) / (10.52 - 0.01) - 1))
    assert short.mae_30m == pytest.approx(-told.mfe_30m)  # type: ignore[operator]


def test_the_close_is_the_last_price_at_the_close() -> None:
    prints = [("15:44:09", "AAA", 10.50), ("15:44:20", "AAA", 10.60), ("15:58:00", "AAA", 10.80),
              ("16:00:30", "AAA", 12.00)]  # fmt: skip
    one = follow(tape(prints, begin="15:44:00", end="16:02:00"))[0]
    gains = dict(zip(HORIZONS, one.gross, strict=True))
    assert gains["close"] == pytest.approx(100 * (10.80 / 10.60 - 1))
    assert gains["15m"] == pytest.approx(100 * (10.80 / 10.60 - 1))
    assert gains["30m"] is None
    assert one.mfe == pytest.approx(100 * (10.80 / 10.60 - 1))
    assert one.mfe_30m is None


def test_without_quotes_the_assumption_is_paid() -> None:
    prints = [("10:00:09", "AAA", 10.50), ("10:00:20", "AAA", 10.60), ("10:00:30", "AAA", 10.60)]
    one = follow(tape(prints, begin="10:00:00", end="10:02:00"))[0]
    assert one.quoted is False
    assert one.net[0] == pytest.approx(100 * (10.5947 / 10.6053 - 1)), "5 basis points a side"


def test_nothing_printed_after_the_mark_is_nothing_known() -> None:
    one = follow(tape([("10:00:09", "AAA", 10.50)], begin="10:00:00", end="10:40:00"))[0]
    assert one.entry is None
    assert one.gross == (None,) * 5


def test_a_price_that_comes_after_a_horizon_is_not_its_price() -> None:
    prints = [("10:00:09", "AAA", 10.50), ("10:02:00", "AAA", 10.60), ("10:03:00", "AAA", 10.70)]
    one = follow(tape(prints, begin="10:00:00", end="10:06:00"))[0]
    assert one.gross[0] is None
    assert one.gross[1] == pytest.approx(100 * (10.70 / 10.60 - 1))


def test_a_hole_leaves_its_horizons_and_extremes_unknown() -> None:
    prints = [("10:00:09", "AAA", 10.50), ("10:00:20", "AAA", 10.60), ("10:04:00", "AAA", 10.70)]
    records = []
    for record in tape(prints, begin="10:00:00", end="10:31:00"):
        records.append(record)
        if isinstance(record, Mark) and record.ts_ns == at("10:00:30"):
            records.append(FeedState(record.ts_ns, "tape", "gap", "", True, record.ts_ns))
        if isinstance(record, Mark) and record.ts_ns == at("10:02:00"):
            records.append(FeedState(record.ts_ns, "tape", "live"))
    one = follow(records)[0]
    assert one.gross[0] is None, "open at the first minute"
    assert one.gross[1] == pytest.approx(100 * (10.70 / 10.60 - 1))
    assert one.mfe_30m is None


def test_minute_bars_enter_at_the_next_open_and_their_extremes_count() -> None:
    def bar(minute: str, o: float, h: float, low: float, c: float) -> list[Record]:
        start = at(f"10:{minute}:00")
        columns = [[0], [start], [60], [o], [h], [low], [c], [100.0], *[[NAN]] * 4]
        end = start + 60_000_000_000
        return [Batch(end, bars=bars_of(columns)), Mark(end, end)]

    records = [*bar("00", 10.0, 10.6, 10.0, 10.55), *bar("01", 10.70, 11.0, 10.4, 10.80),
               *bar("02", 10.81, 10.9, 10.2, 10.85), *bar("06", 12.0, 12.0, 12.0, 12.0)]  # fmt: skip
    for minute in range(7, 33):
        records += bar(f"{minute:02d}", 10.9, 10.9, 10.9, 10.9)
    one = follow(records)[0]
    assert (one.ts_ns, one.entry, one.entry_ns) == (at("10:01:00"), 10.70, at("10:01:00"))
    assert one.gross[0] == pytest.approx(100 * (10.80 / 10.70 - 1))
    assert one.gross[1] == pytest.approx(100 * (10.85 / 10.70 - 1)), "as of the mark of 10:03"
    assert one.mae_30m == pytest.approx(100 * (10.2 / 10.70 - 1))
    assert one.mfe_30m == pytest.approx(100 * (12.0 / 10.70 - 1))


def test_batches_of_any_size_give_the_same_outcome() -> None:
    whole = follow(tape(PRINTS, QUOTES, begin="10:00:00", end="10:40:00"))
    alone: list[Record] = []
    for record in tape(PRINTS, QUOTES, begin="10:00:00", end="10:40:00"):
        alone.append(record)
        if isinstance(record, Mark):
            alone.append(Mark(record.ts_ns + 500_000_000, record.ts_ns + 500_000_000))
    assert follow(alone) == whole
