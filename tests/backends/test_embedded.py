"""The embedded defaults pass the kits that the services pass."""

import pytest

from tapelight.buses.memory import MemoryBus
from tapelight.ports import QueueLimits
from tapelight.queues.memory import MemoryQueue
from tapelight.stores.hot_memory import MemoryHot
from tapelight.testing.backends import check_bus, check_hot, check_queue

pytestmark = pytest.mark.integration


async def test_the_bus_in_memory() -> None:
    bus = MemoryBus()
    await check_bus(bus, bus)


async def test_the_hot_state_in_memory() -> None:
    await check_hot(MemoryHot())


async def test_the_queue_in_memory() -> None:
    queues: dict[str, MemoryQueue] = {}

    def make(name: str, limits: QueueLimits) -> MemoryQueue:
        return queues.setdefault(name, MemoryQueue(limits))

    await check_queue(make)
