"""Signals: immutable facts that just became true."""

import msgspec

STATES = ("armed", "fired", "confirmed", "invalidated", "expired", "halted", "retracted")
"""What may become of a signal. Each state is a new record with the signal's id."""

Value = float | str | bool | None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Say how a strategy would trade its signal: prices in $, times in ns of market time."""

    side: str
    """long or short."""
    entry: float
    """The trigger price; the order is a stop-limit at it."""
    limit: float
    """The worst price at which to enter: trigger + max(0.1 %, 3 ticks, 1 spread), mirrored for shorts."""
    stop: float
    targets: tuple[float, ...] = ()
    expires_ns: int = 0
    """The entry is void after this; 0 = with the session."""
    exit_ns: int = 0
    """Flat by then (time stop, or 5 minutes before the close)."""


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """State that `scan` became true for `symbol` at the mark of market time `ts_ns`.

    `id` is a hash of (scan version, symbol, mark, rule path): the same on every replay. A later
    state of the same fact is a new record with the same id.
    """

    id: str
    scan: str
    """Name of the scan or strategy."""
    symbol: str
    state: str
    """One of STATES."""
    ts_ns: int
    mark: int
    values: dict[str, Value]
    """The scan's columns at that mark."""
    text: str = ""
    kind: str = "entry"
    """entry, or exit: a strategy's stop, target, time stop or invalidation after it fired."""
    of: str = ""
    """exit: the id of the entry it ends."""
    reason: str = ""
    """Why the state changed: the rule or the leaf that decided."""
    plan: Plan | None = None
    """Strategies: entry, stop, targets."""
