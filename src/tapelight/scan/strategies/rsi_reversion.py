"""S8: a large, liquid stock that fell too far below its VWAP turns; mirrored above it."""

from typing import Annotated

import numpy as np

from tapelight.market.indicators import Ask, ask
from tapelight.scan.closed import NAN, Closed, closed, highest, lowest, settled, witness_of
from tapelight.scan.strategy import (
    LONG,
    MINUTE_NS,
    SHORT,
    Common,
    Condition,
    Entries,
    Exit,
    Flags,
    Floats,
    Look,
    Signs,
    Strategy,
    above,
    at_least,
    at_most,
    either,
    is_true,
    told,
)

DEEPEST = 6
"""Bars of which the memory knows how stretched they were."""
KEPT = ("rsi2", "rsi14", "z")


class Params(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the thresholds of S8; those of shorts are mirrored: 100 - rsi, -z, -chg."""

    mcap_min: Annotated[float, told("$", "Least market value.", ge=0)] = 2e9
    rsi2_max: Annotated[float, told("", "Highest RSI(2), 5 m.", ge=0, le=50)] = 5.0
    rsi14_max: Annotated[float, told("", "Or highest RSI(14), 5 m.", ge=0, le=50)] = 25.0
    z_max: Annotated[float, told("sd", "Highest distance from the VWAP.", le=0)] = -2.0
    spy_chg_min: Annotated[float, told("%", "SPY's change in 15 min is above.")] = -0.5
    news_min: Annotated[float, told("min", "No news as young as this.", ge=0)] = 60.0
    setup_bars: Annotated[
        int, told("bars", "The turn comes within these of the stretch.", ge=1, le=DEEPEST)
    ] = 3
    stop_atr: Annotated[float, told("atr 5m", "The stop beyond the low.", ge=0)] = 1.0
    exit_rsi2: Annotated[float, told("", "Out at this RSI(2).", ge=50, le=100)] = 70.0
    out_min: Annotated[float, told("min", "Time stop after the signal.", ge=1)] = 60.0
    within_s: Annotated[float, told("s", "After the bar's close at the latest.", ge=1)] = 30.0
    valid_bars: Annotated[float, told("bars", "The entry is void after this.", ge=0)] = 1.0
    shorts: Annotated[bool, told("", "Whether the mirrored short is told too.")] = True
    spread_pct_max: Annotated[float, told("%", "Widest spread.", ge=0)] = 0.1


class RsiReversion(Strategy):
    """Buy the first 5-minute close back above the bar before, after an oversold bar.

    As each bar closes the memory takes its RSIs and its close's distance from the VWAP, in
    standard deviations, and keeps those of the last bars: a bar is stretched where both say so,
    and the turn may come up to setup_bars later. The entry is the turning bar's close, the stop
    an average range below the lowest low since the stretched bar. Without a source of news it is
    not known that there is none, and nothing fires.
    """

    takes = Params
    params: Params
    code = "S8"
    title = "RSI mean reversion"
    doc = "RSI(2) at most 5 two deviations below VWAP, then a 5-minute close over the bar before."
    sides = ("long", "short")
    candles = (("5m", DEEPEST + 1),)
    by_bars = True
    memory = {  # noqa: RUF012
        "bar": -1,
        **{f"{name}_{back}": NAN for name in KEPT for back in range(DEEPEST + 1)},
    }

    def indicators(self) -> tuple[Ask, ...]:
        """Return both RSIs, the range, and what tells of which bar they are."""
        rsi2, rsi14 = ask("rsi", (2.0,), "5m"), ask("rsi", (14.0,), "5m")
        return rsi2, rsi14, ask("atr", (14.0,), "5m"), witness_of("5m")

    def signals(self, look: Look) -> Entries:
        """Return entries at the close that turned, stops beyond the extreme of the stretch."""
        p, rows = self.params, closed(look, "5m", DEEPEST + 1)
        ready, bars = settled(look, rows), rows.bars
        rsi2, _, atr, _ = (look.indicator(one) for one in self.indicators())
        keep = self._remember(look, rows, ready)
        close, up = bars.close[:, -1], bars.close[:, -1] - bars.high[:, -2]
        down = bars.low[:, -2] - close
        side = self._side(look, up, down)
        leaves, since = self._stretched(keep, side)
        stop = self._extreme(rows, side, since) - side * p.stop_atr * atr
        return Entries(
            when=(
                at_least("mcap", look["mcap"], p.mcap_min),
                *leaves,
                above("SPY chg_15m", side * look.full(look.of("SPY", "chg_15m")), p.spy_chg_min),
                self._quiet(look),
                above("close over bar before", np.where(side > 0, up, down), 0.0),
                is_true("this side is traded", (side > 0) | p.shorts),
                ready,
                rows.just(p.within_s),
            ),
            side=side,
            entry=close,
            stop=stop,
            targets=(look["vwap"],),
            expires_ns=rows.bars_on(p.valid_bars),
            exit_ns=look.now_ns + int(p.out_min * MINUTE_NS),
            exits=(self._back(look, rows, rsi2),),
            keep=keep,
        )

    def _side(self, look: Look, up: Floats, down: Floats) -> Signs:
        """Return the side to which the newest bar turned; else the one away from the VWAP."""
        below = ~(look["vwap_z"] > 0.0)
        side = np.where(up > 0.0, LONG, np.where(down > 0.0, SHORT, np.where(below, LONG, SHORT)))
        return side.astype(np.int8)

    def _remember(self, look: Look, rows: Closed, ready: Condition) -> dict[str, Floats]:
        """Return the memory after this moment: what a newly closed bar gave comes first.

        Of bars that closed while the row was not in play it knows nothing.
        """
        minute, kept = rows.bars.minute[:, -1], look.kept("bar")
        fresh = ready.true & (minute != kept)
        follows = rows.bars.minute[:, -2] == kept
        rsi2, rsi14, *_ = (look.indicator(one) for one in self.indicators())
        sd = look["vwap_sd"]
        z = (rows.bars.close[:, -1] - look["vwap"]) / np.where(sd > 0.0, sd, NAN)
        found = {"bar": np.where(fresh, minute, kept)}
        for name, newest in zip(KEPT, (rsi2, rsi14, z), strict=True):
            held = [look.kept(f"{name}_{back}") for back in range(DEEPEST + 1)]
            moved = [newest, *(np.where(follows, values, NAN) for values in held)]
            for back in range(DEEPEST + 1):
                found[f"{name}_{back}"] = np.where(fresh, moved[back], held[back])
        return found

    def _stretched(
        self, kept: dict[str, Floats], side: Signs
    ) -> tuple[tuple[Condition, Condition], Floats]:
        """Return the leaves of the newest stretched bar, and how many bars ago it closed.

        Where none was stretched they are those of the bar that was farthest from the VWAP.
        """
        p, n = self.params, len(side)
        told_of = {name: np.full(n, NAN) for name in (*KEPT, "back")}
        done: Flags = np.zeros(n, np.bool_)
        for back in range(1, p.setup_bars + 1):
            rsi2, rsi14 = (_mirrored(kept[f"{name}_{back}"], side) for name in KEPT[:2])
            z = side * kept[f"z_{back}"]
            here = ((rsi2 <= p.rsi2_max) | (rsi14 <= p.rsi14_max)) & (z <= p.z_max)
            takes = ~done & (here | ~(z >= told_of["z"]))
            values = {"rsi2": rsi2, "rsi14": rsi14, "z": z, "back": np.full(n, float(back))}
            told_of = {name: np.where(takes, values[name], told_of[name]) for name in told_of}
            done |= here
        rsi = at_most("rsi2 or rsi14", told_of["rsi2"], p.rsi2_max)
        other = at_most("", told_of["rsi14"], p.rsi14_max)
        return (either(rsi.name, rsi, other), at_most("vwap_z", told_of["z"], p.z_max)), told_of[
            "back"
        ]

    def _extreme(self, rows: Closed, side: Signs, since: Floats) -> Floats:
        """Return the lowest low from the stretched bar on (the highest high, for shorts)."""
        bars, count = rows.bars, rows.bars.low.shape[1]
        recent = np.arange(count - 1, -1, -1)[None, :] <= since[:, None]
        low = lowest(np.where(recent, bars.low, NAN))
        return np.where(side > 0, low, highest(np.where(recent, bars.high, NAN)))

    def _quiet(self, look: Look) -> Condition:
        """Ask that no article be younger than news_min; without a source that is not known."""
        young = above("news_age_min", look["news_age_min"], self.params.news_min)
        return either(young.name, young, at_most("", look["news_24h"], 0.0))

    def _back(self, look: Look, rows: Closed, rsi2: Floats) -> Exit:
        """Return where a bar that closed after the signal has its RSI(2) back."""
        live = look.live
        back = _mirrored(rsi2, live.side) >= self.params.exit_rsi2
        return Exit("target", "rsi2 is back", back & rows.later(live.fired_ns))


def _mirrored(rsi: Floats, side: Signs) -> Floats:
    """Return RSIs as longs see them: 100 - rsi for shorts."""
    return np.where(side > 0, rsi, 100.0 - rsi)
