"""Lives: each process of the trader has one. Dead, it never acts again: kill -9 as a value."""

import asyncio
from random import Random


class Died(BaseException):
    """Unwind what a killed process was doing; nothing of ours may catch it."""


class Life:
    """Hold whether a process lives. Every seam asks it first; a seam is where it may die."""

    def __init__(self, number: int, rng: Random, risk: float) -> None:
        self.number = number
        self.epoch = 0
        """The epoch that it began."""
        self.looked = False
        """Whether the venue has answered it."""
        self.alive = True
        self.ended = asyncio.Event()
        self.site = ""
        """Where it died."""
        self._rng, self._risk = rng, risk

    def at(self, site: str) -> None:
        """Stand at a seam: raise Died when dead, or when this is where the process dies."""
        if self.alive and self._rng.random() < self._risk:
            self.kill(site)
        if not self.alive:
            raise Died(site)

    def kill(self, site: str) -> None:
        """End it here."""
        if self.alive:
            self.alive = False
            self.site = site
            self.ended.set()

    async def sleep(self, seconds: float) -> None:
        """Let time pass; a dead process does not wake."""
        await asyncio.sleep(seconds)
        if not self.alive:
            raise Died("asleep")
