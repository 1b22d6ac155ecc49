"""Minute bars from prints, second bars and minute bars; one source of volume."""

import numpy as np
import pytest

from market.tape import Tape
from tapelight.market.bars import MOST_PIECES, BarStore
from tapelight.market.spill import BAR
from tapelight.model.session import NS


def stored(tape: Tape) -> list[tuple[float, ...]]:
    names = ["open", "high", "low", "close", "volume", "trades"]
    return [tuple(bar[n] for n in names) for bar in tape.table.bars.of_row(0)]


def test_prints_make_minute_bars() -> None:
    tape = Tape()
    tape.trades(
        ("09:30:00", 10.0), ("09:30:30", 10.4, 200.0), ("09:30:40", 9.9), ("09:30:59.999", 10.1),
        ("09:31:00", 10.2), ("09:31:10", 10.9, 5.0, 37),
    )  # fmt: skip
    tape.mark("09:31:30")
    assert stored(tape) == [(10.0, 10.4, 9.9, 10.1, 500.0, 4)]
    tape.mark("09:32:00")
    assert stored(tape)[1] == (10.2, 10.2, 10.2, 10.2, 105.0, 2)


def test_a_minute_without_an_eligible_print_has_no_bar() -> None:
    tape = Tape()
    tape.trades(("09:30:00", 10.0), ("09:31:00", 10.5, 10.0, 37), ("09:33:00", 10.2))
    tape.mark("09:34:00")
    minutes = tape.table.bars.of_row(0)["minute"] * 60 * NS
    assert minutes.tolist() == [tape.ns("09:30:00"), tape.ns("09:33:00")]


def test_a_derived_print_widens_a_bar_and_opens_none() -> None:
    tape = Tape()
    tape.trades(("09:30:00", 10.0), ("09:31:01", 10.6, 100.0, 32), ("09:31:02", 10.2))
    tape.mark("09:32:00")
    assert stored(tape)[1] == (10.2, 10.6, 10.2, 10.2, 200.0, 2)


def test_late_prints_go_into_their_closed_bar() -> None:
    tape = Tape()
    tape.trades(("09:30:10", 10.0), ("09:31:05", 10.1))
    tape.trades(("09:30:59", 10.3, 50.0), ("09:30:58", 9.0, 7.0, 37))
    tape.mark("09:31:06")
    assert stored(tape) == [(10.0, 10.3, 10.0, 10.0, 157.0, 3)]
    tape.trade("09:29:59", 10.4, 30.0, 12)
    tape.mark("09:31:07")
    assert stored(tape)[0] == (10.4, 10.4, 10.4, 10.4, 30.0, 1)
    assert tape("vol") == 287.0


def test_streaks_of_candles() -> None:
    tape = Tape()
    for minute, (open_, close) in enumerate([(10, 10.1), (10.1, 10.2), (10.2, 10.2), (10, 9.9)]):
        tape.trades((f"09:3{minute}:00", open_), (f"09:3{minute}:30", close))
        tape.mark(f"09:3{minute + 1}:00")
        assert tape("streak_1m") == [1, 2, 0, -1][minute]
    tape.mark("09:35:00")
    assert tape.many("streak_1m streak_5m") == [-1.0, -1.0]
    tape.trades(("09:36:00", 9.0), ("09:37:00", 8.9))
    tape.mark("09:40:00")
    assert tape("streak_5m") == -2.0


def test_opening_ranges_are_null_until_they_are_over() -> None:
    tape = Tape()
    tape.trades(("09:29:59", 10.8, 100.0, 12), ("09:30:00", 10.0), ("09:34:59", 10.5))
    tape.trade("09:34:59.5", 11.0, 100.0, 37)
    tape.mark("09:34:59.95")
    assert tape("or5_high") is None
    tape.trade("09:35:00", 9.5)
    tape.mark("09:35:00.5")
    assert tape.many("or5_high or5_low or15_low or30_low") == [10.5, 10.0, None, None]
    tape.trade("09:45:00", 9.3)
    tape.mark("10:00:00")
    assert tape.many("or5_low or15_low or30_low") == [10.0, 9.5, 9.3]


SECOND = ("09:30:05", 10.0, 10.2, 9.9, 10.1, 500.0)


def test_second_bars_alone() -> None:
    tape = Tape()
    tape.mark("09:30:00")
    tape.bars(1, SECOND, vwap=10.05, trades=5.0)
    tape.mark("09:30:06")
    assert tape.many("last open high low hod lod") == [10.1, 10.0, 10.2, 9.9, 10.2, 9.9]
    assert tape.many("vol vol_rth vol_1m vol_10s trades trade_rate_10s") == [500] * 4 + [5, 0.5]
    assert tape("vwap") == pytest.approx(10.05)
    assert tape("dollar_vol") == pytest.approx(5_025.0)
    assert tape.many("buy_pct_1m blocks_5m avg_trade_size_1m") == [None] * 3


def test_a_resent_second_bar_replaces_the_first() -> None:
    tape = Tape()
    tape.mark("09:30:00")
    for time in ("09:30:06", "09:30:30", "09:32:00", "09:34:00"):
        tape.bars(1, SECOND, vwap=10.05, trades=5.0)
        tape.bars(1, (*SECOND[:5], 600.0), vwap=10.06, trades=6.0)
        tape.mark(time)
        assert tape.many("vol vol_rth trades") == [600.0, 600.0, 6.0], time
        assert tape.many("vol_5m vol_15m") == [600.0, 600.0], time
        assert tape("dollar_vol") == pytest.approx(6_036.0)
        assert tape("vwap") == pytest.approx(10.06)


def test_minute_bars_alone() -> None:
    tape = Tape()
    tape.bars(60, ("09:29:00", 9.8, 9.9, 9.7, 9.9, 300.0))
    tape.mark("09:30:00")
    tape.bars(60, ("09:30:00", 10.0, 10.2, 9.9, 10.1, 500.0))
    tape.mark("09:31:00")
    assert tape.many("last open high low hod lod pm_high") == [10.1, 10, 10.2, 9.9, 10.2, 9.7, 9.9]
    assert tape.many("vol pm_vol vol_rth vol_1m vol_5m") == [800.0, 300.0, 500.0, 500.0, 800.0]
    assert tape("chg_1m") == pytest.approx(100 * (10.1 / 9.9 - 1))
    unknown = "trades trade_rate trade_rate_10s vol_10s dv_10s vwap dollar_vol buy_pct_1m blocks_5m"
    assert tape.many(unknown) == [None] * 9
    assert stored(tape)[1] == (10.0, 10.2, 9.9, 10.1, 500.0, 0)


def test_minute_bars_of_a_replay_without_marks_between_stay_in_the_windows() -> None:
    tape = Tape()
    for minute in range(30, 40):
        tape.bars(60, (f"09:{minute}:00", 10.0, 10.0, 10.0, 10.0 + minute / 100, 100.0))
    tape.mark("09:40:00")
    assert tape.many("vol_1m vol_5m vol_15m mean20_1m") == [100.0, 500.0, 1_000.0, 100.0]
    assert tape("chg_5m") == pytest.approx(100 * (10.39 / 10.34 - 1))
    assert tape("streak_1m") == 10.0


def test_a_resent_minute_bar_replaces_the_first() -> None:
    tape = Tape()
    tape.bars(60, ("09:30:00", 10.0, 11.0, 9.0, 10.5, 500.0), vwap=10.0, trades=7.0)
    tape.mark("09:31:00")
    tape.bars(60, ("09:30:00", 10.0, 10.8, 9.9, 10.4, 600.0), vwap=10.1, trades=8.0)
    tape.mark("09:31:01")
    assert tape.many("vol vol_rth vol_5m trades") == [600.0, 600.0, 600.0, 8.0]
    assert tape.many("high low hod lod last close_rth") == [10.8, 9.9, 10.8, 9.9, 10.4, None]
    assert tape("dollar_vol") == pytest.approx(6_060.0)
    assert tape("vwap") == pytest.approx(10.1)
    assert stored(tape) == [(10.0, 10.8, 9.9, 10.4, 600.0, 8)]


def test_one_bar_twice_in_one_batch_counts_once() -> None:
    tape = Tape()
    bar = ("09:30:00", 10.0, 11.0, 9.0, 10.5, 500.0)
    tape.bars(60, bar, bar, ("09:31:00", 10.0, 11.0, 9.0, 10.5, 100.0), bar)
    assert tape("vol") == 600.0


def test_trades_beat_second_bars_beat_minute_bars() -> None:
    tape = Tape()
    tape.mark("09:30:00")
    tape.bars(60, ("09:29:00", 10.0, 10.0, 10.0, 10.0, 1_000.0))
    tape.bars(1, ("09:30:01", 10.0, 10.0, 10.0, 10.0, 10.0))
    tape.bars(60, ("09:30:00", 10.0, 10.0, 10.0, 10.0, 1_000.0))
    assert tape("vol") == 1_010.0
    tape.trade("09:31:00", 10.0, 1.0)
    tape.bars(1, ("09:31:01", 10.0, 10.0, 10.0, 10.0, 10.0))
    tape.bars(60, ("09:31:00", 10.0, 10.0, 10.0, 10.0, 1_000.0))
    assert tape("vol") == 1_011.0


def test_the_days_volume_and_open_that_a_bar_brings() -> None:
    tape = Tape()
    tape.mark("09:30:00")
    tape.bars(60, ("09:30:00", 10.0, 10.0, 10.0, 10.0, 500.0), day_volume=2_500.0, day_open=9.9)
    assert tape.many("vol open open_provisional") == [2_500.0, 9.9, False]


def test_a_minute_bar_around_a_snapshot_adds_what_the_day_volume_says() -> None:
    tape = Tape(known=False)
    tape.snapshot("10:00:30", last=10.0, volume=1_000.0)
    tape.bars(60, ("09:59:00", 10.0, 10.0, 10.0, 10.0, 400.0), day_volume=900.0)
    assert tape("vol") == 1_000.0
    tape.bars(60, ("10:00:00", 10.0, 10.0, 10.0, 10.1, 300.0), day_volume=1_200.0)
    assert tape.many("vol last") == [1_200.0, 10.1]
    tape.mark("10:01:00")
    assert tape("vol_1m") is None, "the window began before the snapshot"
    tape.mark("10:01:30")
    assert tape("vol_1m") == 200.0


def test_who_watches_finds_a_bar_that_came_a_thousand_times_once_and_as_it_came_last() -> None:
    store = BarStore()
    watch = store.watch()
    bars = np.zeros(2, BAR)
    bars["row"], bars["minute"] = [0, 1], [7, 7]
    store.add(bars)
    for close in range(3 * MOST_PIECES):
        again = bars[:1].copy()
        again["close"] = close
        store.add(again)
    assert len(watch) <= MOST_PIECES
    told = {(bar["row"], bar["minute"]): bar["close"] for piece in watch for bar in piece}
    assert told == {(0, 7): 3 * MOST_PIECES - 1, (1, 7): 0.0}


def test_minute_bars_that_come_after_the_mark_of_their_end_are_kept() -> None:
    tape = Tape()
    tape.mark("09:30:00")
    for minute in range(30, 36):
        tape.mark(f"09:{minute + 1}:00")
        price = 10.0 + minute / 100
        tape.bars(60, (f"09:{minute}:00", price, price + 0.2, 9.9, price + 0.1, 500.0), vwap=10.0)
        tape.mark(f"09:{minute + 1}:01")
        assert tape("vol") == 500.0 * (minute - 29)
        assert len(stored(tape)) == minute - 29
    assert tape.many("streak_1m streak_5m") == [6.0, 1.0]
    tape.bars(60, ("09:35:00", 10.0, 10.2, 9.9, 10.1, 700.0), vwap=10.0)
    assert tape("vol") == 3_200.0, "one that is sent again replaces itself"
    assert stored(tape)[-1][4] == 700.0


def test_the_last_second_of_a_minute_comes_into_its_closed_bar() -> None:
    tape = Tape()
    tape.bars(1, ("09:30:58", 10.0, 10.2, 9.9, 10.1, 500.0), vwap=10.0, trades=5.0)
    tape.mark("09:31:00")
    tape.bars(1, ("09:30:59", 10.1, 10.4, 10.1, 10.3, 100.0), vwap=10.2, trades=2.0)
    assert stored(tape) == [(10.0, 10.4, 9.9, 10.3, 600.0, 7)]
    tape.bars(1, ("09:31:00", 10.3, 10.3, 10.3, 10.3, 50.0), vwap=10.3, trades=1.0)
    tape.bars(1, ("09:30:57", 9.8, 9.9, 9.8, 9.9, 40.0), vwap=9.8, trades=1.0)
    assert stored(tape) == [(10.0, 10.4, 9.8, 10.3, 640.0, 8)], "an older one leaves the close"
    assert tape.many("vol last") == [690.0, 10.3]


def test_minute_bars_of_a_delayed_plan_make_candles_of_five_minutes() -> None:
    tape = Tape()
    tape.mark("09:44:59")
    for minute in range(30, 40):
        tape.mark(f"09:{minute + 15}:00")
        price = 10.0 + minute / 100
        tape.bars(60, (f"09:{minute}:00", price, price + 0.2, 9.9, price + 0.1, 500.0), vwap=10.0)
    assert tape.many("streak_1m streak_5m") == [10.0, 2.0]


def test_prints_that_follow_minute_bars_begin_a_candle_of_five_minutes() -> None:
    tape = Tape()
    for minute in (30, 31):
        tape.bars(60, (f"09:{minute}:00", 10.0, 10.2, 9.9, 10.1, 500.0), vwap=10.0)
    tape.mark("09:35:00")
    tape.trades(("09:35:01", 9.0), ("09:35:30", 8.9))
    tape.mark("09:40:00")
    assert tape("streak_5m") == -1.0, "10.0 to 10.1 ended, 9.0 to 8.9 is the next"
