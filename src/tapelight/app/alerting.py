"""Alerting: signals and prices of each mark to alerts, to the outbox, to people."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import structlog

from tapelight.alerts._post import Allowed, Post
from tapelight.alerts.levels import Levels, Reached
from tapelight.alerts.router import Key, Moment, Router, rule_of
from tapelight.alerts.sender import Sender
from tapelight.app.channels import Channels
from tapelight.config import Config
from tapelight.engine import Cycle, Engine
from tapelight.errors import Rejected, Unavailable
from tapelight.model.alerts import BROWSER, MUTE, Alert, Level, delivery, hashed
from tapelight.model.session import PHASES
from tapelight.model.signals import Signal
from tapelight.ports import Bus, Document, Json
from tapelight.stores import outbox
from tapelight.stores.database import Database
from tapelight.stores.documents import DocumentStore
from tapelight.stores.outbox import Outbox

log = structlog.get_logger()
FILE = "alerts.db"
LOOK_S = 0.25
WAITING = 10_000
"""Alerts that may wait for the disk; what comes beyond is counted as lost."""
STALE_NS = 5_000_000_000
RULE, LEVEL, WATCHLIST = "alert", "level", "watchlist"


class Alerting:
    """Listen to the scanner's cycles; tell people, and keep the receipts."""

    def __init__(self, data: Path, documents: DocumentStore, config: Config, bus: Bus) -> None:
        self._documents = documents
        self._bus = bus
        self._post = Post(Allowed(config.alerts.allow))
        self._channels = Channels(documents, config.channel, self._post)
        self._database = Database(data / FILE, outbox.METADATA)
        self.outbox = Outbox(self._database)
        self.sender = Sender(self.outbox, self._channels.find, self._post)
        self.router = Router()
        self.levels = Levels()
        self.lost = 0
        self._seen_changes = -1
        self._waiting: list[Alert] = []
        self._reached: list[Reached] = []
        self._news = asyncio.Event()

    def on_cycle(self, cycle: Cycle, engine: Engine) -> None:
        """Take a mark's signals and prices; nothing here waits."""
        moment = _moment(engine, cycle.mark.ts_ns)
        self._take(self.router.route(cycle.signals, moment))
        if cycle.whole:
            self._take(self.router.tick(moment))
        symbols = self.levels.symbols
        if symbols:
            reached = self.levels.check(_prices(engine, symbols), moment.now_ns)
            self._reached += reached
            self._take([r.alert for r in reached])

    def again(self, signals: Sequence[Signal], engine: Engine) -> None:
        """Take the signals that a run gives again after a restart: known ones are not told twice."""
        for signal in signals:
            self._take(self.router.route([signal], _moment(engine, signal.mark)))

    async def run(self) -> None:
        """Follow what users write, fill the outbox and empty it, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.sender.run(), name="alert sender")
            group.create_task(self._fill(), name="alert outbox")

    async def load(self) -> None:
        """Read rules and levels; to be called before the first cycle."""
        self._seen_changes = self._documents.changes
        rules, symbols = await self._rules()
        mutes = await self._documents.all(MUTE)
        until = {Key(d.owner, d.name): int(d.body["until_ns"]) for d in mutes}
        self.router.follow(rules, symbols, until)
        levels = await self._documents.all(LEVEL)
        self.levels.follow({
            Key(d.owner, d.name): (d.version, msgspec.convert(d.body, Level)) for d in levels
        })  # fmt: skip

    async def close(self) -> None:
        """Close the connections and the outbox."""
        await self._post.close()
        self._database.close()

    def status(self) -> dict[str, Json]:
        """Return what /health shows."""
        return {
            "rules": self.router.count,
            "levels": self.levels.count,
            "waiting": len(self._waiting),
            "lost": self.lost,
            "held": dict(self.router.held),
            "deliveries": dict(self.sender.counters),
        }

    # what the gateway asks

    async def channels(self, owner: str) -> Sequence[Mapping[str, Json]]:
        """Return what a user may use."""
        return await self._channels.all(owner)

    async def write_channel(
        self, owner: str, name: str, body: Mapping[str, Json] | None, expected: str
    ) -> Mapping[str, Json]:
        """Write or delete a user's own channel."""
        return await self._channels.write(owner, name, body, expected)

    async def test(self, owner: str, name: str) -> Mapping[str, Json]:
        """Send a test alert at once."""
        now = time.time_ns()
        alert = Alert(
            id=hashed(owner, name, "test", now), owner=owner, rule="test", kind="test",
            text="Tapelight: this is a test, alerts arrive here.", ts_ns=now,
        )  # fmt: skip
        if name == BROWSER:
            self._publish([alert])
            return {"ok": True, "answer": "shown on the dashboard"}
        after = await self.sender.send(delivery(alert, name, now))
        return {"ok": after.state == "sent", "answer": after.answer}

    async def deliveries(self, owner: str, limit: int) -> Sequence[Mapping[str, Json]]:
        """Return a user's deliveries, the newest first."""
        found = await self.outbox.newest(owner, limit)
        return [msgspec.to_builtins(delivery) for delivery in found]

    # from alerts to the outbox

    def _take(self, alerts: Sequence[Alert]) -> None:
        room = WAITING - len(self._waiting)
        self.lost += max(len(alerts) - room, 0)
        self._waiting += alerts[:room]
        if alerts:
            self._news.set()

    async def _fill(self) -> None:
        while True:
            try:
                await self.step()
            except Unavailable as error:  # the disk: what waits goes on waiting
                log.warning("alerts can't be kept, trying again", reason=str(error))
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def step(self) -> None:
        """Read what users changed; put what waits into the outbox and show it on dashboards."""
        if self._documents.changes != self._seen_changes:
            await self.load()
        self._news.clear()
        await self._rest_levels()
        alerts = list(self._waiting)
        if not alerts:
            return
        now = time.time_ns()
        made = [delivery(alert, name, now) for alert in alerts for name in alert.channels]
        fresh = await self.outbox.add(made)
        del self._waiting[: len(alerts)]
        self._publish([d.alert for d in fresh if d.channel == BROWSER])
        if any(d.state == "waiting" for d in fresh):
            self.sender.kick()

    async def _rest_levels(self) -> None:
        """Note which levels were reached, so that none alerts again after a restart."""
        while self._reached:
            reached = self._reached[0]
            owner, name = reached.key
            try:
                kept = await self._documents.show(LEVEL, owner, name, reached.version)
                rests = replace(kept, body={**kept.body, "reached_ns": reached.alert.ts_ns}, of=0)
                await self._documents.write(rests, str(reached.version))
            except Rejected:  # its owner has changed or deleted it meanwhile
                self._seen_changes = -1
            self._reached.pop(0)

    def _publish(self, alerts: Sequence[Alert]) -> None:
        by_owner: dict[str, list[Json]] = {}
        for alert in alerts:
            by_owner.setdefault(alert.owner, []).append(msgspec.to_builtins(alert))
        for owner, told in by_owner.items():
            stamp = max(alert["ts_ns"] for alert in told)
            self._bus.publish(f"alerts:{owner}", {"mark": stamp, "ts_ns": stamp, "alerts": told})

    async def _rules(self) -> tuple[dict[Key, Any], dict[Key, frozenset[str]]]:
        """Return the rules of all users, and the symbols of the watchlists that they name."""
        lists = await self._documents.all(WATCHLIST)
        rules, symbols = {}, {}
        for document in await self._documents.all(RULE):
            key = Key(document.owner, document.name)
            rules[key] = rule = rule_of(document.body)
            if rule.watchlist:
                symbols[key] = _symbols(rule.watchlist, document.owner, lists)
        return rules, symbols


def _symbols(name: str, owner: str, lists: Sequence[Document]) -> frozenset[str]:
    """Return the symbols of a watchlist: an own one, or OWNER/NAME that is shared."""
    whose, _, title = name.rpartition("/")
    for document in lists:
        is_it = document.name == title and document.owner == (whose or owner)
        if is_it and (document.owner == owner or document.shared):
            return frozenset(document.body["symbols"])
    return frozenset()


def _moment(engine: Engine, now_ns: int) -> Moment:
    session = engine.table.session
    date = session.date.isoformat() if session is not None else ""
    return Moment(now_ns, PHASES[engine.table.phase()], date)


def _prices(engine: Engine, symbols: frozenset[str]) -> dict[str, float]:
    """Return the last prices that are known and not old."""
    table = engine.table
    if table.now_ns - table.complete_ns > STALE_NS:
        return {}
    found: dict[str, float] = {}
    for symbol in symbols:
        row = table.universe.rows.get(symbol)
        if row is None:
            continue
        state = table.rows[row]
        price = float(state["last"])
        if price > 0 and not state["provisional"]:
            found[symbol] = price
    return found
