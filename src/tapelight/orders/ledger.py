"""The ledger: log and book together. What is written is durable first and true after."""

from collections.abc import Callable, Sequence

from tapelight.errors import Unavailable
from tapelight.model.order_log import OrderRecord, ReadTo, Reported
from tapelight.model.orders import Report
from tapelight.orders.book import Book
from tapelight.orders.doubts import Doubts
from tapelight.ports import OrderLog

HAND_NS = 1_000_000_000
"""How long somebody who cancels our order may take to trade: until then no look is believed."""
ENDED = ("cancelled", "rejected", "expired")


class Ledger:
    """Write records; `told` is called with each once it is durable and in the book."""

    def __init__(
        self, log: OrderLog, now_ns: Callable[[], int], told: Callable[[OrderRecord], None]
    ) -> None:
        self.log = log
        self.book = Book()
        self.fault = ""
        """Why the log can't be written; empty = it can."""
        self.filled_ns: dict[str, int] = {}
        """When this process last booked a fill, by symbol."""
        self.doubts = Doubts()
        self.now_ns, self._told = now_ns, told

    def begin(self) -> None:
        """Fence off every earlier writer, then read what they left; raises Unavailable."""
        self.log.begin(self.now_ns())
        self.book = Book(self.log.records())

    def write(self, records: Sequence[OrderRecord]) -> bool:
        """Make records durable and apply them; tell whether that came about. Raises Conflict."""
        try:
            self.log.append(records)
        except Unavailable as error:
            self.fault = str(error)
            return False
        self.fault = ""
        for record in records:
            self.book.apply(record)
            self._told(record)
        return True

    def probe(self) -> None:
        """Try the log again after a fault: nothing else may be due."""
        if self.fault:
            self.write([ReadTo(self.now_ns(), self.book.cursor)])

    def hear(self, report: Report) -> bool:
        """Book the venue's word on an order, if it says anything new; False where it can't be."""
        if not self.book.told(report):
            return True
        fill = self.book.fill_of(report)
        self._doubt(report)
        if not self.write([Reported(self.now_ns(), report, fill)]):
            return False
        if fill is not None:
            self.filled_ns[fill.symbol] = self.now_ns()
        return True

    def _doubt(self, report: Report) -> None:
        """Doubt a position whose stop or exit ended and nobody here asked for it."""
        order = self.book.orders[report.order]
        unasked = order.request.reduces and order.open and order.cancel_ns == 0
        if unasked and report.state in ENDED:
            self.doubts.one(order.request.symbol, self.now_ns() + HAND_NS)
