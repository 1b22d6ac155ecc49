"""Outcomes: what a symbol's price did after a signal, from the tape that brought the signal."""

import msgspec

SECOND_NS = 1_000_000_000
HORIZONS_S = {"1m": 60, "5m": 300, "15m": 900, "30m": 1800}
HORIZONS = (*HORIZONS_S, "close")
"""How long after its mark a signal is judged; close is that of the regular session."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Hold what followed one fired signal; None is not known, or did not come to be.

    Returns are in percent of the entry price, positive where the price went the signal's way.
    The entry is the first eligible price at or after the mark that the mark did not know yet; the
    price at a horizon is the last one as of the last mark at or before it, in the same session.
    A strategy's entry is the price at which its plan was confirmed, and its horizons begin there.
    """

    id: str
    scan: str
    symbol: str
    ts_ns: int
    """The signal's mark."""
    session: str
    """Date (ISO)."""
    side: int = 1
    """1 long, -1 short."""
    entry: float | None = None
    """$."""
    entry_ns: int = 0
    gross: tuple[float | None, ...] = (None,) * len(HORIZONS)
    """Return at each of HORIZONS, %."""
    net: tuple[float | None, ...] = (None,) * len(HORIZONS)
    """The same after half a spread at the entry and half a spread at the exit, %."""
    mae_30m: float | None = None
    """The worst price within 30 minutes of the mark, % (0 or below)."""
    mfe_30m: float | None = None
    """The best one, % (0 or above)."""
    mae: float | None = None
    """The worst price before the regular close, %."""
    mfe: float | None = None
    quoted: bool = False
    """Whether the spread at the entry is the recorded one, not the assumption."""
    filled: bool | None = None
    """Of a strategy: whether its entry was traded within its limit; without that no returns."""


class Interval(msgspec.Struct, frozen=True):
    """Hold an estimate with the interval that covers it with 95 % confidence."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


class HorizonRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Hold what all signals of a scan did by one horizon."""

    horizon: str
    n: int
    """Signals with a return at this horizon."""
    median: Interval
    """Of the returns after the spread, %."""
    hit_rate: Interval
    """Share of the returns after the spread that are above 0."""


class ScanRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Hold a scan's track record: every fire counts, the losing ones included."""

    scan: str
    fires: int
    horizons: tuple[HorizonRecord, ...]
    mae_30m: float | None = None
    """Median, %."""
    mfe_30m: float | None = None
    since: str = ""
    """First session (ISO date) that counts."""
    until: str = ""
    filled: int | None = None
    """Of a strategy: entries that were traded within their limit; the others have no returns."""
