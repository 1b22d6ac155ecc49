"""Inquiries: the venue is asked what it has, and the book is brought up to it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from tapelight.errors import Unavailable
from tapelight.model.limits import Trade
from tapelight.model.order_log import Bound, Missed, Valued
from tapelight.model.orders import OrderRequest, Report, Statement
from tapelight.orders import reconcile
from tapelight.orders.binding import refuse_another
from tapelight.orders.case import NS, Moment
from tapelight.orders.ledger import Ledger
from tapelight.orders.rules import closable
from tapelight.ports import Broker

HELD_LOOK_S = 5.0
"""Between looks while something is held or works: the day's loss is reckoned from them."""
MISSED_LOOKS = 3
"""Looks that may fail in a row, in time, before what the last one told counts as old."""
FIRST_S = 0.4
"""How long the first answer after a start or a break is waited for; twice as long each next time."""
LATE_ASKED = 50
"""How many of the newest lost orders are asked for again: a venue may find one after all."""
LATE_EVERY_NS = 60 * NS
"""Between two questions for them: each takes a request of the venue's budget."""
LATE_FOR_NS = 24 * 3_600 * NS
"""For how long after it was sent a lost order is asked for."""


class Inquiry:
    """Ask the venue when it is time, one question at once.

    `resend` is called with the id of an order that the venue has not got and that may be sent again.
    """

    def __init__(
        self, ledger: Ledger, broker: Broker, trade: Trade, resend: Callable[[str], None]
    ) -> None:
        self.ledger, self.broker, self.trade, self._resend = ledger, broker, trade, resend
        self.reconciled = False
        """Whether book and venue agreed at the last look, and its stream has held since."""
        self.met = False
        """Whether this process has heard from the venue that its account is the log's."""
        self.strangers: tuple[Report, ...] = ()
        """Open orders of the account that the book does not know, at the last look."""
        self._asking = False
        self._hurried = True
        self._asked_ns = 0
        """When the last question ended."""
        self._breaks = 0
        self._failed = 0
        self._trouble = ""
        """What came of the last question that failed."""
        self._answered_ns: int | None = None
        """When the last answer came."""
        self._unfound: dict[str, int] = {}
        """When an order was first not found, by its id: this process's own experience."""
        self._differences: Mapping[str, Decimal] = {}
        self._compared_ns = 0
        self._late_ns = 0
        """When lost orders are asked for again."""
        self._kept: Valued | None = None
        """The account's value as the log has it."""

    def hurry(self) -> None:
        """Ask as soon as may be: something is unknown."""
        self._hurried = True

    def broken(self) -> None:
        """Believe nothing before the next look: the venue's stream broke."""
        self.reconciled = False
        self.ledger.doubts.everything(self.ledger.now_ns())
        self._breaks += 1
        self.hurry()

    def overhear(self, report: Report) -> None:
        """Doubt what is held of a symbol in which somebody else trades this account."""
        if report.symbol in self.ledger.book.symbols():
            self.ledger.doubts.one(report.symbol, self.ledger.now_ns())
            self.hurry()

    def silence(self, now_ns: int) -> str:
        """Return why what is known of the account is too old for an entry; empty = it is not."""
        if self._answered_ns is None or not self._failed:
            return ""
        age_s, most_s = (now_ns - self._answered_ns) / NS, MISSED_LOOKS * self._regular_s()
        if age_s <= most_s:
            return ""
        return f"the broker has not told what it has for {age_s:.0f} s: {self._trouble}"

    def due(self, now_ns: int) -> bool:
        """Tell whether to look now."""
        if self._asking:
            return False
        if not self._failed and self.ledger.doubts.due(now_ns):
            return True
        return now_ns - self._asked_ns >= self._pause_s() * NS

    async def look(self, moment: Callable[[], Moment]) -> None:
        """Ask once, and learn from the answer."""
        self._asking, self._hurried = True, False
        book, breaks, begun_ns = self.ledger.book, self._breaks, moment().now_ns
        asked = [order.id for order in book.live.values() if order.sent_ns] + self._late(begun_ns)
        try:
            async with asyncio.timeout(self._patience_s()):
                statement = await self.broker.look(asked)
        except (Unavailable, TimeoutError) as error:
            self._failed += 1
            self._trouble = str(error) or "no answer in time"
        else:
            self._failed, self._answered_ns = 0, moment().now_ns
            self._learn(statement, asked, begun_ns, moment())
            # What broke while the answer was on its way may have hidden something from it.
            self.reconciled = self.reconciled and breaks == self._breaks
        finally:
            self._asking, self._asked_ns = False, moment().now_ns

    def _learn(
        self, statement: Statement, asked: Sequence[str], begun_ns: int, moment: Moment
    ) -> None:
        if not self._meet(statement.account.number):
            return
        found = reconcile.compare(self.ledger.book, statement, asked)
        self.strangers = found.strangers
        booked = all(self.ledger.hear(report) for report in found.reports)
        self._settle(statement, begun_ns, moment.now_ns)
        self.ledger.doubts.looked(self.ledger.book, statement, found.strangers, begun_ns)
        missing = [order.id for order in found.missing]
        self._unfound = {id_: ns for id_, ns in self._unfound.items() if id_ in missing}
        for order in found.missing:
            if order.state == "unknown":
                self._not_found(order.id, begun_ns)
            elif order.id in self._unfound:
                self.ledger.write([Missed(self.ledger.now_ns(), order.id)])
            elif order.ts_ns <= begun_ns:
                self._unfound[order.id] = begun_ns
        booked = self._value(statement, moment) and booked
        # What the disk refused is not known after all: nothing goes before it was asked again.
        self.reconciled = self.reconciled and booked

    def _meet(self, number: str) -> bool:
        """Bind a new log to the account that answers; raises ConfigError where it is another's."""
        ledger, broker = self.ledger, self.broker
        refuse_another(ledger.book.bound, broker.name, broker.host, number)
        new = Bound(ledger.now_ns(), broker.name, broker.host, number)
        self.met = ledger.book.bound is not None or ledger.write([new])
        return self.met

    def _value(self, statement: Statement, moment: Moment) -> bool:
        """Take the account's value in; tell whether what the log needs of it is in the log."""
        book, day_ns = self.ledger.book, moment.day_ns
        new = reconcile.valued(book.valued, statement.account, moment.now_ns, day_ns)
        if reconcile.worth_keeping(self._kept, new, day_ns):
            if self.ledger.write([new]):
                self._kept = new
                return True
            book.apply(new)
            return False
        book.apply(new)
        return True

    def _late(self, now_ns: int) -> list[str]:
        """Return the lost orders to ask for now: those of a day, each minute."""
        if now_ns < self._late_ns:
            return []
        self._late_ns = now_ns + LATE_EVERY_NS
        orders = self.ledger.book.orders.values()
        late = [o.id for o in orders if o.state == "lost" and now_ns - o.sent_ns < LATE_FOR_NS]
        return late[-LATE_ASKED:]

    def _patience_s(self) -> float:
        """Return how long an answer is waited for: not long while nothing goes without one."""
        if self.reconciled:
            return self.trade.send_s
        return min(FIRST_S * 2.0**self._failed, self.trade.send_s)

    def _pause_s(self) -> float:
        """Return how long after the last question the next one is due."""
        trade = self.trade
        if self._failed:
            return min(trade.ask_s * 2.0 ** (self._failed - 1), trade.look_s)
        if self._hurried:
            return 0.0
        unknown = any(order.state == "unknown" for order in self.ledger.book.live.values())
        if unknown or not self.reconciled:
            return trade.ask_s
        return self._regular_s()

    def _regular_s(self) -> float:
        held, look_s = self.ledger.book.symbols(), self.trade.look_s
        return min(HELD_LOOK_S, look_s) if held else look_s

    def _not_found(self, id_: str, begun_ns: int) -> None:
        """Believe that the venue has no such order, or have it sent again where that is harmless."""
        order = self.ledger.book.orders[id_]
        since_ns = max(self._unfound.setdefault(id_, begun_ns), order.sent_ns)
        if begun_ns - since_ns > self.trade.lost_s * NS:
            why = f"the venue has not known it for {self.trade.lost_s:g} s"
            self.ledger.hear(Report(order=id_, state="lost", ts_ns=begun_ns, reason=why))
        elif (
            self.broker.idempotent
            and order.request.reduces
            and begun_ns - order.sent_ns > self.trade.send_s * NS
            and self._closes(order.request)
        ):
            self._resend(id_)

    def _closes(self, request: OrderRequest) -> bool:
        """Tell whether an order that is out already would close what is held, and no more."""
        book, doubts, symbol = self.ledger.book, self.ledger.doubts, request.symbol
        held = book.quantity(symbol)
        right = held * request.signed < 0 and closable(book, symbol, doubts) >= 0
        return right and doubts.sure(symbol, held)

    def _settle(self, statement: Statement, begun_ns: int, now_ns: int) -> None:
        """Adopt what two looks in a row have shown, with no fill of ours between them."""
        ledger, found = self.ledger, reconcile.differences(self.ledger.book, statement)
        sure = {
            symbol: quantity
            for symbol, quantity in found.items()
            if self._differences.get(symbol) == quantity
            and ledger.filled_ns.get(symbol, 0) < self._compared_ns
        }
        if sure and not ledger.write(list(reconcile.adopt(ledger.book, statement, sure, now_ns))):
            return
        self._differences = {s: q for s, q in found.items() if s not in sure}
        self._compared_ns = begun_ns
        self.reconciled = not self._differences
