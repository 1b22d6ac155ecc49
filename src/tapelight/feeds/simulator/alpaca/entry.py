"""From a ticket to an order: the checks that need the account, the market and other orders."""

from decimal import Decimal

from tapelight.feeds.simulator.alpaca import ticket as paper
from tapelight.feeds.simulator.alpaca.account import DAY_TRADER_EQUITY, FREE_DAY_TRADES
from tapelight.feeds.simulator.alpaca.order import Order, text
from tapelight.feeds.simulator.alpaca.refusal import DAY_TRADER, Refusal, bad, forbidden, unfit
from tapelight.feeds.simulator.alpaca.standing import Standing


class Entry:
    """Make orders of tickets; raises Refusal with Alpaca's status and code."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    def order(self, ticket: paper.Ticket) -> Order:
        """Return the order of a ticket, with its exits, neither kept yet."""
        paper.check(ticket)
        order = self._made(ticket)
        self._check_account(order)
        self._check_stop(order)
        self._check_shares(order)
        if order.order_class == "simple":
            self._check_wash(order)
        self._exits(order, ticket)
        return order

    def replacement(self, order: Order, change: paper.Change) -> Order:
        """Return the order that is to replace `order`."""
        found = self._blank(
            change.client_order_id or "", order.symbol, order.side, order.type,
            change.time_in_force or order.time_in_force,
            order.qty if change.qty is None else paper.shares(change.qty),
        )  # fmt: skip
        found.limit_price = paper.price(change.limit_price) or order.limit_price
        found.stop_price = paper.price(change.stop_price) or order.stop_price
        if (change.limit_price is not None and "limit" not in order.type) or (
            change.stop_price is not None and "stop" not in order.type
        ):
            raise unfit(f"a {order.type} order has no such price")
        if found.qty <= order.filled_qty:
            raise unfit("qty must be greater than filled_qty")
        found.extended_hours, found.order_class = order.extended_hours, order.order_class
        found.replaces, found.status = order, "accepted"
        self._check_stop(found)
        return found

    def _blank(
        self, client: str, symbol: str, side: str, kind: str, lives: str, qty: Decimal
    ) -> Order:
        standing = self._standing
        row = standing.book.rows.get(symbol)
        if row is None:
            raise bad(f'asset "{symbol}" not found')
        number = len(standing.orders)
        client = client or standing.next_id("client", number)
        if client in standing.by_client:
            raise bad("client_order_id must be unique")
        return Order(
            standing.next_id("order", number), client, symbol, row, side, kind, lives, qty,
            standing.book.now_ns,
        )  # fmt: skip

    def _made(self, ticket: paper.Ticket) -> Order:
        kind = ticket.order_class or "simple"
        order = self._blank(
            ticket.client_order_id, ticket.symbol, ticket.side, ticket.type,
            ticket.time_in_force, paper.shares(ticket.qty),
        )  # fmt: skip
        order.limit_price = paper.price(ticket.limit_price)
        order.stop_price = paper.price(ticket.stop_price)
        order.extended_hours, order.order_class = ticket.extended_hours, kind
        if kind == "oco":
            if ticket.type != "limit" or ticket.take_profit is None:
                raise unfit("oco orders must be limit orders with take_profit and stop_loss")
            order.limit_price = paper.price(ticket.take_profit.limit_price)
        book = self._standing.book
        may = book.is_open if order.extended_hours else book.is_regular
        order.status = "pending_new" if may else "accepted"
        return order

    def _exits(self, order: Order, ticket: paper.Ticket) -> None:
        """Make the exits of a bracket, an OTO, or the stop of an OCO."""
        side = order.side if order.order_class == "oco" else "sell" if order.is_buy else "buy"
        if ticket.take_profit is not None and order.order_class != "oco":
            leg = self._leg(order, side, "limit", len(order.legs))
            leg.limit_price = paper.price(ticket.take_profit.limit_price)
        if ticket.stop_loss is not None:
            limit = paper.price(ticket.stop_loss.limit_price)
            leg = self._leg(order, side, "stop_limit" if limit else "stop", len(order.legs))
            leg.stop_price, leg.limit_price = paper.price(ticket.stop_loss.stop_price), limit
        group = [order, *order.legs] if order.order_class == "oco" else order.legs
        for one in group:
            one.siblings = [other for other in group if other is not one]
        if order.order_class == "oco":
            for leg in order.legs:
                leg.status = order.status

    def _leg(self, order: Order, side: str, kind: str, number: int) -> Order:
        leg = self._blank("", order.symbol, side, kind, order.time_in_force, order.qty)
        at = len(self._standing.orders) + 1 + number
        leg.id = self._standing.next_id("order", at)
        leg.client_order_id = self._standing.next_id("client", at)
        leg.order_class, leg.parent, leg.status = order.order_class, order, "held"
        order.legs.append(leg)
        return leg

    def _check_account(self, order: Order) -> None:
        account = self._standing.account
        if account.account_blocked or account.trading_blocked:
            raise forbidden("account is restricted: trading is blocked")
        held = account.positions.get(order.symbol)
        equity = account.equity(self._standing.marks())
        same_day = order.order_class in ("bracket", "oto") or (
            held is not None and held.opened_today > 0 and (held.qty > 0) != order.is_buy
        )
        if same_day and equity < DAY_TRADER_EQUITY and account.daytrades >= FREE_DAY_TRADES:
            raise Refusal(403, DAY_TRADER, "trade denied due to pattern day trading protection")

    def _check_stop(self, order: Order) -> None:
        """Refuse a stop that the market has passed already."""
        stop, last = order.stop_price, self._standing.book.last(order.row)
        if stop is None or order.order_class != "simple":
            return
        if (stop <= last) if order.is_buy else (stop >= last):
            word = "greater" if order.is_buy else "less"
            raise unfit(f"stop price must be {word} than current price {text(last)}")

    def _check_shares(self, order: Order) -> None:
        standing = self._standing
        held = standing.account.position(order.symbol)
        if held * (1 if order.is_buy else -1) < 0:
            available = standing.available(order.symbol)
            if order.qty > available:
                raise forbidden(
                    f"insufficient qty available for order (requested: {text(order.qty)}, "
                    f"available: {text(available)})",
                    symbol=order.symbol, existing_qty=text(abs(held)), available=text(available),
                    held_for_orders=text(standing.held_for_orders(order.symbol)),
                )  # fmt: skip
            return
        if order.order_class == "oco":
            raise forbidden("oco orders close a position: there is none", symbol=order.symbol)
        if not order.is_buy and (not standing.account.shorting_enabled or order.qty % 1):
            raise forbidden("account is not allowed to short")
        if standing.cost(order) > standing.power():
            raise forbidden(
                "insufficient buying power", buying_power=text(round(standing.power(), 2)),
                cost_basis=text(round(standing.cost(order), 2)),
            )  # fmt: skip

    def _check_wash(self, order: Order) -> None:
        for other in self._standing.open.values():
            if other.symbol != order.symbol or other.side == order.side or other.status == "held":
                continue
            if _may_meet(order, other):
                raise forbidden(
                    "potential wash trade detected. use complex orders",
                    reject_reason=f"opposite side {other.type} order exists",
                    existing_order_id=other.id,
                )


def _may_meet(one: Order, other: Order) -> bool:
    """Tell whether two orders of opposite sides could trade with each other."""
    buy, sell = (one, other) if one.is_buy else (other, one)
    if buy.limit_price is None or sell.limit_price is None:
        return True
    return buy.limit_price >= sell.limit_price
