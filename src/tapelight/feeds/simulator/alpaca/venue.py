"""The simulated broker: takes orders, fills them from the simulator's tape, tells what happened.

Nothing here waits or knows the network: requests change the state, `step` moves it with the tape.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from tapelight.feeds.simulator.alpaca import ticket as paper
from tapelight.feeds.simulator.alpaca.book import Book
from tapelight.feeds.simulator.alpaca.entry import Entry
from tapelight.feeds.simulator.alpaca.faults import Switches
from tapelight.feeds.simulator.alpaca.order import ZERO, Order, form, stamp, text
from tapelight.feeds.simulator.alpaca.refusal import missing, unfit
from tapelight.feeds.simulator.alpaca.standing import Standing
from tapelight.feeds.simulator.window import Window
from tapelight.model.session import CLOSED

Update = dict[str, object]


@dataclass(frozen=True, slots=True)
class Fill:
    """Hold one execution."""

    id: str
    order: str
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    at_ns: int


class Venue:
    """Hold one account's orders; each change is told to the listeners as a trade update."""

    def __init__(self, book: Book, faults: Switches, seed: int) -> None:
        self.book, self.faults = book, faults
        self.standing = Standing(book, seed)
        self.account = self.standing.account
        self.fills: list[Fill] = []
        self.listeners: list[Callable[[Update], None]] = []
        self._closed = True
        self._entry = Entry(self.standing)

    # What clients ask

    def submit(self, ticket: paper.Ticket) -> Order:
        """Take an order; raises Refusal."""
        order = self._entry.order(ticket)
        for one in (order, *order.legs):
            self.standing.add(one)
        if self.faults.use("reject"):
            self._end(order, "rejected", "failed_at")
        else:
            self.tell(order.status, order)
        return order

    def change(self, order: Order, change: paper.Change) -> Order:
        """Take a replacement and return the new order, which waits; raises Refusal."""
        if order.status not in ("new", "partially_filled", "accepted"):
            raise unfit(f'cannot replace order in "{order.status}" status')
        fresh = self._entry.replacement(order, change)
        order.status = "pending_replace"
        order.due_ns = self._due_ns()
        order.replaced_by = fresh
        self.standing.add(fresh)
        del self.standing.open[fresh.id]
        self.tell("pending_replace", order)
        return fresh

    def cancel(self, order: Order) -> None:
        """Take a cancel; raises Refusal where there is nothing to cancel."""
        if order.status == "pending_cancel":
            return
        if not order.is_open or order.status == "pending_replace":
            raise unfit(f'order is already in "{order.status}" state')
        order.status = "pending_cancel"
        order.due_ns = self._due_ns()
        self.tell("pending_cancel", order)

    def close(self, symbol: str, qty: Decimal | None = None) -> Order:
        """Close a position, or `qty` of it, at the market; raises Refusal."""
        held = self.account.positions.get(symbol)
        if held is None:
            raise missing(f"position does not exist: {symbol}")
        side = "sell" if held.qty > 0 else "buy"
        shares = text(abs(held.qty) if qty is None else qty)
        return self.submit(
            paper.Ticket(symbol=symbol, qty=shares, side=side, type="market", time_in_force="day")
        )

    # What time brings

    def step(self, window: Window) -> None:
        """Move on by one window of the tape: fills first, then what was pending."""
        self.book.take_in(window)
        if window.phase == CLOSED and not self._closed:
            self.account.begin_day(self.account.equity(self.standing.marks()))
        self._closed = window.phase == CLOSED
        for order in self.standing.live():
            if order.is_open:
                self._work(order)

    def _work(self, order: Order) -> None:
        if self._expired(order):
            self._end(order, "expired", "expired_at")
            return
        if self._may_trade(order):
            if order.status in ("pending_new", "accepted"):
                self._set(order, "new")
            if not (order.waits_for_stop and not self._triggered(order)):
                self._match(order)
            if order.is_open and order.time_in_force in ("ioc", "fok"):
                self._end(order, "canceled", "canceled_at")
        if order.is_open and order.due_ns and self.book.now_ns >= order.due_ns:
            self._settle(order)

    def _may_trade(self, order: Order) -> bool:
        if order.status == "held" or not self.book.trading(order.row) or self.faults.now.freeze:
            return False
        return self.book.is_open if order.extended_hours else self.book.is_regular

    def _expired(self, order: Order) -> bool:
        lives = order.time_in_force == "day" and order.status != "held"
        end_ns = self.book.session_end_ns(order.extended_hours)
        return lives and order.created_ns < end_ns <= self.book.now_ns

    def _triggered(self, order: Order) -> bool:
        """Tell whether a print has reached the stop price, from the order's second window on."""
        first, order.resting = not order.resting, True
        found, stop = self.book.extremes(order.row), order.stop_price
        if first or found is None or stop is None:
            return False
        order.triggered = found[1] >= stop if order.is_buy else found[0] <= stop
        return order.triggered

    def _match(self, order: Order) -> None:
        price, shown = self.book.offer(order.row, order.is_buy)
        limit = order.limit_price
        if price > 0 and (limit is None or (price <= limit if order.is_buy else price >= limit)):
            qty = self._allowed(order, shown)
            if qty and (order.time_in_force != "fok" or qty == order.left):
                self.book.take(order.row, order.is_buy, qty)
                self._fill(order, qty, price)
        elif limit is not None and order.resting:
            qty = self._allowed(order, self.book.through(order.row, order.is_buy, limit))
            if qty:
                self._fill(order, qty, limit)
        order.resting = True

    def _allowed(self, order: Order, shown: Decimal) -> Decimal:
        most = self.faults.now.max_fill
        qty = min(order.left, shown, Decimal(most)) if most else min(order.left, shown)
        return qty if order.qty % 1 else qty // 1

    def _fill(self, order: Order, qty: Decimal, price: Decimal) -> None:
        order.filled_qty += qty
        order.paid += qty * price
        done = not order.left
        pending = order.status in ("pending_cancel", "pending_replace") and not done
        order.status = "filled" if done else order.status if pending else "partially_filled"
        order.updated_ns = self.book.now_ns
        signed = qty if order.is_buy else -qty
        after = self.account.fill(order.symbol, order.row, signed, price, order.id)
        fill = Fill(
            self.standing.next_id("fill", len(self.fills)), order.id, order.symbol, order.side, qty,
            price, self.book.now_ns,
        )  # fmt: skip
        self.fills.append(fill)
        if done:
            order.times["filled_at"] = self.book.now_ns
            self.standing.open.pop(order.id, None)
            self._unreplace(order)
        event = "fill" if done else "partial_fill"
        self.tell(event, order, execution_id=fill.id, price=text(price), qty=text(qty),
                  position_qty=text(after))  # fmt: skip
        self._after_fill(order)

    def _after_fill(self, order: Order) -> None:
        """Set a filled entry's exits free; take from the other exit what this one sold."""
        if order.status == "filled" and order.order_class in ("bracket", "oto"):
            for leg in order.legs:
                if leg.status == "held":
                    self._set(leg, "new")
        for other in order.siblings:
            if not other.is_open:
                continue
            if self.faults.now.double_oco:
                self._force(other)
            elif order.status == "filled":
                self._end(other, "canceled", "canceled_at")
            else:
                other.qty = order.left + other.filled_qty
                self.tell("restated", other)

    def _force(self, order: Order) -> None:
        """Fill an order whatever the market says: the double fill of an OCO."""
        order.siblings = []
        price, _ = self.book.offer(order.row, order.is_buy)
        self._fill(order, order.left, order.limit_price or price)

    def _settle(self, order: Order) -> None:
        """Let a pending cancel or replacement take effect, or be rejected."""
        order.due_ns = 0
        verb = order.status.removeprefix("pending_")
        if self.faults.use(f"{verb}_reject"):
            order.status = "partially_filled" if order.filled_qty else "new"
            self._unreplace(order)
            self.tell(f"order_{verb}_rejected", order)
        elif verb == "cancel":
            self._end(order, "canceled", "canceled_at")
            self._cancel_group(order)
        else:
            self._replace(order)

    def _replace(self, order: Order) -> None:
        fresh = order.replaced_by
        assert fresh is not None
        self.standing.open.pop(order.id, None)
        fresh.qty = max(fresh.qty - order.filled_qty, ZERO)
        fresh.legs, fresh.parent, fresh.siblings = order.legs, order.parent, order.siblings
        for other in fresh.siblings:
            other.siblings = [fresh if one is order else one for one in other.siblings]
        if order.parent is not None:
            order.parent.legs = [fresh if one is order else one for one in order.parent.legs]
        order.status, order.times["replaced_at"] = "replaced", self.book.now_ns
        order.updated_ns = self.book.now_ns
        self.tell("replaced", order)
        self.standing.open[fresh.id] = fresh
        if fresh.left:
            self._set(fresh, "new")
        else:
            self._end(fresh, "canceled", "canceled_at")

    def _unreplace(self, order: Order) -> None:
        """Reject the replacement of an order that was filled first, or that was refused."""
        fresh, order.replaced_by = order.replaced_by, None
        if fresh is not None:
            fresh.status, fresh.times["failed_at"] = "rejected", self.book.now_ns

    def _cancel_group(self, order: Order) -> None:
        """End what hangs on an order that ended unfilled: its exits, or the other exit."""
        for other in (*order.legs, *order.siblings):
            if other.is_open:
                self._end(other, "canceled", "canceled_at")

    def _end(self, order: Order, status: str, time: str) -> None:
        order.times[time] = self.book.now_ns
        self.standing.open.pop(order.id, None)
        self._unreplace(order)
        self._set(order, status)
        if status in ("expired", "rejected") or order.time_in_force in ("ioc", "fok"):
            self._cancel_group(order)

    def _set(self, order: Order, status: str) -> None:
        order.status, order.updated_ns = status, self.book.now_ns
        self.tell(status, order)

    def _due_ns(self) -> int:
        return self.book.now_ns + max(1, int(self.faults.now.cancel_delay_s * 1e9))

    def tell(self, event: str, order: Order, **more: object) -> None:
        """Tell the listeners what happened to an order."""
        update: Update = {"event": event, "timestamp": stamp(self.book.now_ns), **more}
        update["order"] = form(order)
        for listener in self.listeners:
            listener(update)
