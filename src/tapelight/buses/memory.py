"""The bus inside one process: a publication is a call."""

from collections import Counter
from collections.abc import Callable, Mapping

from tapelight.errors import Bug
from tapelight.ports import Json

Listener = Callable[[str, Mapping[str, Json]], None]


class MemoryBus:
    """Carry topics by calling every listener in the publisher's thread.

    It holds no state of a topic, so it needs no bound. A published state belongs to the
    listeners from then on: the publisher must not change it afterwards.
    """

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._wants: Counter[str] = Counter()

    def publish(self, topic: str, state: Mapping[str, Json]) -> None:
        """Hand `state` to each listener, in the order in which they subscribed."""
        for listener in self._listeners:
            listener(topic, state)

    def subscribe(self, listener: Listener) -> None:
        """Call `listener(topic, state)` for each publication from now on."""
        self._listeners.append(listener)

    def want(self, topic: str, wanted: bool) -> None:
        """Count one more (or one fewer) party that watches `topic`."""
        if wanted:
            self._wants[topic] += 1
        elif self._wants[topic] <= 0:
            raise Bug(f"Topic {topic!r} was given up more often than it was wanted.")
        else:
            self._wants[topic] -= 1
            self._wants += Counter()

    def wanted(self) -> frozenset[str]:
        """Return the topics that somebody watches."""
        return frozenset(self._wants)
