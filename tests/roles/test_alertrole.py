"""The alert role and its gateway over their two files, without services."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from app.test_alerting import closed_table
from roles.day import running
from tapelight.alerts.budget import OLDEST_NS
from tapelight.alerts.router import Moment
from tapelight.app.control import Belongings
from tapelight.app.roles.alert import AlertRole, serve
from tapelight.app.roles.dashboards import Dashboards
from tapelight.app.roles.outbox import Told
from tapelight.app.roles.services import Services
from tapelight.buses.memory import MemoryBus
from tapelight.config import Config, ScaleOut
from tapelight.errors import ConfigError, Unavailable
from tapelight.model.alerts import LEFT
from tapelight.model.signals import Hops, Signal
from tapelight.ports import Account, Document, Json
from tapelight.testing.backends import until
from web.conftest import CHEAP

pytestmark = pytest.mark.integration

S = 10**9
NOW = 1_795_185_000 * S
CONFIG = Config(
    scale_out=ScaleOut(
        rabbitmq="amqp://guest@127.0.0.1:1/", redis="redis://127.0.0.1:1/0", alert=True
    )
)


def signal(name: str, symbol: str = "A", ts_ns: int = NOW, **more: object) -> Signal:
    facts = {
        "id": name, "scan": "up", "symbol": symbol, "state": "fired", "ts_ns": ts_ns,
        "mark": ts_ns, "values": {"last": 10.0}, **more,
    }  # fmt: skip
    return Signal(**facts)  # type: ignore[arg-type]


def message(*signals: Signal) -> bytes:
    return msgspec.msgpack.encode(Told("run", signals, "regular", "2026-11-20"))


@dataclass
class Desk:
    """A gateway's files, its dashboards, and the alert role beside it."""

    data: Path
    heard: list[tuple[str, Mapping[str, Json]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bus = MemoryBus()
        self.bus.subscribe(lambda topic, state: self.heard.append((topic, state)))
        self.kept = Belongings(self.data, CONFIG, CHEAP)
        self.dashboards = Dashboards(self.data, self.kept, CONFIG, self.bus, lambda: NOW)
        self.role: AlertRole | None = None

    async def begin(self) -> AlertRole:
        """Start the role, which reads what the gateway keeps."""
        self.role = role = AlertRole(CONFIG, self.data, Services(CONFIG.scale_out))
        self.users = await role.accounts.open()
        role.alerting.belong_to(self.users)
        await role.alerting.load()
        role.alerting.on_time(Moment(NOW, "regular", "2026-11-20"))
        return role

    async def keep(self, kind: str, name: str, body: Mapping[str, Json]) -> None:
        """Write a document of ann's at the gateway."""
        await self.kept.documents.write(Document(kind, "ann", name, 0, dict(body)), "*")

    async def end(self) -> None:
        if self.role is not None:
            await self.role.close()
            self.role = None

    def texts(self) -> list[str]:
        return [alert["symbol"] for _, state in self.heard for alert in state["alerts"]]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    yield made
    await made.end()
    await made.dashboards.close()
    await made.kept.close()


async def test_what_the_role_alerts_the_gateway_tells(desk: Desk) -> None:
    for ask in (desk.dashboards.look(), desk.dashboards.desk.deliveries("ann", 9)):
        with pytest.raises(Unavailable, match=r"start the alert role"):
            await ask
    await desk.keep("alert", "ups", {"scans": ["up"], "cooldown_s": 0})
    role = await desk.begin()
    assert await role.alerter.take(message(signal("s1")))
    await desk.dashboards.look()
    assert desk.texts() == ["A"], "the gateway was there before the file"
    assert [alert["signal"] for alert in desk.dashboards.desk.newest("ann")] == ["s1"]
    assert await role.alerter.take(message(signal("s1"), signal("s2", "B")))
    assert await role.alerter.take(b"of another version") is False
    await desk.dashboards.look()
    await desk.dashboards.look()
    assert desk.texts() == ["A", "B"]
    kept = await desk.dashboards.desk.deliveries("ann", 9)
    assert [(d["alert"]["signal"], d["answer"]) for d in kept] == [("s2", LEFT), ("s1", LEFT)]
    assert role.alerter.counts == {"received": 3, "refused": 1, "lost": 0, "old": 0}


async def test_what_was_there_before_the_gateway_is_told_to_no_dashboard(desk: Desk) -> None:
    await desk.keep("alert", "ups", {"scans": ["up"]})
    role = await desk.begin()
    assert await role.alerter.take(message(signal("s1")))
    await desk.dashboards.look()
    assert (desk.heard, len(desk.dashboards.desk.newest("ann"))) == ([], 1)


async def test_what_is_gathered_is_told_at_the_end_of_the_role(desk: Desk) -> None:
    await desk.keep("alert", "ups", {"scans": ["up"], "group_s": 300, "cooldown_s": 0})
    role = await desk.begin()
    assert await role.alerter.take(message(signal("s1"), signal("s2"), signal("s3")))
    assert len(await desk.dashboards.desk.deliveries("ann", 9)) == 1
    await desk.end()
    told = await desk.dashboards.desk.deliveries("ann", 9)
    assert [d["alert"]["count"] for d in told] == [2, 1]


async def test_a_message_is_dealt_with_when_its_alerts_are_on_the_disk(desk: Desk) -> None:
    await desk.keep("alert", "ups", {"scans": ["up"]})
    role = await desk.begin()
    taken: list[bool] = []

    async def take() -> None:
        taken.append(await role.alerter.take(message(signal("s1"))))

    with closed_table(role.alerting):
        async with running(take()):
            await until(lambda: "can't be kept" in role.alerter.fault, "what fails")
            assert taken == []
    assert await desk.dashboards.desk.deliveries("ann", 9) == []
    await desk.end()  # killed: the queue hands it out again

    again = await desk.begin()
    assert await again.alerter.take(message(signal("s1")))
    assert len(await desk.dashboards.desk.deliveries("ann", 9)) == 1
    assert again.alerter.fault == ""


async def test_cooldowns_outlast_the_role_and_what_waited_is_late_or_of_no_use(desk: Desk) -> None:
    await desk.keep("alert", "ups", {"scans": ["up"], "cooldown_s": 60})
    role = await desk.begin()
    await role.alerter.take(message(signal("s1", ts_ns=NOW - 30 * S)))
    await desk.end()

    role = await desk.begin()
    hops = Hops(exchange_ns=NOW - 3 * S, receive_ns=NOW - 3 * S, fire_ns=NOW - 3 * S)
    held, late = signal("s2"), signal("s3", "B", ts_ns=NOW - 3 * S, hops=hops)
    old = signal("s4", "C", ts_ns=NOW - OLDEST_NS - S)
    await role.alerter.take(message(held, late, old))
    assert (role.alerting.router.held, role.alerter.counts["old"]) == ({"cooldown": 1}, 1)
    told = await desk.dashboards.desk.deliveries("ann", 9)
    assert [(d["alert"]["signal"], d["alert"]["late"]) for d in told] == [
        ("s3", True),
        ("s1", False),
    ]


async def test_a_level_is_reached_by_the_price_that_comes_and_rests_by_the_gateways_hand(
    desk: Desk,
) -> None:
    role = await desk.begin()
    level = {"symbol": "A", "price": 10.0, "side": "above"}
    async with running(role.accounts.follow(desk.users), role.alerting.run()):
        await desk.keep("level", "ten", level)
        await until(lambda: role.alerting.levels.count, "the level")
        role.prices._want()
        assert role.bus.wanted() == {"prices", "price:A"}
        for symbol, ts_ns, last in (
            ("B", NOW, 11.0), ("A", NOW - 6 * S, 11.0), ("A", NOW, 0.0), ("A", NOW, 9.0),
        ):  # fmt: skip
            price(role, symbol, ts_ns, last)
        role.prices._heard("prices", {"mark": "x"})
        assert (role.alerting.levels.count, role.prices.refused) == (1, 1)
        price(role, "A", NOW + S)
        await until(lambda: desk.dashboards.desk.deliveries("ann", 9), "its alert")
        await desk.dashboards.look()
        kept = await desk.kept.documents.show("level", "ann", "ten")
        assert (kept.version, kept.body["reached_ns"]) == (2, NOW + S)
        await until(lambda: not role.alerting.levels.count, "the role to know")
        role.prices._want()
        assert role.bus.wanted() == frozenset()


def price(role: AlertRole, symbol: str, ts_ns: int, last: float = 11.0) -> None:
    """Let a price come over the bus."""
    role.prices._heard("prices", {"mark": ts_ns, "ts_ns": ts_ns, "prices": {symbol: last}})


async def test_the_accounts_are_the_gateways(desk: Desk) -> None:
    await desk.keep("alert", "ups", {"scans": ["up"]})
    role = await desk.begin()
    assert role.alerting.router.count == 1
    async with running(role.accounts.follow(desk.users), role.alerting.run()):
        await desk.kept.users.write(Account("root", "admin"), "a long password", new=True)
        await until(lambda: not role.alerting.router.count, "ann to have no account")
        assert desk.users.role("root") == "admin"


async def test_a_role_that_would_get_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"set \[scale_out\] alert = true"):
        await serve(Config(), tmp_path)
