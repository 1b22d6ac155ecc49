"""What the order log says, for people: orders, positions, profit and loss."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tapelight.model.orders import ZERO, Fill, Order
from tapelight.orders import positions
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

    def orders(self, state: str = "", symbol: str = "", strategy: str = "") -> Iterator[Row]:
        """Yield orders, the newest first; `open` stands for all that may still fill or are held."""
        for order in reversed(self.book.orders.values()):
            request = order.request
            asked = symbol in ("", request.symbol) and strategy in ("", request.strategy)
            if asked and _is(order, state, self.book):
                yield _order(order)

    def fills(self, symbol: str = "", strategy: str = "") -> Iterator[Row]:
        """Yield fills, the newest first, with the signal behind each, as far as there is one."""
        for fill in reversed(self.book.fills):
            order = self.book.orders.get(fill.order)
            of = order.request.strategy if order else ""
            if symbol in ("", fill.symbol) and strategy in ("", of):
                yield _fill(fill, order, self._signal(order))

    def _signal(self, order: Order | None) -> str:
        """Return the id of the signal behind an order, empty where there is none."""
        if order is None:
            return ""
        entry = self.book.orders.get(order.request.entry) if order.request.entry else order
        return entry.request.cause if entry and not entry.request.reduces else ""

    def positions(self) -> list[Row]:
        """Return what is held, by symbol."""
        return [
            {"symbol": p.symbol, "quantity": str(p.quantity), "average": _money(p.average),
             "ours": str(p.ours), **self._plan(p.symbol)}
            for p in sorted(self.book.positions.values(), key=lambda p: p.symbol)
            if p.quantity
        ]  # fmt: skip

    def _plan(self, symbol: str) -> Row:
        """Return what is planned for a position: who opened it, where it ends, and its way out."""
        plan, leaving = self.book.plan_of(symbol), self.book.leaving.get(symbol)
        stops = [o for o in self.book.reducing(symbol) if o.request.purpose == "stop"]
        return {
            "strategy": plan.strategy if plan else "", "entry": plan.id if plan else "",
            "stop": _text(plan.plan_stop) if plan else None,
            "target": _text(plan.plan_target) if plan else None,
            "exit_ns": plan.exit_ns if plan else 0,
            "covered": str(sum((o.left for o in stops), ZERO)),
            "leaving": leaving.why if leaving else "",
        }  # fmt: skip

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
            unrealised = None if price is None else positions.unrealised(p, Decimal(str(price)))
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
    rule = order.reason.partition(":")[0] if order.state == "refused" else ""
    return {
        "id": order.id, "state": order.state, "purpose": request.purpose,
        "symbol": request.symbol, "side": request.side, "quantity": str(request.quantity),
        "kind": request.kind, "limit": _text(request.limit), "stop": _text(request.stop),
        "filled": str(order.filled), "average": _money(order.average) if order.filled else None,
        "fee": _money(order.fee), "strategy": request.strategy, "cause": request.cause,
        "entry": request.entry, "rule": rule, "reason": order.reason,
        "signal_ns": request.signal_ns, "made_ns": request.made_ns, "sent_ns": order.sent_ns,
        "ts_ns": order.ts_ns, "plan_stop": _text(request.plan_stop),
        "plan_target": _text(request.plan_target), "exit_ns": request.exit_ns,
    }  # fmt: skip


def _fill(fill: Fill, order: Order | None, signal: str) -> Row:
    return {
        "ts_ns": fill.ts_ns, "symbol": fill.symbol, "side": fill.side,
        "quantity": str(fill.quantity), "price": _money(fill.price), "fee": _money(fill.fee),
        "order": fill.order, "execution": fill.execution, "signal": signal,
        "purpose": order.request.purpose if order else "adopted",
        "strategy": order.request.strategy if order else "",
    }  # fmt: skip


def _text(price: Decimal | None) -> str | None:
    return None if price is None else str(price)


def _money(amount: Decimal) -> str:
    return f"{amount:.4f}".rstrip("0").rstrip(".")


def _told(row: Row) -> Row:
    return {n: f"{v:.2f}" if isinstance(v, Decimal) else v for n, v in row.items()}
