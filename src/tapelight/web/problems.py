"""Errors as RFC 9457 problem documents whose detail says what to do."""

from http import HTTPStatus

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tapelight.errors import ConfigError, Conflict, Missing, Rejected, Unavailable
from tapelight.web.wire import encode, quoted

MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True):
    """Describe what went wrong with a request, and the remedy (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


class Refused(Exception):
    """End a request with a problem document of `status`."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def unwatched(symbol: str) -> Refused:
    """Return the refusal of a question about a symbol that isn't watched."""
    return Refused(
        404,
        f"Symbol {quoted(symbol)} isn't watched: GET /api/market?columns=symbol lists the watched "
        "ones.",
    )


def tradeless() -> Refused:
    """Return the refusal of a question about trading where no trader can be: in a replay."""
    return Refused(400, "A replay trades nothing: ask a scanner that runs.")


def problem(status: int, detail: str, instance: str) -> Response:
    """Return the response for a problem; its title is the status's standard phrase."""
    document = Problem("about:blank", HTTPStatus(status).phrase, status, detail, instance)
    return Response(
        encode(document), status, media_type=MEDIA_TYPE, headers={"cache-control": "no-store"}
    )


def status_of(error: Exception) -> int:
    """Return the HTTP status that fits `error`."""
    match error:
        case Refused():
            return error.status
        case Missing():
            return 404
        case Conflict():
            return 412
        case ConfigError() | Rejected():
            return 400
        case Unavailable():
            return 503
    return 500


async def on_error(request: Request, error: Exception) -> Response:
    """Answer a failed request; a fault of our own shows nothing of its inside."""
    status = status_of(error)
    ours = status == HTTPStatus.INTERNAL_SERVER_ERROR
    detail = "The gateway failed; its log says where. Try again." if ours else str(error)
    return problem(status, detail, request.url.path)


async def on_http(request: Request, error: Exception) -> Response:
    """Answer a request that fits no file or no method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = request.url.path
    remedy = {
        404: f"No file is at {quoted(path)}: the dashboard is at /, the data at /api/boards.",
        405: f"Use GET for {quoted(path)}.",
    }
    return problem(
        status, remedy.get(status, f"{HTTPStatus(status).phrase}: {quoted(path)}."), path
    )
