"""World: all that the desk touches, handed to it by who starts it."""

from collections.abc import Callable
from dataclasses import dataclass

from tapelight.model.order_log import OrderRecord
from tapelight.model.session import Session
from tapelight.ports import Broker, KillSwitch, OrderLog, Prices


@dataclass(frozen=True, slots=True)
class World:
    """Hold all that the desk touches."""

    log: OrderLog
    broker: Broker
    prices: Prices
    switch: KillSwitch
    now_ns: Callable[[], int]
    """Market time."""
    session_at: Callable[[int], Session | None]
    """The trading day of a time."""
    clock_sure: Callable[[], bool] = lambda: True
    """Whether the scanner's clock beat has come within 2 s."""
    told: Callable[[OrderRecord], None] = lambda _: None
    """Called with each record once it is durable."""
    approve_only: Callable[[], str] = lambda: ""
    """Return why every entry waits for a person; empty = only those of routes in `approve` do."""
