"""Range checks: what a typed decode lets through and yet cannot be true."""

from collections.abc import Sequence

import numpy as np

from tapelight.feeds.massive.events import (
    BandEvent,
    Event,
    MinuteEvent,
    QuoteEvent,
    SecondEvent,
    TradeEvent,
)
from tapelight.model.batch import Floats, Int64s

MS_FROM, US_FROM, NS_FROM, NS_TO = 10**11, 10**14, 10**17, 2**63
MS_TO, US_TO = NS_TO // 1_000_000, NS_TO // 1_000
"""A time below 1e14 is in milliseconds, below 1e17 in microseconds, else in nanoseconds."""
MAX_AMOUNT = 1e13
FEW = 128
"""Below this many elements Python's min and max cost less than NumPy's."""


def normal_ns(times: Sequence[int] | Int64s, latest_ns: int) -> Int64s:
    """Return `times` in ns UTC, whatever their unit.

    Raises ValueError or OverflowError where one is no time, or is later than `latest_ns`.
    """
    if not len(times):
        return np.empty(0, np.int64)
    raw = times if isinstance(times, np.ndarray) else np.fromiter(times, np.int64, len(times))
    if raw is not times and len(times) < FEW:
        low, high = min(times), max(times)
    else:
        low, high = int(raw.min()), int(raw.max())
    if low < MS_FROM:
        raise ValueError(f"{low} is no event time")
    if high < MS_TO:
        _refuse_ahead(high * 1_000_000, latest_ns)
        return raw * 1_000_000
    if (((raw >= MS_TO) & (raw < US_FROM)) | ((raw >= US_TO) & (raw < NS_FROM))).any():
        raise ValueError(f"one of the times up to {high} is no event time")
    ns = np.where(raw < US_FROM, raw * 1_000_000, np.where(raw < NS_FROM, raw * 1_000, raw))
    _refuse_ahead(int(ns.max()), latest_ns)
    return ns


def _refuse_ahead(ns: int, latest_ns: int) -> None:
    if ns > latest_ns:
        raise ValueError(f"{ns} lies ahead of market time")


def normal_one_ns(time: int) -> int:
    """Return one time in ns UTC; 0 when it cannot be one."""
    if time < MS_FROM:
        return 0
    ns = time * (1_000_000 if time < US_FROM else 1_000 if time < NS_FROM else 1)
    return ns if ns < NS_TO else 0


def amounts(whole: Sequence[float], fractional: Sequence[str]) -> Floats:
    """Return shares; a fractional form ("0.25"), where there is one, wins over the whole one.

    Raises ValueError when a fractional form is no number of shares.
    """
    if not any(fractional):
        return np.fromiter(whole, np.float64, len(whole))
    shares = np.array(
        [float(text) if text else n for text, n in zip(fractional, whole, strict=True)]
    )
    present = np.array([bool(text) for text in fractional])
    if not ((shares >= 0) & (shares <= MAX_AMOUNT))[present].all():
        raise ValueError("a fractional size is out of range")
    return shares


def is_sound(event: Event) -> bool:
    """Tell whether the columns can hold `event`: the check of one that `_batch` refused."""
    match event:
        case TradeEvent():
            return (
                _times(event.t) and 0 <= event.x < 256 and 0 <= event.q < NS_TO and _texts(event.ds)
            )
        case QuoteEvent():
            return _times(event.t)
        case SecondEvent() | MinuteEvent():
            return _times(event.s) and event.l <= event.h and _texts(event.dv, event.dav)
        case BandEvent():
            return _times(event.t) and event.l <= event.h
    return True


def is_ahead(event: Event, latest_ns: int) -> bool:
    """Tell whether a sound event is stamped later than `latest_ns`."""
    match event:
        case TradeEvent() | QuoteEvent() | BandEvent():
            return normal_one_ns(event.t) > latest_ns
        case SecondEvent() | MinuteEvent():
            return normal_one_ns(event.s) > latest_ns
    return False


def _times(time: int) -> bool:
    return 0 < normal_one_ns(time) < NS_TO


def _texts(*texts: str) -> bool:
    try:
        return all(0 <= float(text) <= MAX_AMOUNT for text in texts if text)
    except ValueError:
        return False
