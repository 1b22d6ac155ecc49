"""The audit: what a trader's book and its venue have to agree on once nothing is on its way."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal

from tapelight.model.orders import BUY, ZERO, Fill, Order
from tapelight.orders.book import Book
from tapelight.testing.venue import Venue

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Audit:
    """Compare a book with what the venue itself has."""

    book: Book
    venue: Venue
    symbols: tuple[str, ...]

    def calm(self, now_ns: int) -> bool:
        """Tell whether nothing is on its way any more."""
        if self._stuck(now_ns):
            return False
        return not self.book.leaving and not self._uncovered() and not self._apart()

    def final(
        self, now_ns: int, taken: Collection[str], touched: Collection[str] = ()
    ) -> Iterator[tuple[str, str]]:
        """Yield (invariant, what breaks it). `taken` are causes of which the trader took charge.

        `touched` are symbols that a person traded in the broker's own app.
        """
        yield from (
            ("I9 nothing open for ever", f"{o.id} is {o.state}") for o in self._stuck(now_ns)
        )
        yield from (("I9 protected", what) for what in self._uncovered())
        yield from (("I4 positions", what) for what in self._apart())
        yield from (("I1 one order an intent", what) for what in self._duplicates())
        yield from (("I3 evidence", what) for what in self._mismatches())
        yield from (("I9 complete", what) for what in self._forgotten(taken))
        yield from (("I8 accounting", what) for what in self._miscounted(touched))

    def _stuck(self, now_ns: int) -> list[Order]:
        """Return the orders that should have come to an end by now."""
        return [
            order
            for order in self.book.live.values()
            if order.state != "working" or 0 < order.request.expires_ns < now_ns
        ]

    def _uncovered(self) -> list[str]:
        """Return what of our positions rests on no stop, or is covered twice."""
        found = []
        for symbol in self.symbols:
            ours, resting = self.book.ours(symbol), self.book.reducing(symbol)
            covered = sum((order.left for order in resting), ZERO)
            if covered > abs(ours) or covered < abs(ours):
                found.append(f"{ours} {symbol} are ours, {covered} are covered")
        return found

    def _apart(self) -> list[str]:
        """Return where the book and the venue hold different positions."""
        return [
            f"{symbol}: {self.book.quantity(symbol)} in the book, {held} at the venue"
            for symbol, held in self.venue.holdings.items()
            if self.book.quantity(symbol) != held
        ]

    def _duplicates(self) -> list[str]:
        found = [
            f"{id_} has {len(o)} orders" for id_, o in self.venue.clients.items() if len(o) > 1
        ]
        causes: dict[str, int] = {}
        for order in self.venue.orders:
            if order.request.reduces:
                continue
            causes[order.request.cause] = causes.get(order.request.cause, 0) + 1
        return found + [f"signal {c} has {n} orders" for c, n in causes.items() if n > 1]

    def _mismatches(self) -> list[str]:
        """Return orders of which book and venue say different things."""
        found = []
        for id_, at_venue in self.venue.clients.items():
            order, there = self.book.orders.get(id_), at_venue[0]
            if order is None:
                found.append(f"{id_} is at the venue and in no book")
            elif (order.state, order.filled) != (there.state, there.filled):
                found.append(f"{id_}: {order.state} {order.filled}, there {there.state}")
        ended = {"working", "filled", "cancelled", "expired"}
        found += [
            f"{o.id} is {o.state}, and the venue never had it"
            for o in self.book.orders.values()
            if o.state in ended and o.id not in self.venue.clients
        ]
        return found

    def _forgotten(self, taken: Collection[str]) -> list[str]:
        causes = {order.request.cause for order in self.book.orders.values()}
        return [f"signal {cause} was taken, and has no verdict" for cause in set(taken) - causes]

    def _miscounted(self, touched: Collection[str]) -> list[str]:
        """Return where the money of fills is not that of the venue, to the cent."""
        found: list[str] = []
        fills: dict[str, list[Fill]] = {}
        for fill in self.book.fills:
            fills.setdefault(fill.order, []).append(fill)
        for order in self.venue.orders:
            mine = fills.get(order.request.id, [])
            paid = sum((fill.price * fill.quantity for fill in mine), ZERO)
            fees = sum((fill.fee for fill in mine), ZERO)
            if paid.quantize(CENT) != order.cost.quantize(CENT) or fees != order.fee:
                found.append(f"{order.request.id}: {paid} $ and {fees} $, there {order.cost} $")
        for symbol, position in self.book.positions.items():
            total = sum((f.signed for f in self.book.fills if f.symbol == symbol), ZERO)
            if total != position.quantity:
                found.append(f"{symbol}: {position.quantity} held, fills add up to {total}")
            if symbol not in touched:
                found += self._turned(symbol)
        return found

    def _turned(self, symbol: str) -> list[str]:
        """Return where orders that were to reduce have turned a position around."""
        fills = sorted(
            (ts_ns, number, quantity if order.request.side == BUY else -quantity, order)
            for number, order in enumerate(self.venue.orders)
            for ts_ns, quantity, _ in order.fills
            if order.request.symbol == symbol
        )
        held, found = ZERO, []
        for _, _, signed, order in fills:
            if order.request.reduces and abs(held + signed) > abs(held):
                found.append(f"{order.request.id} turned {held} {symbol} into {held + signed}")
            held += signed
        return found
