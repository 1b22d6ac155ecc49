"""The trader: a process of its own that turns signals into orders. It starts as it recovers.

It reads signals from `signals.db` by its own cursor and prices as a client of the gateway, and alone
writes `orders.db`. Beside a broker, the strategies in dry-run have a paper desk in the folder `dry`.
"""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

import structlog
from msgspec.structs import replace

from tapelight.app.allowed import (
    PAPER,
    all_dry,
    approve_only,
    mode_of,
    open_broker,
    open_quotes,
    proven,
    trade_of,
)
from tapelight.app.brokerquotes import BrokerQuotes, SharedPrices
from tapelight.app.commanded import obey
from tapelight.app.gatewayprices import GatewayPrices
from tapelight.app.localkey import local_key
from tapelight.app.measures import trader_measures
from tapelight.app.observing import Observing
from tapelight.app.tracing import OrderTraces
from tapelight.brokers import paper
from tapelight.config import Config, convert
from tapelight.errors import ConfigError, TapelightError, Unavailable
from tapelight.model.clock import MarketClock
from tapelight.model.limits import Route, Trade
from tapelight.model.order_log import Intended, OrderRecord, ReadTo, Reported
from tapelight.model.orders import OrderRequest, Picture, Refused
from tapelight.model.session import calendar, session_at
from tapelight.model.signals import Signal
from tapelight.model.trading import DRY, MAIN, DeskReport, TraderReport
from tapelight.orders.binding import refuse_another
from tapelight.orders.desk import Desk
from tapelight.orders.entries import routes
from tapelight.orders.world import World
from tapelight.ports import Broker
from tapelight.stores.commands import Commands
from tapelight.stores.killswitch import KillFile
from tapelight.stores.orders import SqliteOrderLog, bound, last_written
from tapelight.stores.signalqueue import SignalQueue
from tapelight.stores.traderstate import tell, told

log = structlog.get_logger()
NS = 1_000_000_000
POLL_S = 0.02
TELL_S = 0.5
PRICES_SHARE = 0.5
"""How much of the age that a signal may have it waits for the prices of its symbol."""
BEAT_S = 0.5
"""How long the first beat of the scanner is waited for, where there are orders to look after."""
LOOK_S = 2.0
"""How long the first signal waits for the first look at the venue."""
LOOK_BACK_NS = 10 * NS
"""A new log begins with the signals of the last seconds: older ones would be refused anyway."""
REMEMBER_S = 5.0
"""Between records of how far the queue was read."""
AGAIN_S = 1.0
"""Between tries of what the disk refuses at the start."""
XNYS = calendar("XNYS")


@dataclass(frozen=True, slots=True)
class TraderOptions:
    """Say what the trader reads, and whom it asks."""

    data: Path
    url: str
    """The gateway's."""
    dry_run: tuple[str, ...] = ()
    """Strategies that go to the paper desk whatever the configuration says of them."""
    live: bool = False


class Trader:
    """Run the desks; `run` returns only by an error."""

    def __init__(self, config: Config, options: TraderOptions) -> None:
        self.config, self.options = config, options
        self.clock = MarketClock()
        self.papers: dict[str, paper.Paper] = {}
        """Paper brokers by the name of their desk."""
        key = options.data
        self.prices = GatewayPrices(options.url, lambda: local_key(key), self.clock, self._shown)
        self.queue = SignalQueue(options.data)
        self.commands = Commands(options.data)
        self.desks: list[Desk] = []
        self.named: dict[str, Desk] = {}
        self.away: dict[str, str] = {}
        """Why a desk takes nothing any more, by its name: the other goes on without it."""
        self.quotes: BrokerQuotes | None = None
        self.cursor = 0
        self._remembered_s = 0.0
        self._watched: dict[int, frozenset[str]] = {}
        settings = config.telemetry
        self.observing = Observing(
            settings, "trade", settings.trade_port, [lambda: trader_measures(self.desks)],
            self._unfit,
        )  # fmt: skip
        self.traces = OrderTraces(self.observing.spans, self._order)

    async def run(self) -> None:
        """Learn the time, begin an epoch, ask the venue, and go on."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.observing.run(), name="observing")
            group.create_task(self.prices.run(), name="prices")
            await self._learn_time()
            self._open()
            group.create_task(self._tell(), name="state")
            if self.quotes is not None:
                group.create_task(self.quotes.run(), name="broker's quotes")
            for name, desk in self.named.items():
                work = self._trade(desk) if name == MAIN else self._beside(name, desk)
                group.create_task(work, name=f"desk {name}")
            await self._looked()
            self.cursor = self._begin()
            group.create_task(self._signals(), name="signals")
            await obey(self.commands, lambda: self.desks)

    async def _trade(self, desk: Desk) -> None:
        """Run a desk; while its log can't be begun, say so and try again."""
        while True:
            try:
                await desk.run()
            except Unavailable as error:
                if str(error) != desk.ledger.fault:
                    log.warning("the order log can't be written", reason=str(error))
                desk.ledger.fault = str(error)
            await asyncio.sleep(AGAIN_S)

    async def _beside(self, name: str, desk: Desk) -> None:
        """Run the paper desk beside the broker's: where it ends, the broker's goes on."""
        try:
            await self._trade(desk)
        except* TapelightError as group:
            self._leave_out(name, _first(group))

    def _leave_out(self, name: str, error: BaseException) -> None:
        self.away[name] = str(error)
        self.desks = [desk for desk in self.desks if desk is not self.named.get(name)]
        log.error("a desk is left out", desk=name, reason=str(error))

    def _unfit(self) -> str | None:
        """Return why no entry would be sent, if none would."""
        if not self.desks or not self.prices.sure():
            return "The scanner's clock is not heard: start the scanner, or see its log."
        faults = (desk.ledger.fault for desk in self.desks)
        return next((fault for fault in faults if fault), None)

    def _order(self, order: str) -> OrderRequest | None:
        found = (desk.book.orders.get(order) for desk in self.desks)
        return next((one.request for one in found if one is not None), None)

    def _told(self, record: OrderRecord) -> None:
        self.traces.told(record)
        _logged(record)

    async def _learn_time(self) -> None:
        """Wait for the first beat; where something may be open and none comes, go by the last one.

        Without a beat no entry goes, but what is held is looked after and the kill switch obeyed.
        """
        last = self._last_time()
        try:
            async with asyncio.timeout(BEAT_S if last is not None else None):
                await self.prices.begun.wait()
        except TimeoutError:
            assert last is not None
            then_ns, then_s, rate = last
            self.clock.set(then_ns + int(max(time.time() - then_s, 0.0) * NS * rate), rate)
            log.warning("no beat of the scanner: no entry goes until one comes")

    def _last_time(self) -> tuple[int, float, float] | None:
        """Return a market time, the wall clock then and the rate: as last told, else as last logged.

        None where no order was ever made.
        """
        data = self.options.data
        logged = last_written(data)
        if logged is None:
            return None
        last = told(data)
        return (*logged, 1.0) if last is None else (last.market_ns, last.ts_s, last.rate)

    # --- starting --------------------------------------------------------------------------------

    def _open(self) -> None:
        """Open the desk of the configured broker, and the paper desk beside it if one is needed."""
        trade = trade_of(self.config, self.options.dry_run)
        data = self.options.data
        if self.config.use_broker == PAPER:
            self._add(MAIN, self._desk(data, self._paper(MAIN, data), all_dry(trade)))
            return
        broker, dry = open_broker(self.config, self.options.live), data / DRY
        routed = routes(trade, dry=False)
        if broker.live:
            routed = routes(proven(trade, dry), dry=False)
        source = open_quotes(self.config)
        self.quotes = BrokerQuotes(source) if source is not None else None
        self._add(MAIN, self._desk(data, broker, routed, self.quotes))
        try:
            dry.mkdir(parents=True, exist_ok=True)
            shadow = self._desk(dry, self._paper(DRY, dry), routes(trade, dry=True))
        except (ConfigError, Unavailable) as error:
            self._leave_out(DRY, error)
        else:
            self._add(DRY, shadow)

    def _add(self, name: str, desk: Desk) -> None:
        self.named[name] = desk
        self.desks.append(desk)

    def _paper(self, name: str, folder: Path) -> paper.Paper:
        table = self.config.broker.get(PAPER, {})
        settings = convert(table, paper.Config, f"[broker.{PAPER}]")
        made = paper.Paper(folder, settings, self.clock.now_ns, lambda ns: session_at(XNYS, ns))
        self.papers[name] = made
        return made

    def _desk(
        self, folder: Path, broker: Broker, trade: Trade, own: BrokerQuotes | None = None
    ) -> Desk:
        orders = SqliteOrderLog(folder)
        # Before the desk begins: it would fence off the one who trades there.
        refuse_another(bound(folder), broker.name, broker.host)
        world = World(
            log=orders,
            broker=broker,
            prices=SharedPrices(self.prices, self._watched, own),
            switch=KillFile(folder),
            now_ns=self.clock.now_ns,
            session_at=lambda ns: session_at(XNYS, ns),
            clock_sure=self.prices.sure,
            told=self._told,
            approve_only=lambda: approve_only(broker, self.prices.coverage),
        )
        return Desk(world, trade)

    async def _looked(self) -> None:
        """Wait for the logs, and some time for the first look: before it every entry is refused."""
        end_s = time.monotonic() + LOOK_S
        while time.monotonic() < end_s or not all(desk.book.epoch for desk in self.desks):
            await asyncio.sleep(POLL_S)
            if all(desk.inquiry.reconciled for desk in self.desks):
                return

    def _begin(self) -> int:
        """Return from where the queue is read: what no desk has read is offered again to all."""
        cursor = min(desk.book.cursor for desk in self.desks)
        if cursor == 0:
            return self.queue.before(self.clock.now_ns() - LOOK_BACK_NS)
        return cursor

    # --- signals ---------------------------------------------------------------------------------

    async def _signals(self) -> None:
        while True:
            try:
                found = self.queue.read(self.cursor)
            except Unavailable as error:
                log.warning("no signals", reason=str(error))
                await asyncio.sleep(1.0)
                continue
            for _, signal in found:
                if self._needs_prices(signal):
                    self.prices.want(signal.symbol)
            for seq, signal in found:
                if self._needs_prices(signal):
                    await self._priced(signal.symbol)
                if not self._offer(seq, signal):
                    break
                self.cursor = seq
                # Each is written to the disk twice: cancels and the kill switch come in between.
                await asyncio.sleep(0)
            self._remember()
            await asyncio.sleep(POLL_S)

    def _offer(self, seq: int, signal: Signal) -> bool:
        """Let every desk take a signal; False where one has to be offered it again."""
        taken = [desk.take(seq, signal) for desk in self.desks]
        return all(taken)

    def _needs_prices(self, signal: Signal) -> bool:
        if signal.state != "fired" or signal.kind != "entry" or signal.plan is None:
            return False
        limits = self.config.trade.limits
        if self.clock.now_ns() - signal.ts_ns > limits.signal_age_ms * 1_000_000:
            return False  # too old for an entry: risk says so without prices
        taking = ("approve", "auto")
        return any(
            desk.trade.strategy.get(signal.scan, Route()).mode in taking for desk in self.desks
        )

    async def _priced(self, symbol: str) -> None:
        limit_s = self.config.trade.limits.signal_age_ms / 1_000
        end_s = time.monotonic() + PRICES_SHARE * limit_s
        for _ in iter(lambda: self.prices.picture(symbol) is None, False):
            if time.monotonic() > end_s:
                return
            await asyncio.sleep(POLL_S / 4)

    def _remember(self) -> None:
        """Note how far the queue was read: most signals leave no other record."""
        if time.monotonic() - self._remembered_s < REMEMBER_S:
            return
        self._remembered_s = time.monotonic()
        for desk in self.desks:
            if desk.book.cursor < self.cursor:
                desk.ledger.write([ReadTo(self.clock.now_ns(), self.cursor)])

    async def _tell(self) -> None:
        """Tell what stands, twice a second and when a desk becomes ready, or no longer is."""
        stood, due_s = None, 0.0
        while True:
            stands = [desk.inquiry.reconciled for desk in self.desks]
            if stands != stood or time.monotonic() >= due_s:
                stood, due_s = stands, time.monotonic() + TELL_S
                try:
                    tell(self.options.data, self.report())
                except Unavailable as error:
                    log.warning("the state can't be told", reason=str(error))
            await asyncio.sleep(POLL_S)

    def report(self) -> TraderReport:
        """Return what is told of this process."""
        return TraderReport(
            pid=os.getpid(),
            ts_s=time.time(),
            market_ns=self.clock.now_ns(),
            rate=self.clock.rate,
            mode=mode_of(self.desks[0].world.broker),
            clock_sure=self.prices.sure(),
            approve_s=self.config.trade.approve_s,
            desks=(
                *(self._reported(name, desk) for name, desk in self.named.items()),
                *(_absent(name, why) for name, why in self.away.items() if name not in self.named),
            ),
        )

    def _reported(self, name: str, desk: Desk) -> DeskReport:
        told, broker = desk.report(name), self.papers.get(name)
        fault = self.away.get(name) or told.fault or (broker.fault if broker is not None else "")
        return replace(told, fault=fault, ready=told.ready and not fault)

    # --- prices ---------------------------------------------------------------------

    def _shown(self, picture: Picture, volume: float) -> None:
        for name, broker in self.papers.items():
            fault = broker.fault
            try:
                broker.show(picture, volume)
            except Unavailable as error:
                if str(error) != fault:
                    log.warning("nothing fills at the paper broker", desk=name, reason=str(error))


def _logged(record: OrderRecord) -> None:
    if isinstance(record, Intended):
        request = record.request
        refused = record.verdict if isinstance(record.verdict, Refused) else None
        log.info(
            "order", signal=request.cause, order=request.id, purpose=request.purpose,
            refused_by=refused.rule if refused is not None else "",
        )  # fmt: skip
    if isinstance(record, Reported) and record.fill is not None:
        fill = record.fill
        log.info(
            "fill", symbol=fill.symbol, side=fill.side, quantity=str(fill.quantity),
            price=f"{fill.price:.4f}", order=fill.order,
        )  # fmt: skip


def _absent(name: str, why: str) -> DeskReport:
    """Return what is told of a paper desk that could not be opened."""
    return DeskReport(
        name=name, broker=PAPER, live=False, ready=False, fault=why, killed=None, unknown=0,
        strangers=0, adopted=0, account=None, peak=None, limits=(), strategies={},
    )  # fmt: skip


def _first(error: BaseException) -> BaseException:
    """Return the first error in a group of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
