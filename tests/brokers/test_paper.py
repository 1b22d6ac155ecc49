"""The paper broker: the kit, and that it never fills better than the market showed."""

import asyncio
import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.limits import no_file_above
from tapelight.brokers.paper import FILE, Config, Paper
from tapelight.errors import Unavailable
from tapelight.model.orders import Order, OrderRequest, Picture, Statement
from tapelight.model.session import calendar, session_at
from tapelight.testing.brokers import Desk, check_broker

XNYS = calendar("XNYS")
MORNING = XNYS.session_on(dt.date(2026, 11, 20))
assert MORNING is not None
OPEN_NS, CLOSE_NS = MORNING.open_ns, MORNING.close_ns
NS = 1_000_000_000


class Market:
    """One symbol, 10.00 at 10.02, with a time that the test sets."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.now_ns, self.volume, self.folder = OPEN_NS + 60 * NS, 0.0, folder
        self.config = Config(**settings)
        self.broker = self.start()

    def start(self) -> Paper:
        self.broker = Paper(
            self.folder, self.config, lambda: self.now_ns, lambda ns: session_at(XNYS, ns)
        )
        return self.broker

    def step(self, seconds: float = 1.0, prints: float = 0.0, **row: Any) -> None:
        self.now_ns += int(seconds * NS)
        self.volume += prints
        values = {"bid": 10.0, "ask": 10.02, "last": 10.01} | row
        self.broker.show(Picture(symbol="AAA", ts_ns=self.now_ns, **values), self.volume)


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(tmp_path)


def order(id_: str = "a", quantity: int = 100, **kinds: Any) -> OrderRequest:
    values: dict[str, Any] = {"side": "buy", "kind": "limit", "limit": Decimal("10.05")} | kinds
    return OrderRequest(
        id=id_, cause="test", purpose="entry", symbol="AAA", quantity=Decimal(quantity), **values
    )


def look(market: Market, *ids: str) -> Statement:
    return asyncio.run(market.broker.look(ids))


def submit(market: Market, request: OrderRequest) -> None:
    asyncio.run(market.broker.submit(request))


def test_the_kit(market: Market) -> None:
    async def goes_on() -> None:
        while True:
            market.step(0.1, prints=500)
            await asyncio.sleep(0.01)

    async def quote() -> tuple[float, float]:
        return 10.0, 10.02

    async def run() -> None:
        market.step()
        going = asyncio.create_task(goes_on())
        await check_broker(Desk(market.broker, "AAA", quote))
        going.cancel()

    asyncio.run(run())


def test_it_fills_at_the_ask_after_the_latency_a_tenth_of_what_is_printed(market: Market) -> None:
    market.step()
    submit(market, order())
    market.step(0.1, prints=10_000)
    assert look(market, "a").orders[0].filled == 0, "before the latency is over"
    market.step(0.1, prints=10_000)
    assert look(market, "a").orders[0].filled == 0, "nothing was printed since"
    market.step(prints=305)
    (told,) = look(market, "a").orders
    assert (told.filled, told.average, told.fee) == (30, Decimal("10.02"), Decimal("0.15"))
    market.step(prints=10_000)
    (told,) = look(market, "a").orders
    assert (told.state, told.filled) == ("filled", 100)


def test_two_orders_share_the_tenth(market: Market) -> None:
    market.step()
    submit(market, order("a"))
    submit(market, order("b"))
    market.step()
    market.step(prints=1_000)
    assert sum(o.filled for o in look(market, "a", "b").orders) == 100


@pytest.mark.parametrize("state", ["HALTED", "STALE", "PROVISIONAL"])
def test_nothing_fills_in_a_halt_or_on_old_data(market: Market, state: str) -> None:
    submit(market, order())
    for _ in range(3):
        market.step(prints=10_000, state=state)
    assert look(market).orders[0].filled == 0


def test_a_stop_waits_for_a_print_and_sells_at_the_bid(market: Market) -> None:
    submit(market, order(side="sell", kind="stop", limit=None, stop=Decimal("9.90")))
    market.step(prints=10_000)
    market.step(prints=10_000, bid=9.85, ask=9.95)
    assert look(market).orders[0].filled == 0, "no print at the stop yet"
    market.step(prints=10_000, bid=9.85, ask=9.95, last=9.9)
    (told,) = look(market, "a").orders
    assert (told.state, told.average) == ("filled", Decimal("9.85"))


def test_an_oco_is_a_target_or_a_stop(market: Market) -> None:
    both = {"side": "sell", "kind": "oco", "limit": Decimal("10.50"), "stop": Decimal("9.50")}
    submit(market, order("up", **both))
    market.step()
    market.step(prints=10_000, bid=10.6, ask=10.62, last=10.6)
    submit(market, order("down", **both))
    market.step(last=9.4, bid=9.3, ask=9.4)
    market.step(last=9.4, bid=9.3, ask=9.4, prints=10_000)
    averages = [o.average for o in look(market, "up", "down").orders]
    assert averages == [Decimal("9.30"), Decimal("10.60")]


def test_a_day_order_ends_with_the_day(market: Market) -> None:
    submit(market, order(limit=Decimal("9")))
    market.step((CLOSE_NS - market.now_ns) / NS)
    assert look(market, "a").orders[0].state == "expired"


def test_what_costs_more_than_there_is_is_rejected(market: Market) -> None:
    submit(market, order(quantity=100_000))
    (told,) = look(market, "a").orders
    assert (told.state, "may be spent" in told.reason) == ("rejected", True)


def test_a_killed_process_finds_its_orders_and_its_money_again(market: Market) -> None:
    market.step()
    submit(market, order())
    market.step()
    market.step(prints=305)
    before = look(market, "a")
    with (market.folder / FILE).open("ab") as file:
        file.write(b'{"type":"order","reque')
    market.start()
    market.step(0.001)
    assert look(market, "a").orders == before.orders
    assert look(market).holdings == before.holdings
    assert look(market).account.equity == before.account.equity
    asyncio.run(market.broker.cancel(Order(request=order(), state="working")))
    market.start()
    assert look(market, "a").orders[0].state == "cancelled"


def test_a_line_that_the_disk_took_half_of_is_as_if_never_written(market: Market) -> None:
    submit(market, order("whole"))
    path = market.folder / FILE
    whole = path.read_bytes()
    with no_file_above(len(whole) + 40), pytest.raises(Unavailable, match="can't be written"):
        submit(market, order("half"))
    assert len(path.read_bytes()) == len(whole) + 40
    assert "can't be written" in market.broker.fault
    assert [o.order for o in look(market, "whole", "half").orders] == ["whole"]
    submit(market, order("next"))
    assert market.broker.fault == ""
    assert path.read_bytes().startswith(whole)
    assert list(market.start().orders) == ["whole", "next"]
