"""Real money is hard to reach: proof in dry-run, whole data, and the strategy's own word."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from tapelight.app.allowed import approve_only, proven
from tapelight.app.gatewayprices import coverage_of
from tapelight.app.proving import day_of, difference_rows, strategy_rows
from tapelight.brokers.alpaca import Alpaca, Config
from tapelight.model.limits import Route, Trade
from tapelight.model.order_log import Intended
from tapelight.model.orders import Approved, OrderRequest
from tapelight.model.session import calendar
from tapelight.orders.entries import routes
from tapelight.stores.orders import SqliteOrderLog

XNYS = calendar("XNYS")
DAYS = [dt.date(2026, 11, day) for day in (16, 17, 18, 19, 20)]
BOTH = {"old": Route(mode="auto", live=True), "new": Route(mode="auto", live=True)}
REAL = "https://api.alpaca.markets"


def intended(strategy: str, day: dt.date) -> Intended:
    session = XNYS.session_on(day)
    assert session is not None
    at_ns = session.open_ns + 10**9
    request = OrderRequest(
        id=f"tl-{strategy}-{day}", cause=f"{strategy} {day}", purpose="entry", symbol="AAA",
        side="buy", quantity=Decimal(1), kind="limit", limit=Decimal(10), strategy=strategy,
        made_ns=at_ns,
    )  # fmt: skip
    return Intended(at_ns, request, Approved(at_ns))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder in which `old` was in dry-run on five days, and `new` on one."""
    log = SqliteOrderLog(tmp_path / "dry")
    log.begin(1)
    log.append([intended("old", day) for day in DAYS] + [intended("new", DAYS[0])])
    log.close()
    return tmp_path


def test_only_what_was_long_enough_in_dry_run_may_use_real_money(data: Path) -> None:
    assert list(proven(Trade(strategy=BOTH), data / "dry").strategy) == ["old"]
    assert list(proven(Trade(strategy=BOTH, dry_run_days=1), data / "dry").strategy) == list(BOTH)
    unasked = {"old": Route(mode="auto")}
    assert proven(Trade(strategy=unasked), data / "dry").strategy == {}
    assert proven(Trade(strategy=BOTH), data / "none").strategy == {}


def test_the_report_of_the_dry_run_tells_the_days(data: Path) -> None:
    rows = strategy_rows(data, Trade())
    assert [(r["desk"], r["strategy"], r["days"], r["needed"]) for r in rows] == [
        ("dry", "new", 1, 5), ("dry", "old", 5, 5),
    ]  # fmt: skip
    assert difference_rows(data) == []
    own = SqliteOrderLog(data)
    own.begin(1)
    own.append([intended("old", DAYS[0])])
    own.close()
    assert strategy_rows(data, Trade())[0]["needed"] is None, "no day of this desk counts"
    assert day_of(intended("old", DAYS[4]).ts_ns) == "2026-11-20"


@pytest.mark.parametrize(
    ("url", "coverage", "waits"),
    [
        (REAL, "SIP", False),
        (REAL, "IEX", True),
        (REAL, "SIP, 15 min delayed", True),
        (REAL, "synthetic", True),
        (REAL, "", True),
        ("https://paper-api.alpaca.markets", "IEX", False),
    ],
)
def test_real_money_goes_by_itself_on_consolidated_quotes_alone(
    url: str, coverage: str, waits: bool
) -> None:
    broker = Alpaca(Config(key="k", secret="s", url=url))
    assert bool(approve_only(broker, coverage)) == waits


def test_the_coverage_comes_with_the_status() -> None:
    assert coverage_of({"status": {"feed": {"coverage": "IEX"}}}) == "IEX"
    assert coverage_of({"feed": {"coverage": "SIP"}, "phase": "regular"}) == "SIP"
    assert coverage_of({"status": {"rate": 1.0}}) == ""


def test_the_paper_desk_follows_every_strategy_that_is_not_off() -> None:
    modes = ("off", "dry-run", "approve", "auto")
    trade = Trade(strategy={mode: Route(mode=mode) for mode in modes})  # type: ignore[arg-type]
    dry = {name: route.mode for name, route in routes(trade, dry=True).strategy.items()}
    assert dry == {"off": "off", "dry-run": "auto", "approve": "auto", "auto": "auto"}
    broker = {name: route.mode for name, route in routes(trade, dry=False).strategy.items()}
    assert broker == {"off": "off", "dry-run": "off", "approve": "approve", "auto": "auto"}
