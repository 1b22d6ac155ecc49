"""What data that are late, small, odd or of another count of shares do to a row, end to end."""

import datetime as dt

import pytest

from market.tape import Tape
from tapelight.model.records import Reference

MONDAY = dt.date(2026, 11, 23)
ADJUSTED = Reference(
    symbol="A", prev_close=10.0, prev_high=10.5, prev_low=9.5, prev_volume=4_000.0, adv20=8_000.0,
    atr14=1.0, w52_high=12.0, w52_low=5.0, shares_out=400.0, float_shares=200.0, split_today=0.25,
)  # fmt: skip
"""After a split of four for one: all figures are as of today."""
LEVELS = "prev_close prev_high prev_low prev_vol adv20 atr14 w52_high w52_low float_shares"


def split_day() -> Tape:
    """Return a tape whose share closed at 40 on Friday and is split four for one on Monday."""
    tape = Tape()
    tape.trade("09:30:00", 38.0, 600.0)
    tape.trade("15:59:59", 40.0, 400.0)
    tape.mark("19:59:59")
    tape.refer(ADJUSTED, day=MONDAY)
    tape.mark("04:00:00", days=3)
    return tape


def test_a_split_on_the_day_is_no_gap_and_each_level_is_adjusted_once() -> None:
    tape = split_day()
    adjusted = [10.0, 10.5, 9.5, 4_000.0, 8_000.0, 1.0, 12.0, 5.0, 200.0]
    assert tape.many(LEVELS) == adjusted
    assert tape("provisional") is True  # until the provider's own previous close agrees
    tape.refer(ADJUSTED, day=MONDAY)
    tape.mark("04:00:01", days=3)
    assert tape.many(LEVELS) == adjusted
    tape.trade("04:00:02", 10.2, 100.0, 12, days=3)
    tape.mark("04:00:03", days=3)
    assert tape("gap_pct") == pytest.approx(2.0)
    assert tape("chg_pct") == pytest.approx(2.0)


def test_the_day_after_a_split_rolls_split_adjusted_prices() -> None:
    tape = split_day()
    tape.trade("09:30:00", 10.2, 100.0, days=3)
    tape.trade("15:59:59", 11.0, 300.0, days=3)
    tape.mark("19:59:59", days=3)
    tape.mark("04:00:00", days=4)
    names = "prev_close prev_high prev_low prev_vol split_today"
    assert tape.many(names) == [11.0, 11.0, 10.2, 400.0, False]
    assert tape("w52_high") == 12.0


def test_an_odd_lot_above_the_high_is_volume_and_no_new_high() -> None:
    tape = Tape()
    tape.trade("09:30:00", 10.0)
    tape.trade("09:35:00", 10.1)
    tape.mark("09:35:01")
    before = tape.many("last high hod new_highs_today")
    tape.trade("09:35:02", 10.3, 5.0, 37)
    tape.mark("09:35:03")
    assert tape.many("last high hod new_highs_today") == before
    assert tape.many("vol trades new_hod") == [205.0, 3.0, False]


def test_a_form_t_print_in_regular_hours_moves_no_price() -> None:
    """A late report of an off-hours trade: its shares count, its price is of another time."""
    tape = Tape()
    tape.trade("09:30:00", 10.0)
    tape.trade("09:40:00", 10.5, 300.0, 12)
    tape.mark("09:40:01")
    assert tape.many("last high low hod lod vwap") == [10.0] * 6
    assert tape.many("vol trades") == [400.0, 2.0]


def test_a_bar_that_is_sent_again_late_replaces_its_minute() -> None:
    """Alpaca's updated bar comes half a minute after the first; the day's sums take the difference."""
    tape = Tape()
    tape.bars(60, ("09:30:00", 10.0, 11.0, 9.0, 10.5, 500.0), vwap=10.0, trades=7.0)
    tape.mark("09:31:00")
    tape.bars(60, ("09:31:00", 10.5, 10.6, 10.4, 10.6, 100.0), vwap=10.5, trades=2.0)
    tape.mark("09:32:00")
    tape.bars(60, ("09:30:00", 10.0, 11.2, 9.0, 10.5, 700.0), vwap=10.2, trades=9.0)
    tape.mark("09:32:01")
    assert tape.many("vol vol_5m trades high low") == [800.0, 800.0, 11.0, 11.2, 9.0]
    assert tape("vwap") == pytest.approx((700.0 * 10.2 + 100.0 * 10.5) / 800.0)
    assert tape("last") == 10.6
