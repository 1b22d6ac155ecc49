"""Alpaca as a broker: orders by REST, what becomes of them by its stream of trade updates.

https://docs.alpaca.markets/reference/postorder and .../docs/websocket-streaming. Nothing is tried
again here: what was not answered clearly is Unavailable, and the desk asks by the client order id.
"""

import asyncio
import datetime as dt
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tapelight.brokers._alpaca_quotes import AlpacaQuotes
from tapelight.errors import ConfigError, Unavailable
from tapelight.model.orders import (
    ID_PREFIX,
    ZERO,
    Account,
    Holding,
    Order,
    OrderRequest,
    Report,
    Side,
    State,
    Statement,
)

PAPER_HOST: Final = "paper-api.alpaca.markets"
PAPER_NUMBERS: Final = "PA"
"""How the numbers of accounts of play money begin, the simulator's too."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
A_MINUTE = 190
"""Requests; Alpaca answers 429 above 200."""
KEPT_FOR_ORDERS = 60
"""Of them, those that questions may not use up."""
OPEN_S = 5.0
REPEATED = 40010001
"""Code of a client order id that is used already (and of other unfit requests)."""
UNIQUE = "must be unique"
"""What its message says then."""
DAY_TRADER_EQUITY = Decimal(25_000)
FREE_DAY_TRADES = 3
ENDS: Mapping[str, State] = {
    "filled": "filled", "canceled": "cancelled", "expired": "expired", "rejected": "rejected",
    "replaced": "cancelled",
}  # fmt: skip
"""Every other status may still fill."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[broker.alpaca]."""

    key: str = ""
    secret: str = ""
    url: str = f"https://{PAPER_HOST}"
    """https://api.alpaca.markets is the account of real money."""
    quotes: str = ""
    """An endpoint of its own quotes, as in wss://stream.data.alpaca.markets/v2/iex; empty = none."""


class _Order(msgspec.Struct, kw_only=True):
    """Show an order as Alpaca writes it: numbers are text.

    A multi-leg one of the account's owner has neither side nor symbol.
    """

    id: str
    client_order_id: str
    symbol: str | None = None
    side: str | None = None
    qty: Decimal | None = None
    filled_qty: Decimal = ZERO
    filled_avg_price: Decimal | None = None
    status: str
    order_class: str = ""
    updated_at: str | None = None
    legs: list["_Order"] | None = None


class _Account(msgspec.Struct, kw_only=True):
    account_number: str
    status: str
    equity: Decimal
    last_equity: Decimal
    buying_power: Decimal
    trading_blocked: bool = False
    account_blocked: bool = False
    trade_suspended_by_user: bool = False
    shorting_enabled: bool = False
    daytrade_count: int = 0
    pattern_day_trader: bool = False


class _Position(msgspec.Struct):
    symbol: str
    qty: Decimal
    avg_entry_price: Decimal


class _Refusal(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Update(msgspec.Struct):
    """Show an event of the stream: {"event":"fill","execution_id":..,"order":{..}}."""

    event: str
    order: _Order
    execution_id: str = ""
    timestamp: str | None = None


class _Frame(msgspec.Struct):
    stream: str
    data: msgspec.Raw = msgspec.Raw(b"{}")


def open(config: Config) -> "Alpaca":  # noqa: A001 - the name that every broker has
    """Return the broker; raises ConfigError without keys."""
    if not config.key or not config.secret:
        raise ConfigError("Alpaca needs keys: set key and secret in [broker.alpaca].")
    return Alpaca(config)


def quotes(config: Config) -> AlpacaQuotes | None:
    """Return its own quotes, where an endpoint is configured."""
    return AlpacaQuotes(config.quotes, config.key, config.secret) if config.quotes else None


class Alpaca:
    """Hold one account; the keys travel in headers, and in the stream's first message."""

    name = "alpaca"
    idempotent = True

    def __init__(self, config: Config) -> None:
        host = urlsplit(config.url).hostname or ""
        self.config, self.host = config, host
        self.live = host != PAPER_HOST and host not in LOOPBACK
        self._near = host in LOOPBACK
        self._asked: deque[float] = deque(maxlen=A_MINUTE)
        self._parents: dict[str, str] = {}
        """Client id of an OCO by the venue's ids of both its halves."""
        self._client = httpx.AsyncClient(
            base_url=config.url,
            headers={"APCA-API-KEY-ID": config.key, "APCA-API-SECRET-KEY": config.secret},
            timeout=httpx.Timeout(4.0, connect=2.0),
            trust_env=not self._near,
        )

    async def submit(self, request: OrderRequest) -> Report:
        """Send an order; a clear refusal is a report, an unclear answer raises Unavailable."""
        answer = await self._ask("POST", "/v2/orders", json=_ticket(request))
        if answer.is_success:
            return self._report(_decoded(answer, _Order))
        if answer.status_code not in (400, 403, 404, 422):
            raise Unavailable(f"Alpaca answers {answer.status_code} to an order.")
        refusal = _refusal(answer)
        if refusal.code == REPEATED:
            known = await self._known(request.id)
            if known is not None:
                return known
            if UNIQUE in refusal.message:
                raise Unavailable(f"Alpaca has {request.id}, and does not find it yet.")
        return Report(
            order=request.id,
            state="rejected",
            reason=refusal.message or f"Alpaca answers {answer.status_code}",
            symbol=request.symbol,
            side=request.side,
            quantity=request.quantity,
        )

    async def cancel(self, order: Order) -> None:
        """Ask for a cancel; one that comes too late is no error."""
        venue_id = order.venue_id
        if not venue_id:
            known = await self._known(order.id)
            venue_id = known.venue_id if known is not None else ""
        if not venue_id:
            raise Unavailable(f"Alpaca does not know the order {order.id} yet.")
        answer = await self._ask("DELETE", f"/v2/orders/{venue_id}")
        if not answer.is_success and answer.status_code not in (404, 422):
            raise Unavailable(f"Alpaca answers {answer.status_code} to a cancel.")

    async def look(self, ids: Sequence[str]) -> Statement:
        """Return open orders first, then those of `ids` that ended, account and holdings."""
        asked = {"status": "open", "nested": "true", "limit": "500"}
        found = [self._report(o) for o in await self._get("/v2/orders", list[_Order], **asked)]
        known = {report.order for report in found}
        for id_ in ids:
            ended = await self._known(id_, spare=True) if id_ not in known else None
            if ended is not None:
                found.append(ended)
        account = await self._get("/v2/account", _Account)
        self._expect_play_money(account)
        held = await self._get("/v2/positions", list[_Position])
        now_ns = time.time_ns()
        return Statement(
            account=_account(account, now_ns),
            orders=tuple(found),
            holdings=tuple(Holding(p.symbol, p.qty, p.avg_entry_price) for p in held),
            ts_ns=now_ns,
        )

    async def reports(self) -> AsyncIterator[Report]:
        """Yield the trade updates; raises Unavailable when the stream breaks."""
        proxy: Literal[True] | None = None if self._near else True
        url = self.config.url.replace("http", "ws", 1) + "/stream"
        try:
            async with connect(url, open_timeout=OPEN_S, close_timeout=1.0, proxy=proxy) as stream:
                await self._authorize(stream)
                async for message in stream:
                    frame = msgspec.json.decode(message, type=_Frame)
                    if frame.stream == "trade_updates":
                        report = await self._told(msgspec.json.decode(frame.data, type=_Update))
                        if report is not None:
                            yield report
        except (OSError, TimeoutError, ConnectionClosed, InvalidHandshake) as error:
            raise Unavailable(f"Alpaca's trade updates broke: {error}.") from error
        except msgspec.MsgspecError as error:
            raise Unavailable(f"Alpaca's trade updates can't be read: {error}.") from error
        raise Unavailable("Alpaca has ended the trade updates.")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    # --- the stream ------------------------------------------------------------------------------

    async def _authorize(self, stream: ClientConnection) -> None:
        keys = {"action": "auth", "key": self.config.key, "secret": self.config.secret}
        await stream.send(msgspec.json.encode(keys).decode())
        async with asyncio.timeout(OPEN_S):
            frame = msgspec.json.decode(await stream.recv(), type=_Frame)
        if b'"authorized"' not in bytes(frame.data):
            raise ConfigError("Alpaca refuses the keys of [broker.alpaca]: check key and secret.")
        listen = {"action": "listen", "data": {"streams": ["trade_updates"]}}
        await stream.send(msgspec.json.encode(listen).decode())

    async def _told(self, update: _Update) -> Report | None:
        """Return what an update says of an order; of an OCO both halves are asked for."""
        order = update.order
        if order.order_class == "oco":
            parent = self._parents.get(order.id, order.client_order_id)
            if parent.startswith(ID_PREFIX):
                return await self._known(parent)
        return self._report(order, update.execution_id, update.timestamp)

    def _expect_play_money(self, account: _Account) -> None:
        """Raise ConfigError where a tunnel on this machine leads to real money."""
        if self._near and not account.account_number.startswith(PAPER_NUMBERS):
            raise ConfigError(
                f"[broker.alpaca] leads through {self.config.url} to the account "
                f"{account.account_number}, and that is none of play money: nothing was sent. "
                "Name https://api.alpaca.markets itself, with `live = true` and the flag --live."
            )

    # --- REST ------------------------------------------------------------------------------------

    async def _known(self, id_: str, spare: bool = False) -> Report | None:
        """Return the order that bears a client id; None = the venue says that there is none."""
        path = "/v2/orders:by_client_order_id"
        answer = await self._ask("GET", path, spare=spare, params={"client_order_id": id_})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return self._report(_decoded(_sound(answer), _Order))

    async def _get(self, path: str, kind: type[Any], **asked: str) -> Any:
        return _decoded(_sound(await self._ask("GET", path, spare=True, params=asked)), kind)

    async def _ask(self, verb: str, path: str, spare: bool = False, **given: Any) -> httpx.Response:
        """Ask once; raises Unavailable without an answer, or above the budget of a minute."""
        now_s = time.monotonic()
        while self._asked and now_s - self._asked[0] > 60.0:
            self._asked.popleft()
        if len(self._asked) >= A_MINUTE - (KEPT_FOR_ORDERS if spare else 0):
            raise Unavailable(f"{A_MINUTE} requests a minute are used up.")
        self._asked.append(now_s)
        try:
            return await self._client.request(verb, path, **given)
        except httpx.TransportError as error:
            raise Unavailable(f"Alpaca gives no answer ({type(error).__name__}).") from error

    def _report(self, order: _Order, execution: str = "", at: str | None = None) -> Report:
        """Return an order as one of ours, the halves of an OCO added up."""
        parts = [order, *(order.legs or [])]
        if order.order_class == "oco":
            for part in parts:
                self._parents[part.id] = order.client_order_id
        filled = sum((part.filled_qty for part in parts), ZERO)
        cost = sum((p.filled_qty * (p.filled_avg_price or ZERO) for p in parts), ZERO)
        ours = order.client_order_id.startswith(ID_PREFIX)
        quantity = order.qty or ZERO
        return Report(
            order=order.client_order_id if ours else "",
            state=_state(parts, filled, quantity),
            filled=filled,
            average=cost / filled if filled else None,
            ts_ns=_ns(at or order.updated_at),
            venue_id=order.id,
            execution=execution,
            symbol=order.symbol or "",
            side=_side(order.side),
            quantity=quantity,
        )


def _side(side: str | None) -> Side:
    return "sell" if side is not None and side.startswith("sell") else "buy"


def _state(parts: Sequence[_Order], filled: Decimal, quantity: Decimal) -> State:
    if any(part.status not in ENDS for part in parts):
        return "working"
    return "filled" if 0 < quantity <= filled else ENDS[parts[0].status]


def _ticket(request: OrderRequest) -> dict[str, Any]:
    """Return the body of POST /v2/orders."""
    body: dict[str, Any] = {
        "client_order_id": request.id, "symbol": request.symbol, "side": request.side,
        "qty": str(request.quantity), "type": request.kind, "time_in_force": request.tif,
    }  # fmt: skip
    if request.kind == "oco":
        body |= {
            "type": "limit", "order_class": "oco",
            "take_profit": {"limit_price": str(request.limit)},
            "stop_loss": {"stop_price": str(request.stop)},
        }  # fmt: skip
        return body
    if request.reduces:
        # The venue itself then refuses what would open a position: somebody may have closed it.
        body["position_intent"] = f"{request.side}_to_close"
    if request.limit is not None:
        body["limit_price"] = str(request.limit)
    if request.stop is not None:
        body["stop_price"] = str(request.stop)
    if request.extended and request.kind == "limit":
        body["extended_hours"] = True
    return body


def _account(account: _Account, now_ns: int) -> Account:
    blocks = {
        "the account is blocked": account.account_blocked,
        "trading is blocked": account.trading_blocked,
        "trading is suspended by its user": account.trade_suspended_by_user,
        f"the account is {account.status}": account.status != "ACTIVE",
    }
    small = account.equity < DAY_TRADER_EQUITY
    # Who was once flagged has none left below the limit, however few the count of five days is.
    left = 0 if account.pattern_day_trader else max(FREE_DAY_TRADES - account.daytrade_count, 0)
    return Account(
        equity=account.equity,
        buying_power=account.buying_power,
        last_equity=account.last_equity,
        ts_ns=now_ns,
        blocked=next((why for why, holds in blocks.items() if holds), ""),
        may_short=account.shorting_enabled,
        number=account.account_number,
        day_trades_left=left if small else None,
    )


def _sound(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        raise Unavailable(f"Alpaca answers {answer.status_code}.")
    return answer


def _refusal(answer: httpx.Response) -> _Refusal:
    try:
        return msgspec.json.decode(answer.content, type=_Refusal)
    except msgspec.MsgspecError:
        return _Refusal()


def _decoded(answer: httpx.Response, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.MsgspecError as error:
        raise Unavailable(f"Alpaca answers in an unknown shape: {error}.") from error


def _ns(stamp: str | None) -> int:
    if stamp is None:
        return time.time_ns()
    moment = dt.datetime.fromisoformat(stamp)
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1_000_000_000 + moment.microsecond * 1_000
