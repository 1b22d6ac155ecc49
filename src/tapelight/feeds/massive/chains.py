"""Bring option chains of a few symbols: on demand, beside the stream, never in its way."""

import asyncio
import datetime as dt
import math
from collections.abc import Iterator, Sequence
from urllib.parse import quote

import numpy as np
from msgspec import Struct

from tapelight.errors import ConfigError, Rejected, Unavailable
from tapelight.feeds._rest import NotServed, Params
from tapelight.feeds.massive.rest import Rest
from tapelight.model.batch import Floats
from tapelight.model.options import Chain, empty_chain, parse_contract
from tapelight.model.session import NS, Calendar
from tapelight.ports import Sink

HORIZON = dt.timedelta(days=60)
"""Contracts that expire later are not asked for: iv30 needs none of them."""
AT_ONCE = 4
PACE_S = 0.05
"""What each of them rests between two symbols: some 40 requests a second at the most."""
QUOTE_LASTS_NS = 1800 * NS
"""A quote that was not renewed for so long is no price; a delayed plan's is 15 minutes old."""
FIRST_NS = 946_684_800 * NS
"""2000-01-01: what is before it was written in another unit."""
DAY_NS = 86_400 * NS
"""How far ahead a stamp may lie: that of a day may be its end."""
GIVE_UP_AFTER = 3
"""Refusals in a row, with no chain before them, after which the plan is known to have none."""
SHARES = 100.0


class OptionDetails(Struct, gc=False):
    """Hold `details` of a contract's snapshot."""

    contract_type: str = ""
    expiration_date: str = ""
    strike_price: float = math.nan
    shares_per_contract: float = SHARES
    ticker: str = ""


class OptionDay(Struct, gc=False):
    """Hold `day`: of the last day on which the contract traded, which may be long ago."""

    volume: float = 0.0
    last_updated: int = 0


class OptionQuote(Struct, gc=False):
    """Hold `last_quote`, which a plan or a contract may lack."""

    bid: float = math.nan
    ask: float = math.nan
    last_updated: int = 0


class UnderlyingAsset(Struct, gc=False):
    """Hold `underlying_asset`: `price` of a stock, `value` of an index."""

    price: float = math.nan
    value: float = math.nan
    last_updated: int = 0


class ContractSnapshot(Struct):
    """Hold one contract of /v3/snapshot/options/{underlying}.

    {"break_even_price":179.075,"day":{"volume":8,"last_updated":1651204800000000000,...},
    "details":{"contract_type":"call","exercise_style":"american","expiration_date":"2023-06-16",
    "shares_per_contract":100,"strike_price":150,"ticker":"O:AAPL230616C00150000"},
    "greeks":{"delta":0.6436614934293701,...},"implied_volatility":0.3570277203465058,
    "last_quote":{"ask":29.25,"bid":28.9,"last_updated":1651254260800059648,...},
    "open_interest":8133,"underlying_asset":{"last_updated":1651254263172073152,"price":159.9606,
    "ticker":"AAPL",...}}
    """

    details: OptionDetails
    day: OptionDay | None = None
    last_quote: OptionQuote | None = None
    implied_volatility: float = math.nan
    open_interest: float = math.nan
    underlying_asset: UnderlyingAsset | None = None


class ContractSnapshots(Struct):
    """Hold a page of /v3/snapshot/options/{underlying}."""

    results: list[ContractSnapshot] | None = None
    next_url: str | None = None


class PastVolatility(Struct):
    """Hold /simulator/volatility/{symbol}; real services answer 404."""

    iv30: list[float] = []


class Chains:
    """Fetch chains and put each as a record; what a symbol or a plan lacks is not asked again."""

    def __init__(self, rest: Rest, sink: Sink, cal: Calendar) -> None:
        self._rest = rest
        self._sink = sink
        self._calendar = cal
        self._without: tuple[dt.date, set[str]] = (dt.date.min, set())
        """The symbols without options on a date."""
        self._past: dict[str, Floats] = {}
        self._past_served = True
        self._served = False
        self._refused = 0

    async def read(self, symbols: Sequence[str]) -> None:
        """Put the chains of `symbols`, in any order, as they come; cancelling loses the rest."""
        today = self._calendar.date_of(self._sink.clock.now_ns())
        if self._without[0] != today:
            self._without = (today, set())
            self._past.clear()
        left = iter([s for s in symbols if s not in self._without[1]])
        async with asyncio.TaskGroup() as workers:
            for number in range(AT_ONCE):
                workers.create_task(self._work(left, today), name=f"chains {number}")

    async def _work(self, left: Iterator[str], today: dt.date) -> None:
        for symbol in left:
            if self._refused >= GIVE_UP_AFTER and not self._served:
                return
            try:
                chain = await self._one(symbol, today)
            except NotServed:
                self._refused += 1
                self._without[1].add(symbol)
            except (Unavailable, Rejected, ConfigError) as error:
                self._sink.reject("chain", f"{symbol}: {error}")
            else:
                self._served = True
                if len(chain):
                    self._sink.put(chain)
                else:
                    self._without[1].add(symbol)
            await asyncio.sleep(PACE_S)

    async def _one(self, symbol: str, today: dt.date) -> Chain:
        params: Params = {
            "expiration_date.gte": today.isoformat(),
            "expiration_date.lte": (today + HORIZON).isoformat(),
            "limit": 250,
        }
        path = f"/v3/snapshot/options/{quote(symbol, safe='')}"
        found = await self._rest.pages(path, ContractSnapshots, params)
        past = await self._volatilities(symbol) if found else np.zeros(0)
        now_ns = self._sink.clock.now_ns()
        for s in found:
            if not _dated(s, now_ns):
                self._sink.reject("contract", f"{s.details.ticker}: last_updated is no time in ns")
        return chain_of(symbol, found, past, self._calendar, now_ns)

    async def _volatilities(self, symbol: str) -> Floats:
        """Return past volatilities, which only a simulator tells."""
        if self._past_served and symbol not in self._past:
            path = f"/simulator/volatility/{quote(symbol, safe='')}"
            try:
                self._past[symbol] = np.array((await self._rest.get(path, PastVolatility)).iv30)
            except NotServed:
                self._past_served = False
        return self._past.get(symbol, np.zeros(0))


def chain_of(
    symbol: str, found: Sequence[ContractSnapshot], past: Floats, cal: Calendar, now_ns: int
) -> Chain:
    """Return the chain of what was found: calls and puts on 100 shares, in order of expiration.

    Contracts that deliver something else, or whose symbol, date, strike or stamps cannot be, are
    left out; old quotes are unknown, and a volume of an earlier day is 0.
    """
    today = cal.date_of(now_ns)
    rows = [
        row
        for s in found
        if _plain(s.details) and _dated(s, now_ns)
        if (row := _row(s, cal, today, now_ns)) is not None
    ]
    rows.sort(key=lambda r: r[:3])
    if not rows:
        return empty_chain(now_ns, symbol)
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    expiry_ns, call, strike, bid, ask, volume, open_interest, volatility = columns
    return Chain(
        now_ns, symbol, _spot(found), expiry_ns, call.astype(np.uint8), strike, bid, ask, volume,
        open_interest, volatility, past,
    )  # fmt: skip


def _plain(details: OptionDetails) -> bool:
    """Tell whether a contract is a call or a put on 100 shares."""
    try:
        adjusted = parse_contract(details.ticker).adjusted
    except Rejected:
        return False
    return (
        not adjusted
        and details.contract_type in ("call", "put")
        and details.shares_per_contract == SHARES
        and 0.0 < details.strike_price < math.inf
    )


def _dated(s: ContractSnapshot, now_ns: int) -> bool:
    """Tell whether the stamps of a contract can be times in ns; 0 is an unknown one."""
    stamps = [told.last_updated for told in (s.day, s.last_quote) if told is not None]
    return all(t == 0 or FIRST_NS <= t <= now_ns + DAY_NS for t in stamps)


def _row(
    s: ContractSnapshot, cal: Calendar, today: dt.date, now_ns: int
) -> tuple[int, int, float, float, float, float, float, float] | None:
    """Return expiry_ns, call, strike, bid, ask, volume, open interest, volatility."""
    expiry_ns = _expires_ns(s.details.expiration_date, cal)
    if expiry_ns is None:
        return None
    bid = ask = math.nan
    told = s.last_quote
    if told is not None and now_ns - told.last_updated <= QUOTE_LASTS_NS:
        bid, ask = told.bid, told.ask
    day = s.day
    traded = day is not None and cal.date_of(day.last_updated) == today
    volume = day.volume if day is not None and traded else 0.0
    return (
        expiry_ns, int(s.details.contract_type == "call"), s.details.strike_price, bid, ask,
        volume, s.open_interest, s.implied_volatility,
    )  # fmt: skip


def _expires_ns(text: str, cal: Calendar) -> int | None:
    """Return the regular close of an expiration date; of the session before, on a holiday."""
    try:
        date = dt.date.fromisoformat(text)
    except ValueError:
        return None
    for back in range(5):
        session = cal.session_on(date - dt.timedelta(days=back))
        if session is not None:
            return session.close_ns
    return None


def _spot(found: Sequence[ContractSnapshot]) -> float:
    """Return the underlying's price as it was known last."""
    assets = [s.underlying_asset for s in found if s.underlying_asset is not None]
    newest = max(assets, key=lambda a: a.last_updated, default=None)
    if newest is None:
        return math.nan
    return newest.price if newest.price == newest.price else newest.value
