"""What somebody rules of a held print: accepted, it moves what it would have; rejected, nothing."""

import pytest

from market.tape import Tape
from tapelight.app.frozen import freeze, thaw
from tapelight.market.quarantine import count_rulings, held_prints
from tapelight.model.records import Ruling

PRICES = "last hod lod high low vol trades dollar_vol vwap"


def holding(at: str = "10:00:01", price: float = 14.0, *conditions: int) -> Tape:
    """Return a tape at 10.0 with one held print of 500 shares, and one ordinary print after it."""
    tape = Tape()
    tape.trade("09:59:50", 10.0)
    tape.trade(at, price, 500.0, *conditions)
    tape.trade("10:00:02", 10.02, 100.0)
    tape.mark("10:00:03")
    return tape


def rule(tape: Tape, accepted: bool, at: str = "10:00:01", price: float = 14.0) -> None:
    when = tape.ns("10:00:05")
    tape.engine.apply(Ruling(when, "A", tape.ns(at), price, accepted))


def test_an_accepted_print_moves_what_it_would_have_moved() -> None:
    tape = holding()
    assert tape.many("last hod high vol") == [10.02, 10.02, 10.02, 700.0]
    rule(tape, True)
    told = dict(zip(PRICES.split(), tape.many(PRICES), strict=True))
    assert told == {
        "last": 10.02, "hod": 14.0, "lod": 10.0, "high": 14.0, "low": 10.0, "vol": 700.0,
        "trades": 3.0, "dollar_vol": pytest.approx(1_000 + 7_000 + 1_002),
        "vwap": pytest.approx((1_000 + 7_000 + 1_002) / 700),
    }  # fmt: skip
    assert tape("new_hod") is False
    assert [p.ruling for p in held_prints(tape.table)] == ["accepted"]
    assert count_rulings(tape.table) == {"held": 0, "accepted": 1, "rejected": 0}


def test_it_is_the_last_price_where_nothing_came_later() -> None:
    tape = Tape()
    tape.trade("10:00:00", 10.0)
    tape.trade("10:00:01", 14.0, 500.0)
    rule(tape, True)
    assert tape.many("last high") == [14.0, 14.0]


def test_a_rejected_print_stays_without_effect_and_cannot_be_accepted_later() -> None:
    tape = holding()
    before = tape.many(PRICES)
    rule(tape, False)
    rule(tape, True)
    assert tape.many(PRICES) == before
    assert count_rulings(tape.table) == {"held": 0, "accepted": 0, "rejected": 1}


@pytest.mark.parametrize(("at", "price"), [("10:00:00.5", 14.0), ("10:00:01", 14.5)])
def test_what_is_not_on_the_list_changes_nothing(at: str, price: float) -> None:
    tape = holding()
    before = tape.many(PRICES)
    rule(tape, True, at, price)
    tape.engine.apply(Ruling(0, "NOBODY", tape.ns("10:00:01"), 14.0, True))
    assert tape.many(PRICES) == before
    assert count_rulings(tape.table)["held"] == 1


def test_it_is_accepted_once() -> None:
    tape = holding()
    rule(tape, True)
    before = tape.many(PRICES)
    rule(tape, True)
    assert tape.many(PRICES) == before


def test_its_bar_is_widened_open_or_closed() -> None:
    tape = holding()
    rule(tape, True)
    tape.trade("10:01:00", 10.0)
    tape.mark("10:01:01")
    (bar,) = (b for b in tape.table.bars.of_row(0) if b["volume"] == 600.0)
    assert (bar["high"], bar["low"], bar["close"]) == (14.0, 10.02, 10.02)
    assert bar["value"] == pytest.approx(8_002.0)
    late = holding()
    late.trade("10:01:00", 10.0)
    late.mark("10:01:01")
    rule(late, True)
    (closed,) = (b for b in late.table.bars.of_row(0) if b["volume"] == 600.0)
    assert closed == bar


def test_a_low_before_the_open_widens_the_pre_market() -> None:
    tape = Tape()
    tape.trade("08:00:00", 10.0, 100.0, 12)
    tape.trade("08:00:01", 6.0, 500.0, 12)
    tape.mark("08:00:02")
    assert tape("pm_low") == 10.0
    rule(tape, True, "08:00:01", 6.0)
    assert tape.many("pm_low lod last low") == [6.0, 6.0, 6.0, None]


def test_a_print_of_an_earlier_session_is_marked_and_moves_nothing() -> None:
    tape = holding()
    tape.trade("10:00:00", 11.0, days=3)
    tape.mark("10:00:01", days=3)
    rule(tape, True)
    assert tape.many("hod vol") == [11.0, 100.0]
    assert count_rulings(tape.table)["accepted"] == 1


def test_a_snapshot_holds_the_list_and_its_rulings() -> None:
    tape = holding()
    rule(tape, True)
    again = thaw(freeze(tape.engine))
    assert held_prints(again.table) == held_prints(tape.table)
    assert again.table.row(0)["hod"] == 14.0
