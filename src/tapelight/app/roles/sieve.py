"""What other processes may tell a gateway or an alert role over the bus: the forms of their states."""

from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from tapelight.app.publish import PRICES
from tapelight.app.roles.hotboards import SIGNALS, HotBoards
from tapelight.buses.memory import MemoryBus
from tapelight.ports import Json
from tapelight.telemetry import Measure

log = structlog.get_logger()


def refusals(count: int) -> Measure:
    """Return how much came that is none of ours, for /metrics."""
    return Measure("bus_refused_total", "Publications of others that are none of ours.", count)


class BoardState(msgspec.Struct, frozen=True):
    """Be what a board's state must have."""

    mark: int
    ts_ns: int
    order: list[str]
    rows: dict[str, list[Any]]


class SymbolState(msgspec.Struct, frozen=True):
    """Be what a row's state must have."""

    mark: int
    ts_ns: int
    values: dict[str, Any]


class PricesState(msgspec.Struct, frozen=True):
    """Be what the state of last prices must have."""

    mark: int
    ts_ns: int
    prices: dict[str, float]


class BarsState(msgspec.Struct, frozen=True):
    """Be what the state of bars must have."""

    mark: int
    ts_ns: int
    bars: list[list[Any]]


STATES = {"board": BoardState, "symbol": SymbolState, "bars": BarsState}


class Sieve:
    """Let through to a gateway's bus what the workers may tell: another version's, or a stranger's, ends here."""

    def __init__(self, near: MemoryBus, boards: HotBoards) -> None:
        self.refused = 0
        self._near, self._boards = near, boards

    def hear(self, topic: str, state: Mapping[str, Json]) -> None:
        """Take a publication of another process."""
        if topic.startswith(SIGNALS):
            self._boards.heard(state)
            return
        if topic == PRICES:
            return  # it is for an alert role
        kind = STATES.get(topic.partition(":")[0])
        try:
            if kind is not None:
                msgspec.convert(state, kind)
                self._near.publish(topic, state)
                return
            reason = "no such topic"
        except msgspec.ValidationError as error:
            reason = str(error)
        if not self.refused:
            log.warning("a publication is none of ours", topic=topic, reason=reason)
        self.refused += 1
