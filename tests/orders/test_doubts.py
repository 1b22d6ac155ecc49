"""What others do with the account in the broker's own app, and what the desk sends after it."""

from decimal import Decimal
from pathlib import Path

from orders.desks import Stage, play

SHARES = Decimal(498)


def stop_of(on: Stage) -> str:
    return next(o.venue_id for o in on.venue.orders if o.request.purpose == "stop")


def test_a_position_closed_at_once_in_the_brokers_app_is_not_turned_around(tmp_path: Path) -> None:
    """The app cancels our stop and sells; the price falls to where the stop was."""

    async def act(on: Stage) -> None:
        on.take()
        await on.settle(6)
        on.venue.close("AAA")
        await on.settle(0.6)
        assert on.resting() == []
        on.quotes["AAA"] = (19.7, 19.72)
        await on.settle(30)
        assert on.venue.holdings["AAA"] == on.desk.book.quantity("AAA") == 0
        assert [o.request.purpose for o in on.venue.orders] == ["entry", "stop"]
        assert on.desk.report("main").adopted == 1

    play(tmp_path, act)


def test_a_stop_that_is_refused_while_a_person_sells_ends_no_position_twice(tmp_path: Path) -> None:
    """The venue holds the shares for the person's sale, so it rejects what we send meanwhile."""

    async def act(on: Stage) -> None:
        on.take()
        await on.settle(6)
        on.venue.cancel(stop_of(on))
        on.venue.reject_share = 1.0
        await on.settle(0.4)
        on.venue.trade("AAA", "sell", SHARES)
        on.venue.reject_share = 0.0
        await on.settle(40)
        assert on.venue.holdings["AAA"] == 0
        assert on.desk.book.ours("AAA") == 0
        assert on.resting() == []

    play(tmp_path, act)


def test_a_start_asks_before_it_closes_what_a_person_may_have_closed(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(6)
        on.state = "HALTED"
        on.desk.close("AAA", "a person")
        await on.settle(2)
        assert [kind for kind, _, _ in on.resting()] == ["limit"]
        await on.stop()
        on.state = "LIVE"
        on.venue.close("AAA")
        await on.start()
        await on.settle(20)
        assert on.venue.holdings["AAA"] == on.desk.book.quantity("AAA") == 0
        assert on.resting() == []
        assert on.desk.book.leaving == {}

    play(tmp_path, act)


def test_a_stop_that_is_cancelled_by_hand_comes_back_once_the_venue_was_asked(
    tmp_path: Path,
) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(6)
        on.venue.cancel(stop_of(on))
        await on.settle(0.8)
        assert on.resting() == []
        await on.settle(1)
        assert on.resting() == [("stop", "sell", SHARES)]

    play(tmp_path, act)


def test_while_no_look_is_answered_nothing_is_sold_on_the_books_word(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(6)
        on.broker.cut = True
        on.venue.close("AAA")
        await on.settle(60)
        on.broker.cut = False
        await on.settle(20)
        assert on.venue.holdings["AAA"] == on.desk.book.quantity("AAA") == 0
        assert [o.request.purpose for o in on.venue.orders] == ["entry", "stop"]

    play(tmp_path, act)
