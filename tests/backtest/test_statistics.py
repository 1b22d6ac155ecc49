"""Interval formulas against published and exactly reckoned values."""

import math

import numpy as np
import pytest

from tapelight.app.backtest.statistics import hit_rate, mean, median, scan_record, wilson
from tapelight.model.outcomes import Interval, Outcome


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17, table I, method 3 (Wilson's score).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson(hits: int, n: int, low: float, high: float) -> None:
    found = wilson(hits, n)
    assert found.value == hits / n
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_nothing_tried_is_nothing_known() -> None:
    assert wilson(0, 0) == median(np.zeros(0)) == Interval()
    assert mean(np.zeros(0), []) == Interval()


@pytest.mark.parametrize(
    # Conover, table of the sign test: the k-th smallest and largest that cover 95 %.
    ("n", "k"), [(6, 1), (8, 1), (9, 2), (10, 2), (15, 4), (20, 6), (25, 8), (50, 18), (100, 40)],
)  # fmt: skip
def test_the_median_lies_between_the_order_statistics_of_the_table(n: int, k: int) -> None:
    values = np.random.default_rng(1).permutation(np.arange(1.0, n + 1.0))
    assert median(values) == Interval(float(np.median(values)), float(k), float(n + 1 - k))


def test_the_median_of_five_has_no_such_interval() -> None:
    assert median(np.array([1.0, 2.0, np.nan, 3.0, 4.0, 5.0])) == Interval(3.0)


def test_the_median_of_many_is_reckoned_all_the_same() -> None:
    found = median(np.arange(200_001.0))
    assert found.value == 100_000.0
    reach = 1.96 * math.sqrt(200_001) / 2
    assert found.low == pytest.approx(100_000.0 - reach, abs=2.0)


def test_a_hit_is_above_zero_and_the_unknown_is_none() -> None:
    assert hit_rate(np.array([1.0, 0.0, -1.0, np.nan])) == wilson(1, 3)


def test_the_mean_is_resampled_the_same_each_time() -> None:
    values, days = np.random.default_rng(2).normal(1.0, 2.0, 400), ["a"] * 200 + ["b"] * 200
    found = mean(values, days)
    assert found == mean(values, days)
    reach = 1.96 * values.std() / 20.0
    assert (found.low, found.high) == pytest.approx(
        (values.mean() - reach, values.mean() + reach), abs=0.03
    )


def test_signals_of_a_day_count_as_one_draw() -> None:
    """Five days of 100 equal signals each know no more than five numbers."""
    per_day = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    values, days = np.repeat(per_day, 100), np.repeat(list("abcde"), 100)
    wide = mean(values, days)
    narrow = mean(values, np.repeat(["a", "b"], 250))
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)  # type: ignore[operator]


def test_one_value_has_no_interval_and_many_in_few_days_the_normal_one() -> None:
    assert mean(np.array([3.0, np.nan]), ["a", "a"]) == Interval(3.0)
    values = np.random.default_rng(3).normal(0.0, 1.0, 10_000)
    found = mean(values, ["a"] * 10_000)
    assert found.high == pytest.approx(values.mean() + 1.96 * values.std() / 100, rel=1e-3)


def test_a_record_counts_every_fire() -> None:
    fires = [
        Outcome(id=str(i), scan="s", symbol="A", ts_ns=i, session=f"2026-11-{20 + i % 2}",
                net=(r, None, None, None, None), mae_30m=-float(i), mfe_30m=2.0)
        for i, r in enumerate([1.0, -1.0, 0.5, None, 2.0, -0.2])
    ]  # fmt: skip
    record = scan_record("s", fires)
    first = record.horizons[0]
    assert (record.fires, first.n, first.median.value) == (6, 5, 0.5)
    assert first.hit_rate == wilson(3, 5)
    assert (record.mae_30m, record.mfe_30m) == (-2.5, 2.0)
    assert (record.since, record.until) == ("2026-11-20", "2026-11-21")
    assert scan_record("none", []).fires == 0
