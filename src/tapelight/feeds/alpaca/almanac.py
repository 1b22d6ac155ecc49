"""References from Alpaca's lists, anew for each session: names and exchanges, previous closes and levels from daily bars.

Alpaca tells no type: it is read from the exchange and the words of the name.
"""

import asyncio
import datetime as dt
import re
import secrets
from collections.abc import Callable, Mapping, Sequence

from tapelight.errors import Rejected, Unavailable
from tapelight.feeds._symbols import Rows
from tapelight.feeds._timing import until
from tapelight.feeds.alpaca.config import AlpacaConfig
from tapelight.feeds.alpaca.library import Library
from tapelight.feeds.alpaca.payloads import Asset, PastBar
from tapelight.model.daily import fold_days, levels
from tapelight.model.past import Day, day_bars
from tapelight.model.records import Reference, References
from tapelight.model.session import MINUTE_NS, Calendar, Session, session_after, session_before
from tapelight.ports import Sink

MARKETS = {
    "NYSE": ("XNYS", 10), "NASDAQ": ("XNAS", 12), "ARCA": ("ARCX", 11), "NYSEARCA": ("ARCX", 11),
    "AMEX": ("XASE", 1), "BATS": ("BATS", 19),
}  # fmt: skip
"""MIC and id (as in trades) of a listing market by Alpaca's name."""
MONTH = 25
A_RECORD = 500
AHEAD_NS = 15 * MINUTE_NS
"""How long before a session its references are read."""
JITTER_NS = 5 * MINUTE_NS
AGAIN_NS = 10 * MINUTE_NS
WORDS = (
    ("WARRANT", r"\bwarrants?\b"),
    ("RIGHT", r"\brights?\b"),
    ("UNIT", r"\bunits?\b"),
    ("PFD", r"\bpreferred\b|\bpreference\b|\bdepositary shares? .*\bseries\b"),
    ("ADR", r"\bamerican depositary\b|\bads\b|\badrs?\b"),
    ("ETF", r"\betfs?\b|\betns?\b|\bspdr\b|\bishares\b|\bproshares\b|\bexchange.traded\b"),
)
_WORDS = [(kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in WORDS]
FUND_MARKETS = frozenset({"ARCA", "NYSEARCA", "BATS"})


def type_of(asset: Asset) -> str:
    """Return CS, ADR, ETF ... by the words of a security's name and where it is listed."""
    for kind, pattern in _WORDS:
        if pattern.search(asset.name or ""):
            return kind
    return "ETF" if asset.exchange in FUND_MARKETS else "CS"


class Almanac:
    """Read and put the references of the symbols at hand."""

    def __init__(
        self, config: AlpacaConfig, sink: Sink, library: Library, cal: Calendar, rows: Rows
    ) -> None:
        self._config, self._sink, self._library = config, sink, library
        self._calendar, self._rows = cal, rows
        self.symbols: list[str] = []
        """Those that are watched: the listed ones, or all that can be traded."""
        self._assets: Mapping[str, Asset] = {}

    async def open(self, session: Session) -> None:
        """Read the securities and their last sessions, and put what they say."""
        await self._list()
        try:
            days = await self._days(session)
        except (Unavailable, Rejected) as error:
            self._library.missing.append(f"past days: {error}")
            days = {}
        await self._put(session, days)

    async def keep(self, session: Session) -> None:
        """Do the same for each session after `session`, until cancelled.

        Each begins up to `JITTER_NS` later than it might: not all scanners ask at once.
        """
        while True:
            session = session_after(self._calendar, session.start_ns)
            at_ns = session.start_ns - AHEAD_NS + secrets.randbelow(JITTER_NS)
            await until(self._sink.clock, at_ns)
            while not await self._kept(session):
                await until(self._sink.clock, self._sink.clock.now_ns() + AGAIN_NS)

    async def _kept(self, session: Session) -> bool:
        """Read and put what holds for a session; tell whether its days are to be had."""
        try:
            days = await self._days(session)
        except (Unavailable, Rejected) as error:
            self._sink.reject("references", str(error))
            return False
        await self._list()
        await self._put(session, days)
        return True

    async def _list(self) -> None:
        """Choose the symbols; where the list is not to be had, the last one stands."""
        self._assets = assets = await self._library.assets() or self._assets
        listed = self._config.symbols
        if listed is not None:
            canary = [self._config.canary] if self._config.canary else []
            self.symbols = list(dict.fromkeys([*listed, *canary]))
        else:
            self.symbols = sorted(assets)

    async def _put(self, session: Session, days: Mapping[str, Sequence[PastBar]]) -> None:
        found = await asyncio.to_thread(
            _references, self.symbols, self._assets, days, session, self._full
        )
        for at in range(0, len(found), A_RECORD):
            part = [r for r in found[at : at + A_RECORD] if self._rows.of(r.symbol) >= 0]
            self._sink.put(References(session.date.isoformat(), part))
            await asyncio.sleep(0)

    async def _days(self, session: Session) -> Mapping[str, Sequence[PastBar]]:
        deep = self._config.symbols is not None
        count = max(self._config.history_sessions if deep else 0, MONTH)
        first = session
        for _ in range(count):
            first = session_before(self._calendar, first)
        last = session_before(self._calendar, session).date
        return await self._library.days(self.symbols, first.date, last)

    def _full(self, date: dt.date) -> bool:
        session = self._calendar.session_on(date)
        return session is not None and not session.half_day


def _references(
    symbols: Sequence[str], assets: Mapping[str, Asset], days: Mapping[str, Sequence[PastBar]],
    session: Session, full: Callable[[dt.date], bool],
) -> list[Reference]:  # fmt: skip
    by_date: dict[dt.date, list[Day]] = {}
    for symbol, bars in days.items():
        for bar in bars:
            date = dt.date.fromisoformat(bar.t[:10])
            if date < session.date:
                by_date.setdefault(date, []).append(Day(symbol, bar.h, bar.l, bar.c, bar.v))
    dated = [(date, day_bars(by_date[date]).sound(), full(date)) for date in sorted(by_date)]
    known = levels(fold_days(dated, (), session.date))
    return [_reference(symbol, assets.get(symbol), known.get(symbol, {})) for symbol in symbols]


def _reference(
    symbol: str, asset: Asset | None, known: Mapping[str, float | int | None]
) -> Reference:
    if asset is None:
        return Reference(symbol=symbol, **known)  # type: ignore[arg-type]
    mic, number = MARKETS.get(asset.exchange, (None, 0))
    return Reference(
        symbol=symbol, name=asset.name, exchange=mic, exchange_id=number, type=type_of(asset),
        **known,  # type: ignore[arg-type]
    )  # fmt: skip
