"""S1: the opening range breakout, on the stocks that open with the most unusual volume.

Source of the rules called "paper": Zarattini, Barbon and Aziz, "A Profitable Day Trading Strategy
For The U.S. Equity Market" (2024): 5-minute range, 10 % of ATR as the stop, out at the close.
"""

from typing import Annotated, Literal

import numpy as np

from tapelight.scan.strategy import (
    LONG,
    Common,
    Condition,
    Entries,
    Flags,
    Floats,
    Look,
    Strategy,
    above,
    at_least,
    at_most,
    below,
    multiples,
    tick_of,
    told,
)

NAN, NS = float("nan"), 1_000_000_000


class Params(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the thresholds of S1."""

    minutes: Annotated[Literal[5, 15, 30], told("min", "The opening range.")] = 5
    stop: Annotated[
        Literal["atr", "range"], told("", "atr: a part of atr14; range: its other end.")
    ] = "atr"
    targets: Annotated[Literal["none", "r"], told("", "none: out at the close; r: 1R, 2R.")] = (
        "none"
    )
    stop_atr: Annotated[float, told("atr14", "The stop, where it is atr.", ge=0)] = 0.10
    atr14_min: Annotated[float, told("$", "Least atr14.", ge=0)] = 0.50
    open_rvol_min: Annotated[float, told("", "Least relative volume of the range.", ge=0)] = 1.0
    top: Annotated[int, told("", "How many, by relative volume of the range.", ge=1)] = 20
    body_pct_min: Annotated[float, told("%", "Least body of the range's candle.", ge=0)] = 10.0
    range_atr_max: Annotated[float, told("atr14", "Widest range.", ge=0)] = 1.0
    rvol_5m_min: Annotated[float, told("", "Least relative volume of 5 minutes.", ge=0)] = 2.0
    valid_s: Annotated[float, told("s", "The entry is void after this.", ge=1)] = 60.0
    last_min: Annotated[float, told("$", "Least last price.", ge=0)] = 5.0
    adv20_min: Annotated[float, told("shares", "Least usual day.", ge=0)] = 1e6
    begin_min: Annotated[float, told("min", "First entry, after the open.", ge=0)] = 5.0
    end_min: Annotated[float, told("min", "Last entry, after the open.", ge=0)] = 60.0
    tries: Annotated[int, told("", "Most signals a symbol and day.", ge=0)] = 1


class OpeningRange(Strategy):
    """Follow the opening candle's colour when its high, or its low, breaks."""

    takes = Params
    params: Params
    code = "S1"
    title = "Opening range breakout"
    doc = "The break of the first minutes' range in their direction, for the 20 most unusual opens."
    sides = ("long", "short")
    enabled = True
    candles = (("5m", 13), ("15m", 5), ("30m", 3))
    by_bars = True
    memory = {"open_rvol": NAN}  # noqa: RUF012
    gated = frozenset({"last", "spread_pct", "trade_rate"})

    def signals(self, look: Look) -> Entries:
        """Return entries a tick outside the range, on the side of its candle."""
        p, atr = self.params, look["atr14"]
        begun, opened, closed, volume = look.first_bar(f"{p.minutes}m")
        high, low = look[f"or{p.minutes}_high"], look[f"or{p.minutes}_low"]
        span = high - low
        side = np.where(begun, np.sign(np.nan_to_num(closed - opened)), 0).astype(np.int8)
        up = side == LONG
        edge = np.where(up, high, low)
        entry = np.round(edge + side * tick_of(edge), 4)
        stop = np.where(up, low, high) if p.stop == "range" else entry - side * p.stop_atr * atr
        ways = multiples(entry, stop, 1.0, 2.0) if p.targets == "r" else ()
        rvol = np.where(begun, volume / look.usual(0.0, p.minutes), look.kept("open_rvol"))
        fit = self._fit(look)
        keep = np.where(np.logical_and.reduce([c.true for c in fit]), rvol, NAN)
        body = 100.0 * np.abs(closed - opened) / np.where(span > 0.0, span, NAN)
        return Entries(
            when=(
                *fit,
                at_least("open_rvol", rvol, p.open_rvol_min),
                at_least("open_rvol of the top", rvol, look.top("open_rvol", p.top)),
                at_least("body_pct", body, p.body_pct_min),
                at_most("range", span, p.range_atr_max * atr),
                at_least("rvol_5m", look["rvol_5m"], p.rvol_5m_min),
                *self._break(look, up, high, low),
            ),
            side=side,
            entry=entry,
            stop=stop,
            targets=ways,
            expires_ns=look.now_ns + int(p.valid_s * NS),
            keep={"open_rvol": keep},
        )

    def _fit(self, look: Look) -> tuple[Condition, ...]:
        """Return the conditions on who takes part in the ranking."""
        p = self.params
        return (
            at_least("price", look["last"], p.last_min),
            at_least("adv20", look["adv20"], p.adv20_min),
            at_least("atr14", look["atr14"], p.atr14_min),
        )

    def _break(
        self, look: Look, up: Flags, high: Floats, low: Floats
    ) -> tuple[Condition, Condition]:
        """Return the side of the VWAP, and the trigger."""
        last, vwap = look["last"], look["vwap"]
        over, under = above("last over vwap", last, vwap), below("last over vwap", last, vwap)
        out, beneath = above("break", last, high), below("break", last, low)
        return _one_of(up, over, under), _one_of(up, out, beneath)


def _one_of(up: Flags, long: Condition, short: Condition) -> Condition:
    """Return one condition for both sides: that of each row's side."""
    bound = np.where(up, long.bound, short.bound)
    true = np.where(up, long.true, short.true)
    return Condition(long.name, long.value, "beyond", bound, true)
