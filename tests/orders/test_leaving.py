"""Leaving: by an exit signal that finds an entry at work, and where the pace holds the next order."""

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from orders.desks import Stage, play, trade
from tapelight.model.limits import Trade
from tapelight.model.orders import Refused, Statement
from tapelight.model.signals import Plan


@pytest.mark.parametrize(("mode", "ended"), [
    ("auto", "cancelled target"), ("approve", "declined by signal"),
])  # fmt: skip
def test_an_exit_signal_ends_an_entry_that_has_not_filled(
    tmp_path: Path, mode: str, ended: str
) -> None:
    """The scanner's course was confirmed by a print, the broker's order was not filled."""

    async def act(on: Stage) -> None:
        on.take(plan=Plan(side="long", entry=20.1, limit=20.15, stop=19.9))
        await on.settle(1)
        on.take(kind="exit", of="s1", reason="target", plan=None)
        await on.settle(3)
        assert on.entry("s1") == ended
        on.quotes["AAA"] = (20.1, 20.12)
        await on.settle(3)
        assert on.venue.holdings == {}
        assert on.desk.book.leaving == {}

    play(tmp_path, act, trade(mode))


def test_what_fills_on_the_way_of_its_cancel_is_left(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.broker.mute = True
        on.take()
        on.take(kind="exit", of="s1", reason="target", plan=None)
        await on.settle(2)
        assert on.venue.holdings == {"AAA": Decimal(498)}
        on.broker.mute = False
        await on.settle(20)
        assert on.venue.holdings == {"AAA": Decimal(0)}
        assert on.resting() == []

    play(tmp_path, act)


@pytest.mark.integration
def test_no_order_is_cancelled_that_may_have_no_successor(tmp_path: Path) -> None:
    """Three positions, a flatten and a market in which nothing fills: something rests all the time."""

    async def act(on: Stage) -> None:
        for symbol in ("AAA", "BBB", "CCC"):
            on.quotes[symbol] = on.quotes["AAA"]
            on.take(symbol=symbol)
            await on.settle(2)
        assert len(on.desk.book.symbols()) == 3
        on.venue._quote = lambda _: None
        on.desk.kill("enough", "a person", flatten=True)
        naked = 0
        for _ in range(90):
            await on.settle(1)
            naked += 3 - len({o.request.symbol for o in on.venue.orders if o.state == "working"})
        assert naked <= 9
        refused = [o for o in on.desk.book.orders.values() if o.state == "refused"]
        assert len(refused) <= 6
        on.venue._quote = on.quote
        await on.settle(70)
        assert set(on.venue.holdings.values()) == {Decimal(0)}

    play(tmp_path, act, trade(symbol_pct=Decimal(50), total_pct=Decimal(90)))


def test_an_approval_asks_for_the_money_again(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        stated = on.venue.statement

        def poor(*given: object) -> Statement:
            told = stated(*given)  # type: ignore[arg-type]
            return replace(told, account=replace(told.account, buying_power=Decimal(11_000)))

        on.venue.statement = poor  # type: ignore[assignment,method-assign]
        await on.settle(40)
        on.quotes["BBB"] = on.quotes["AAA"]
        on.take()
        on.take(symbol="BBB")
        first, second = [o.id for o in on.desk.book.live.values() if o.state == "held"]
        assert not isinstance(on.desk.approve(first, "a person"), Refused)
        verdict = on.desk.approve(second, "a person")
        assert isinstance(verdict, Refused)
        assert (verdict.rule, verdict.reason) == (
            "buying_power", "9989.88 $ are asked, 1010.12 $ are free",
        )  # fmt: skip
        await on.settle(2)
        assert on.venue.holdings == {"AAA": Decimal(498)}

    play(tmp_path, act, approving())


def approving() -> Trade:
    return trade("approve", orders_per_s=5, total_pct=Decimal(99))
