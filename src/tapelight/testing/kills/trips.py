"""Trips of the kill switch while orders go out, the gateway dead or alive, and kill -9 after some."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

from tapelight.model.order_log import Armed, Killed
from tapelight.model.orders import OrderRequest
from tapelight.stores.killswitch import KillFile
from tapelight.stores.traderstate import told
from tapelight.testing.kills.town import START_S, Outcome, Town

SIGNAL_S = 0.04
LOAD_S = 0.4
"""How long orders go out before each trip, at most, once the first has come."""
FLOW_S = 10.0
LAST_S = 0.1
"""How late after a trip a new order may reach the venue."""
CANCEL_S = 1.0
"""How soon the cancel of each entry that works has to be asked."""
WATCH_S = 0.3
"""How long nothing may go out after a restart."""
KILL_SHARE = 0.3
DEAD_SHARE = 0.5


@dataclass(slots=True)
class Trips:
    """Hold what trips came to."""

    count: int = 0
    works: int = 0
    """Entries that worked at a trip."""
    dead: int = 0
    """With the gateway gone."""
    restarts: int = 0
    trip_s: list[float] = field(default_factory=list)
    """How long the trip itself took, to the disk and back."""
    last_s: list[float] = field(default_factory=list)
    """Of the newest entry that reached the venue after a trip: how late it was."""
    cancel_s: list[float] = field(default_factory=list)
    """Of the last cancel of what worked at a trip: how late it was asked."""


class TripTown(Town):
    """Trip, watch, restart, arm, again and again."""

    def __init__(self, folder: Path, seed: int, command: list[str]) -> None:
        super().__init__(folder, seed, idempotent=True, command=command)
        self.trips = Trips()
        self.signal_s = SIGNAL_S
        # An entry whose reply is lost is unknown, and has to be found before it can be cancelled.
        self.server.lost = 0.0
        self.switch = KillFile(folder)
        self._entries: list[tuple[float, str]] = []
        self._cancels: dict[str, float] = {}
        self._checks, self.server.saw = self.server.saw, self._arrives
        self.server.cancelled = self._asked

    def _arrives(self, request: OrderRequest) -> None:
        if not request.reduces:
            self._entries.append((time.monotonic(), request.id))
        self._checks(request)

    def _asked(self, venue_id: str) -> None:
        self._cancels.setdefault(venue_id, time.monotonic())

    async def befall(self, kills: int) -> None:
        """Trip so many times."""
        while self.trips.count < kills:
            await self._flows()
            dead = self.rng.random() < DEAD_SHARE
            if dead:
                await self.gateway.stop()
                self.trips.dead += 1
            await self._trip()
            if self.rng.random() < KILL_SHARE:
                await self._restart(dead)
            if dead:
                await self.gateway.start(self.port)
            await self._arm()
            self.trips.count += 1

    async def _flows(self) -> None:
        """Wait until the trader has its clock and sends entries."""

        def sure() -> bool:
            report = told(self.folder)
            return report is not None and report.clock_sure

        await self.until(sure, START_S)
        before = len(self._entries)
        await self.until(lambda: len(self._entries) > before, FLOW_S)
        await asyncio.sleep(self.rng.uniform(0.0, LOAD_S))

    async def _trip(self) -> None:
        """Switch on, and hold the trader to its times."""
        works = [
            o.venue_id for o in self.venue.orders if o.state == "working" and not o.request.reduces
        ]
        self.trips.works += len(works)
        self._cancels.clear()
        asked_s = time.monotonic()
        if self.rng.random() < 0.5:
            self.switch.path.touch()
        else:
            self.switch.trip(Killed(self.now_ns(), "a trip", "a person"))
        at_s = time.monotonic()  # it is on, and on the disk
        self.trips.trip_s.append(at_s - asked_s)
        await self.until(lambda: not self._left(works), 10 * CANCEL_S)
        await asyncio.sleep(max(at_s + 2 * LAST_S - time.monotonic(), 0.0))
        late = [seen_s - at_s for seen_s, _ in self._entries if seen_s > at_s]
        self.trips.last_s.append(max(late, default=0.0))
        asked = [self._cancels[id_] - at_s for id_ in works if id_ in self._cancels]
        self.trips.cancel_s.append(max(asked, default=0.0))
        if self._left(works):
            self.outcome.violations.append(f"killed, and {self._left(works)} have no cancel")

    def _left(self, works: list[str]) -> list[str]:
        """Return what works still and was not asked to be cancelled."""
        open_ = {o.venue_id for o in self.venue.orders if o.state == "working"}
        return [id_ for id_ in works if id_ in open_ and id_ not in self._cancels]

    async def _restart(self, dead: bool) -> None:
        """Kill the process, and see that the next one is killed still, with and without a gateway."""
        old, begun = self.pid(), len(self._entries)
        self.end(old)
        self.trips.restarts += 1
        if dead:
            await self.until(lambda: self.pid() not in (0, old), START_S)
        else:
            await self.ready(old)
        await asyncio.sleep(WATCH_S)
        if len(self._entries) > begun:
            self.outcome.violations.append(f"killed, restarted, and {self._entries[-1]} was sent")

    async def _arm(self) -> None:
        """Let entries go again, as a person does, and wait until the trader says so."""
        self.switch.arm(Armed(self.now_ns(), "a person"))

        def armed() -> bool:
            report = told(self.folder)
            taken = not self.switch.path.exists() and report is not None
            return taken and report is not None and report.desks[0].killed is None

        if not await self.until(armed, START_S):
            self.outcome.violations.append("it could not be armed")


def play(folder: Path, seed: int, trips: int, command: list[str]) -> tuple[Outcome, Trips]:
    """Run a town of trips in an empty folder."""
    town = TripTown(folder, seed, command)
    return asyncio.run(town.run(trips)), town.trips
