"""S9: the MACD of closed 5-minute bars crosses its signal. A baseline to compare others with."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from tapelight.market.indicators import Ask, ask
from tapelight.scan.closed import (
    NAN,
    Closed,
    average_before,
    closed,
    ema_weight,
    lowest,
    settled,
    witness_of,
)
from tapelight.scan.strategy import (
    Common,
    Condition,
    Entries,
    Exit,
    Floats,
    Look,
    Strategy,
    above,
    at_least,
    at_most,
    longs,
    multiples,
    told,
)

SWING_MAX, CONFIRM_MAX = 24, 6
DECIMALS = 9
"""A histogram nearer to 0 than these is what rounding leaves of a straight line."""


class Params(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the thresholds of S9."""

    fast: Annotated[int, told("bars", "Fast average of the MACD, 5 m.", ge=2, le=60)] = 12
    slow: Annotated[int, told("bars", "Slow average of the MACD, 5 m.", ge=3, le=60)] = 26
    signal: Annotated[int, told("bars", "Average of the MACD's line.", ge=2, le=30)] = 9
    deep_atr: Annotated[float, told("atr 5m", "How far below 0 the line may cross.", ge=0)] = 0.1
    confirm_bars: Annotated[
        int, told("bars", "Deeper, the line crosses 0 within these.", ge=0, le=CONFIRM_MAX)
    ] = 3
    trend_ema: Annotated[int, told("bars", "The 15 m average that must rise.", ge=2, le=60)] = 20
    rvol_tod_min: Annotated[float, told("", "Least relative volume of the day.", ge=0)] = 1.5
    swing_bars: Annotated[int, told("bars", "The stop is the low of these.", ge=1, le=24)] = 5
    target_r: Annotated[float, told("R", "The target.", ge=0)] = 1.5
    within_s: Annotated[float, told("s", "After the bar's close at the latest.", ge=1)] = 30.0
    valid_bars: Annotated[float, told("bars", "The entry is void after this.", ge=0)] = 1.0

    def __post_init__(self) -> None:
        """Refuse a fast average that is no faster: raises ValueError."""
        super().__post_init__()
        self.in_order("fast", "slow", apart=True)


@dataclass(frozen=True, slots=True, eq=False)
class Macd:
    """Hold line and histogram of the last bars, shape (rows, bars), the newest FIRST."""

    line: Floats
    hist: Floats


class MacdCross(Strategy):
    """Buy the line's cross above its signal, judged once as a 5-minute bar has closed.

    A cross counts where the line is no more than deep_atr x atr_5m below zero; one that is
    deeper counts when the line crosses zero within confirm_bars, the histogram still positive.
    The entry is that bar's close, the stop the low of the last swing_bars bars.
    """

    takes = Params
    params: Params
    code = "S9"
    title = "MACD cross"
    doc = (
        "The MACD crosses its signal on closed 5-minute bars, above VWAP, with the 15-minute trend."
    )
    candles = (("5m", SWING_MAX),)

    def indicators(self) -> tuple[Ask, ...]:
        """Return line, signal, the slow average, range, trend, and what tells the warm-up."""
        p = self.params
        macd = (float(p.fast), float(p.slow), float(p.signal))
        return (
            ask("macd", macd, "5m"),
            ask("macd_signal", macd, "5m"),
            ask("ema", (float(p.slow),), "5m"),
            ask("atr", (14.0,), "5m"),
            ask("ema", (float(p.trend_ema),), "15m"),
            ask("sma", (float(p.slow + p.signal + p.confirm_bars + 1),), "5m"),
            witness_of("5m"),
        )

    def signals(self, look: Look) -> Entries:
        """Return entries at the close of the bar that crossed, stops at the swing's low."""
        p = self.params
        rows = closed(look, "5m", max(p.swing_bars, p.confirm_bars + 3))
        atr = look.indicator(self.indicators()[3])
        macd, since = self._macd(look, rows), look.live.fired_ns
        close, stop = rows.bars.close[:, -1], lowest(rows.bars.low[:, -p.swing_bars :])
        return Entries(
            when=(
                *self._crossed(macd, atr),
                above("last over vwap", look["last"], look["vwap"]),
                above("ema_15m rise", self._trend(look), 0.0),
                at_least("rvol_tod", look["rvol_tod"], p.rvol_tod_min),
                settled(look, rows),
                rows.just(p.within_s),
            ),
            side=longs(look),
            entry=close,
            stop=stop,
            targets=multiples(close, stop, p.target_r),
            expires_ns=rows.bars_on(p.valid_bars),
            exits=(Exit("invalid", "opposite cross", rows.later(since) & (macd.hist[:, 0] < 0.0)),),
        )

    def _macd(self, look: Look, rows: Closed) -> Macd:
        """Return the MACD of the last confirm_bars + 3 bars: NaN until all of them are known."""
        p, close = self.params, rows.bars.close
        line, signal, slow, _, _, warm, _ = (look.indicator(one) for one in self.indicators())
        line = np.where(np.isnan(warm), NAN, line)
        fast = line + slow
        lines, hists = [line], [line - signal]
        for k in range(1, p.confirm_bars + 3):
            fast = average_before(fast, close[:, -k], ema_weight(p.fast))
            slow = average_before(slow, close[:, -k], ema_weight(p.slow))
            signal = average_before(signal, lines[-1], ema_weight(p.signal))
            lines.append(fast - slow)
            hists.append(lines[-1] - signal)
        hist = np.round(np.stack(hists, axis=1), DECIMALS)
        return Macd(np.stack(lines, axis=1), np.asarray(hist, np.float64))

    def _crossed(self, macd: Macd, atr: Floats) -> tuple[Condition, Condition, Condition]:
        """Return the leaves of the newest cross: how long ago, its rise, its place about zero."""
        p, hist, line = self.params, macd.hist, macd.line
        ago = np.full(len(atr), NAN)
        rise, at_cross = ago.copy(), ago.copy()
        up = np.ones(len(atr), np.bool_)
        for k in range(p.confirm_bars + 1):
            up &= hist[:, k] > 0.0
            here = up & (hist[:, k + 1] <= 0.0)
            steps = np.minimum(hist[:, k] - hist[:, k + 1], hist[:, k + 1] - hist[:, k + 2])
            ago = np.where(here, k, ago)
            rise, at_cross = np.where(here, steps, rise), np.where(here, line[:, k], at_cross)
        deepest = -p.deep_atr * atr
        near = (ago == 0) & (at_cross > deepest)
        late = (at_cross <= deepest) & (line[:, 0] > 0.0) & (line[:, 1] <= 0.0)
        return (
            at_most("bars_since_cross", ago, float(p.confirm_bars)),
            above("histogram rise", rise, 0.0),
            Condition("line at cross, or zero cross", at_cross, ">", deepest, near | late),
        )

    def _trend(self, look: Look) -> Floats:
        """Return how much the 15-minute average rose with its last bar."""
        average = look.indicator(self.indicators()[4])
        bars = look.candles("15m", 1)
        before = average_before(average, bars.close[:, -1], ema_weight(self.params.trend_ema))
        return average - before
