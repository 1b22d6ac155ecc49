"""The case: what is to be judged, and before what."""

from dataclasses import dataclass
from decimal import Decimal

from tapelight.model.limits import Limits
from tapelight.model.orders import (
    ZERO,
    Account,
    OrderRequest,
    Picture,
)
from tapelight.model.session import Session
from tapelight.orders.book import Book
from tapelight.orders.doubts import Doubts

NS = 1_000_000_000
NS_IN_MS = 1_000_000
HUNDRED = Decimal(100)
SURE = Doubts(looked_ns=0)


@dataclass(frozen=True, slots=True)
class Moment:
    """Hold what stands beside the book when risk is asked."""

    now_ns: int
    session: Session | None
    """The trading day of `now_ns`; None on a day without one."""
    reconciled: bool = True
    """Whether the venue has been asked since the start and since its stream last broke."""
    clock_sure: bool = True
    stopped: str = ""
    """Why no entry may go though the book tells nothing: the kill file, a lost epoch."""
    doubts: Doubts = SURE
    """In which symbols the venue may hold less than the book says."""

    @property
    def day_ns(self) -> int:
        """Return where the trading day began; without one, 24 hours ago."""
        return self.session.start_ns if self.session else self.now_ns - 86_400 * NS

    @property
    def phase(self) -> int:
        """Return the phase of the session, an index into PHASES."""
        return self.session.phase(self.now_ns) if self.session else 0


@dataclass(frozen=True, slots=True)
class Case:
    """Hold what is to be judged, and before what."""

    request: OrderRequest
    book: Book
    picture: Picture | None
    limits: Limits
    moment: Moment

    @property
    def account(self) -> Account | None:
        """Return what the venue last said of the account."""
        return self.book.valued.account if self.book.valued else None

    @property
    def price(self) -> Decimal:
        """Return the worst price that the request allows."""
        return self.request.limit or self.request.stop or ZERO

    @property
    def value(self) -> Decimal:
        """Return what the order is worth at that price, $."""
        return self.price * self.request.quantity
