"""What daily bars say of a symbol before its session."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pytest

from tapelight.model.daily import DailyFold, fold_days, levels
from tapelight.model.past import Split, day_bars


@dataclass(frozen=True)
class Day:
    ticker: str
    h: float
    l: float  # noqa: E741 - the field's usual name
    c: float
    v: float


START = dt.date(2025, 1, 1)


def folded(days: list[list[Day]], *, deep: bool = True, half: tuple[int, ...] = ()) -> DailyFold:
    fold = DailyFold(START, deep=deep)
    for i, bars in enumerate(days):
        fold.add(START + dt.timedelta(days=i), bars, full=i not in half)
    return fold


def walk(n: int, seed: int = 1) -> list[Day]:
    rng = np.random.default_rng(seed)
    close = np.round(50 * np.exp(np.cumsum(rng.normal(0, 0.02, n))), 2)
    high, low = close + np.round(rng.random(n), 2), close - np.round(rng.random(n), 2)
    volume = rng.integers(1, 1_000, n) * 100.0
    rows = zip(high.tolist(), low.tolist(), close.tolist(), volume.tolist(), strict=True)
    return [Day("A", *row) for row in rows]


def test_levels_of_a_long_walk_equal_their_definitions() -> None:
    days = walk(260)
    found = levels(folded([[d] for d in days]))["A"]
    close = np.array([d.c for d in days])
    high, low = np.array([d.h for d in days]), np.array([d.l for d in days])
    volume = np.array([d.v for d in days])
    assert found["prev_close"] == close[-1]
    assert (found["prev_high"], found["prev_low"], found["prev_volume"]) == (
        high[-1], low[-1], volume[-1],
    )  # fmt: skip
    assert found["prev_chg_pct"] == pytest.approx(100 * (close[-1] / close[-2] - 1))
    assert found["adv20"] == pytest.approx(volume[-20:].mean())
    assert found["adv_sessions"] == 20
    returns = np.diff(np.log(close[-21:]))
    assert found["hv20"] == pytest.approx(returns.std(ddof=1) * 252**0.5 * 100)
    assert found["sma50d"] == pytest.approx(close[-50:].mean())
    assert found["sma200d"] == pytest.approx(close[-200:].mean())
    assert (found["w52_high"], found["w52_low"]) == (high.max(), low.min())
    true_range = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])
    atr = true_range[:14].mean()
    for value in true_range[14:]:
        atr = (atr * 13 + value) / 14
    assert found["atr14"] == pytest.approx(atr)


def test_too_few_days_give_null() -> None:
    found = levels(folded([[d] for d in walk(14)]))["A"]
    assert [found[n] for n in ("atr14", "hv20", "sma50d", "sma200d")] == [None] * 4
    assert found["adv_sessions"] == 14
    fifteen = levels(folded([[d] for d in walk(15)]))["A"]
    assert fifteen["atr14"] is not None


def test_half_days_are_left_out_of_the_mean_volume() -> None:
    days = [[Day("A", 11.0, 9.0, 10.0, v)] for v in (100.0, 10.0, 300.0)]
    found = levels(folded(days, half=(1,)))["A"]
    assert (found["adv20"], found["adv_sessions"]) == (200.0, 2)
    assert found["prev_volume"] == 300.0


def test_a_day_without_a_trade_counts_as_no_volume_since_the_first() -> None:
    a, b = Day("A", 11.0, 9.0, 10.0, 100.0), Day("B", 11.0, 9.0, 10.0, 60.0)
    found = levels(folded([[a], [a, b], [a], [a, b]]))
    assert (found["B"]["adv20"], found["B"]["adv_sessions"]) == (40.0, 3)
    assert found["A"]["adv20"] == 100.0


def test_a_split_adjusts_every_figure_once() -> None:
    days = [[d] for d in walk(260)]
    plain, fold = levels(folded(days))["A"], folded(days)
    fold.cross_all([Split("A", "2025-09-19", 1, 10), Split("Z", "2025-09-19", 2, 1)], None)
    split = levels(fold)["A"]
    assert [(a.split.symbol, a.applied, a.proven) for a in fold.adjusted] == [("A", True, False)]
    for name in "prev_close prev_high prev_low atr14 w52_high w52_low sma50d sma200d".split():
        assert split[name] == pytest.approx(0.1 * (plain[name] or 0.0)), name
    for name in ("prev_volume", "adv20"):
        assert split[name] == pytest.approx(10 * (plain[name] or 0.0)), name
    for name in ("prev_chg_pct", "hv20", "adv_sessions", "best_day_1y_pct", "runner_days_1y"):
        assert split[name] == pytest.approx(plain[name]), name


def test_unsound_bars_are_left_out() -> None:
    good = Day("A", 11.0, 9.0, 10.0, 100.0)
    bad = [Day("B", 9.0, 11.0, 10.0, 1.0), Day("C", 11.0, 9.0, 0.0, 1.0), Day("D", 2, 1, 1, -1)]
    assert set(levels(folded([[good, *bad]]))) == {"A"}


def test_a_shallow_fold_gives_what_a_month_gives() -> None:
    found = levels(folded([[d] for d in walk(30)], deep=False))["A"]
    assert set(found) == {
        "prev_close", "prev_high", "prev_low", "prev_volume", "prev_chg_pct", "adv20", "hv20",
        "adv_sessions", "beta_spy", "corr_spy_20d",
    }  # fmt: skip


def _raw(days: list[Day], at: int, factor: float) -> list[Day]:
    """Return days as they were traded, where a split took effect before day `at`."""
    before = [Day(d.ticker, d.h / factor, d.l / factor, d.c / factor, d.v * factor) for d in days]
    return before[:at] + days[at:]


def _levels_of(days: list[Day], splits: list[Split]) -> dict[str, float | int | None]:
    dates = [START + dt.timedelta(days=i) for i in range(len(days))]
    columns = ((date, day_bars([day]), True) for date, day in zip(dates, days, strict=True))
    return levels(fold_days(columns, splits, dates[-1] + dt.timedelta(days=1)))["A"]


@pytest.mark.parametrize("at", [1, 5, 100, 199, 245, 259])
@pytest.mark.parametrize(("old", "new"), [(1, 10), (8, 1), (2, 3)])
def test_raw_days_with_a_split_inside_give_the_adjusted_levels(
    at: int, old: float, new: float
) -> None:
    days = walk(260)
    split = Split("A", (START + dt.timedelta(days=at)).isoformat(), old, new)
    wanted, found = _levels_of(days, []), _levels_of(_raw(days, at, old / new), [split])
    for name, value in wanted.items():
        assert found[name] == (None if value is None else pytest.approx(value, rel=1e-9)), name


def test_days_that_contain_the_split_are_not_adjusted_again() -> None:
    days = walk(260)
    split = Split("A", (START + dt.timedelta(days=200)).isoformat(), 1, 10)
    assert _levels_of(days, [split]) == _levels_of(days, [])


def test_two_splits_and_one_on_the_session_itself_multiply() -> None:
    days = walk(40)
    splits = [
        Split("A", (START + dt.timedelta(days=10)).isoformat(), 1, 2),
        Split("A", (START + dt.timedelta(days=30)).isoformat(), 1, 5),
        Split("A", (START + dt.timedelta(days=40)).isoformat(), 20, 1),
        Split("A", (START + dt.timedelta(days=41)).isoformat(), 1, 7),
    ]
    raw = _raw(_raw(days, 30, 1 / 5), 10, 1 / 2)
    wanted, found = _levels_of(days, []), _levels_of(raw, splits)
    for name in "prev_close prev_high w52_high w52_low atr14".split():
        assert found[name] == pytest.approx((wanted[name] or 0) * 20, rel=1e-9), name
    assert found["adv20"] == pytest.approx((wanted["adv20"] or 0) / 20)


def test_runner_days_close_thirty_percent_up() -> None:
    closes = [10.0, 13.0, 12.0, 15.7, 15.8]
    fold = folded([[Day("A", c + 1, c - 1, c, 100.0)] for c in closes])
    found = levels(fold)["A"]
    assert found["runner_days_1y"] == 2
    assert found["best_day_1y_pct"] == pytest.approx((15.7 / 12 - 1) * 100)


def test_without_the_last_session_its_levels_are_not_known() -> None:
    days = walk(30)
    dates = [START + dt.timedelta(days=i) for i in range(30)]
    columns = [(date, day_bars([day]), True) for date, day in zip(dates, days, strict=True)]
    session = dates[-1] + dt.timedelta(days=1)
    whole = levels(fold_days(columns, [], session, dates[-1]))["A"]
    assert (whole["w52_high"], whole["runner_days_1y"]) == (None, None), "a month is no year"
    behind = levels(fold_days(columns[:-1], [], session, dates[-1]))["A"]
    assert whole["prev_close"] == days[-1].c
    names = "prev_close prev_high prev_low prev_volume prev_chg_pct w52_high w52_low".split()
    assert [behind[name] for name in names] == [None] * 7
    assert behind["adv20"] == pytest.approx(np.mean([d.v for d in days[-21:-1]]))
