"""A broker with a venue of its own, for a trader in this process."""

import time
from collections.abc import AsyncIterator
from random import Random

import msgspec

from orders.desks import DirectBroker
from tapelight.errors import ConfigError
from tapelight.model.orders import Report
from tapelight.testing.venue import Venue


class Config(msgspec.Struct, frozen=True):
    """[broker.standin]."""

    refuses: bool = False
    """Whether it lets nobody in."""


class StandIn(DirectBroker):
    """Reach the venue at once, or be refused."""

    def __init__(self, config: Config) -> None:
        super().__init__(Venue(Random(1), time.time_ns, lambda _: None))
        self.config = config

    async def reports(self) -> AsyncIterator[Report]:
        """Yield what the venue pushes."""
        if self.config.refuses:
            raise ConfigError("It refuses the keys.")
        async for report in super().reports():
            yield report


def open(config: Config) -> StandIn:  # noqa: A001 - the name that every broker has
    """Return the broker."""
    return StandIn(config)
