"""Fetch from Massive's REST service what is known before and beside the stream."""

import asyncio
import contextlib
import datetime as dt
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from tapelight.errors import Rejected, Unavailable
from tapelight.feeds._rest import NotServed, Params
from tapelight.feeds._timing import SimulatorClock
from tapelight.feeds.massive.payloads import (
    Condition,
    Conditions,
    DayBar,
    Details,
    FreeFloats,
    FullSnapshot,
    GroupedDaily,
    MarketStatus,
    MinuteBar,
    MinuteBars,
    NewsItem,
    NewsItems,
    PastTrade,
    PastTrades,
    ShortInterests,
    Splits,
    TickerDetails,
    Tickers,
    TickerSnapshot,
)
from tapelight.feeds.massive.reference import SOURCE, Facts
from tapelight.feeds.massive.rest import Rest
from tapelight.model.daily import MOST, Crossing, DailyFold, year_before
from tapelight.model.past import DayBars, Split, day_bars
from tapelight.model.session import NS, Calendar, Session, session_before
from tapelight.ports import Cold

_T = TypeVar("_T")
REAL = "massive-sip"
FAR_NS = 1 << 62
"""Known at any time: what is asked live is not of the past."""
SETTLED_NS = 4 * 3600 * NS
"""After a session's end its daily bars may still be put right: younger ones are not kept."""
STOCKS = "/v2/snapshot/locale/us/markets/stocks/tickers"
SHORTS_SINCE = dt.timedelta(days=45)
"""Short interest comes out twice a month."""
BREATH_S = 0.1
"""The least pause between two days of a background pass."""
MAX_SESSIONS = 25
"""How far back 20 full sessions may reach over half days."""


@dataclass(frozen=True, slots=True)
class Past:
    """Name the sessions before one, oldest first; `year_from` is the date 52 weeks before."""

    sessions: list[Session]
    year_from: dt.date


def past_month(cal: Calendar, session: Session) -> Past:
    """Return the last sessions before `session`, back to the 20th full one and one more."""
    found: list[Session] = []
    at = session
    while len(found) < MAX_SESSIONS and sum(not s.half_day for s in found) <= 20:
        at = session_before(cal, at)
        found.append(at)
    return Past(found[::-1], year_before(session.date))


def past_year(cal: Calendar, session: Session, count: int) -> Past:
    """Return the last `count` sessions before `session`."""
    found: list[Session] = []
    at = session
    for _ in range(count):
        at = session_before(cal, at)
        found.append(at)
    return Past(found[::-1], year_before(session.date))


class Library:
    """Ask for lists, days, snapshots and minutes; what the plan lacks is noted, not fatal.

    With a cold store no past day is asked for twice, nor by two at once.
    """

    def __init__(
        self, rest: Rest, cold: Cold | None = None, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._rest = rest
        self._cold = cold
        self.now_ns = now_ns
        self._asking: defaultdict[dt.date, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.origin = REAL
        """Of the days: the feed and its coverage."""
        self.missing: list[str] = []

    async def check_key(self) -> None:
        """Ask for the market's status, which every plan has; ConfigError for a refused key."""
        await self._rest.get("/v1/marketstatus/now", MarketStatus)

    async def simulator_clock(self) -> SimulatorClock | None:
        """Return a simulator's clock; None of a real service, which goes by UTC."""
        try:
            found = await self._rest.get("/simulator/clock", SimulatorClock)
        except NotServed:
            return None
        self.origin = f"massive-synthetic-{found.market}".rstrip("-")
        return found

    async def conditions(self) -> list[Condition]:
        """Return the sale conditions with their update rules."""
        params: Params = {"asset_class": "stocks", "data_type": "trade", "limit": 1000}
        return await self._rest.pages("/v3/reference/conditions", Conditions, params)

    async def facts(self, session: Session) -> Facts:
        """Return the lists that hold for `session`, all asked for at once."""
        since = (session.date - SHORTS_SINCE).isoformat()
        year = {
            "execution_date.gte": year_before(session.date).isoformat(),
            "execution_date.lte": session.date.isoformat(),
        }
        pages = self._rest.pages
        tickers, floats, shorts, splits = await asyncio.gather(
            self._or_empty(
                "tickers",
                pages(
                    "/v3/reference/tickers",
                    Tickers,
                    {"market": "stocks", "active": "true", "limit": 1000},
                ),
            ),
            self._or_empty("floats", pages("/stocks/vX/float", FreeFloats, {"limit": 5000})),
            self._or_empty(
                "short interest",
                pages(
                    "/stocks/v1/short-interest",
                    ShortInterests,
                    {"settlement_date.gte": since, "limit": 50_000},
                ),
            ),
            self._or_empty("splits", pages("/stocks/v1/splits", Splits, {**year, "limit": 1000})),
        )
        return Facts(tickers, floats, shorts, splits, list(self.missing))

    async def fold(
        self,
        past: Past,
        splits: Sequence[Split],
        session: dt.date,
        *,
        deep: bool,
        at_once: int,
        rest_ratio: float = 0.0,
    ) -> DailyFold:
        """Return the past sessions folded in the shares of `session`, `at_once` requests in flight.

        With `rest_ratio` r, each day's work w is followed by a pause of r x w: a background
        pass must not hold up the stream.
        """
        fold = DailyFold(past.year_from, deep=deep)
        crossing = Crossing(fold, splits, session)
        loop = asyncio.get_running_loop()
        async with contextlib.aclosing(self.days(past.sessions, at_once)) as days:
            async for one, bars in days:
                began = loop.time()
                fold.behind = bars is None
                if bars is not None:  # a day that could not be had is left out, not one of no trade
                    crossing.reach(one.date, bars)
                    fold.add_day(one.date, bars, full=not one.half_day)
                if rest_ratio:
                    await asyncio.sleep(rest_ratio * (loop.time() - began) + BREATH_S)
        crossing.end()
        fold.short = fold.sessions < MOST * len(past.sessions)
        return fold

    async def snapshot(self, symbols: Sequence[str] | None) -> list[TickerSnapshot]:
        """Return the day so far of all symbols, or of `symbols`."""
        params = {"include_otc": "false"}
        if symbols is not None and len(symbols) <= 200:
            params["tickers"] = ",".join(symbols)
        tickers = (await self._rest.get(STOCKS, FullSnapshot, params)).tickers
        if symbols is None:
            return tickers
        wanted = frozenset(symbols)
        return [t for t in tickers if t.ticker in wanted]

    async def minutes(self, symbol: str, session: Session, until_ns: int) -> list[MinuteBar]:
        """Return the minute bars of `symbol` from the session's start to `until_ns`."""
        return await self.minutes_between(symbol, session.start_ns, until_ns)

    async def minutes_between(
        self, symbol: str, from_ns: int, until_ns: int, *, adjusted: bool = True
    ) -> list[MinuteBar]:
        """Return the minute bars of `symbol` from a time to another."""
        span = f"{from_ns // 1_000_000}/{until_ns // 1_000_000}"
        path = f"/v2/aggs/ticker/{quote(symbol, safe='')}/range/1/minute/{span}"
        params: Params = {"adjusted": str(adjusted).lower(), "sort": "asc", "limit": 50_000}
        return await self._rest.pages(path, MinuteBars, params)

    async def trades(self, symbol: str, from_ns: int, until_ns: int) -> list[PastTrade]:
        """Return the prints of `symbol` in [from_ns, until_ns], oldest first."""
        path = f"/v3/trades/{quote(symbol, safe='')}"
        params: Params = {
            "timestamp.gte": from_ns, "timestamp.lte": until_ns, "order": "asc", "limit": 50_000
        }  # fmt: skip
        return await self._rest.pages(path, PastTrades, params)

    async def details(self, symbol: str) -> Details | None:
        """Return what the ticker's own page tells."""
        path = f"/v3/reference/tickers/{quote(symbol, safe='')}"
        return (await self._rest.get(path, TickerDetails)).results

    async def news(self, since: str) -> list[NewsItem]:
        """Return the articles published since a time (2024-06-24T18:33:53Z), oldest first."""
        params: Params = {"published_utc.gte": since, "order": "asc", "limit": 1000}
        return await self._rest.pages("/v2/reference/news", NewsItems, params)

    async def days(
        self, sessions: Sequence[Session], at_once: int
    ) -> AsyncGenerator[tuple[Session, DayBars | None], None]:
        """Yield each session's bars as traded, in order, while the next ones are on their way."""
        tasks: list[asyncio.Task[DayBars | None]] = []
        try:
            for at, session in enumerate(sessions):
                tasks += [
                    asyncio.create_task(self._day(ahead), name="grouped daily")
                    for ahead in sessions[at + len(tasks) : at + at_once]
                ]
                yield session, await tasks.pop(0)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _day(self, session: Session) -> DayBars | None:
        """Return a session's bars, from the cold store where they are; one asks, others wait."""
        async with self._asking[session.date]:
            return await self._kept_or_asked(session)

    async def _kept_or_asked(self, session: Session) -> DayBars | None:
        cold, now_ns = self._cold, self.now_ns()
        if cold is not None:
            kept = await asyncio.to_thread(cold.day, self.origin, session.date, FAR_NS)
            if kept is not None:
                return kept
        path = f"/v2/aggs/grouped/locale/us/market/stocks/{session.date.isoformat()}"
        params = {"adjusted": "false", "include_otc": "false"}

        async def asked() -> list[DayBar]:
            return (await self._rest.get(path, GroupedDaily, params)).results or []

        found = await self._or_empty("daily bars", asked())
        if not found:
            return None
        bars = await asyncio.to_thread(day_bars, found)
        if cold is not None and session.end_ns + SETTLED_NS < now_ns:
            await asyncio.to_thread(cold.keep_day, self.origin, session, bars, SOURCE, now_ns)
        return bars

    async def _or_empty(self, what: str, answer: Awaitable[list[_T]]) -> list[_T]:
        """Return the answer, or nothing when the service does not give it, noting it once."""
        try:
            return await answer
        except (Rejected, Unavailable) as error:
            note = f"{what}: {error}"
            if len(self.missing) < 20 and note not in self.missing:
                self.missing.append(note)
            return []
