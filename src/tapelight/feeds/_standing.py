"""How a feed stands with its provider: since when events may lack, and what was said of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import numpy as np

from tapelight.errors import Rejected, Unavailable
from tapelight.feeds._websocket import Backoff, Closed
from tapelight.model.records import FeedState, Snapshot
from tapelight.model.session import MINUTE_NS, NS, Calendar, latest_session
from tapelight.ports import Sink

STAND_BACK_S = 60.0
"""After an eviction: two programs with one key would evict each other for ever."""
POLICY_VIOLATION = 1008
PROVED_S = 10.0
"""A connection that lived so long was a good one: the next wait is short again."""
LONGEST_NS = 30 * MINUTE_NS
"""A longer hole is not healed: its rows have the snapshot's day."""
DELAY_NS = 15 * MINUTE_NS
"""Of a delayed plan."""
BEFORE_NS = 2 * NS
"""Asked for before a hole too: what was on its way when the stream broke."""


class StandBack(Unavailable):
    """Say that the provider will not have us for now; the words tell what the user may do."""

    wait_s = STAND_BACK_S


class Evicted(StandBack):
    """Say that another program has the connection that the key allows."""


class Standing:
    """Say what state the stream is in, each once, and keep the hole that is open."""

    def __init__(
        self, name: str, sink: Sink, days: Calendar, backoff: Backoff, heals: bool = False
    ) -> None:
        self.hole_ns = 0
        """Since when events may lack; 0 when none do."""
        self.lived = asyncio.Event()
        """Set once the first connection is live."""
        self.heals = heals
        """Whether the provider has the trades that a hole missed."""
        self.absent: tuple[str, ...] = ()
        """Symbols that the provider refuses."""
        self._name, self._sink, self._days, self._backoff = name, sink, days, backoff
        self._said: tuple[str, str, int, tuple[str, ...]] | None = None

    def say(self, state: str, detail: str) -> None:
        """Put a FeedState, unless it was the last one said."""
        hole_ns, absent = self.hole_ns, self.absent
        if (state, detail, hole_ns, absent) != self._said:
            self._said = (state, detail, hole_ns, absent)
            now_ns, heals = self._sink.clock.now_ns(), self.can_heal()
            self._sink.put(
                FeedState(now_ns, self._name, state, detail, hole_ns > 0, hole_ns, heals, absent)
            )

    def live(self, words: Iterable[str] = (), fault: str = "") -> None:
        """Say that the stream is live; after a `fault`, the day's figures stay provisional."""
        now_ns = self._sink.clock.now_ns()
        if not fault:
            self.hole_ns = 0
        elif not self.hole_ns:
            self.hole_ns = min(now_ns, latest_session(self._days, now_ns).start_ns)
        self.say("live", "; ".join(word for word in (*words, fault) if word))
        self.lived.set()

    def lose(self, last_ns: int, error: Exception) -> None:
        """Say that the stream is lost; a hole begins with its last frame."""
        if self.lived.is_set() and not self.hole_ns:
            self.hole_ns = last_ns
        self.tell(error)

    def tell(self, error: Exception) -> None:
        """Say why there is no stream."""
        words = str(error)
        if not isinstance(error, StandBack):
            words = f"{words} Check the network; trying again."
        self.say("gap" if self.hole_ns else "connecting", words)

    def trying(self, error: Exception) -> None:
        """Say why there is no stream yet, though a request is tried again: at the start alone."""
        if self._said is not None and self._said[0] == "connecting":
            self.tell(error)

    def can_heal(self) -> bool:
        """Tell whether a hole is open whose trades may be fetched: not from before the first stream."""
        hole_ns = self._sink.clock.now_ns() - self.hole_ns if self.hole_ns else LONGEST_NS
        return self.heals and self.lived.is_set() and hole_ns < LONGEST_NS

    def hole(self) -> tuple[int, int]:
        """Return since when and until when events lack.

        The clock is set anew at each connection: it may stand a little before the hole's begin.
        """
        return self.hole_ns, max(self._sink.clock.now_ns(), self.hole_ns + 1)

    async def survived(self, step: Callable[[], Awaitable[None]]) -> bool:
        """Do a step; after `Unavailable` or `Rejected` say so, wait the back-off and return False."""
        self._backoff.attempt()
        began = asyncio.get_running_loop().time()
        try:
            await step()
        except (Unavailable, Rejected) as error:
            if asyncio.get_running_loop().time() - began > PROVED_S:
                self._backoff.succeeded()
            self.tell(error)
            await asyncio.sleep(self._backoff.delay_s(_least_s(error)))
            return False
        return True


def _least_s(error: Exception) -> float:
    """Return how long to wait at the least: a provider that bars us is not fought."""
    if isinstance(error, Closed) and error.code == POLICY_VIOLATION:
        return STAND_BACK_S
    return error.wait_s if isinstance(error, StandBack) else 0.0


def traded_since(snapshot: Snapshot, since_ns: int) -> list[int]:
    """Return the rows that have traded since a time, those with most dollars first."""
    at = np.flatnonzero(snapshot.updated_ns >= since_ns)
    dollars = np.nan_to_num(snapshot.volume[at] * snapshot.last[at])
    return [int(row) for row in snapshot.row[at][np.argsort(-dollars, kind="stable")]]
