"""Which print moves what: sale conditions, phases, auctions, the official prices."""

import datetime as dt
import random

import pytest

from market.tape import Tape
from tapelight.market.eligibility import Masks
from tapelight.market.windows import NUMBERS
from tapelight.model.conditions import KNOWN, UNKNOWN, US_RULES, mask_of
from tapelight.model.records import Reference, Rules

NEVER = (2, 7, 13, 20, 21, 29, 52, 53)
"""Average price, cash, U, next day, price variation, seller, contingent: volume alone."""
FREE = (0, 1, 3, 4, 9, 11, 14, 23, 27, 34, 36, 41)
"""Regular, acquisition, automatic, bunched, cross, distribution, ISO, ...: everything."""


def opened() -> Tape:
    tape = Tape()
    tape.trade("09:30:01", 10.0)
    return tape


@pytest.mark.parametrize("condition", FREE)
def test_a_regular_print_moves_everything(condition: int) -> None:
    tape = opened()
    tape.trade("09:30:02", 10.5, 200.0, condition)
    tape.trade("09:30:03", 9.5, 300.0, condition)
    assert tape.many("last high low hod lod") == [9.5, 10.5, 9.5, 10.5, 9.5]
    assert tape.many("vol vol_rth trades") == [600.0, 600.0, 3.0]


@pytest.mark.parametrize("condition", [*NEVER, 12, 37])
def test_what_is_barred_counts_for_volume_alone(condition: int) -> None:
    tape = opened()
    tape.trade("09:30:02", 10.5, 200.0, condition)
    assert tape.many("last high low hod lod") == [10.0] * 5
    assert tape.many("vol vol_rth trades") == [300.0, 300.0, 2.0]


@pytest.mark.parametrize("free", FREE)
def test_one_no_among_the_conditions_disqualifies(free: int) -> None:
    tape = opened()
    tape.trade("09:30:02", 10.5, 200.0, free, 37)
    assert tape.many("last high") == [10.0, 10.0]


@pytest.mark.parametrize("condition", [10, 22, 32, 5])
def test_a_print_that_is_last_only_when_first(condition: int) -> None:
    tape = Tape()
    tape.trade("09:30:01", 10.2, 100.0, condition)
    assert tape.many("last high hod") == [10.2, 10.2, 10.2]
    tape.trade("09:30:02", 10.4, 100.0, condition)
    assert tape.many("last high low hod") == [10.2, 10.4, 10.2, 10.2]


def test_a_derived_print_moves_the_sip_high_and_fires_nothing() -> None:
    tape = opened()
    tape.mark("09:30:01.5")
    tape.trade("09:30:02", 10.5, 100.0, 32)
    before = tape.many("new_high new_hod")
    tape.trade("09:30:03", 10.3, 100.0)
    assert before == [False, False]
    assert tape.many("new_high new_hod high hod new_highs_today") == [False, True, 10.5, 10.3, 1.0]


def test_sold_last_moves_last_from_the_exchange_of_the_last_or_the_listing() -> None:
    tape = Tape()
    tape.refer(Reference(symbol="A", exchange_id=7))
    tape.trade("09:30:01", 10.0, exchange=3)
    tape.trade("09:30:02", 10.1, 100.0, 30, exchange=4)
    assert tape.many("last high") == [10.0, 10.1]
    tape.trade("09:30:03", 10.2, 100.0, 30, exchange=3)
    assert tape("last") == 10.2
    tape.trade("09:30:04", 10.3, 100.0, 30, exchange=7)
    assert tape("last") == 10.3


def test_an_unknown_condition_counts_for_volume_and_is_counted() -> None:
    assert mask_of([99]) == UNKNOWN
    assert mask_of([60]) == 0
    tape = opened()
    tape.trade("09:30:02", 10.5, 100.0, 99)
    assert tape.many("last high vol") == [10.0, 10.0, 200.0]
    assert tape.table.counters[5] == 1


def test_form_t_is_neutral_before_the_open_and_after_the_close() -> None:
    tape = Tape()
    tape.trade("08:00:00", 10.2, 100.0, 12)
    tape.trade("08:00:01", 10.9, 5.0, 12, 37)
    tape.trade("08:00:02", 10.8, 50.0, 13)
    assert tape.many("last hod lod pm_high pm_low") == [10.2] * 5
    assert tape.many("high low open vwap") == [None] * 4
    assert tape.many("vol pm_vol vol_rth post_vol") == [155.0, 155.0, 0.0, 0.0]
    tape.trade("09:30:00", 10.0)
    tape.trade("15:59:59", 10.1)
    tape.trade("16:00:01", 10.6, 100.0, 12)
    tape.mark("16:01:00")
    assert tape.many("last hod high pm_high close_rth") == [10.6, 10.6, 10.1, 10.2, 10.1]
    assert tape.many("vol_rth post_vol") == [200.0, 100.0]
    assert tape("post_chg_pct") == pytest.approx(100 * (10.6 / 10.1 - 1))


@pytest.mark.parametrize("condition", [10, 22, 32, 5, 2, 7, 13, 52, 53, 38, 37])
def test_what_is_not_clean_moves_nothing_outside_regular_hours(condition: int) -> None:
    tape = Tape()
    tape.trade("08:00:00", 10.0, 100.0, 12)
    tape.trade("08:00:01", 10.5, 100.0, 12, condition)
    assert tape.many("last hod pm_high") == [10.0, 10.0, 10.0]


def test_phases_and_the_half_day() -> None:
    tape = Tape(day=dt.date(2026, 11, 27))
    phases = {}
    for time in ("04:00:00", "09:29:59.999", "09:30:00", "12:59:59", "13:00:00", "17:00:00"):
        tape.mark(time)
        phases[time] = tape("phase")
    assert list(phases.values()) == ["pre", "pre", "regular", "regular", "post", "closed"]


def test_the_close_of_a_half_day_is_null_before_thirteen_hours() -> None:
    tape = Tape(day=dt.date(2026, 11, 27))
    tape.trade("12:59:59", 10.4)
    tape.mark("12:59:59.950")
    assert tape("close_rth") is None
    tape.trade("13:00:02", 10.5, 1_000.0, 8)
    tape.trade("13:00:03", 10.9, 100.0, 12)
    tape.mark("13:00:04")
    assert tape.many("close_rth last vol_rth post_vol") == [10.5, 10.9, 1_100.0, 100.0]


def test_opening_and_closing_prints_count_as_regular_though_stamped_after_the_close() -> None:
    tape = Tape()
    tape.trade("09:30:00.5", 10.0, 5_000.0, 17)
    tape.trade("15:59:59", 10.4)
    tape.trade("16:00:01", 10.3, 50.0, 12)
    tape.trade("16:00:04", 10.6, 9_000.0, 8)
    tape.mark("16:00:05")
    assert tape.many("vol_rth post_vol close_rth high last") == [14_100.0, 50.0, 10.6, 10.6, 10.6]
    assert tape("vwap") == pytest.approx((50_000 + 1_040 + 95_400) / 14_100)


def test_an_opening_print_in_form_t_is_pre_market() -> None:
    tape = Tape()
    tape.trade("04:00:00", 10.2, 70.0, 12, 17)
    assert tape.many("pm_vol vol_rth pm_high high") == [70.0, 0.0, 10.2, None]


def test_the_official_open_and_close_give_prices_and_no_volume() -> None:
    tape = Tape()
    tape.refer(Reference(symbol="A", exchange_id=1))
    tape.trade("09:30:00.1", 10.0)
    assert tape.many("open open_provisional") == [10.0, True]
    tape.trade("09:30:00.2", 10.3, 9_000.0, 16, exchange=2)
    assert tape.many("open open_provisional") == [10.0, True]
    tape.trade("09:30:00.3", 10.2, 9_000.0, 16, exchange=1)
    assert tape.many("open open_provisional high last") == [10.2, False, 10.0, 10.0]
    tape.trade("16:00:01", 10.7, 1_000.0, 8, exchange=1)
    tape.trade("16:00:02", 10.8, 1_000.0, 15, exchange=2)
    tape.trade("16:00:03", 10.75, 1_000.0, 15, exchange=1)
    tape.trade("16:00:04", 10.9, 500.0, 8, exchange=2)
    tape.mark("16:00:05")
    assert tape.many("close_rth vol_rth vol trades") == [10.75, 1_600.0, 1_600.0, 3.0]


def test_official_prices_of_an_unknown_listing_are_not_taken() -> None:
    tape = opened()
    tape.trade("09:30:02", 11.0, 100.0, 16, exchange=3)
    tape.trade("16:00:02", 11.0, 100.0, 15, exchange=3)
    tape.mark("16:00:03")
    assert tape.many("open close_rth") == [10.0, 10.0]


def test_a_corrected_close_moves_the_close_and_the_extremes_without_volume() -> None:
    tape = opened()
    tape.trade("16:00:01", 10.1, 500.0, 8)
    tape.trade("16:05:00", 10.4, 500.0, 38)
    tape.mark("16:05:01")
    assert tape.many("close_rth high vol post_vol") == [10.4, 10.4, 600.0, 0.0]
    assert tape("last") == 10.1


def test_the_gap_is_indicative_until_the_open() -> None:
    tape = Tape()
    tape.trade("08:00:00", 11.0, 100.0, 12)
    assert tape("gap_pct") == pytest.approx(10.0)
    tape.trade("09:30:00", 10.5)
    tape.trade("09:31:30", 12.0)
    assert tape("gap_pct") == pytest.approx(5.0)
    assert tape("chg_pct") == pytest.approx(20.0)
    assert tape("chg_open_pct") == pytest.approx(100 * (12 / 10.5 - 1))


def test_the_vwap_leaves_out_derived_prints_and_freezes_after_the_close() -> None:
    tape = Tape()
    tape.trade("08:00:00", 9.0, 100.0, 12)
    tape.trade("09:30:00", 10.0, 100.0)
    tape.trade("09:30:01", 11.0, 100.0, 37)
    for condition in (2, 7, 10, 12, 13, 20, 21, 22, 29, 32, 52, 53):
        tape.trade("09:30:02", 10.5, 1_000.0, condition)
    assert tape("vwap") == pytest.approx(10.5)
    assert tape("vwap_pm") == pytest.approx(10.0)
    assert tape("vwap_sd") == pytest.approx(0.5)
    tape.trade("16:30:00", 12.0, 100.0, 12)
    assert tape("vwap") == pytest.approx(10.5)
    assert tape("vwap_pm") == pytest.approx(10.5)
    assert tape("vwap_z") == pytest.approx(3.0)


def test_the_tape_leaves_out_auctions_and_derived_prints() -> None:
    tape = Tape()
    tape.mark("09:30:00")
    for condition in (17, 25, 18, 28, 8, 19, 2, 10, 22, 32, 52, 53):
        tape.trade("09:30:01", 10.0, 20_000.0, condition)
    assert tape.many("trade_rate blocks_5m buy_pct_1m") == [0.0, 0.0, None]
    assert tape("vol_1m") == 12 * 20_000.0


def test_bought_and_sold_by_the_quote_and_at_the_mid_by_the_tick() -> None:
    tape = Tape()
    tape.quote("09:30:00", 9.9, 10.1)
    tape.trade("09:30:01", 10.1, 300.0)
    tape.trade("09:30:02", 9.9, 100.0)
    assert tape("buy_pct_1m") == pytest.approx(75.0)
    tape.trade("09:30:03", 10.0, 400.0)
    assert tape("buy_pct_1m") == pytest.approx(100 * 700 / 800)
    assert tape("avg_trade_size_1m") == pytest.approx(800 / 3)


def test_blocks_by_shares_or_by_dollars() -> None:
    tape = opened()
    tape.trade("09:30:02", 10.0, 10_000.0)
    tape.trade("09:30:03", 10.0, 9_999.0)
    tape.trade("09:30:04", 10.0, 19_999.0)
    tape.refer(Reference(symbol="A"))
    assert tape("blocks_5m") == 2.0


def test_round_the_clock_every_print_counts_for_everything() -> None:
    tape = Tape(cal="24x7")
    tape.trade("00:00:01", 10.0, 0.5, 37)
    tape.trade("12:00:00", 30.0, 0.25, 2)
    tape.mark("12:00:01")
    assert tape.many("last high low hod open") == [30.0, 30.0, 10.0, 30.0, 10.0]
    assert tape.many("vol vol_rth trades phase") == [0.75, 0.75, 2.0, "regular"]
    assert tape("vwap") == pytest.approx((5 + 7.5) / 0.75)


def test_duplicates_by_sequence_number_count_once() -> None:
    tape = Tape("A", "B")
    for seq in (5, 5, 7, 5, 7):
        tape.trade("09:30:01", 10.0, 100.0, seq=seq)
    tape.trade("09:30:01", 10.0, 100.0, seq=5, symbol="B")
    assert tape("vol") == 200.0
    assert tape("vol", "B") == 100.0
    assert tape.table.counters[2] == 3


def test_a_print_that_others_overtook_is_volume_and_a_high_but_no_last() -> None:
    tape = Tape()
    for seq, price in ((3, 10.0), (9, 10.2), (6, 10.4), (6, 10.4), (12, 10.1), (9, 10.2)):
        tape.trade("09:30:01", price, 100.0, seq=seq)
    tape.mark("09:30:02")
    assert tape.many("vol trades last high low") == [400.0, 4.0, 10.1, 10.4, 10.0]


def test_what_is_older_than_the_numbers_that_are_kept_is_a_repeat() -> None:
    tape = Tape()
    numbers = [2 * k for k in range(1, 41)]
    for seq in [*numbers, *numbers, 2 * 40 - 2 * NUMBERS + 1, 2 * 40 - 1]:
        tape.trade("09:30:01", 10.0, 100.0, seq=seq)
    assert tape("vol") == 41 * 100.0
    assert tape.table.counters[2] == 41


@pytest.mark.parametrize("seed", range(5))
def test_prints_that_are_repeated_and_overtaken_give_the_figures_of_those_in_turn(
    seed: int,
) -> None:
    draw = random.Random(seed)
    prints = [
        (n, round(10.0 + draw.random() / 2, 2), draw.randrange(1, 500)) for n in range(1, 400)
    ]
    mixed = sorted(prints, key=lambda one: one[0] + draw.uniform(0.0, 7.0))
    again = [p for one in mixed for p in [one] * draw.choice((1, 1, 1, 2, 3))]
    figures = []
    for tape, order in ((Tape(), prints), (Tape(), again)):
        for n, price, size in order:
            tape.trade("09:30:01", price, float(size), seq=n)
        tape.mark("09:30:02")
        figures.append(tape.many("vol trades high low"))
        vwap = sum(p * s for _, p, s in prints) / sum(s for *_, s in prints)
        assert tape("vwap") == pytest.approx(vwap, rel=1e-12)
    assert figures[0] == figures[1]


def test_a_print_of_the_day_before_is_late() -> None:
    tape = Tape()
    tape.mark("04:00:00")
    tape.trade("19:59:59", 11.0, days=-1)
    assert tape.many("last vol") == [None, 0.0]
    assert tape.table.counters[3] == 1


def test_a_providers_rules_replace_the_shipped_ones() -> None:
    import msgspec

    tape = opened()
    rules = msgspec.structs.replace(US_RULES, no_last=US_RULES.no_last | mask_of([14]))
    tape.engine.apply(Rules(rules))
    tape.trade("09:30:02", 10.5, 100.0, 14)
    assert tape.many("last high") == [10.0, 10.5]


def test_every_mask_of_the_fold_is_a_rule_over_known_bits() -> None:
    known = sum(1 << i for i in KNOWN) | UNKNOWN
    for name in Masks._fields:
        assert int(getattr(US_RULES, name)) & ~known == 0, name
