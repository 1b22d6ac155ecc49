"""The paper broker: a venue of our own that fills within what the market showed, and never better.

An order is seen `latency_s` after it came. From then on it fills at the other side of the quote, or
at the last print where there is no quote; never in a halt or on stale data, and all orders of a
symbol together at most `volume_share` of what was printed since. Its orders are lines of a file, so
that a process that is killed finds them again.
"""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path

import msgspec
from msgspec.structs import replace

from tapelight.errors import ConfigError, Unavailable
from tapelight.model.orders import (
    BUY,
    ZERO,
    Account,
    Holding,
    Order,
    OrderRequest,
    Picture,
    Report,
    State,
    Statement,
    price_of,
)
from tapelight.model.session import REGULAR, Session

NS = 1_000_000_000
FILE = "paper.jsonl"
ONE = Decimal(1)
WAITING = 10_000
"""Reports that may wait for the desk."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[broker.paper]."""

    cash: Decimal = Decimal(100_000)
    """What the account begins with, $."""
    latency_s: float = 0.2
    """From an order's coming to the first market that may fill it, s of market time."""
    volume_share: Decimal = Decimal("0.1")
    """Most of the printed volume that our orders of a symbol may be."""
    fee: Decimal = Decimal("0.005")
    """$ a share."""


class Resting(msgspec.Struct, frozen=True, kw_only=True, tag="order"):
    """Hold an order as the venue has it; a line of the file."""

    request: OrderRequest
    venue_id: str
    arrived_ns: int
    state: State = "working"
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    fee: Decimal = ZERO
    triggered: bool = False
    fills: int = 0
    ts_ns: int = 0
    reason: str = ""

    def report(self) -> Report:
        """Return what the venue says of it."""
        request = self.request
        return Report(
            order=request.id,
            state=self.state,
            filled=self.filled,
            average=self.cost / self.filled if self.filled else None,
            fee=self.fee,
            ts_ns=self.ts_ns,
            venue_id=self.venue_id,
            execution=f"{self.venue_id}-{self.fills}" if self.fills else "",
            reason=self.reason,
            symbol=request.symbol,
            side=request.side,
            quantity=request.quantity,
        )


class Day(msgspec.Struct, frozen=True, tag="day"):
    """State the equity with which a trading day began; a line of the file."""

    date: str
    equity: Decimal


Line = Resting | Day
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


class Paper:
    """Be a broker of play money. `show` brings the market; without it nothing fills."""

    name = "paper"
    host = ""
    live = False
    idempotent = True

    def __init__(
        self, folder: Path, config: Config, now_ns: Callable[[], int],
        session_at: Callable[[int], Session | None],
    ) -> None:  # fmt: skip
        self.config = config
        self.orders: dict[str, Resting] = {}
        self.holdings: dict[str, Holding] = {}
        self.cash = config.cash
        self.fault = ""
        """Why its file can't be written; empty = it can."""
        self._now_ns, self._session_at = now_ns, session_at
        self._day = Day("", config.cash)
        self._open: dict[str, Resting] = {}
        self._marks: dict[str, Decimal] = {}
        self._volume: dict[str, float] = {}
        """Printed volume at the newest picture, by symbol."""
        self._since: dict[str, float] = {}
        """Printed volume when an order was first seen by the market, by its id."""
        self._spare: dict[str, Decimal] = {}
        """Shares that our orders may still have of what was printed, by symbol."""
        self._streams: list[asyncio.Queue[Report]] = []
        path = folder / FILE
        for line in _lines(path):
            self._apply(line)
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigError(f"{path} can't be opened: {error.strerror}.") from error
        self._size = os.fstat(self._file).st_size

    # --- the port --------------------------------------------------------------------------------

    async def submit(self, request: OrderRequest) -> Report:
        """Take an order in; a repeated id is answered with the order that has it."""
        known = self.orders.get(request.id)
        if known is not None:
            return known.report()
        now_ns, number = self._now_ns(), len(self.orders) + 1
        order = Resting(request=request, venue_id=f"p{number}", arrived_ns=now_ns, ts_ns=now_ns)
        fault = self._fault(request)
        if fault:
            order = replace(order, state="rejected", reason=fault)
        self._put(order)
        return order.report()

    async def cancel(self, order: Order) -> None:
        """Cancel an order if it still works."""
        known = self._open.get(order.id)
        if known is not None:
            self._put(replace(known, state="cancelled", ts_ns=self._now_ns()))

    async def look(self, ids: Sequence[str]) -> Statement:
        """Return account, holdings, open orders and those of `ids`."""
        now_ns = self._now_ns()
        self._expire(now_ns)
        wanted = {*self._open, *(id_ for id_ in ids if id_ in self.orders)}
        held = tuple(h for h in self.holdings.values() if h.quantity)
        return Statement(
            account=self._account(now_ns),
            orders=tuple(self.orders[id_].report() for id_ in sorted(wanted)),
            holdings=held,
            ts_ns=now_ns,
        )

    async def reports(self) -> AsyncIterator[Report]:
        """Yield each change from now on."""
        queue: asyncio.Queue[Report] = asyncio.Queue(WAITING)
        self._streams.append(queue)
        try:
            while True:
                yield await queue.get()
                if queue.full():
                    raise Unavailable("The desk did not keep up with the paper broker.")
        finally:
            self._streams.remove(queue)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    # --- the market ------------------------------------------------------------------------------

    def show(self, picture: Picture, volume: float) -> None:
        """Fill what a symbol's market allows; `volume` is what was printed today, shares."""
        symbol = picture.symbol
        if picture.last is not None:
            self._marks[symbol] = Decimal(str(picture.last))
        self._expire(picture.ts_ns)
        grown = max(volume - self._volume.get(symbol, volume), 0.0)
        self._volume[symbol] = volume
        seen = [o for o in self._open.values() if self._seen(o, picture)]
        if not seen:
            self._spare.pop(symbol, None)
            return
        spare = self._spare.get(symbol, ZERO) + Decimal(str(grown)) * self.config.volume_share
        self._spare[symbol] = spare
        for order in seen:
            self._match(order, picture, volume)

    def _seen(self, order: Resting, picture: Picture) -> bool:
        """Tell whether a picture is a market in which an order may fill."""
        request = order.request
        if request.symbol != picture.symbol or picture.state != "LIVE":
            return False
        if picture.ts_ns < order.arrived_ns + int(self.config.latency_s * NS):
            return False
        session = self._session_at(picture.ts_ns)
        phase = session.phase(picture.ts_ns) if session is not None else 0
        return phase == REGULAR or (request.extended and phase != 0)

    def _match(self, order: Resting, picture: Picture, volume: float) -> None:
        id_ = order.request.id
        printed = volume - self._since.setdefault(id_, volume)
        order = self._triggered(order, picture)
        price = _price(order, picture)
        if price is not None:
            part = self._part(order, Decimal(str(printed)))
            if part > 0:
                order = self._fill(order, part, price, picture.ts_ns)
        if order.request.tif == "ioc" and order.state == "working":
            self._put(replace(order, state="cancelled", ts_ns=picture.ts_ns))

    def _triggered(self, order: Resting, picture: Picture) -> Resting:
        stop, last = order.request.stop, picture.last
        if stop is None or order.triggered or last is None:
            return order
        print_ = Decimal(str(last))
        if print_ < stop if order.request.side == BUY else print_ > stop:
            return order
        triggered = replace(order, triggered=True)
        self._put(triggered, tell=False)
        return triggered

    def _part(self, order: Resting, printed: Decimal) -> Decimal:
        """Return how many shares may fill now: of the volume printed since it was seen, a share."""
        symbol, left = order.request.symbol, order.request.quantity - order.filled
        own = printed * self.config.volume_share - order.filled
        return min(left, own, self._spare[symbol]).quantize(ONE, ROUND_FLOOR)

    def _fill(self, order: Resting, part: Decimal, price: Decimal, ts_ns: int) -> Resting:
        filled = order.filled + part
        done = filled == order.request.quantity
        after = replace(
            order,
            state="filled" if done else "working",
            filled=filled,
            cost=order.cost + part * price,
            fee=order.fee + part * self.config.fee,
            fills=order.fills + 1,
            ts_ns=ts_ns,
        )
        self._spare[order.request.symbol] -= part
        self._put(after)
        return after

    def _expire(self, now_ns: int) -> None:
        """End the day orders whose day is over."""
        for order in list(self._open.values()):
            session = self._session_at(order.arrived_ns)
            if order.request.tif != "day" or session is None:
                continue
            end_ns = session.end_ns if order.request.extended else session.close_ns
            if now_ns >= end_ns > order.arrived_ns:
                self._put(replace(order, state="expired", ts_ns=now_ns))

    # --- the account -----------------------------------------------------------------------------

    def _fault(self, request: OrderRequest) -> str:
        """Return why the venue rejects an order; empty = it takes it."""
        if request.quantity <= 0 or request.quantity != request.quantity.to_integral_value():
            return f"{request.quantity} is no number of whole shares"
        held = self.holdings.get(request.symbol)
        if held is not None and held.quantity * request.signed < 0:
            return ""
        value = (request.limit or request.stop or ZERO) * request.quantity
        power = self._account(self._now_ns()).buying_power
        return f"it costs {value} $ and {power} $ may be spent" if value > power else ""

    def _account(self, now_ns: int) -> Account:
        exposure = sum((abs(self._worth(h)) for h in self.holdings.values()), ZERO)
        equity = self.cash + sum((self._worth(h) for h in self.holdings.values()), ZERO)
        session = self._session_at(now_ns)
        date = session.date.isoformat() if session is not None else self._day.date
        if date != self._day.date:
            self._write(Day(date, equity))
        return Account(
            equity=equity,
            buying_power=max(2 * equity - exposure, ZERO),
            last_equity=self._day.equity,
            ts_ns=now_ns,
            may_short=True,
            number=self.name,
        )

    def _worth(self, holding: Holding) -> Decimal:
        return holding.quantity * self._marks.get(holding.symbol, holding.average)

    # --- the file --------------------------------------------------------------------------------

    def _put(self, order: Resting, tell: bool = True) -> None:
        self._write(order)
        if order.state != "working":
            self._since.pop(order.request.id, None)
        if tell:
            for stream in self._streams:
                if not stream.full():
                    stream.put_nowait(order.report())

    def _write(self, line: Line) -> None:
        """Write a line, then let it be true; raises Unavailable where the disk refuses."""
        raw = msgspec.json.encode(line) + b"\n"
        try:
            if self.fault:
                os.ftruncate(self._file, self._size)  # what the disk took of the last line
            if os.write(self._file, raw) != len(raw):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self.fault = f"{FILE} can't be written: {error.strerror}."
            raise Unavailable(self.fault) from error
        self.fault, self._size = "", self._size + len(raw)
        self._apply(line)

    def _apply(self, line: Line) -> None:
        if isinstance(line, Day):
            self._day = line
            return
        before = self.orders.get(line.request.id)
        filled = line.filled - (before.filled if before else ZERO)
        if filled:
            cost = line.cost - (before.cost if before else ZERO)
            self.cash -= line.fee - (before.fee if before else ZERO)
            self._hold(line.request, filled, cost / filled)
        self.orders[line.request.id] = line
        if line.state == "working":
            self._open[line.request.id] = line
        else:
            self._open.pop(line.request.id, None)

    def _hold(self, request: OrderRequest, part: Decimal, price: Decimal) -> None:
        signed = part if request.side == BUY else -part
        held = self.holdings.get(request.symbol) or Holding(request.symbol, ZERO)
        after, average = held.quantity + signed, held.average
        if held.quantity * signed >= 0:
            average = (held.quantity * average + signed * price) / after
        elif held.quantity * after < 0:
            average = price
        self.cash -= signed * price
        self.holdings[request.symbol] = Holding(request.symbol, after, average)


def _lines(path: Path) -> Iterator[Line]:
    """Yield a file's lines; what a crash left of the last one is cut off."""
    try:
        raw = path.read_bytes() if path.exists() else b""
        whole = raw[: raw.rfind(b"\n") + 1]
        if len(whole) < len(raw):
            os.truncate(path, len(whole))
        yield from (_decoder.decode(line) for line in whole.splitlines())
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{path} can't be read ({error}): move it away to start anew.") from error


def _price(order: Resting, picture: Picture) -> Decimal | None:
    """Return at what price an order fills in a market; None = it does not."""
    request, buys = order.request, order.request.side == BUY
    shown = picture.ask if buys else picture.bid
    market = shown if shown is not None else picture.last
    if market is None or market <= 0:
        return None
    # Never better than what was shown: a price between two ticks goes to the worse one.
    price = price_of(market, picture.tick, "up" if buys else "down")
    if request.kind == "market" or (order.triggered and request.kind in ("stop", "oco")):
        return price
    if request.kind == "stop" or (request.kind == "stop_limit" and not order.triggered):
        return None
    assert request.limit is not None
    return price if (price <= request.limit if buys else price >= request.limit) else None
