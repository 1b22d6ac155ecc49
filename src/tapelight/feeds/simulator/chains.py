"""Option chains of the simulated market: which contracts are listed, and how they trade now."""

import datetime as dt
import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from tapelight.feeds.simulator.market import MS
from tapelight.feeds.simulator.simulation import Simulation
from tapelight.feeds.simulator.surface import RATE, Surface, Worth, worth
from tapelight.feeds.simulator.tape import dollars
from tapelight.model.options import Contract, format_contract
from tapelight.model.session import Session, session_before

Json = dict[str, object]
YEAR_NS = 365 * 86_400_000_000_000
MONTHS, WEEKS = 6, 5
LEAST_PRICE, LEAST_DOLLARS = 3.0, 5e6
"""Stocks below this price or daily turnover have no listed options."""
WEEKLY_DOLLARS = 1e8
_STEPS = (0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0)
_REACH = (0.5, 2.0)
"""Strikes from half to twice the previous close, so that a gapper stays within them."""
_HISTORY = 260
_KEPT = 300
"""Chains whose draws are kept."""
_PUTS = 0.7
"""Puts traded for each call, in the mean."""
COMPARE: Mapping[str, Callable[[object, object], bool]] = {
    "": lambda a, b: a == b,
    ".gte": lambda a, b: a >= b,  # type: ignore[operator]
    ".gt": lambda a, b: a > b,  # type: ignore[operator]
    ".lte": lambda a, b: a <= b,  # type: ignore[operator]
    ".lt": lambda a, b: a < b,  # type: ignore[operator]
}


class _Stand(NamedTuple):
    """Hold where the underlying stands: live in regular hours, else as its market closed."""

    session: Session
    spot: float
    quoted_ns: int
    elapsed: float
    """Share of today's regular hours that has passed."""


class Chains:
    """Answer for the options of every symbol that has some."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._surface = Surface(simulation.listing, simulation.options.seed)
        self._drawn: dict[tuple[int, dt.date], dict[Contract, list[float]]] = {}

    def listed(self, row: int) -> list[Contract]:
        """Return the contracts of `row` in the order of their symbols; none for a small stock."""
        listing = self._simulation.listing
        company = listing.companies[row]
        dollars_a_day = float(listing.real_adv[row] * listing.price[row])
        reference = float(self._simulation.totals.prev_close[row])
        if company.type not in ("CS", "ADRC", "ETF") or not company.sector:
            return []
        if reference < LEAST_PRICE or dollars_a_day < LEAST_DOLLARS:
            return []
        root = company.symbol.replace(".", "")
        return [
            Contract(root, expiry, call, strike)
            for expiry in self._expiries(dollars_a_day >= WEEKLY_DOLLARS)
            for call in (True, False)
            for strike in _strikes(reference)
        ]

    def snapshots(self, row: int, contracts: Iterable[Contract]) -> list[Json]:
        """Return the snapshot of each contract, as Massive gives it."""
        stand = self._stand(row)
        return [self._snapshot(row, contract, stand) for contract in contracts]

    def history(self, row: int) -> Json:
        """Return the 30-day volatility at the money of past sessions, oldest first."""
        calendar, session = self._simulation.calendar, self._simulation.tape.day.plan.session
        dates: list[dt.date] = []
        for _ in range(_HISTORY):
            session = session_before(calendar, session)
            dates.append(session.date)
        past = [self._surface.at_the_money(row, date, 30 / 365) for date in reversed(dates)]
        return {
            "symbol": self._simulation.listing.symbols[row],
            "dates": [date.isoformat() for date in reversed(dates)],
            "iv30": [round(v, 6) for v in past],
        }

    def _noise(self, row: int, date: dt.date) -> dict[Contract, list[float]]:
        """Return two draws of each listed contract, the same all day."""
        if (row, date) not in self._drawn:
            listed = self.listed(row)
            key = [self._simulation.options.seed, 12, row, date.toordinal()]
            draws = np.random.default_rng(key).standard_normal((len(listed), 2)).tolist()
            if len(self._drawn) >= _KEPT:
                self._drawn.clear()
            self._drawn[row, date] = dict(zip(listed, draws, strict=True))
        return self._drawn[row, date]

    def _expiries(self, weekly: bool) -> list[dt.date]:
        today = self._simulation.tape.day.plan.session.date
        month, thirds = today.replace(day=1), list[dt.date]()
        while len(thirds) < MONTHS:
            third = month + dt.timedelta((4 - month.weekday()) % 7 + 14)
            thirds += [third] if third >= today else []
            month = (month + dt.timedelta(days=32)).replace(day=1)
        friday = today + dt.timedelta((4 - today.weekday()) % 7)
        weeks = [friday + dt.timedelta(weeks=w) for w in range(WEEKS)] if weekly else []
        return sorted({self._open_day(date) for date in (*thirds, *weeks)})

    def _open_day(self, date: dt.date) -> dt.date:
        """Return `date`, or the last trading day before it where it is a holiday."""
        while self._simulation.calendar.session_on(date) is None:
            date -= dt.timedelta(days=1)
        return date

    def _stand(self, row: int) -> _Stand:
        simulation, now_ns = self._simulation, self._simulation.now_ms * MS
        session, totals = simulation.tape.day.plan.session, simulation.totals
        if now_ns < session.open_ns:
            before = session_before(simulation.calendar, session)
            return _Stand(before, float(totals.prev_close[row]), before.close_ns, 0.0)
        whole = session.close_ns - session.open_ns
        elapsed = min((now_ns - session.open_ns) / whole, 1.0)
        if now_ns >= session.close_ns:
            return _Stand(session, float(totals.end_close()[row]), session.close_ns, elapsed)
        bid, ask = dollars(totals.bid[row : row + 1])[0], dollars(totals.ask[row : row + 1])[0]
        return _Stand(session, float(bid + ask) / 2.0, now_ns, elapsed)

    def _snapshot(self, row: int, contract: Contract, stand: _Stand) -> Json:
        expires = self._simulation.calendar.session_on(contract.expiry)
        left_ns = (expires.close_ns if expires else stand.quoted_ns) - stand.quoted_ns
        years = max(left_ns, 0) / YEAR_NS
        forward = stand.spot * math.exp(RATE * years)
        date = stand.session.date
        volatility = self._surface.volatility(row, date, forward, contract.strike, years)
        fair = worth(contract.call, stand.spot, contract.strike, years, volatility)
        volume, interest = self._traded(row, contract, stand)
        body = _body(contract, fair, stand, volume)
        body["open_interest"] = interest
        body["underlying_asset"] = {
            "change_to_break_even": float(body["break_even_price"]) - stand.spot,  # type: ignore[arg-type]
            "last_updated": stand.quoted_ns, "price": round(stand.spot, 4),
            "ticker": self._simulation.listing.symbols[row], "timeframe": "REAL-TIME",
        }  # fmt: skip
        intrinsic = max(stand.spot - contract.strike, contract.strike - stand.spot, 0.0)
        if years > 0.0 and (fair.price - intrinsic > 0.02 or abs(fair.delta) < 0.5):
            body["implied_volatility"] = volatility
            body["greeks"] = {
                "delta": fair.delta, "gamma": fair.gamma, "theta": fair.theta, "vega": fair.vega,
            }  # fmt: skip
        return body

    def _traded(self, row: int, contract: Contract, stand: _Stand) -> tuple[int, int]:
        """Return the day's volume so far and yesterday's open interest, in contracts."""
        listing = self._simulation.listing
        noise = self._noise(row, stand.session.date)[contract]
        far = math.log(contract.strike / stand.spot) / 0.08
        days = max((contract.expiry - stand.session.date).days, 0) + 5
        typical = float(listing.real_adv[row]) * 2e-4 * math.exp(-0.5 * far * far) * 10.0 / days
        typical *= 1.0 if contract.call else _PUTS
        volume = typical * math.exp(noise[0] - 0.5) * stand.elapsed
        return round(volume), round(typical * 8.0 * math.exp(noise[1] - 0.5))


def chosen(contracts: Iterable[Contract], query: Mapping[str, str]) -> list[Contract]:
    """Return the contracts that `query` asks for, sorted as it says; ValueError for nonsense."""
    found = list(contracts)
    for suffix, keep in COMPARE.items():
        strike, expiry = query.get(f"strike_price{suffix}"), query.get(f"expiration_date{suffix}")
        if strike is not None:
            bound = float(strike)
            found = [c for c in found if keep(c.strike, bound)]
        if expiry is not None:
            date = dt.date.fromisoformat(expiry)
            found = [c for c in found if keep(c.expiry, date)]
    kind = query.get("contract_type")
    if kind is not None:
        found = [c for c in found if c.call == (kind == "call")]
    if query.get("sort") == "strike_price":
        found.sort(key=lambda c: c.strike)
    if query.get("order") in ("desc", "descending"):
        found.reverse()
    return found


def _body(contract: Contract, fair: Worth, stand: _Stand, volume: int) -> Json:
    tick = 0.01 if fair.price < 3.0 else 0.05
    half = max(tick / 2.0, 0.012 * min(fair.price, 15.0))
    bid = max(math.floor((fair.price - half) / tick) * tick, 0.0)
    ask = max(math.ceil((fair.price + half) / tick) * tick, bid + tick)
    middle = (bid + ask) / 2.0
    sign = 1.0 if contract.call else -1.0
    day = {
        "volume": volume, "last_updated": stand.quoted_ns,
        **{name: round(middle, 2) for name in ("open", "high", "low", "close", "vwap")},
        "previous_close": round(middle, 2), "change": 0.0, "change_percent": 0.0,
    }  # fmt: skip
    body: Json = {
        "break_even_price": contract.strike + sign * middle,
        "day": day if volume else {},
        "details": {
            "contract_type": "call" if contract.call else "put", "exercise_style": "american",
            "expiration_date": contract.expiry.isoformat(), "shares_per_contract": 100,
            "strike_price": contract.strike, "ticker": format_contract(contract, padded=False),
        },
        "last_quote": {
            "ask": round(ask, 2), "ask_size": 50, "bid": round(bid, 2), "bid_size": 50,
            "last_updated": stand.quoted_ns, "midpoint": round(middle, 4),
            "timeframe": "REAL-TIME",
        },
    }  # fmt: skip
    if volume:
        body["last_trade"] = {
            "price": round(middle, 2), "size": 1, "conditions": [209], "exchange": 309,
            "sip_timestamp": stand.quoted_ns, "timeframe": "REAL-TIME",
        }  # fmt: skip
    return body


def _strikes(price: float) -> list[float]:
    """Return the listed strikes around `price`: a step of some 4 % of it."""
    step = max((s for s in _STEPS if s <= 0.04 * price), default=_STEPS[0])
    first, last = math.ceil(_REACH[0] * price / step), math.floor(_REACH[1] * price / step)
    return [n * step for n in range(max(first, 1), last + 1)]
