"""Alerting: signals and prices of each mark to alerts, to the outbox, to people."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import structlog

from tapelight.alerts._post import Allowed, Post
from tapelight.alerts.levels import Levels, Reached, Side
from tapelight.alerts.router import Key, Moment, Router
from tapelight.alerts.sender import Sender
from tapelight.app.alertdesk import AlertDesk, rest
from tapelight.app.channels import Channels
from tapelight.app.rulebook import Rulebook
from tapelight.app.views import last_prices, phase_and_session
from tapelight.config import Config
from tapelight.engine import Cycle, Engine
from tapelight.errors import Rejected, Unavailable
from tapelight.model.alerts import BROWSER, Alert, delivery
from tapelight.model.signals import Signal
from tapelight.ports import Bus, Json
from tapelight.stores import outbox
from tapelight.stores.database import Database
from tapelight.stores.documents import DocumentStore
from tapelight.stores.outbox import Outbox
from tapelight.stores.sides import Sides
from tapelight.stores.users import UserStore

log = structlog.get_logger()
FILE = "alerts.db"
LOOK_S = 0.25
WAITING = 10_000
"""Alerts that may wait for the disk; what comes beyond is counted as lost."""
REMEMBERED = 5_000
"""Alerts before a start that are read again: for cooldowns and who was seen, and for dashboards."""


class Alerting:
    """Listen to the scanner's cycles; tell people, and keep the receipts. `desk` is the gateway's."""

    def __init__(self, data: Path, documents: DocumentStore, config: Config, bus: Bus) -> None:
        self._post = Post(Allowed(config.alerts.allow))
        self.channels_of = Channels(documents, config.channel, self._post)
        self._database = Database(data / FILE, outbox.METADATA)
        self.outbox = Outbox(self._database)
        self.sender = Sender(self.outbox, self.channels_of.find, self._post)
        self._sides = Sides(self._database)
        self.router = Router()
        self.levels = Levels()
        self.book = Rulebook(documents, self.router, self.levels)
        self.sender.forbids = lambda delivery: self.book.forbids(delivery, self.now_ns)
        self.lost = 0
        self.now_ns = 0
        """The newest mark."""
        self.desk = AlertDesk(self.outbox, self.channels_of, self.sender, bus, lambda: self.now_ns)
        self.receipt: Callable[[str], str] = self.desk.receipt
        """Returns the receipt of a delivery to a person's dashboards."""
        self.rest: Callable[[Reached], Awaitable[None]] = lambda reached: rest(
            documents, reached.key, reached.version, reached.alert.ts_ns
        )
        """Notes that a level was reached; raises Rejected where its owner has changed it."""
        self._before: Sequence[Alert] | None = None
        """What was alerted before the start, until market time tells what of it counts."""
        self._ended_ns = 0
        """The mark of the last signal before which what was gathered has been told."""
        self._waiting: list[Alert] = []
        self._reached: list[Reached] = []
        self._news = asyncio.Event()
        self._stepping = asyncio.Lock()

    def belong_to(self, users: UserStore) -> None:
        """Ask accounts who may be told, and by which channels."""
        self.book.barred = users.is_barred
        self.channels_of.role_of = users.role

    def on_cycle(self, cycle: Cycle, engine: Engine) -> None:
        """Take a mark's signals and prices; nothing here waits."""
        moment = _moment(engine, cycle.mark.ts_ns)
        self._remember(moment.now_ns)
        self._take(self.router.route(cycle.signals, moment))
        if cycle.whole:
            self._take(self.router.tick(moment))
        if symbols := self.levels.symbols:
            self.on_prices(last_prices(engine, symbols), moment.now_ns)

    def on_prices(self, prices: Mapping[str, float], now_ns: int) -> None:
        """Take last prices that are neither old nor provisional."""
        reached = self.levels.check(prices, now_ns)
        self._reached += reached
        self._take([r.alert for r in reached])

    def on_signal(self, signal: Signal, moment: Moment) -> None:
        """Take a signal of the mark that `moment` is, which ends what was gathered up to it.

        It is of another process's engine, or of before a restart: nobody else may tell the time.
        """
        self._remember(moment.now_ns)
        if moment.now_ns != self._ended_ns:
            self._ended_ns = moment.now_ns
            self._take(self.router.tick(moment))
        self._take(self.router.route([signal], moment))

    def on_time(self, moment: Moment) -> None:
        """Take market time as another process tells it: its word counts, also where it is earlier."""
        self._remember(moment.now_ns)
        self.now_ns = moment.now_ns
        self._take(self.router.tick(moment))

    def again(self, signals: Sequence[Signal], engine: Engine) -> None:
        """Take the signals that a run gives again after a restart: known ones are not told twice."""
        self._remember(engine.last_mark_ns)
        for signal in signals:
            self.on_signal(signal, _moment(engine, signal.mark))

    async def run(self) -> None:
        """Follow what users write, fill the outbox and empty it, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.sender.run(), name="alert sender")
            group.create_task(self._fill(), name="alert outbox")

    async def load(self) -> None:
        """Read rules and levels; to be called before the first cycle."""
        self.levels.recall(Side(Key(*row[:2]), *row[2:]) for row in await self._sides.all())
        await self.book.read()
        self._before = [alert for _, alert in await self.outbox.told(BROWSER, REMEMBERED)]
        for alert in self._before:
            self.desk.note(alert)

    async def close(self) -> None:
        """Tell what is gathered, as an end of the process would forget it; close connections and outbox."""
        self._take(self.router.end(Moment(self.now_ns)))
        if self._waiting:
            try:
                await self.step()
            except Unavailable as error:
                log.warning("alerts are lost, for they can't be kept", reason=str(error))
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

    # from alerts to the outbox

    def _remember(self, now_ns: int) -> None:
        """Note the time; at the first one the router gets back what was alerted up to it."""
        self.now_ns = max(self.now_ns, now_ns)
        if self._before is not None and now_ns:
            self.router.remember(alert for alert in self._before if alert.ts_ns <= now_ns)
            self._before = None

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
            delivery(alert, name, now, self.receipt(alert.owner))
            for alert in alerts for name in alert.channels
        ])  # fmt: skip
        del self._waiting[: len(alerts)]
        shown = [d.alert for d in fresh if d.channel == BROWSER]
        for alert in shown:
            self.desk.note(alert)
        self.desk.publish(shown)
        if any(d.state == "waiting" for d in fresh):
            self.sender.kick()

    async def _rest_levels(self) -> None:
        """Note which levels were reached, so that none alerts again after a restart."""
        while self._reached:
            try:
                await self.rest(self._reached[0])
            except Rejected:  # its owner has changed or deleted it meanwhile
                self.book.forget()
            self._reached.pop(0)


def _moment(engine: Engine, now_ns: int) -> Moment:
    return Moment(now_ns, *phase_and_session(engine, now_ns))
