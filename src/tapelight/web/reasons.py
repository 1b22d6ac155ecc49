"""/api/why and /api/signals: why and why not, who comes near, and what was signalled."""

import datetime as dt

import msgspec
from starlette.responses import Response

from tapelight.model.signals import STATES
from tapelight.ports import Boards, Json, Reasons, Wanted
from tapelight.web.endpoints import AT, Arguments, Endpoint, Param, SignalList, limit, reply
from tapelight.web.problems import Refused
from tapelight.web.wire import quoted

SIGNALS = 1_000
NEAR = 500
MICRO_NS = 1_000
LAST_NS = 2**63 - 1
"""The latest time that a record holds: in 2262."""
SCAN = Param("scan", "A board, scan or strategy, as in hod_momo.", default="", most=120)
SYMBOL = Param("symbol", "A watched symbol, as in AAPL.", default="", most=40)
STATE = Param(
    "state", f"States of a signal's life, separated by commas: {', '.join(STATES)}.", default="",
    most=120,
)  # fmt: skip
SINCE = Param(
    "since",
    "Only what became so at or after this market time: ISO 8601 with offset, or ns since 1970.",
    default="",
    most=40,
)
UNTIL = Param("until", "Only what became so at or before this time.", default="", most=40)


class ArmedRow(msgspec.Struct):
    """Say that a symbol is near a scan's trigger, since a market time."""

    scan: str
    symbol: str
    since_ns: int


class ArmedList(msgspec.Struct):
    """Hold who is armed at the mark `ts_ns`."""

    ts_ns: int
    total: int
    armed: list[ArmedRow]


def reason_endpoints(reasons: Reasons | None, boards: Boards) -> tuple[Endpoint, ...]:
    """Return the endpoints; a replay without `reasons` has its own signals alone."""
    rest = ReasonRest(reasons, boards)
    return (
        Endpoint(
            "/api/why",
            "Explain a symbol on a board or scan; without a symbol, list who comes near.",
            rest.why, dict[str, Json], (SCAN, SYMBOL, AT, limit(50, NEAR)), (400, 404, 503),
        ),
        Endpoint(
            "/api/signals", "Show signals and what became of them, the newest first.",
            rest.signals, SignalList, (SCAN, SYMBOL, SINCE, UNTIL, STATE, limit(100, SIGNALS)), (400, 503),
        ),
        Endpoint(
            "/api/armed", "Show who is armed now, the newest first; `total` counts all of them.",
            rest.armed, ArmedList, (SCAN, limit(100, SIGNALS)),
        ),
    )  # fmt: skip


class ReasonRest:
    """Answer the endpoints."""

    def __init__(self, reasons: Reasons | None, boards: Boards) -> None:
        self._given = reasons
        self._boards = boards

    async def why(self, args: Arguments) -> Response:
        """Explain one symbol, or list the near misses; now, or as of a past second."""
        scan, symbol, at = args["scan"], args["symbol"], args["at"] or ""
        if not scan:
            raise Refused(
                400, "Name a scan: /api/why?scan=hod_momo&symbol=AAPL; GET /api/boards lists them."
            )
        if self._given is None:
            raise Refused(
                400, "A paced replay explains nothing: ask `tapelight why --journal DAY`."
            )
        if symbol:
            return reply(await self._given.why(symbol, scan, at))
        return reply(await self._given.near(scan, args["limit"], at))

    def armed(self, args: Arguments) -> Response:
        """Show who is armed."""
        told = self._boards.armed()
        found = [row for row in told["armed"] if args["scan"] in ("", row["scan"])]
        return reply({"ts_ns": told["ts_ns"], "total": len(found), "armed": found[: args["limit"]]})

    async def signals(self, args: Arguments) -> Response:
        """Show the newest signals that are wanted."""
        wanted = Wanted(
            args["scan"], args["symbol"], states_of(args["state"]),
            time_ns("since", args["since"]), args["limit"], time_ns("until", args["until"]),
        )  # fmt: skip
        if self._given is not None:
            return reply({"signals": list(await self._given.signals(wanted))})
        kept = [s for s in self._boards.signals(SIGNALS) if wanted.fits(s)]
        return reply({"signals": kept[: wanted.limit]})


def states_of(text: str) -> str:
    """Return the states of a list; raises Refused for what is none."""
    for state in filter(None, text.split(",")):
        if state not in STATES:
            raise Refused(400, f"state={quoted(state)}: use one of {', '.join(STATES)}.")
    return text


def time_ns(name: str, text: str) -> int:
    """Return a time in ns, 0 for none; raises Refused for what is no time."""
    if not text:
        return 0
    try:
        if text.isascii() and text.isdigit():
            return _within(int(text))
        # A + that was not escaped reaches the server as a blank.
        moment = dt.datetime.fromisoformat(text.replace(" ", "+"))
        if moment.tzinfo is None:
            raise ValueError("no offset")
        return _within(round(moment.timestamp() * 1e6) * MICRO_NS)
    except ValueError as error:
        raise Refused(
            400,
            f"{name}={quoted(text)} is no time: give ISO 8601 with offset, as in "
            "2026-11-20T09:35:10-05:00, or ns since 1970.",
        ) from error


def _within(ns: int) -> int:
    """Return a time that a record can hold; raises ValueError."""
    if not -LAST_NS <= ns <= LAST_NS:
        raise ValueError("no record is that late or early")
    return ns
