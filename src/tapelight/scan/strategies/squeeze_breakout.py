"""S10: Bollinger bands come out of the Keltner channel after a long, narrow squeeze."""

from typing import Annotated, Any

import numpy as np

from tapelight.market.indicators import Ask, ask
from tapelight.scan.closed import NAN, closed, mean, settled, witness_of
from tapelight.scan.strategy import (
    LONG,
    SHORT,
    Common,
    Condition,
    Entries,
    Floats,
    Look,
    Strategy,
    above,
    at_least,
    at_most,
    below,
    multiples,
    told,
)

BARS = 20
"""Bars of the bands, of the channel and of the usual volume."""
MOMENTUM = 12
"""Bars of the line through the differences of close and mid-band."""


class Params(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the thresholds of S10."""

    deviations: Annotated[float, told("sd", "Width of the Bollinger bands.", ge=0.1)] = 2.0
    channel_atr: Annotated[float, told("atr 5m", "Width of the channel.", ge=0.1)] = 1.5
    squeeze_bars: Annotated[int, told("bars", "Shortest squeeze, 5 m.", ge=1)] = 6
    ranked_bars: Annotated[
        int, told("bars", "Widths among which the squeeze's is ranked.", ge=20, le=250)
    ] = 120
    width_pctl_max: Annotated[float, told("%", "Widest squeeze, by rank.", ge=0, le=100)] = 10.0
    volume_x: Annotated[float, told("", "The bar's volume over the mean of 20.", ge=0)] = 1.5
    stop_atr: Annotated[float, told("atr 5m", "The stop, if nearer than mid-band.", ge=0)] = 1.0
    target_r: Annotated[float, told("R", "The target.", ge=0)] = 2.0
    trail_ema: Annotated[int, told("bars", "The stop trails this average, 5 m.", ge=2)] = 9
    within_s: Annotated[float, told("s", "After the bar's close at the latest.", ge=1)] = 30.0
    valid_bars: Annotated[float, told("bars", "The entry is void after this.", ge=0)] = 3.0


class SqueezeBreakout(Strategy):
    """Follow the first closed 5-minute bar outside its band once a squeeze has let go.

    Length and rank of the squeeze are those of its last bar (`squeeze_bars`, `bb_width_pctl`),
    which the memory keeps for one bar. Momentum is the end of the least-squares line through 12
    differences of close and mid-band. What a bar gives is reckoned once, as it has closed.
    """

    takes = Params
    params: Params
    code = "S10"
    title = "Squeeze breakout"
    doc = "The first 5-minute close outside the band after six or more bars of squeeze, on volume."
    sides = ("long", "short")
    candles = (("5m", BARS + MOMENTUM),)
    by_bars = True
    memory = {  # noqa: RUF012
        "bar": -1, "bars": NAN, "pctl": NAN, "bars_before": NAN, "pctl_before": NAN,
        "volume": NAN, "momentum": NAN, "rise": NAN,
    }  # fmt: skip

    def indicators(self) -> tuple[Ask, ...]:
        """Return bands, squeeze, range, the trailing average, and what tells of which bar."""
        p = self.params
        bands = (float(BARS), p.deviations, p.deviations, 0.0)
        return (
            ask("bbands_upper", bands, "5m"),
            ask("bbands_middle", bands, "5m"),
            ask("bbands_lower", bands, "5m"),
            ask("squeeze_bars", (float(BARS), p.deviations, p.channel_atr), "5m"),
            ask("bb_width_pctl", (float(BARS), p.deviations, float(p.ranked_bars)), "5m"),
            ask("atr", (14.0,), "5m"),
            ask("ema", (float(p.trail_ema),), "5m"),
            witness_of("5m"),
        )

    def signals(self, look: Look) -> Entries:
        """Return entries at the close of the bar that left the squeeze."""
        p, rows = self.params, closed(look, "5m", 2)
        upper, mid, lower, _, _, atr, trail, _ = map(look.indicator, self.indicators())
        ready, close = settled(look, rows), rows.bars.close[:, -1]
        now = self._remember(look, rows.bars.minute, ready)
        side = np.where(close >= mid, LONG, SHORT).astype(np.int8)
        near = close - side * p.stop_atr * atr
        stop = np.where(side > 0, np.fmax(mid, near), np.fmin(mid, near))
        beyond = np.fmax(close - upper, lower - close)
        return Entries(
            when=(
                *self._let_go(now),
                above("close beyond band", beyond, 0.0),
                at_least("bar volume", now["volume"], p.volume_x),
                above("momentum on this side", side * now["momentum"], 0.0),
                above("momentum rise", side * now["rise"], 0.0),
                ready,
                rows.just(p.within_s),
            ),
            side=side,
            entry=close,
            stop=stop,
            targets=multiples(close, stop, p.target_r),
            expires_ns=rows.bars_on(p.valid_bars),
            trail=trail,
            keep=now,
        )

    def _let_go(self, now: dict[str, Any]) -> tuple[Condition, ...]:
        """Return the leaves of the squeeze that was, and that it is no more."""
        p = self.params
        return (
            at_least("squeeze_bars before", now["bars_before"], float(p.squeeze_bars)),
            at_most("bb_width_pctl before", now["pctl_before"], p.width_pctl_max),
            below("squeeze_bars", now["bars"], 1.0),
        )

    def _remember(self, look: Look, minute: Any, ready: Condition) -> dict[str, Any]:
        """Return the memory after this moment: it moves where a bar has closed."""
        kept = {name: look.kept(name) for name in self.memory}
        fresh = ready.true & (minute[:, -1] != kept["bar"])
        if not fresh.any():
            return kept
        follows = minute[:, -2] == kept["bar"]
        _, _, _, bars, pctl, *_ = map(look.indicator, self.indicators())
        found = {
            "bar": minute[:, -1],
            "bars": bars,
            "pctl": pctl,
            "bars_before": np.where(follows, kept["bars"], NAN),
            "pctl_before": np.where(follows, kept["pctl"], NAN),
            **_measured(look),
        }
        return {name: np.where(fresh, found[name], kept[name]) for name in kept}


def _measured(look: Look) -> dict[str, Floats]:
    """Return the newest bar's volume over the usual, and the momentum with its last step."""
    bars = look.candles("5m", BARS + MOMENTUM)
    usual = mean(bars.volume[:, -1 - BARS : -1])
    apart = _from_middle(bars.close)
    momentum = _line_end(apart[:, -MOMENTUM:])
    return {
        "volume": bars.volume[:, -1] / np.where(usual > 0.0, usual, NAN),
        "momentum": momentum,
        "rise": momentum - _line_end(apart[:, -1 - MOMENTUM : -1]),
    }


def _from_middle(close: Floats) -> Floats:
    """Return the last MOMENTUM + 1 closes less the mean of the BARS closes up to each."""
    count = MOMENTUM + 1
    return np.stack(
        [close[:, k + BARS - 1] - mean(close[:, k : k + BARS]) for k in range(count)], axis=1
    )


def _line_end(values: Floats) -> Floats:
    """Return the end of the least-squares line through each row of values.

    With x = 0 ... n - 1 it is the sum of the values, weighted (6 x - 2 (n - 2)) / (n (n + 1)).
    """
    n, end = values.shape[1], np.zeros(len(values))
    for x in range(n):
        end += (6.0 * x - 2.0 * (n - 2)) / (n * (n + 1)) * values[:, x]
    return end
