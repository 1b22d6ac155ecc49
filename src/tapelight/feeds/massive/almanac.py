"""Keep reference data: for the session at hand, deeper in the background, anew each session."""

import asyncio
import datetime as dt
import secrets
from collections.abc import Iterable, Mapping, Sequence

from tapelight.errors import Rejected, Unavailable
from tapelight.feeds._symbols import Rows
from tapelight.feeds.massive.config import MassiveConfig
from tapelight.feeds.massive.library import FAR_NS, Library, past_month, past_year
from tapelight.feeds.massive.payloads import Details
from tapelight.feeds.massive.reference import page_of, rules_of, told_of
from tapelight.model.compose import compose
from tapelight.model.conditions import US_RULES, ConditionRules
from tapelight.model.daily import DailyFold
from tapelight.model.past import Told, newest
from tapelight.model.records import Reference, References, Rules
from tapelight.model.session import (
    MINUTE_NS,
    Calendar,
    Session,
    latest_session,
    session_after,
)
from tapelight.ports import Cold, Sink

A_RECORD = 500
"""References in one record: putting 11,000 at once would hold up the stream."""
AHEAD_NS = 15 * MINUTE_NS
"""How long before a session its references are read."""
JITTER_NS = 5 * MINUTE_NS
AGAIN_NS = 10 * MINUTE_NS
AT_ONCE = 8
PAGE_NS = 30 * 24 * 60 * MINUTE_NS
IDLE_RATIO = 6.0
"""The background pass works a seventh of the time."""


class Almanac:
    """Read and put rules and references; remember what later steps ask of them.

    What the service does not give at the time is taken from the cold store, where there is one:
    nothing that was known is forgotten.
    """

    def __init__(
        self,
        config: MassiveConfig,
        sink: Sink,
        library: Library,
        cal: Calendar,
        rows: Rows,
        cold: Cold | None = None,
    ) -> None:
        self.rules: ConditionRules = US_RULES
        self.adjusted: Mapping[str, float] = {}
        """Previous closes of the symbols that split today."""
        self.pages: set[str] = set()
        """The symbols whose ticker page has been read within a month."""
        self._config = config
        self._sink = sink
        self._library = library
        self._calendar = cal
        self._rows = rows
        self._cold = cold
        self._told = Told()
        self._fold = DailyFold(dt.date.min, deep=False)
        self._wanted: frozenset[str] | None = None
        """The symbols that are listed now, and of those only the configured ones; None: all."""
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
        """Once told to `begin`, read a year of days; then the same for each coming session.

        Each begins up to `JITTER_NS` later than it might: not all scanners ask at once.
        """
        await begin.wait()
        while True:
            await self._read_year()
            await self._read_again()
            coming = session_after(self._calendar, self.session.start_ns)
            await self._until(self._moment(coming))
            await self._read(coming)

    async def _read_again(self) -> None:
        """Where the last day could not be had yet, ask again shortly before the session, and in it."""
        while self._fold.behind and self._sink.clock.now_ns() < self.session.open_ns:
            again_ns = self._sink.clock.now_ns() + AGAIN_NS
            await self._until(max(again_ns, self._moment(self.session)))
            await self._read(self.session)
            await self._read_year()

    @staticmethod
    def _moment(session: Session) -> int:
        """Return when a session's references are read: not all scanners ask at once."""
        return session.start_ns - AHEAD_NS + secrets.randbelow(JITTER_NS)

    async def learn(self, pages: Mapping[str, Details]) -> None:
        """Put again the references of which a ticker page told more."""
        if not pages:
            return
        date, now_ns = self.session.date, self._sink.clock.now_ns()
        facts = [page_of(symbol, page, date, now_ns) for symbol, page in pages.items()]
        await self._remember(Told(facts))
        self.pages.update(pages)
        await self._put(await self._composed(frozenset(pages)))

    async def _read_rules(self) -> ConditionRules:
        try:
            return rules_of(await self._library.conditions())
        except (Rejected, Unavailable) as error:
            self._library.missing.append(f"conditions: {error}")
            return US_RULES

    async def _read(self, session: Session) -> None:
        """Read what holds for a session: lists first, because the splits are among them."""
        facts = await self._library.facts(session)
        now_ns = self._sink.clock.now_ns()
        self.session = session
        self._choose([t.ticker for t in facts.tickers])
        await self._remember(await asyncio.to_thread(told_of, facts, session.date, now_ns))
        month = past_month(self._calendar, session)
        self._fold = await self._library.fold(
            month, self._told.splits, session.date, deep=False, at_once=AT_ONCE
        )
        await self._compose()

    def _choose(self, listed: Sequence[str]) -> None:
        """Leave out what is no longer listed, though the store knows it, and what nobody asks for."""
        asked = self._config.symbols
        chosen = None if asked is None else frozenset([*asked, self._config.canary])
        if listed:
            chosen = frozenset(listed) if chosen is None else chosen & frozenset(listed)
        self._wanted = chosen or self._wanted

    async def _remember(self, told: Told) -> None:
        """Take what was told now; where there is a cold store, with all that it knows beside."""
        cold, date, now_ns = self._cold, self.session.date, self._sink.clock.now_ns()
        if cold is None:
            facts = newest([*self._told.facts, *told.facts])
            self._told = Told(facts, told.splits or self._told.splits)
            return
        await asyncio.to_thread(cold.keep, told, now_ns)
        self._told = await asyncio.to_thread(cold.told, date, FAR_NS)
        pages = (fact for fact in self._told.facts if fact.kind == "page")
        self.pages = {fact.symbol for fact in pages if fact.known_ns > now_ns - PAGE_NS}

    async def _read_year(self) -> None:
        if self._config.history_sessions <= 20:
            return
        year = past_year(self._calendar, self.session, self._config.history_sessions)
        splits, date = self._told.splits, self.session.date
        self._fold = await self._library.fold(
            year, splits, date, deep=True, at_once=2, rest_ratio=IDLE_RATIO
        )
        await self._compose()

    async def _compose(self) -> None:
        found = await self._composed(self._wanted)
        self.adjusted = {
            r.symbol: r.prev_close for r in found if r.split_today and r.prev_close is not None
        }
        await self._put(found)

    async def _composed(self, wanted: frozenset[str] | None) -> list[Reference]:
        return await asyncio.to_thread(compose, self._told, self._fold, self.session.date, wanted)

    async def _put(self, found: Iterable[Reference]) -> None:
        record: list[Reference] = []
        for reference in found:
            if self._rows.of(reference.symbol) >= 0:
                record.append(reference)
            if len(record) == A_RECORD:
                self._sink.put(References(self.session.date.isoformat(), record))
                record = []
                await asyncio.sleep(0)
        if record:
            self._sink.put(References(self.session.date.isoformat(), record))

    async def _until(self, ts_ns: int) -> None:
        while True:
            delay_s = self._sink.clock.wall_delay_s(ts_ns)
            if delay_s <= 0:
                return
            # In steps, because the clock's rate may be set meanwhile.
            await asyncio.sleep(min(delay_s, 1.0))
