"""The desk, from signal to position and out of it again."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from orders.desks import NS, SESSION, Stage, play, trade
from tapelight.errors import ConfigError, Conflict, Unavailable
from tapelight.model.order_log import Armed, Killed, Valued
from tapelight.model.orders import Statement
from tapelight.model.signals import Plan
from tapelight.orders.positions import totals
from tapelight.stores.orders import read

HUNDREDTH = Decimal("0.01")


def held(stage: Stage) -> Decimal:
    assert stage.desk.book.quantity("AAA") == stage.venue.holdings.get("AAA", Decimal(0))
    return stage.desk.book.quantity("AAA")


def test_a_signal_becomes_a_position_with_a_stop_at_the_venue(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        assert on.take().startswith("unknown")
        await on.settle(3)
        # 0.5 % of 100,000 $ at 0.26 $ a share would be 1,923; an order may be worth 10,000 $.
        assert held(on) == 498
        assert on.resting() == [("stop", "sell", Decimal(498))]
        assert on.desk.book.reducing("AAA")[0].request.stop == Decimal("19.80")

    play(tmp_path, act)


def test_every_part_of_an_entry_has_its_stop_and_the_target_is_the_other_half(
    tmp_path: Path,
) -> None:
    async def act(on: Stage) -> None:
        plan = Plan(side="long", entry=20.0, limit=20.06, stop=19.8, targets=(20.5, 21.0))
        on.take(plan=plan)
        await on.settle(3)
        assert {kind for kind, _, _ in on.resting()} == {"oco"}
        assert len(on.resting()) > 1
        assert sum(left for _, _, left in on.resting()) == held(on) == 498
        on.quotes["AAA"] = (20.6, 20.62)
        await on.settle(3)
        assert held(on) == 0
        assert on.resting() == []
        assert on.desk.book.positions["AAA"].realised > 200

    play(tmp_path, act, parts=0.9)


def test_a_stop_closes_the_position_and_money_adds_up(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(2)
        on.quotes["AAA"] = (19.7, 19.72)
        await on.settle(3)
        assert held(on) == 0
        realised, fees = totals(on.desk.book.positions.values())
        assert (realised - fees).quantize(HUNDREDTH) == on.venue.cash.quantize(HUNDREDTH)
        assert fees == Decimal("4.98")

    play(tmp_path, act)


def test_the_same_signal_twice_is_one_order(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        signal = on.signal()
        for cursor in (1, 1, 2):
            assert on.desk.take(cursor, signal)
        await on.settle(2)
        assert len(on.venue.orders) == 2  # the entry and its stop
        await on.stop()
        await on.start()
        assert on.desk.take(1, signal)
        await on.settle(2)
        assert len(on.venue.orders) == 2

    play(tmp_path, act)


@pytest.mark.parametrize(
    ("mode", "state"), [("off", "none"), ("dry-run", "none"), ("approve", "held")]
)
def test_only_auto_goes_by_itself(tmp_path: Path, mode: str, state: str) -> None:
    async def act(on: Stage) -> None:
        assert on.take() == state
        await on.settle()
        assert on.venue.orders == []

    play(tmp_path, act, trade(mode))


def test_a_person_approves_declines_or_lets_it_time_out(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        first = next(iter(on.desk.book.live))
        on.desk.approve(first, "a person")
        await on.settle(2)
        assert on.desk.book.orders[first].state == "filled"
        with pytest.raises(ConfigError, match="waits for approval: it is filled"):
            on.desk.approve(first, "a person")
        on.take(plan=Plan(side="long", entry=20.0, limit=20.05, stop=19.7))
        second = next(o.id for o in on.desk.book.live.values() if o.state == "held")
        await on.settle(31)
        assert on.entry("s2") == "declined by time-out"
        assert second not in on.desk.book.live

    play(tmp_path, act, trade("approve", repeat_s=0, total_pct=Decimal(90), symbol_pct=Decimal(90)))


def test_on_poor_data_every_entry_waits_for_a_person(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.approve_only = "the data are IEX"
        assert on.take() == "held"
        assert on.desk.report("main").approve_only == "the data are IEX"
        (order,) = on.desk.book.live
        on.desk.approve(order, "a person")
        await on.settle(3)
        assert held(on) == 498

    play(tmp_path, act)


def test_an_approval_that_can_not_be_written_is_none(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        on.log._act = refuse  # type: ignore[assignment,method-assign]
        verdict = on.desk.approve(next(iter(on.desk.book.live)), "a person")
        assert getattr(verdict, "reason", "") == "the log can't be written: the disk is full"
        assert on.entry("s1") == "held"
        assert on.venue.orders == []

    def refuse(_: object) -> None:
        raise Unavailable("the disk is full")

    play(tmp_path, act, trade("approve"))


def test_an_approval_is_judged_again(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        on.state = "STALE"
        verdict = on.desk.approve(next(iter(on.desk.book.live)), "a person")
        assert getattr(verdict, "rule", "") == "data_state"
        assert on.entry("s1") == "declined by risk: data_state: its row is STALE"

    play(tmp_path, act, trade("approve"))


def test_no_answer_is_unknown_until_the_venue_tells(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.broker.mute = True
        on.take()
        await on.settle(20)
        assert on.entry("s1") == "unknown"
        assert len(on.venue.orders) == 1
        on.broker.mute = False
        await on.settle(20)
        assert on.entry("s1") == "filled"
        assert held(on) == 498

    play(tmp_path, act)


def test_what_never_arrived_is_lost_after_a_while_and_not_sent_again(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.broker.cut = True
        on.take()
        await on.settle(1)
        on.broker.cut = False
        await on.settle(25)
        assert on.entry("s1") == "unknown"
        await on.settle(15)
        assert on.entry("s1") == "lost the venue has not known it for 30 s"
        assert on.venue.orders == []

    play(tmp_path, act)


def test_lost_orders_are_asked_for_once_a_minute_for_a_day(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.broker.cut = True
        on.take()
        await on.settle(1)
        on.broker.cut = False
        await on.settle(40)
        (lost,) = on.desk.book.orders
        look, asked = on.broker.look, list[Sequence[str]]()

        async def listened(orders: Sequence[str]) -> Statement:
            asked.append(orders)
            return await look(orders)

        on.broker.look = listened  # type: ignore[method-assign]
        await on.settle(300)
        assert sum(lost in orders for orders in asked) == 5
        on.at_ns += 24 * 3_600 * NS
        asked.clear()
        await on.settle(300)
        assert asked
        assert not any(lost in orders for orders in asked)

    play(tmp_path, act)


@pytest.mark.parametrize(("idempotent", "sent"), [(True, 1), (False, 0)])
def test_a_lost_stop_is_sent_again_only_where_its_id_is_refused_twice(
    tmp_path: Path, idempotent: bool, sent: int
) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await asyncio.sleep(0)
        on.venue.advance()
        on.broker.cut = True
        await on.settle(8)
        on.broker.cut = False
        await on.settle(15)
        stops = [o for o in on.venue.orders if o.request.purpose == "stop"]
        assert len(stops) == sent
        await on.settle(40)
        assert sum(left for _, _, left in on.resting()) == held(on) == 498

    play(tmp_path, act, idempotent=idempotent)


def test_a_restart_takes_up_what_was_left(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await asyncio.sleep(0)
        await on.stop()  # the order is out, no answer was heard
        await on.settle(3)
        assert on.venue.orders[0].state == "filled"
        await on.start()
        await on.settle(2)
        assert on.entry("s1") == "filled"
        assert on.resting() == [("stop", "sell", held(on))]

    play(tmp_path, act)


def test_a_position_closed_in_the_brokers_app_takes_its_stop_with_it(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(2)
        on.venue.trade("AAA", "sell", Decimal(498))
        await on.settle(15)
        assert held(on) == 0
        assert on.resting() == []
        assert on.desk.report("main").adopted == 1

    play(tmp_path, act)


def test_shares_that_somebody_else_holds_are_not_ours_to_sell(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.venue.trade("AAA", "buy", Decimal(20))
        await on.settle(35)
        on.take()
        await on.settle(2)
        assert held(on) > 400
        assert sum(left for _, _, left in on.resting()) == held(on) - 20
        on.desk.kill("a test", "a person", flatten=True)
        await on.settle(5)
        assert held(on) == 20
        assert on.desk.close("AAA", "a person")
        await on.settle(5)
        assert held(on) == 0

    play(tmp_path, act, trade(symbol_pct=Decimal(50)))


def test_a_split_overnight_changes_shares_and_no_money(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.venue.trade("AAA", "buy", Decimal(300))
        await on.settle(35)
        await on.stop()
        on.venue.holdings["AAA"], on.venue.averages["AAA"] = Decimal(100), Decimal("60.06")
        await on.start()
        await on.settle(5)
        position = on.desk.book.positions["AAA"]
        assert (position.quantity, position.average) == (100, Decimal("60.06"))
        assert position.realised == 0

    play(tmp_path, act)


def test_an_exit_signal_closes_and_a_void_one_cancels(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(2)
        assert held(on) == 498
        on.take(kind="exit", of="s1", reason="stop of the strategy", plan=None)
        await on.settle(3)
        assert held(on) == 0
        on.take(plan=Plan(side="long", entry=20.1, limit=20.15, stop=19.9))
        await on.settle(1)
        assert on.entry("s3") == "working"
        gone = on.signal(id="s3", state="invalidated", reason="below the VWAP")
        assert on.desk.take(9, gone)
        await on.settle(1)
        assert on.entry("s3") == "cancelled the signal was invalidated: below the VWAP"

    play(tmp_path, act, trade(repeat_s=0))


def test_an_entry_expires_and_a_position_ends_with_its_time(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        late = Plan(side="long", entry=20.1, limit=20.15, stop=19.9,
                    expires_ns=on.now_ns() + 2 * NS)  # fmt: skip
        on.take(plan=late)
        await on.settle(3)
        assert on.entry("s1") == "cancelled expired"
        on.take(plan=Plan(side="long", entry=20.0, limit=20.06, stop=19.8,
                          exit_ns=on.now_ns() + 4 * NS))  # fmt: skip
        await on.settle(3)
        assert held(on) == 498
        await on.settle(5)
        assert held(on) == 0
        assert on.resting() == []

    play(tmp_path, act, trade(repeat_s=0))


def test_the_kill_switch_stops_cancels_and_stays(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take(plan=Plan(side="long", entry=20.1, limit=20.15, stop=19.9))
        await on.settle(1)
        works = next(iter(on.desk.book.live))
        assert on.desk.kill("a drill", "a person", drill=True) == [works]
        assert on.resting() != []
        assert on.desk.kill("enough", "a person") == [works]
        await on.settle(1)
        assert on.resting() == []
        assert on.take().startswith("refused kill_switch: on since a person said: enough")
        await on.stop()
        await on.start()
        await on.settle(1)
        assert on.take().startswith("refused kill_switch")
        on.switch.arm(Armed(on.now_ns(), "a person"))
        await on.settle(1)
        assert on.take().startswith("unknown")

    play(tmp_path, act, trade(repeat_s=0))


def test_flatten_may_be_asked_for_once_it_is_killed(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(2)
        on.desk.kill("enough", "a person")
        await on.settle(3)
        assert held(on) == 498
        on.switch.trip(Killed(on.now_ns(), "out of all", "a person", flatten=True))
        await on.settle(3)
        assert held(on) == 0
        assert on.resting() == []

    play(tmp_path, act)


def test_the_kill_file_works_with_nothing_running(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        await on.stop()
        on.switch.trip(Killed(on.now_ns(), "from the shell", "a person"))
        await on.start()
        assert on.take().startswith("refused kill_switch: on since a person said: from the shell")
        assert on.desk.arm("a person")
        assert on.take().startswith("unknown")

    play(tmp_path, act)


def test_an_empty_kill_file_kills(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.switch.path.touch()
        assert on.take().startswith("refused ready: the kill switch is on")
        await on.settle(1)
        assert on.desk.book.killed is not None

    play(tmp_path, act)


def test_a_position_can_always_be_closed(tmp_path: Path) -> None:
    """After the day's loss, the order count, stale data and the kill switch have each tripped."""

    async def act(on: Stage) -> None:
        on.take()
        await on.settle(2)
        assert held(on) == 498
        assert on.take().startswith("refused repeat")
        on.venue.equity = Decimal(90_000)  # the day's loss, which trips the kill switch
        await on.settle(10)
        assert on.desk.book.killed is not None
        assert on.desk.book.killed.by == "limit"
        on.state, on.age_s = "STALE", 600.0
        on.clock_sure = False
        assert on.desk.close("AAA", "a person")
        await on.settle(5)
        assert held(on) == 0
        assert on.resting() == []

    play(tmp_path, act, trade(orders_per_day=1, repeats_per_day=1))


def test_with_no_price_at_all_it_closes_at_the_market(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(2)
        on.desk.world.prices.picture = lambda _: None  # type: ignore[method-assign]
        assert on.desk.close("AAA", "a person")
        await on.settle(5)
        assert held(on) == 0
        assert on.venue.orders[-1].request.kind == "market"

    play(tmp_path, act)


def test_in_a_halt_one_order_waits_for_the_reopening(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(2)
        on.state = "HALTED"
        on.desk.close("AAA", "a person")
        await on.settle(20)
        exits = [o for o in on.venue.orders if o.request.purpose == "exit"]
        assert len(exits) == 1
        on.state = "LIVE"
        await on.settle(3)
        assert held(on) == 0

    play(tmp_path, act)


def test_a_flattening_order_is_priced_anew_until_it_fills(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(2)
        shown, old = on.quotes["AAA"], on.picture("AAA")
        on.desk.world.prices.picture = lambda _: old  # type: ignore[method-assign]
        on.quotes["AAA"] = (shown[0] * 0.981, shown[1] * 0.981)  # the feed lags behind the venue
        on.desk.close("AAA", "a person")
        await on.settle(10)
        limits = [o.request.limit for o in on.venue.orders if o.request.purpose == "exit"]
        assert limits == [Decimal("19.80"), Decimal("19.70"), Decimal("19.60")]
        assert held(on) == 0

    play(tmp_path, act)


def test_a_full_disk_sends_nothing_and_says_so(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.log.close()
        on.log._act = refuse  # type: ignore[assignment,method-assign]
        assert not on.desk.take(1, on.signal())
        await on.settle(1)
        assert on.venue.orders == []
        assert on.desk.report("main").ready is False
        assert "disk is full" in on.desk.report("main").fault

        with pytest.raises(ConfigError, match="there is none such"):
            on.desk.approve("tl-none", "a person")

    def refuse(_: object) -> None:
        raise Unavailable("orders.db can't be used: database or disk is full.")

    play(tmp_path, act)


def test_a_second_trader_ends_the_first(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        first, task = on.desk, on.task
        await on.start()
        with pytest.raises(Conflict, match=r"Another trader has begun to write .*orders\.db"):
            first.take(1, on.signal())
        task.cancel()
        await asyncio.wait((task,))
        assert on.take().startswith("unknown")

    play(tmp_path, act)


def test_a_stop_that_fills_twice_is_turned_back(tmp_path: Path) -> None:
    """A venue that fills both halves of an OCO leaves us short: nothing else may add to it."""

    async def act(on: Stage) -> None:
        on.take()
        await on.settle(2)
        stop = next(o for o in on.venue.orders if o.request.kind == "stop")
        on.quotes["AAA"] = (19.7, 19.72)
        await on.settle(1)
        assert held(on) == 0
        on.venue.fill_again(stop, Decimal("19.70"))
        on.quotes["AAA"] = (19.75, 19.77)
        await on.settle(10)
        assert held(on) == 0
        assert on.desk.book.positions["AAA"].sold == 996
        assert on.venue.orders[-1].request.side == "buy"
        assert on.resting() == []

    play(tmp_path, act)


def test_a_rejected_stop_ends_the_position(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await asyncio.sleep(0)
        on.venue.reject_share = 1.0
        on.venue.advance()
        await on.settle(0.3)
        on.venue.reject_share = 0.0
        await on.settle(5)
        assert held(on) == 0
        why = [o.request.purpose for o in on.venue.orders]
        assert why == ["entry", "stop", "exit"]

    play(tmp_path, act)


def test_the_accounts_value_is_kept_each_minute_and_known_at_once(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        for equity in range(100_000, 99_000, -50):
            on.venue.equity = Decimal(equity)
            await on.settle(5)
        assert on.desk.book.valued is not None
        assert on.desk.book.valued.account.equity < 99_200
        kept = [r for _, r in read(on.folder) if isinstance(r, Valued)]
        assert 2 <= len(kept) <= 3
        on.venue.equity = Decimal(103_000)
        await on.settle(6)
        await on.stop()
        await on.start()
        assert on.desk.book.valued.peak == 103_000

    play(tmp_path, act)


def test_outside_regular_hours_entries_are_refused_and_stops_are_held(tmp_path: Path) -> None:
    async def act(on: Stage) -> None:
        on.take()
        await on.settle(2)
        assert SESSION is not None
        on.at_ns = SESSION.close_ns + 60 * NS
        assert on.take().startswith("refused hours: outside regular hours")
        on.quotes["AAA"] = (19.7, 19.72)
        await on.settle(4)
        assert held(on) == 0
        assert on.venue.orders[-1].request.extended

    play(tmp_path, act, trade(repeat_s=0))
