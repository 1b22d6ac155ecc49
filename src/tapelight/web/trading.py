"""/api/trader, /api/risk, /api/kill, and what a person asks of the trader."""

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from tapelight.model.trading import DRY, MAIN, DeskReport, LimitUse, TradeMode, TradeState
from tapelight.ports import Json, OrderBooks, TradeDesk, WantedOrders
from tapelight.web.endpoints import Arguments, Endpoint, Param, reply
from tapelight.web.orders import ORDERS
from tapelight.web.problems import Refused, tradeless

ORDER = Param("id", "An order's id, as /api/approvals lists it.", most=60, place="path")
HELD = Param("symbol", "A symbol that is held, as in AAPL.", most=40, place="path")
WORD = "ARM"
REASON_CHARS = 300
WRONG = (400, 404, 413, 503)


class Kill(msgspec.Struct):
    """Tell whether the kill switch is on, and why."""

    on: bool
    reason: str
    by: str
    ts_ns: int
    flatten: bool


class Trader(msgspec.Struct):
    """Tell what the trader does; `mode` is off, dry-run, paper or live (real money).

    `state` is ready, or off, stopped, killed or halted, with the `reason`: no entry goes then.
    """

    state: TradeState
    mode: TradeMode
    reason: str
    kill: Kill
    approve_s: float | None
    desks: list[DeskReport]


class Risk(msgspec.Struct):
    """Hold a desk's limits in the order of the configuration, with what is used of each."""

    desk: str
    limits: list[LimitUse]


class KillText(msgspec.Struct, forbid_unknown_fields=True):
    """Say why; `flatten` closes our positions as well. A `drill` only names what would be cancelled."""

    reason: str
    flatten: bool = False
    drill: bool = False


class Tripped(msgspec.Struct):
    """Tell the switch, and the entries that work and are cancelled by it."""

    kill: Kill
    cancels: list[str]


class ArmText(msgspec.Struct, forbid_unknown_fields=True):
    """Let entries go again: `confirm` is the word ARM."""

    confirm: str


class Asked(msgspec.Struct):
    """Tell what the trader answered, in a sentence."""

    subject: str
    answer: str


def trading_endpoints(books: OrderBooks | None, desk: TradeDesk | None) -> tuple[Endpoint, ...]:
    """Return the endpoints; a replay has no trader."""
    rest = TradingRest(books, desk)

    def read(path: str, summary: str, handle: object, answer: object) -> Endpoint:
        return Endpoint(path, summary, handle, answer, (), (400,), role="viewer")  # type: ignore[arg-type]

    def act(
        path: str, summary: str, handle: object, answer: object, params: tuple[Param, ...] = (),
        body: type[msgspec.Struct] | None = None, scope: str = "trade",
    ) -> Endpoint:  # fmt: skip
        return Endpoint(
            path, summary, handle, answer, params, WRONG, "POST", body, "trader", scope,  # type: ignore[arg-type]
        )  # fmt: skip

    return (
        read("/api/trader", "Show the trader's state and mode.", rest.trader, Trader),
        read("/api/risk", "Show the limits, and what is used of each.", rest.risk, list[Risk]),
        read("/api/kill", "Show the kill switch.", rest.switch, Kill),
        act("/api/kill", "Block entries and cancel those that work.", rest.kill, Tripped, (),
            KillText),
        act("/api/kill/arm", "Let entries go again; a person alone may.", rest.arm, Kill, (),
            ArmText, ""),
        act("/api/approvals/{id}/approve", "Let a held order go.", rest.approve, Asked, (ORDER,)),
        act("/api/approvals/{id}/decline", "Decline a held order.", rest.decline, Asked,
            (ORDER,)),
        act("/api/positions/{symbol:path}/close", "Close a position whole.", rest.close, Asked,
            (HELD,)),
    )  # fmt: skip


class TradingRest:
    """Answer the endpoints."""

    def __init__(self, books: OrderBooks | None, desk: TradeDesk | None) -> None:
        self._given = books, desk

    @property
    def _books(self) -> OrderBooks:
        books, _ = self._given
        if books is None:
            raise tradeless()
        return books

    @property
    def _desk(self) -> TradeDesk:
        _, desk = self._given
        if desk is None:
            raise tradeless()
        return desk

    def trader(self, _args: Arguments) -> Response:
        """Show the trader."""
        return reply(self._desk.status())

    def risk(self, _args: Arguments) -> Response:
        """Show the limits."""
        desks = self._desk.status()["desks"]
        return reply([{"desk": desk["name"], "limits": desk["limits"]} for desk in desks])

    def switch(self, _args: Arguments) -> Response:
        """Show the kill switch."""
        return reply(self._desk.status()["kill"])

    async def kill(self, args: Arguments) -> Response:
        """Switch on, or say what that would cancel."""
        given: KillText = args["body"]
        reason = given.reason.strip()
        if not 0 < len(reason) <= REASON_CHARS:
            raise Refused(400, f"Say why, in at most {REASON_CHARS} characters.")
        if not given.drill:
            await self._desk.kill(reason, args["who"].name, given.flatten)
        open_ = await self._books.orders(WantedOrders(state="open", limit=ORDERS))
        cancels = [order["id"] for order in open_ if order["purpose"] == "entry"]
        return reply({"kill": self._desk.status()["kill"], "cancels": cancels})

    async def arm(self, args: Arguments) -> Response:
        """Ask the trader to arm."""
        if args["body"].confirm != WORD:
            raise Refused(400, f"To let entries go again, send confirm = {WORD!r}.")
        await self._desk.arm(args["who"].name)
        return reply(self._desk.status()["kill"])

    async def approve(self, args: Arguments) -> Response:
        """Let a held order go."""
        return await self._decide("approve", args)

    async def decline(self, args: Arguments) -> Response:
        """Decline a held order."""
        return await self._decide("decline", args)

    async def close(self, args: Arguments) -> Response:
        """Close a position."""
        symbol = args["symbol"]
        desk = await self._holder(symbol)
        if not desk:
            raise Refused(404, "Nothing is held of it: GET /api/positions lists what is.")
        return await self._ask("close", symbol, args)

    async def _decide(self, what: str, args: Arguments) -> Response:
        order = args["id"]
        held = await self._books.orders(WantedOrders(state="held", limit=ORDERS))
        if order not in {row["id"] for row in held}:
            raise Refused(404, "No such order waits: GET /api/approvals lists those that do.")
        return await self._ask(what, order, args)

    async def _ask(self, what: str, subject: str, args: Arguments) -> Response:
        told: Mapping[str, Json] = {
            "subject": subject, "answer": await self._desk.ask(what, subject, args["who"].name)
        }  # fmt: skip
        return reply(told)

    async def _holder(self, symbol: str) -> str:
        """Return the desk that holds a symbol; empty where none does."""
        for desk in (MAIN, DRY):
            rows = await self._books.positions(desk)
            if any(row["symbol"] == symbol for row in rows):
                return desk
        return ""
