"""/api/alerts and its kin: rules, levels, mutes, channels, receipts, and the stream's topic."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from alerts.receiver import Receiver
from alerts.shop import SECRET
from tapelight.alerts.router import Moment
from tapelight.alerts.webhook import verify
from tapelight.app.alerting import Alerting
from tapelight.app.channels import MASK
from tapelight.app.control import Control
from tapelight.config import Config, convert
from tapelight.errors import ConfigError, Missing, Rejected
from tapelight.model.alerts import HEARD, UNHEARD, Level
from tapelight.model.outcomes import ScanRecord
from tapelight.model.signals import Signal
from tapelight.web.alerts import Known
from web.by_hand import MarketByHand, signal
from web.conftest import CHEAP, HOST, Site, Socket, Town

pytestmark = pytest.mark.integration

RULE = {"scans": ["hod"], "channels": ["desk"], "cooldown_s": 0, "sound": "ping"}


def hook(server: Receiver, **more: str) -> dict[str, Any]:
    return {"kind": "webhook", "settings": {"url": server.url, "secret": SECRET, **more}}


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    async with Receiver() as started:
        yield started


@pytest.fixture
async def desk(site: Site, tmp_path: Path, server: Receiver) -> AsyncIterator[Town]:
    """A town whose alerts may reach the receiver; its alerting runs."""
    settings = {
        "alerts": {"allow": [f"127.0.0.1:{server.port}"]},
        "channel": {"mail": {"kind": "email", "host": "127.0.0.1", "from": "a@b.c",
                             "to": ["d@e.f"], "password": "hush", "security": "none"}},
    }  # fmt: skip
    config = convert(settings, Config, "test")
    town = Town(site, Control(tmp_path, config, site.bus, CHEAP))
    await town.settle()
    running = asyncio.create_task(alerting(town).run())
    yield town
    running.cancel()
    await asyncio.wait({running})
    await town.close()


def alerting(town: Town) -> Alerting:
    return town.control.alerting


async def fire(town: Town, *signals: Signal) -> None:
    """Let signals fire, as a cycle would, once the rules are read."""
    made = alerting(town)
    await made.step()
    made._take(made.router.route(signals, Moment(signals[-1].ts_ns, "regular", "2026-11-20")))


async def receipts(client: httpx.AsyncClient, *states: str) -> list[dict[str, Any]]:
    """Return the deliveries once all of them are in one of the states."""
    async with asyncio.timeout(10):
        while True:
            found: list[dict[str, Any]] = (await client.get("/api/deliveries")).json()
            if found and all(d["state"] in states for d in found):
                return found
            await asyncio.sleep(0.02)


async def test_a_signal_reaches_a_webhook_and_its_receipt_is_shown(
    desk: Town, server: Receiver
) -> None:
    ann = await desk.enter("ann")
    made = await ann.put("/api/channels/desk", json=hook(server))
    assert made.json()["settings"] == {"url": server.url, "secret": MASK}
    assert (await ann.put("/api/alerts/highs", json=RULE)).status_code == 200
    await fire(desk, signal(1), signal(2))
    await server.until(2)
    for request in server.requests:
        stamp = float(request.headers["tapelight-timestamp"])
        assert verify(SECRET, request.headers, request.body, stamp)
    found = await receipts(ann, "sent")
    assert sorted((d["channel"], d["answer"]) for d in found) == [
        ("browser", UNHEARD),
        ("browser", UNHEARD),
        ("desk", "200 taken"),
        ("desk", "200 taken"),
    ]
    vic = await desk.enter("vic")
    assert (await vic.get("/api/deliveries")).json() == []


async def test_a_dashboard_is_told_of_its_users_alerts_alone(desk: Town) -> None:
    ann, vic = await desk.enter("ann"), await desk.enter("vic")
    await ann.put("/api/alerts/highs", json=RULE)
    sockets = [await open_as(desk, client) for client in (ann, vic)]
    for socket, name in zip(sockets, ("ann", "vic"), strict=True):
        socket.send({"op": "subscribe", "topics": ["alerts:ann"]})
        first = await socket.get()
        if name == "ann":
            assert (first["kind"], first["alerts"]) == ("snapshot", [])
        else:
            assert (first["op"], "another user's" in first["detail"]) == ("error", True)
            socket.send({"op": "resume", "epoch": "e1", "topics": {"alerts:ann": 1}})
            assert (await socket.get())["op"] == "error"
    await fire(desk, signal(7))
    told = await sockets[0].get()
    assert (told["topic"], [a["text"] for a in told["alerts"]], told["alerts"][0]["sound"]) == (
        "alerts:ann",
        ["AAPL: new high 7, last 197"],
        "ping",
    )
    found = {d["channel"]: d["answer"] for d in await receipts(ann, "sent", "failed")}
    assert found["browser"] == HEARD
    for socket in sockets:
        await socket.close()


async def test_a_dashboard_that_opens_is_told_what_came_before(desk: Town) -> None:
    ann = await desk.enter("ann")
    await ann.put("/api/alerts/highs", json=RULE)
    await fire(desk, signal(1))
    await fire(desk, signal(2))
    async with asyncio.timeout(10):
        while len((await ann.get("/api/deliveries")).json()) < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    socket = await open_as(desk, ann)
    socket.send({"op": "subscribe", "topics": ["alerts:ann"]})
    first = await socket.get()
    assert [a["signal"] for a in first["alerts"]] == ["s2", "s1"]
    assert (first["kind"], desk.site.gateway.stream.ts_ns < signal(1).ts_ns) == ("snapshot", True)
    await socket.close()


async def open_as(desk: Town, client: httpx.AsyncClient) -> Socket:
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    headers = {"host": HOST, "origin": f"http://{HOST}", "cookie": cookie}
    socket = Socket(desk.site.gateway.app, headers, "127.0.0.1")
    assert (await socket.open())["type"] == "websocket.accept"
    return socket


async def test_a_test_shows_the_channels_own_answer(desk: Town, server: Receiver) -> None:
    ann = await desk.enter("ann")
    await ann.put("/api/channels/desk", json=hook(server))
    assert (await ann.post("/api/channels/desk/test")).json() == {"ok": True, "answer": "200 taken"}
    server.reply = lambda _: (404, "no such hook", {})
    told = (await ann.post("/api/channels/desk/test")).json()
    assert (told["ok"], "404 no such hook" in told["answer"]) == (False, True)
    alone = (await ann.post("/api/channels/browser/test")).json()
    assert alone == {"ok": False, "answer": UNHEARD}
    socket = await open_as(desk, ann)
    socket.send({"op": "subscribe", "topics": ["alerts:ann"]})
    await socket.get()
    seen = (await ann.post("/api/channels/browser/test")).json()
    assert seen == {"ok": True, "answer": HEARD}
    assert (await socket.get())["alerts"][0]["kind"] == "test"
    await socket.close()
    missing = await ann.post("/api/channels/nowhere/test")
    assert (missing.status_code, "GET /api/channels" in missing.json()["detail"]) == (404, True)


async def test_secrets_are_masked_and_a_mask_leaves_them(desk: Town, server: Receiver) -> None:
    ann, vic = await desk.enter("ann"), await desk.enter("vic")
    made = await ann.put("/api/channels/desk", json=hook(server))
    changed = hook(server) | {"settings": {"url": server.url + "/2", "secret": MASK}}
    tag = {"if-match": made.headers["etag"]}
    assert (await ann.put("/api/channels/desk", json=changed, headers=tag)).status_code == 200
    await ann.post("/api/channels/desk/test")
    (got,) = server.requests
    assert got.path == "/hook/2"
    assert verify(SECRET, got.headers, got.body, float(got.headers["tapelight-timestamp"]))
    for client in (ann, vic):
        text = (await client.get("/api/channels")).text
        assert SECRET not in text
        assert "hush" not in text
    listed = {c["name"]: c["own"] for c in (await ann.get("/api/channels")).json()}
    assert listed == {"browser": False, "desk": True, "mail": False}
    assert [c["name"] for c in (await vic.get("/api/channels")).json()] == ["browser", "mail"]


BAD_CHANNELS = [
    ("x", {"kind": "pigeon", "settings": {}}, "is no kind of channel"),
    ("x", {"kind": "router", "settings": {}}, "is no kind of channel"),
    ("x", {"kind": "os.path", "settings": {}}, "is no kind of channel"),
    ("x", {"kind": "email", "settings": {"host": "127.0.0.1"}}, "the operator's alone"),
    ("x", {"kind": "apprise", "settings": {"url": "json://127.0.0.1"}}, "the operator's alone"),
    ("x", {"kind": "webhook", "settings": {"url": "http://10.0.0.1/", "secret": SECRET}}, "https"),
    ("x", {"kind": "webhook", "settings": {"ulr": "x"}}, "did you mean 'url'"),
    ("browser", {"kind": "webhook", "settings": {}}, "always there"),
]


@pytest.mark.parametrize(("name", "body", "words"), BAD_CHANNELS)
async def test_a_wrong_channel_is_told(desk: Town, name: str, body: object, words: str) -> None:
    ann = await desk.enter("ann")
    answer = await ann.put(f"/api/channels/{name}", json=body)
    assert (answer.status_code, words in answer.json()["detail"]) == (400, True), answer.text


def test_a_wrong_channel_of_the_operators_stops_the_start(site: Site, tmp_path: Path) -> None:
    config = convert({"channel": {"m": {"kind": "email", "hots": "x"}}}, Config, "test")
    with pytest.raises(Rejected, match=r"\[channel.m\].*did you mean 'host'"):
        Control(tmp_path, config, site.bus, CHEAP)


async def test_rules_are_snoozed_and_symbols_muted_in_market_time(desk: Town) -> None:
    ann = await desk.enter("ann")
    desk.site.market.report["market_time"] = "2026-11-20T09:30:00-05:00"
    await ann.put("/api/alerts/highs", json=RULE)
    now = 1_795_185_000 * 10**9
    snoozed = (await ann.post("/api/alerts/highs/snooze", json={"minutes": 15})).json()
    assert snoozed["body"]["snoozed_until_ns"] == now + 15 * 60 * 10**9
    await fire(desk, signal(1))
    assert alerting(desk).router.held == {"snoozed": 1}
    awake = (await ann.post("/api/alerts/highs/snooze", json={"minutes": 0})).json()
    assert awake["body"]["snoozed_until_ns"] == 0
    muted = (await ann.put("/api/mutes/AAPL", json={"minutes": 1})).json()
    assert (await ann.get("/api/mutes")).json() == [muted]
    assert muted == {"name": "AAPL", "until_ns": now + 60 * 10**9}
    await fire(desk, signal(2))
    assert alerting(desk).router.held == {"snoozed": 1, "muted": 1}


async def test_a_level_rests_after_it_was_reached(desk: Town) -> None:
    ann = await desk.enter("ann")
    level = {"symbol": "AAPL", "price": 190.0, "side": "above"}
    await ann.put("/api/levels/round", json=level)
    made = alerting(desk)
    await made.step()
    assert made.levels.symbols == {"AAPL"}
    reached = made.levels.check({"AAPL": 190.5}, 77)
    made._reached += reached
    made._take([r.alert for r in reached])
    await receipts(ann, "sent")
    async with asyncio.timeout(5):
        while not (shown := (await ann.get("/api/levels/round")).json())["body"]["reached_ns"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert (shown["body"]["reached_ns"], shown["version"]) == (77, 2)
    await made.step()
    assert made.levels.count == 0
    (listed,) = (await ann.get("/api/levels")).json()
    assert (listed["body"]["price"], Level(**listed["body"]).reached_ns) == (190.0, 77)


async def test_a_rule_with_a_watchlist_follows_its_changes(desk: Town) -> None:
    ann, vic = await desk.enter("ann"), await desk.enter("vic")
    await ann.put("/api/watchlists/core", json={"symbols": ["TSLA"]})
    rule = {"watchlist": "core", "cooldown_s": 0}
    await ann.put("/api/alerts/mine", json=rule)
    await vic.put("/api/alerts/hers", json={**rule, "watchlist": "ann/core"})
    await fire(desk, signal(1))
    await ann.put("/api/watchlists/core", json={"symbols": ["AAPL"]}, headers={"if-match": "*"})
    await fire(desk, signal(2))
    (told,) = await receipts(ann, "sent")
    assert told["alert"]["text"] == "AAPL: new high 2, last 192"
    assert (await vic.get("/api/deliveries")).json() == [], "it is not shared"
    await ann.put(
        "/api/watchlists/core",
        json={"symbols": ["AAPL"], "shared": True},
        headers={"if-match": "*"},
    )
    await fire(desk, signal(3))
    assert len(await receipts(vic, "sent")) == 1


async def test_a_deleted_users_rules_are_silent(desk: Town) -> None:
    ann, root = await desk.enter("ann"), await desk.enter("root")
    await ann.put("/api/alerts/highs", json=RULE)
    await alerting(desk).step()
    assert alerting(desk).router.count == 1
    await root.delete("/api/users/ann")
    await alerting(desk).step()
    assert alerting(desk).router.count == 0


async def test_a_disabled_users_rules_levels_and_waiting_alerts_are_silent(
    desk: Town, server: Receiver
) -> None:
    ann, root = await desk.enter("ann"), await desk.enter("root")
    await ann.put("/api/channels/desk", json=hook(server))
    await ann.put("/api/alerts/highs", json=RULE)
    await ann.put("/api/levels/round", json={"symbol": "AAPL", "price": 190.0})
    made = alerting(desk)
    await made.step()
    assert (made.router.count, made.levels.count) == (1, 1)
    server.reply = lambda _: (503, "later", {})
    await fire(desk, signal(1))
    await server.until(1)
    account = {"role": "analyst", "disabled": True}
    assert (await root.put("/api/users/ann", json=account)).status_code == 200
    await made.step()
    assert (made.router.count, made.levels.count) == (0, 0)
    async with asyncio.timeout(10):
        while True:
            told = await made.desk.deliveries("ann", 9)
            if found := [d for d in told if d["state"] == "muted"]:
                break
            await asyncio.sleep(0.02)
    assert (found[0]["channel"], found[0]["answer"]) == (
        "desk", "the account is disabled or deleted",
    )  # fmt: skip
    assert len(server.requests) == 1
    await root.put("/api/users/ann", json={**account, "disabled": False})
    await made.step()
    assert made.router.count == 1


class RecordsByHand:
    """Knows one scan."""

    async def records(self) -> Sequence[ScanRecord]:
        return []

    async def record(self, scan: str) -> ScanRecord:
        if scan != "hod":
            raise Missing(f"No scan or strategy is called {scan!r}. Did you mean hod?")
        return ScanRecord(scan=scan, fires=0, horizons=())


async def test_what_names_nothing_is_refused_or_warned_of() -> None:
    market = MarketByHand()
    known = Known(market, RecordsByHand())
    market.report["market_time"] = "2026-11-20T09:30:00-05:00"
    await known.vet({"scans": ["hod"], "symbols": []})
    with pytest.raises(
        Rejected, match=r"No scan or strategy is called 'hodd'\. Did you mean hod\?"
    ):
        await known.vet({"scans": ["hod", "hodd"], "symbols": []})
    market.report["market_time"] = ""
    await known.vet({"scans": ["hodd"], "symbols": ["ZZZZ"]})  # nothing is known before the feed is
    assert known.of_rule({"symbols": ["AAPL"]}) == []
    (told,) = known.of_rule({"symbols": ["AAPL", "ZZZZ"]})
    assert "ZZZZ" in told
    assert "is not watched" in told


async def test_an_unwatched_symbol_is_refused_with_the_nearest_and_warned_of_before_the_market(
    desk: Town,
) -> None:
    ann = await desk.enter("ann")
    level = {"symbol": "APPL", "price": 190.0, "side": "above"}
    early = (await ann.put("/api/levels/early", json=level)).json()
    assert "is not watched" in early["warnings"][0], "nothing is known before the feed is"
    desk.site.market.report["market_time"] = "2026-11-20T09:30:00-05:00"
    for path, body in (
        ("levels/round", level), ("alerts/one", {"symbols": ["AAPL", "APPL"]}),
    ):  # fmt: skip
        refused = await ann.put(f"/api/{path}", json=body)
        assert (refused.status_code, refused.json()["detail"].partition(" GET")[0]) == (
            400, "'APPL' is not watched: it can't alert. Did you mean 'AAPL'?",
        )  # fmt: skip
    (listed,) = (await ann.get("/api/levels")).json()
    assert listed["warnings"] == early["warnings"]
    muted = (await ann.put("/api/mutes/NOPE", json={"minutes": 1})).json()
    assert "is not watched" in muted["warnings"][0]
    coin = (await ann.put("/api/mutes/BTC/USD", json={"minutes": 1})).json()
    assert (coin["name"], "warnings" in coin) == ("BTC/USD", False)
    good = (await ann.put("/api/levels/good", json={**level, "symbol": "AAPL"})).json()
    assert "warnings" not in good


async def test_where_nobody_watches_no_rule_and_no_level_is_taken(desk: Town) -> None:
    desk.site.alerting = None
    desk.site.gateway.close()
    desk.site.gateway = desk.site.open()
    ann = await desk.enter("ann")
    for path, body in (("alerts/highs", RULE), ("levels/x", {"symbol": "AAPL", "price": 1.0})):
        refused = await ann.put(f"/api/{path}", json=body)
        assert (refused.status_code, "Nobody watches" in refused.json()["detail"]) == (503, True)
    assert (await ann.get("/api/alerts")).json() == []


async def test_a_channel_is_tested_six_times_a_minute(desk: Town, server: Receiver) -> None:
    ann = await desk.enter("ann")
    await ann.put("/api/channels/desk", json=hook(server))
    codes = [(await ann.post("/api/channels/desk/test")).status_code for _ in range(8)]
    assert codes == [200] * 6 + [429] * 2
    assert len(server.requests) == 6
    assert (await ann.post("/api/channels/browser/test")).status_code == 200


async def test_an_operators_channel_may_be_for_some_alone(site: Site, tmp_path: Path) -> None:
    mail = {"kind": "email", "host": "127.0.0.1", "from": "a@b.c", "to": ["d@e.f"],
            "security": "none"}  # fmt: skip
    settings = {"mail": mail, "desk": mail | {"roles": ["trader"], "users": ["ann"]}}
    town = Town(
        site, Control(tmp_path, convert({"channel": settings}, Config, "test"), site.bus, CHEAP)
    )
    await town.settle()
    found = {}
    for name in ("ann", "tess", "vic"):
        listed = (await (await town.enter(name)).get("/api/channels")).json()
        found[name] = [channel["name"] for channel in listed]
    everything = ["browser", "desk", "mail"]
    assert found == {"ann": everything, "tess": everything, "vic": ["browser", "mail"]}
    with pytest.raises(Missing, match="no channel 'desk'; there are: mail"):
        await alerting(town).channels_of.find("vic", "desk")
    await town.close()


@pytest.mark.parametrize(
    ("more", "words"),
    [({"roles": ["boss"]}, "'boss' is none of viewer"), ({"users": "ann"}, "give a list")],
)
def test_for_whom_a_channel_is_must_be_right(
    site: Site, tmp_path: Path, more: dict[str, Any], words: str
) -> None:
    config = convert({"channel": {"m": {"kind": "email", **more}}}, Config, "test")
    with pytest.raises(ConfigError, match=words):
        Control(tmp_path, config, site.bus, CHEAP)
