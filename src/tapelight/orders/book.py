"""The book: orders, fills, positions and the kill switch, as the records of the log add up."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tapelight.errors import Bug
from tapelight.model.order_log import (
    Adopted,
    Armed,
    Bound,
    CancelAsked,
    Decided,
    Intended,
    Killed,
    Leaving,
    Missed,
    OrderRecord,
    ReadTo,
    Reported,
    Sent,
    Split,
    Started,
    Valued,
    Voided,
)
from tapelight.model.orders import (
    DONE,
    ZERO,
    Approved,
    Fill,
    Order,
    OrderRequest,
    Position,
    Report,
    State,
    price_of,
)
from tapelight.orders import positions

FINAL = frozenset(("filled", "cancelled", "rejected", "expired"))
"""What the venue can't take back; what is `lost` it may still find."""
ONE = Decimal(1)
PACES_KEPT = 4_096
"""Approved intents whose times are kept, for the limits of orders a second, minute and day."""


class Book:
    """Hold the state of one account's trading. `apply` is its only way to change."""

    def __init__(self, records: Iterable[OrderRecord] = ()) -> None:
        self.orders: dict[str, Order] = {}
        self.live: dict[str, Order] = {}
        """Orders that are held or may still fill."""
        self.positions: dict[str, Position] = {}
        self.fills: list[Fill] = []
        self.entered: deque[tuple[int, OrderRequest]] = deque(maxlen=PACES_KEPT)
        """Entries that were let go, by time: those that wait for a person when the person let them."""
        self.reduced: deque[tuple[int, OrderRequest]] = deque(maxlen=PACES_KEPT)
        """Approved orders that reduce, by time."""
        self.valued: Valued | None = None
        self.killed: Killed | None = None
        self.leaving: dict[str, Leaving] = {}
        self.voided: dict[str, Voided] = {}
        self.reversed: set[str] = set()
        """Symbols that an order which was to reduce turned around."""
        self.newest: dict[str, str] = {}
        """The newest entry that filled something, by symbol."""
        self.ratios: dict[str, Decimal] = {}
        """By what a plan's prices are to be multiplied since splits, by symbol."""
        self.split_ns: dict[str, int] = {}
        """When a symbol was split last: what rests from before has a price of before."""
        self.made: dict[str, list[str]] = {}
        """Ids of orders that reduce, by symbol, in order."""
        self.adopted = 0
        self.cursor = 0
        self.epoch = 0
        self.bound: Bound | None = None
        """Whose orders these are; None before the first answer."""
        self._how: dict[type, Callable[[Any], None]] = {
            Started: self._started, Bound: self._bound, Intended: self._intended, Decided: self._decided,
            Sent: self._sent, CancelAsked: self._cancel_asked, Reported: self._reported,
            Adopted: self._adopted, Split: self._split, Valued: self._valued,
            Killed: self._killed, Armed: self._armed, Leaving: self._leaving,
            Missed: self._missed, Voided: self._voided, ReadTo: self._read_to,
        }  # fmt: skip
        for record in records:
            self.apply(record)

    def apply(self, record: OrderRecord) -> None:
        """Take a record of the log in."""
        self._how[type(record)](record)

    # --- questions -----------------------------------------------------------------------------

    def quantity(self, symbol: str) -> Decimal:
        """Return what is held of a symbol, shares, below 0 for a short."""
        held = self.positions.get(symbol)
        return held.quantity if held is not None else ZERO

    def ours(self, symbol: str) -> Decimal:
        """Return what our own orders hold of a symbol, shares, below 0 for a short."""
        held = self.positions.get(symbol)
        return held.ours if held is not None else ZERO

    def live_of(self, symbol: str) -> Iterator[Order]:
        """Yield the orders of a symbol that are held or may still fill."""
        return (order for order in self.live.values() if order.request.symbol == symbol)

    def reducing(self, symbol: str) -> list[Order]:
        """Return the orders of a symbol that may still fill and are meant to reduce."""
        return [o for o in self.live_of(symbol) if o.request.reduces and o.open]

    def symbols(self) -> frozenset[str]:
        """Return the symbols that are held, or that an order may still fill in."""
        held = {symbol for symbol, p in self.positions.items() if p.quantity}
        return frozenset(held | {order.request.symbol for order in self.live.values()})

    def plan_of(self, symbol: str) -> OrderRequest | None:
        """Return the entry whose plan holds for what is held of a symbol."""
        newest = self.newest.get(symbol)
        if newest is None:
            return None
        request, ratio = self.orders[newest].request, self.ratios.get(symbol)
        return request if ratio is None else _scaled(request, symbol, ratio)

    def fill_of(self, report: Report) -> Fill | None:
        """Return the fill by which a report goes beyond what is booked; None if it does not."""
        order = self.orders.get(report.order)
        if order is None or report.filled <= order.filled:
            return None
        if report.average is None:
            raise Bug(f"The venue reports {report.order} filled and names no price.")
        growth = report.filled - order.filled
        cost = report.filled * report.average - order.filled * order.average
        return Fill(
            order=order.id,
            symbol=order.request.symbol,
            side=order.request.side,
            quantity=growth,
            price=cost / growth,
            cumulative=report.filled,
            fee=max(report.fee - order.fee, ZERO),
            ts_ns=report.ts_ns,
            execution=report.execution,
        )

    def told(self, report: Report) -> bool:
        """Tell whether a report says anything new that can be booked."""
        order = self.orders.get(report.order)
        if order is None or (report.filled > order.filled and report.average is None):
            return False
        return (
            report.filled > order.filled
            or _next(order, report) != order.state
            or (order.venue_id == "" and report.venue_id != "")
        )

    # --- records -------------------------------------------------------------------------------

    def _started(self, record: Started) -> None:
        self.epoch = record.epoch

    def _bound(self, record: Bound) -> None:
        self.bound = record

    def _intended(self, record: Intended) -> None:
        request, verdict = record.request, record.verdict
        if request.id in self.orders:
            raise Bug(f"The intent {request.id} is in the log twice.")
        approved = isinstance(verdict, Approved)
        reason = "" if isinstance(verdict, Approved) else f"{verdict.rule}: {verdict.reason}"
        self._put(
            Order(
                request=request,
                state="held" if approved else "refused",
                reason=reason,
                ts_ns=record.ts_ns,
            )
        )
        if isinstance(verdict, Approved) and not verdict.waits:
            self._paced(record.ts_ns, request)
        if request.reduces:
            self.made.setdefault(request.symbol, []).append(request.id)
        self.cursor = max(self.cursor, record.cursor)

    def _paced(self, ts_ns: int, request: OrderRequest) -> None:
        paces = self.reduced if request.reduces else self.entered
        paces.append((ts_ns, request))

    def _decided(self, record: Decided) -> None:
        order = self.orders[record.order]
        if record.approved:
            self._paced(record.ts_ns, order.request)
        state: State = "held" if record.approved else "declined"
        self._put(replace(order, state=state, reason=f"by {record.by}", ts_ns=record.ts_ns))

    def _sent(self, record: Sent) -> None:
        order = self.orders[record.order]
        self._put(
            replace(
                order, state="unknown", sent_ns=record.ts_ns, tries=order.tries + 1,
                ts_ns=record.ts_ns,
            )
        )  # fmt: skip

    def _cancel_asked(self, record: CancelAsked) -> None:
        order = self.orders[record.order]
        self._put(replace(order, cancel_ns=record.ts_ns, reason=record.why, ts_ns=record.ts_ns))

    def _reported(self, record: Reported) -> None:
        report, order = record.report, self.orders[record.report.order]
        ahead = report.filled > order.filled
        if record.fill is not None:
            # Before the order ends: what it filled is to be left too, where the symbol is being left.
            self._fill(record.fill, order.request)
        self._put(
            replace(
                order,
                state=_next(order, report),
                venue_id=report.venue_id or order.venue_id,
                filled=max(report.filled, order.filled),
                average=report.average if ahead and report.average is not None else order.average,
                fee=max(report.fee, order.fee),
                reason=report.reason or order.reason,
                ts_ns=record.ts_ns,
            )
        )

    def _missed(self, record: Missed) -> None:
        order = self.orders[record.order]
        self._put(replace(order, state="unknown", ts_ns=record.ts_ns))

    def _adopted(self, record: Adopted) -> None:
        self.adopted += 1
        self._fill(record.fill, None)

    def _fill(self, fill: Fill, request: OrderRequest | None) -> None:
        symbol = fill.symbol
        before = self.positions.get(symbol) or Position(symbol=symbol)
        after = self.positions[symbol] = positions.added(before, fill, request is not None)
        self.fills.append(fill)
        if request is not None and not request.reduces:
            self.newest[symbol] = request.id
            self.ratios.pop(symbol, None)
        elif request is not None and after.ours * fill.signed > 0:
            self.reversed.add(symbol)
        if after.ours == 0:
            # What was planned for it holds no more.
            self.newest.pop(symbol, None)
            self.reversed.discard(symbol)
        self._settle(symbol)

    def _settle(self, symbol: str) -> None:
        """End the wish to leave a symbol once nothing is held and nothing may fill."""
        leaving = self.leaving.get(symbol)
        if leaving is None or any(self.live_of(symbol)):
            return
        held = self.quantity(symbol) if leaving.whole else self.ours(symbol)
        if abs(held) < 1:
            # Of less than one share there is no order.
            del self.leaving[symbol]

    def _split(self, record: Split) -> None:
        to = record.to or record.symbol
        old = self.positions.pop(record.symbol)
        known = self.positions.get(to) or Position(symbol=to)
        moved = positions.split(old, record.quantity, to)
        self.positions[to] = replace(
            moved, realised=moved.realised + known.realised, fees=moved.fees + known.fees
        )
        self.split_ns[to] = record.ts_ns
        ratio = self.ratios.pop(record.symbol, ONE) * old.quantity / record.quantity
        if record.symbol in self.newest:
            self.newest[to] = self.newest.pop(record.symbol)
            self.ratios[to] = ratio
        if to != record.symbol:
            self.made[to] = self.made.pop(record.symbol, []) + self.made.get(to, [])
            if record.symbol in self.leaving:
                self.leaving[to] = replace(self.leaving.pop(record.symbol), symbol=to)

    def _valued(self, record: Valued) -> None:
        self.valued = record

    def _killed(self, record: Killed) -> None:
        if not record.drill:
            self.killed = record

    def _armed(self, _record: Armed) -> None:
        self.killed = None

    def _leaving(self, record: Leaving) -> None:
        self.leaving[record.symbol] = record
        self._settle(record.symbol)

    def _voided(self, record: Voided) -> None:
        self.voided[record.cause] = record

    def _read_to(self, record: ReadTo) -> None:
        self.cursor = max(self.cursor, record.cursor)

    def _put(self, order: Order) -> None:
        self.orders[order.id] = order
        if order.state in DONE:
            self.live.pop(order.id, None)
            self._settle(order.request.symbol)
        else:
            self.live[order.id] = order


def _scaled(plan: OrderRequest, symbol: str, ratio: Decimal) -> OrderRequest:
    """Return an entry's plan in the prices of after a split."""

    def priced(price: Decimal | None) -> Decimal | None:
        return None if price is None else price_of(float(price * ratio))

    return replace(
        plan, symbol=symbol, plan_stop=priced(plan.plan_stop), plan_target=priced(plan.plan_target)
    )


def _next(order: Order, report: Report) -> State:
    """Return the state after a report: what is final stays, unless it filled more."""
    if order.state in FINAL and report.filled <= order.filled:
        return order.state
    if order.state in FINAL and report.state == "working":
        return order.state
    return report.state
