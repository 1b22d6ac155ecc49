"""S4: a large gap without news gives way: short, towards the fill."""

from typing import Annotated

import numpy as np

from tapelight.scan.strategy import (
    MINUTE_NS,
    SHORT,
    Common,
    Entries,
    Flags,
    Look,
    Strategy,
    at_least,
    at_most,
    below,
    is_true,
    ticks,
    told,
)

NS = 1_000_000_000


class Params(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the thresholds of S4."""

    gap_min: Annotated[float, told("%", "Least gap.", ge=0)] = 6.0
    news_max: Annotated[float, told("", "Most articles of the last 24 hours.", ge=0)] = 0.0
    float_min: Annotated[float, told("shares", "Least float.", ge=0)] = 20e6
    below_by_min: Annotated[float, told("min", "Below the VWAP by then, after the open.")] = 15.0
    valid_s: Annotated[float, told("s", "The entry is void after this.", ge=1)] = 60.0
    out_min: Annotated[float, told("min", "Time stop, after the open.", ge=0)] = 90.0
    begin_min: Annotated[float, told("min", "First entry, after the open.", ge=0)] = 5.0
    end_min: Annotated[float, told("min", "Last entry, after the open.", ge=0)] = 90.0
    tries: Annotated[int, told("", "Most signals a symbol and day.", ge=0)] = 1

    def __post_init__(self) -> None:
        """Refuse entries after the time stop: raises ValueError."""
        super().__post_init__()
        if not 0.0 < self.end_min <= self.out_min:
            raise ValueError(
                f"end_min is {self.end_min:g} (0 is open end) and out_min {self.out_min:g}: an entry "
                "after the time stop is out at once, so end_min must be at most out_min"
            )


class GapFade(Strategy):
    """Sell the break of the first five minutes' low, once they were red and below the VWAP."""

    takes = Params
    params: Params
    code = "S4"
    title = "Gap fade"
    doc = (
        "A gap of 6 % without news opens red and breaks its first low; towards half and full fill."
    )
    sides = ("short",)
    candles = (("5m", 18),)
    memory = {"weak": 0}  # noqa: RUF012

    def concerns(self, look: Look) -> Flags:
        """Return the rows with a gap that is wide enough."""
        wide: Flags = look["gap_pct"] >= self.params.gap_min
        return wide

    def signals(self, look: Look) -> Entries:
        """Return short entries at a break of the opening low, stops at the opening high."""
        p, last, session = self.params, look["last"], look.moment.session
        _, opened, closed, _ = look.first_bar("5m")
        begun = look.minutes >= p.begin_min
        early = begun and look.minutes <= p.below_by_min
        weak = (look.kept("weak") > 0) | (early & (last < look["vwap"]))
        low, high = look["or5_low"], look["or5_high"]
        entry = ticks(low, -1)
        prev = look["prev_close"]
        out_ns = int(session.open_ns + p.out_min * MINUTE_NS) if session else 0
        return Entries(
            when=(
                at_least("gap_pct", look["gap_pct"], p.gap_min),
                at_most("news_24h", look["news_24h"], p.news_max),
                at_least("float_shares", look["float_shares"], p.float_min),
                below("first candle is red", closed, opened),
                is_true("below vwap in time", weak),
                below("break", last, low),
            ),
            side=np.full(len(look), SHORT, np.int8),
            entry=entry,
            stop=high,
            targets=((look["open"] + prev) / 2.0, prev),
            expires_ns=look.now_ns + int(p.valid_s * NS),
            exit_ns=out_ns,
            keep={"weak": weak.astype(np.int64)},
        )
