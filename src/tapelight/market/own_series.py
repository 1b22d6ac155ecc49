"""Series of our own beside TA-Lib's: what remembers bands over many bars, moved on like a handle."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class OwnSeries:
    """Describe one series of our own; `open` takes arrays by `inputs`, then the parameters."""

    open: Callable[..., Any]
    inputs: tuple[str, ...]
    parameters: tuple[tuple[str, float, bool], ...]
    """Name, default, and whether it is a whole number."""
    need: Callable[..., int]
    """Bars until the first value, from the parameters; 0 for parameters that can't be."""
    doc: str


class SqueezeBars:
    """Count the bars for which the Bollinger bands have lain inside the Keltner channel; 0 out.

    Bands of (period, width) around the mean, channel of (period, channel) average true ranges
    around the exponential mean, both of one period (J. Carter, Mastering the Trade, 2005).
    """

    def __init__(
        self, high: Floats, low: Floats, close: Floats, period: float, width: float, channel: float
    ) -> None:
        from talib import stream

        n = int(period)
        self._bands, (upper, _, lower) = stream.BBANDS.open_and_fill(close, n, width, width)
        self._channel, (top, _, bottom) = stream.KC.open_and_fill(high, low, close, n, n, channel)
        inside = (upper < top) & (lower > bottom)
        self.value = float(len(inside) - 1 - inside.tobytes().rfind(b"\0"))

    def update(self, high: float, low: float, close: float) -> float:
        """Take a closed bar."""
        self.value = self._count(self._bands.update(close), self._channel.update(high, low, close))
        return self.value

    def peek(self, high: float, low: float, close: float) -> float:
        """Return the count with a bar that is not closed."""
        return self._count(self._bands.peek(close), self._channel.peek(high, low, close))

    def _count(self, bands: Any, channel: Any) -> float:
        inside = bands[0] < channel[0] and bands[2] > channel[2]
        return self.value + 1.0 if inside else 0.0


class WidthPercentile:
    """Rank the Bollinger bands' present width among those of the last bars: 0 narrowest, 100 widest.

    Null until LEAST widths are known.
    """

    LEAST = 20

    def __init__(self, close: Floats, period: float, width: float, bars: float) -> None:
        from talib import stream

        n = int(period)
        self._bands, (upper, middle, lower) = stream.BBANDS.open_and_fill(close, n, width, width)
        begin = max(n - 1, len(close) - int(bars))
        upper, middle, lower = upper[begin:], middle[begin:], lower[begin:]
        if np.count_nonzero(middle) < len(middle):
            middle = np.where(middle != 0.0, middle, NAN)
        widths = (upper - lower) / middle
        self._widths = deque(widths.tolist(), maxlen=int(bars))
        self.value = NAN
        if len(widths) >= self.LEAST:
            self.value = 100.0 * np.count_nonzero(widths < widths[-1]) / (len(widths) - 1)

    def update(self, close: float) -> float:
        """Take a closed bar."""
        self._widths.append(relative_width(self._bands.update(close)))
        self.value = _rank(self._widths)
        return self.value

    def peek(self, close: float) -> float:
        """Return the rank with a bar that is not closed."""
        widths = self._widths.copy()
        widths.append(relative_width(self._bands.peek(close)))
        return _rank(widths)


def relative_width(bands: tuple[float, float, float]) -> float:
    """Return (upper - lower) / middle of upper, middle, lower; NaN around 0."""
    upper, middle, lower = bands
    return (upper - lower) / middle if middle else NAN


def _rank(widths: deque[float]) -> float:
    """Return the share of the earlier widths below the last one, in percent."""
    if len(widths) < WidthPercentile.LEAST:
        return NAN
    last = widths[-1]
    return 100.0 * sum(width < last for width in widths) / (len(widths) - 1)


def _squeeze_needs(period: float, width: float, channel: float) -> int:
    return int(period) + 1 if period >= 2 and width > 0 and channel > 0 else 0


def _percentile_needs(period: float, width: float, bars: float) -> int:
    fits = period >= 2 and width > 0 and bars >= WidthPercentile.LEAST
    return int(period) + WidthPercentile.LEAST - 1 if fits else 0


OWN = {
    "SQUEEZE_BARS": OwnSeries(
        SqueezeBars,
        ("high", "low", "close"),
        (("period", 20.0, True), ("width", 2.0, False), ("channel", 1.5, False)),
        _squeeze_needs,
        "Bars for which the Bollinger bands have lain inside the Keltner channel",
    ),
    "BB_WIDTH_PCTL": OwnSeries(
        WidthPercentile,
        ("close",),
        (("period", 20.0, True), ("width", 2.0, False), ("bars", 120.0, True)),
        _percentile_needs,
        "Bollinger bands' width, in percent of its last bars (20 at least) that were narrower",
    ),
}
