"""Doubts: in which symbols the venue may hold less than the book says, until a look has told.

Whoever closes a position in the broker's own app cancels our stop first: what we would send in its
place turns the account around. So nothing that reduces goes on the book's word alone once there is
reason to doubt it.
"""

from collections.abc import Iterable
from decimal import Decimal

from tapelight.model.orders import ZERO, Report, Statement
from tapelight.orders.book import Book

NEVER_NS = -1


class Doubts:
    """Keep what raised a doubt and what the last look said. A start doubts everything."""

    def __init__(self, looked_ns: int = NEVER_NS) -> None:
        self._all_ns = 0
        self._until_ns: dict[str, int] = {}
        """A look that begins earlier does not end the doubt in a symbol."""
        self._looked_ns = looked_ns
        """When the newest look began that was answered."""
        self._less: dict[str, Decimal] = {}
        """What the venue held at that look, where that was less than the book's."""
        self._others: tuple[Report, ...] = ()
        """Orders that are not ours and worked at that look."""

    def everything(self, now_ns: int) -> None:
        """Doubt every symbol: the venue's stream broke."""
        self._all_ns = max(self._all_ns, now_ns)

    def one(self, symbol: str, until_ns: int) -> None:
        """Doubt a symbol until a look that begins at `until_ns` or later."""
        self._until_ns[symbol] = max(self._until_ns.get(symbol, 0), until_ns)

    def looked(
        self, book: Book, statement: Statement, others: Iterable[Report], begun_ns: int
    ) -> None:
        """Take a look in, the book being brought up to it."""
        self._looked_ns = max(self._looked_ns, begun_ns)
        self._until_ns = {s: ns for s, ns in self._until_ns.items() if ns > begun_ns}
        self._others = tuple(others)
        held = {holding.symbol: holding.quantity for holding in statement.holdings}
        self._less = {
            symbol: held.get(symbol, ZERO)
            for symbol, position in book.positions.items()
            if position.quantity and _less(held.get(symbol, ZERO), position.quantity)
        }

    def due(self, now_ns: int) -> bool:
        """Tell whether a look that begins now would end a doubt."""
        if self._looked_ns < self._all_ns:
            return True
        return any(self._looked_ns < until_ns <= now_ns for until_ns in self._until_ns.values())

    def sure(self, symbol: str, quantity: Decimal) -> bool:
        """Tell whether the venue holds the book's `quantity`, as far as anybody can know."""
        if self._looked_ns < max(self._all_ns, self._until_ns.get(symbol, 0)):
            return False
        return self._less.get(symbol, quantity) == quantity

    def spoken_for(self, symbol: str, quantity: Decimal) -> Decimal:
        """Return how many of the shares held orders would close that are not ours."""
        return sum(
            (
                max(order.quantity - order.filled, ZERO)
                for order in self._others
                if order.symbol == symbol and (order.side == "sell") == (quantity > 0)
            ),
            ZERO,
        )


def _less(held: Decimal, booked: Decimal) -> bool:
    return held * booked <= 0 or abs(held) < abs(booked)
