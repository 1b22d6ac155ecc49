"""Due: what is to be done, reckoned from the book and the market alone, again after every event.

Whatever a crash left undone is still due after it; whatever was done is in the book and no longer is.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from tapelight.model.limits import Trade
from tapelight.model.order_log import Decided, Killed, Leaving
from tapelight.model.orders import (
    BUY,
    SELL,
    ZERO,
    Order,
    OrderRequest,
    Picture,
    Side,
    derived_id,
    price_of,
)
from tapelight.model.session import POST, PRE, REGULAR
from tapelight.orders.book import Book
from tapelight.orders.case import HUNDRED, NS, Moment
from tapelight.orders.rules import breach, closable, room_to_reduce

GATHER_NS = NS // 4
"""Fills of one entry that come within this share a stop."""
STEP_NS = NS
"""Between one order to leave a position and the next, and after a stop that did not come about."""
BY_KILL = "kill switch"


@dataclass(frozen=True, slots=True)
class Scene:
    """Hold all that decides what is due."""

    book: Book
    trade: Trade
    moment: Moment
    picture: Callable[[str], Picture | None]

    @property
    def now_ns(self) -> int:
        """Return market time."""
        return self.moment.now_ns


@dataclass(frozen=True, slots=True)
class Submit:
    """Send this, if risk lets it."""

    request: OrderRequest


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ask for the cancel of an order that works."""

    order: Order
    why: str


Action = Submit | Cancel | Killed | Leaving | Decided


def due(scene: Scene) -> Iterator[Action]:
    """Yield what is to be done now. The book may change between two of them."""
    yield from _breached(scene)
    for order in list(scene.book.live.values()):
        if order.state == "held":
            yield from _held(scene, order)
        elif not order.request.reduces:
            yield from _entry(scene, order)
    for symbol in sorted(scene.book.symbols()):
        yield from _symbol(scene, symbol)


def _breached(scene: Scene) -> Iterator[Action]:
    why = breach(scene.book, scene.trade.limits)
    if why and scene.book.killed is None:
        yield Killed(scene.now_ns, why, "limit", scene.trade.flatten_on_breach)


def _held(scene: Scene, order: Order) -> Iterator[Action]:
    by = ""
    if scene.book.killed is not None:
        by = BY_KILL
    elif order.request.cause in scene.book.voided:
        by = "signal"
    elif scene.now_ns - order.ts_ns > scene.trade.approve_s * NS:
        by = "time-out"
    if by:
        yield Decided(scene.now_ns, order.id, approved=False, by=by)


def _entry(scene: Scene, order: Order) -> Iterator[Action]:
    why = _over(scene, order.request)
    if why:
        yield from _cancel(order, why)


def _over(scene: Scene, entry: OrderRequest) -> str:
    """Return why an entry may fill no more; empty = it may."""
    book, now_ns = scene.book, scene.now_ns
    if book.killed is not None:
        return BY_KILL
    if entry.cause in book.voided:
        return book.voided[entry.cause].why or "its signal was ended"  # a signal may say no reason
    if entry.symbol in book.leaving:
        return "the position is being closed"
    if 0 < entry.expires_ns <= now_ns:
        return "expired"
    return "time exit" if 0 < entry.exit_ns <= now_ns else ""


def _cancel(order: Order, why: str) -> Iterator[Action]:
    """Yield the cancel of what works; what is unknown has to be found first.

    That one was asked is no reason not to: who wrote it down may have died before it went out.
    """
    if order.state == "working":
        yield Cancel(order, why)


def _symbol(scene: Scene, symbol: str) -> Iterator[Action]:
    leaving = scene.book.leaving.get(symbol)
    if leaving is not None:
        yield from _leave(scene, leaving)
        return
    why, by = _why_leave(scene, symbol)
    if why:
        yield Leaving(scene.now_ns, symbol, why, by)
    else:
        yield from _protect(scene, symbol)


# --- protecting what is held -------------------------------------------------------------------


def _protect(scene: Scene, symbol: str) -> Iterator[Action]:
    """Yield what makes the orders that rest at the venue cover our position, and no more."""
    book, ours = scene.book, scene.book.ours(symbol)
    resting = book.reducing(symbol)
    right = [o for o in resting if o.request.signed * ours < 0]
    for order in resting:
        if order not in right:
            yield from _cancel(order, "nothing is left that it would close")
        elif order.request.made_ns < book.split_ns.get(symbol, 0):
            yield from _cancel(order, "its price is that of before a split")
    gap = abs(ours) - sum((order.left for order in right), ZERO)
    if gap < 0:
        yield from _uncover(right, -gap)
    plan = book.plan_of(symbol)
    size = _whole(scene, symbol, gap)
    if size > 0 and plan is not None and _quiet(scene, symbol, GATHER_NS):
        yield Submit(_stop(scene, plan, size))


def _whole(scene: Scene, symbol: str, shares: Decimal) -> Decimal:
    """Return how many of some shares a new order may close: whole ones, and none in doubt."""
    book = scene.book
    if not scene.moment.doubts.sure(symbol, book.quantity(symbol)):
        return ZERO
    return min(shares, closable(book, symbol, scene.moment.doubts)).to_integral_value(ROUND_FLOOR)


def _uncover(resting: list[Order], excess: Decimal) -> Iterator[Action]:
    """Yield cancels, the newest first, until what rests covers no more than is held."""
    for order in reversed(resting):
        if excess <= 0:
            return
        yield from _cancel(order, "it covers more than is held")
        excess -= order.left


def _quiet(scene: Scene, symbol: str, span_ns: int) -> bool:
    """Tell whether the newest order that reduces is old enough for another one."""
    made = scene.book.made.get(symbol)
    if not made:
        return True
    newest = scene.book.orders[made[-1]]
    failed = newest.state in ("refused", "rejected", "declined", "lost", "expired")
    return scene.now_ns - newest.request.made_ns >= (STEP_NS if failed else span_ns)


def _stop(scene: Scene, plan: OrderRequest, quantity: Decimal) -> OrderRequest:
    made = scene.book.made.get(plan.symbol, ())
    target = plan.plan_target
    return OrderRequest(
        id=derived_id(plan.id, "stop", str(len(made))),
        cause=plan.id,
        purpose="stop",
        symbol=plan.symbol,
        side=SELL if plan.side == BUY else BUY,
        quantity=quantity,
        kind="stop" if target is None else "oco",
        limit=target,
        stop=plan.plan_stop,
        strategy=plan.strategy,
        entry=plan.id,
        tif="gtc",
        made_ns=scene.now_ns,
    )


# --- leaving ------------------------------------------------------------------------------------


def _why_leave(scene: Scene, symbol: str) -> tuple[str, str]:
    """Return why a position is to be closed, and who says so."""
    book = scene.book
    if abs(book.ours(symbol)) < 1:
        return "", ""
    if book.killed is not None and book.killed.flatten:
        return book.killed.reason, BY_KILL
    if symbol in book.reversed:
        return "an order that was to reduce it turned it around", "desk"
    plan = book.plan_of(symbol)
    if plan is None:
        return "", ""
    if 0 < plan.exit_ns <= scene.now_ns:
        return "time exit", "time"
    if _stop_rejected(book, plan):
        return "the venue takes no stop for it", "desk"
    if scene.moment.phase in (PRE, POST) and _behind(plan, scene.picture(symbol)):
        return "its stop was reached outside regular hours", "desk"
    return "", ""


def _stop_rejected(book: Book, plan: OrderRequest) -> bool:
    made = book.made.get(plan.symbol)
    newest = book.orders[made[-1]] if made else None
    return newest is not None and newest.state == "rejected" and newest.request.entry == plan.id


def _behind(plan: OrderRequest, picture: Picture | None) -> bool:
    """Tell whether the market is at or behind the stop, on data that may be believed."""
    if picture is None or picture.state != "LIVE" or plan.plan_stop is None:
        return False
    price = picture.bid if plan.side == BUY else picture.ask
    if price is None:
        return False
    return price <= plan.plan_stop if plan.side == BUY else price >= plan.plan_stop


def _leave(scene: Scene, leaving: Leaving) -> Iterator[Action]:
    """Yield what closes a position: first nothing else may close it, then a limit that must fill."""
    book, symbol = scene.book, leaving.symbol
    exits = [o for o in book.reducing(symbol) if o.request.cause == _cause(leaving)]
    others = [o for o in book.reducing(symbol) if o not in exits]
    for order in others:
        if _replaced(scene, order):
            yield from _cancel(order, leaving.why)
    for order in exits:
        old = scene.now_ns - order.sent_ns >= STEP_NS and _trades(scene, symbol)
        if old and _replaced(scene, order):
            yield from _cancel(order, "a new price")
    held = book.quantity(symbol) if leaving.whole else book.ours(symbol)
    size = _whole(scene, symbol, abs(held))
    if size > 0 and not exits and not others and _quiet(scene, symbol, STEP_NS):
        yield Submit(_exit(scene, leaving, size if held > 0 else -size))


def _replaced(scene: Scene, order: Order) -> bool:
    """Tell whether an order may have a successor; what has none had better stay."""
    room = room_to_reduce(scene.book, scene.trade.limits, scene.now_ns)
    return room or order.cancel_ns > 0


def _cause(leaving: Leaving) -> str:
    return f"{leaving.by} {leaving.ts_ns}"


def _trades(scene: Scene, symbol: str) -> bool:
    """Tell whether the symbol trades now: a price is worth changing."""
    picture = scene.picture(symbol)
    halted = picture is not None and picture.state == "HALTED"
    return scene.moment.phase in (PRE, REGULAR, POST) and not halted


def _exit(scene: Scene, leaving: Leaving, held: Decimal) -> OrderRequest:
    book, symbol, cause = scene.book, leaving.symbol, _cause(leaving)
    made = book.made.get(symbol, [])
    tries = sum(book.orders[id_].request.cause == cause for id_ in made)
    side: Side = SELL if held > 0 else BUY
    limit = _marketable(scene, symbol, side == SELL, tries)
    plan = book.plan_of(symbol)
    outside = scene.moment.phase in (PRE, POST)
    return OrderRequest(
        id=derived_id(cause, symbol, "exit", str(len(made))),
        cause=cause,
        purpose="flatten" if leaving.by == BY_KILL else "exit",
        symbol=symbol,
        side=side,
        quantity=abs(held),
        kind="market" if limit is None else "limit",
        limit=limit,
        strategy=plan.strategy if plan else "",
        entry=plan.id if plan else "",
        extended=outside and limit is not None,
        made_ns=scene.now_ns,
    )


def _marketable(scene: Scene, symbol: str, sells: bool, tries: int) -> Decimal | None:
    """Return a limit beyond the market, by a collar that widens with each try; None = no price.

    An old price is better than none: a position can always be closed.
    """
    picture, trade = scene.picture(symbol), scene.trade
    if picture is None:
        return None
    quoted = picture.bid if sells else picture.ask
    price = quoted if quoted is not None and quoted > 0 else picture.last
    if price is None or price <= 0:
        return None
    widened = trade.limits.collar_pct + trade.flatten_step_pct * tries
    away = float(min(widened, trade.flatten_most_pct) / HUNDRED)
    beyond = price * (1 - away) if sells else price * (1 + away)
    return price_of(beyond, picture.tick, "down" if sells else "up")
