"""S6: a new high of the regular session after a base, on relative volume."""

from typing import Annotated

import numpy as np

from tapelight.market.indicators import Ask, ask
from tapelight.scan.strategy import (
    Common,
    Entries,
    Flags,
    Floats,
    Look,
    Strategy,
    above,
    at_least,
    at_most,
    longs,
    multiples,
    ticks,
    told,
)

NAN, NS = float("nan"), 1_000_000_000


class Params(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the thresholds of S6."""

    base_s: Annotated[float, told("s", "Least time since the high was set.", ge=0)] = 120.0
    depth_min: Annotated[float, told("%", "Least pullback, of the leg before.", ge=0)] = 15.0
    depth_max: Annotated[float, told("%", "Deepest pullback, of the leg before.", ge=0)] = 50.0
    rvol_tod_min: Annotated[float, told("", "Least relative volume of the day.", ge=0)] = 3.0
    rvol_5m_min: Annotated[float, told("", "Least relative volume of 5 minutes.", ge=0)] = 2.0
    chg_open_min: Annotated[float, told("%", "Least change from the open.", ge=0)] = 2.0
    ema_fast: Annotated[int, told("bars", "Fast average of closes, 1 m; it trails.", ge=2)] = 9
    ema_slow: Annotated[int, told("bars", "Slow average of closes, 1 m.", ge=2)] = 20
    valid_s: Annotated[float, told("s", "The entry is void after this.", ge=1)] = 60.0
    last_entry_min: Annotated[float, told("min", "Last entry, before the close.", ge=0)] = 30.0

    def __post_init__(self) -> None:
        """Refuse a fast average that is no faster: raises ValueError."""
        super().__post_init__()
        self.in_order("ema_fast", "ema_slow", apart=True)


class NewHod(Strategy):
    """Buy the break of the session's high once it has rested in a base.

    The base is what followed the high: how long ago that was, and the lowest price since. The
    leg is the way up to the high from the low of the base before (at first, the session's low).
    """

    takes = Params
    params: Params
    code = "S6"
    title = "New high with volume"
    doc = "A new high of the session after two minutes of base, on three times the usual volume."
    enabled = True
    memory = {"high": NAN, "high_ns": 0, "base_low": NAN, "leg_low": NAN}  # noqa: RUF012

    def indicators(self) -> tuple[Ask, Ask]:
        """Return the fast and slow averages."""
        p = self.params
        return ask("ema", (float(p.ema_fast),), "1m"), ask("ema", (float(p.ema_slow),), "1m")

    def signals(self, look: Look) -> Entries:
        """Return entries a tick above the high that stood, stops at the pullback's low."""
        p, last = self.params, look["last"]
        fast, slow = (look.indicator(one) for one in self.indicators())
        high, low, leg_low = look.kept("high"), look.kept("base_low"), look.kept("leg_low")
        high_ns = look.kept("high_ns")
        secs = np.where(high_ns > 0, (look.now_ns - high_ns) / 1e9, NAN)
        leg = high - leg_low
        depth = 100.0 * (high - low) / np.where(leg > 0.0, leg, NAN)
        entry = ticks(high, 1)
        when = (
            at_least("secs_since_high", secs, p.base_s),
            at_least("depth_pct", depth, p.depth_min),
            at_most("depth_pct", depth, p.depth_max),
            at_least("rvol_tod", look["rvol_tod"], p.rvol_tod_min),
            at_least("rvol_5m", look["rvol_5m"], p.rvol_5m_min),
            at_least("chg_open_pct", look["chg_open_pct"], p.chg_open_min),
            above("last over vwap", last, look["vwap"]),
            above("ema fast over slow", fast, slow),
            at_least("new high", last, entry),
        )
        return Entries(
            when=when,
            side=longs(look),
            entry=entry,
            stop=low,
            targets=multiples(entry, low, 1.0, 2.0),
            expires_ns=look.now_ns + int(p.valid_s * NS),
            trail=fast,
            keep=self._remember(look, last, secs >= p.base_s),
        )

    def _remember(self, look: Look, last: Floats, based: Flags) -> dict[str, Floats]:
        """Return the memory after this moment: a new high ends the base and begins the next.

        So does one that fell: the print that had set it was cancelled.
        """
        kept_high, high = look.kept("high"), look["high"]
        first = np.isnan(kept_high)
        rises = first | (high != kept_high)
        base_low, leg_low = look.kept("base_low"), look.kept("leg_low")
        leg_low = np.where(first, look["low"], np.where(rises & based, base_low, leg_low))
        return {
            "high": np.where(rises, high, kept_high),
            "high_ns": np.where(rises, look.now_ns, look.kept("high_ns")),
            "base_low": np.where(rises, last, np.fmin(base_low, last)),
            "leg_low": leg_low,
        }
