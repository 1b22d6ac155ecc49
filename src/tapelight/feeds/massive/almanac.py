"""Keep reference data: for the session at hand, deeper in the background, anew each session."""

import asyncio
from collections.abc import Iterable, Mapping

from msgspec import structs

from tapelight.errors import Rejected, Unavailable
from tapelight.feeds.massive.config import MassiveConfig
from tapelight.feeds.massive.library import Library, past_month, past_year
from tapelight.feeds.massive.payloads import Details
from tapelight.feeds.massive.reference import Facts, detailed, references, rules_of
from tapelight.feeds.massive.symbols import Rows
from tapelight.model.conditions import US_RULES, ConditionRules
from tapelight.model.daily import DailyFold, SectorMoves
from tapelight.model.records import Reference, References, Rules
from tapelight.model.session import (
    MINUTE_NS,
    Calendar,
    Session,
    latest_session,
    session_after,
    session_before,
)
from tapelight.ports import Sink

A_RECORD = 500
"""References in one record: putting 11,000 at once would hold up the stream."""
AHEAD_NS = 15 * MINUTE_NS
"""How long before a session its references are read."""
AT_ONCE = 8
IDLE_RATIO = 6.0
"""The background pass works a seventh of the time."""


class Almanac:
    """Read and put rules and references; remember what later steps ask of them."""

    def __init__(
        self, config: MassiveConfig, sink: Sink, library: Library, cal: Calendar, rows: Rows
    ) -> None:
        self.rules: ConditionRules = US_RULES
        self.adjusted: Mapping[str, float] = {}
        """Previous closes of the symbols that split today."""
        self.pages: dict[str, Details] = {}
        self._config = config
        self._sink = sink
        self._library = library
        self._calendar = cal
        self._rows = rows
        self._facts = Facts()
        self._known: dict[str, Reference] = {}
        self._sectors = SectorMoves()
        wanted = config.symbols
        self._wanted = None if wanted is None else frozenset([*wanted, config.canary])
        self.session = self.session_now()
        """The session for which the references hold."""

    def session_now(self) -> Session:
        """Return the session that runs, or between sessions the next one."""
        now_ns = self._sink.clock.now_ns()
        session = latest_session(self._calendar, now_ns)
        return session if now_ns < session.end_ns else session_after(self._calendar, now_ns)

    async def open(self) -> None:
        """Read and put the rules, and the references from the last month's days."""
        self.session = self.session_now()
        rules, _ = await asyncio.gather(self._read_rules(), self._read(self.session))
        self.rules = rules
        self._sink.put(Rules(rules))

    async def keep(self, begin: asyncio.Event) -> None:
        """Once told to `begin`, read a year of days; then the same for each coming session."""
        await begin.wait()
        while True:
            await self._read_year()
            coming = session_after(self._calendar, self.session.start_ns)
            await self._until(coming.start_ns - AHEAD_NS)
            await self._read(coming)

    async def learn(self, pages: Mapping[str, Details]) -> None:
        """Put again the references of which a ticker page told more."""
        self.pages.update(pages)
        await self._put(self._known[symbol] for symbol in pages if symbol in self._known)

    async def _read_rules(self) -> ConditionRules:
        try:
            return rules_of(await self._library.conditions())
        except (Rejected, Unavailable) as error:
            self._library.missing.append(f"conditions: {error}")
            return US_RULES

    async def _read(self, session: Session) -> None:
        last = session_before(self._calendar, session)
        month = past_month(self._calendar, session)
        self._facts, fold = await asyncio.gather(
            self._library.facts(session, last),
            self._library.fold(month, deep=False, at_once=AT_ONCE),
        )
        self.session = session
        await self._compose(fold)

    async def _read_year(self) -> None:
        if self._config.history_sessions <= 20:
            return
        year = past_year(self._calendar, self.session, self._config.history_sessions)
        fold = await self._library.fold(year, deep=True, at_once=2, rest_ratio=IDLE_RATIO)
        await self._compose(fold)

    async def _compose(self, fold: DailyFold) -> None:
        found = await asyncio.to_thread(references, self._facts, fold, self._wanted)
        self._sectors = await asyncio.to_thread(SectorMoves, fold)
        self.adjusted = {
            r.symbol: r.prev_close for r in found if r.split_today and r.prev_close is not None
        }
        await self._put(found)

    async def _put(self, found: Iterable[Reference]) -> None:
        record: list[Reference] = []
        for reference in found:
            page = self.pages.get(reference.symbol)
            told = self._in_its_sector(detailed(reference, page)) if page else reference
            self._known[told.symbol] = told
            if self._rows[told.symbol] >= 0:
                record.append(told)
            if len(record) == A_RECORD:
                self._sink.put(References(self.session.date.isoformat(), record))
                record = []
                await asyncio.sleep(0)
        if record:
            self._sink.put(References(self.session.date.isoformat(), record))

    def _in_its_sector(self, reference: Reference) -> Reference:
        moves = self._sectors.correlation(reference.symbol, reference.sector)
        return structs.replace(reference, corr_sector_20d=moves)

    async def _until(self, ts_ns: int) -> None:
        while True:
            delay_s = self._sink.clock.wall_delay_s(ts_ns)
            if delay_s <= 0:
                return
            # In steps, because the clock's rate may be set meanwhile.
            await asyncio.sleep(min(delay_s, 1.0))
