"""Every rule refuses by its name, with its figures; and nothing else does."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from orders.desks import NS, OPEN_NS, SESSION
from tapelight.model.limits import Limits, Route, Trade
from tapelight.model.order_log import Adopted, Intended, Killed, Leaving, Sent, Valued
from tapelight.model.orders import Account, Approved, Fill, OrderRequest, Picture, Refused, Verdict
from tapelight.model.signals import Plan, Signal
from tapelight.orders.book import Book
from tapelight.orders.case import Moment
from tapelight.orders.entries import entry_of, routes, shares
from tapelight.orders.risk import ENTRY, REDUCING, STILL, judge

NOW_NS = OPEN_NS + 600 * NS
ACCOUNT = Account(
    equity=Decimal(100_000), buying_power=Decimal(50_000), last_equity=Decimal(100_000)
)
PICTURE = Picture(
    symbol="AAA", ts_ns=NOW_NS, bid=20.0, ask=20.02, last=20.01, luld_up=22.0, luld_down=18.0
)
MOMENT = Moment(NOW_NS, SESSION)
ENTRY_ASKED = OrderRequest(
    id="tl-new", cause="s", purpose="entry", symbol="AAA", side="buy", quantity=Decimal(100),
    kind="limit", limit=Decimal("20.05"), signal_ns=NOW_NS, plan_stop=Decimal("19.80"),
)  # fmt: skip
EXIT_ASKED = OrderRequest(
    id="tl-exit", cause="time", purpose="exit", symbol="AAA", side="sell", quantity=Decimal(100),
    kind="limit", limit=Decimal("19.80"),
)  # fmt: skip


def book(*records: Any, account: Account | None = ACCOUNT, peak: int = 100_000) -> Book:
    valued = [Valued(NOW_NS - NS, account, Decimal(peak))] if account else []
    return Book([*valued, *records])


def held(shares_: int, symbol: str = "AAA") -> Adopted:
    fill = Fill(
        order="", symbol=symbol, side="buy" if shares_ > 0 else "sell",
        quantity=Decimal(abs(shares_)), price=Decimal(20), cumulative=Decimal(0),
    )  # fmt: skip
    return Adopted(NOW_NS - 60 * NS, fill, "a test")


def went(ago_s: float, number: int = 0, **changes: Any) -> list[Any]:
    """Return the records of an order that went."""
    ts_ns = NOW_NS - int(ago_s * NS)
    base = {"id": f"tl-{ago_s}-{number}", "quantity": Decimal(10), **changes}
    request = replace(ENTRY_ASKED, **base)
    return [Intended(ts_ns, request, Approved(ts_ns)), Sent(ts_ns, request.id)]


def ask(
    of: OrderRequest = ENTRY_ASKED, on: Book | None = None, picture: Picture | None = PICTURE,
    moment: Moment = MOMENT, again: bool = False, limits: Limits | None = None, **changes: Any,
) -> Verdict:  # fmt: skip
    return judge(
        replace(of, **changes), on or book(), picture, limits or Limits(), moment, again=again
    )


def refusal(verdict: Verdict) -> str:
    assert isinstance(verdict, Refused), verdict
    return f"{verdict.rule}: {verdict.reason}"


def test_what_breaks_no_rule_goes() -> None:
    assert ask() == Approved(NOW_NS)
    assert ask(again=True) == Approved(NOW_NS)
    assert ask(EXIT_ASKED, on=book(held(100))) == Approved(NOW_NS)


@pytest.mark.parametrize(
    ("why", "asked"),
    [
        ("kill_switch: on since me said: enough", {"on": book(Killed(1, "enough", "me"))}),
        ("ready: the venue has not been asked yet", {"moment": Moment(NOW_NS, SESSION, False)}),
        ("ready: the clock is unsure", {"moment": Moment(NOW_NS, SESSION, True, False)}),
        ("ready: the log is full", {"moment": Moment(NOW_NS, SESSION, stopped="the log is full")}),
        ("broker: nothing is known of the account", {"on": book(account=None)}),
        ("broker: account_blocked", {"on": book(account=replace(ACCOUNT, blocked="account_blocked"))}),
        ("broker: no day trade is left", {"on": book(account=replace(ACCOUNT, day_trades_left=0))}),
        ("day_loss: the day's loss is 2.00 %, the limit 2 %",
         {"on": book(account=replace(ACCOUNT, equity=Decimal(98_000)))}),
        ("day_loss: 1.96 % are lost from the day's peak, the limit is 1.5 %",
         {"on": book(peak=102_000)}),
        ("hours: the market is closed", {"moment": Moment(NOW_NS, None)}),
        ("hours: outside regular hours", {"moment": Moment(OPEN_NS - NS, SESSION)}),
        ("hours: outside regular hours only a limit order for the day",
         {"moment": Moment(OPEN_NS - NS, SESSION), "limits": Limits(extended_hours=True)}),
        ("signal_age: the signal is 1600 ms old, 1500 allowed",
         {"signal_ns": NOW_NS - 1_600_000_000}),
        ("signal_age: the signal is -1 ms old", {"signal_ns": NOW_NS + 1_000_000}),
        ("data_state: nothing is known of its market", {"picture": None}),
        ("data_state: its row is PROVISIONAL", {"picture": replace(PICTURE, state="PROVISIONAL")}),
        ("data_state: its row is HALTED", {"picture": replace(PICTURE, state="HALTED")}),
        ("data_state: its prices are 2500 ms old, 2000 allowed",
         {"picture": replace(PICTURE, ts_ns=NOW_NS - 2_500_000_000)}),
        ("quantity: 0 is no number of whole shares", {"quantity": Decimal(0)}),
        ("quantity: 1.5 is no number of whole shares", {"quantity": Decimal("1.5")}),
        ("tick: 20.055 $ is no multiple of the tick 0.01 $", {"limit": Decimal("20.055")}),
        ("tick: 20.02 $ is no multiple of the tick 0.05 $",
         {"limit": Decimal("20.02"), "picture": replace(PICTURE, tick=Decimal("0.05"))}),
        ("spread: there is no two-sided quote", {"picture": replace(PICTURE, bid=None)}),
        ("spread: the spread is 0.90 %, 0.5 % allowed", {"picture": replace(PICTURE, bid=19.84)}),
        ("collar: a market order is no entry", {"kind": "market", "limit": None}),
        ("collar: the limit is 1.10 % from the market, 1 % allowed", {"limit": Decimal("20.24")}),
        ("luld: there is no last price", {"picture": replace(PICTURE, last=None)}),
        ("luld: the price is 0.95 % from the band 20.2 $",
         {"picture": replace(PICTURE, luld_up=20.2)}),
        ("stop: the plan names no stop", {"plan_stop": None}),
        ("stop: the stop 20.10 $ is on the winning side of 20.05 $",
         {"plan_stop": Decimal("20.10")}),
        ("short_sale: limits.shorts is off", {"side": "sell", "plan_stop": Decimal("20.30")}),
        ("short_sale: the broker allows this account no shorts",
         {"side": "sell", "plan_stop": Decimal("20.30"), "limits": Limits(shorts=True)}),
        ("short_sale: the short-sale restriction holds today",
         {"side": "sell", "plan_stop": Decimal("20.30"), "limits": Limits(shorts=True),
          "on": book(account=replace(ACCOUNT, may_short=True)),
          "picture": replace(PICTURE, short_restricted=True)}),
        ("one_direction: -50 shares are held the other way", {"on": book(held(-50))}),
        ("one_direction: its position is being closed",
         {"on": book(held(50), Leaving(1, "AAA", "asked for", "me", whole=True))}),
        ("one_direction: the entry tl-9-0 works the other way",
         {"on": book(*went(9, side="sell"))}),
        ("one_strategy: hod has it: a symbol is one strategy's at a time",
         {"on": book(*went(99, strategy="hod"))}),
        ("repeat: the same order went 9.0 s ago, 60 s must pass",
         {"on": book(*went(9, quantity=Decimal(100)))}),
        ("repeat: 3 entries in it today, 3 allowed",
         {"on": book(*went(99), *went(98), *went(97))}),
        ("pace: 2 entries in this second, 2 allowed",
         {"on": book(*went(0.5, symbol="BBB"), *went(0.4, symbol="BBB"))}),
        ("pace: 10 entries in this minute, 10 allowed",
         {"on": book(*(r for n in range(10) for r in went(30, n, symbol="BBB")))}),
        ("pace: 40 entries in this day, 40 allowed",
         {"on": book(*(r for n in range(40) for r in went(300, n, symbol="BBB")))}),
        ("open_positions: it would be symbol number 4, 3 allowed",
         {"on": book(held(1, "BBB"), held(1, "CCC"), *went(300, symbol="DDD"))}),
        ("order_size: 5100 shares, 5000 allowed", {"quantity": Decimal(5_100)}),
        ("order_size: it is worth 12030.00 $, 10000 $ allowed", {"quantity": Decimal(600)}),
        ("exposure: 20.00 % of the equity would be in AAA, 20 % allowed",
         {"on": book(held(900)), "limit": Decimal("20.01")}),
        ("exposure: 61.00 % of the equity would be in all symbols, 60 % allowed",
         {"on": book(held(1_500, "BBB"), held(1_450, "CCC")), "limit": Decimal("20.02")}),
        ("buying_power: 2005.00 $ are asked, 1000.00 $ are free",
         {"on": book(account=replace(ACCOUNT, buying_power=Decimal(1_000)))}),
    ],
)  # fmt: skip
def test_an_entry_is_refused(why: str, asked: dict[str, Any]) -> None:
    assert refusal(ask(**asked)).startswith(why)


@pytest.mark.parametrize(
    ("why", "on", "changes"),
    [
        ("at_most_the_position: 0 shares are held", book(), {}),
        ("at_most_the_position: 100 shares are held, and a buy would add", book(held(100)),
         {"side": "buy"}),
        ("at_most_the_position: 101 shares, of 100 held 100 have no order yet", book(held(100)),
         {"quantity": Decimal(101)}),
        ("at_most_the_position: 100 shares, of 100 held 60 have no order yet",
         book(held(100), *went(9, purpose="stop", side="sell", quantity=Decimal(40))), {}),
        ("pace_of_reducing: 60 orders that reduce in the last minute, 60 allowed",
         book(held(1_000), *(r for n in range(60) for r in went(
             30, n, purpose="exit", side="sell", quantity=Decimal(1)))), {}),
    ],
)  # fmt: skip
def test_an_order_that_reduces_is_held_by_the_position_and_its_pace_alone(
    why: str, on: Book, changes: dict[str, Any]
) -> None:
    assert refusal(ask(EXIT_ASKED, on=on, **changes)).startswith(why)


def test_no_entry_limit_holds_an_order_that_reduces() -> None:
    blocked = replace(ACCOUNT, equity=Decimal(50_000), blocked="trading_blocked", day_trades_left=0)
    on = book(
        held(10_000), Killed(1, "enough", "me"), account=blocked, peak=200_000,
    )  # fmt: skip
    worst = Moment(NOW_NS, None, reconciled=False, clock_sure=False, stopped="the log is full")
    stale = replace(PICTURE, state="STALE", ts_ns=0, bid=None)
    for picture in (stale, None):
        verdict = ask(EXIT_ASKED, on, picture, worst, quantity=Decimal(10_000))
        assert verdict == Approved(NOW_NS)


def test_every_rule_is_tested_and_described() -> None:
    text = Path(__file__).read_text("utf-8")
    page = (Path(__file__).parents[2] / "docs" / "orders.md").read_text("utf-8")
    names = {rule.__name__ for rule in (*ENTRY, *REDUCING)}
    assert {name for name in names if f'"{name}: ' not in text} == set()
    assert {name for name in names if f"`{name}`" not in page} == set()
    assert {rule.__name__ for rule in STILL} < {rule.__name__ for rule in ENTRY}


def test_every_limit_is_described_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "orders.md").read_text("utf-8")
    said = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", page, re.MULTILINE))
    real = {name: getattr(Limits(), name) for name in Limits.__struct_fields__}
    shown = {k: str(v).lower() if isinstance(v, bool) else f"{v:g}" for k, v in real.items()}
    assert {name: said.get(name, "").replace(",", "") for name in shown} == shown


# --- what a signal asks for --------------------------------------------------------------------


SIGNAL = Signal(
    id="s1", scan="own", symbol="AAA", state="fired", ts_ns=NOW_NS, mark=NOW_NS, values={},
    plan=Plan(side="long", entry=20.01, limit=20.056, stop=19.804, targets=(20.5, 21.0)),
)  # fmt: skip


def entry(signal: Signal = SIGNAL, picture: Picture | None = PICTURE, **limits: Any) -> Any:
    return entry_of(signal, Route("auto"), ACCOUNT, picture, Limits(**limits), MOMENT)


def test_an_entry_is_derived_from_the_signal_alone() -> None:
    first, later = entry(), entry(picture=replace(PICTURE, ask=25.0, bid=24.9))
    assert first.id == later.id == "tl-" + first.id[3:]
    assert len(first.id) == 27
    assert (first.kind, first.limit, first.plan_stop) == (
        "limit", Decimal("20.05"), Decimal("19.80"),
    )  # fmt: skip
    assert first.plan_target == Decimal("20.50")


def test_a_trigger_ahead_of_the_market_is_a_stop_limit() -> None:
    ahead = replace(SIGNAL, plan=Plan(side="long", entry=20.5, limit=20.55, stop=20.2))
    asked = entry(ahead)
    assert (asked.kind, asked.stop, asked.limit) == (
        "stop_limit", Decimal("20.50"), Decimal("20.55"),
    )  # fmt: skip


def test_a_short_is_the_mirror() -> None:
    short = replace(SIGNAL, plan=Plan(side="short", entry=20.01, limit=19.954, stop=20.204))
    asked = entry(short)
    assert (asked.side, asked.kind, asked.limit, asked.plan_stop) == (
        "sell", "limit", Decimal("19.96"), Decimal("20.21"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"plan": None}, {"kind": "exit"}, {"state": "armed"}, {"state": "confirmed"},
        {"plan": Plan(side="long", entry=20.0, limit=20.0, stop=19.0, signal_only=True)},
    ],
)  # fmt: skip
def test_some_signals_ask_for_nothing(changes: dict[str, Any]) -> None:
    assert entry(replace(SIGNAL, **changes)) is None


@pytest.mark.parametrize(
    ("limit", "stop", "limits", "number"),
    [
        ("20.00", "15.00", {}, 100),  # 500 $ at risk, 5 $ a share
        ("20.00", "19.90", {}, 500),  # the order's value
        ("20.00", "19.90", {"order_value": Decimal(10**6), "order_shares": Decimal(700)}, 700),
        ("20.00", "19.99", {"order_value": Decimal(10**6)}, 1_000),  # a fifth of the equity
        ("20.00", "20.00", {}, 0),
        ("900.00", "200.00", {}, 0),
    ],
)
def test_the_size_is_what_the_risk_a_trade_buys(
    limit: str, stop: str, limits: dict[str, Any], number: int
) -> None:
    bought = shares(Decimal(limit), Decimal(stop), Route("auto"), ACCOUNT, Limits(**limits))
    assert bought == number


def test_the_paper_desk_follows_what_is_not_off_and_the_brokers_take_what_is_not_dry() -> None:
    modes = ("off", "dry-run", "approve", "auto")
    trade = Trade(strategy={mode: Route(mode) for mode in modes})  # type: ignore[arg-type]
    dry = {name: route.mode for name, route in routes(trade, dry=True).strategy.items()}
    real = {name: route.mode for name, route in routes(trade, dry=False).strategy.items()}
    assert dry == {"off": "off", "dry-run": "auto", "approve": "auto", "auto": "auto"}
    assert real == {"off": "off", "dry-run": "off", "approve": "approve", "auto": "auto"}
