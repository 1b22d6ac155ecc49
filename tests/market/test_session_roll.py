"""Where one session ends and the next begins."""

import datetime as dt

import numpy as np
import pytest

from market.tape import Tape
from tapelight.market.spill import CHANGED, LATE
from tapelight.model.batch import Batch, quotes_of, trades_of
from tapelight.model.records import Reference
from tapelight.model.session import NS


def test_the_close_becomes_the_previous_close_at_four() -> None:
    tape = Tape()
    tape.trade("09:30:00", 10.0)
    tape.trade("15:59:59", 12.0, 300.0)
    tape.trade("16:30:00", 13.0, 50.0, 12)
    tape.mark("19:59:59")
    tape.mark("03:59:59", days=3)
    assert tape.many("last vol phase") == [13.0, 450.0, "closed"]
    tape.mark("04:00:00", days=3)
    names = "last vol phase prev_close prev_high prev_low prev_vol hod trades"
    assert tape.many(names) == [None, 0.0, "pre", 12.0, 12.0, 10.0, 450.0, None, 0.0]
    assert tape("prev_chg_pct") == pytest.approx(20.0)
    assert tape("chg_pct") is None


def test_the_first_trade_past_four_rolls_before_the_mark() -> None:
    tape = Tape("A", "B")
    tape.trade("15:00:00", 12.0)
    tape.trade("04:00:00.001", 12.6, 100.0, 12, symbol="B", days=3)
    assert tape.many("last vol prev_close") == [None, 0.0, 12.0]
    assert tape.many("last vol vol_1m", "B") == [12.6, 100.0, 100.0]
    tape.mark("04:00:10", days=3)
    assert tape.many("vol_1m vol_10s chg_1m", "B") == [100.0, 100.0, None]


def test_what_traded_only_off_hours_keeps_its_close() -> None:
    tape = Tape()
    tape.trade("08:00:00", 11.0, 100.0, 12)
    tape.trade("17:00:00", 12.0, 100.0, 12)
    tape.mark("17:00:01")
    tape.mark("04:00:00", days=3)
    assert tape("prev_close") == 10.0


def test_a_row_that_traded_unseen_knows_no_previous_close() -> None:
    tape = Tape()
    tape.snapshot("17:00:00", last=12.0, volume=5_000.0)
    tape.mark("17:00:01")
    tape.mark("04:00:00", days=3)
    assert tape.many("prev_close chg_pct") == [None, None]


def test_references_wait_for_their_session_and_replace_what_rolled() -> None:
    tape = Tape()
    tape.trade("15:00:00", 12.0)
    tape.refer(Reference(symbol="A", prev_close=6.0, split_today=0.5), day=dt.date(2026, 11, 23))
    assert tape.many("prev_close split_today") == [10.0, False]
    tape.mark("15:00:01")
    tape.mark("04:00:00", days=3)
    assert tape.many("prev_close provisional split_today") == [6.0, True, True]
    tape.mark("04:00:00", days=4)
    assert tape.many("provisional split_today") == [False, False]


def test_a_partial_reference_does_not_undo_the_roll() -> None:
    tape = Tape()
    tape.refer(Reference(symbol="A", prev_high=10.5, adv20=1e6, w52_high=11.0))
    tape.trade("15:00:00", 12.0)
    tape.mark("15:00:01")
    tape.mark("04:00:00", days=3)
    tape.refer(Reference(symbol="A", float_shares=5e6), day=dt.date(2026, 11, 23))
    names = "prev_close prev_high w52_high adv20 float_shares"
    assert tape.many(names) == [12.0, 12.0, 12.0, 1e6, 5e6]


def test_an_open_hole_outlasts_the_roll() -> None:
    tape = Tape()
    tape.trade("15:00:00", 12.0)
    tape.feed("19:00:00", "gap", since="18:59:00")
    tape.mark("04:00:00", days=3)
    assert tape("provisional") is True


def test_the_calendar_knows_daylight_saving() -> None:
    tape = Tape(day=dt.date(2026, 3, 6))
    tape.trade("15:00:00", 12.0)
    before = tape.ns("04:00:00")
    monday = tape.ns("04:00:00", days=3)
    assert monday - before == (3 * 24 - 1) * 3_600 * 10**9
    tape.mark("04:00:00", days=3)
    assert tape.many("phase prev_close") == ["pre", 12.0]
    tape.mark("09:30:00", days=3)
    assert tape("phase") == "regular"


def test_round_the_clock_windows_go_on_over_midnight() -> None:
    tape = Tape(cal="24x7")
    tape.trade("23:59:50", 10.0, 2.0)
    tape.mark("23:59:51")
    tape.trade("00:00:05", 11.0, 3.0, days=1)
    tape.mark("00:00:10", days=1)
    assert tape.many("vol trades high open prev_close") == [3.0, 1.0, 11.0, 11.0, 10.0]
    assert tape.many("vol_1m vol_10s vol_5m vol_15m") == [5.0, 3.0, 5.0, 5.0]
    tape.mark("00:00:55", days=1)
    assert tape.many("vol_1m vol_5m chg_1m") == [3.0, 5.0, pytest.approx(10.0)]


def test_a_symbol_without_a_trade_today_has_no_prices_and_no_volume() -> None:
    tape = Tape("A", "B", cal="24x7")
    tape.trade("23:00:00", 10.0, symbol="B")
    tape.trade("00:00:05", 11.0, days=1)
    tape.mark("00:00:06", days=1)
    names = "last open high low hod lod vwap vol trades dollar_vol prev_close"
    assert tape.many(names, "B") == [None] * 7 + [0.0, 0.0, 0.0, 10.0]


def test_several_sessions_in_one_batch() -> None:
    tape = Tape(cal="24x7")
    stamps = [tape.ns("12:00:00", d) for d in (0, 0, 1, 2, 2)]
    n = len(stamps)
    prices = [10.0, 11.0, 12.0, 13.0, 14.0]
    batch = trades_of([0] * n, stamps, prices, [1.0] * n, [0] * n, [0] * n, [0] * n)
    tape.engine.apply(Batch(stamps[-1], batch))
    tape.mark("12:00:01", days=2)
    assert tape.many("open last vol prev_close") == [13.0, 14.0, 2.0, 12.0]
    assert tape.table.rolls == 2


def test_a_stamp_days_ahead_rolls_nothing_and_costs_only_itself() -> None:
    tape = Tape("A", "B")
    tape.trade("15:00:00", 12.0)
    tape.mark("15:00:01")
    now, ahead = tape.ns("15:00:02"), tape.ns("10:00:00", 3)
    trades = trades_of(
        [0, 0, 0], [now, ahead, now], [12.5, 99.0, 13.0], [10.0] * 3, [0] * 3, [0] * 3, [0] * 3
    )
    quotes = quotes_of(
        [0] * 3, [now] * 3, [12.0, 12.4, 12.9], [12.6, 12.8, 13.1], [1.0] * 3, [1.0] * 3, [0, 1, 2]
    )
    tape.engine.apply(Batch(now, trades, quotes))
    tape.mark("15:00:03")
    assert tape.many("last vol prev_close bid") == [13.0, 120.0, 10.0, 12.9]
    assert (tape.table.rolls, tape.table.counters[LATE]) == (0, 1)
    bars = tape.make_bars(60, ("10:00:00", 99.0, 99.0, 99.0, 99.0, 5.0), symbol="B", days=3)
    tape.engine.apply(Batch(now, bars=bars))
    tape.mark("15:00:04")
    assert tape.many("last vol", "B") == [None, 0.0]
    assert (tape.table.rolls, tape.table.counters[LATE]) == (0, 2)


def test_rows_that_change_before_and_after_the_roll_are_noted_once() -> None:
    """Between two marks the list of changed rows has room for each row once."""
    symbols = [f"S{i}" for i in range(40)]
    tape = Tape(*symbols)
    for days in (0, 3):
        for symbol in symbols:
            tape.trade(
                "04:00:01" if days else "19:59:58", 10.0, 100.0, 12, symbol=symbol, days=days
            )
    assert tape.table.rolls == 1
    assert np.flatnonzero(tape.table.changed()).tolist() == list(range(40))
    assert tape.table.counters[CHANGED] == 40
    tape.mark("04:00:02", days=3)
    assert not tape.table.changed().any()


@pytest.mark.parametrize(("before_s", "rolls"), [(15, 1), (16, 0)])
def test_an_event_rolls_the_session_at_most_fifteen_seconds_before_it(
    before_s: int, rolls: int
) -> None:
    tape = Tape()
    tape.mark("19:59:59")
    begin = tape.ns("04:00:00", 3)
    trades = trades_of([0], [begin], [12.0], [10.0], [0], [0], [0])
    tape.engine.apply(Batch(begin - before_s * NS, trades))
    assert tape.table.rolls == rolls
    assert tape("vol") == 10.0 * rolls


def test_records_before_any_session() -> None:
    tape = Tape(known=False)
    tape.halt("10:00:00", True, "T1")
    tape.feed("10:00:00", "connecting")
    tape.snapshot("10:00:00", last=12.0, volume=100.0, prev_close=11.0)
    tape.history("10:00:01", ("09:30:00", 12, 12, 12, 12, 100.0))
    tape.mark("10:00:02")
    assert tape.many("halted last vol hod phase") == [True, 12.0, 100.0, 12.0, "regular"]


def test_a_table_that_nothing_ever_happened_to() -> None:
    tape = Tape("A", "B", known=False)
    assert tape.many("last vol phase hod rvol_tod") == [None, 0.0, "closed", None, None]


def test_pre_market_volume_of_a_symbol_first_seen_in_the_regular_session() -> None:
    tape = Tape()
    tape.trade("11:00:00", 10.0)
    assert tape.many("pm_vol pm_high vol_rth") == [0.0, None, 100.0]
