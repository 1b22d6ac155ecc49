"""Bars of longer spans, made from minute bars."""

from collections.abc import Sequence

SPANS = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600}
"""Name of a span -> seconds."""

Bar = Sequence[float]
"""[start (s, UTC), open, high, low, close, volume (shares)]."""


def widen(bars: Sequence[Bar], span_s: int) -> list[list[float]]:
    """Return `bars` (oldest first) joined into bars of `span_s` seconds, aligned to UTC."""
    wide: list[list[float]] = []
    for start, open_, high, low, close, volume in bars:
        aligned = start - start % span_s
        if wide and wide[-1][0] == aligned:
            last = wide[-1]
            last[2:] = [max(last[2], high), min(last[3], low), close, last[5] + volume]
        else:
            wide.append([aligned, open_, high, low, close, volume])
    return wide
