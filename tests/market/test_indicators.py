"""Every series: named, checked, and the same however its bars came."""

import numpy as np
import pytest
import talib

from tapelight.errors import ConfigError
from tapelight.market.bank import Bank, Values, Work
from tapelight.market.candles import CANDLE
from tapelight.market.column import columns
from tapelight.market.indicators import (
    Ask,
    FunctionInfo,
    Indicators,
    arguments,
    ask,
    bars_needed,
    indicator_functions,
)
from tapelight.market.own_series import OWN

NONE = np.zeros(0, np.intp)
BARS = 260
FUNCTIONS = {i.function: i for i in reversed(list(indicator_functions().values()))}


def tape(seed: int = 1, n: int = BARS, row: int = 0) -> np.ndarray:
    """Return `n` one-minute bars of a row: a walk in cents, volumes in whole shares."""
    rng = np.random.default_rng(seed)
    bars = np.zeros(n, CANDLE)
    bars["row"], bars["minute"] = row, np.arange(n)
    bars["close"] = np.round(50.0 * np.exp(np.cumsum(rng.normal(0, 0.002, n))), 2)
    bars["open"] = np.append(50.0, bars["close"][:-1])
    both = bars["open"], bars["close"]
    bars["high"] = np.maximum(*both) + np.round(rng.exponential(0.03, n), 2)
    bars["low"] = np.minimum(*both) - np.round(rng.exponential(0.03, n), 2)
    bars["volume"] = rng.integers(100, 5000, n)
    return bars


def whole(bank: Bank, asks: tuple[Ask, ...], bars: np.ndarray) -> list[Values]:
    rows = np.unique(bars["row"]).astype(np.intp)
    return bank.reckon(Work(0, 0, asks, rows, {"1m": bars}, {}, NONE))


def moved(bank: Bank, asks: tuple[Ask, ...], bar: np.ndarray) -> list[Values]:
    return bank.reckon(Work(0, 0, asks, NONE, {}, {"1m": bar}, NONE))


def last(found: list[Values]) -> np.ndarray:
    (values,) = found
    return values.values[:, 0]


def outputs(function: str) -> tuple[Ask, ...]:
    return tuple(ask(n) for n, i in indicator_functions().items() if i.function == function)


def test_every_streaming_function_of_talib_is_there() -> None:
    streaming = {f for f in talib.get_functions() if hasattr(talib.stream, f)}
    assert set(FUNCTIONS) == streaming | set(OWN)
    assert len(streaming) >= 201
    assert all(name == name.lower() for name in indicator_functions())
    assert all(info.doc and info.group for info in indicator_functions().values())


def test_moved_bar_by_bar_they_are_what_they_are_opened_whole() -> None:
    bars, asks = tape(), tuple(ask(name) for name in indicator_functions())
    step = Bank()
    whole(step, asks, bars[:1])
    for i in range(1, BARS):
        got = last(moved(step, asks, bars[i : i + 1]))
        if i in (40, 150, BARS - 1):
            expected = last(whole(Bank(), asks, bars[: i + 1]))
            keys = np.array([a.key for a in asks])
            same = (got == expected) | (np.isnan(got) & np.isnan(expected))
            assert keys[~same].tolist() == []


def test_they_are_what_the_batch_functions_give() -> None:
    bars = tape()
    for function, info in FUNCTIONS.items():
        if function not in OWN:
            got = last(whole(Bank(), outputs(function), bars))
            np.testing.assert_array_equal(got, batch(info, bars), function)


def batch(info: FunctionInfo, bars: np.ndarray) -> np.ndarray:
    """Return the last values of TA-Lib's own batch function; what is no number is NaN."""
    params = tuple(p.default for p in info.parameters)
    inputs = [
        np.full(len(bars), params[0]) if name == "periods" else np.ascontiguousarray(bars[name])
        for name in info.inputs
    ]
    found = getattr(talib, info.function)(*inputs, **arguments(info, params))
    every = found if isinstance(found, tuple) else (found,)
    values = np.array([float(v[-1]) for v in every])
    values[~np.isfinite(values)] = np.nan
    return values


@pytest.mark.parametrize("name", ["rsi", "macd_hist", "bb_width_pctl", "squeeze_bars", "vwap"])
def test_it_is_null_until_it_has_its_bars(name: str) -> None:
    asked, bars = (ask(name),), tape()
    need = bars_needed(indicator_functions()[name].function, asked[0].params)
    bank = Bank()
    found = [last(whole(bank, asked, bars[:1]))[0]]
    found += [last(moved(bank, asked, bars[i : i + 1]))[0] for i in range(1, need)]
    assert np.isnan(found[:-1]).all()
    assert not np.isnan(found[-1])


def test_rows_move_each_for_itself() -> None:
    asks = (ask("ema", (3,)), ask("rsi", (5,)), ask("bbands_upper", (4,)))
    tapes = [tape(seed, row=seed) for seed in range(3)]
    bank = Bank()
    whole(bank, asks, np.concatenate([t[: 3 + 4 * i] for i, t in enumerate(tapes)]))
    for step in range(6):
        fresh = np.concatenate([t[3 + 4 * i + step :][:1] for i, t in enumerate(tapes)])
        (got,) = moved(bank, asks, fresh)
    for i, t in enumerate(tapes):
        alone = last(whole(Bank(), asks, t[: 9 + 4 * i]))
        np.testing.assert_array_equal(got.values[:, i], alone)


def test_rows_that_come_and_go_are_as_if_opened_at_once() -> None:
    asks = tuple(map(ask, ("adx", "bb_width_pctl", "ema", "macd", "rsi", "squeeze_bars")))
    asks += (ask("rsi", (2.0,)),)
    draw, bank, held = np.random.default_rng(5), Bank(), set[int]()
    tapes = [tape(seed=row, row=row) for row in range(8)]
    count = draw.integers(0, 30, len(tapes))
    compared = 0
    for _ in range(60):
        fresh = np.array([r for r in sorted(held) if draw.random() < 0.8], np.intp)
        count[fresh] += 1
        gone = {r for r in held if draw.random() < 0.05}
        comes = {r for r in range(8) if r not in held and draw.random() < 0.3}
        again = {r for r in held - gone - set(fresh.tolist()) if draw.random() < 0.1}
        opened = np.array(sorted(comes | again), np.intp)
        parts = [tapes[r][: count[r]] for r in opened]
        bars = np.concatenate([np.zeros(0, CANDLE), *parts])
        news = np.concatenate([np.zeros(0, CANDLE), *(tapes[r][count[r] - 1 :][:1] for r in fresh)])
        dropped = np.array(sorted(gone), np.intp)
        fresh_left = news[~np.isin(news["row"], dropped)]
        for values in bank.reckon(
            Work(0, 0, asks, opened, {"1m": bars}, {"1m": fresh_left}, dropped)
        ):
            for j, row in enumerate(values.rows):
                alone = (
                    last(whole(Bank(), asks, tapes[row][: count[row]])) if count[row] else np.nan
                )
                np.testing.assert_array_equal(values.values[:, j], alone)
                compared += 1
        held = (held - gone) | comes
    assert compared > 250


def test_a_peek_moves_nothing() -> None:
    asks, bars = (ask("rsi"), ask("macd_hist")), tape()
    bank = Bank()
    before = last(whole(bank, asks, bars[:100]))
    (peeked,) = bank.peek(np.array([0]), {"1m": bars[100:101]})
    (still,) = bank.peek(np.array([0]), {"1m": bars[:0]})
    np.testing.assert_array_equal(peeked.values[:, 0], last(whole(Bank(), asks, bars[:101])))
    np.testing.assert_array_equal(still.values[:, 0], before)
    np.testing.assert_array_equal(
        last(moved(bank, asks, bars[100:101])), last(whole(Bank(), asks, bars[:101]))
    )


def test_squeeze_counts_the_bars_with_the_bands_inside() -> None:
    bars = tape()
    upper, _, lower = talib.BBANDS(bars["close"].copy(), 20, 2.0, 2.0)
    top, _, bottom = talib.KC(*(bars[n].copy() for n in ("high", "low", "close")), 20, 20, 1.5)
    inside = (upper < top) & (lower > bottom)
    counts = [0]
    for one in inside:
        counts.append(counts[-1] + 1 if one else 0)
    got = [last(whole(Bank(), (ask("squeeze_bars"),), bars[: i + 1]))[0] for i in range(20, BARS)]
    assert got == counts[21:]
    assert 0 < sum(inside) < BARS


def test_width_percentile_ranks_the_last_120_widths() -> None:
    bars = tape()
    upper, middle, lower = talib.BBANDS(bars["close"].copy(), 20, 2.0, 2.0)
    width = ((upper - lower) / middle)[19:]
    got = last(whole(Bank(), (ask("bb_width_pctl"),), bars))[0]
    assert got == pytest.approx(100.0 * (width[-120:-1] < width[-1]).mean())


def test_an_ask_is_filled_in_and_checked() -> None:
    assert ask("rsi").key == "rsi(14, 1m)"
    assert ask("sar", (0.02, 0.2)).key == "sar(0.02, 0.2, 1m)"
    assert ask("sar", (0.02000001, 0.2)).key == "sar(0.02000001, 0.2, 1m)"
    assert ask("rsi", (14.0,)) == ask("rsi")
    assert ask("macd_hist", (5,), "5m", True).key == "macd_hist(5, 26, 9, 5m, forming)"


@pytest.mark.parametrize(
    ("name", "params", "timeframe", "said"),
    [
        ("rsj", (), "1m", "did you mean rsi?"),
        ("rsi", (), "2m", "one of 1m, 5m, 15m, 30m, 60m"),
        ("rsi", (14, 3), "1m", "takes 1 parameters (timeperiod=14)"),
        ("rsi", (1.5,), "1m", "give a whole number"),
        ("rsi", (1,), "1m", "timeperiod=1: a parameter is out of range"),
        ("rsi", (float("nan"),), "1m", "give a whole number"),
        ("sma", (4000,), "1m", "needs 4,000 bars; 1,000 are allowed"),
        ("bb_width_pctl", (20, 2, 5), "1m", "a parameter is out of range"),
    ],
)
def test_a_wrong_ask_says_what_is_wrong(
    name: str, params: tuple[float, ...], timeframe: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        ask(name, params, timeframe)
    assert said in str(caught.value)


def test_what_columns_declare_is_what_ask_makes() -> None:
    declared = [a for info in columns().values() for a in info.indicators]
    assert len(declared) > 60
    assert [ask(a.name, a.params, a.timeframe, a.forming) for a in declared] == declared


def test_values_are_held_by_row_and_unknown_at_first() -> None:
    held, rsi = Indicators(), ask("rsi")
    assert held.want([rsi, rsi])
    assert not held.want([rsi])
    held.put(rsi, np.array([1]), np.array([55.0]), 3)
    np.testing.assert_array_equal(held.values(rsi, 4), [np.nan, 55.0, np.nan, np.nan])
    np.testing.assert_array_equal(held.values(ask("sma"), 2), [np.nan, np.nan])
    held.forget(np.array([1]), 4)
    assert np.isnan(held.values(rsi, 4)).all()
