"""Clock, calendar and assets over REST."""

import datetime as dt

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tapelight.feeds.simulator.alpaca.guard import Guard
from tapelight.feeds.simulator.alpaca.order import id_of
from tapelight.feeds.simulator.alpaca.refusal import missing
from tapelight.feeds.simulator.names import TEST_SYMBOL
from tapelight.feeds.simulator.rest import answer
from tapelight.feeds.simulator.simulation import Simulation
from tapelight.model.clock import MarketClock
from tapelight.model.session import NEW_YORK, Session, iso, latest_session, session_after

MAX_DAYS = 2000
EXCHANGES = {
    "XNYS": "NYSE", "XNAS": "NASDAQ", "ARCX": "ARCA", "XASE": "AMEX", "BATS": "BATS",
}  # fmt: skip
"""Alpaca's name of a listing market by MIC."""


class Listed:
    """Answer what trading days there are, and what is traded."""

    def __init__(self, simulation: Simulation, clock: MarketClock, guard: Guard) -> None:
        self._simulation, self._clock, self._guard = simulation, clock, guard

    def routes(self) -> list[BaseRoute]:
        """Return the routes, each behind the keys."""
        table = {
            "/v2/clock": self.clock, "/v2/calendar": self.calendar,
            "/v2/assets": self.assets, "/v2/assets/{symbol}": self.asset,
        }  # fmt: skip
        return [Route(path, self._guard.trading(handler)) for path, handler in table.items()]

    async def clock(self, _request: Request) -> Response:
        """Answer market time, and when it opens and closes next."""
        now_ns, days = self._clock.now_ns(), self._simulation.calendar
        session = latest_session(days, now_ns)
        following = session_after(days, session.start_ns)
        coming = session if now_ns < session.open_ns else following
        closing = session if now_ns < session.close_ns else following
        return answer({
            "timestamp": iso(now_ns), "is_open": session.open_ns <= now_ns < session.close_ns,
            "next_open": iso(coming.open_ns), "next_close": iso(closing.close_ns),
        })  # fmt: skip

    async def calendar(self, request: Request) -> Response:
        """Answer the trading days from `start` to `end`."""
        today = self._simulation.calendar.date_of(self._clock.now_ns())
        first = dt.date.fromisoformat(request.query_params.get("start", today.isoformat())[:10])
        last = dt.date.fromisoformat(request.query_params.get("end", today.isoformat())[:10])
        days = (first + dt.timedelta(n) for n in range(min((last - first).days + 1, MAX_DAYS)))
        found = [self._simulation.calendar.session_on(day) for day in days]
        return answer([_day(session) for session in found if session is not None])

    async def assets(self, request: Request) -> Response:
        """Answer all securities."""
        if request.query_params.get("asset_class", "us_equity") != "us_equity":
            return answer([])
        return answer([self._asset(row) for row in range(len(self._simulation.listing))])

    async def asset(self, request: Request) -> Response:
        """Answer one security, by symbol or id."""
        wanted = request.path_params["symbol"]
        for row, symbol in enumerate(self._simulation.listing.symbols):
            if wanted in (symbol, id_of("asset", symbol)):
                return answer(self._asset(row))
        raise missing(f"asset not found for {wanted}")

    def _asset(self, row: int) -> dict[str, object]:
        company = self._simulation.listing.companies[row]
        traded = company.symbol != TEST_SYMBOL
        return {
            "id": id_of("asset", company.symbol), "class": "us_equity", "symbol": company.symbol,
            "exchange": EXCHANGES.get(company.mic, "NASDAQ"), "name": company.name,
            "status": "active" if traded else "inactive", "tradable": traded,
            "marginable": traded, "shortable": traded, "easy_to_borrow": traded,
            "fractionable": traded, "maintenance_margin_requirement": 30, "attributes": [],
        }  # fmt: skip


def _day(session: Session) -> dict[str, str]:
    def at(ns: int) -> str:
        return f"{dt.datetime.fromtimestamp(ns // 1_000_000_000, NEW_YORK):%H:%M}"

    return {
        "date": session.date.isoformat(), "open": at(session.open_ns),
        "close": at(session.close_ns), "session_open": at(session.start_ns).replace(":", ""),
        "session_close": at(session.end_ns).replace(":", ""),
    }  # fmt: skip
