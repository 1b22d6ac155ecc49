"""Massive's REST endpoints over the simulated market."""

import datetime as dt
import hmac
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tapelight.feeds.simulator import aggregates, reference
from tapelight.feeds.simulator.chains import Chains, chosen
from tapelight.feeds.simulator.market import MS
from tapelight.feeds.simulator.recent import Recent
from tapelight.feeds.simulator.simulation import Simulation
from tapelight.feeds.simulator.snapshot import movers, snapshot_bytes
from tapelight.model.options import format_contract
from tapelight.model.session import NEW_YORK

Handler = Callable[[Request], Awaitable[Response]]
Page = Callable[[Simulation, int], dict[str, Any]]
_JSON = "application/json"
_STOCKS = "/v2/snapshot/locale/us/markets/stocks"
REQUEST_ID = "simulated"
MAX_REQUESTS_S = 1000


class Quota:
    """Count the requests of the running second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._second = 0
        self._count = 0

    def admit(self) -> bool:
        """Return whether one more request is within the limit."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        return self._count <= MAX_REQUESTS_S


class Rest:
    """Answer requests from the simulation's state, which stands between two windows."""

    def __init__(self, simulation: Simulation, recent: Recent) -> None:
        self._simulation, self._recent = simulation, recent
        self._rows = simulation.row_of
        self._listed = reference.listed(simulation)
        self._quota = Quota()
        self._chains = Chains(simulation)

    def routes(self) -> list[BaseRoute]:
        """Return the routes, each behind the API key."""
        table: dict[str, Handler] = {
            f"{_STOCKS}/tickers": self.snapshot,
            f"{_STOCKS}/tickers/{{ticker}}": self.snapshot_one,
            f"{_STOCKS}/{{side:str}}": self.movers,
            "/v2/aggs/grouped/locale/us/market/stocks/{date}": self.grouped,
            "/v2/aggs/ticker/{ticker}/range/{mult:int}/{span}/{first}/{last}": self.range,
            "/v2/aggs/ticker/{ticker}/prev": self.prev,
            "/v1/open-close/{ticker}/{date}": self.open_close,
            "/v3/reference/tickers": self.tickers,
            "/v3/reference/tickers/{ticker}": self.details,
            "/stocks/vX/float": self.floats,
            "/stocks/v1/short-interest": self.short_interest,
            "/stocks/v1/splits": self.splits,
            "/v3/reference/splits": self.splits,
            "/v3/reference/conditions": self.conditions,
            "/v3/reference/exchanges": self.exchanges,
            "/v2/reference/news": self.news,
            "/v3/trades/{ticker}": self.trades,
            "/v3/snapshot/options/{ticker}": self.chain,
            "/v3/snapshot/options/{ticker}/{contract}": self.contract,
            "/simulator/volatility/{ticker}": self.volatility,
        }
        routes: list[BaseRoute] = [Route(path, self._guard(h)) for path, h in table.items()]
        return [*routes, Route("/v3/quotes/{rest:path}", self._guard(_not_entitled))]

    def _guard(self, handler: Handler) -> Handler:
        key = self._simulation.options.api_key

        async def guarded(request: Request) -> Response:
            if not self._quota.admit():
                return too_many()
            given = key_of(request)
            if not given:
                return fault(401, "API Key was not provided")
            if not hmac.compare_digest(given.encode(), key.encode()):
                return fault(401, "Unknown API Key")
            try:
                return await handler(request)
            except ValueError as error:
                return fault(400, f"Bad request: {error}")

        return guarded

    async def snapshot(self, request: Request) -> Response:
        """Answer the full snapshot, or that of `tickers`."""
        wanted = request.query_params.get("tickers")
        rows = np.arange(len(self._rows))
        if wanted is not None:
            found = [self._rows[s] for s in wanted.split(",") if s in self._rows]
            rows = np.array(found, np.int64)
        return await self._snapshot(rows)

    async def movers(self, request: Request) -> Response:
        """Answer gainers or losers."""
        side = request.path_params["side"]
        if side not in ("gainers", "losers"):
            return fault(404, f"No endpoint {request.url.path}")
        return await self._snapshot(movers(self._simulation, side == "gainers"))

    async def _snapshot(self, rows: "np.ndarray[Any, np.dtype[np.int64]]") -> Response:
        parts = await snapshot_bytes(self._simulation, rows)
        head = b'{"status":"OK","count":%d,"tickers":[' % len(rows)
        return Response(head + b",".join(parts) + b"]}", media_type=_JSON)

    async def snapshot_one(self, request: Request) -> Response:
        """Answer one ticker's snapshot."""
        row = self._row(request)
        if row is None:
            return missing("NotFound", "Ticker not found.")
        parts = await snapshot_bytes(self._simulation, np.array([row]))
        head = f'{{"status":"OK","request_id":"{REQUEST_ID}","ticker":'.encode()
        return Response(head + parts[0] + b"}", media_type=_JSON)

    async def grouped(self, request: Request) -> Response:
        """Answer all daily bars of a date; `results` is absent on a closed day."""
        date = dt.date.fromisoformat(request.path_params["date"])
        adjusted = _adjusted(request)
        parts = await aggregates.grouped(self._simulation, date, adjusted)
        count = b",".join(parts).count(b'"T":') if parts else 0
        body = b'{"queryCount":%d,"resultsCount":%d,"adjusted":%s,"status":"OK","count":%d' % (
            count, count, b"true" if adjusted else b"false", count,
        )  # fmt: skip
        if parts:
            body += b',"results":[' + b",".join(parts) + b"]"
        return Response(body + b"}", media_type=_JSON)

    async def range(self, request: Request) -> Response:
        """Answer minute, hour or day bars of one ticker."""
        row = self._row(request)
        given, adjusted = request.path_params, _adjusted(request)
        bars: list[aggregates.Bar] = []
        if row is not None and given["span"] == "day":
            first, last = _date(given["first"]), _date(given["last"])
            bars = aggregates.days(self._simulation, row, first, last, adjusted)
        elif row is not None and given["span"] in ("minute", "hour"):
            span = (max(1, given["mult"]), given["span"])
            first_ms, last_ms = _ms(given["first"]), _ms(given["last"], 86_400_000 - 1)
            bars = aggregates.minutes(self._simulation, row, span, first_ms, last_ms)
        elif row is not None:
            return fault(400, f"Unknown timespan {given['span']!r}: use minute, hour or day.")
        if request.query_params.get("sort") == "desc":
            bars.reverse()
        bars = bars[: int(request.query_params.get("limit", 5000))]
        return _bars(given["ticker"], bars, adjusted)

    async def prev(self, request: Request) -> Response:
        """Answer the previous session's daily bar."""
        row, daily = self._row(request), self._simulation.previous()
        bars = []
        if row is not None and daily.volume[row] > 0:
            bars = [aggregates.day_bar(daily, row)]
            bars[0].T = request.path_params["ticker"]
        return _bars(request.path_params["ticker"], bars, True)

    async def open_close(self, request: Request) -> Response:
        """Answer one ticker's open and close of a date."""
        row = self._row(request)
        date = dt.date.fromisoformat(request.path_params["date"])
        body = aggregates.open_close(self._simulation, row, date) if row is not None else None
        return answer(body) if body else missing("NOT_FOUND", "Data not found.")

    async def tickers(self, request: Request) -> Response:
        """Answer a page of the reference list."""
        rows, query = self._listed, request.query_params
        companies = self._simulation.listing.companies
        if "ticker" in query:
            rows = [r for r in rows if companies[r].symbol == query["ticker"]]
        if "type" in query:
            rows = [r for r in rows if companies[r].type == query["type"]]
        if query.get("market", "stocks") != "stocks" or query.get("active", "true") == "false":
            rows = []
        return self._page(request, rows, reference.ticker, 1000)

    async def details(self, request: Request) -> Response:
        """Answer one ticker's details."""
        row = self._row(request)
        if row is None:
            return missing("NOT_FOUND", "Ticker not found.")
        return answer(_results(reference.details(self._simulation, row)))

    async def floats(self, request: Request) -> Response:
        """Answer a page of free floats."""
        return self._page(request, self._chosen(request), reference.free_float, 5000)

    async def short_interest(self, request: Request) -> Response:
        """Answer a page of short interest."""
        return self._page(request, self._chosen(request), reference.short_interest, 50_000)

    async def splits(self, request: Request) -> Response:
        """Answer the splits, which are all effective on the first session."""
        rows = reference.split_rows(self._simulation)
        chosen = set(self._chosen(request))
        found = [reference.split(self._simulation, r) for r in rows if r in chosen]
        for name, keep in _COMPARE.items():
            bound = request.query_params.get(f"execution_date{name}")
            if bound is not None:
                found = [s for s in found if keep(str(s["execution_date"]), bound)]
        return answer(_results(found))

    async def conditions(self, _request: Request) -> Response:
        """Answer the sale conditions."""
        return answer(_results(reference.conditions()))

    async def exchanges(self, _request: Request) -> Response:
        """Answer the exchanges."""
        return answer(_results(reference.exchanges()))

    async def news(self, request: Request) -> Response:
        """Answer the news published so far."""
        query, found = request.query_params, reference.news(self._simulation)
        if "ticker" in query:
            found = [a for a in found if query["ticker"] in list(a["tickers"])]  # type: ignore[call-overload]
        since = query.get("published_utc.gte") or query.get("published_utc.gt")
        if since:
            found = [a for a in found if str(a["published_utc"]) >= since]
        if query.get("order") in ("asc", "ascending"):
            found.reverse()
        return answer(_results(found[: int(query.get("limit", 10))]))

    async def trades(self, request: Request) -> Response:
        """Answer what was sent of one ticker lately, newest first."""
        row, query = self._row(request), request.query_params
        limit = min(int(query.get("limit", 1000)), 50_000)
        since = int(query.get("timestamp.gte", 0))
        until = int(query.get("timestamp.lte", 1 << 62))
        found = self._recent.trades(row, since, limit, until) if row is not None else []
        if query.get("order") == "asc":
            found.reverse()
        return answer(_results(found))

    async def chain(self, request: Request) -> Response:
        """Answer a page of one underlying's option chain, 10 contracts unless told, 250 at most."""
        row, query = self._row(request), request.query_params
        found = chosen(self._chains.listed(row), query) if row is not None else []
        first, limit = int(query.get("cursor", 0)), min(max(1, int(query.get("limit", 10))), 250)
        part = found[first : first + limit]
        body = _results(self._chains.snapshots(row, part) if row is not None else [])
        if first + limit < len(found):
            body["next_url"] = _following(request, first + limit, limit)
        return answer(body)

    async def contract(self, request: Request) -> Response:
        """Answer one option contract."""
        row, symbol = self._row(request), request.path_params["contract"]
        listed = self._chains.listed(row) if row is not None else []
        found = [c for c in listed if format_contract(c, padded=False) == symbol]
        if row is None or not found:
            return missing("NotFound", "Options contract not found.")
        return answer(_results(self._chains.snapshots(row, found)[0]))

    async def volatility(self, request: Request) -> Response:
        """Answer the 30-day volatility of past sessions: no real service has this."""
        row = self._row(request)
        if row is None or not self._chains.listed(row):
            return missing("NotFound", "Ticker not found.")
        return answer(self._chains.history(row))

    def _row(self, request: Request) -> int | None:
        return self._rows.get(request.path_params["ticker"])

    def _chosen(self, request: Request) -> list[int]:
        wanted = request.query_params.get("ticker") or request.query_params.get("ticker.any_of")
        if wanted is None:
            return self._listed
        return [self._rows[s] for s in wanted.split(",") if s in self._rows]

    def _page(self, request: Request, rows: list[int], form: Page, most: int) -> Response:
        query = request.query_params
        limit = min(max(1, int(query.get("limit", 100))), most)
        first = int(query.get("cursor", 0))
        part = rows[first : first + limit]
        body = _results([form(self._simulation, row) for row in part])
        if first + limit < len(rows):
            body["next_url"] = _following(request, first + limit, limit)
        return answer(body)


_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "": lambda a, b: a == b,
    ".gte": lambda a, b: a >= b,
    ".lte": lambda a, b: a <= b,
    ".gt": lambda a, b: a > b,
    ".lt": lambda a, b: a < b,
}


def key_of(request: Request) -> str:
    """Return the key of the Authorization header or of ?apiKey=, "" for none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return request.query_params.get("apiKey", "")


def answer(body: object, code: int = 200) -> Response:
    """Return `body` as JSON."""
    return Response(msgspec.json.encode(body), code, media_type=_JSON)


def fault(code: int, message: str) -> Response:
    """Return Massive's error body."""
    return answer({"status": "ERROR", "request_id": REQUEST_ID, "error": message}, code)


def too_many() -> Response:
    """Return the refusal of one request too many, with the time after which to ask again."""
    response = fault(429, "You've exceeded the maximum requests per minute, please wait.")
    response.headers["Retry-After"] = "1"
    return response


def missing(status: str, message: str) -> Response:
    """Return Massive's body for something unknown."""
    return answer({"status": status, "request_id": REQUEST_ID, "message": message}, 404)


async def _not_entitled(_request: Request) -> Response:
    text = (
        "You are not entitled to this data. Please upgrade your plan at https://massive.com/pricing"
    )
    body = {"status": "NOT_AUTHORIZED", "request_id": REQUEST_ID, "message": text}
    return answer(body, 403)


def _results(found: object) -> dict[str, object]:
    body: dict[str, object] = {"status": "OK", "request_id": REQUEST_ID, "results": found}
    if isinstance(found, list):
        body["count"] = len(found)
    return body


def _bars(symbol: str, bars: Sequence[aggregates.Bar], adjusted: bool) -> Response:
    body: dict[str, object] = {
        "ticker": symbol, "queryCount": len(bars), "resultsCount": len(bars),
        "adjusted": adjusted, "status": "OK", "request_id": REQUEST_ID, "count": len(bars),
    }  # fmt: skip
    if bars:
        body["results"] = bars
    return answer(body)


def _following(request: Request, first: int, limit: int) -> str:
    """Return the address of the page that begins at `first`, without the key."""
    url = request.url.include_query_params(cursor=first, limit=limit)
    return str(url.remove_query_params("apiKey"))


def _adjusted(request: Request) -> bool:
    return request.query_params.get("adjusted", "true").lower() != "false"


def _date(text: str) -> dt.date:
    if text.isdigit():
        return dt.datetime.fromtimestamp(int(text) / 1000, NEW_YORK).date()
    return dt.date.fromisoformat(text)


def _ms(text: str, extra_ms: int = 0) -> int:
    """Return ms since the epoch of ms, ns or a New York date (plus `extra_ms` for a date)."""
    if text.isdigit():
        return int(text) // MS if len(text) > 15 else int(text)
    midnight = dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), NEW_YORK)
    return int(midnight.timestamp()) * 1000 + extra_ms
