"""What an account has standing: its orders by id, and what they and its positions tie up."""

from collections.abc import Iterator
from decimal import Decimal

from tapelight.feeds.simulator.alpaca.account import Account
from tapelight.feeds.simulator.alpaca.book import Book
from tapelight.feeds.simulator.alpaca.order import ZERO, Order, id_of
from tapelight.feeds.simulator.alpaca.refusal import bad, missing

MAX_ORDERS = 200_000


class Standing:
    """Hold an account, its orders, and the market in which both are valued."""

    def __init__(self, book: Book, seed: int) -> None:
        self.book, self.account = book, Account()
        self.orders: dict[str, Order] = {}
        """By id, oldest first."""
        self.by_client: dict[str, Order] = {}
        self.open: dict[str, Order] = {}
        """Those that may still be filled."""
        self._seed = seed

    def next_id(self, kind: str, number: int) -> str:
        """Return the id of the `number`-th thing of its kind."""
        return id_of(self._seed, kind, number)

    def add(self, order: Order) -> None:
        """Keep a new order."""
        if len(self.orders) >= MAX_ORDERS:
            raise bad(f"the simulator keeps {MAX_ORDERS} orders at most: restart it")
        self.orders[order.id] = self.by_client[order.client_order_id] = order
        self.open[order.id] = order

    def find(self, order_id: str) -> Order:
        """Return an order by its id; raises Refusal."""
        order = self.orders.get(order_id)
        if order is None:
            raise missing(f"order not found for {order_id}")
        return order

    def live(self) -> Iterator[Order]:
        """Yield the orders that may still be filled, oldest first, as they were when asked."""
        yield from list(self.open.values())

    def marks(self) -> dict[str, Decimal]:
        """Return the last price of each symbol held."""
        return {s: self.book.last(p.row) for s, p in self.account.positions.items()}

    def power(self) -> Decimal:
        """Return the buying power that is left."""
        return self.account.buying_power(self.marks(), self.reserved())

    def reserved(self) -> Decimal:
        """Return what open orders that open a position may cost."""
        return sum((self.cost(order) for order in self.open.values()), ZERO)

    def cost(self, order: Order) -> Decimal:
        """Return what the rest of an order may cost; nothing where it closes a position."""
        if order.parent is not None or order.order_class == "oco":
            return ZERO
        held = self.account.position(order.symbol)
        if held * (1 if order.is_buy else -1) < 0:
            return ZERO
        price = order.limit_price or order.stop_price or self.book.offer(order.row, True)[0]
        return order.left * price

    def available(self, symbol: str) -> Decimal:
        """Return the shares of a position that no open order would close."""
        return abs(self.account.position(symbol)) - self.held_for_orders(symbol)

    def held_for_orders(self, symbol: str) -> Decimal:
        """Return the shares that open orders may take out of a position; two exits count once."""
        held = self.account.position(symbol)
        total, seen = ZERO, set[str]()
        for order in self.open.values():
            if order.symbol != symbol or order.status == "held" or order.id in seen:
                continue
            if held * (1 if order.is_buy else -1) < 0:
                total += order.left
                seen.update(other.id for other in order.siblings)
        return total
