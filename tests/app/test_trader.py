"""The trader with real processes: simulator, scanner and trader, and kill -9 in the middle."""

import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tapelight.app.demo import free_port
from tapelight.app.localkey import local_key
from tapelight.model.order_log import Reported, Sent, Started
from tapelight.model.orders import Fill
from tapelight.model.signals import Plan, Signal
from tapelight.notebook.live import Live
from tapelight.stores.orders import read
from tapelight.stores.signals import SignalLog

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
NS = 1_000_000_000
LIMIT_S = 300.0
STRATEGIES = ("new_hod", "momentum_burst")
LATENCY_NS = NS // 5
"""The paper broker's own."""
SEEN_NS = 3 * NS
"""A quote or print may be this old where it is shown; older ones are marked."""
LIQUID = "spread_pct < 0.2 AND last > 3"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Desk"]:
    """Yield a demo in a quiet regular session, once its trader has looked at its broker."""
    data, port = tmp_path_factory.mktemp("trader"), free_port()
    settings = data / "tapelight.toml"
    # A busy machine may take long to bring a signal here.
    settings.write_text("[trade.limits]\nsignal_age_ms = 30_000\npicture_age_ms = 30_000\n")
    command = [
        sys.executable, "-m", "tapelight", "demo", "--scenario", "calm", "--symbols", "100",
        "--rate", "300", "--port", str(port), "--data", str(data),
        "--config", str(settings), "--ledger", str(data / "ledger"),
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as demo:
        made = Desk(data, port, demo)
        try:
            until(lambda: made.epochs() == 1)
            yield made
        finally:
            made.end()


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, within a limit."""
    end = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


class Desk:
    """Ask and disturb a running demo."""

    def __init__(self, data: Path, port: int, demo: "subprocess.Popen[bytes]") -> None:
        self.data, self.port, self.fired = data, port, 0
        self._demo = demo

    def end(self) -> None:
        """End the demo; the simulator's ledger is whole then."""
        self._demo.send_signal(signal.SIGTERM)
        self._demo.wait(30)

    def epochs(self) -> int:
        """Return how many traders have begun."""
        with contextlib.suppress(Exception):
            return sum(isinstance(r, Started) for _, r in read(self.data))
        return 0

    def say(self, *arguments: str) -> list[dict[str, Any]]:
        """Return what a command answers as JSON lines."""
        told = subprocess.run(
            [sys.executable, "-m", "tapelight", *arguments, "--data", str(self.data), "--json"],
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout  # fmt: skip
        return [json.loads(line) for line in told.splitlines()]

    def fire(self, strategies: Sequence[str], but: Collection[str] = ()) -> list[str]:
        """Put a signal of each strategy into the queue, with a plan at the market of a symbol."""
        count = len(strategies)
        liquid = " AND ".join((LIQUID, *(f"symbol <> '{symbol}'" for symbol in but)))
        with Live(f"http://127.0.0.1:{self.port}", local_key(self.data)) as live:
            rows: list[dict[str, Any]] = []

            def found() -> bool:  # the trader may have begun before the market's first mark
                rows[:] = live.market(
                    liquid, columns="symbol, ask, vol", order="vol DESC", limit=count
                ).to_dicts()
                return len(rows) == count and bool(live.status()["market_time"])

            until(found)
            now_ns = int(dt.datetime.fromisoformat(live.status()["market_time"]).timestamp() * NS)
        log = SignalLog(self.data)
        made = [self._signal(*each, now_ns) for each in zip(strategies, rows, strict=True)]
        log.append("test", made)
        log.close()
        return [signal.id for signal in made]

    def _signal(self, strategy: str, row: dict[str, Any], now_ns: int) -> Signal:
        self.fired += 1
        ask = row["ask"]
        plan = Plan(
            side="long", entry=ask, limit=ask * 1.005, stop=ask * 0.95, targets=(ask * 1.1,),
            exit_ns=now_ns + 40 * NS,
        )  # fmt: skip
        return Signal(
            id=f"test{self.fired}", scan=strategy, symbol=row["symbol"],
            state="fired", ts_ns=now_ns, mark=now_ns, values={}, plan=plan,
        )  # fmt: skip

    def fills(self) -> list[Fill]:
        """Return the fills of the log."""
        told = (r for _, r in read(self.data) if isinstance(r, Reported))
        return [r.fill for r in told if r.fill is not None]

    def buy(self) -> list[str]:
        """Fire until each strategy has bought a symbol; return the signals.

        The market may run away from a limit, and on a busy machine a picture be too old to buy on.
        """
        fired: list[str] = []
        while missing := set(STRATEGIES) - self._buyers():
            new = self.fire(sorted(missing), {f.symbol for f in self.fills()})
            fired += new
            until(lambda: self._ended(new))  # noqa: B023 - it is asked at once
        return fired

    def _buyers(self) -> set[str]:
        orders = {o["id"]: o["strategy"] for o in self.say("orders", "--limit", "500")}
        return {orders[f.order] for f in self.fills()}

    def _ended(self, causes: list[str]) -> bool:
        """Tell whether each signal has its order, and that bought something or is over."""
        bought = {f.order for f in self.fills()}
        still = {o["id"] for o in self.say("orders", "--state", "open")} - bought
        orders = [o for o in self.say("orders", "--limit", "500") if o["cause"] in causes]
        return {o["cause"] for o in orders} == set(causes) and not still & {o["id"] for o in orders}

    def sent(self) -> dict[str, int]:
        """Return when each order was sent first, ns of market time."""
        at: dict[str, int] = {}
        for _, record in read(self.data):
            if isinstance(record, Sent):
                at.setdefault(record.order, record.ts_ns)
        return at


class Tape:
    """Hold what the simulator says that it sent: no code of ours reckons it."""

    def __init__(self, folder: Path, kind: str) -> None:
        found = sorted(folder.glob(f"{kind}-*.parquet"))
        self.rows = pl.concat([pl.read_parquet(file) for file in found])

    def of(self, symbol: str, since_ns: int, until_ns: int) -> pl.DataFrame:
        """Return what was sent of a symbol in a span, both ends included."""
        mine = pl.col("symbol") == symbol
        return self.rows.filter(mine & pl.col("ts_ns").is_between(since_ns, until_ns))


def audit(desk: Desk, fills: list[Fill]) -> None:
    """By the simulator's ledger: quotes and prints, the latency, a tenth of what was printed."""
    sent = desk.sent()
    quotes, trades = Tape(desk.data / "ledger", "quotes"), Tape(desk.data / "ledger", "trades")
    for fill in fills:
        assert fill.ts_ns >= sent[fill.order] + LATENCY_NS, fill
        near = (fill.symbol, fill.ts_ns - SEEN_NS, fill.ts_ns)
        told, prints = quotes.of(*near), trades.of(*near)["price"].to_list()
        between = told["bid"].min() <= float(fill.price) <= told["ask"].max()  # type: ignore[operator]
        assert between or float(fill.price) in prints, fill
        printed = trades.of(fill.symbol, sent[fill.order], fill.ts_ns)["size"].sum()
        mine = [f for f in fills if f.order == fill.order and f.ts_ns <= fill.ts_ns]
        assert float(sum(f.quantity for f in mine)) <= printed / 10, fill


def test_the_kill_switch_holds_until_a_person_arms(desk: Desk) -> None:
    desk.say("kill", "--reason", "a test")
    (blocked,) = desk.fire(STRATEGIES[:1])
    until(lambda: any(o["cause"] == blocked for o in desk.say("orders")))
    (order,) = [o for o in desk.say("orders") if o["cause"] == blocked]
    assert (order["state"], order["reason"].partition(":")[0]) == ("refused", "kill_switch")
    desk.say("kill", "--arm")
    until(lambda: not (desk.data / "KILL").exists())


def test_paper_orders_go_on_after_a_kill_and_add_up_to_the_cent(desk: Desk) -> None:
    fired = desk.buy()
    assert desk.say("positions")
    os.kill(int((desk.data / "trader.pid").read_text()), signal.SIGKILL)
    until(lambda: desk.epochs() == 2)
    until(lambda: desk.say("positions") == [] and desk.say("orders", "--state", "open") == [])

    orders = desk.say("orders", "--limit", "500")
    entries = [o for o in orders if o["purpose"] == "entry" and o["cause"] in fired]
    assert sorted(o["cause"] for o in entries) == sorted(fired), "one order a signal"
    assert {o["strategy"] for o in entries} == set(STRATEGIES)
    fills = desk.fills()
    money = sum((-f.signed * f.price for f in fills), Decimal(0))
    fees = sum((f.fee for f in fills), Decimal(0))
    total = desk.say("pnl", "--port", str(desk.port))[-1]
    assert total["realised"] == f"{money:.2f}"
    assert total["fees"] == f"{fees:.2f}"
    assert total["net"] == f"{money - fees:.2f}"
    bought = {f.symbol: f.quantity for f in fills}
    assert sum(f.signed for f in fills) == 0
    assert len(bought) == 2
    desk.end()
    audit(desk, fills)
