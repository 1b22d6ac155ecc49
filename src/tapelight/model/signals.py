"""Signals: immutable facts that just became true."""

import msgspec


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """State that `scan` became true for `symbol` at the mark of market time `ts_ns`.

    `id` is a hash of (scan version, symbol, mark): the same on every replay.
    """

    id: str
    scan: str
    symbol: str
    state: str
    ts_ns: int
    mark: int
    values: dict[str, float | str | bool | None]
    """The scan's columns at that mark."""
    text: str = ""
