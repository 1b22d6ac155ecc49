"""Data quality: quarantine, holes, snapshots, history, splits; halts, bands, restrictions."""

import numpy as np
import pytest

from market.tape import Tape
from tapelight.market.quarantine import HeldPrint, held_prints
from tapelight.market.view import stale_count
from tapelight.model.records import FeedState, Reference, Snapshot
from tapelight.model.session import NS


def trading(price: float = 10.0) -> Tape:
    tape = Tape()
    tape.quote("10:00:00", price - 0.01, price + 0.01)
    tape.trade("10:00:00", price)
    tape.mark("10:00:00.5")
    return tape


# Quarantine


def test_an_isolated_bad_print_is_held_listed_and_counts_for_volume() -> None:
    tape = trading()
    tape.trade("10:00:01", 14.0, 500.0)
    tape.trade("10:00:02", 10.02, 100.0)
    assert tape.many("last high hod vol trades quarantined") == [10.02, 10.02, 10.02, 700, 3, 1]
    assert tape("new_highs_today") == 1.0
    assert tape("vwap") == pytest.approx(10.01)
    assert tape("dollar_vol") == pytest.approx(1_000 + 5_000 + 1_002)
    assert held_prints(tape.table) == [
        HeldPrint("A", tape.ns("10:00:01"), 14.0, 500.0, 10.0, "held"),
    ]


def test_the_third_print_near_a_new_level_makes_it_the_price() -> None:
    tape = trading()
    for i, price in enumerate((12.0, 12.1, 12.2)):
        tape.trade(f"10:00:0{i + 1}", price)
    assert tape.many("last hod quarantined") == [12.2, 12.2, 2.0]


def test_confirmation_takes_prints_near_each_other_and_in_time() -> None:
    tape = trading()
    for i, price in enumerate((12.0, 14.0, 12.0, 14.0, 16.0)):
        tape.trade(f"10:00:0{i + 1}", price)
    assert tape("last") == 10.0
    for second in (10, 16, 22, 28):
        tape.trade(f"10:00:{second}", 12.0)
    assert tape("last") == 10.0


def test_a_print_inside_fresh_quotes_is_believed() -> None:
    tape = trading()
    tape.quote("10:00:01", 11.95, 12.05)
    tape.trade("10:00:01.5", 12.0)
    assert tape.many("last quarantined") == [12.0, 0.0]


def test_a_reopening_auction_and_an_old_last_are_believed() -> None:
    tape = trading()
    tape.trade("10:00:05", 13.0, 5_000.0, 28)
    assert tape.many("last hod") == [13.0, 13.0]
    tape = trading()
    tape.trade("10:01:01", 13.0)
    assert tape("last") == 13.0


@pytest.mark.parametrize(
    ("price", "held", "believed"), [(10.0, 11.1, 10.9), (1.0, 1.21, 1.19), (0.5, 0.76, 0.74)]
)
def test_the_width_goes_by_the_price(price: float, held: float, believed: float) -> None:
    for other, count in ((held, 1.0), (believed, 0.0)):
        tape = trading(price)
        tape.trade("10:00:01", other)
        assert tape("quarantined") == count


def test_the_quarantine_list_is_bounded_and_newest_first() -> None:
    tape = trading()
    for i in range(1_030):
        tape.trade("10:00:01", 100.0 + (i % 2) * 900 + i)
    listed = held_prints(tape.table)
    assert len(listed) == 1_024
    assert listed[0].price == 100.0 + 900 + 1_029
    assert listed[-1].price == 100.0 + 6


# Holes, snapshots, history


def test_a_hole_makes_rows_provisional_and_stale_until_the_snapshot() -> None:
    tape = trading()
    tape.feed("10:00:10", "gap", since="10:00:02")
    tape.mark("10:00:10.5")
    assert tape.many("provisional age_ms stale") == [True, 8_500.0, True]
    tape.snapshot("10:00:11", last=10.0, volume=100.0)
    tape.feed("10:00:11", "live")
    tape.mark("10:00:11.5")
    assert tape.many("provisional age_ms stale hod") == [False, 0.0, False, 10.0]


def test_a_picture_of_a_part_of_the_market_ends_a_hole_for_its_rows_alone() -> None:
    tape = Tape("A", "B")
    for symbol in tape.symbols:
        tape.trade("10:00:00", 10.0, symbol=symbol)
    tape.feed("10:00:10", "polling", since="10:00:02")
    tape.snapshot("10:00:11", whole=False, last=10.5, volume=200.0)
    tape.mark("10:00:11.5")
    assert tape.many("last provisional age_ms stale", "A") == [10.5, False, 0.0, False]
    assert tape.many("last provisional age_ms stale", "B") == [10.0, True, 9_500.0, True]
    assert (stale_count(tape.table, 5 * NS), tape.table.gap_since_ns) == (1, tape.ns("10:00:02"))
    tape.snapshot("10:00:12", last=10.5, volume=200.0)
    tape.feed("10:00:12", "live")
    tape.mark("10:00:12.5")
    assert tape.many("provisional stale", "B") == [False, False]
    assert stale_count(tape.table, 5 * NS) == 0


def test_a_symbol_that_the_provider_refuses_is_provisional_whatever_the_others_are() -> None:
    tape = trading()
    for absent, expected in ((("A", "NONE"), True), ((), False), (("A",), True)):
        tape.engine.apply(FeedState(tape.ns("10:00:01"), "test", "live", "", absent=absent))
        tape.snapshot("10:00:01", last=10.0, volume=100.0)
        assert bool(tape("provisional")) is expected
    tape.feed("10:00:10", "gap", since="10:00:02")
    tape.feed("10:00:11", "live")
    assert not tape("provisional")


def test_rows_that_come_in_a_hole_are_provisional_too() -> None:
    tape = trading()
    tape.feed("10:00:10", "gap", since="10:00:02")
    tape.symbols = ("A", "B")
    tape.refer(Reference(symbol="B"))
    assert tape("provisional", "B") is True


def test_a_hole_that_closes_without_a_snapshot_leaves_the_day_unknown() -> None:
    tape = trading()
    tape.feed("10:00:10", "gap", since="10:00:02")
    tape.feed("10:00:11", "live")
    tape.trade("10:00:12", 10.5)
    assert tape.many("provisional hod lod pm_high trades dollar_vol new_hod") == [
        False, None, None, None, None, None, False,
    ]  # fmt: skip
    assert tape.many("last high vol") == [10.5, 10.5, 200.0]


def test_a_snapshot_brings_the_day_so_far_and_volume_stays_exact() -> None:
    tape = Tape(known=False)
    tape.snapshot(
        "11:00:00", "10:59:59", last=12.0, volume=5_000.0, open=10.0, high=12.5, low=9.5,
        vwap=11.0, bid=11.9, ask=12.1, bid_size=3.0, ask_size=4.0, prev_close=8.0,
    )  # fmt: skip
    tape.trade("10:59:58", 13.0, 700.0)
    tape.trade("10:59:59", 13.0, 700.0)
    tape.trade("10:59:59.1", 12.2, 1_000.0)
    tape.mark("11:00:00")
    names = "last vol open high low bid ask prev_close hod vol_rth"
    assert tape.many(names) == [12.2, 6_000.0, 10.0, 12.5, 9.5, 11.9, 12.1, 8.0, None, None]
    assert tape("open_provisional") is False
    assert tape("vwap") == pytest.approx((11.0 * 5_000 + 12.2 * 1_000) / 6_000)
    assert tape.many("vwap_sd vwap_pm new_hod") == [None, None, False]
    assert tape.table.counters[6] == 2


def test_a_snapshot_never_shrinks_a_sum_nor_an_extreme() -> None:
    tape = trading()
    tape.trade("10:00:01", 10.5, 900.0)
    tape.snapshot("10:00:02", "10:00:01", last=10.0, volume=600.0, high=10.2, low=10.1)
    assert tape.many("vol last high low hod trades") == [1_000.0, 10.5, 10.5, 10.0, 10.5, 2.0]
    tape.snapshot("10:00:02", "10:00:00", last=99.0, volume=9_999.0)
    assert tape.many("vol last") == [1_000.0, 10.5]


def test_yesterdays_snapshot_gives_no_figures_of_today() -> None:
    tape = Tape(known=False)
    day_before = np.array([tape.ns("04:00:00") - 8 * 3_600 * NS])
    one = [np.array([7.0])] * 11
    row = np.array([0], np.int32)
    tape.engine.apply(Snapshot(tape.ns("04:05:00"), row, day_before, *one))
    assert tape.many("last vol high prev_close bid") == [None, 0.0, None, 7.0, 7.0]


def test_after_an_unseen_open_neither_open_nor_gap_are_guessed() -> None:
    tape = Tape(known=False)
    tape.snapshot("11:00:00", last=12.0, volume=5_000.0, prev_close=10.0)
    tape.trade("11:00:01", 12.1)
    assert tape.many("open gap_pct last") == [None, None, 12.1]


def test_volume_missed_before_the_open_is_pre_market_volume() -> None:
    tape = Tape(known=False)
    tape.snapshot("08:00:00", last=12.0, volume=5_000.0)
    tape.trade("08:00:01", 12.1, 100.0, 12)
    assert tape.many("vol pm_vol vol_rth post_vol") == [5_100.0, 5_100.0, 0.0, 0.0]


MORNING = (
    ("08:00:00", 11.0, 11.4, 10.8, 11.2, 1_000.0),
    ("09:30:00", 10.0, 12.5, 9.9, 12.0, 3_000.0),
    ("09:37:00", 12.0, 12.2, 9.5, 12.0, 1_000.0),
)


def test_history_fills_the_day_before_the_snapshot() -> None:
    tape = Tape(known=False)
    tape.snapshot("10:00:00", last=12.0, volume=5_000.0, high=12.5, low=9.5, vwap=11.0)
    tape.trade("10:00:10", 12.1, 200.0)
    tape.history("10:00:20", *MORNING, vwap=11.0, trades=10.0)
    tape.mark("10:00:30")
    assert tape.many("hod lod pm_high pm_low") == [12.5, 9.5, 11.4, 10.8]
    assert tape.many("vol pm_vol vol_rth trades") == [5_200.0, 1_000.0, 4_200.0, 31.0]
    assert tape("dollar_vol") == pytest.approx(5_000 * 11 + 12.1 * 200)
    assert tape("vwap") == pytest.approx((4_000 * 11 + 12.1 * 200) / 4_200)
    assert tape("vwap_pm") == pytest.approx((5_000 * 11 + 12.1 * 200) / 5_200)
    assert tape.many("or5_high or5_low or15_low or30_low open") == [12.5, 9.9, 9.5, 9.5, 10.0]
    assert tape("secs_since_hod") == 1_830.0
    tape.trade("10:00:31", 12.6)
    assert tape.many("new_hod hod new_highs_today") == [True, 12.6, 1.0]


def test_a_second_history_completes_the_minute_of_the_snapshot() -> None:
    tape = Tape(known=False)
    tape.snapshot("10:00:30", last=12.0, volume=6_000.0, high=12.5, low=9.5)
    tape.history("10:00:40", *MORNING, trades=10.0)
    assert tape.many("trades lod") == [30.0, 9.5]
    tape.trade("10:00:50", 12.0, 100.0)
    tape.mark("10:01:00")
    tape.history("10:01:10", *MORNING, ("10:00:00", 12, 12, 9.4, 12, 1_100.0), trades=10.0)
    assert tape.many("trades lod pm_vol vol_rth vol") == [40.0, 9.4, 1_000.0, 5_100.0, 6_100.0]
    tape.history("10:02:10", *MORNING, ("10:00:00", 12, 12, 1, 12, 9_999.0), trades=90.0)
    assert tape.many("trades lod") == [40.0, 9.4]


CUT = ("10:00:00", 12.0, 12.4, 11.8, 12.1, 1_000.0)
"""What the snapshot at 10:00:30 tells of its own minute."""


def cut_short() -> Tape:
    """Return a tape of a scanner that starts within a minute: 6,000 shares before it."""
    tape = Tape(known=False)
    tape.snapshot("10:00:30", last=12.1, volume=6_000.0)
    return tape


def test_the_minute_of_the_snapshot_begins_with_what_it_told_of_it() -> None:
    tape = cut_short()
    tape.trade("10:00:31", 12.5, 200.0)
    tape.history("10:00:40", *MORNING, vwap=11.0, trades=10.0)
    tape.history("10:00:40", CUT, span_s=30, vwap=12.0, trades=4.0)
    tape.trade("10:00:41", 12.2, 100.0)
    tape.mark("10:00:42")
    dollars = 5_000 * 11 + 1_000 * 12 + 200 * 12.5 + 100 * 12.2
    assert tape("dollar_vol") == pytest.approx(dollars)
    assert tape.many("vol pm_vol vol_rth trades") == [6_300.0, 1_000.0, 5_300.0, 36.0]
    tape.mark("10:01:01")
    bar = tape.table.bars.of_row(0)[-1]
    assert [bar[n] for n in "open high low close volume trades".split()] == [
        12.0, 12.5, 11.8, 12.2, 1_300.0, 6,
    ]  # fmt: skip
    whole = ("10:00:00", 12.0, 12.5, 11.0, 12.2, 9_999.0)
    tape.history("10:01:06", whole, vwap=12.0, trades=99.0)
    assert tape("dollar_vol") == pytest.approx(dollars), "nothing lacked any more"


@pytest.mark.parametrize("odd", [0, 1])
def test_history_that_comes_after_the_minute_of_the_snapshot_completes_it(odd: int) -> None:
    tape = cut_short()
    for _ in range(odd):
        tape.trade("10:00:31", 12.0, 50.0, 37)
    tape.mark("10:01:01")
    tape.trade("10:01:02", 12.3, 100.0)
    tape.history("10:01:03", *MORNING, vwap=11.0, trades=10.0)
    tape.history("10:01:03", CUT, span_s=30, vwap=12.0, trades=4.0)
    dollars = 5_000 * 11 + 1_000 * 12 + odd * 50 * 12 + 1_230
    assert tape("dollar_vol") == pytest.approx(dollars)
    assert tape("trades") == 35.0 + odd
    assert tape.table.bars.of_row(0)["volume"].tolist()[-1] == 1_000.0


def test_of_a_minute_seen_before_the_snapshot_too_only_the_whole_bar_tells() -> None:
    tape = Tape(known=False)
    tape.trade("10:00:05", 12.4, 300.0)
    tape.feed("10:00:10", "gap", since="10:00:06")
    tape.snapshot("10:00:30", last=12.1, volume=6_000.0)
    tape.history("10:00:40", *MORNING, vwap=11.0, trades=10.0)
    tape.history("10:00:40", CUT, span_s=30, vwap=12.0, trades=4.0)
    assert tape("dollar_vol") == pytest.approx(5_000 * 11 + 300 * 12.4), "300 are counted once"
    tape.mark("10:01:01")
    tape.history("10:01:06", CUT, vwap=12.0, trades=4.0)
    assert tape("dollar_vol") == pytest.approx(5_000 * 11 + 1_000 * 12)


def test_a_minute_bar_replaces_what_the_snapshot_told_of_its_minute() -> None:
    tape = cut_short()
    tape.history("10:00:40", *MORNING, vwap=11.0, trades=10.0)
    tape.history("10:00:40", CUT, span_s=30, vwap=12.0, trades=4.0)
    whole = ("10:00:00", 12.0, 12.6, 11.8, 12.5, 1_500.0)
    tape.bars(60, whole, vwap=12.0, day_volume=6_500.0, trades=9.0)
    assert tape("trades") == 39.0
    assert tape.table.bars.of_row(0)["volume"].tolist()[-1] == 1_500.0
    assert tape("dollar_vol") == pytest.approx(5_000 * 11 + 1_500 * 12)
    assert tape("vol") == 6_500.0


def test_a_minute_of_which_the_snapshot_knows_no_price_is_complete() -> None:
    tape = cut_short()
    tape.history("10:00:40", *MORNING, vwap=11.0, trades=10.0)
    tape.history("10:00:40", ("10:00:00", *[np.nan] * 4, 0.0), span_s=30, trades=0.0)
    tape.trade("10:00:41", 12.2, 100.0)
    assert tape("dollar_vol") == pytest.approx(5_000 * 11 + 1_220)
    tape.mark("10:01:01")
    assert tape.table.bars.of_row(0)["volume"].tolist()[-1] == 100.0


def test_history_leaves_a_row_alone_that_saw_its_whole_day() -> None:
    tape = trading()
    tape.history("10:00:20", *MORNING)
    assert tape.many("hod vol trades") == [10.0, 100.0, 1.0]


def test_history_keeps_what_the_stream_saw_in_fuller_bars() -> None:
    tape = Tape(known=False)
    tape.trade("09:59:50", 12.4, 9_000.0)
    tape.mark("10:00:00")
    tape.feed("10:00:01", "gap", since="09:59:59")
    tape.snapshot("10:00:02", last=12.0, volume=15_000.0)
    tape.history("10:00:20", *MORNING, ("09:59:00", 12, 12, 12, 12, 500.0), trades=1.0)
    bars = tape.table.bars.of_row(0)
    assert bars["volume"].tolist() == [1_000.0, 3_000.0, 1_000.0, 9_000.0]
    assert tape("hod") == 12.5


def test_history_that_ends_with_the_forming_minute_closes_it() -> None:
    tape = Tape(known=False)
    tape.snapshot("10:00:00", last=12.0, volume=5_000.0)
    tape.trade("10:00:10", 12.1, 200.0)
    tape.history("10:00:59", *MORNING, ("10:00:00", 12, 12.3, 12, 12.1, 300.0), trades=3.0)
    tape.trade("10:00:59.5", 12.4, 50.0)
    tape.mark("10:01:00")
    bars = tape.table.bars.of_row(0)
    assert bars["volume"].tolist() == [1_000.0, 3_000.0, 1_000.0, 350.0]
    assert tape.many("vol hod") == [5_250.0, 12.5]


# Splits


def test_a_split_today_is_provisional_until_the_previous_close_is_verified() -> None:
    tape = Tape(known=False)
    tape.refer(Reference(symbol="A", prev_close=5.0, split_today=0.1))
    tape.mark("08:59:59")
    assert tape.many("provisional split_today") == [True, True]
    tape.snapshot("09:00:00", prev_close=20.0)
    assert tape("provisional") is True
    tape.snapshot("09:00:01", prev_close=50.1)
    assert tape.many("provisional prev_close") == [False, 5.0]


# Halts, bands, the short-sale restriction


def test_halts_and_resumes() -> None:
    tape = trading()
    tape.halt("10:00:05", True, "LUDP", resumes="10:05:05")
    tape.halt("10:00:06", True, "LUDP", resumes="10:05:05")
    tape.mark("10:00:15")
    names = "halted halt_code halt_time halts_today resume_time secs_since_resume"
    assert tape.many(names) == [True, "LUDP", 10.0, 1.0, 290.0, None]
    tape.halt("10:05:05", False)
    tape.halt("10:10:00", True, "T1")
    tape.halt("10:20:00", False)
    tape.mark("10:20:01")
    assert tape.many(names) == [False, None, None, 2.0, None, 1.0]


def test_the_distance_to_the_bands_in_regular_hours_alone() -> None:
    tape = trading()
    tape.bands("10:00:01", 9.0, 10.2)
    tape.mark("10:00:02")
    assert tape.many("luld_up luld_dn") == [10.2, 9.0]
    assert tape("luld_dist_pct") == pytest.approx(2.0)
    tape.mark("16:00:00")
    assert tape.many("luld_up luld_dn luld_dist_pct limit_s") == [None] * 4


def test_a_limit_state_begins_and_ends_with_the_quotes() -> None:
    tape = trading()
    tape.bands("10:00:01", 9.0, 10.2)
    tape.mark("10:00:01")
    tape.quote("10:00:01.5", 10.2, 10.3)
    tape.mark("10:00:02")
    tape.mark("10:00:12")
    assert tape.many("limit_s halt_suspected") == [10.0, False]
    tape.mark("10:00:17")
    assert tape.many("limit_s halt_suspected halted") == [15.0, True, False]
    tape.quote("10:00:17.5", 10.1, 10.3)
    tape.mark("10:00:18")
    assert tape.many("limit_s halt_suspected") == [None, False]
    tape.quote("10:00:18.5", 8.9, 9.0)
    tape.mark("10:00:19")
    tape.mark("10:00:20")
    assert tape("limit_s") == 1.0


def test_a_side_without_a_quote_is_unknown_and_no_limit_state() -> None:
    tape = trading()
    tape.bands("10:00:01", 9.0, 11.0)
    tape.quote("10:00:01", 10.0, 0.0)
    tape.mark("10:00:02")
    assert tape.many("bid ask mid spread_pct limit_s") == [10.0, None, None, None, None]


def test_the_restriction_is_estimated_and_carried_over_one_session() -> None:
    tape = Tape()
    tape.trade("08:00:00", 8.0, 100.0, 12)
    assert tape("ssr") is False
    tape.trade("10:00:00", 9.01)
    tape.trade("10:00:01", 8.99, 100.0, 37)
    assert tape("ssr") is False
    tape.trade("10:00:02", 9.0)
    tape.trade("10:00:03", 9.5)
    assert tape("ssr") is True
    tape.mark("10:00:04")
    tape.mark("04:00:00", days=3)
    assert tape("ssr") is True
    tape.mark("04:00:00", days=4)
    assert tape("ssr") is False


# Age


def test_quiet_is_not_stale() -> None:
    tape = trading()
    tape.mark("10:04:00", complete="10:03:59.8")
    assert tape.many("quiet_s age_ms stale") == [240.0, 200.0, False]
    tape.mark("10:04:01", complete="10:03:55.9")
    assert tape.many("age_ms stale") == [5_100.0, True]


def test_a_row_without_a_print_has_no_quiet_time() -> None:
    tape = Tape()
    tape.mark("10:00:00")
    assert tape.many("quiet_s secs_since_hod trade_rate vol_1m") == [None, None, 0.0, 0.0]


def test_a_minute_bar_that_comes_after_its_mark_replaces_what_the_snapshot_told() -> None:
    tape = cut_short()
    tape.history("10:00:40", *MORNING, vwap=11.0, trades=10.0)
    tape.history("10:00:40", CUT, span_s=30, vwap=12.0, trades=4.0)
    tape.mark("10:01:00")
    tape.bars(60, ("10:00:00", 12.0, 12.6, 11.8, 12.5, 1_500.0), vwap=12.0, day_volume=6_500.0)
    assert tape.table.bars.of_row(0)["volume"].tolist()[-1] == 1_500.0
    assert tape("dollar_vol") == pytest.approx(5_000 * 11 + 1_500 * 12)
    assert tape("vol") == 6_500.0


def test_what_the_snapshot_told_of_a_minute_whose_bar_has_come_is_not_added() -> None:
    tape = cut_short()
    tape.mark("10:01:00")
    tape.bars(60, ("10:00:00", 12.0, 12.6, 11.8, 12.5, 1_500.0), vwap=12.0, day_volume=6_500.0)
    tape.history("10:01:01", *MORNING, vwap=11.0, trades=10.0)
    tape.history("10:01:01", CUT, span_s=30, vwap=12.0, trades=4.0)
    assert tape.table.bars.of_row(0)["volume"].tolist()[-1] == 1_500.0
    assert tape("dollar_vol") == pytest.approx(5_000 * 11 + 1_500 * 12)


def test_a_row_that_saw_prints_of_the_snapshots_minute_takes_nothing_of_it_twice() -> None:
    tape = Tape(known=False)
    tape.trade("10:00:05", 12.4, 300.0)
    tape.mark("10:01:00")
    tape.feed("10:01:00.1", "gap", since="10:00:06")
    tape.snapshot("10:01:01", "10:00:58", last=12.1, volume=6_000.0)
    tape.history("10:01:02", *MORNING, vwap=11.0, trades=10.0)
    tape.history("10:01:02", CUT, span_s=58, vwap=12.0, trades=4.0)
    assert tape("dollar_vol") == pytest.approx(5_000 * 11 + 300 * 12.4)


def test_a_history_of_no_price_at_all_is_survived() -> None:
    tape = cut_short()
    tape.history("10:00:40", ("10:00:00", *[np.nan] * 4, 0.0), span_s=30, trades=0.0)
    assert tape.many("dollar_vol trades vol") == [None, None, 6_000.0]
