"""The orders' routes over a real log, kill file and command file."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from tapelight.app.trading import Asking, Books, Price, guard_of
from tapelight.model.limits import Limits, Trade
from tapelight.model.order_log import Armed, Intended, Killed, OrderRecord, Reported, Sent, Valued
from tapelight.model.orders import (
    Account,
    Approved,
    Fill,
    OrderRequest,
    Refused,
    Report,
    derived_id,
)
from tapelight.model.trading import DeskReport, TraderReport
from tapelight.orders.book import Book
from tapelight.orders.case import Moment
from tapelight.orders.usage import usage
from tapelight.stores.commands import Commands
from tapelight.stores.killswitch import KillFile
from tapelight.stores.orders import SqliteOrderLog
from tapelight.stores.traderstate import tell
from tapelight.web.orders import order_endpoints
from tapelight.web.trading import trading_endpoints
from web.by_hand import OPEN_NS
from web.conftest import HOST, Site, Town

NS = 1_000_000_000
ACCOUNT = Account(
    equity=Decimal(99_000), buying_power=Decimal(80_000), last_equity=Decimal(100_000)
)
HELD, FILLED, REFUSED = (derived_id(name, "entry") for name in ("s3", "s1", "s2"))


def request(cause: str, symbol: str = "AAPL") -> OrderRequest:
    return OrderRequest(
        id=derived_id(cause, "entry"), cause=cause, purpose="entry", symbol=symbol, side="buy",
        quantity=Decimal(10), kind="limit", limit=Decimal("190.00"), strategy="new_hod",
        made_ns=OPEN_NS, signal_ns=OPEN_NS, plan_stop=Decimal("188.00"),
    )  # fmt: skip


def records() -> list[OrderRecord]:
    fill = Fill(
        order=FILLED, symbol="AAPL", side="buy", quantity=Decimal(10), price=Decimal("189.50"),
        cumulative=Decimal(10), fee=Decimal("0.05"), ts_ns=OPEN_NS + 1, execution="x1",
    )  # fmt: skip
    report = Report(
        order=FILLED, state="filled", filled=Decimal(10), average=Decimal("189.50"), venue_id="v1",
        fee=Decimal("0.05"),
    )  # fmt: skip
    no = Refused(OPEN_NS, "spread", "the spread is 0.91 %, 0.5 % allowed")
    return [
        Valued(OPEN_NS, ACCOUNT, Decimal(100_500)),
        Intended(OPEN_NS, request("s1"), Approved(OPEN_NS)),
        Sent(OPEN_NS, FILLED),
        Reported(OPEN_NS + 1, report, fill),
        Intended(OPEN_NS + 2, request("s2", "=CMD"), no),
        Intended(OPEN_NS + 3, request("s3", "TSLA"), Approved(OPEN_NS, waits=True)),
    ]


class Venue:
    """A data folder with what a trader leaves there, and the gateway's view of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = SqliteOrderLog(folder)
        self.log.begin(OPEN_NS)
        self.log.append(records())
        self.prices = {"AAPL": Price(190.5)}
        self.books = Books(folder, self.prices.get)
        self.asking = Asking(folder)
        self.tell()

    def tell(self, age_s: float = 0.0, sure: bool = True, killed: Killed | None = None) -> None:
        """Write what the trader tells of itself."""
        book, trade = Book(self.log.records()), Trade(limits=Limits(orders_per_day=1))
        desk = DeskReport(
            name="main", broker="paper", live=False, ready=True, fault="", killed=killed,
            unknown=0, strangers=0, adopted=0, account=ACCOUNT, peak=Decimal(100_500),
            limits=usage(book, trade.limits, Moment(OPEN_NS + NS // 2, None)),
            strategies={"new_hod": "dry-run"},
        )  # fmt: skip
        told = TraderReport(
            pid=1, ts_s=time.time() - age_s, market_ns=OPEN_NS, rate=1.0, mode="dry-run",
            clock_sure=sure, approve_s=30.0, desks=(desk,),
        )  # fmt: skip
        tell(self.folder, told)
        self.asking._read_s = float("-inf")

    def close(self) -> None:
        self.books.close()
        self.asking.close()
        self.log.close()


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    venue = Venue(tmp_path / "data")
    yield venue
    venue.close()


@pytest.fixture
async def client(site: Site, venue: Venue) -> AsyncIterator[httpx.AsyncClient]:
    site.gateway.close()
    site.orders, site.trader = venue.books, venue.asking
    site.gateway = site.open()
    transport = httpx.ASGITransport(site.gateway.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as made:
        yield made


async def test_orders_come_newest_first_with_verdict_and_reason(client: httpx.AsyncClient) -> None:
    rows = (await client.get("/api/orders")).json()
    assert [(r["id"], r["state"], r["rule"]) for r in rows] == [
        (HELD, "held", ""), (REFUSED, "refused", "spread"), (FILLED, "filled", ""),
    ]  # fmt: skip
    assert rows[1]["reason"] == "spread: the spread is 0.91 %, 0.5 % allowed"
    assert (rows[2]["cause"], rows[2]["average"], rows[2]["fee"]) == ("s1", "189.5", "0.05")
    chosen = (await client.get("/api/orders?state=open&symbol=TSLA&strategy=new_hod")).json()
    assert [row["id"] for row in chosen] == [HELD]
    assert len((await client.get("/api/orders?limit=1")).json()) == 1


async def test_positions_fills_and_profit_add_up(client: httpx.AsyncClient) -> None:
    (held,) = (await client.get("/api/positions")).json()
    assert (held["symbol"], held["quantity"], held["average"]) == ("AAPL", "10", "189.5")
    assert (held["last"], held["unrealised"], held["stop"]) == (190.5, "10.00", "188.00")
    assert (held["covered"], held["guard"]) == ("0", "none")
    (fill,) = (await client.get("/api/fills")).json()
    assert (fill["signal"], fill["order"], fill["price"]) == ("s1", FILLED, "189.5")
    pnl = (await client.get("/api/pnl")).json()
    assert pnl["rows"][-1] == {
        "symbol": "total", "realised": "0.00", "fees": "0.05", "unrealised": "10.00",
        "net": "9.95", "stale": False,
    }  # fmt: skip
    assert (pnl["account"]["equity"], pnl["account"]["peak"]) == ("99000", "100500")
    assert held["stale"] is False


async def test_a_price_that_is_stale_or_provisional_is_marked_with_all_that_rests_on_it(
    client: httpx.AsyncClient, venue: Venue
) -> None:
    venue.prices["AAPL"] = Price(190.5, stale=True)
    (held,) = (await client.get("/api/positions")).json()
    assert (held["last"], held["stale"]) == (190.5, True)
    rows = (await client.get("/api/pnl")).json()["rows"]
    assert [(row["symbol"], row["stale"]) for row in rows] == [("AAPL", True), ("total", True)]


@pytest.mark.parametrize(
    ("hours", "covered", "age_s", "guard"),
    [
        (1, "10", 0.0, "venue"),
        (1, "10", 60.0, "venue"),
        (1, "9", 0.0, "none"),
        (-1, "10", 0.0, "desk"),
        (-1, "10", 60.0, "none"),
        (7, "0", 0.0, "desk"),
        (12, "10", 0.0, "none"),
    ],
)
def test_a_position_tells_what_guards_it(
    venue: Venue, hours: float, covered: str, age_s: float, guard: str
) -> None:
    report = venue.asking.report()
    assert report is not None
    report = replace(report, market_ns=OPEN_NS + int(hours * 3_600 * NS))
    row = {"ours": "10", "covered": covered, "stop": "188.00"}
    assert guard_of(row, report, report.ts_s + age_s) == guard
    assert guard_of(row, None, report.ts_s) == "none"


async def test_what_the_trader_writes_later_is_seen(
    client: httpx.AsyncClient, venue: Venue
) -> None:
    assert len((await client.get("/api/orders")).json()) == 3
    venue.log.append([Intended(OPEN_NS + 9, request("s4"), Approved(OPEN_NS))])
    assert len((await client.get("/api/orders")).json()) == 4


async def test_csv_names_its_columns_and_holds_no_formula(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/orders.csv?state=refused")
    assert answer.headers["content-type"].startswith("text/csv")
    head, row, last = answer.text.split("\r\n")
    assert head.startswith("id,state,purpose,symbol,side,quantity")
    assert row.startswith(f"{REFUSED},refused,entry,'=CMD,buy,10,limit,190.00")
    assert last == ""
    fills = (await client.get("/api/fills.csv")).text.splitlines()
    assert fills[1] == f"{OPEN_NS + 1},AAPL,buy,10,189.5,0.05,{FILLED},x1,s1,entry,new_hod"
    assert (await client.get("/api/pnl.csv")).text.splitlines()[
        -1
    ] == "total,0.00,0.05,10.00,9.95,False"
    assert (await client.get("/api/positions.csv")).text.splitlines()[1].startswith("AAPL,10,")


async def test_limits_tell_their_use(client: httpx.AsyncClient) -> None:
    (desk,) = (await client.get("/api/risk")).json()
    found = {limit["name"]: limit for limit in desk["limits"]}
    assert set(found) == set(Limits.__struct_fields__)
    assert (found["orders_per_day"]["used"], found["orders_per_day"]["reached"]) == ("1", True)
    # The held order counts: 10 x 190.00 of 99,000, and the shares that are held at 189.50.
    assert found["total_pct"]["used"] == "3.83"
    assert (found["symbol_pct"]["where"], found["symbol_pct"]["used"]) == ("TSLA", "1.92")
    assert (found["day_loss_pct"]["used"], found["peak_loss_pct"]["used"]) == ("1.00", "1.49")
    assert found["collar_pct"]["used"] is None


@pytest.mark.parametrize(
    ("age_s", "sure", "killed", "state"),
    [
        (0.0, True, None, "ready"),
        (0.0, False, None, "halted"),
        (60.0, True, None, "stopped"),
        (0.0, True, Killed(1, "day's loss", "limit"), "killed"),
    ],
)
async def test_the_state_of_the_trader(
    client: httpx.AsyncClient, venue: Venue, age_s: float, sure: bool, killed: Killed | None,
    state: str,
) -> None:  # fmt: skip
    venue.tell(age_s, sure, killed)
    told = (await client.get("/api/trader")).json()
    assert (told["state"], told["mode"], told["kill"]["on"]) == (state, "dry-run", bool(killed))
    assert bool(told["reason"]) == (state != "ready")
    assert "desks" not in venue.asking.summary(), "the account is not for everybody"


async def test_the_kill_switch_needs_a_reason_and_only_the_word_arms(
    client: httpx.AsyncClient, venue: Venue
) -> None:
    assert (await client.post("/api/kill", json={"reason": " "})).status_code == 400
    drill = (await client.post("/api/kill", json={"reason": "try", "drill": True})).json()
    assert (drill["kill"]["on"], drill["cancels"]) == (False, [HELD])
    assert KillFile(venue.folder).read() is None
    nothing = await client.post("/api/kill/arm", json={"confirm": "ARM"})
    assert "nothing to arm" in nothing.json()["detail"]

    told = (await client.post("/api/kill", json={"reason": "odd data", "flatten": True})).json()
    assert (told["kill"]["on"], told["kill"]["reason"]) == (True, "odd data")
    kept = KillFile(venue.folder).read()
    assert isinstance(kept, Killed)
    assert (kept.reason, kept.by, kept.flatten) == ("odd data", "local", True)
    again = (await client.post("/api/kill", json={"reason": "still odd"})).json()
    assert again["kill"]["flatten"], "a second kill does not take the first one's flatten back"

    wrong = await client.post("/api/kill/arm", json={"confirm": "yes"})
    assert wrong.status_code == 400
    assert isinstance(KillFile(venue.folder).read(), Killed)
    assert (await client.post("/api/kill/arm", json={"confirm": "ARM"})).status_code == 200
    assert isinstance(KillFile(venue.folder).read(), Armed)


async def answer(venue: Venue, text: str) -> list[tuple[str, str, str]]:
    """Answer the first command as a trader does, and return it."""
    commands = Commands(venue.folder)
    async with asyncio.timeout(10):
        while True:
            if found := commands.waiting():
                break
            await asyncio.sleep(0.01)
    for seq, _ in found:
        commands.answer(seq, text)
    commands.close()
    return [(command.what, command.subject, command.by) for _, command in found]


@pytest.mark.parametrize("what", ["approve", "decline"])
async def test_a_held_order_is_decided(client: httpx.AsyncClient, venue: Venue, what: str) -> None:
    (held,) = (await client.get("/api/approvals")).json()
    assert (held["id"], held["until_ns"]) == (HELD, OPEN_NS + 3 + 30 * NS)
    trader = asyncio.create_task(answer(venue, "Done."))
    told = await client.post(f"/api/approvals/{HELD}/{what}")
    assert told.json() == {"subject": HELD, "answer": "Done."}
    assert await trader == [(what, HELD, "local")]


async def test_a_position_is_closed_and_nothing_else(
    client: httpx.AsyncClient, venue: Venue
) -> None:
    trader = asyncio.create_task(answer(venue, "It is being closed."))
    told = await client.post("/api/positions/AAPL/close")
    assert told.json() == {"subject": "AAPL", "answer": "It is being closed."}
    assert await trader == [("close", "AAPL", "local")]
    assert (await client.post("/api/positions/TSLA/close")).status_code == 404
    assert (await client.post(f"/api/approvals/{FILLED}/approve")).status_code == 404


async def test_nothing_is_asked_of_a_trader_that_does_not_run(
    client: httpx.AsyncClient, venue: Venue
) -> None:
    venue.tell(age_s=60.0)
    told = await client.post(f"/api/approvals/{HELD}/approve")
    assert (told.status_code, "start `tapelight run`" in told.json()["detail"]) == (503, True)
    assert not (venue.folder / "commands.db").exists()


async def test_answers_have_the_documented_shape(client: httpx.AsyncClient, site: Site) -> None:
    kinds = {e.path: e.answer for e in site.gateway.endpoints if e.method == "GET"}
    for name in ("orders", "fills", "positions", "pnl", "approvals", "trader", "risk", "kill"):
        answered = await client.get(f"/api/{name}")
        kind = kinds[f"/api/{name}"]
        msgspec.json.decode(answered.content, type=kind, strict=True)
        fields = {f for row in json.loads(answered.content) if isinstance(row, dict) for f in row}
        (inner,) = getattr(kind, "__args__", (None,))
        assert fields == set(inner.__struct_fields__ if inner else ())


async def test_a_replay_and_an_empty_folder_say_so(
    site: Site, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    assert "replay" in (await http.get("/api/orders")).json()["detail"]
    books, asking = Books(tmp_path, lambda _: None), Asking(tmp_path)
    assert await books.positions("main") == []
    assert asking.status()["state"] == "off"
    books.close()


async def test_an_api_key_trips_but_never_arms(town: Town, venue: Venue) -> None:
    site = town.site
    site.orders, site.trader = venue.books, venue.asking
    site.gateway.close()
    site.gateway = site.open()
    tess = await town.enter("tess")
    made = await tess.post("/api/keys", json={"label": "desk", "scopes": ["trade"]})
    program = town.client("10.0.0.9", authorization=f"Bearer {made.json()['key']}")
    assert (await program.post("/api/kill", json={"reason": "robot"})).status_code == 200
    assert (await program.post("/api/kill/arm", json={"confirm": "ARM"})).status_code == 403
    kept = KillFile(venue.folder).read()
    assert isinstance(kept, Killed)
    assert kept.by == "tess"
    assert (await tess.post("/api/kill/arm", json={"confirm": "ARM"})).status_code == 200


def test_docs_tell_every_route_of_the_trader() -> None:
    text = (Path(__file__).parents[2] / "docs" / "trader.md").read_text()
    told = text.replace("/ID", "/{id}").replace("/SYMBOL", "/{symbol:path}")
    own = ("trader", "orders", "fills", "positions", "pnl", "risk", "approvals", "kill")
    endpoints = (*order_endpoints(None, None), *trading_endpoints(None, None))
    assert {e.path.split("/")[2].removesuffix(".csv") for e in endpoints} == set(own)
    missing = {e.path for e in endpoints if e.path.removeprefix("/api/") not in told}
    assert missing == {"/api/approvals/{id}/decline"}, "which is told as .../decline"
