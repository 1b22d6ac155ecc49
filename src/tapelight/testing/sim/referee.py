"""The referee: holds a run to the invariants, from what the world saw and not from the book."""

import asyncio
from collections import deque
from collections.abc import Iterable
from decimal import Decimal

from tapelight.model.limits import Limits
from tapelight.model.order_log import Adopted, Killed, OrderRecord, Reported, Split
from tapelight.model.orders import ZERO, OrderRequest, Report, Statement
from tapelight.orders.book import Book
from tapelight.orders.case import HUNDRED, NS, NS_IN_MS
from tapelight.stores.orders import records_of
from tapelight.testing.audit import Audit
from tapelight.testing.sim.disk import Disk
from tapelight.testing.sim.life import Life
from tapelight.testing.sim.market import Market
from tapelight.testing.sim.network import FLIGHT_MOST_S
from tapelight.testing.venue import Resting, Venue

NEWS_NS = int((2 * FLIGHT_MOST_S + 0.2) * NS)
"""After this an order arrives of which the desk knew what a person had done before it."""


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
        self.hand_ns: dict[str, int] = {}
        """When a person last did something to a symbol's position in the broker's own app."""
        self._doubted_s: dict[str, float] = {}
        """Since when the desk has known, by symbol, of the end of an order that nobody asked for."""
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
        if request.reduces:
            self._reducing(request, life)
        else:
            self._entry(request, life)
        self.sent.setdefault(request.id, request)

    def stated(self, statement: Statement, life: Life, begun_s: float) -> None:
        """See a statement come in that was asked for at `begun_s`."""
        life.looked = True
        self._doubted_s = {s: since for s, since in self._doubted_s.items() if since > begun_s}
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

    def _reducing(self, request: OrderRequest, life: Life) -> None:
        if not life.looked:
            self.say("I8 reconciled first", f"{request.id} is sent before the venue was asked")
        if request.symbol in self._doubted_s:
            self.say("I8 asked first", f"{request.id} goes, though another was ended by a hand")

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
        self._doubt(report)
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

    def _doubt(self, report: Report) -> None:
        request = self.sent.get(report.order)
        by_hand = report.state == "cancelled" and report.order not in self._cancelled
        if request is not None and request.reduces and by_hand:
            self._doubted_s[request.symbol] = asyncio.get_running_loop().time()

    # --- after each crash --------------------------------------------------------------------------

    def crashed(self) -> None:
        """See what is left on the disk: nothing that an append returned for may be gone."""
        seq, hash_ = self.disk.acknowledged
        if seq and (len(self.disk.durable) < seq or self.disk.durable[seq - 1].hash != hash_):
            self.say("I2 durable", f"row {seq} was acknowledged, and is gone")

    # --- at the end ----------------------------------------------------------------------------------

    def calm(self, book: Book) -> bool:
        """Tell whether nothing is on its way any more."""
        return self._audit(book).calm(self.now_ns)

    def final(self, book: Book) -> None:
        """Hold the end of a run to what must be true then."""
        for invariant, what in self._audit(book).final(self.now_ns, self.taken, self.touched):
            self.say(invariant, what)
        self._turned()
        self._log()

    def _turned(self) -> None:
        """Let no order turn a position around, unless a person's own deed was on its way too."""
        for order, before, after in self.venue.turned:
            hand_ns = self.hand_ns.get(order.request.symbol, 0)
            if order.arrived_ns > hand_ns + NEWS_NS:
                self.say("I8 turned", f"{order.request.id} turned {before} into {after}")

    def _audit(self, book: Book) -> Audit:
        return Audit(book, self.venue, tuple(self.market.states))

    def _log(self) -> None:
        """Walk the chain, and hold that epochs only grow."""
        list(records_of(self.disk.durable, "the simulated log"))
        epochs = [row.epoch for row in self.disk.durable]
        if epochs != sorted(epochs):
            self.say("I11 epochs", "an older one wrote after a newer one")
