"""Set market time at a connection: a simulator's, or else UTC."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

from tapelight.feeds._standing import StandBack
from tapelight.model.clock import MarketClock
from tapelight.model.session import NS

SLACK_NS = 50_000_000
"""So far off, in real time, a clock is let be."""
SLEPT_NS = 5 * NS
"""So far off UTC is no drift: rows are stale after as long."""


class Slept(StandBack):
    """Say that the computer slept: the clock stood meanwhile, and the stream's data with it."""

    wait_s = 0.0


class SimulatorClock(Struct, gc=False):
    """Hold /simulator/clock: market time in ns UTC and its rate; no real service has it."""

    now_ns: int
    rate: float = 1.0
    held: bool = False
    market: str = ""
    """Which synthetic market: days of one are not those of another."""


async def until(clock: MarketClock, ts_ns: int) -> None:
    """Wait until market time `ts_ns`; in steps, because the clock may be set meanwhile."""
    while True:
        delay_s = clock.wall_delay_s(ts_ns)
        if delay_s <= 0:
            return
        await asyncio.sleep(min(delay_s, 1.0))


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
            self.set_utc()
        else:
            self.synthetic = True
            self._set(found.now_ns + int(unsure_ns * found.rate), found.rate, unsure_ns)

    def set_utc(self) -> None:
        """Set the clock to UTC, unless it is right."""
        self._set(self._utc_ns(), 1.0, 0)

    def check(self) -> None:
        """Raise Slept where UTC has gone on without the clock, as it does while a computer sleeps."""
        off_s = (self._utc_ns() - self._clock.now_ns()) / NS
        if not self.synthetic and abs(off_s) > SLEPT_NS / NS:
            raise Slept(
                f"The computer slept, or its time was set: the clock is {abs(off_s):,.0f} s off; "
                "connecting anew."
            )

    def _set(self, now_ns: int, rate: float, unsure_ns: int) -> None:
        clock = self._clock
        off_ns = abs(now_ns - clock.now_ns())
        if not self._done or rate != clock.rate or off_ns > (SLACK_NS + unsure_ns) * max(rate, 1.0):
            self._done = True
            clock.set(now_ns, rate)
