"""A lease as a process lives with it: won by waiting, renewed, and given up for lost in time.

It is renewed on a thread, so that a loop which restores, heals or folds for long does not lose it. A
process that stood still for longer than its lease lasts asks for it before it does anything else:
another one may have it by now. While the database is away nobody can take it over, so the holder goes
on; who waits leaves it to its holder for a lease's time when the database is back.
"""

import asyncio
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from tapelight.errors import Unavailable
from tapelight.ports import Lease, Leases
from tapelight.telemetry import Measure

log = structlog.get_logger()
TTL_S = 2.0
LOOK_S = 0.25


class Lost(Unavailable):
    """Say that a lease is another's."""


class Tenure:
    """Win and keep one of some leases."""

    def __init__(self, leases: Leases, owner: str, ttl_s: float = TTL_S) -> None:
        self.lease: Lease | None = None
        self._leases, self._owner, self._ttl_s = leases, owner, ttl_s
        self._asking = threading.Lock()
        self._ending = threading.Event()
        self._until_s = 0.0
        """Until when nobody else can have it, whatever the database says."""
        self._fault: Lost | None = None
        self._away = False
        self._patient_s = 0.0

    @property
    def token(self) -> int:
        """Return the fencing token; 0 before the lease is won."""
        return self.lease.token if self.lease is not None else 0

    async def win(
        self,
        names: Sequence[str],
        waits: Callable[[], object] = lambda: None,
        grace_s: Callable[[], float] = lambda: 0.0,
    ) -> Lease:
        """Take the first of `names` that is free, under a new token; wait until one is.

        It is renewed from then on. `waits` is called once where one has to wait; `grace_s` says
        for how long what ran out is left to its last owner.
        """
        told = False
        while True:
            for name in names:
                lease = await asyncio.to_thread(self._anew, name, grace_s())
                if lease is not None:
                    self.lease = lease
                    threading.Thread(
                        target=self._renewing, name="lease renewal", daemon=True
                    ).start()
                    return lease
            if not told:
                told = True
                waits()
            await asyncio.sleep(LOOK_S)

    def _anew(self, name: str, grace_s: float) -> Lease | None:
        """Take a lease, also where this owner still had it: that was its forerunner's."""
        try:
            if self._away:
                self._leases.holds(Lease(name, self._owner, 0))
                self._away, self._patient_s = False, time.monotonic() + self._ttl_s
            if time.monotonic() < self._patient_s:
                return None
            asked_s = time.monotonic()
            lease = self._leases.take(name, self._owner, self._ttl_s, anew=True, grace_s=grace_s)
        except Unavailable as error:
            if not self._away:
                log.warning("the lease can't be asked for, trying again", reason=str(error))
            self._away = True
            return None
        self._until_s = asked_s + self._ttl_s
        return lease

    async def keep(self) -> None:
        """Look at the lease until cancelled; raises Lost once it is another's.

        After a standstill nothing else runs until the lease is asked for.
        """
        while True:
            seen_s = time.monotonic()
            await asyncio.sleep(LOOK_S)
            now_s = time.monotonic()
            if now_s - seen_s >= self._ttl_s and now_s >= self._until_s:
                log.warning("this process stood still", seconds=round(now_s - seen_s, 1))
                self._renew()
            if self._fault is not None:
                raise self._fault

    def _renewing(self) -> None:
        """Renew; on a thread, which a standstill of the process stops too."""
        while not self._ending.wait(LOOK_S) and self._fault is None:
            self._renew()

    def _renew(self) -> None:
        """Renew it, on any thread; what came of it is noted."""
        with self._asking:
            lease, asked_s = self.lease, time.monotonic()
            if lease is None or self._fault is not None:
                return
            try:
                renewed = self._leases.take(lease.name, lease.owner, self._ttl_s)
            except Unavailable as error:
                if not self._away:
                    log.warning("the lease can't be renewed, trying again", reason=str(error))
                self._away = True
                return
            self._away = False
            if renewed is None:
                self._fault = self._lost("another process took it")
            elif renewed.token != lease.token:
                self._fault = self._lost("another process had it")
            else:
                self._until_s = asked_s + self._ttl_s

    def _lost(self, why: str) -> Lost:
        assert self.lease is not None
        lost = f"The lease {self.lease.name} is lost ({why}): this process ends, and stands by once started again."
        return Lost(lost)

    def measures(self) -> list[Measure]:
        """Return whether the lease can be asked for, for /metrics."""
        doc = "Whether PostgreSQL answered when the lease was asked for last."
        return [Measure("lease_database_up", doc, int(not self._away))]

    async def give_up(self) -> None:
        """Let another take it at once."""
        self._ending.set()
        lease, self.lease = self.lease, None
        if lease is not None:
            try:
                await asyncio.to_thread(self._leases.give_up, lease)
            except Unavailable:
                return  # it runs out by itself


def mark_of(data: Path) -> str:
    """Return a short name of a process's owner, for queues that are its alone."""
    return hashlib.blake2b(owner_of(data).encode(), digest_size=4).hexdigest()


def owner_of(data: Path) -> str:
    """Return who a process is: its machine and its data folder, which a restart keeps."""
    return f"{socket.gethostname()}:{os.path.realpath(data)}"[-120:]
