"""How often something happened within a span before any moment; moments may come out of order."""

from bisect import bisect_right, insort

OLDEST_NS = 6 * 3_600 * 1_000_000_000
"""An alert that could not be told for so long is of no use any more; so far behind the newest one may come."""


class Recent:
    """Count events by market time, ns."""

    def __init__(self) -> None:
        self._times: list[int] = []

    def within(self, span_ns: int, now_ns: int) -> int:
        """Return how many there were after `now_ns - span_ns`, up to `now_ns`."""
        return bisect_right(self._times, now_ns) - bisect_right(self._times, now_ns - span_ns)

    def add(self, at_ns: int) -> None:
        """Note one more."""
        insort(self._times, at_ns)
        del self._times[: bisect_right(self._times, self._times[-1] - OLDEST_NS)]
