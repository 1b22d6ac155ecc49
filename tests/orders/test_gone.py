"""What the venue no longer knows, no longer answers, or has split."""

from decimal import Decimal
from pathlib import Path

import pytest

from orders.desks import Stage, play, trade
from tapelight.errors import Unavailable
from tapelight.model.signals import Plan


def forget(on: Stage, *purposes: str) -> None:
    """Let the venue know nothing of some orders any more."""
    on.venue._open = [o for o in on.venue._open if o.request.purpose not in purposes]
    on.venue.orders[:] = [o for o in on.venue.orders if o.request.purpose not in purposes]
    known = on.venue.clients.items()
    on.venue.clients = {k: v for k, v in known if v[0].request.purpose not in purposes}


@pytest.mark.parametrize("idempotent", [True, False])
def test_a_stop_that_the_venue_no_longer_knows_is_replaced(
    tmp_path: Path, idempotent: bool
) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(6)
        forget(on, "stop")
        await on.settle(60)
        assert on.resting() == [("stop", "sell", Decimal(498))]
        assert sum(o.left for o in on.desk.book.reducing("AAA")) == 498
        assert on.desk.report("main").unknown == 0

    play(tmp_path, act, idempotent=idempotent)


def test_an_account_that_was_reset_is_sent_nothing_of_before(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(6)
        on.state = "HALTED"
        on.desk.close("AAA", "a person")
        await on.settle(2)
        await on.stop()
        on.state = "LIVE"
        forget(on, "entry", "stop", "exit")
        on.venue.holdings.clear()
        await on.start()
        await on.settle(60)
        assert on.venue.orders == []
        assert on.desk.book.live == {}
        assert on.desk.book.symbols() == frozenset()

    play(tmp_path, act)


def test_without_an_answer_no_entry_goes_and_it_says_why(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        async def fails(_: object) -> None:
            raise Unavailable("Alpaca answers 500.")

        await on.settle(1)
        on.broker.look = fails  # type: ignore[assignment,method-assign]
        await on.settle(70)
        assert on.desk.report("main").ready
        await on.settle(60)
        told = on.desk.report("main")
        assert not told.ready
        assert told.fault.startswith("the broker has not told what it has for ")
        assert told.fault.endswith(" s: Alpaca answers 500.")
        assert on.take().startswith("refused ready: the broker has not told")

    play(tmp_path, act)


@pytest.mark.parametrize(
    ("shares", "bid", "stop", "target"),
    [(Decimal(249), 40.0, "39.60", "41.00"), (Decimal(996), 10.0, "9.90", "10.25")],
)
def test_a_split_scales_the_stop_with_the_position(
    tmp_path: Path, shares: Decimal, bid: float, stop: str, target: str
) -> None:
    async def act(on: Stage) -> None:
        on.take(plan=Plan(side="long", entry=20.0, limit=20.06, stop=19.8, targets=(20.5,)))
        await on.settle(3)
        await on.stop()
        on.venue.averages["AAA"] *= on.venue.holdings["AAA"] / shares
        on.venue.holdings["AAA"] = shares
        resting = next(o for o in on.venue.orders if o.state == "working")
        on.venue.expire(resting)  # with a price of before it would go off at once
        on.quotes["AAA"] = (bid, bid + 0.02)
        await on.start()
        await on.settle(10)
        (order,) = on.desk.book.reducing("AAA")
        assert on.desk.book.ours("AAA") == order.left == shares
        assert (order.request.stop, order.request.limit) == (Decimal(stop), Decimal(target))
        assert on.resting() == [("oco", "sell", shares)]

    play(tmp_path, act)


def test_a_new_symbol_has_the_old_ones_plan(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(3)
        await on.stop()
        on.quotes["BBB"] = on.quotes["AAA"]
        on.venue.averages["BBB"] = on.venue.averages["AAA"]
        on.venue.holdings["BBB"] = on.venue.holdings.pop("AAA")
        await on.start()
        await on.settle(10)
        assert on.desk.book.ours("BBB") == 498
        (order,) = on.desk.book.live.values()
        assert (order.request.symbol, order.request.stop) == ("BBB", Decimal("19.80"))
        assert on.resting() == [("stop", "sell", Decimal(498))]
        assert on.desk.close("BBB", "a person")
        await on.settle(5)
        assert on.venue.holdings["BBB"] == 0

    play(tmp_path, act)


def test_whole_shares_of_a_position_with_a_fraction_are_closed(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(3)
        on.venue.trade("AAA", "buy", Decimal("0.5"))
        await on.settle(15)
        assert on.desk.close("AAA", "a person")
        await on.settle(20)
        assert on.venue.holdings["AAA"] == on.desk.book.quantity("AAA") == Decimal("0.5")
        assert on.desk.book.leaving == {}
        assert [o for o in on.desk.book.orders.values() if o.state == "refused"] == []

    play(tmp_path, act, trade(symbol_pct=Decimal(90)))


def test_as_many_shares_of_another_symbol_at_nearly_the_price_are_no_new_symbol(
    tmp_path: Path,
) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(3)
        await on.stop()
        on.quotes["BBB"] = on.quotes["AAA"]
        on.venue.averages["BBB"] = on.venue.averages["AAA"] * Decimal("1.002")
        on.venue.holdings["BBB"] = on.venue.holdings.pop("AAA")
        await on.start()
        await on.settle(10)
        assert on.desk.book.ours("AAA") == on.desk.book.ours("BBB") == 0
        assert on.desk.book.quantity("BBB") == 498
        assert on.desk.report("main").adopted == 2

    play(tmp_path, act)
