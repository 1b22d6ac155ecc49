"""The alert role: it takes signals from their queue, and alerts people by a gateway's rules.

It works in the `--data` of a gateway, and reads there what users write. A message is dealt with when its
alerts are in the outbox on the disk; one that comes twice gives the same ids. Prices for levels come over
the bus, as a gateway gets them, market time from what the feed tells of itself.
"""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import structlog

from tapelight.alerts.budget import OLDEST_NS
from tapelight.alerts.router import Moment
from tapelight.app.alerting import Alerting
from tapelight.app.control import FILE as USERS
from tapelight.app.measures import alert_measures
from tapelight.app.observing import Observing
from tapelight.app.publish import PRICE, PRICES
from tapelight.app.roles.consumer import consume, read
from tapelight.app.roles.hotboards import STATUS
from tapelight.app.roles.outbox import Told
from tapelight.app.roles.services import Services
from tapelight.app.roles.sieve import PricesState, refusals
from tapelight.app.tracing import SignalTraces
from tapelight.app.views import STALE_NS
from tapelight.buses.memory import MemoryBus
from tapelight.config import Config
from tapelight.errors import ConfigError, Unavailable
from tapelight.model.alerts import LEFT
from tapelight.model.signals import Signal
from tapelight.ports import Bus, Hot, Json, Lost, Queue
from tapelight.stores.database import Foreign
from tapelight.stores.documents import DocumentStore
from tapelight.stores.users import UserStore
from tapelight.telemetry import Measure, counted

log = structlog.get_logger()
LOOK_S = 0.25
AGAIN_S = 0.3
BEGIN_S = 10.0
"""For so long the feed's word for the time is waited for; after that signals tell it."""
AT_ONCE = 50
"""Signals whose alerts are written at once."""
MAKER = "the gateway (--role web) with this --data"


class Accounts:
    """Follow a gateway's `users.db`: who there is, and what they write."""

    def __init__(self, database: Foreign) -> None:
        self.documents = DocumentStore(database)
        self.fault = ""
        self._database = database
        self._version = -1

    async def open(self) -> UserStore:
        """Return the accounts; raises Unavailable until the gateway has made the file."""
        self._version = await self._database.version()
        return UserStore(self._database)

    async def follow(self, users: UserStore) -> None:
        """Read the accounts again when the file changes, and let the documents be read; until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._look(users)
                self.fault = ""
            except Unavailable as error:
                if not self.fault:
                    log.warning("what users write can't be read, trying again", reason=str(error))
                self.fault = str(error)

    async def _look(self, users: UserStore) -> None:
        version = await self._database.version()
        if version != self._version:
            await users.refresh()
            self.documents.touch()
            self._version = version

    def close(self) -> None:
        """Close the file."""
        self._database.close()


class Beat(msgspec.Struct, frozen=True):
    """Be what the feed's state must have."""

    ts_ns: int
    phase: str
    session: str


class Prices:
    """Bring the alerting market time, and the prices of the symbols that have levels."""

    def __init__(self, hot: Hot, bus: Bus, alerting: Alerting) -> None:
        self.begun = asyncio.Event()
        self.refused = 0
        """What others wrote or published that is none of ours."""
        self._hot, self._bus, self._alerting = hot, bus, alerting
        self._wanted: frozenset[str] = frozenset()
        bus.subscribe(self._heard)

    async def run(self) -> None:
        """Look at the feed's state, and ask for prices; until cancelled."""
        while True:
            try:
                told = await self._hot.row(STATUS)
                if told is not None:
                    self._beat(told)
            except Unavailable as error:
                log.debug("the feed's state can't be read", reason=str(error))
            self._want()
            await asyncio.sleep(LOOK_S)

    def _beat(self, told: Json) -> None:
        try:
            beat = msgspec.convert(told, Beat)
        except msgspec.ValidationError as error:
            self._refuse(STATUS, error)
            return
        if beat.ts_ns:
            self._alerting.on_time(Moment(beat.ts_ns, beat.phase, beat.session))
            self.begun.set()

    def _want(self) -> None:
        now = self._alerting.levels.symbols
        for symbols, wanted in ((now - self._wanted, True), (self._wanted - now, False)):
            for symbol in symbols:
                self._bus.want(f"{PRICE}:{symbol}", wanted)
        if bool(now) != bool(self._wanted):
            self._bus.want(PRICES, bool(now))
        self._wanted = now

    def _heard(self, topic: str, state: Mapping[str, Json]) -> None:
        if topic != PRICES or not self._wanted:
            return
        try:
            told = msgspec.convert(state, PricesState)
        except msgspec.ValidationError as error:
            self._refuse(topic, error)
            return
        if self._alerting.now_ns - told.ts_ns <= STALE_NS:
            mine = {s: price for s, price in told.prices.items() if s in self._wanted and price > 0}
            self._alerting.on_prices(mine, told.ts_ns)

    def _refuse(self, what: str, error: Exception) -> None:
        if not self.refused:
            log.warning("what another process tells is none of ours", what=what, reason=str(error))
        self.refused += 1


class Alerter:
    """Alert what the queue brings."""

    def __init__(self, queue: Queue, alerting: Alerting) -> None:
        self.counts = {"received": 0, "refused": 0, "lost": 0, "old": 0}
        self.fault = ""
        self._queue, self._alerting = queue, alerting

    async def run(self, begun: asyncio.Event) -> None:
        """Take signals, once market time is known: of alerts before the start only those up to it count.

        Until cancelled.
        """
        try:
            async with asyncio.timeout(BEGIN_S):
                await begun.wait()
        except TimeoutError:
            log.warning("the feed does not tell the time: the signals' own is taken")
        await consume(self._queue, self.take, self._lose)

    async def _lose(self, lost: Lost) -> None:
        """Alert what the queue gave up, where it can be read: handed back too often, as by many kills."""
        self.counts["lost"] += 1
        taken = await self.take(lost.body)
        log.warning("the queue gave a message up", why=lost.why, taken=taken)

    async def take(self, body: bytes) -> bool:
        """Write a message's alerts; False where this version can't read it: it goes to the quarantine."""
        came = read(body, self.counts)
        if came is None:
            return False
        for at in range(0, len(came.signals), AT_ONCE):
            for signal in came.signals[at : at + AT_ONCE]:
                self._route(signal, came)
            await self._keep()
        self.counts["received"] += len(came.signals)
        return True

    def _route(self, signal: Signal, came: Told) -> None:
        """Let the rules choose; what is older than a delivery may become is of no use any more."""
        now_ns = self._alerting.now_ns
        if now_ns - signal.mark > OLDEST_NS:
            self.counts["old"] += 1
            return
        signal = arrived(signal, now_ns)
        self._alerting.on_signal(signal, Moment(signal.mark, came.phase, came.session))

    async def _keep(self) -> None:
        """Return when everything is on the disk."""
        while True:
            try:
                await self._alerting.step()
            except Unavailable as error:
                if not self.fault:
                    log.warning("alerts can't be kept, trying again", reason=str(error))
                self.fault = f"Alerts can't be kept: {error}"
                await asyncio.sleep(AGAIN_S)
            else:
                self.fault = ""
                return


def arrived(signal: Signal, now_ns: int) -> Signal:
    """Return a signal with the stamp of its coming here, so that one that has waited is told as late.

    Market time is known as the feed told it last: where that was before the mark, nothing is known.
    """
    hops = signal.hops
    if hops is None or hops.fire_ns is None or now_ns <= hops.fire_ns:
        return signal
    return msgspec.structs.replace(signal, hops=msgspec.structs.replace(hops, dispatch_ns=now_ns))


class AlertRole:
    """Hold what the role is made of."""

    def __init__(self, config: Config, data: Path, services: Services) -> None:
        self.accounts = Accounts(Foreign(data / USERS, MAKER))
        self.alerting = Alerting(data, self.accounts.documents, config, MemoryBus())
        self.alerting.receipt = lambda _owner: LEFT
        self.alerting.rest = _left
        self.bus = services.bus()
        self.hot = services.hot()
        self.prices = Prices(self.hot, self.bus, self.alerting)
        self.alerter = Alerter(services.signals("alert"), self.alerting)
        self._waits = "Not begun."

    async def run(self) -> None:
        """Wait for the gateway's file; then alert until cancelled."""
        users = await self._open()
        self.alerting.belong_to(users)
        await self.alerting.load()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.accounts.follow(users), name="accounts")
            group.create_task(self.bus.run(), name="bus")
            group.create_task(self.prices.run(), name="prices")
            group.create_task(self.alerting.run(), name="alerting")
            group.create_task(self.alerter.run(self.prices.begun), name="alerter")

    async def _open(self) -> UserStore:
        while True:
            try:
                users = await self.accounts.open()
            except Unavailable as error:
                if str(error) != self._waits:
                    log.warning("nobody can be alerted yet", reason=str(error))
                self._waits = str(error)
                await asyncio.sleep(LOOK_S)
            else:
                self._waits = ""
                return users

    def unfit(self) -> str | None:
        """Return why nobody is alerted, if so."""
        return self._waits or self.accounts.fault or self.alerter.fault or None

    def measures(self) -> Iterator[Measure]:
        """Yield what came and what went, for /metrics."""
        doc = "Records of signals for alerts."
        yield from counted("alert_signals_total", doc, self.alerter.counts, "fate")
        yield refusals(self.prices.refused + self.bus.refused)
        status, doc = self.alerting.status(), "Records that wait, by queue."
        yield Measure("queue_depth", doc, status["waiting"], {"queue": "alerts"})
        yield from alert_measures(status)

    async def close(self) -> None:
        """Close the connections and the files."""
        await self.hot.close()
        await self.alerting.close()
        self.accounts.close()


async def _left(_reached: object) -> None:
    """Leave it to the gateway to note that a level was reached: the file is its own."""


async def serve(config: Config, data: Path) -> None:
    """Alert people until cancelled."""
    if not config.scale_out.alert:
        raise ConfigError(
            "The alert role would get no signals: set [scale_out] alert = true, for scan workers and "
            "its gateway too."
        )
    services = Services(config.scale_out)
    await services.check("redis", "rabbitmq")
    role, telemetry = AlertRole(config, data, services), config.telemetry
    observing = Observing(
        telemetry, "alert", telemetry.alert_port, (role.measures, services.measures),
        lambda: role.unfit() or services.fault(),
    )  # fmt: skip
    role.alerting.sender.told = SignalTraces(observing.spans).on_delivery
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(observing.run(), name="observing")
            group.create_task(role.run(), name="alert role")
    finally:
        await role.close()
