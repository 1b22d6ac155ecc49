"""The referee: holds a run to the invariants, from what the world saw and not from the book."""

from collections import deque
from collections.abc import Iterable
from decimal import Decimal

from tapelight.model.limits import Limits
from tapelight.model.order_log import Adopted, Killed, OrderRecord, Reported, Split
from tapelight.model.orders import BUY, ZERO, Order, OrderRequest, Statement
from tapelight.orders.book import Book
from tapelight.orders.case import HUNDRED, NS, NS_IN_MS
from tapelight.stores.orders import records_of
from tapelight.testing.sim.disk import Disk
from tapelight.testing.sim.life import Life
from tapelight.testing.sim.market import Market
from tapelight.testing.venue import Resting, Venue

CENT = Decimal("0.01")


class Violation(AssertionError):
    """Say which invariant broke, and how."""


class Referee:
    """Watch what is sent, what is written, and how it ends. The first violation is kept."""

    def __init__(self, disk: Disk, venue: Venue, market: Market, limits: Limits) -> None:
        self.disk, self.venue, self.market, self.limits = disk, venue, market, limits
        self.violation = ""
        self.now_ns = 0
        self.asked_to_stop = False
        """Whether a person has switched off and not yet armed."""
        self.touched: set[str] = set()
        """Symbols that a person traded in the broker's own app."""
        self.taken: set[str] = set()
        """Causes of which the desk said that it has them: fit for an order or for a refusal."""
        self.sent: dict[str, OrderRequest] = {}
        self._sent_ns: deque[int] = deque()
        """When entries were sent for the first time."""
        self._cancelled: set[str] = set()
        self._ended: set[str] = set()
        """Orders of whose end the desk has heard."""
        self._lost_pct: dict[int, Decimal] = {}
        """The day's loss as each life last heard of it."""

    @property
    def killed(self) -> bool:
        """Tell whether the switch has been on since the last time that a person armed."""
        if self.asked_to_stop or isinstance(self.disk.kill, Killed):
            return True
        # Armed in the file is a person's word already; the desk has yet to write it down.
        return isinstance(self.disk.switch, Killed)

    def say(self, invariant: str, what: str) -> None:
        """Keep a violation, if it is the first."""
        if not self.violation:
            self.violation = f"{invariant}: {what} (at {self.now_ns / NS:.3f} s)"

    # --- while it runs ----------------------------------------------------------------------------

    def sending(self, request: OrderRequest, life: Life) -> None:
        """See an order on its way out."""
        if request.id not in self.disk.intended or request.id not in self.disk.sent:
            self.say("I2 intent durable before send", f"{request.id} is not on the disk")
        if life.epoch != self.disk.newest_epoch():
            self.say("I7 one holder", f"epoch {life.epoch} sends, newest is another")
        if not request.reduces:
            self._entry(request, life)
        self.sent.setdefault(request.id, request)

    def stated(self, statement: Statement, life: Life) -> None:
        """See a statement come in."""
        life.looked = True
        account = statement.account
        lost = (account.last_equity - account.equity) / account.last_equity * HUNDRED
        self._lost_pct[life.number] = lost

    def told(self, record: OrderRecord) -> None:
        """See a record that the desk holds for durable."""
        if isinstance(record, Reported):
            self._evidence(record)
        elif isinstance(record, Split):
            self.say("I4 positions", f"{record} is booked, and no share was split")
        elif isinstance(record, Adopted) and record.fill.symbol not in self.touched:
            self.say("I4 positions", f"{record.fill} is adopted, and nobody traded it")

    def cancelling(self, order: str) -> None:
        """See a cancel on its way out."""
        self._cancelled.add(order)

    def stopped(self, life: Life, book: Book, works: list[str]) -> None:
        """Hold the kill switch to its time: `works` were the entries that worked when it came."""
        for id_ in works if life.alive and self.killed else ():
            order = book.orders[id_]
            waits = order.state == "working" and not order.request.reduces
            if waits and id_ not in self._cancelled:
                self.say("I6 killed stays killed", f"{id_} works a second later, no cancel asked")

    def _entry(self, request: OrderRequest, life: Life) -> None:
        limits, price = self.limits, request.limit or ZERO
        if self.killed:
            self.say("I6 killed stays killed", f"{request.id} is sent")
        if not life.looked:
            self.say("I8 reconciled first", f"{request.id} is sent before the venue was asked")
        if self.market.states[request.symbol] != "LIVE":
            self.say("I10 no stale data", f"{request.symbol} is {self.market.states}")
        age_ms = (self.now_ns - request.signal_ns) / NS_IN_MS
        if request.strategy == "auto" and age_ms > limits.signal_age_ms:
            self.say("I10 no stale signal", f"{request.id} is {age_ms:.0f} ms old")
        if request.quantity * price > limits.order_value or request.quantity > limits.order_shares:
            self.say("I5 limits", f"{request.quantity} shares at {price} $")
        if self._lost_pct.get(life.number, ZERO) >= limits.day_loss_pct:
            self.say("I5 limits", "an entry after the day's loss")
        self._pace(request)
        self._open(request)

    def _pace(self, request: OrderRequest) -> None:
        if request.id in self.sent:
            return
        self._sent_ns.append(self.now_ns)
        while self._sent_ns[0] <= self.now_ns - 60 * NS:
            self._sent_ns.popleft()
        last = sum(ns > self.now_ns - NS for ns in self._sent_ns)
        if last > self.limits.orders_per_s:
            self.say("I5 limits", f"{last} entries in a second")
        if len(self._sent_ns) > self.limits.orders_per_min:
            self.say("I5 limits", f"{len(self._sent_ns)} entries in a minute")

    def _open(self, request: OrderRequest) -> None:
        works = {o.request.symbol for o in self._entries() if o.state == "working"}
        held = {s for s, quantity in self.venue.holdings.items() if quantity}
        symbols = (works | held | {request.symbol}) - (self.touched - {request.symbol})
        if len(symbols) > self.limits.open_positions:
            self.say("I5 limits", f"{sorted(symbols)} are open")

    def _entries(self) -> Iterable[Resting]:
        return (order for order in self.venue.orders if not order.request.reduces)

    def _evidence(self, record: Reported) -> None:
        """Hold a booked word against what the venue has said: states that end never change there."""
        report = record.report
        at_venue = self.venue.clients.get(report.order, [])
        if report.state == "lost":
            if at_venue:
                self.say("I3 evidence", f"{report.order} is lost, and the venue has it")
        elif not at_venue:
            self.say("I3 evidence", f"{report.order} is {report.state}, the venue never had it")
        elif report.state != "working" and at_venue[0].state != report.state:
            self.say("I3 evidence", f"{report.order} {report.state}, there {at_venue[0].state}")
        elif report.state == "working" and report.order in self._ended:
            self.say("I3 evidence", f"{report.order} works again after its end")
        elif at_venue and report.filled > at_venue[0].filled:
            self.say("I4 positions", f"{report.order} is booked beyond what it filled")
        if report.state not in ("working", "lost"):
            self._ended.add(report.order)

    # --- after each crash --------------------------------------------------------------------------

    def crashed(self) -> None:
        """See what is left on the disk: nothing that an append returned for may be gone."""
        seq, hash_ = self.disk.acknowledged
        if seq and (len(self.disk.durable) < seq or self.disk.durable[seq - 1].hash != hash_):
            self.say("I2 durable", f"row {seq} was acknowledged, and is gone")

    # --- at the end ----------------------------------------------------------------------------------

    def calm(self, book: Book) -> bool:
        """Tell whether nothing is on its way any more."""
        if self._stuck(book):
            return False
        return not book.leaving and not self._uncovered(book) and not self._apart(book)

    def final(self, book: Book) -> None:
        """Hold the end of a run to what must be true then."""
        for invariant, what in (
            *(("I9 nothing open for ever", f"{o.id} is {o.state}") for o in self._stuck(book)),
            *(("I9 protected", what) for what in self._uncovered(book)),
            *(("I4 positions", what) for what in self._apart(book)),
            *(("I1 one order an intent", what) for what in self._duplicates()),
            *(("I3 evidence", what) for what in self._mismatches(book)),
            *(("I9 complete", what) for what in self._forgotten(book)),
            *(("I8 accounting", what) for what in self._miscounted(book)),
        ):
            self.say(invariant, what)
        self._log()

    def _stuck(self, book: Book) -> list[Order]:
        """Return the orders that should have come to an end by now."""
        return [
            order
            for order in book.live.values()
            if order.state != "working" or 0 < order.request.expires_ns < self.now_ns
        ]

    def _uncovered(self, book: Book) -> list[str]:
        """Return what of our positions rests on no stop, or is covered twice."""
        found = []
        for symbol in self.market.states:
            ours, resting = book.ours(symbol), book.reducing(symbol)
            covered = sum((order.left for order in resting), ZERO)
            if covered > abs(ours) or (covered < abs(ours) and book.plan_of(symbol)):
                found.append(f"{ours} {symbol} are ours, {covered} are covered")
        return found

    def _apart(self, book: Book) -> list[str]:
        """Return where the book and the venue hold different positions."""
        return [
            f"{symbol}: {book.quantity(symbol)} in the book, {held} at the venue"
            for symbol, held in self.venue.holdings.items()
            if book.quantity(symbol) != held
        ]

    def _duplicates(self) -> list[str]:
        found = [
            f"{id_} has {len(o)} orders" for id_, o in self.venue.clients.items() if len(o) > 1
        ]
        causes: dict[str, int] = {}
        for order in self._entries():
            causes[order.request.cause] = causes.get(order.request.cause, 0) + 1
        return found + [f"signal {c} has {n} orders" for c, n in causes.items() if n > 1]

    def _mismatches(self, book: Book) -> list[str]:
        """Return orders of which book and venue say different things."""
        found = []
        for id_, at_venue in self.venue.clients.items():
            order, there = book.orders.get(id_), at_venue[0]
            if order is None:
                found.append(f"{id_} is at the venue and in no book")
            elif (order.state, order.filled) != (there.state, there.filled):
                found.append(f"{id_}: {order.state} {order.filled}, there {there.state}")
        ended = {"working", "filled", "cancelled", "expired"}
        found += [
            f"{o.id} is {o.state}, and the venue never had it"
            for o in book.orders.values()
            if o.state in ended and o.id not in self.venue.clients
        ]
        return found

    def _forgotten(self, book: Book) -> list[str]:
        causes = {order.request.cause for order in book.orders.values()}
        return [f"signal {cause} was taken, and has no verdict" for cause in self.taken - causes]

    def _miscounted(self, book: Book) -> list[str]:
        """Return where the money of fills is not that of the venue, to the cent."""
        found = []
        for order in self.venue.orders:
            mine = [fill for fill in book.fills if fill.order == order.request.id]
            paid = sum((fill.price * fill.quantity for fill in mine), ZERO)
            fees = sum((fill.fee for fill in mine), ZERO)
            if paid.quantize(CENT) != order.cost.quantize(CENT) or fees != order.fee:
                found.append(f"{order.request.id}: {paid} $ and {fees} $, there {order.cost} $")
        for symbol, position in book.positions.items():
            total = sum((f.signed for f in book.fills if f.symbol == symbol), ZERO)
            if total != position.quantity:
                found.append(f"{symbol}: {position.quantity} held, fills add up to {total}")
            if symbol not in self.touched:
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

    def _log(self) -> None:
        """Walk the chain, and hold that epochs only grow."""
        list(records_of(self.disk.durable, "the simulated log"))
        epochs = [row.epoch for row in self.disk.durable]
        if epochs != sorted(epochs):
            self.say("I11 epochs", "an older one wrote after a newer one")
