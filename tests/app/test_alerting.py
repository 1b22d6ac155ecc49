"""From a mark to people: alerts of a real engine's signals and prices, and after a restart."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tapelight.app.alerting import Alerting
from tapelight.app.control import Control
from tapelight.buses.memory import MemoryBus
from tapelight.config import Config
from tapelight.engine import Cycle, Engine
from tapelight.errors import Unavailable
from tapelight.model.batch import Batch, trades_of
from tapelight.model.records import CalendarChoice, FeedState, Mark, Questions, Symbols
from tapelight.model.signals import Signal
from tapelight.ports import Document, Json

MS = 1_000_000
NS = 1_000_000_000
START = 1_795_185_000 * NS
TEXTS = {
    "up": '-- gate = "none"\n-- kind = "events"\nSELECT symbol, last FROM market WHERE last > 10'
}


class Desk:
    """An engine of two symbols, and the alerting that listens to it."""

    def __init__(self, data: Path) -> None:
        self.told: list[tuple[str, Mapping[str, Json]]] = []
        bus = MemoryBus()
        bus.subscribe(lambda topic, state: self.told.append((topic, state)))
        self.control = Control(data, Config(), bus)
        self.alerting = self.control.alerting
        self.engine = Engine()
        for record in (CalendarChoice("XNYS"), Symbols(0, ["A", "B"]), Questions(TEXTS)):
            self.engine.apply(record)

    async def keep(self, kind: str, name: str, body: Mapping[str, Json]) -> None:
        """Write a document of ann's and let the alerting see it."""
        await self.control.documents.write(Document(kind, "ann", name, 0, dict(body)), "*")
        await self.alerting.step()

    def trade(self, row: int, price: float, ts_ns: int) -> None:
        self.engine.apply(Batch(ts_ns, trades_of([row], [ts_ns], [price], [100.0], [0], [0], [0])))

    async def mark(self, ts_ns: int, complete_ns: int | None = None) -> list[Signal]:
        cycle = self.engine.apply(Mark(ts_ns, ts_ns if complete_ns is None else complete_ns))
        assert isinstance(cycle, Cycle)
        self.alerting.on_cycle(cycle, self.engine)
        await self.alerting.step()
        return cycle.signals

    def texts(self) -> list[str]:
        """Return the words of all alerts shown so far."""
        return [alert["text"] for _, state in self.told for alert in state["alerts"]]


@pytest.fixture
async def desks(tmp_path: Path) -> AsyncIterator[Callable[[], Desk]]:
    """Make desks over one data folder, one after the other."""
    made: list[Desk] = []

    def make() -> Desk:
        made.append(Desk(tmp_path))
        return made[-1]

    yield make
    await made[-1].control.close()


async def test_a_signal_is_told_once_also_when_a_run_gives_it_again(
    desks: Callable[[], Desk],
) -> None:
    desk = desks()
    await desk.keep("alert", "ups", {"scans": ["up"]})
    desk.trade(0, 10.5, START + MS)
    signals = await desk.mark(START + 50 * MS)
    assert [(s.symbol, s.state) for s in signals] == [("A", "fired")]
    ((topic, state),) = desk.told
    assert (topic, state["ts_ns"]) == ("alerts:ann", START + 50 * MS)
    assert [(a["symbol"], a["scan"], a["rule"]) for a in state["alerts"]] == [("A", "up", "ups")]
    await desk.control.close()

    after = desks()
    await after.alerting.load()
    after.alerting.again(signals, after.engine)
    await after.alerting.step()
    assert after.told == []
    assert len(await after.alerting.desk.deliveries("ann", 10)) == 1


async def test_a_kill_between_a_signal_and_its_alert_is_made_up_for(
    desks: Callable[[], Desk],
) -> None:
    desk = desks()
    await desk.keep("alert", "ups", {"scans": ["up"]})
    desk.trade(0, 10.5, START + MS)
    cycle = desk.engine.apply(Mark(START + 50 * MS, START + 50 * MS))
    assert isinstance(cycle, Cycle)
    desk.alerting.on_cycle(cycle, desk.engine)  # and no step: it is in memory alone
    desk.alerting._waiting.clear()  # as a kill leaves it; an ordinary end writes it
    await desk.control.close()

    after = desks()
    await after.alerting.load()
    after.alerting.again(cycle.signals, after.engine)
    await after.alerting.step()
    assert len(after.texts()) == 1


async def test_a_level_is_reached_by_the_tables_last_price(desks: Callable[[], Desk]) -> None:
    desk = desks()
    await desk.keep("level", "ten", {"symbol": "B", "price": 10.0})
    await desk.mark(START + 50 * MS)
    desk.trade(1, 9.9, START + 60 * MS)
    await desk.mark(START + 100 * MS)
    assert desk.texts() == []
    desk.trade(1, 10.05, START + 110 * MS)
    await desk.mark(START + 150 * MS)
    assert desk.texts() == ["B has crossed 10, last 10.05"]
    desk.trade(1, 9.9, START + 160 * MS)
    await desk.mark(START + 200 * MS)
    assert len(desk.texts()) == 1
    kept = await desk.control.documents.show("level", "ann", "ten")
    assert (kept.version, kept.body["reached_ns"]) == (2, START + 150 * MS)


async def test_an_old_or_provisional_price_reaches_nothing(desks: Callable[[], Desk]) -> None:
    desk = desks()
    await desk.keep("level", "ten", {"symbol": "B", "price": 10.0, "side": "above"})
    desk.trade(1, 11.0, START + MS)
    await desk.mark(START + 6 * NS, complete_ns=START + 50 * MS)
    assert desk.texts() == []
    desk.engine.apply(FeedState(START + 6 * NS, "f", "gap", "", True, START + 6 * NS))
    await desk.mark(START + 7 * NS)
    assert desk.texts() == []


async def test_a_level_that_its_owner_moves_meanwhile_is_the_owners(
    desks: Callable[[], Desk],
) -> None:
    desk = desks()
    await desk.keep("level", "ten", {"symbol": "B", "price": 10.0, "side": "above"})
    desk.trade(1, 11.0, START + MS)
    cycle = desk.engine.apply(Mark(START + 50 * MS, START + 50 * MS))
    assert isinstance(cycle, Cycle)
    moved = {"symbol": "B", "price": 11.1, "side": "above"}
    await desk.control.documents.write(Document("level", "ann", "ten", 0, moved), "*")
    desk.alerting.on_cycle(cycle, desk.engine)
    await desk.alerting.step()
    assert desk.texts() == ["B is at or above 10, last 11"]
    await desk.alerting.step()
    assert desk.alerting.levels.count == 1
    desk.trade(1, 11.2, START + 60 * MS)
    await desk.mark(START + 100 * MS)
    assert len(desk.texts()) == 2


async def test_a_levels_alert_is_on_the_disk_before_the_level_rests(
    desks: Callable[[], Desk],
) -> None:
    desk = desks()
    await desk.keep("level", "ten", {"symbol": "B", "price": 10.0, "side": "above"})
    desk.trade(1, 10.5, START + MS)
    cycle = desk.engine.apply(Mark(START + 50 * MS, START + 50 * MS))
    assert isinstance(cycle, Cycle)
    desk.alerting.on_cycle(cycle, desk.engine)
    await desk.alerting._keep_alerts()  # and killed before the level rests
    assert len(await desk.alerting.desk.deliveries("ann", 9)) == 1
    await desk.control.close()

    after = desks()
    await after.alerting.load()
    after.trade(1, 10.5, START + 60 * MS)
    await after.mark(START + 100 * MS)
    assert len(await after.alerting.desk.deliveries("ann", 9)) == 1, "told once, by its id"
    kept = await after.control.documents.show("level", "ann", "ten")
    assert kept.body["reached_ns"] == START + 100 * MS


async def test_a_disk_that_refuses_leaves_the_level_waiting(
    desks: Callable[[], Desk],
) -> None:
    desk = desks()
    await desk.keep("level", "ten", {"symbol": "B", "price": 10.0, "side": "above"})
    desk.trade(1, 10.5, START + MS)
    with closed_table(desk.alerting):
        with pytest.raises(Unavailable):
            await desk.mark(START + 50 * MS)
        kept = await desk.control.documents.show("level", "ann", "ten")
        assert "reached_ns" not in kept.body
    await desk.alerting.step()
    assert desk.texts() == ["B is at or above 10, last 10.5"]
    kept = await desk.control.documents.show("level", "ann", "ten")
    assert kept.body["reached_ns"] == START + 50 * MS


@contextmanager
def closed_table(alerting: Alerting) -> Iterator[None]:
    """Let the outbox's table be another one's for a while: every write to it fails."""
    database = alerting._database
    rename = "ALTER TABLE {} RENAME TO {}"
    for old, new in (("deliveries", "away"), ("away", "deliveries")):
        database.at_once(lambda c, o=old, n=new: c.exec_driver_sql(rename.format(o, n)))  # type: ignore[misc]
        if old == "deliveries":
            yield


async def test_a_price_that_crosses_while_the_scanner_is_away_alerts(
    desks: Callable[[], Desk],
) -> None:
    desk = desks()
    await desk.keep("level", "ten", {"symbol": "B", "price": 10.0})
    desk.trade(1, 9.5, START + MS)
    await desk.mark(START + 50 * MS)
    await desk.control.close()
    after = desks()
    await after.alerting.load()
    after.trade(1, 10.5, START + 60 * NS)
    await after.mark(START + 61 * NS)
    assert after.texts() == ["B has crossed 10, last 10.5"]


async def test_new_only_and_dashboards_know_what_was_alerted_before_a_restart(
    desks: Callable[[], Desk],
) -> None:
    rule = {"scans": ["up"], "new_only": True, "cooldown_s": 0}
    desk = desks()
    await desk.keep("alert", "ups", rule)
    desk.trade(0, 10.5, START + MS)
    await desk.mark(START + NS)
    assert len(desk.texts()) == 1
    await desk.control.close()
    after = desks()
    await after.alerting.load()
    assert [alert["symbol"] for alert in after.alerting.desk.newest("ann")] == ["A"]
    assert after.alerting.desk.newest("bob") == []
    after.trade(0, 10.6, START + 60 * NS)
    after.trade(1, 10.6, START + 60 * NS)
    assert len(await after.mark(START + 61 * NS)) == 2
    assert [alert["symbol"] for alert in after.alerting.desk.newest("ann")] == ["A", "B"]
    assert after.alerting.router.held == {"seen": 1}


async def test_what_waits_is_dropped_when_its_rule_or_level_is_gone_or_goes_elsewhere(
    desks: Callable[[], Desk],
) -> None:
    desk = desks()
    await desk.keep("alert", "ups", {"scans": ["up"], "channels": ["hook"]})
    desk.trade(0, 10.5, START + MS)
    await desk.mark(START + 50 * MS)
    (waits,) = [d for d in await desk.alerting.outbox.newest("ann", 9) if d.channel == "hook"]
    forbids, now = desk.alerting.book.forbids, START + 50 * MS
    assert forbids(waits, now) == ""
    for kind, name, body, words in (
        ("mute", "A", {"until_ns": START + 60 * NS}, "muted"),
        ("mute", "A", {"until_ns": 0}, ""),
        ("alert", "ups", {"scans": ["up"]}, "no longer goes there"),
        ("alert", "ups", {"scans": ["up"], "channels": ["hook"], "enabled": False}, "off"),
        ("alert", "ups", {"scans": ["up"], "channels": ["hook"],
                          "snoozed_until_ns": START + 60 * NS}, "snoozed"),
    ):  # fmt: skip
        await desk.keep(kind, name, body)
        assert words in forbids(waits, now), body
        assert bool(forbids(waits, now)) is bool(words)
    await desk.control.documents.write(Document("alert", "ann", "ups", 0, None), "*")
    await desk.alerting.step()
    assert "deleted" in forbids(waits, now)


async def test_a_document_of_another_version_of_ours_hinders_no_other(
    desks: Callable[[], Desk],
) -> None:
    desk = desks()
    await desk.keep("alert", "odd", {"scans": ["up"], "colour": "red"})
    await desk.keep("level", "odd", {"symbol": "B"})
    await desk.keep("alert", "ups", {"scans": ["up"]})
    assert (desk.alerting.router.count, desk.alerting.levels.count) == (1, 0)
