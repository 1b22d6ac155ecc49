"""The rules of risk, each a pure function: why an order is refused, empty where it is not.

The name of a function is the name of its rule.
"""

from collections import deque
from decimal import Decimal

from tapelight.model.limits import Limits
from tapelight.model.orders import (
    BUY,
    ZERO,
    Account,
    OrderRequest,
    Picture,
    tick_of,
)
from tapelight.model.session import POST, PRE, REGULAR
from tapelight.orders.book import Book
from tapelight.orders.case import HUNDRED, NS, NS_IN_MS, Case
from tapelight.orders.doubts import Doubts


def breach(book: Book, limits: Limits) -> str:
    """Return which limit of the day's loss is broken; empty = none. It trips the kill switch."""
    if book.valued is None or book.valued.account.last_equity <= 0:
        return ""
    account, peak = book.valued.account, book.valued.peak
    lost = lost_pct(account)
    if lost >= limits.day_loss_pct:
        return f"the day's loss is {lost:.2f} %, the limit {limits.day_loss_pct} %"
    fallen = fallen_pct(account, peak)
    if fallen >= limits.peak_loss_pct:
        return f"{fallen:.2f} % are lost from the day's peak, the limit is {limits.peak_loss_pct} %"
    return ""


def lost_pct(account: Account) -> Decimal:
    """Return the loss since the close before, %; below 0 where it is a gain."""
    if account.last_equity <= 0:
        return ZERO
    return (account.last_equity - account.equity) / account.last_equity * HUNDRED


def fallen_pct(account: Account, peak: Decimal) -> Decimal:
    """Return the loss from the day's highest equity, %."""
    return (peak - account.equity) / peak * HUNDRED if peak > 0 else ZERO


# --- both -------------------------------------------------------------------------------------


def quantity(case: Case) -> str:
    """Refuse what is no whole number of shares above 0."""
    asked = case.request.quantity
    return "" if asked > 0 and asked == int(asked) else f"{asked} is no number of whole shares"


def tick(case: Case) -> str:
    """Refuse prices between the ticks: the venue would."""
    for price in (case.request.limit, case.request.stop):
        if price is None:
            continue
        step = case.picture.tick if case.picture and case.picture.tick else tick_of(price)
        if price <= 0 or price % step:
            return f"{price} $ is no multiple of the tick {step} $"
    return ""


# --- orders that reduce risk ------------------------------------------------------------------


def at_most_the_position(case: Case) -> str:
    """Refuse what could turn a position around, orders that reduce and may still fill included."""
    held = case.book.quantity(case.request.symbol)
    if held * case.request.signed >= 0:
        return f"{held:f} shares are held, and a {case.request.side} would add to them"
    if not case.moment.doubts.sure(case.request.symbol, held):
        return f"the venue may hold less than {held:f} shares: it has to be asked first"
    free = closable(case.book, case.request.symbol, case.moment.doubts)
    if case.request.quantity > free:
        return f"{case.request.quantity:f} shares, of {abs(held):f} held {free:f} have no order yet"
    return ""


def room_to_reduce(book: Book, limits: Limits, now_ns: int) -> bool:
    """Tell whether an order that reduces, cancelled now, may have a successor at once."""
    asked = sum(o.request.reduces and o.cancel_ns > 0 for o in book.live.values())
    return len(after(book.reduced, now_ns - 60 * NS)) + asked < limits.reducing_per_min


def pace_of_reducing(case: Case) -> str:
    """Refuse more orders that reduce than a minute may have."""
    count = _count(case, case.book.reduced, 60 * NS)
    most = case.limits.reducing_per_min
    return "" if count < most else f"{count} orders that reduce in the last minute, {most} allowed"


# --- entries: may anything go? ----------------------------------------------------------------


def kill_switch(case: Case) -> str:
    """Refuse all while the kill switch is on."""
    killed = case.book.killed
    return f"on since {killed.by} said: {killed.reason}" if killed else ""


def ready(case: Case) -> str:
    """Refuse while the venue has not been asked, the clock is unsure, or the desk is stopped."""
    if case.moment.stopped:
        return case.moment.stopped
    if not case.moment.clock_sure:
        return "the clock is unsure: no beat of the scanner for 2 s"
    return "" if case.moment.reconciled else "the venue has not been asked yet what it has"


def broker(case: Case) -> str:
    """Refuse what the broker would: a blocked account, no day trade left."""
    account = case.account
    if account is None:
        return "nothing is known of the account"
    if account.blocked:
        return account.blocked
    return "no day trade is left" if account.day_trades_left == 0 else ""


def day_loss(case: Case) -> str:
    """Refuse after the day's loss."""
    return breach(case.book, case.limits)


def hours(case: Case) -> str:
    """Refuse outside trading hours."""
    phase = case.moment.phase
    if phase == REGULAR:
        return ""
    if phase not in (PRE, POST):
        return "the market is closed"
    if not case.limits.extended_hours:
        return "outside regular hours, and limits.extended_hours is off"
    fits = case.request.extended and case.request.kind == "limit" and case.request.tif == "day"
    return "" if fits else "outside regular hours only a limit order for the day may go"


# --- entries: is what it rests on true? -------------------------------------------------------


def signal_age(case: Case) -> str:
    """Refuse a signal that is too old."""
    age_ms = (case.moment.now_ns - case.request.signal_ns) / NS_IN_MS
    most = case.limits.signal_age_ms
    return "" if 0 <= age_ms <= most else f"the signal is {age_ms:.0f} ms old, {most} allowed"


def data_state(case: Case) -> str:
    """Refuse on data that are not LIVE, or in a halt."""
    if case.picture is None:
        return "nothing is known of its market"
    if case.picture.state != "LIVE":
        return f"its row is {case.picture.state}"
    age_ms = (case.moment.now_ns - case.picture.ts_ns) / NS_IN_MS
    most = case.limits.picture_age_ms
    return "" if age_ms <= most else f"its prices are {age_ms:.0f} ms old, {most} allowed"


def spread(case: Case) -> str:
    """Refuse where the spread is too wide or nobody quotes."""
    bid, ask = _quote(case)
    if bid <= 0 or ask < bid:
        return "there is no two-sided quote"
    wide = (ask - bid) / ((ask + bid) / 2) * HUNDRED
    most = case.limits.spread_pct
    return "" if wide <= most else f"the spread is {wide:.2f} %, {most} % allowed"


def collar(case: Case) -> str:
    """Refuse a limit too far from the market, and an entry without one."""
    request = case.request
    if request.limit is None or request.kind not in ("limit", "stop_limit"):
        return f"a {request.kind} order is no entry: a limit is wanted"
    bid, ask = _quote(case)
    market = ask if request.side == BUY else bid
    away = abs(request.limit - market) / market * HUNDRED
    most = case.limits.collar_pct
    return "" if away <= most else f"the limit is {away:.2f} % from the market, {most} % allowed"


def luld(case: Case) -> str:
    """Refuse near a band of limit up or limit down."""
    picture = case.picture
    last = picture.last if picture else None
    if picture is None or last is None or last <= 0:
        return "there is no last price"
    for band in (picture.luld_up, picture.luld_down):
        if band is not None:
            away = abs(band - last) / last * 100
            if away < case.limits.luld_pct or not _inside(picture, last):
                return f"the price is {away:.2f} % from the band {band} $"
    return ""


def stop(case: Case) -> str:
    """Refuse an entry without a stop on its losing side."""
    request = case.request
    at, price = request.plan_stop, case.price
    if at is None or at <= 0:
        return "the plan names no stop"
    fits = at < price if request.side == BUY else at > price
    return "" if fits else f"the stop {at} $ is on the winning side of {price} $"


def short_sale(case: Case) -> str:
    """Refuse a short where it is off, the broker forbids it, or Rule 201 holds."""
    if case.request.side == BUY or case.book.quantity(case.request.symbol) > 0:
        return ""
    if not case.limits.shorts:
        return "limits.shorts is off"
    if case.account is None or not case.account.may_short:
        return "the broker allows this account no shorts"
    restricted = case.picture is None or case.picture.short_restricted
    return "the short-sale restriction holds today" if restricted else ""


# --- entries: how many, how much? -------------------------------------------------------------


def one_direction(case: Case) -> str:
    """Refuse to trade against what is held or about to be: one net direction a symbol."""
    held = case.book.quantity(case.request.symbol)
    if held * case.request.signed < 0:
        return f"{held:f} shares are held the other way"
    if case.request.symbol in case.book.leaving:
        return "its position is being closed"
    for order in _entries(case, case.request.symbol):
        if order.side != case.request.side:
            return f"the entry {order.id} works the other way"
    return ""


def one_strategy(case: Case) -> str:
    """Refuse a symbol that another strategy holds or is entering: shares have one plan.

    The stop, the targets and the time exit hold for all shares of a symbol, and the venue keeps one
    position: of two strategies one would lose its exits, or sell the other's shares.
    """
    request = case.request
    plan = case.book.plan_of(request.symbol)
    for other in (*([plan] if plan is not None else []), *_entries(case, request.symbol)):
        if other.strategy != request.strategy:
            return f"{other.strategy} has it: a symbol is one strategy's at a time"
    return ""


def repeat(case: Case) -> str:
    """Refuse the same entry again soon, and too many of one symbol a day."""
    mine = case.request
    same = [
        (ts_ns, r) for ts_ns, r in after(case.book.entered, case.moment.day_ns)
        if r.symbol == mine.symbol
    ]  # fmt: skip
    since_ns = case.moment.now_ns - int(case.limits.repeat_s * NS)
    for ts_ns, other in same:
        equal = (other.side, other.quantity) == (mine.side, mine.quantity)
        if equal and ts_ns > since_ns:
            ago_s = (case.moment.now_ns - ts_ns) / NS
            return f"the same order went {ago_s:.1f} s ago, {case.limits.repeat_s:g} s must pass"
    most = case.limits.repeats_per_day
    return "" if len(same) < most else f"{len(same)} entries in it today, {most} allowed"


def pace(case: Case) -> str:
    """Refuse more entries than a second, a minute and a day may have."""
    limits = case.limits
    for span_ns, most, name in (
        (NS, limits.orders_per_s, "second"),
        (60 * NS, limits.orders_per_min, "minute"),
        (case.moment.now_ns - case.moment.day_ns, limits.orders_per_day, "day"),
    ):
        count = _count(case, case.book.entered, span_ns)
        if count >= most:
            return f"{count} entries in this {name}, {most} allowed"
    return ""


def open_positions(case: Case) -> str:
    """Refuse one more symbol than may be held at once."""
    symbols = case.book.symbols() | {case.request.symbol}
    most = case.limits.open_positions
    return (
        "" if len(symbols) <= most else f"it would be symbol number {len(symbols)}, {most} allowed"
    )


def order_size(case: Case) -> str:
    """Refuse an order of too many shares or $."""
    limits, asked = case.limits, case.request.quantity
    if asked > limits.order_shares:
        return f"{asked:f} shares, {limits.order_shares:f} allowed"
    if case.value > limits.order_value:
        return f"it is worth {case.value:.2f} $, {limits.order_value:f} $ allowed"
    return ""


def exposure(case: Case) -> str:
    """Refuse what would put too much of the equity into one symbol, or into all."""
    equity = case.account.equity if case.account else ZERO
    if equity <= 0:
        return "the equity is not above 0"
    book, symbol = case.book, case.request.symbol
    mine = case.request.id  # one that waited for a person is in the book already
    at_risk = {name: exposed(book, name, mine) for name in sorted(book.symbols())}
    here = at_risk.get(symbol, ZERO) + case.value
    total = sum(at_risk.values(), ZERO) + case.value
    for what, value, most in (
        (symbol, here, case.limits.symbol_pct), ("all symbols", total, case.limits.total_pct),
    ):  # fmt: skip
        if value > equity * most / HUNDRED:
            share = value / equity * HUNDRED
            return f"{share:.2f} % of the equity would be in {what}, {most} % allowed"
    return ""


def buying_power(case: Case) -> str:
    """Refuse what the account can't pay, entries that the venue may not know yet included."""
    if case.account is None:
        return "nothing is known of the account"
    asked_ns = case.book.valued.ts_ns if case.book.valued else 0
    recent = after(case.book.entered, asked_ns)
    newer = sum((_price(request) * request.quantity for _, request in recent), ZERO)
    free = case.account.buying_power - newer
    return "" if case.value <= free else f"{case.value:.2f} $ are asked, {free:.2f} $ are free"


def _quote(case: Case) -> tuple[Decimal, Decimal]:
    picture = case.picture
    if picture is None or picture.bid is None or picture.ask is None:
        return ZERO, ZERO
    return Decimal(repr(picture.bid)), Decimal(repr(picture.ask))


def _inside(picture: Picture, last: float) -> bool:
    up, down = picture.luld_up, picture.luld_down
    return (up is None or last < up) and (down is None or last > down)


def after(paces: deque[tuple[int, OrderRequest]], since_ns: int) -> list[tuple[int, OrderRequest]]:
    """Return approved intents after a time, the newest first."""
    found = []
    for ts_ns, request in reversed(paces):
        if ts_ns <= since_ns:
            break
        found.append((ts_ns, request))
    return found


def _count(case: Case, paces: deque[tuple[int, OrderRequest]], span_ns: int) -> int:
    return len(after(paces, case.moment.now_ns - span_ns))


def _entries(case: Case, symbol: str) -> list[OrderRequest]:
    return [o.request for o in case.book.live_of(symbol) if not o.request.reduces]


def _price(request: OrderRequest) -> Decimal:
    return request.limit or request.stop or ZERO


def closable(book: Book, symbol: str, doubts: Doubts) -> Decimal:
    """Return how many of the shares held no order would close, ours or another's."""
    held = book.quantity(symbol)
    ours = sum((order.left for order in book.reducing(symbol)), ZERO)
    return abs(held) - ours - doubts.spoken_for(symbol, held)


def exposed(book: Book, symbol: str, without: str = "") -> Decimal:
    """Return what is held of a symbol at its entry price, and what other entries may add, $."""
    held = book.positions.get(symbol)
    value = abs(held.quantity) * held.average if held is not None else ZERO
    for order in book.live_of(symbol):
        if not order.request.reduces and order.id != without:
            value += _price(order.request) * (order.request.quantity - order.filled)
    return value
