"""/api/orders, /api/fills, /api/positions, /api/pnl, /api/approvals: what the trader has done."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from starlette.responses import Response

from tapelight.model.trading import DRY, MAIN
from tapelight.ports import Json, OrderBooks, TradeDesk, WantedOrders
from tapelight.web.endpoints import Arguments, Endpoint, Param, limit, reply
from tapelight.web.problems import tradeless

ORDERS = 1_000
CSV_ROWS = 100_000
STATES = ("open", "held", "refused", "declined", "unknown", "working", "filled", "cancelled",
          "rejected", "expired", "lost")  # fmt: skip
DESK = Param(
    "desk", "main: that of the broker; dry: the paper desk beside it.", default=MAIN,
    choices=(MAIN, DRY),
)  # fmt: skip
STATE = Param("state", "Orders of one state; open: all that may still fill.", default="",
              choices=("", *STATES))  # fmt: skip
SYMBOL = Param("symbol", "Of one symbol alone, as in AAPL.", default="", most=40)
STRATEGY = Param("strategy", "Of one strategy alone.", default="", most=120)
FORMULA = ("=", "+", "@", "-", "\t", "\r")
"""How a cell begins that a spreadsheet would take for a formula."""


class OrderRow(msgspec.Struct):
    """Describe an order: the intent, its verdict, and what came of it. Prices and $ are text.

    `reason` says why it was refused (with the figures), declined, cancelled or rejected; `rule` is
    the rule of risk that refused it. `cause` is the signal's id, or the entry that it protects.
    """

    id: str
    state: str
    purpose: str
    symbol: str
    side: str
    quantity: str
    kind: str
    limit: str | None
    stop: str | None
    filled: str
    average: str | None
    fee: str
    strategy: str
    cause: str
    entry: str
    rule: str
    reason: str
    signal_ns: int
    made_ns: int
    sent_ns: int
    ts_ns: int
    plan_stop: str | None
    plan_target: str | None
    exit_ns: int


class FillRow(msgspec.Struct):
    """Describe one execution; `signal` is the id of the signal behind it, empty without one."""

    ts_ns: int
    symbol: str
    side: str
    quantity: str
    price: str
    fee: str
    order: str
    execution: str
    signal: str
    purpose: str
    strategy: str


class PositionRow(msgspec.Struct):
    """Describe what is held: the sum of its fills. `ours` of it is what our orders hold.

    `covered` shares have a stop at the venue; `leaving` says why it is being closed; `guard` what
    would end it at its stop now: the venue, or the desk, which is not crash-protected, or none.
    """

    symbol: str
    quantity: str
    average: str
    ours: str
    strategy: str
    entry: str
    stop: str | None
    target: str | None
    exit_ns: int
    covered: str
    leaving: str
    last: float | None
    unrealised: str | None
    guard: Literal["venue", "desk", "none"]
    stale: bool
    """Whether `last` is STALE or PROVISIONAL: so is what is reckoned from it."""


class PnlRow(msgspec.Struct):
    """Tell profit and loss of a symbol, $; unrealised and net are null where no price is known.

    `stale`: the price is STALE or PROVISIONAL, of the total that of any symbol that is held.
    """

    symbol: str
    realised: str
    fees: str
    unrealised: str | None
    net: str | None
    stale: bool


class AccountRow(msgspec.Struct):
    """Tell the account as the venue last told it, manual trades included, $."""

    equity: str
    buying_power: str
    last_equity: str
    ts_ns: int
    blocked: str
    may_short: bool
    day_trades_left: int | None
    number: str
    peak: str
    """The day's highest equity."""


class Pnl(msgspec.Struct):
    """Hold profit and loss by symbol, the total last."""

    rows: list[PnlRow]
    account: AccountRow | None


class HeldRow(OrderRow):
    """Describe an order that waits for a person until `until_ns`, market time."""

    until_ns: int = 0


class Sheet:
    """Name the columns of a CSV file, and where its rows come from."""

    def __init__(
        self, kind: type[msgspec.Struct], rows: Callable[[Arguments], Any], params: Sequence[Param]
    ) -> None:
        self.columns, self._rows, self.params = kind.__struct_fields__, rows, tuple(params)

    async def answer(self, args: Arguments) -> Response:
        """Answer in CSV (RFC 4180)."""
        rows = await self._rows(args)
        headers = {"cache-control": "no-store", "content-disposition": "attachment"}
        return Response(as_csv(self.columns, rows), 200, headers, "text/csv; charset=utf-8")


def as_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Json]]) -> str:
    """Return rows as CSV; text that a spreadsheet would reckon is kept text by an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in columns])
    return out.getvalue()


def _cell(value: Json) -> Json:
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    return value if value[1:2].isdigit() and value.startswith("-") else f"'{value}"


def order_endpoints(books: OrderBooks | None, desk: TradeDesk | None) -> tuple[Endpoint, ...]:
    """Return the endpoints that read; a replay has no trader."""
    rest = OrderRest(books, desk)
    wanted = (DESK, STATE, SYMBOL, STRATEGY)
    filled = (DESK, SYMBOL, STRATEGY)
    wrong = (400, 503)

    def read(path: str, summary: str, handle: Any, answer: object, *params: Param) -> Endpoint:
        return Endpoint(path, summary, handle, answer, params, wrong, role="viewer")

    def sheet(
        path: str, summary: str, kind: type[msgspec.Struct], rows: Any, *params: Param
    ) -> Endpoint:
        made = Sheet(kind, rows, params)
        return read(f"{path}.csv", summary, made.answer, "text/csv", *params)

    many = limit(CSV_ROWS, CSV_ROWS)
    return (
        read("/api/orders", "Show orders, the newest first, the refused ones with the rule.",
             rest.orders, list[OrderRow], *wanted, limit(100, ORDERS)),
        sheet("/api/orders", "Orders as CSV.", OrderRow, rest.order_rows, *wanted, many),
        read("/api/fills", "Show fills, the newest first.", rest.fills, list[FillRow], *filled,
             limit(100, ORDERS)),
        sheet("/api/fills", "Fills as CSV.", FillRow, rest.fill_rows, *filled, many),
        read("/api/positions", "Show what is held, with its plan and its way out.",
             rest.positions, list[PositionRow], DESK),
        sheet("/api/positions", "Positions as CSV.", PositionRow, rest.position_rows, DESK),
        read("/api/pnl", "Show profit and loss by symbol, and the account.", rest.pnl, Pnl, DESK),
        sheet("/api/pnl", "Profit and loss as CSV.", PnlRow, rest.pnl_rows, DESK),
        read("/api/approvals", "Show the orders that wait for a person.", rest.approvals,
             list[HeldRow]),
    )  # fmt: skip


class OrderRest:
    """Answer the endpoints."""

    def __init__(self, books: OrderBooks | None, desk: TradeDesk | None) -> None:
        self._given, self._desk = books, desk

    @property
    def _books(self) -> OrderBooks:
        if self._given is None:
            raise tradeless()
        return self._given

    async def order_rows(self, args: Arguments) -> Sequence[Mapping[str, Json]]:
        """Return the orders that are wanted."""
        return await self._books.orders(_wanted(args))

    async def fill_rows(self, args: Arguments) -> Sequence[Mapping[str, Json]]:
        """Return the fills that are wanted."""
        return await self._books.fills(_wanted(args))

    async def position_rows(self, args: Arguments) -> Sequence[Mapping[str, Json]]:
        """Return what is held."""
        return await self._books.positions(args["desk"])

    async def pnl_rows(self, args: Arguments) -> Sequence[Mapping[str, Json]]:
        """Return profit and loss."""
        rows: Sequence[Mapping[str, Json]] = (await self._books.pnl(args["desk"]))["rows"]
        return rows

    async def orders(self, args: Arguments) -> Response:
        """Show orders."""
        return reply(await self.order_rows(args))

    async def fills(self, args: Arguments) -> Response:
        """Show fills."""
        return reply(await self.fill_rows(args))

    async def positions(self, args: Arguments) -> Response:
        """Show positions."""
        return reply(await self.position_rows(args))

    async def pnl(self, args: Arguments) -> Response:
        """Show profit and loss."""
        return reply(await self._books.pnl(args["desk"]))

    async def approvals(self, _args: Arguments) -> Response:
        """Show what waits."""
        held = await self._books.orders(WantedOrders(state="held", limit=ORDERS))
        wait_s = (self._desk.status()["approve_s"] if self._desk else None) or 0.0
        wait_ns = int(wait_s * 1e9)
        return reply([{**row, "until_ns": row["ts_ns"] + wait_ns} for row in held])


def _wanted(args: Arguments) -> WantedOrders:
    return WantedOrders(
        args["desk"], args.get("state", ""), args["symbol"], args["strategy"], args["limit"]
    )
