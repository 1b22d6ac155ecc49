"""What the order log says, for people: orders, positions, profit and loss."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tapelight.model.orders import ZERO, Order
from tapelight.orders.book import Book
from tapelight.stores.orders import read

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OrderBook:
    """Answer from a data folder, whether a trader runs or none does."""

    book: Book

    @classmethod
    def of(cls, folder: Path) -> "OrderBook":
        """Read a folder's log; raises ConfigError where there is none."""
        return cls(Book(record for _, record in read(folder)))

    def orders(self, state: str = "", symbol: str = "") -> list[Row]:
        """Return orders, the newest first; `open` stands for all that may still fill or are held."""
        return [
            _order(order)
            for order in reversed(self.book.orders.values())
            if symbol in ("", order.request.symbol) and _is(order, state, self.book)
        ]

    def positions(self) -> list[Row]:
        """Return what is held, by symbol."""
        return [
            {"symbol": p.symbol, "quantity": str(p.quantity), "average": _money(p.average),
             "ours": str(p.ours)}
            for p in sorted(self.book.positions.values(), key=lambda p: p.symbol)
            if p.quantity
        ]  # fmt: skip

    def pnl(self, prices: dict[str, float]) -> list[Row]:
        """Return profit and loss by symbol, the sum last; unrealised where a price is known."""
        rows = list(self._pnl(prices))
        known = all(row["unrealised"] is not None for row in rows)
        total: Row = {"symbol": "total"}
        for name in ("realised", "fees", "unrealised", "net"):
            sure = known or name in ("realised", "fees")
            total[name] = sum((row[name] for row in rows), ZERO) if sure else None
        return [_told(row) for row in [*rows, total]]

    def held(self) -> list[str]:
        """Return the symbols that are held."""
        return [p.symbol for p in self.book.positions.values() if p.quantity]

    def _pnl(self, prices: dict[str, float]) -> Iterator[Row]:
        for p in sorted(self.book.positions.values(), key=lambda p: p.symbol):
            price = prices.get(p.symbol)
            unrealised = None if price is None else p.quantity * (Decimal(str(price)) - p.average)
            if not p.quantity:
                unrealised = ZERO
            net = None if unrealised is None else p.realised + unrealised - p.fees
            yield {
                "symbol": p.symbol, "realised": p.realised, "fees": p.fees,
                "unrealised": unrealised, "net": net,
            }  # fmt: skip


def _is(order: Order, state: str, book: Book) -> bool:
    return order.id in book.live if state == "open" else state in ("", order.state)


def _order(order: Order) -> Row:
    request = order.request
    return {
        "id": order.id, "state": order.state, "purpose": request.purpose,
        "symbol": request.symbol, "side": request.side, "quantity": str(request.quantity),
        "kind": request.kind, "limit": _text(request.limit), "stop": _text(request.stop),
        "filled": str(order.filled), "average": _money(order.average) if order.filled else None,
        "strategy": request.strategy, "cause": request.cause, "reason": order.reason,
        "ts_ns": order.ts_ns,
    }  # fmt: skip


def _text(price: Decimal | None) -> str | None:
    return None if price is None else str(price)


def _money(amount: Decimal) -> str:
    return f"{amount:.4f}".rstrip("0").rstrip(".")


def _told(row: Row) -> Row:
    return {n: f"{v:.2f}" if isinstance(v, Decimal) else v for n, v in row.items()}
