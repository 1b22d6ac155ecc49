"""The simulated broker: orders, their fills from the tape, the account's rules, the faults."""

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from feeds.alpaca_venue import Broker, Change, D, bracket
from tapelight.feeds.simulator.alpaca.faults import Faults
from tapelight.feeds.simulator.alpaca.refusal import Refusal

pytestmark = pytest.mark.integration


def test_a_market_order_is_filled_at_the_quote_of_the_next_window() -> None:
    broker = Broker()
    order = broker.send(qty="10", client_order_id="mine")
    assert order.status == "pending_new"
    broker.until(lambda: order.status == "filled")
    fill = broker.venue.fills[-1]
    assert broker.events(order) == ["pending_new", "new", "fill"]
    assert (fill.price, fill.qty, broker.held()) == (order.average, D(10), D(10))
    assert broker.venue.account.cash == 100_000 - 10 * fill.price


def test_a_large_order_is_filled_in_parts_of_what_is_displayed() -> None:
    broker = Broker()
    broker.venue.account.cash = D(10_000_000)
    order = broker.send(qty="5000")
    broker.until(lambda: order.status == "filled")
    parts = [f.qty for f in broker.venue.fills if f.order == order.id]
    assert len(parts) > 1
    assert sum(parts) == 5000
    assert broker.events(order)[2:] == ["partial_fill"] * (len(parts) - 1) + ["fill"]


def test_a_limit_order_is_never_filled_worse_than_its_limit() -> None:
    broker = Broker()
    bid, _ = broker.quote()
    order = broker.send(type="limit", limit_price=str(bid), qty="100")
    broker.until(lambda: order.status == "filled")
    assert all(f.price <= bid for f in broker.venue.fills)


def test_a_stop_waits_for_a_print_at_its_price() -> None:
    broker = Broker()
    _, ask = broker.quote()
    order = broker.send(type="stop", stop_price=str(ask + D("0.05")))
    broker.until(lambda: order.status == "filled")
    assert order.triggered
    last = broker.venue.book.last(order.row)
    assert broker.refused(side="sell", qty="10", type="stop", stop_price=str(last + 1))[:2] == (
        422, 42210000,
    )  # fmt: skip


def test_the_exits_of_a_bracket_rest_until_the_entry_is_filled_and_end_each_other() -> None:
    broker = Broker()
    bid, ask = broker.quote()
    order = broker.send(qty="50", **bracket(ask + D("0.03"), bid - D(20)))
    profit, stop = order.legs
    assert (profit.status, stop.status, stop.type) == ("held", "held", "stop")
    broker.until(lambda: order.status == "filled")
    assert (profit.status, stop.status) == ("new", "new")
    broker.until(lambda: profit.status == "filled")
    assert (stop.status, broker.held()) == ("canceled", D(0))
    assert broker.venue.account.daytrades == 1


def test_a_bracket_whose_partly_filled_entry_is_cancelled_leaves_its_shares_unprotected() -> None:
    broker = Broker(max_fill=5)
    bid, ask = broker.quote()
    order = broker.send(qty="50", **bracket(ask + 20, bid - 20))
    broker.until(lambda: order.status == "partially_filled")
    broker.venue.cancel(order)
    broker.until(lambda: order.status == "canceled")
    assert broker.held() > 0
    assert [leg.status for leg in order.legs] == ["canceled", "canceled"]


def test_a_partial_exit_shrinks_the_other() -> None:
    broker = Broker()
    bid, ask = broker.quote()
    order = broker.send(qty="50", **bracket(ask + D("0.03"), bid - 20))
    broker.until(lambda: order.status == "filled")
    broker.set(max_fill=20)
    profit, stop = order.legs
    broker.until(lambda: profit.filled_qty == 20)
    assert stop.qty == 30
    assert "restated" in broker.events(stop)
    broker.until(lambda: profit.status == "filled")
    assert broker.held() == 0


def test_both_exits_fill_when_the_switch_says_so() -> None:
    broker = Broker(double_oco=True)
    bid, ask = broker.quote()
    order = broker.send(qty="50", **bracket(ask + D("0.03"), bid - 20))
    broker.until(lambda: all(leg.status == "filled" for leg in order.legs))
    assert broker.held() == -50


def test_a_cancel_is_pending_until_the_next_window_and_a_fill_may_win() -> None:
    broker = Broker(cancel_delay_s=2.0)
    bid, ask = broker.quote()
    order = broker.send(type="limit", limit_price=str(bid - 5))
    broker.step(2)
    broker.venue.cancel(order)
    assert order.status == "pending_cancel"
    broker.until(lambda: order.status == "canceled", 400)
    with pytest.raises(Refusal, match="already in"):
        broker.venue.cancel(order)
    racing = broker.send(type="limit", limit_price=str(ask + 1))
    broker.venue.cancel(racing)
    broker.until(lambda: not racing.is_open)
    assert racing.status == "filled"


def test_a_replacement_is_a_new_order() -> None:
    broker = Broker()
    bid, _ = broker.quote()
    order = broker.send(type="limit", limit_price=str(bid - 5), qty="10")
    broker.step(2)
    fresh = broker.venue.change(order, Change(limit_price=str(bid - 6), qty="20"))
    assert (order.status, fresh.id == order.id) == ("pending_replace", False)
    with pytest.raises(Refusal, match="pending_replace"):
        broker.venue.cancel(order)
    broker.until(lambda: order.status == "replaced")
    assert (fresh.status, fresh.limit_price, fresh.qty) == ("new", bid - 6, D(20))
    assert order.replaced_by is fresh
    assert broker.events(order)[-1] == "replaced"
    broker.set(replace_reject=1)
    broker.venue.change(fresh, Change(limit_price=str(bid - 7)))
    broker.until(lambda: fresh.status == "new")
    assert broker.events(fresh)[-1] == "order_replace_rejected"


def test_what_an_order_may_not_be() -> None:
    broker = Broker()
    _, ask = broker.quote()
    broker.send(client_order_id="twice")
    assert broker.refused(client_order_id="twice") == (
        422, 40010001, "client_order_id must be unique",
    )  # fmt: skip
    assert broker.refused("NOSUCH")[:2] == (422, 40010001)
    assert broker.refused(qty="0")[:2] == (422, 40010001)
    assert broker.refused(qty="NaN")[:2] == (422, 40010001)
    assert broker.refused(type="limit")[:2] == (422, 40010001)
    assert broker.refused(type="limit", limit_price="10.001")[:2] == (422, 42210000)
    assert broker.refused(type="market", extended_hours=True)[:2] == (422, 42210000)
    assert broker.refused(**bracket(ask - 20, ask + 20))[:2] == (422, 42210000)
    assert broker.refused(qty="900000")[:2] == (403, 40310000)
    broker.until(lambda: broker.held() == 10)
    status, code, message = broker.refused(side="sell", qty="11")
    assert (status, code) == (403, 40310000)
    assert "available: 10" in message
    broker.send(side="sell", type="limit", limit_price=str(ask + 50))
    assert "wash" in broker.refused(qty="1")[2]
    assert "insufficient qty" in broker.refused(side="sell", qty="1")[2]


def test_the_fourth_day_trade_of_a_small_account_is_refused() -> None:
    broker = Broker()
    broker.venue.account.cash = D(20_000)
    for _ in range(3):
        for side in ("buy", "sell"):
            order = broker.send(qty="1", side=side)
            broker.until(lambda order=order: order.status == "filled")  # type: ignore[misc]
    assert broker.venue.account.daytrades == 3
    broker.until(lambda: broker.send(qty="1").status == "pending_new")
    broker.until(lambda: broker.held() == 1)
    assert broker.refused(side="sell", qty="1")[:2] == (403, 40310100)


def test_cash_and_positions_equal_the_sum_of_the_fills() -> None:
    broker = Broker(max_fill=30)
    for i in range(60):
        side = "buy" if i % 3 else "sell"
        symbol = ("AAPL", "MSFT", "SPY")[i % 7 % 3]
        try:
            broker.send(symbol, qty=str(20 + i), side=side)
        except Refusal:
            continue
        broker.step(20)
    broker.step(400)
    cash, held = D(100_000), Counter[str]()
    for fill in broker.venue.fills:
        signed = fill.qty if fill.side == "buy" else -fill.qty
        cash -= signed * fill.price
        held[fill.symbol] += int(signed)
    assert len(broker.venue.fills) > 50
    assert broker.venue.account.cash == cash
    assert {s: int(p.qty) for s, p in broker.venue.account.positions.items()} == {
        s: n for s, n in held.items() if n
    }


def test_a_day_order_ends_with_the_session_and_one_for_tomorrow_waits() -> None:
    broker = Broker(start="15:59:58")
    bid, _ = broker.quote()
    order = broker.send(type="limit", limit_price=str(bid - 5))
    broker.until(lambda: order.status == "expired", 400)
    later = broker.send()
    broker.step(50)
    assert later.status == "accepted"
    late = broker.send("MSFT", type="limit", limit_price=str(broker.quote("MSFT")[1] + 1),
                       extended_hours=True)  # fmt: skip
    broker.until(lambda: late.status == "filled", 3000)


def test_the_venue_rejects_what_it_took_when_told() -> None:
    broker = Broker(reject=1)
    order = broker.send()
    assert (order.status, broker.events(order)) == ("rejected", ["rejected"])
    broker.step(3)
    assert broker.held() == 0


def test_immediate_or_cancel_leaves_nothing_behind() -> None:
    broker = Broker(max_fill=5)
    _, ask = broker.quote()
    order = broker.send(type="limit", limit_price=str(ask), qty="50", time_in_force="ioc")
    broker.until(lambda: not order.is_open, 20)
    assert order.status == "canceled"
    assert order.filled_qty in (D(0), D(5))
    whole = broker.send(type="limit", limit_price=str(ask), qty="50", time_in_force="fok")
    broker.until(lambda: not whole.is_open, 20)
    assert whole.filled_qty in (D(0), D(50))


def test_two_runs_of_one_seed_are_the_same() -> None:
    def run() -> list[tuple[str, Decimal, Decimal, int]]:
        broker = Broker(max_fill=7)
        broker.send(qty="40")
        broker.step(300)
        return [(f.id, f.qty, f.price, f.at_ns) for f in broker.venue.fills]

    assert run() == run()


def test_the_page_describes_every_switch() -> None:
    page = (Path(__file__).parents[2] / "docs" / "simulated-alpaca.md").read_text()
    table = page.partition("## Switches")[2].partition("\n\n`PUT /simulator/account")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name.strip(" `") for row in rows for name in row.split(",")}
    assert named == set(Faults.__struct_fields__)
