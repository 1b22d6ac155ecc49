"""The desk: turns signals into orders. It starts as it recovers.

Everything that decides is elsewhere and pure: `entries`, `risk`, `due`, `book`, `reconcile`. Here it
is only written down first and then done.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from tapelight.errors import ConfigError, Unavailable
from tapelight.model.limits import Route, Trade
from tapelight.model.order_log import (
    Armed,
    CancelAsked,
    Decided,
    Intended,
    Killed,
    Leaving,
    OrderRecord,
    Sent,
    Voided,
)
from tapelight.model.orders import Approved, OrderRequest, Refused, Report, Verdict
from tapelight.model.signals import Signal
from tapelight.model.trading import DeskReport
from tapelight.orders import risk
from tapelight.orders.book import Book
from tapelight.orders.case import NS, Moment
from tapelight.orders.due import Cancel, Scene, Submit, due
from tapelight.orders.entries import FIRED, VOID, entry_of
from tapelight.orders.inquiry import Inquiry
from tapelight.orders.ledger import Ledger
from tapelight.orders.usage import usage
from tapelight.orders.world import World

ASK_AGAIN_NS = 2 * NS
"""A cancel that nothing came of is asked again after this."""
BEAT_S = 0.05
"""How often the desk asks what is due and whether the kill switch is on, at least."""


class Desk:
    """Turn signals into orders. `run` returns only by an error: Conflict when another trader began."""

    def __init__(self, world: World, trade: Trade) -> None:
        self.world, self.trade = world, trade
        self.ledger = Ledger(world.log, world.now_ns, world.told)
        self.inquiry = Inquiry(self.ledger, world.broker, trade, self._resend)
        self._tasks: asyncio.TaskGroup | None = None
        self._asked_ns: dict[str, int] = {}
        self._unkept: Killed | None = None
        self._refused = ""
        """Why the venue's stream lets nobody in by these keys, at the last try; empty = it does."""

    @property
    def book(self) -> Book:
        """Return the state of the account's trading."""
        return self.ledger.book

    async def run(self) -> None:
        """Begin an epoch, take the log in, ask the venue, and go on."""
        self.ledger.begin()
        async with asyncio.TaskGroup() as self._tasks:
            self._spawn(self._listen())
            self._spawn(self._beat())

    # --- what others ask -------------------------------------------------------------------------

    def take(self, cursor: int, signal: Signal) -> bool:
        """Take a signal from the queue, and tell whether it may be dropped there.

        One that may not is offered again: the log could not be written. The same signal twice
        gives the same intent, and one intent has one order.
        """
        if signal.state in VOID:
            done = self._void(signal)
        elif signal.kind == "exit" and signal.state in FIRED:
            done = self._exit(signal)
        else:
            done = self._enter(cursor, signal)
        self.step()
        return done

    def approve(self, order: str, by: str) -> Verdict:
        """Let a held order go, if risk still lets it. Raises ConfigError when none is held."""
        request = self._held(order)
        now_ns = self.world.now_ns()
        verdict = self._judge(request, again=True)
        if isinstance(verdict, Approved):
            if not self.ledger.write([Decided(now_ns, order, True, by), Sent(now_ns, order)]):
                return Refused(now_ns, "ready", f"the log can't be written: {self.ledger.fault}")
            self._spawn(self._send(order))
        else:
            self.ledger.write(
                [Decided(now_ns, order, False, f"risk: {verdict.rule}: {verdict.reason}")]
            )
        return verdict

    def decline(self, order: str, by: str) -> None:
        """Decline a held order. Raises ConfigError when none is held."""
        self._held(order)
        self.ledger.write([Decided(self.world.now_ns(), order, False, by)])

    def close(self, symbol: str, by: str) -> bool:
        """Close a position whole, what was traded in the broker's own app included."""
        done = self.ledger.write(
            [Leaving(self.world.now_ns(), symbol, "asked for", by, whole=True)]
        )
        self.step()
        return done

    def kill(self, reason: str, by: str, flatten: bool = False, drill: bool = False) -> list[str]:
        """Switch entries off until a person arms; return the ids of entries that are cancelled.

        A drill only says which. The switch holds from the first line on, whatever fails after it.
        """
        works = [o.id for o in self.book.live.values() if not o.request.reduces]
        record = Killed(self.world.now_ns(), reason, by, flatten, drill)
        if drill:
            self.ledger.write([record])
            return works
        self._kill(record)
        try:
            self.world.switch.trip(record)
        except Unavailable as error:
            self.ledger.fault = str(error)
        self.step()
        return works

    def arm(self, by: str) -> bool:
        """Let entries go again, because a person says so; tell whether that came about.

        What is asked for meanwhile holds: only the kill that stood when the person armed is over.
        """
        asked = self.world.switch.read()
        if not self.ledger.write([Armed(self.world.now_ns(), by)]):
            return False
        self._unkept = None
        return asked is None or self._clear(asked)

    def hear(self, report: Report) -> None:
        """Take the venue's word on an order in."""
        if report.order not in self.book.orders:
            self.inquiry.overhear(report)
        elif not self.ledger.hear(report):
            self.inquiry.hurry()
        self.step()

    def step(self) -> None:
        """Do what is due now; nothing is sent before the account is known to be the log's."""
        cancels: list[Cancel] = []
        for action in due(Scene(self.book, self.trade, self._moment(), self.world.prices.picture)):
            if isinstance(action, Cancel) and not action.order.request.reduces:
                cancels.append(action)  # all of them in one write: each waits for the disk
                continue
            self._ask_cancels(cancels)
            cancels = []
            match action:
                case Cancel():
                    self._ask_cancels([action])
                case Submit(request) if self.inquiry.met:
                    self._intend(request, 0)
                case Killed():
                    self.kill(action.reason, action.by, action.flatten)
                case Leaving() | Decided():
                    self.ledger.write([action])
        self._ask_cancels(cancels)

    def report(self, name: str) -> DeskReport:
        """Return what is told of the desk to people."""
        book, moment = self.book, self._moment()
        silence = self.inquiry.silence(moment.now_ns)
        valued, fault = book.valued, self.ledger.fault or self._refused or silence
        return DeskReport(
            name=name,
            broker=self.world.broker.name,
            live=self.world.broker.live,
            ready=self.inquiry.reconciled and not fault,
            fault=fault,
            killed=book.killed,
            unknown=sum(order.state == "unknown" for order in book.live.values()),
            strangers=len(self.inquiry.strangers),
            adopted=book.adopted,
            account=valued.account if valued else None,
            peak=valued.peak if valued else None,
            approve_only=self.world.approve_only(),
            limits=usage(book, self.trade.limits, moment),
            strategies={n: r.mode for n, r in self.trade.strategy.items() if r.mode != "off"},
        )

    # --- signals --------------------------------------------------------------------------------

    def _enter(self, cursor: int, signal: Signal) -> bool:
        route = self.trade.strategy.get(signal.scan, Route())
        if route.mode not in ("approve", "auto"):
            return True
        account = self.book.valued.account if self.book.valued else None
        picture = self.world.prices.picture(signal.symbol)
        request = entry_of(signal, route, account, picture, self.trade.limits, self._moment())
        if request is None or request.id in self.book.orders:
            return True
        waits = route.mode == "approve" or self.world.approve_only() != ""
        return self._intend(request, cursor, waits)

    def _void(self, signal: Signal) -> bool:
        if any(order.request.cause == signal.id for order in self.book.live.values()):
            why = f"the signal was {signal.state}: {signal.reason}"
            return self.ledger.write([Voided(self.world.now_ns(), signal.id, why)])
        return True

    def _exit(self, signal: Signal) -> bool:
        """Leave what its entry holds; an entry that may still fill is not to, and is left if it does."""
        book, symbol, now_ns = self.book, signal.symbol, self.world.now_ns()
        plan, why = book.plan_of(symbol), signal.reason or signal.text
        entries = [o for o in book.live_of(symbol) if o.request.cause == signal.of]
        records: list[OrderRecord] = []
        if entries and signal.of not in book.voided:
            records.append(Voided(now_ns, signal.of, why))
        mine = entries if plan is None else plan.cause == signal.of
        if mine and symbol not in book.leaving:
            records.append(Leaving(now_ns, symbol, why, "signal"))
        return not records or self.ledger.write(records)

    # --- writing, then doing --------------------------------------------------------------------

    def _intend(self, request: OrderRequest, cursor: int, waits: bool = False) -> bool:
        now_ns = self.world.now_ns()
        verdict = self._judge(request, waits)
        records: list[OrderRecord] = [Intended(now_ns, request, verdict, cursor)]
        goes = isinstance(verdict, Approved) and not waits
        if goes:
            records.append(Sent(now_ns, request.id))
        written = self.ledger.write(records)
        if written and goes:
            self._spawn(self._send(request.id))
        return written

    def _judge(self, request: OrderRequest, waits: bool = False, again: bool = False) -> Verdict:
        picture = self.world.prices.picture(request.symbol)
        limits, moment = self.trade.limits, self._moment()
        return risk.judge(request, self.book, picture, limits, moment, waits, again)

    async def _send(self, order: str) -> None:
        """Send what is in the log as sent; whatever comes of it, only the venue's word counts."""
        request = self.book.orders[order].request
        why = self._stopped(request)
        if why:
            # This process alone knows that it has not sent it; after a crash nobody would. What
            # may have been sent once stays unknown.
            if self.book.orders[order].tries == 1:
                self.ledger.write([Decided(self.world.now_ns(), order, False, f"desk: {why}")])
            return
        try:
            async with asyncio.timeout(self.trade.send_s):
                report = await self.world.broker.submit(request)
        except (Unavailable, TimeoutError):
            self.inquiry.hurry()
            return
        self.hear(report)

    def _stopped(self, request: OrderRequest) -> str:
        """Return why nothing may be sent at this very moment; empty = it may."""
        if not self.world.log.held():
            return "another trader has begun"
        if request.reduces:
            held = self.book.quantity(request.symbol)
            sure = self.ledger.doubts.sure(request.symbol, held)
            return "" if sure else "the venue may hold less than the book says"
        if self.book.killed is not None or isinstance(self.world.switch.read(), Killed):
            return "kill switch"
        return "" if self.world.clock_sure() else "the clock is unsure"

    def _ask_cancels(self, cancels: list[Cancel]) -> None:
        """Ask for cancels; they need no log: they can only make risk smaller."""
        now_ns = self.world.now_ns()
        fresh = {
            each.order.id: CancelAsked(now_ns, each.order.id, each.why)
            for each in cancels
            if now_ns - self._asked_ns.get(each.order.id, 0) >= ASK_AGAIN_NS
        }
        if fresh:
            self._asked_ns.update(dict.fromkeys(fresh, now_ns))
            self.ledger.write(list(fresh.values()))
        for order in fresh:
            self._spawn(self._cancel(order))

    def _resend(self, order: str) -> None:
        if self.ledger.write([Sent(self.world.now_ns(), order)]):
            self._spawn(self._send(order))

    async def _cancel(self, order: str) -> None:
        try:
            async with asyncio.timeout(self.trade.send_s):
                await self.world.broker.cancel(self.book.orders[order])
        except (Unavailable, TimeoutError):
            self.inquiry.hurry()

    def _kill(self, record: Killed) -> None:
        known = self.book.killed
        new = known is None or (record.flatten and not known.flatten)
        if new and not self.ledger.write([record]):
            # It holds in memory at least, and is written as soon as the disk takes it.
            self.book.apply(record)
            self._unkept = record

    def _held(self, order: str) -> OrderRequest:
        found = self.book.orders.get(order)
        if found is None or found.state != "held":
            state = f"it is {found.state}" if found else "there is none such"
            raise ConfigError(f"No order {order} waits for approval: {state}.")
        return found.request

    def _moment(self) -> Moment:
        now_ns = self.world.now_ns()
        stopped = f"the log can't be written: {self.ledger.fault}" if self.ledger.fault else ""
        stopped = stopped or self._refused or self.inquiry.silence(now_ns)
        if isinstance(self.world.switch.read(), Killed):
            stopped = "the kill switch is on"
        return Moment(
            now_ns,
            self.world.session_at(now_ns),
            self.inquiry.reconciled,
            self.world.clock_sure(),
            stopped,
            self.ledger.doubts,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self._tasks is None:
            raise RuntimeError("The desk does not run.")
        self._tasks.create_task(work)

    # --- what goes on by itself -----------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            self._read_switch()
            self.ledger.probe()
            self.world.prices.watch(self.book.symbols())
            self.step()
            if self.inquiry.due(self.world.now_ns()):
                self._spawn(self._look())
            await asyncio.sleep(BEAT_S)

    def _read_switch(self) -> None:
        if self._unkept is not None and self.ledger.write([self._unkept]):
            self._unkept = None
        asked = self.world.switch.read()
        if isinstance(asked, Killed):
            self._kill(asked)
        elif isinstance(asked, Armed) and (self.book.killed is None or self.ledger.write([asked])):
            self._clear(asked)

    def _clear(self, asked: Killed | Armed) -> bool:
        try:
            self.world.switch.clear(asked)
        except Unavailable as error:
            self.ledger.fault = str(error)
            return False
        return True

    async def _listen(self) -> None:
        """Hear what the venue pushes; after each break everything is asked anew."""
        while True:
            self._refused = ""
            try:
                async for report in self.world.broker.reports():
                    self.hear(report)
            except Unavailable:
                pass
            except ConfigError as error:
                if self.book.bound is None:
                    raise  # it never was right: whoever starts it is told
                self._refused = str(error)
            self.inquiry.broken()
            await asyncio.sleep(self.trade.look_s if self._refused else self.trade.ask_s)

    async def _look(self) -> None:
        await self.inquiry.look(self._moment)
        self.step()
