"""Measures that a part tells when it is asked, and logs: structured lines on stderr."""

import asyncio
import os
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from tapelight.errors import ConfigError

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper edges of a histogram's buckets; what lies above is in a last one."""
BEAT_S = 0.1


class Histogram:
    """Count values by buckets: some 200 ns a value, and nothing else is kept."""

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Count a value; one on an edge lies below it."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times


@dataclass(frozen=True, slots=True)
class Measure:
    """State one figure as of now. The name ends in its unit, or in `_total` for what only grows."""

    name: str
    doc: str
    value: float | Histogram
    labels: Mapping[str, str] = field(default_factory=dict)


Measures = Callable[[], Iterable[Measure]]
"""Asked when somebody scrapes: an event or a tick costs nothing for it."""


class Stated:
    """Be an adapter that says how its service is: connecting, ok, or `away: ` and the reason."""

    told_s = 0.0
    """When that was told last; monotonic."""
    _state = "connecting"

    @property
    def state(self) -> str:
        """Return how the service was when it was used last."""
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        self._state, self.told_s = state, time.monotonic()

    @property
    def is_away(self) -> bool:
        """Tell whether it did not answer."""
        return self._state.startswith("away")


class LoopLag:
    """Measure how late the asyncio loop comes to what is due."""

    def __init__(self) -> None:
        self.seconds = Histogram()

    async def run(self) -> None:
        """Look ten times a second; until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + BEAT_S
            await asyncio.sleep(BEAT_S)
            self.seconds.add(max(loop.time() - due_s, 0.0))

    def measures(self) -> Iterable[Measure]:
        """Return the histogram."""
        yield Measure("loop_lag_seconds", "How late the asyncio loop was.", self.seconds)


def log_to_stderr(level: str = "", *, as_json: bool | None = None) -> None:
    """Send logs to stderr: coloured lines on a terminal, JSON elsewhere unless `as_json` says.

    The level is that of TAPELIGHT_LOG where none is given, else info; with debug each signal is a
    line with its id.
    """
    level = level or os.environ.get("TAPELIGHT_LOG") or "info"
    if level not in LEVELS:
        raise ConfigError(f"Unknown log level {level!r}: use {', '.join(LEVELS)}.")
    plain = as_json if as_json is not None else not sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer() if plain else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def counted(name: str, doc: str, counts: Mapping[str, float], label: str) -> Iterable[Measure]:
    """Return one measure for each entry, told apart by a label."""
    return [Measure(name, doc, count, {label: key}) for key, count in counts.items()]
