"""Set market time at a connection: a simulator's, or else UTC."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

from tapelight.model.clock import MarketClock
from tapelight.model.session import NS

SLACK_NS = 50_000_000
"""So far off, in real time, a clock is let be."""


class SimulatorClock(Struct, gc=False):
    """Hold /simulator/clock: market time in ns UTC and its rate; no real service has it."""

    now_ns: int
    rate: float = 1.0
    held: bool = False
    market: str = ""
    """Which synthetic market: days of one are not those of another."""


class Timing:
    """Keep a clock at the market time that a service tells, as exactly as its answers allow."""

    def __init__(self, clock: MarketClock, utc_ns: Callable[[], int] = time.time_ns) -> None:
        self.synthetic = False
        """Whether a simulator told the time."""
        self._clock = clock
        self._utc_ns = utc_ns
        self._done = False
        """Whether the clock was set: the sink waits for it, however right it was before."""

    async def set(self, ask: Callable[[], Awaitable[SimulatorClock | None]]) -> None:
        """Set the clock by an answer, None for UTC, unless it is right as far as that can tell.

        An answer is as old as its way back, which is anything between nothing and the whole time
        that it took, tries that failed included: so much it may be wrong itself.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        found = await ask()
        unsure_ns = int((loop.time() - began) / 2 * NS)
        if found is None:
            now_ns, rate, unsure_ns = self._utc_ns(), 1.0, 0
        else:
            self.synthetic, rate = True, found.rate
            now_ns = found.now_ns + int(unsure_ns * rate)
        clock = self._clock
        off_ns = abs(now_ns - clock.now_ns())
        if not self._done or rate != clock.rate or off_ns > (SLACK_NS + unsure_ns) * max(rate, 1.0):
            self._done = True
            clock.set(now_ns, rate)
