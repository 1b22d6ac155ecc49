"""A lease as a process lives with it: won by waiting, renewed, and given up for lost in time.

A process that stood still for longer than its lease lasts asks for it before it does anything else:
another one may have it by now. While the database is away nobody can take it over, so the holder goes
on.
"""

import asyncio
import hashlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from tapelight.errors import Unavailable
from tapelight.ports import Lease, Leases

log = structlog.get_logger()
TTL_S = 2.5
LOOK_S = 0.25


class Lost(Unavailable):
    """Say that a lease is another's."""


class Tenure:
    """Win and keep one of some leases."""

    def __init__(self, leases: Leases, owner: str, ttl_s: float = TTL_S) -> None:
        self.lease: Lease | None = None
        self._leases, self._owner, self._ttl_s = leases, owner, ttl_s
        self._asking = threading.Lock()

    @property
    def token(self) -> int:
        """Return the fencing token; 0 before the lease is won."""
        return self.lease.token if self.lease is not None else 0

    async def win(self, *names: str, waits: Callable[[], object] = lambda: None) -> Lease:
        """Take the first of `names` that is free, under a new token; wait until one is.

        `waits` is called once where one has to wait.
        """
        told = False
        while True:
            for name in names:
                lease = await self._anew(name)
                if lease is not None:
                    self.lease = lease
                    return lease
            if not told:
                told = True
                waits()
            await asyncio.sleep(LOOK_S)

    async def _anew(self, name: str) -> Lease | None:
        """Take a lease; one that this owner still had is given up first, for it was its forerunner's."""
        take = self._leases.take
        try:
            lease = await asyncio.to_thread(take, name, self._owner, self._ttl_s)
            if lease is not None:
                await asyncio.to_thread(self._leases.give_up, lease)
                lease = await asyncio.to_thread(take, name, self._owner, self._ttl_s)
        except Unavailable as error:
            log.warning("the lease can't be asked for, trying again", reason=str(error))
            return None
        return lease

    async def keep(self) -> None:
        """Renew the lease; raises Unavailable, in a group, once it is lost."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch(), name="lease watch")
            group.create_task(self._renewing(), name="lease renewal")

    async def _watch(self) -> None:
        """Look at the time alone; after a standstill nothing else runs until the lease is asked for."""
        loop = asyncio.get_running_loop()
        while True:
            seen_s = loop.time()
            await asyncio.sleep(LOOK_S)
            asleep_s = loop.time() - seen_s
            if asleep_s >= self._ttl_s:
                log.warning("this process stood still", seconds=round(asleep_s, 1))
                self._ask()

    async def _renewing(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self._renew()

    async def _renew(self) -> None:
        try:
            await asyncio.to_thread(self._ask)
        except Lost:
            raise
        except Unavailable as error:
            log.warning("the lease can't be renewed, trying again", reason=str(error))

    def _ask(self) -> None:
        """Renew it, on any thread; raises Lost where another one has it or had it since."""
        with self._asking:
            lease = self.lease
            if lease is None:
                return
            renewed = self._leases.take(lease.name, lease.owner, self._ttl_s)
            if renewed is None:
                raise self._lost("another process took it")
            if renewed.token > lease.token + 1:  # one more is its own renewal after it was over
                raise self._lost("another process had it")
            self.lease = renewed

    def _lost(self, why: str) -> Lost:
        assert self.lease is not None
        lost = f"The lease {self.lease.name} is lost ({why}): this process ends, and stands by once started again."
        return Lost(lost)

    async def give_up(self) -> None:
        """Let another take it at once."""
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
