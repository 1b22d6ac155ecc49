"""Beta and correlation out of folded daily bars, and the sector that a SIC code means."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from model.test_daily import Day, folded
from tapelight.model.daily import DailyFold, SectorMoves, levels
from tapelight.model.sectors import SECTOR_FUNDS, sector_of_sic

SYMBOLS = ("SPY", "XLK", "A", "NEW")


def closes(days: int, seed: int = 1) -> np.ndarray:
    """Return closes by symbol: XLK and A follow SPY, NEW lists 30 days before the end."""
    rng = np.random.default_rng(seed)
    market = rng.normal(0.0, 0.01, days)
    tech = market * 1.2 + rng.normal(0.0, 0.005, days)
    stock = tech * 1.1 + rng.normal(0.0, 0.01, days)
    fresh = market * 0.5 + rng.normal(0.0, 0.02, days)
    found = 50.0 * np.exp(np.cumsum([market, tech, stock, fresh], axis=1))
    found[3, : max(days - 30, 0)] = np.nan
    return found


def fold_of(table: np.ndarray) -> DailyFold:
    def bar(symbol: str, close: float) -> Day:
        return Day(symbol, close + 1.0, close - 1.0, close, 1000.0)

    days = [
        [bar(s, float(c)) for s, c in zip(SYMBOLS, column, strict=True) if c == c]
        for column in table.T
    ]
    return folded(days)


@pytest.mark.parametrize("days", [61, 62, 130, 200])
def test_beta_and_correlation_are_their_definitions(days: int) -> None:
    table = closes(days)
    found = levels(fold_of(table))
    steps = np.diff(np.log(table), axis=1)
    sixty, twenty = steps[:, -60:], steps[:, -20:]
    told = np.cov(sixty[2], sixty[0])[0, 1] / np.var(sixty[0], ddof=1)
    assert found["A"]["beta_spy"] == pytest.approx(told, rel=1e-9)
    assert found["SPY"]["beta_spy"] == pytest.approx(1.0)
    assert found["A"]["corr_spy_20d"] == pytest.approx(np.corrcoef(twenty)[2, 0], rel=1e-9)
    fresh = steps[:, -29:]
    told = np.cov(fresh[3], fresh[0])[0, 1] / np.var(fresh[0], ddof=1)
    assert found["NEW"]["beta_spy"] == pytest.approx(told, rel=1e-9)


def test_a_month_of_days_gives_a_first_beta() -> None:
    found = levels(fold_of(closes(21)))
    assert found["A"]["beta_spy"] is not None
    short = levels(fold_of(closes(20)))
    assert short["A"]["beta_spy"] is None
    assert short["A"]["corr_spy_20d"] is not None, "19 of 20 returns"
    assert levels(fold_of(closes(15)))["A"]["corr_spy_20d"] is None


def test_a_day_without_trade_breaks_two_returns() -> None:
    table = closes(61)
    table[2, [45, 50]] = np.nan
    steps = np.diff(np.log(table), axis=1)[:, -20:]
    known = ~np.isnan(steps[2])
    assert known.sum() == 16
    told = np.corrcoef(steps[2][known], steps[0][known])[0, 1]
    assert levels(fold_of(table))["A"]["corr_spy_20d"] == pytest.approx(told, rel=1e-9)
    table[2, 55] = np.nan
    assert levels(fold_of(table))["A"]["corr_spy_20d"] is None


def test_without_spy_there_is_no_benchmark() -> None:
    fold = folded([[Day("A", 11.0, 9.0, 10.0 + i % 3, 100.0)] for i in range(80)])
    assert levels(fold)["A"]["beta_spy"] is None
    assert levels(fold)["A"]["corr_spy_20d"] is None


def test_a_symbol_moves_with_the_fund_of_its_sector() -> None:
    table = closes(80)
    moves = SectorMoves(fold_of(table))
    steps = np.diff(np.log(table), axis=1)[:, -20:]
    told = np.corrcoef(steps)[2, 1]
    assert moves.correlation("A", "Technology") == pytest.approx(told, rel=1e-9)
    assert moves.correlation("A", "Energy") is None, "its fund is not listed here"
    assert moves.correlation("A", None) is None
    assert moves.correlation("B", "Technology") is None
    assert SectorMoves().correlation("A", "Technology") is None


@pytest.mark.parametrize(
    ("code", "sector"),
    [
        ("3571", "Technology"), ("3674", "Technology"), ("7372", "Technology"),
        ("2834", "Health Care"), ("2836", "Health Care"), ("3841", "Health Care"),
        ("6022", "Financials"), ("6770", "Financials"), ("3711", "Consumer Discretionary"),
        ("5961", "Consumer Discretionary"), ("2080", "Consumer Staples"),
        ("5331", "Consumer Staples"), ("5411", "Consumer Staples"), ("1311", "Energy"),
        ("2911", "Energy"), ("6798", "Real Estate"), ("1040", "Materials"),
        ("3312", "Materials"), ("4841", "Communication Services"), ("4911", "Utilities"),
        ("3721", "Industrials"), ("4512", "Industrials"), ("9995", None), ("", None),
        (None, None), ("12a4", None), ("0010", None),
    ],
)  # fmt: skip
def test_a_sic_code_names_a_sector(code: str | None, sector: str | None) -> None:
    assert sector_of_sic(code) == sector
    assert sector is None or sector in SECTOR_FUNDS


def test_real_funds_have_the_betas_that_they_promise(shared: Path) -> None:
    """TZA promises -3 times the Russell 2000, VOO is the S&P 500 itself, as SPY is."""
    rows = (
        pl.read_parquet(shared / "data/daily_us.parquet")
        .filter(pl.col("date").is_between(dt.date(2018, 10, 1), dt.date(2019, 2, 14)))
        .unique(["symbol", "date"], keep="first")
        .sort("date", "symbol")
    )
    days = [
        [
            Day(s, h, low, c, v)
            for s, h, low, c, v in day.select("symbol", "h", "l", "c", "v").rows()
        ]
        for day in rows.partition_by("date", maintain_order=True)
    ]
    found = levels(folded(days))
    assert found["VOO"]["beta_spy"] == pytest.approx(1.0, abs=0.02)
    assert found["TZA"]["beta_spy"] == pytest.approx(-3.0, abs=0.2)
    assert found["QQQ"]["beta_spy"] == pytest.approx(1.25, abs=0.1)
    assert found["VOO"]["corr_spy_20d"] == pytest.approx(1.0, abs=0.01)
    assert found["TZA"]["corr_spy_20d"] == pytest.approx(-0.9, abs=0.05)
    assert found["GLD"]["corr_spy_20d"] == pytest.approx(0.0, abs=0.2)
