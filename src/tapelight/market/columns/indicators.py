"""Indicators over closed one-minute bars, and with the suffix _5m or _15m over longer ones.

They are null outside tier 2 and until enough bars have closed; extended-hours bars count.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tapelight.market.arithmetic import over, percent
from tapelight.market.column import Column, column
from tapelight.market.indicators import Ask
from tapelight.market.text import Text
from tapelight.market.view import Ind

FRAMES = {"": "1m", "_5m": "5m", "_15m": "15m"}
Series = tuple[str, tuple[float, ...]]
"""An indicator with its parameters."""

EMA9: Series = ("ema", (9.0,))
EMA20: Series = ("ema", (20.0,))
MACD: tuple[float, ...] = (12.0, 26.0, 9.0)
UPPER, MIDDLE, LOWER = (
    (f"bbands_{band}", (20.0, 2.0, 2.0, 0.0)) for band in ("upper", "middle", "lower")
)
TOP, BOTTOM = ((f"kc_{band}", (20.0, 20.0, 1.5)) for band in ("upper", "lower"))
ATR: Series = ("atr", (14.0,))


def _column(
    name: str, unit: str, doc: str, series: tuple[Series, ...], reckon: Callable[..., Any],
    *, frames: dict[str, str] = FRAMES, live: str = "",
) -> None:  # fmt: skip
    """Declare a column for each timeframe: `reckon` of its series, and of `live`'s value first."""
    for suffix, frame in frames.items():
        asks = tuple(Ask(indicator, params, frame) for indicator, params in series)
        made = _with_live(reckon, asks, live) if live else _closed(reckon, asks)
        made.__name__ = f"{name}{suffix}"
        made.__doc__ = f"Return {doc.format(bars=f'{frame} bars')}"
        globals()[made.__name__] = column(unit=unit, indicators=asks)(made)


def _closed(reckon: Callable[..., Any], asks: tuple[Ask, ...]) -> Callable[..., Any]:
    def read(ind: Ind) -> Any:
        return reckon(*(ind(ask) for ask in asks))

    return read


def _with_live(reckon: Callable[..., Any], asks: tuple[Ask, ...], live: str) -> Callable[..., Any]:
    def of_last(last: Column, ind: Ind) -> Any:
        return reckon(last, *(ind(ask) for ask in asks))

    def of_spread(spread: Column, ind: Ind) -> Any:
        return reckon(spread, *(ind(ask) for ask in asks))

    return {"last": of_last, "spread": of_spread}[live]


def _itself(values: Column) -> Column:
    return values


def _per(value: Column, base: Column) -> Column:
    return over(value, base)


def _width(upper: Column, middle: Column, lower: Column) -> Column:
    return _per(upper - lower, middle)


def _place(last: Column, upper: Column, lower: Column) -> Column:
    return _per(last - lower, upper - lower)


def _inside(upper: Column, lower: Column, top: Column, bottom: Column) -> Column:
    unknown = np.isnan(upper + lower + top + bottom)
    return np.where(unknown, np.nan, (upper < top) & (lower > bottom))


_column("ema9", "$", "the exponential mean of 9 closes of {bars}.", (EMA9,), _itself)
_column("ema20", "$", "the exponential mean of 20 closes of {bars}.", (EMA20,), _itself)
_column(
    "ema9_dist_pct", "%", "the distance of last from ema9 of {bars}, in percent.",
    (EMA9,), percent, live="last",
)  # fmt: skip
_column(
    "ema20_dist_pct", "%", "the distance of last from ema20 of {bars}, in percent.",
    (EMA20,), percent, live="last",
)  # fmt: skip
_column("rsi14", "", "Wilder's relative strength of 14 {bars}.", (("rsi", (14.0,)),), _itself)
_column("rsi2", "", "Wilder's relative strength of 2 {bars}.", (("rsi", (2.0,)),), _itself)
_column("macd", "$", "the MACD line (12, 26, 9) of {bars}.", (("macd", MACD),), _itself)
_column(
    "macd_signal", "$", "the MACD's signal line (12, 26, 9) of {bars}.",
    (("macd_signal", MACD),), _itself,
)  # fmt: skip
_column(
    "macd_hist", "$", "the MACD less its signal line (12, 26, 9), of {bars}.",
    (("macd_hist", MACD),), _itself,
)  # fmt: skip
_column("bb_upper", "$", "the upper Bollinger band (20, 2) of {bars}.", (UPPER,), _itself)
_column("bb_mid", "$", "the middle Bollinger band (20, 2) of {bars}.", (MIDDLE,), _itself)
_column("bb_lower", "$", "the lower Bollinger band (20, 2) of {bars}.", (LOWER,), _itself)
_column(
    "bb_width", "", "the Bollinger bands' width (20, 2) over their middle, of {bars}.",
    (UPPER, MIDDLE, LOWER), _width,
)  # fmt: skip
_column(
    "bb_pctb", "", "where last stands in the Bollinger bands of {bars}: 0 lower band, 1 upper.",
    (UPPER, LOWER), _place, live="last",
)  # fmt: skip
_column(
    "bb_width_pctl", "%",
    "the share of the last 120 {bars} (20 at least) whose Bollinger bands were narrower.",
    (("bb_width_pctl", (20.0, 2.0, 120.0)),), _itself,
)  # fmt: skip
_column("kc_upper", "$", "the Keltner channel's top (20, 1.5 ATR) of {bars}.", (TOP,), _itself)
_column(
    "kc_lower", "$", "the Keltner channel's bottom (20, 1.5 ATR) of {bars}.", (BOTTOM,), _itself
)
_column(
    "squeeze_on", "",
    "1 where the Bollinger bands of {bars} lie inside the Keltner channel, 0 where they do not.",
    (UPPER, LOWER, TOP, BOTTOM), _inside,
)  # fmt: skip
_column(
    "squeeze_bars", "", "the number of {bars} for which squeeze_on has been 1; 0 when it is not.",
    (("squeeze_bars", (20.0, 2.0, 1.5)),), _itself,
)  # fmt: skip
_column("adx14", "", "Wilder's trend strength ADX of 14 {bars}.", (("adx", (14.0,)),), _itself)
_column(
    "atr", "$", "Wilder's average true range of 14 {bars}.", (ATR,), _itself,
    frames={f"_{frame}": frame for frame in FRAMES.values()},
)  # fmt: skip
_column(
    "spread_atr", "", "the spread in average true ranges of 14 {bars}.",
    (ATR,), _per, live="spread", frames={"": "1m"},
)  # fmt: skip


@column()
def tier(ind: Ind) -> Column:
    """Return the computation tier: 1 every row, 2 indicators and candles too, 3 options too."""
    return ind.tier()


@column(kind="text")
def tier_why(ind: Ind) -> Text:
    """Return why the row is in its tier: the first reason to be in play, pinned, or every row."""
    return ind.tier_why()
