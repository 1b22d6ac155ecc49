"""Tier 3: every five minutes, what the option chains of the highest-conviction rows say.

A round begins at a whole five minutes of regular hours: the chains of a few symbols are fetched,
each becomes a record; what they say is reckoned by a process of its own and becomes a record too,
which is seen ten seconds after the round began, or at the first mark after it came. No mark
waits for any of this, and a replay reads the records.
"""

import asyncio
import datetime as dt
import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import numpy as np
import structlog

from tapelight.analytics.chain import Figures, figures_then
from tapelight.app.loop import begin_worker
from tapelight.app.scanner import Scanner
from tapelight.engine import Cycle, Engine
from tapelight.errors import Rejected
from tapelight.market.options import FIGURES
from tapelight.market.view import View
from tapelight.model.batch import Floats
from tapelight.model.options import Chain
from tapelight.model.records import TierResult, TierValues
from tapelight.model.session import NS, REGULAR
from tapelight.ports import OptionFeed
from tapelight.stores.volatility import read_session, read_volatilities, write_volatilities

log = structlog.get_logger()
ROUND_NS = 300 * NS
SEEN_NS = 10 * NS
READ_NS = 8 * NS
"""How long after the round's beginning chains may still come in: two seconds before they are due."""
SIGNAL_LASTS_NS = 1800 * NS
"""How long a signal makes its symbol one of high conviction."""
WARM_NS = 60 * NS
"""How long before a round its worker is started, unless it is there."""
LONGEST_READ_S = 60.0
MOST_MISSES = 2
"""A symbol that brought no chain so often is not asked for again that day: it has no options."""
LIMIT_S = 60.0
"""How long the worker may take; then it is given up, and another one starts with the next round."""
NICE = 5


class Rounds:
    """Keep the rounds of tier 3; at most one is on its way."""

    def __init__(
        self, scanner: Scanner, feed: OptionFeed, data: Path, most: int, *, apart: bool = True
    ) -> None:
        """Take up to `most` symbols a round; `apart` reckons them in a process of its own."""
        self.positions: Callable[[], Iterable[str]] = tuple
        """The underlyings of open positions: always asked for."""
        self._scanner = scanner
        self._feed = feed
        self._folder = data / "volatility"
        self._most = most
        self._signals: dict[str, int] = {}
        """When each symbol had its newest signal, ns; those of long ago are dropped."""
        self._misses: dict[str, int] = {}
        self._due = asyncio.Event()
        self._cut_ns = 0
        self._workshop = Workshop(apart)
        self._date: dt.date | None = None
        self._past: dict[str, Floats] = {}
        self._today: dict[str, float] = {}

    def on_cycle(self, cycle: Cycle) -> None:
        """Note signals; begin a round when one is due and none is on its way."""
        ts_ns = cycle.mark.ts_ns
        for signal in cycle.signals:
            self._signals[signal.symbol] = ts_ns
        if cycle.whole and (ts_ns + WARM_NS) % ROUND_NS == 0 and self._settled(ts_ns + WARM_NS):
            self._workshop.warm()
        if ts_ns % ROUND_NS == 0 and self._settled(ts_ns):
            self._cut_ns = ts_ns
            self._due.set()

    def _settled(self, ts_ns: int) -> bool:
        """Tell whether options have traded for a round: at the bell their quotes are not there."""
        table = self._scanner.engine.table
        session = table.session
        return (
            table.phase() == REGULAR and session is not None and ts_ns - session.open_ns >= ROUND_NS
        )

    async def run(self) -> None:
        """Do the rounds until cancelled."""
        try:
            while True:
                await self._due.wait()
                self._due.clear()
                await self.round(self._cut_ns)
        finally:
            self._workshop.close()

    async def round(self, cut_ns: int) -> None:
        """Fetch, reckon and put one round's figures; what fails is told and loses one round."""
        await self._begin_session()
        self._forget(cut_ns)
        wanted = conviction(self._scanner.engine, self._signals, self.positions())
        symbols = [s for s in wanted if self._misses.get(s, 0) < MOST_MISSES][: self._most]
        await self._read(symbols, cut_ns)
        store = self._scanner.engine.table.options.chains
        chains = [store[s] for s in symbols if s in store and store[s].ts_recv_ns >= cut_ns]
        self._note_misses(symbols, {c.symbol for c in chains})
        if not chains:
            return
        own = [c if len(c.past) else replace(c, past=self._past_of(c.symbol)) for c in chains]
        found = await self._workshop.reckon(own)
        if not found:
            self._scanner.reject("tier 3", "The worker of tier 3 gave no answer: a round is lost.")
            return
        names = [c.symbol for c in chains]
        self._scanner.put(result_of(cut_ns, self._scanner.universe.rows, names, found))
        await self._remember(names, found)

    async def _read(self, symbols: Sequence[str], cut_ns: int) -> None:
        left_s = min(self._scanner.clock.wall_delay_s(cut_ns + READ_NS), LONGEST_READ_S)
        try:
            async with asyncio.timeout(max(left_s, 0.1)):
                await self._feed.chains(symbols)
        except TimeoutError:
            log.info("option chains took too long: the round goes on without the rest")

    def _forget(self, cut_ns: int) -> None:
        recent = cut_ns - SIGNAL_LASTS_NS
        self._signals = {s: ts for s, ts in self._signals.items() if ts >= recent}

    def _note_misses(self, symbols: Sequence[str], came: set[str]) -> None:
        """Count what did not come; where nothing came at all, the fault is not the symbols'."""
        for symbol in symbols if came else ():
            self._misses[symbol] = 0 if symbol in came else self._misses.get(symbol, 0) + 1

    def _past_of(self, symbol: str) -> Floats:
        return self._past.get(symbol, np.zeros(0))

    async def _begin_session(self) -> None:
        """Read earlier sessions' volatilities, once a session."""
        session = self._scanner.engine.table.session
        if session is None or session.date == self._date:
            return
        self._date = session.date
        self._misses.clear()
        try:
            self._past = await asyncio.to_thread(read_volatilities, self._folder, session.date)
            self._today = await asyncio.to_thread(read_session, self._folder, session.date)
        except (Rejected, OSError) as error:
            self._past, self._today = {}, {}
            self._scanner.reject("volatility", str(error))

    async def _remember(self, symbols: Sequence[str], found: Sequence[Figures]) -> None:
        """Keep today's volatilities: the session's last ones are what later ranks stand on."""
        known = {s: f.iv30 for s, f in zip(symbols, found, strict=True) if f.iv30 == f.iv30}
        self._today |= known
        if self._date is None or not known:
            return
        try:
            await asyncio.to_thread(write_volatilities, self._folder, self._date, self._today)
        except OSError as error:
            self._scanner.reject("volatility", str(error))


class Workshop:
    """Reckon chains, `apart` in a process made when first needed and anew when it broke."""

    def __init__(self, apart: bool) -> None:
        self._apart = apart
        self._context = multiprocessing.get_context("spawn")
        self._pool: ProcessPoolExecutor | None = None

    def warm(self) -> ProcessPoolExecutor | None:
        """Start the process, unless it is there or none is wanted; None where it can't start."""
        if self._pool is None and self._apart:
            try:
                self._pool = ProcessPoolExecutor(1, self._context, begin_worker, (NICE,))
                self._pool.submit(figures_then, [])
            except OSError as error:
                log.warning("the worker of tier 3 does not start", reason=str(error))
                self.close()
        return self._pool

    async def reckon(self, chains: list[Chain]) -> list[Figures]:
        """Return the figures of each chain; none at all where the process broke or took too long."""
        if not self._apart:
            return figures_then(chains)
        pool = self.warm()
        if pool is None:
            return []
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LIMIT_S):
                return await loop.run_in_executor(pool, figures_then, chains)
        except (OSError, BrokenProcessPool):  # a timeout is an OSError
            self.close()
            return []

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def conviction(engine: Engine, signals: dict[str, int], positions: Iterable[str]) -> list[str]:
    """Return the symbols whose chains are worth a request, the most worth first.

    Pinned ones and those of positions, then by the newest signal, then what is in play by
    dollars traded.
    """
    table, symbols = engine.table, engine.table.universe.symbols
    rows = engine.tiers.in_play()
    dollars = np.nan_to_num(np.asarray(View(table, rows)["dollar_vol"], np.float64), nan=-1.0)
    busiest = rows[np.lexsort((table.symbol_rank()[rows], -dollars))]
    signalled = sorted(signals, key=lambda s: (-signals[s], s))
    wanted = [*engine.tiers.pins, *positions, *signalled, *(symbols[r] for r in busiest.tolist())]
    return [s for s in dict.fromkeys(wanted) if s in table.universe.rows]


def result_of(
    cut_ns: int, rows: dict[str, int], symbols: Sequence[str], found: Sequence[Figures]
) -> TierResult:
    """Return a round's figures as a record, due ten seconds after the round began."""
    values = np.array(found, np.float64).T
    at = np.array([rows[s] for s in symbols], np.int32)
    part = TierValues(FIGURES, at.tobytes(), np.ascontiguousarray(values).tobytes())
    return TierResult(cut_ns, cut_ns + SEEN_NS, (part,), tier=3)
