"""Market time over REST: market status, upcoming holidays, the simulator's clock."""

import datetime as dt

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tapelight.feeds.simulator.market import MS
from tapelight.feeds.simulator.rest import answer, fault, key_of
from tapelight.feeds.simulator.simulation import Simulation
from tapelight.model.clock import MarketClock
from tapelight.model.session import calendar, iso

_LOOK_AHEAD_DAYS = 400
_MARKETS = ("closed", "extended-hours", "open", "extended-hours")


class Status:
    """Tell market time as `clock` has it, which the pace of the simulator sets."""

    def __init__(self, simulation: Simulation, clock: MarketClock) -> None:
        self._simulation, self._clock = simulation, clock

    def routes(self) -> list[BaseRoute]:
        """Return the routes; the simulator's own clock needs no key."""
        return [
            Route("/v1/marketstatus/now", self.now),
            Route("/v1/marketstatus/upcoming", self.upcoming),
            Route("/simulator/clock", self.clock),
        ]

    async def now(self, request: Request) -> Response:
        """Answer the phase and the market's time."""
        if key_of(request) != self._simulation.options.api_key:
            return fault(401, "Unknown API Key")
        now_ns = self._clock.now_ns()
        session = self._simulation.calendar.session_on(self._simulation.calendar.date_of(now_ns))
        phase = session.phase(now_ns) if session else 0
        market = _MARKETS[phase]
        return answer({
            "market": market, "earlyHours": phase == 1, "afterHours": phase == 3,
            "serverTime": iso(now_ns),
            "exchanges": {"nyse": market, "nasdaq": market, "otc": market},
            "currencies": {"fx": "open", "crypto": "open"},
        })  # fmt: skip

    async def upcoming(self, request: Request) -> Response:
        """Answer the closed days and early closes to come."""
        if key_of(request) != self._simulation.options.api_key:
            return fault(401, "Unknown API Key")
        return answer(holidays(calendar("XNYS").date_of(self._clock.now_ns())))

    async def clock(self, _request: Request) -> Response:
        """Answer market time, its rate (0 while held), and up to when everything was sent."""
        now_ns, sent_ns = self._clock.now_ns(), self._simulation.now_ms * MS
        return answer({
            "now_ns": now_ns, "rate": self._clock.rate, "held": self._clock.rate == 0.0,
            "due": {"sent_ns": sent_ns, "behind_ms": round((now_ns - sent_ns) / MS, 3)},
            "window_ms": self._simulation.window_ms, "market": self._market(),
        })  # fmt: skip

    def _market(self) -> str:
        """Return which market this is: the same options have the same past days."""
        options, simulation = self._simulation.options, self._simulation
        date = simulation.calendar.date_of(simulation.start_ms * MS)
        return f"{options.seed}-{options.symbols}-{date}"


def holidays(today: dt.date) -> list[dict[str, object]]:
    """Return the next year's closures and early closes of both listing exchanges."""
    days, found = calendar("XNYS"), []
    for ahead in range(1, _LOOK_AHEAD_DAYS):
        date = today + dt.timedelta(days=ahead)
        session = days.session_on(date)
        if date.weekday() >= 5 or (session and not session.half_day):
            continue
        for exchange in ("NYSE", "NASDAQ"):
            row: dict[str, object] = {
                "exchange": exchange, "name": "Holiday", "date": date.isoformat(),
                "status": "early-close" if session else "closed",
            }  # fmt: skip
            if session:
                row["open"], row["close"] = (
                    iso(ns, dt.UTC).replace("+00:00", "Z")
                    for ns in (session.open_ns, session.close_ns)
                )
            found.append(row)
    return found
