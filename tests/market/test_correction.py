"""A trade that is cancelled or corrected leaves the row as if it had never come."""

import math
from typing import Any

import pytest

from market.tape import Tape
from tapelight.model.codec import decode, encode
from tapelight.model.conditions import mask_of
from tapelight.model.records import Correction, Mark, Print, TierGate

PRINTS: list[tuple[str, float, float]] = [
    ("09:28:10", 9.90, 300.0), ("09:30:01", 10.00, 100.0), ("09:30:20", 10.20, 200.0),
    ("09:31:05", 10.40, 100.0), ("09:31:30", 10.30, 400.0), ("09:31:50", 10.35, 100.0),
    ("09:32:10", 10.32, 500.0), ("09:33:15", 10.28, 100.0),
]  # fmt: skip
TO_THE_MINUTE = frozenset({"quiet_s", "secs_since_hod", "secs_since_lod"})
EVENTS = frozenset({"buy_pct_1m", "new_highs_today", "quarantined"})
"""What is told of a time or an event that is over: see the module's text."""


def at(tape: Tape, time: str, price: float, size: float = 700.0, *conditions: int) -> Print:
    return Print(tape.ns(time), price, size, mask_of(conditions))


def rest(tape: Tape, minute: str) -> tuple[Print, ...]:
    return tuple(at(tape, t, p, s) for t, p, s in PRINTS if t[:5] == minute)


def played(wrong: tuple[str, float] | None, until: str = "09:34:00", size: float = 700.0) -> Tape:
    """Return the tape with every second marked, and a further print in it."""
    tape = Tape()
    tape.engine.apply(TierGate(where="last < 0"))
    prints = sorted([*PRINTS, *([(*wrong, size)] if wrong else [])])
    begin, end = tape.ns("09:28:00"), tape.ns(until)
    waiting = [(tape.ns(t), t, p, s) for t, p, s in prints]
    for ns in range(begin, end + 1, 1_000_000_000):
        while waiting and waiting[0][0] <= ns:
            _, time, price, shares = waiting.pop(0)
            tape.trade(time, price, shares)
        tape.engine.apply(Mark(ns, ns))
    return tape


def same(one: Tape, other: Tape) -> None:
    mine, theirs = one.all(), other.all()
    wrong: dict[str, Any] = {}
    for name, value in theirs.items():
        if isinstance(value, float) and isinstance(mine[name], float):
            near = 60.0 if name in TO_THE_MINUTE else 1e-9
            if not math.isclose(mine[name], value, rel_tol=1e-9, abs_tol=near):
                wrong[name] = (mine[name], value)
        elif mine[name] != value:
            wrong[name] = (mine[name], value)
    assert {k: v for k, v in wrong.items() if k not in EVENTS} == {}


@pytest.mark.parametrize(
    ("time", "price", "until"),
    [
        ("09:31:40", 10.90, "09:34:00"),  # the day's high, in a closed minute
        ("09:33:30", 10.90, "09:33:45"),  # the day's high and the last price, in the forming minute
        ("09:30:00", 10.90, "09:34:00"),  # the open and the high
        ("09:31:40", 9.60, "09:34:00"),  # the low
        ("09:29:10", 10.60, "09:34:00"),  # a pre-market high, alone in its minute
        ("09:32:40", 10.31, "09:34:00"),  # no extreme
        ("09:33:30", 10.90, "09:40:10"),  # long ago
    ],
)
def test_a_cancelled_trade_leaves_nothing_behind(time: str, price: float, until: str) -> None:
    tape = played((time, price), until)
    if price > 10.4 and time >= "09:30":
        assert tape("high") == price
    cancel = Correction(tape.ns(until), "A", at(tape, time, price), None, rest(tape, time[:5]))
    tape.engine.apply(cancel)
    plain = played(None, until)
    tape.mark(until + ".100")
    plain.mark(until + ".100")
    same(tape, plain)
    assert tape("high") == 10.40
    assert list(tape.table.bars.of_row(0)["high"]) == list(plain.table.bars.of_row(0)["high"])


def test_a_cancelled_trade_that_was_the_days_high_can_be_made_again() -> None:
    tape = played(("09:31:40", 10.90))
    tape.engine.apply(
        Correction(tape.ns("09:34:00"), "A", at(tape, "09:31:40", 10.90), None, rest(tape, "09:31"))
    )
    tape.mark("09:34:01")
    assert (tape("hod"), tape("high"), tape("or5_high")) == (10.40, 10.40, None)
    tape.trade("09:34:02", 10.45)
    assert tape.table.row(0)["flags"] != 0
    tape.mark("09:34:03")
    assert (tape("hod"), tape("last")) == (10.45, 10.45)
    tape.mark("09:36:00")
    assert tape("or5_high") == 10.45


def test_a_corrected_trade_stands_with_its_new_price_and_size() -> None:
    tape = played(("09:31:40", 10.90))
    right = Print(tape.ns("09:31:40"), 10.38, 70.0)
    tape.engine.apply(
        Correction(
            tape.ns("09:34:00"), "A", at(tape, "09:31:40", 10.90), right, rest(tape, "09:31")
        )
    )
    plain = played(("09:31:40", 10.38), size=70.0)
    for one in (tape, plain):
        one.mark("09:34:00.100")
    same(tape, plain)


def test_a_cancel_that_a_snapshot_knows_of_changes_nothing() -> None:
    tape = played(None)
    tape.snapshot("09:34:00", last=10.28, volume=5000.0, high=10.4, low=10.0, vwap=10.2, open=10.0)
    before = tape.table.rows.tobytes()
    tape.engine.apply(Correction(tape.ns("09:33:59"), "A", at(tape, "09:33:58", 10.9)))
    assert tape.table.rows.tobytes() == before


def test_an_extreme_of_a_day_that_was_not_seen_whole_makes_the_row_provisional() -> None:
    tape = Tape()
    tape.snapshot("09:34:00", last=10.2, volume=9000.0, high=10.3, low=9.9, vwap=10.1, open=10.0)
    tape.trade("09:34:05", 10.8, 700.0)
    tape.mark("09:34:06")
    tape.engine.apply(Correction(tape.ns("09:34:10"), "A", at(tape, "09:34:05", 10.8)))
    tape.mark("09:34:11")
    assert (tape("vol"), tape("provisional")) == (9000.0, True)


def test_a_quarantined_trade_is_taken_out_as_it_was_counted() -> None:
    tape = played(("09:31:40", 25.0))
    assert tape("high") == 10.40
    tape.engine.apply(
        Correction(tape.ns("09:34:00"), "A", at(tape, "09:31:40", 25.0), None, rest(tape, "09:31"))
    )
    plain = played(None)
    for one in (tape, plain):
        one.mark("09:34:00.100")
    same(tape, plain)


def test_the_record_survives_the_journal() -> None:
    wrong, right = Print(5, 10.0, 3.5, 1 << 37, 4), Print(5, 10.1, 3.5)
    record = Correction(9, "BRK.B", wrong, right, (wrong, right))
    assert decode(encode(record)) == record
