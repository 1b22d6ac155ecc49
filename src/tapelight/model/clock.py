"""Market time: the one clock of a process."""

import time
from collections.abc import Callable

NS = 1_000_000_000


class MarketClock:
    """Tell market time in ns UTC: monotonic time x rate + offset, never an event's timestamp.

    A mute feed therefore ages. Live feeds run at rate 1; a simulator publishes its time and
    rate, and the feed calls `set` with them at connect.
    """

    def __init__(
        self,
        now_ns: int | None = None,
        rate: float = 1.0,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self.on_set: Callable[[], None] = lambda: None
        """Called after each `set`."""
        self.set(time.time_ns() if now_ns is None else now_ns, rate)

    def set(self, now_ns: int, rate: float = 1.0) -> None:
        """Let it be `now_ns` now, going on at `rate` market seconds a second."""
        self.rate = rate
        self._base_ns = now_ns
        self._base_mono_ns = self._monotonic_ns()
        self.on_set()

    def now_ns(self) -> int:
        """Return market time in ns UTC."""
        elapsed = self._monotonic_ns() - self._base_mono_ns
        if self.rate == 1.0:
            return self._base_ns + elapsed
        return self._base_ns + int(elapsed * self.rate)

    def wall_delay_s(self, until_ns: int) -> float:
        """Return how many real seconds pass until market time `until_ns`; negative if past."""
        if self.rate == 0.0:
            return 3600.0
        return (until_ns - self.now_ns()) / self.rate / NS
