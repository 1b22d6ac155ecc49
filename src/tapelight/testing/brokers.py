"""`check_broker`: what every broker has to do, asked through its four methods alone."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from tapelight.model.orders import (
    BUY,
    ZERO,
    Order,
    OrderRequest,
    Report,
    Side,
    Statement,
    derived_id,
    price_of,
)
from tapelight.ports import Broker

T = TypeVar("T")
WAIT_S = 20.0
STEP_S = 0.05
SHARES = Decimal(10)


@dataclass(frozen=True, slots=True)
class Desk:
    """Give the kit a broker whose account is flat, and a market that goes on."""

    broker: Broker
    symbol: str
    quote: Callable[[], Awaitable[tuple[float, float]]]
    """Bid and ask of the symbol now."""


async def check_broker(desk: Desk) -> None:
    """Trade through a broker and assert what the port promises."""
    pushed: list[Report] = []
    listening = asyncio.create_task(_listen(desk.broker, pushed))
    try:
        await asyncio.sleep(STEP_S)
        await _knows_nothing(desk)
        await _rests_and_cancels(desk)
        bought = await _fills(desk, "buy", pushed)
        statement = await desk.broker.look([])
        assert _held(statement, desk.symbol) == SHARES
        sold = await _fills(desk, "sell", pushed)
        assert bought.filled == sold.filled == SHARES
        assert _held(await desk.broker.look([]), desk.symbol) == ZERO
    finally:
        listening.cancel()
        await asyncio.wait((listening,))


async def _listen(broker: Broker, pushed: list[Report]) -> None:
    async for report in broker.reports():
        pushed[len(pushed) :] = [report]


async def _knows_nothing(desk: Desk) -> None:
    """An id that was never sent is in no statement; the account has money and may trade."""
    statement = await desk.broker.look([derived_id("never sent", uuid.uuid4().hex)])
    assert statement.orders == ()
    assert statement.account.equity > 0
    assert statement.account.buying_power > 0
    assert statement.account.blocked == ""
    assert _held(statement, desk.symbol) == ZERO


async def _rests_and_cancels(desk: Desk) -> None:
    """A limit far from the market works until it is cancelled; its id names one order."""
    bid, _ = await desk.quote()
    request = _request(desk, "buy", bid * 0.9)
    report = await desk.broker.submit(request)
    assert (report.order, report.state, report.filled) == (request.id, "working", ZERO)
    if desk.broker.idempotent:
        again = await desk.broker.submit(request)
        assert (again.order, again.venue_id) == (request.id, report.venue_id)
    working = (await desk.broker.look([])).orders
    assert [(o.order, o.symbol, o.side, o.quantity) for o in working] == [
        (request.id, desk.symbol, "buy", SHARES)
    ]
    await desk.broker.cancel(Order(request=request, state="working", venue_id=report.venue_id))
    ended = await _until(lambda: _state(desk, request.id, "cancelled"))
    assert ended.filled == ZERO
    assert request.id not in {o.order for o in (await desk.broker.look([])).orders}


async def _fills(desk: Desk, side: Side, pushed: list[Report]) -> Report:
    """A limit beyond the market fills, not worse than its limit; the push and the look agree."""
    bid, ask = await desk.quote()
    request = _request(desk, side, ask * 1.005 if side == BUY else bid * 0.995)
    await desk.broker.submit(request)
    looked = await _until(lambda: _state(desk, request.id, "filled"))
    assert looked.average is not None
    assert request.limit is not None
    worse = looked.average - request.limit
    assert worse <= 0 if side == BUY else worse >= 0
    told = await _until(lambda: _pushed(pushed, request.id))
    assert (told.filled, told.average) == (looked.filled, looked.average)
    return looked


def _request(desk: Desk, side: Side, limit: float) -> OrderRequest:
    return OrderRequest(
        id=derived_id("check", uuid.uuid4().hex), cause="check",
        purpose="entry" if side == BUY else "exit", symbol=desk.symbol, side=side,
        quantity=SHARES, kind="limit", limit=price_of(limit),
    )  # fmt: skip


async def _state(desk: Desk, id_: str, state: str) -> Report | None:
    statement = await desk.broker.look([id_])
    return next((o for o in statement.orders if (o.order, o.state) == (id_, state)), None)


async def _pushed(pushed: list[Report], id_: str) -> Report | None:
    return next((o for o in pushed if (o.order, o.state) == (id_, "filled")), None)


def _held(statement: Statement, symbol: str) -> Decimal:
    return next((h.quantity for h in statement.holdings if h.symbol == symbol), ZERO)


async def _until(ask: Callable[[], Awaitable[T | None]]) -> T:
    async with asyncio.timeout(WAIT_S):
        while True:
            found = await ask()
            if found is not None:
                return found
            await asyncio.sleep(STEP_S)
