"""What a REST endpoint is, and how its query is read: the table from which OpenAPI is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tapelight.model.signals import Signal
from tapelight.ports import Cell, Json
from tapelight.web.problems import Refused
from tapelight.web.spans import SPANS
from tapelight.web.wire import encode, nearest, quoted

Arguments = Mapping[str, Json]


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
    """Hold a board at the last whole second, rows in rank order; `ts_ns` is market time."""

    name: str
    title: str
    kind: str
    mark: int
    ts_ns: int
    columns: list[ColumnInfo]
    rows: list[dict[str, Cell]]


class MarketRows(msgspec.Struct):
    """Hold the rows that answer a query, and the SQL that was asked."""

    sql: str
    rows: list[dict[str, Cell]]


class BarList(msgspec.Struct):
    """Hold today's bars, oldest first, the forming one last, cells in the order of columns."""

    symbol: str
    span: str
    columns: list[str]
    bars: list[list[float | None]]


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
    in_path: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Describe one GET of the REST interface."""

    path: str
    summary: str
    handle: Callable[[Arguments], Response]
    answer: object
    """The type of the answer's JSON; a str names another media type."""
    params: tuple[Param, ...] = ()
    errors: tuple[int, ...] = (400,)

    async def respond(self, request: Request) -> Response:
        """Read the arguments and answer."""
        return self.handle(arguments(self, request))


def reply(body: Json, status: int = 200) -> Response:
    """Return `body` as JSON that no cache keeps."""
    headers = {"cache-control": "no-store"}
    return Response(encode(body), status, headers, media_type="application/json")


SYMBOL = Param("symbol", "A watched symbol, as in AAPL.", in_path=True)
BOARD = Param("name", "A board's name, as in gainers.", in_path=True)
SPAN = Param("span", "The bars' length.", default="1m", choices=tuple(SPANS))
WHERE = Param("where", "SQL condition over the market table, as in gap_pct > 4.")
ORDER = Param("order", "SQL order, as in gap_pct DESC.")
COLUMNS = Param("columns", "Columns to return, separated by commas.", default="*")


def limit(default: int, most: int) -> Param:
    """Return the parameter that bounds the number of answers."""
    return Param("limit", f"At most so many; up to {most}.", int, default, most=most)


def arguments(endpoint: Endpoint, request: Request) -> Arguments:
    """Return the request's arguments, checked against the endpoint's parameters."""
    query = request.query_params
    known = {param.name: param for param in endpoint.params}
    for name in query:
        if name == "at":
            raise Refused(
                400, "Questions about a past second (at=) aren't answered yet: leave at= out."
            )
        if name not in known:
            raise Refused(400, f"Parameter {quoted(name)} isn't known.{nearest(name, known)}")
        if len(query.getlist(name)) > 1:
            raise Refused(400, f"Parameter {name!r} is given more than once: give it once.")
    given = {**query, **request.path_params}
    return {
        p.name: _value(p, given[p.name]) if p.name in given else p.default for p in known.values()
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
