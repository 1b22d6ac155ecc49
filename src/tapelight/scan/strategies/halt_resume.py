"""S11: trading resumes at or above the price of a volatility halt, and goes on upwards."""

from typing import Annotated, Any

import numpy as np

from tapelight.scan.closed import NAN, lowest
from tapelight.scan.strategy import (
    Common,
    Condition,
    Entries,
    Exit,
    Flags,
    Floats,
    Look,
    Strategy,
    above,
    at_least,
    at_most,
    is_true,
    longs,
    multiples,
    ticks,
    told,
)

NS = 1_000_000_000
PAUSES = ("LUDP", "M")
"""Limit up, limit down: as the UTP and the CTS plans say it."""
BARRED = ("T1", "T12", "H10", "P")
"""News pending (T1; P under CTS), information requested, suspended by the SEC."""
BEFORE_S = 300
NO, PAUSE, OTHER = 0, 1, 2
"""Kinds of halt in the memory."""


class Params(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the thresholds of S11."""

    wait_s: Annotated[float, told("s", "No entry so soon after the resume.", ge=0)] = 5.0
    range_s: Annotated[float, told("s", "The entry is above this span's high.", ge=1)] = 15.0
    entry_s: Annotated[float, told("s", "No entry so late after the resume.", ge=1)] = 300.0
    halts_max: Annotated[float, told("", "Most halts of the day, this one included.", ge=1)] = 2.0
    gap_max: Annotated[float, told("%", "The resume's farthest from the halt.", ge=0)] = 15.0
    stop_pct: Annotated[float, told("%", "Farthest stop below the entry.", ge=0)] = 4.0
    target_r: Annotated[float, told("R", "A target besides the next limit band.", ge=0)] = 2.0
    out_s: Annotated[float, told("s", "Time stop after the signal.", ge=1)] = 300.0
    valid_s: Annotated[float, told("s", "The entry is void after this.", ge=1)] = 30.0
    down: Annotated[bool, told("", "Whether it also follows the bounce of a halt down.")] = False
    trade_rate_min: Annotated[float, told("1/s", "Fewest prints a second.", ge=0)] = 5.0
    spread_pct_max: Annotated[float, told("%", "Widest spread.", ge=0)] = 1.5


class HaltResume(Strategy):
    """Buy the break of the first 15 seconds' high after a pause that was a halt up.

    The memory holds of the halt: its price, the low of the five minutes before (lost, it ends
    the trade), its direction (the nearer limit band, else the change of five minutes) and kind;
    of the resume: its first price, the span's high, the low, all of last prices as marks see
    them. The stop is the resume's low, stop_pct at the farthest. A halt with news pending, for
    information or by the SEC bars the symbol for the day. Told to people only.
    """

    takes = Params
    params: Params
    code = "S11"
    title = "Halt resume"
    doc = "After a limit-up pause that resumes no lower: entry over the first 15 seconds' high."
    enabled = True
    signal_only = True
    memory = {  # noqa: RUF012
        "halt_ns": 0, "kind": NO, "barred": 0, "way": 0,
        "price": NAN, "low5": NAN, "first": NAN, "high": NAN, "low": NAN,
    }  # fmt: skip

    def concerns(self, look: Look) -> Flags:
        """Return the rows that are halted, or were today."""
        halted: Flags = look.state("halt_ns") > 0
        return halted

    def signals(self, look: Look) -> Entries:
        """Return entries a tick over the first seconds' high, stops at the low since."""
        p, last, now = self.params, look["last"], self._remember(look)
        entry = ticks(now["high"], 1)
        stop = np.fmax(now["low"], entry * (1.0 - p.stop_pct / 100.0))
        when = self._setup(look, now)
        return Entries(
            when=(*when, above("break", last, now["high"])),
            side=longs(look),
            entry=entry,
            stop=stop,
            targets=(look["luld_up"], *multiples(entry, stop, p.target_r)),
            armed=np.logical_and.reduce([c.true for c in when]),
            expires_ns=look.now_ns + int(p.valid_s * NS),
            exit_ns=look.now_ns + int(p.out_s * NS),
            exits=(Exit("invalid", "below the low before the halt", last < now["low5"]),),
            keep=now,
        )

    def _setup(self, look: Look, now: dict[str, Any]) -> tuple[Condition, ...]:
        """Return the leaves of halt and resume."""
        p, since = self.params, _since_resume(look)
        gap = np.abs(100.0 * (now["first"] / now["price"] - 1.0))
        way = (now["way"] > 0) | (p.down & (now["way"] < 0))
        return (
            is_true("volatility pause", now["kind"] == PAUSE),
            is_true("halt up", way),
            at_most("halts_today", look["halts_today"], p.halts_max),
            is_true("no news halt today", now["barred"] == 0),
            is_true("no signal since the halt", look.live.fired_ns < now["halt_ns"]),
            at_least("resume price", now["first"], now["price"]),
            at_most("resume_gap_pct", gap, p.gap_max),
            at_least("secs_since_resume", since, max(p.wait_s, p.range_s)),
            at_most("secs_since_resume", since, p.entry_s),
        )

    def _remember(self, look: Look) -> dict[str, Any]:
        """Return the memory after this moment: halts as they begin, resumes as they trade."""
        kept = {name: look.kept(name) for name in self.memory}
        halted, codes = look["halted"], look["halt_code"]
        begun = halted & (look.state("halt_ns") != kept["halt_ns"])
        now = self._begun(look, kept, begun) if begun.any() else dict(kept)
        code = np.where(codes.among(PAUSES), PAUSE, OTHER)
        now["kind"] = np.where(halted, code, now["kind"])
        now["barred"] = np.maximum(kept["barred"], halted & codes.among(BARRED))
        return now | self._resumed(look, now, halted)

    def _begun(self, look: Look, kept: dict[str, Any], begun: Flags) -> dict[str, Any]:
        """Return the memory with the halts that begin."""
        last, nothing = look["last"], look.full(NAN)
        found = {
            **kept,
            "halt_ns": look.state("halt_ns"),
            "price": last,
            "low5": np.fmin(lowest(look.past(BEFORE_S)), last),
            "way": _way(look, last),
            **dict.fromkeys(("first", "high", "low"), nothing),
        }
        return {name: np.where(begun, found[name], kept[name]) for name in kept}

    def _resumed(self, look: Look, now: dict[str, Any], halted: Flags) -> dict[str, Floats]:
        """Return first price, high of the span and low of the rows that trade again."""
        last, since = look["last"], _since_resume(look)
        traded = ~halted & (now["halt_ns"] > 0) & (look.state("last_ns") >= look.state("resume_ns"))
        spans = traded & (since <= self.params.range_s)
        return {
            "first": np.where(traded & np.isnan(now["first"]), last, now["first"]),
            "high": np.where(spans, np.fmax(now["high"], last), now["high"]),
            "low": np.where(traded, np.fmin(now["low"], last), now["low"]),
        }


def _since_resume(look: Look) -> Floats:
    """Return the seconds since trading resumed; NaN while halted and without a halt."""
    resumed = look.state("resume_ns")
    known = (resumed > 0) & ~look["halted"]
    return np.where(known, (look.now_ns - resumed) / NS, NAN)


def _way(look: Look, last: Floats) -> Any:
    """Return 1 for a halt up, -1 down: by the nearer band, else by five minutes' change; 0 neither."""
    above_it, below_it = look["luld_up"] - last, last - look["luld_dn"]
    change = look["chg_5m"]
    by_band = np.where(above_it < below_it, 1, -1)
    by_change = np.where(change > 0.0, 1, np.where(change < 0.0, -1, 0))
    return np.where(np.isnan(above_it) | np.isnan(below_it), by_change, by_band)
