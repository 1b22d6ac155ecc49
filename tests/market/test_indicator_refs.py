"""Indicators against the expected values of another library (Stock.Indicators, Apache-2.0).

Each file's last 250 rows that hold a value, with the file's own parameters, moved on bar by bar
by the bank as in a session, to 1e-6 of the value (of 1 at least).
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tapelight.market.bank import Bank, Work
from tapelight.market.candles import CANDLE
from tapelight.market.indicators import Ask, ask

Floats = npt.NDArray[np.float64]
NO_ROWS = np.zeros(0, np.intp)
EQUAL = [
    ("Rsi", "RSI(14)", "rsi", (14,)),
    ("Macd", "MACD", "macd", (12, 26, 9)),
    ("Macd", "Signal", "macd_signal", (12, 26, 9)),
    ("Macd", "Histo", "macd_hist", (12, 26, 9)),
    ("BollingerBands", "upper", "bbands_upper", (20, 2, 2)),
    ("BollingerBands", "sma", "bbands_middle", (20, 2, 2)),
    ("BollingerBands", "lower", "bbands_lower", (20, 2, 2)),
    ("Atr", "ATR", "atr", (14,)),
    ("Tr", "TR", "trange", ()),
    ("Adx", "ADX", "adx", (14,)),
    ("Adx", "ADXR", "adxr", (14,)),
    ("Adx", "+DI14", "plus_di", (14,)),
    ("Adx", "-DI14", "minus_di", (14,)),
    ("Ema", "ema", "ema", (20,)),
    ("Dema", "dema", "dema", (20,)),
    ("Tema", "tema", "tema", (20,)),
    ("Sma", "SMA", "sma", (20,)),
    ("Smma", "SMMA", "rma", (20,)),
    ("Wma", "wma", "wma", (20,)),
    ("Hma", "hma", "hma", (20,)),
    ("Vwma", "vwma", "vwma", (10,)),
    ("Kama", "KAMA", "kama", (10,)),
    ("Stoch", "%K", "stoch_slowk", (14, 3, 0, 3, 0)),
    ("Stoch", "%D", "stoch_slowd", (14, 3, 0, 3, 0)),
    ("Stoch_STO933SMMA54", "%K", "stoch_slowk", (9, 3, 13, 3, 13)),
    ("StochRsi", "K(14)'", "stochrsi_fastk", (14, 14, 3, 0)),
    ("StochRsi", "StochRSI", "stochrsi_fastd", (14, 14, 3, 0)),
    ("WilliamsR", "%R", "willr", (14,)),
    ("Mfi", "mf", "mfi", (14,)),
    ("Cmf", "cmf", "cmf", (20,)),
    ("Adl", "adl", "ad", ()),
    ("Vwap", "VWAP", "vwap", ()),
    ("ForceIndex", "ema force", "efi", (13,)),
    ("ElderRay", "bull", "eri_bullpower", (13,)),
    ("ElderRay", "bear", "eri_bearpower", (13,)),
    ("SuperTrend", "SuperTrend", "supertrend", (14, 3)),
    ("SuperTrend_SuperTrend103withBitcoin", "SuperTrend", "supertrend", (10, 3)),
    ("Aroon", "up", "aroon_up", (25,)),
    ("Aroon", "down", "aroon_down", (25,)),
    ("Aroon", "osc", "aroonosc", (25,)),
    ("Roc", "roc", "roc", (20,)),
    ("Roc", "mom", "mom", (20,)),
    ("Slope", "m", "linearreg_slope", (20,)),
    ("StdDev", "stddev", "stddev", (10,)),
    ("Trix", "trix", "trix", (20,)),
    ("Ultimate", "ULT", "ultosc", (7, 14, 28)),
    ("Vortex", "VI+", "vortex_plusvi", (14,)),
    ("Vortex", "VI-", "vortex_minusvi", (14,)),
    ("Awesome", "AO", "ao", (5, 34)),
]


def read(folder: Path, name: str) -> dict[str, Floats]:
    """Return a file's columns; what is no number is NaN."""
    path = folder / "data" / "indicator_refs" / f"{name}.csv"
    head, *rows = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    columns: dict[str, Floats] = {}
    for i, title in enumerate(head):
        columns.setdefault(title, np.array([number(row[i]) for row in rows]))
    return columns


def number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def moved(columns: dict[str, Floats], asked: Ask, opened: int = 120) -> Floats:
    """Return a series' value after each bar: opened over the first, moved on by the others."""
    bars = np.zeros(len(columns["close"]), CANDLE)
    for name in ("open", "high", "low", "close", "volume"):
        bars[name] = columns.get(name, np.zeros(len(bars)))
    bars["minute"] = np.arange(len(bars))
    bank, found = Bank(), np.full(len(bars), np.nan)
    for i in range(opened, len(bars) + 1):
        first = i == opened
        reopened = np.array([0], np.intp) if first else NO_ROWS
        whole, fresh = ({"1m": bars[:i]}, {}) if first else ({}, {"1m": bars[i - 1 : i]})
        (values,) = bank.reckon(Work(0, 0, (asked,), reopened, whole, fresh, NO_ROWS))
        found[i - 1] = values.values[0, 0]
    return found


def expected_of(columns: dict[str, Floats], title: str) -> tuple[Floats, Any]:
    """Return the last 250 values there are, and where they stand."""
    at = np.flatnonzero(~np.isnan(columns[title]))[-250:]
    return columns[title][at], at


def assert_near(got: Floats, expected: Floats) -> None:
    assert len(expected) > 0
    off = np.abs(got - expected) / np.maximum(np.abs(expected), 1.0)
    assert np.nanmax(off) < 1e-6
    assert not np.isnan(off).any()


@pytest.mark.parametrize(("name", "title", "function", "params"), EQUAL)
def test_indicators_equal_the_references(
    shared: Path, name: str, title: str, function: str, params: tuple[float, ...]
) -> None:
    columns = read(shared, name)
    expected, at = expected_of(columns, title)
    opened = int(min(120, at[0] + 1))
    assert_near(moved(columns, ask(function, params), opened)[at], expected)


def test_obv_by_its_differences(shared: Path) -> None:
    """TA-Lib begins OBV with the first bar's volume, the reference with 0."""
    columns = read(shared, "Obv")
    got = moved(columns, ask("obv"))
    assert_near(np.diff(got)[-250:], np.diff(columns["obv"])[-250:])


@pytest.mark.parametrize(
    ("title", "band"), [("Upper", "upper"), ("Center", "middle"), ("Lower", "lower")]
)
def test_donchian_a_bar_later(shared: Path, title: str, band: str) -> None:
    """The reference's channel leaves the present bar out, TA-Lib's holds it."""
    columns = read(shared, "Donchian")
    got = moved(columns, ask(f"donchian_{band}", (20,)))
    assert_near(got[-251:-1], columns[title][-250:])


def test_parabolic_sar_with_its_own_first_step(shared: Path) -> None:
    """The reference begins with 0.01 and steps by 0.02: TA-Lib's SAREXT, negative when short."""
    columns = read(shared, "ParabolicSar")
    steps = (0.01, 0.02, 0.2)
    got = moved(columns, ask("sarext", (0.0, 0.0, *steps, *steps)))
    assert_near(np.abs(got)[-250:], columns["sar"][-250:])


def test_vwap_begun_anew_at_a_date(shared: Path) -> None:
    """A session's VWAP is a handle that was opened at its start."""
    columns = read(shared, "Vwap_VWAPwithStartDate")
    begin = int(np.flatnonzero(~np.isnan(columns["VWAP"]))[0])
    rest = {name: values[begin:] for name, values in columns.items()}
    assert_near(moved(rest, ask("vwap"), 1)[-250:], columns["VWAP"][-250:])
