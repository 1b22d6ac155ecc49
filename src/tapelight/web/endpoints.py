"""What a REST endpoint is, and how its query is read: the table from which OpenAPI is made."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tapelight.model.signals import Signal
from tapelight.ports import Cell, Json
from tapelight.web.problems import Refused
from tapelight.web.spans import SPANS
from tapelight.web.who import Who, who_asks
from tapelight.web.wire import encode, nearest, quoted

Arguments = Mapping[str, Json]
BODY_BYTES = 64 * 1024
BODY_S = 10.0
"""A body must be here within this time."""


class ColumnInfo(msgspec.Struct):
    """Say what a column of a board holds."""

    name: str
    unit: str
    doc: str


class BoardInfo(msgspec.Struct):
    """Describe a board; `kind` is list (ranked) or events (newest first)."""

    name: str
    title: str
    kind: str


class BoardRows(msgspec.Struct):
    """Hold a board at the last whole second, rows in rank order; `ts_ns` is market time.

    `order` has the key of each row, as in the stream: the symbol, of a scan SYMBOL@MS, with the time
    of the firing in ms since 1970. As of a past second, `run` names the recording and `as_of_ns` its last mark at or before it.
    """

    name: str
    title: str
    kind: str
    mark: int
    ts_ns: int
    columns: list[ColumnInfo]
    order: list[str]
    rows: list[dict[str, Cell]]


class MarketRows(msgspec.Struct):
    """Hold the rows that answer a query, and the SQL that was asked.

    As of a past second, `run` names the recording and `as_of_ns` its last mark at or before it.
    """

    sql: str
    rows: list[dict[str, Cell]]


class BarList(msgspec.Struct):
    """Hold today's bars, oldest first, the forming one last, cells in the order of columns."""

    symbol: str
    span: str
    columns: list[str]
    bars: list[list[float | None]]


class ScanRow(msgspec.Struct):
    """Describe a board or scan and its file; `version` is its ETag.

    `running` tells whether the file's text is what runs; where it is not, `fault` says why.
    """

    name: str
    title: str
    kind: str
    text: str
    version: str
    own: bool
    shipped: bool
    running: bool
    fault: str
    header: dict[str, Json]
    cost_us: float | None = None
    owner: str = ""
    """Who made it, and may change it beside admins; empty where nobody did by the gateway."""


class ScanText(msgspec.Struct, forbid_unknown_fields=True):
    """Bring the text of a scan's file."""

    text: str
    name: str = "unnamed"


class ScanFault(msgspec.Struct):
    """Say what is wrong with a text, and where."""

    message: str
    line: int | None = None
    column: int | None = None


class Checked(msgspec.Struct):
    """Tell whether a text is sound, what lint says of it, and its cost over 11,000 rows in us."""

    ok: bool
    faults: list[ScanFault]
    warnings: list[dict[str, Json]]
    cost_us: float | None


class SignalList(msgspec.Struct):
    """Hold the newest signals first."""

    signals: list[Signal]


class Health(msgspec.Struct):
    """Tell whether the market is live; besides it, everything that the scanner reports."""

    ok: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Param:
    """Describe one argument; an integer lies within `least` and `most`, a text is bounded."""

    name: str
    doc: str
    kind: type[str] | type[int] = str
    default: str | int | None = None
    least: int = 1
    most: int = 4_000
    choices: tuple[str, ...] = ()
    place: str = "query"
    """query, path or header."""

    @property
    def key(self) -> str:
        """Return the argument's name in a function."""
        return self.name.lower().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Describe one method of one path of the REST interface."""

    path: str
    summary: str
    handle: Callable[[Arguments], Response | Awaitable[Response]]
    answer: object
    """The type of the answer's JSON; a str names another media type."""
    params: tuple[Param, ...] = ()
    errors: tuple[int, ...] = (400,)
    method: str = "GET"
    body: type[msgspec.Struct] | None = None
    """What the request brings as JSON; the function gets it as the argument `body`."""
    role: str = ""
    """Who may at least, see web/who.py; left out: guest for GET, admin for what changes."""
    scope: str = "read"
    """What an API key must be for; empty: no key will do."""

    @property
    def least(self) -> str:
        """Return the least role that may ask."""
        return self.role or ("guest" if self.method == "GET" else "admin")

    def admit(self, who: Who) -> None:
        """Raise Refused where `who` may not ask this."""
        if who.may(self.least, self.scope):
            return
        if who.via in ("nobody", "guest"):
            raise Refused(
                401, "Log in by POST /api/login, or send an API key as Authorization: Bearer KEY."
            )
        if who.via == "key" and self.scope not in who.scopes:
            needed = f"its scope {self.scope}" if self.scope else "a session: log in"
            raise Refused(403, f"The API key isn't enough: this needs {needed}.")
        raise Refused(403, f"This needs the role {self.least}, yours is {who.role}: ask an admin.")

    async def respond(self, request: Request) -> Response:
        """Read the arguments and answer; give up when the client has gone."""
        who = who_asks(request.scope)
        self.admit(who)
        given = {**arguments(self, request), "who": who, "scope": request.scope}
        if self.body is not None:
            given["body"] = await _body(request, self.body)
        answer = self.handle(given)
        return answer if isinstance(answer, Response) else await _unless_gone(request, answer)


async def _body(request: Request, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """Return the request's JSON as a struct; raises Refused with the fault."""
    kind_of_body = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind_of_body != "application/json":
        raise Refused(415, "Send JSON, with the header content-type: application/json.")
    data = b""
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in request.stream():
                data += piece
                if len(data) > BODY_BYTES:
                    raise Refused(
                        413, f"The body is too large: keep it within {BODY_BYTES:,} bytes."
                    )
        return msgspec.json.decode(data, type=kind)
    except TimeoutError as error:
        raise Refused(408, f"The body did not come within {BODY_S:g} s: send it again.") from error
    except ClientDisconnect as error:
        raise Refused(400, "The body did not come whole: send it again.") from error
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        keys = ", ".join(kind.__struct_fields__)
        raise Refused(400, f"Send JSON with {keys}: {error}.") from error


async def _unless_gone(request: Request, answer: Awaitable[Response]) -> Response:
    """Await an answer; cancel it when the client goes before it is there."""
    work = asyncio.ensure_future(answer)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise Refused(400, "The client has gone.")
    finally:
        work.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def reply(body: Json, status: int = 200, **more: str) -> Response:
    """Return `body` as JSON that no cache keeps, with `more` headers."""
    headers = {"cache-control": "no-store", **more}
    return Response(encode(body), status, headers, media_type="application/json")


SYMBOL = Param("symbol", "A watched symbol, as in AAPL.", place="path")
BOARD = Param("name", "A board's name, as in gainers.", place="path")
SPAN = Param("span", "The bars' length.", default="1m", choices=tuple(SPANS))
WHERE = Param("where", "SQL condition over the market table, as in gap_pct > 4.")
ORDER = Param("order", "SQL order, as in gap_pct DESC.")
AT = Param(
    "at",
    "A past second that is recorded: ISO 8601 with offset, as in 2026-11-20T09:35:10-05:00, or "
    "HH:MM:SS New York of the present session. Now, when it is left out.",
    most=40,
)
COLUMNS = Param("columns", "Columns to return, separated by commas.", default="*")


def limit(default: int, most: int) -> Param:
    """Return the parameter that bounds the number of answers."""
    return Param("limit", f"At most so many; up to {most}.", int, default, most=most)


def arguments(endpoint: Endpoint, request: Request) -> Arguments:
    """Return the request's arguments, checked against the endpoint's parameters."""
    query = request.query_params
    known = {param.name: param for param in endpoint.params}
    asked = [name for name, param in known.items() if param.place == "query"]
    for name in query:
        if name not in asked:
            raise Refused(400, f"Parameter {quoted(name)} isn't known.{nearest(name, asked)}")
        if len(query.getlist(name)) > 1:
            raise Refused(400, f"Parameter {name!r} is given more than once: give it once.")
    headers = {p.name: request.headers.get(p.name) for p in known.values() if p.place == "header"}
    given = {**query, **request.path_params, **{n: t for n, t in headers.items() if t is not None}}
    return {
        p.key: _value(p, given[p.name]) if p.name in given else p.default for p in known.values()
    }


def _value(param: Param, text: str) -> str | int:
    if param.kind is int:
        return _integer(param, text)
    if param.choices and text not in param.choices:
        raise Refused(400, f"{param.name}={quoted(text)}: use one of {', '.join(param.choices)}.")
    if len(text) > param.most:
        raise Refused(400, f"{param.name} is too long: keep it within {param.most:,} characters.")
    return text


def _integer(param: Param, text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= len(str(param.most)):
        number = int(text)
        if param.least <= number <= param.most:
            return number
    raise Refused(
        400, f"{param.name}={quoted(text)}: give a whole number from {param.least} to {param.most}."
    )
