"""The REST interface: questions of Boards and Market as JSON."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version

from starlette.responses import Response

from tapelight.ports import Alerting, Boards, Documents, Json, Market, Past, Reasons, Records, Scans
from tapelight.telemetry import Measures
from tapelight.web import metrics
from tapelight.web.alerts import Known, alert_endpoints
from tapelight.web.documents import document_endpoints
from tapelight.web.endpoints import (
    AT,
    BOARD,
    COLUMNS,
    ORDER,
    SPAN,
    SYMBOL,
    WHERE,
    Arguments,
    BarList,
    BoardInfo,
    BoardRows,
    Endpoint,
    Health,
    MarketRows,
    limit,
    reply,
)
from tapelight.web.layouts import LAYOUTS
from tapelight.web.openapi import document
from tapelight.web.problems import Refused, unwatched
from tapelight.web.reasons import reason_endpoints
from tapelight.web.records import record_endpoints
from tapelight.web.scans import scan_endpoints
from tapelight.web.spans import SPANS, widen
from tapelight.web.views import public
from tapelight.web.watchlists import WATCHLISTS
from tapelight.web.wire import nearest, quoted

SQL_CHARS = 4_000
ROWS = 5_000
BAR_COLUMNS = ("start_s", "open", "high", "low", "close", "volume")
JOURNAL_FAILED = frozenset({"failed", "full", "closed"})
FORBIDDEN = (";", "--", "/*")


def fault(status: Mapping[str, Json]) -> str | None:
    """Return why the market isn't live by Market.status(), or None when it is."""
    feed = status.get("feed") or {}
    state = feed.get("state", "unknown")
    if state != "live":
        detail = feed.get("detail") or "no market data is coming in"
        return f"The feed {feed.get('name', '')} is {state}: {detail}.".replace("  ", " ")
    journal = status.get("journal") or {}
    if journal.get("state") in JOURNAL_FAILED:
        detail = journal.get("detail") or "free disk space or check the data folder, then restart"
        return f"The journal is {journal['state']}: {detail}."
    return None


def compose(args: Arguments) -> str:
    """Return the SELECT that /api/market's arguments make; the scan compiler checks it."""
    columns = args["columns"]
    names = [name.strip() for name in columns.split(",")]
    if columns != "*" and "symbol" not in names:
        columns = f"symbol, {columns}"
    parts = [f"SELECT {columns} FROM market"]
    if args["where"]:
        parts.append(f"WHERE ({args['where']})")
    if args["order"]:
        parts.append(f"ORDER BY {args['order']}")
    sql = " ".join([*parts, f"LIMIT {args['limit']}"])
    for mark in FORBIDDEN:
        if mark in sql:
            raise Refused(400, f"The query holds {mark!r}: leave comments and semicolons out.")
    if len(sql) > SQL_CHARS:
        raise Refused(400, f"The query is too long: keep it within {SQL_CHARS:,} characters.")
    return sql


class Rest:
    """Answer the endpoints; each is a function from checked arguments to a response."""

    def __init__(
        self,
        boards: Boards,
        market: Market,
        measures: Measures,
        past: Past | None = None,
        scans: Scans | None = None,
        reasons: Reasons | None = None,
        records: Records | None = None,
        documents: Documents | None = None,
        users: tuple[Endpoint, ...] = (),
        alerting: Alerting | None = None,
    ) -> None:
        self._boards = boards
        self._market = market
        self._past = past
        self._scans = scans
        self._reasons = reasons
        self._records = records
        self._documents = documents
        self._users = users
        self._alerting = alerting
        self._metrics = metrics.exposition(measures)
        self.endpoints = self._table()

    def _table(self) -> tuple[Endpoint, ...]:
        missing = (400, 404)
        then = (400, 404, 503)
        asked = (COLUMNS, WHERE, ORDER, limit(100, ROWS), AT)
        return (
            Endpoint(
                "/health",
                "Tell whether the market is live.",
                self.health,
                Health,
                (),
                (503,),
                role="nobody",
            ),
            Endpoint(
                "/metrics",
                "Prometheus metrics.",
                self.metrics,
                "text/plain",
                role="viewer",
            ),
            Endpoint("/api/boards", "List the boards.", self.boards, list[BoardInfo]),
            Endpoint(
                "/api/boards/{name}", "Show a board.", self.board, BoardRows, (BOARD, AT), then
            ),
            Endpoint("/api/market", "Ask the table in SQL.", self.market, MarketRows, asked, then),
            Endpoint(
                "/api/symbols/{symbol:path}",
                "Show every column of a symbol.",
                self.symbol,
                dict[str, Json],
                (SYMBOL, AT),
                then,
            ),
            Endpoint(
                "/api/bars/{symbol:path}",
                "Show today's bars of a symbol.",
                self.bars,
                BarList,
                (SYMBOL, SPAN),
                missing,
            ),
            *reason_endpoints(self._reasons, self._boards),
            *scan_endpoints(self._scans, self._documents),
            *record_endpoints(self._records),
            *self._users,
            *document_endpoints(LAYOUTS, self._documents),
            *document_endpoints(WATCHLISTS, self._documents),
            *alert_endpoints(
                self._alerting, self._documents, self._market_ns, Known(self._market, self._records)
            ),
            Endpoint(
                "/api/openapi.json",
                "This document.",
                self.openapi,
                dict[str, Json],
                role="nobody",
            ),
        )

    def _market_ns(self) -> int:
        """Return market time, as the status tells it."""
        told = self._market.status().get("market_time") or ""
        return int(dt.datetime.fromisoformat(told).timestamp() * 1_000_000_000) if told else 0

    def health(self, args: Arguments) -> Response:
        """Answer 200 when live, otherwise 503 with the reason; the rest is for those who may read."""
        status = self._market.status()
        reason = fault(status)
        if not args["who"].may("guest", "read"):
            status = {}
        elif not args["who"].may("viewer", "read"):
            status = public(status)
        body = {"ok": reason is None, **({"reason": reason} if reason else {}), **status}
        return reply(body, 503 if reason else 200)

    def metrics(self, _args: Arguments) -> Response:
        """Answer in Prometheus's text format."""
        headers = {"cache-control": "no-store", "content-type": metrics.MEDIA_TYPE}
        return Response(self._metrics(), headers=headers)

    def boards(self, _args: Arguments) -> Response:
        """List the boards."""
        return reply(list(self._boards.board_names()))

    async def board(self, args: Arguments) -> Response:
        """Show a board's rows as objects in rank order, now or as of a past second."""
        name, at = args["name"], args["at"]
        if at is not None:
            return reply(_board(await self._then.board(name, at)))
        known = [board["name"] for board in self._boards.board_names()]
        if name not in known:
            raise Refused(
                404,
                f"Board {quoted(name)} isn't known.{nearest(name, known)} "
                "GET /api/boards lists them.",
            )
        return reply(_board(self._boards.board(name)))

    async def market(self, args: Arguments) -> Response:
        """Answer a query over the table, now or as of a past second."""
        sql, at = compose(args), args["at"]
        if at is None:
            return reply({"sql": sql, "rows": list(self._market.query(sql))[: args["limit"]]})
        then = await self._then.query(sql, at)
        return reply({"sql": sql, **then, "rows": list(then["rows"])[: args["limit"]]})

    async def symbol(self, args: Arguments) -> Response:
        """Show every column of a symbol, now or as of a past second."""
        name, at = args["symbol"], args["at"]
        if at is not None:
            return reply({"symbol": name, **await self._then.symbol(name, at)})
        return reply({"symbol": name, **self._of(name, lambda: self._market.symbol(name))})

    @property
    def _then(self) -> Past:
        """Return whom to ask about the past."""
        if self._past is None:
            raise Refused(
                400, "A replay shows no other second than its own: leave at= out, or ask a scanner."
            )
        return self._past

    def bars(self, args: Arguments) -> Response:
        """Show today's bars of a symbol in the span asked for."""
        name, span = args["symbol"], args["span"]
        bars = self._of(name, lambda: self._market.bars(name, SPANS["1m"]))
        wide = bars if span == "1m" else widen(bars, SPANS[span])
        return reply({"symbol": name, "span": span, "columns": BAR_COLUMNS, "bars": wide})

    def openapi(self, _args: Arguments) -> Response:
        """Show the OpenAPI document."""
        return reply(self._document)

    @cached_property
    def _document(self) -> Json:
        """The document: made when it is first asked for, since few ask."""
        return document(self.endpoints, _version())

    def _of(self, symbol: str, ask: Callable[[], Json]) -> Json:
        """Ask about a symbol; answer 404 when it isn't watched."""
        try:
            return ask()
        except KeyError:
            raise unwatched(symbol) from None


def _board(state: Mapping[str, Json]) -> dict[str, Json]:
    keys = ("name", "title", "kind", "mark", "ts_ns", "columns", "run", "as_of_ns")
    head = {key: state[key] for key in keys if key in state}
    more = {"taken": state.get("taken", {}), "order": list(state["order"])}
    return {**head, **more, "rows": _objects(state)}


def _objects(state: Mapping[str, Json]) -> list[dict[str, Json]]:
    """Return a board's rows as {"symbol": ..., column: cell} in rank order."""
    names: Sequence[str] = [column["name"] for column in state["columns"]]
    rows, fired = state["rows"], state["kind"] == "events"
    return [
        {"symbol": symbol_of(key) if fired else key, **dict(zip(names, rows[key], strict=True))}
        for key in state["order"]
    ]


def symbol_of(key: str) -> str:
    """Return the symbol of a firing's key, SYMBOL@MS."""
    return key.rpartition("@")[0] or key


def _version() -> str:
    try:
        return version("tapelight")
    except PackageNotFoundError:
        return "0"
