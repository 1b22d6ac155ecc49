"""The binding: what one account's log asks for goes to no other account."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import pytest

from orders.desks import DirectBroker, Stage, trade
from tapelight.errors import ConfigError
from tapelight.model.order_log import Bound
from tapelight.orders.binding import refuse_another
from tapelight.stores.orders import bound
from tapelight.testing.sim.loop import run
from tapelight.testing.venue import Venue

OURS = Bound(1, "direct", "", "fake-1")


def staged(folder: Path, act: Callable[[Stage], Awaitable[None]]) -> None:
    """Run a test on a stage whose desk may end by an error."""

    async def main() -> None:
        on = Stage(folder, trade())
        await on.start()
        await act(on)
        await on.stop()

    run(main())


def another(on: Stage) -> None:
    """Put another account behind the broker's connection."""
    on.venue = Venue(Random(2), on.now_ns, on.quote, on.idempotent)
    on.venue.number = "fake-2"
    on.broker = DirectBroker(on.venue)


def ended(on: Stage) -> BaseException:
    """Return the error by which the desk has ended."""
    error = on.task.exception() if on.task.done() else None
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert error is not None
    return error


def test_a_log_is_bound_at_the_first_look(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        found = bound(tmp_path)
        assert found is not None
        assert (found.broker, found.host, found.account) == ("direct", "", "fake-1")
        await on.stop()
        await on.start()
        assert on.desk.inquiry.met
        assert bound(tmp_path) == found, "once"

    staged(tmp_path, act)


def test_an_unknown_stop_goes_to_no_other_account(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await asyncio.sleep(0)
        on.venue.advance()
        on.broker.cut = True
        await on.settle(1.0)
        states = {o.request.purpose: o.state for o in on.desk.book.orders.values()}
        assert "unknown" in states.values()
        await on.stop()
        another(on)
        await on.start()
        await on.settle(20)
        assert on.venue.orders == []
        assert "account fake-1" in str(ended(on))
        assert "this is direct (account fake-2)" in str(ended(on))

    staged(tmp_path, act)


def test_another_account_changes_nothing_in_the_log(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(6)
        own, held = (on.venue, on.broker), on.desk.book.ours("AAA")
        assert held > 0
        await on.stop()
        another(on)
        await on.start()
        await on.settle(20)
        assert isinstance(ended(on), ConfigError)
        on.venue, on.broker = own
        await on.start()
        await on.settle(20)
        assert on.desk.book.ours("AAA") == held
        assert on.resting() == [("stop", "sell", held)]
        assert on.broker.cancels == []

    staged(tmp_path, act)


def test_nothing_that_reduces_goes_before_the_account_is_known(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(6)
        await on.stop()
        before = len(on.venue.orders)
        on.broker.mute = True
        await on.start()
        on.desk.close("AAA", "a person")
        await on.settle(10)
        assert len(on.venue.orders) == before
        on.broker.mute = False
        await on.settle(20)
        assert on.venue.holdings["AAA"] == 0

    staged(tmp_path, act)


@pytest.mark.parametrize(
    ("name", "host", "number", "same"),
    [
        ("direct", "", "fake-1", True),
        ("direct", "", None, True),
        ("direct", "", "", False),
        ("direct", "api.example.com", "fake-1", False),
        ("paper", "", None, False),
    ],
)
def test_broker_host_and_number_are_one(
    name: str, host: str, number: str | None, same: bool
) -> None:
    refuse_another(None, name, host, number)
    if same:
        refuse_another(OURS, name, host, number)
        return
    with pytest.raises(ConfigError, match=r"nothing was sent\. Give another --data"):
        refuse_another(OURS, name, host, number)
