"""Quotas: so many requests, log-in attempts or connections for each address or name."""

from collections import OrderedDict
from collections.abc import Callable

KEYS = 10_000
"""Addresses or names that are remembered, the longest unused is forgotten first."""


class Quota:
    """Let each key act `burst` times at once and `per_minute` times a minute on average."""

    def __init__(self, per_minute: float, burst: int, clock: Callable[[], float]) -> None:
        self._every_s = 60.0 / per_minute
        self._span_s = self._every_s * burst
        self._clock = clock
        self._due_s: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str) -> float:
        """Count one act; return 0.0, or in how many seconds the next one may come."""
        now_s = self._clock()
        due_s = max(self._due_s.pop(key, now_s), now_s)
        wait_s = due_s + self._every_s - self._span_s - now_s
        self._due_s[key] = due_s if wait_s > 0 else due_s + self._every_s
        if len(self._due_s) > KEYS:
            self._due_s.popitem(last=False)
        return max(wait_s, 0.0)

    def forgive(self, key: str) -> None:
        """Forget what a key has used."""
        self._due_s.pop(key, None)
