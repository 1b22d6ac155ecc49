"""A session: one seed's whole run, with kills, a torn disk, a bad network and a busy person."""

import asyncio
import datetime as dt
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from random import Random

from msgspec.structs import replace

from tapelight.errors import Conflict, Unavailable
from tapelight.model.order_log import Armed, Killed, OrderRecord
from tapelight.model.session import calendar
from tapelight.model.signals import Signal
from tapelight.orders.case import NS
from tapelight.orders.desk import Desk
from tapelight.orders.world import World
from tapelight.testing.sim import loop
from tapelight.testing.sim.disk import Disk, SimLog, SimSwitch
from tapelight.testing.sim.life import Died, Life
from tapelight.testing.sim.limits import WIDE, trade_of
from tapelight.testing.sim.market import SYMBOLS, Market, SimPrices
from tapelight.testing.sim.network import Network, SimBroker
from tapelight.testing.sim.referee import Referee
from tapelight.testing.sim.signals import fire, follow
from tapelight.testing.venue import Venue

DAY = dt.date(2026, 11, 20)
BUSY_S = 30.0
"""How long everything goes wrong."""
CALM_S = 60.0
"""How long it may take, with nothing going wrong, until all is settled."""
SETTLED_S = 3.0
STEP_S = 0.2
SIGNAL_S = 0.25
SEAM_RISK = 0.004
LIVES_S = (0.2, 4.0)
OVERLAP = "overlap"
OVERLAP_SHARE = 0.15
"""Share of lives that end because another trader began beside them."""
TROUBLE = (0.0, 0.1)
PERSON_S = 0.25
QUICK = 0.012
HAND_S = 0.8
"""How long a person takes from the cancel of a stop to the sale."""
CANCEL_S = 1.0
"""How soon after the kill switch the cancel of every working entry has to be asked."""
MORNING = calendar("XNYS").session_on(DAY)


@dataclass(slots=True)
class Outcome:
    """Hold what became of a seed."""

    seed: int
    violation: str
    digest: str
    kills: int
    trips: int
    """Of the kill switch."""
    orders: int
    unanswered: int
    """Submits that the desk got no answer to."""
    sites: list[str] = field(default_factory=list)


def play(seed: int) -> Outcome:
    """Run a seed; the same one gives the same outcome, digest included."""
    return loop.run(_Session(seed).run())


def play_unanswered(seed: int) -> Outcome:
    """Run a seed on which no submit is ever answered: many orders, wide limits, few kills."""
    session = _Session(seed)
    session.network.mute = True
    session.trade = replace(session.trade, limits=WIDE)
    session.referee.limits = WIDE
    session.signal_s, session.lives_s = SIGNAL_S / 10, (BUSY_S / 4, BUSY_S)
    session.quick, session.deeds, session.seam_risk = 0.0, session.deeds[:1], SEAM_RISK / 20
    return loop.run(session.run())


class _Session:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.signal_s, self.lives_s = SIGNAL_S, LIVES_S
        self.rng = Random(seed)
        self.market = Market(self.rng)
        self.disk = Disk(self.rng)
        idempotent = self.rng.random() < 0.5
        self.venue = Venue(self.rng, self.now_ns, self.market.quote, idempotent)
        self.venue.reject_share = self.rng.choice((0.0, 0.05))
        self.network = Network(self.rng, self.venue, self.rng.uniform(*TROUBLE))
        self.trade = trade_of(self.rng)
        self.referee = Referee(self.disk, self.venue, self.market, self.trade.limits)
        self.disk.on_sync = self._meanwhile
        self.signals: list[Signal] = []
        self.desk: Desk | None = None
        self.life: Life | None = None
        self.kills = self.trips = 0
        self.sites: list[str] = []
        self.busy = True
        self.quick, self.seam_risk = QUICK, SEAM_RISK
        self.deeds: tuple[Callable[[Desk], None], ...] = (
            *(self._approve,) * 12, self._trade_by_hand, self._kill, self._kill_file,
            self._close, self._lose,
        )  # fmt: skip
        self.beside: list[tuple[Life, asyncio.Task[None]]] = []
        """Processes that went on when the next one began."""

    def now_ns(self) -> int:
        """Return market time: ten minutes after the open and virtual time."""
        assert MORNING is not None
        elapsed_ns = int(asyncio.get_running_loop().time() * NS)
        self.referee.now_ns = elapsed_ns + MORNING.open_ns + 600 * NS
        return self.referee.now_ns

    async def run(self) -> Outcome:
        """Let it go wrong for a while, then let it settle, then judge."""
        world = [asyncio.ensure_future(work) for work in (
            self._walk(), self._signal(), self._person(), self._trouble())]  # fmt: skip
        lives = asyncio.ensure_future(self._lives())
        await asyncio.sleep(BUSY_S)
        for task in world[1:]:
            task.cancel()
        await self._settle(lives)
        for task in (lives, world[0]):
            task.cancel()
        for _, process in self.beside:
            process.cancel()
            await asyncio.wait((process,))
            self._judge(process)
        return Outcome(
            self.seed, self.referee.violation, self._digest(), self.kills, self.trips,
            len(self.venue.orders), self.network.unanswered, self.sites,
        )  # fmt: skip

    async def _settle(self, lives: "asyncio.Future[None]") -> None:
        """Stop whatever goes wrong, and wait for the end of all that is on its way."""
        self.busy = self.network.cut = self.disk.full = self.network.mute = False
        self.network.trouble = self.venue.reject_share = 0.0
        self.market.calm()
        end_s = asyncio.get_running_loop().time() + CALM_S
        while asyncio.get_running_loop().time() < end_s:
            await asyncio.sleep(SETTLED_S)
            if self.desk and self.referee.calm(self.desk.book) and self.desk.inquiry.reconciled:
                break
        if lives.done():
            self.referee.say("I0 runs", f"the trader ended: {lives.exception()!r}")
        elif self.desk is not None:
            self.referee.final(self.desk.book)

    def _digest(self) -> str:
        said = [(o.venue_id, o.request.id, o.state, str(o.cost)) for o in self.venue.orders]
        return hashlib.blake2b(f"{self.disk.last()} {said}".encode(), digest_size=16).hexdigest()

    # --- the trader lives and dies --------------------------------------------------------------

    async def _lives(self) -> None:
        """Start a process, let it die, start the next, as a supervisor does."""
        number = 0
        while True:
            number += 1
            life = self.life = Life(number, self.rng, self.seam_risk if self.busy else 0.0)
            desk = self.desk = Desk(self._world(life), self.trade)
            task = asyncio.ensure_future(desk.run())
            deliver = asyncio.ensure_future(self._deliver(desk, life))
            ended = asyncio.ensure_future(life.ended.wait())
            if self.busy:
                asyncio.get_running_loop().call_later(
                    self.rng.uniform(*self.lives_s), self._end, life, task
                )
            await asyncio.wait((task, ended), return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            deliver.cancel()
            self.beside.append((life, task))
            if life.alive and life.site == OVERLAP:
                continue  # it goes on, beside the next one, until it is fenced off
            await self._bury(self.beside)
            self.beside = []

    def _end(self, life: Life, task: "asyncio.Task[None]") -> None:
        """End a life from outside: a kill, or a second trader that begins beside it."""
        if not self.busy or not life.alive or task.done():
            return
        if self.rng.random() < OVERLAP_SHARE:
            life.site = OVERLAP
            life.ended.set()
        else:
            life.kill("any time")

    async def _bury(self, dead: "list[tuple[Life, asyncio.Task[None]]]") -> None:
        """See off the dead: what was not synced may be lost, and somebody starts the next."""
        for life, task in dead:
            life.alive = False
            task.cancel()
            await asyncio.wait((task,))
            self._judge(task)
            self.sites.append(life.site or "fenced")
        self.kills += 1
        self.disk.crash()
        self.referee.crashed()
        self.network.hang_up()
        await asyncio.sleep(self.rng.uniform(0.02, 0.6))

    def _judge(self, task: "asyncio.Task[None]") -> None:
        """Let a process end by a kill, a fence or a disk that it can't begin on; by nothing else."""
        if task.cancelled():
            return
        left = task.exception()
        if isinstance(left, BaseExceptionGroup):
            left = left.split((Died, Conflict))[1]
        elif isinstance(left, Died | Conflict | Unavailable):
            left = None
        if left is not None:
            self.referee.say("I0 runs", f"the trader ended by {left!r}")

    def _world(self, life: Life) -> World:
        return World(
            log=SimLog(self.disk, life),
            broker=SimBroker(self.network, life, self.referee),
            prices=SimPrices(self.market, life, self.now_ns),
            switch=SimSwitch(self.disk, life),
            now_ns=self.now_ns,
            session_at=lambda _: MORNING,
            told=self.referee.told,
        )

    async def _deliver(self, desk: Desk, life: Life) -> None:
        """Hand the queue's signals over, from the cursor on, some of them twice."""
        await life.sleep(self.rng.uniform(0.01, 0.1))
        place = desk.book.cursor
        while True:
            if place < len(self.signals):
                signal = self.signals[place]
                if not self._act(partial(self._take, desk, place + 1, signal)):
                    return
                place += self.rng.random() < 0.95
            else:
                await life.sleep(0.08)

    def _take(self, desk: Desk, cursor: int, signal: Signal) -> None:
        taken = desk.take(cursor, signal)
        fired = signal.state == "fired" and signal.kind == "entry"
        if taken and fired:
            self.referee.taken.add(signal.id)

    def _act(self, act: Callable[[], object]) -> bool:
        """Do something with the desk from outside; tell whether its process survived."""
        try:
            act()
        except (Died, Conflict):
            return False
        return True

    # --- the world -------------------------------------------------------------------------------

    async def _walk(self) -> None:
        while True:
            await asyncio.sleep(STEP_S)
            if self.busy:
                self.market.step()
            else:
                self._drift()
            self.venue.advance()

    def _drift(self) -> None:
        """Move prices without halts."""
        self.market.step()
        self.market.calm()

    async def _signal(self) -> None:
        while True:
            await asyncio.sleep(self.rng.expovariate(1 / self.signal_s))
            draw = self.rng.random()
            if self.signals and draw < 0.25:
                of = self.rng.choice(self.signals[-8:])
                signal = follow(of, len(self.signals), self.now_ns(), void=draw < 0.12)
            else:
                signal = fire(self.rng, self.market, len(self.signals), self.now_ns())
            self.signals.append(signal)

    async def _person(self) -> None:
        """Approve, trade in the broker's own app, kill and arm, close, lose money."""
        while True:
            await asyncio.sleep(self.rng.expovariate(1 / PERSON_S))
            deed = self.rng.choice(self.deeds)
            if self.desk is not None and self.life is not None and self.life.looked:
                self._act(partial(deed, self.desk))
            if self.referee.killed or self.disk.kill is not None:
                asyncio.get_running_loop().call_later(self.rng.uniform(0.5, 3), self._arm)

    def _approve(self, desk: Desk) -> None:
        held = [order.id for order in desk.book.live.values() if order.state == "held"]
        if held and self.rng.random() < 0.9:
            desk.approve(self.rng.choice(held), "a person")
        elif held:
            desk.decline(self.rng.choice(held), "a person")

    def _trade_by_hand(self, _: Desk) -> None:
        if self.rng.random() < 0.3:
            symbol = self.rng.choice(SYMBOLS)
            self.referee.touched.add(symbol)
            held = self.venue.holdings.get(symbol, Decimal(0))
            if held and self.rng.random() < 0.7:
                self._close_by_hand(symbol)
            else:
                self.referee.hand_ns[symbol] = self.now_ns()
                self.venue.trade(symbol, "buy", Decimal(self.rng.randint(1, 50)))

    def _close_by_hand(self, symbol: str) -> None:
        """Cancel what rests on a position, and a little later sell it."""
        self.referee.hand_ns[symbol] = self.now_ns()
        self.venue.free(symbol)
        asyncio.get_running_loop().call_later(self.rng.uniform(0, HAND_S), self._sold, symbol)

    def _sold(self, symbol: str) -> None:
        if self.busy:
            self.referee.hand_ns[symbol] = self.now_ns()
            self.venue.close(symbol)

    def _kill(self, desk: Desk) -> None:
        if self.rng.random() < 0.6 and not self.disk.full:
            desk.kill("a person's test", "a person", flatten=self.rng.random() < 0.5)
            self._tripped()

    def _kill_file(self, _: Desk) -> None:
        if self.rng.random() < 0.3 and not self.disk.full:
            self._touch()

    def _meanwhile(self, records: Sequence[OrderRecord]) -> None:
        """Let a person be quick now and then: the kill file comes while the trader waits."""
        arms = any(isinstance(record, Armed) for record in records)
        if self.busy and self.rng.random() < self.quick * (20 if arms else 1):
            self._touch()

    def _touch(self) -> None:
        self.disk.kill = Killed(self.now_ns(), "a person's test", "a person")
        self._tripped()

    def _tripped(self) -> None:
        """Look a second later whether every entry that works has been asked to be cancelled."""
        self.referee.asked_to_stop = True
        self.trips += 1
        if self.desk is not None and self.life is not None:
            works = [o.id for o in self.desk.book.live.values() if o.state == "working"]
            asyncio.get_running_loop().call_later(
                CANCEL_S, self.referee.stopped, self.life, self.desk.book, works
            )

    def _arm(self) -> None:
        """Arm as a person does with the command: by the file."""
        if not self.disk.full:
            self.disk.kill = Armed(self.now_ns(), "a person")
            self.referee.asked_to_stop = False
            self.venue.equity = self.venue.last_equity

    def _close(self, desk: Desk) -> None:
        held = [symbol for symbol, p in desk.book.positions.items() if p.quantity]
        if held:
            desk.close(self.rng.choice(held), "a person")

    def _lose(self, _: Desk) -> None:
        if self.rng.random() < 0.2:
            self.venue.equity -= self.venue.last_equity * 3 / 100

    async def _trouble(self) -> None:
        """Cut the network, break the streams, fill the disk, for a while each."""
        while True:
            await asyncio.sleep(self.rng.uniform(1, 5))
            draw = self.rng.random()
            if draw < 0.4:
                self.network.hang_up()
                self.network.cut = True
            elif draw < 0.7:
                self.disk.full = True
            else:
                self.network.hang_up()
            await asyncio.sleep(self.rng.uniform(0.05, 1.5))
            self.network.cut = self.disk.full = False
