"""Signals: immutable facts that just became true, with what they rest on."""

from typing import Any

import msgspec

STATES = ("armed", "fired", "confirmed", "invalidated", "expired", "halted", "retracted")
"""What may become of a signal. Each state is a new record with the signal's id."""
NS_IN_MS = 1_000_000

Value = float | str | bool | None


class Leaf(msgspec.Struct, frozen=True, gc=False):
    """State what one comparison of a condition saw: `rvol_tod` 3.4 `>=` 3.0, true."""

    name: str
    """What is compared: a column, an expression as written, or a strategy's own word."""
    value: Value
    """Its value at the mark; None is unknown."""
    op: str
    """>, >=, <, <=, =, <>, in, not in, like, not like, is, is null, is not null."""
    bound: Value
    """What it is compared with: a number, a word, the list of IN as text, True or False of a flag."""
    true: bool | None
    """Whether it holds; None where the value or the bound is unknown, which counts as not."""
    within: tuple[str, ...] = ()
    """The groups it stands in, outermost first: gate, or1, and2 ... A name is that of the join and
    its place in the group around it; leaves of no group (and the gate) must all hold."""
    against: str = ""
    """The bound as written, where it is no literal: prev_high * 1.01."""


class Hops(msgspec.Struct, frozen=True, kw_only=True):
    """Hold when the event behind a signal passed each station, ns of market time; None unknown.

    No part of any digest: a replay has other stamps, and the same answers.
    """

    exchange_ns: int | None = None
    """The event's own stamp: the SIP's for US equities. No feed says when its provider sent it on."""
    receive_ns: int | None = None
    fold_ns: int | None = None
    """When the batch was in the table."""
    fire_ns: int | None = None
    """When the mark that asked was answered."""
    dispatch_ns: int | None = None
    """When the gateway published it."""
    text: str = ""
    """The same for people: 142 ms (net 61, table 9, rule 64, send 8)."""

    def parts_ms(self) -> dict[str, float]:
        """Return the time between neighbouring stations that are known, ms: net, table ..."""
        stamps = {
            "net": (self.exchange_ns, self.receive_ns),
            "table": (self.receive_ns, self.fold_ns),
            "rule": (self.fold_ns, self.fire_ns),
            "send": (self.fire_ns, self.dispatch_ns),
            "total": (self.exchange_ns, self.dispatch_ns),
        }
        return {
            name: (end - begin) / NS_IN_MS
            for name, (begin, end) in stamps.items()
            if begin is not None and end is not None
        }


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
    signal_only: bool = False
    """For people alone: never an order (shorts without borrow data, halts)."""


class Signal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
    why: tuple[Leaf, ...] = ()
    """Every leaf of the condition that decided, the gate's included, as it stood at the mark."""
    event_ns: int = 0
    """Event time of the symbol's last print at the mark; 0 = it has none."""
    group: str = ""
    """The id of the first signal of a burst; empty where the scan groups none."""
    count: int = 1
    """How many signals of the burst there have been, this one included."""
    hops: Hops | None = None
    """When it passed where; the one field that no digest covers."""


def witness(signal: Signal) -> tuple[Any, ...]:
    """Return what a digest covers: all that a replay must give again, so no hop."""
    facts = msgspec.structs.astuple(signal)
    return facts[: Signal.__struct_fields__.index("hops")]
