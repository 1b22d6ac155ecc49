"""Alerting: signals and prices of each mark to alerts, to the outbox, to people."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import structlog

from tapelight.alerts._post import Allowed, Post
from tapelight.alerts.levels import Levels, Reached, Side
from tapelight.alerts.router import Key, Moment, Router
from tapelight.alerts.sender import Sender
from tapelight.app.channels import Channels
from tapelight.app.rulebook import LEVEL, Rulebook
from tapelight.config import Config
from tapelight.engine import Cycle, Engine
from tapelight.errors import Rejected, Unavailable
from tapelight.model.alerts import BROWSER, HEARD, UNHEARD, Alert, delivery, hashed
from tapelight.model.session import PHASES
from tapelight.model.signals import Signal
from tapelight.ports import Bus, Json
from tapelight.stores import outbox
from tapelight.stores.database import Database
from tapelight.stores.documents import DocumentStore
from tapelight.stores.outbox import Outbox
from tapelight.stores.sides import Sides

log = structlog.get_logger()
FILE = "alerts.db"
LOOK_S = 0.25
WAITING = 10_000
"""Alerts that may wait for the disk; what comes beyond is counted as lost."""
STALE_NS = 5_000_000_000
REMEMBERED = 5_000
"""Alerts before a start that are read again: for cooldowns and who was seen, and for dashboards."""
SHOWN = 100
"""Alerts that a dashboard is told when it opens."""


class Alerting:
    """Listen to the scanner's cycles; tell people, and keep the receipts."""

    def __init__(self, data: Path, documents: DocumentStore, config: Config, bus: Bus) -> None:
        self._documents = documents
        self._bus = bus
        self._post = Post(Allowed(config.alerts.allow))
        self.channels_of = Channels(documents, config.channel, self._post)
        self._database = Database(data / FILE, outbox.METADATA)
        self.outbox = Outbox(self._database)
        self.sender = Sender(self.outbox, self.channels_of.find, self._post)
        self._sides = Sides(self._database)
        self.router = Router()
        self.levels = Levels()
        self.book = Rulebook(documents, self.router, self.levels)
        self.sender.forbids = lambda delivery: self.book.forbids(delivery, self._now_ns)
        self.lost = 0
        self._now_ns = 0
        """The newest mark."""
        self._before: Sequence[Alert] | None = None
        """What was alerted before the start, until market time tells what of it counts."""
        self._newest: dict[str, deque[Alert]] = {}
        """What was told on dashboards, by owner."""
        self._waiting: list[Alert] = []
        self._reached: list[Reached] = []
        self._news = asyncio.Event()
        self._stepping = asyncio.Lock()

    def on_cycle(self, cycle: Cycle, engine: Engine) -> None:
        """Take a mark's signals and prices; nothing here waits."""
        moment = _moment(engine, cycle.mark.ts_ns)
        self._remember(moment.now_ns)
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
        self._remember(engine.last_mark_ns)
        for signal in signals:
            self._take(self.router.route([signal], _moment(engine, signal.mark)))

    async def run(self) -> None:
        """Follow what users write, fill the outbox and empty it, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.sender.run(), name="alert sender")
            group.create_task(self._fill(), name="alert outbox")

    async def load(self) -> None:
        """Read rules and levels; to be called before the first cycle."""
        self.levels.recall(Side(Key(*row[:2]), *row[2:]) for row in await self._sides.all())
        await self.book.read()
        self._before = await self.outbox.told(BROWSER, REMEMBERED)
        for alert in self._before:
            self._note(alert)

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
        return await self.channels_of.all(owner)

    async def write_channel(
        self, owner: str, name: str, body: Mapping[str, Json] | None, expected: str
    ) -> Mapping[str, Json]:
        """Write or delete a user's own channel."""
        return await self.channels_of.write(owner, name, body, expected)

    async def test(self, owner: str, name: str) -> Mapping[str, Json]:
        """Send a test alert at once."""
        now = time.time_ns()
        alert = Alert(
            id=hashed(owner, name, "test", now), owner=owner, rule="test", kind="test",
            text="Tapelight: this is a test, alerts arrive here.", ts_ns=self._now_ns or now,
        )  # fmt: skip
        if name == BROWSER:
            answer = HEARD if self._hears(owner) else UNHEARD
            self._publish([alert])
            return {"ok": answer == HEARD, "answer": answer}
        after = await self.sender.send(delivery(alert, name, now))
        return {"ok": after.state == "sent", "answer": after.answer}

    async def deliveries(self, owner: str, limit: int) -> Sequence[Mapping[str, Json]]:
        """Return a user's deliveries, the newest first."""
        found = await self.outbox.newest(owner, limit)
        return [msgspec.to_builtins(delivery) for delivery in found]

    def newest(self, owner: str) -> Sequence[Mapping[str, Json]]:
        """Return the newest alerts told on a person's dashboards, the oldest first."""
        return [msgspec.to_builtins(alert) for alert in self._newest.get(owner, ())]

    # from alerts to the outbox

    def _remember(self, now_ns: int) -> None:
        """Note the time; at the first one the router gets back what was alerted up to it."""
        self._now_ns = max(self._now_ns, now_ns)
        if self._before is not None and now_ns:
            self.router.remember(alert for alert in self._before if alert.ts_ns <= now_ns)
            self._before = None

    def _note(self, alert: Alert) -> None:
        self._newest.setdefault(alert.owner, deque(maxlen=SHOWN)).append(alert)

    def _hears(self, owner: str) -> bool:
        """Tell whether a dashboard of a person's is open."""
        return f"alerts:{owner}" in self._bus.wanted()

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
        """Read what users changed; put what waits into the outbox and show it on dashboards.

        A level rests only when its alert is on the disk: after a kill between the two it is reached
        again, and told once, for its id is the same.
        """
        async with self._stepping:
            if self.book.is_old:
                await self.book.read()
            self._news.clear()
            await self._keep_alerts()
            await self._rest_levels()
            await self._keep_sides()

    async def _keep_sides(self) -> None:
        noted = list(self.levels.noted)
        if noted:
            await self._sides.keep([(*s.key, s.version, s.above) for s in noted])
            del self.levels.noted[: len(noted)]

    async def _keep_alerts(self) -> None:
        alerts = list(self._waiting)
        if not alerts:
            return
        now = time.time_ns()
        fresh = await self.outbox.add([
            delivery(alert, name, now, heard=self._hears(alert.owner))
            for alert in alerts for name in alert.channels
        ])  # fmt: skip
        del self._waiting[: len(alerts)]
        shown = [d.alert for d in fresh if d.channel == BROWSER]
        for alert in shown:
            self._note(alert)
        self._publish(shown)
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
                self.book.forget()
            self._reached.pop(0)

    def _publish(self, alerts: Sequence[Alert]) -> None:
        by_owner: dict[str, list[Json]] = {}
        for alert in alerts:
            by_owner.setdefault(alert.owner, []).append(msgspec.to_builtins(alert))
        for owner, told in by_owner.items():
            stamp = self._now_ns or max(alert["ts_ns"] for alert in told)
            self._bus.publish(f"alerts:{owner}", {"mark": stamp, "ts_ns": stamp, "alerts": told})


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
