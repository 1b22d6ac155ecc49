"""The gateway: REST, stream and dashboard on one port, inside the caller's asyncio loop."""

import asyncio
import secrets
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from tapelight.errors import TapelightError
from tapelight.ports import (
    Alerting,
    AlertsTold,
    Boards,
    Bus,
    Chains,
    Correlations,
    Documents,
    Identities,
    Market,
    OrderBooks,
    Past,
    Portfolios,
    Prints,
    Quarantine,
    Reasons,
    Records,
    Scans,
    TradeDesk,
    Trials,
)
from tapelight.telemetry import Measure, Measures, counted
from tapelight.web.address import Crowd, Proxies
from tapelight.web.auth import AuthRest, Directory
from tapelight.web.auth_oidc import SIGN_IN, oidc_endpoints
from tapelight.web.auth_users import UserRest
from tapelight.web.chains import chain_endpoints
from tapelight.web.correlation import correlation_endpoints
from tapelight.web.endpoints import Endpoint
from tapelight.web.files import Dashboard
from tapelight.web.gate import Gate
from tapelight.web.guard import Door, Guard
from tapelight.web.oidc import Oidc
from tapelight.web.orders import order_endpoints
from tapelight.web.portfolio import portfolio_endpoints
from tapelight.web.prints import print_endpoints
from tapelight.web.problems import Refused, on_error, on_http, problem
from tapelight.web.quarantine import quarantine_endpoints
from tapelight.web.rest import Rest
from tapelight.web.session import Session
from tapelight.web.sockets import WebSocketProtocol, bind, counting, serve_on
from tapelight.web.stream import Limits, Stream, no_alerts
from tapelight.web.trading import trading_endpoints
from tapelight.web.trials import trial_endpoints
from tapelight.web.who import Who, who_asks
from tapelight.web.wire import nearest, quoted

__all__ = ["Gateway", "Limits", "bind"]

STATIC = Path(__file__).parent / "static"
INCOMING_BYTES = 64 * 1024
PING_S = 20.0
STOP_S = 2.0
DISMISS_S = 0.5


class Users(Directory, Identities, Protocol):
    """Know accounts, sessions and keys."""


class Herald(Alerting, AlertsTold, Protocol):
    """Reach people, and know what their dashboards were told."""


class Gateway:
    """Serve boards and market to browsers and programs.

    `app` is the ASGI application. `host` and `port` are bound by the constructor unless
    `listener` is given (see `bind`); port 0 takes a free one, which `port` then tells.
    `hosts` and `origins` are further names and origins to trust, `proxies` addresses whose word
    for whom they ask is taken. Raises ConfigError when the
    port can't be had.
    """

    def __init__(
        self,
        boards: Boards,
        market: Market,
        bus: Bus,
        *,
        host: str = "127.0.0.1",
        port: int = 8787,
        static: Path = STATIC,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
        limits: Limits | None = None,
        epoch: str | None = None,
        listener: socket.socket | None = None,
        past: Past | None = None,
        scans: Scans | None = None,
        reasons: Reasons | None = None,
        records: Records | None = None,
        documents: Documents | None = None,
        quarantine: Quarantine | None = None,
        users: Users | None = None,
        guests: bool = False,
        code: str = "",
        alerting: Herald | None = None,
        oidc: Oidc | None = None,
        orders: OrderBooks | None = None,
        trader: TradeDesk | None = None,
        prints: Prints | None = None,
        correlations: Correlations | None = None,
        chains: Chains | None = None,
        portfolios: Portfolios | None = None,
        trials: Trials | None = None,
        measures: Measures = tuple,
        proxies: Iterable[str] = (),
    ) -> None:
        self._proxies = Proxies(proxies)
        self._crowd = Crowd(self._proxies)
        self._listener = listener or bind(host, port)
        self.port: int = self._listener.getsockname()[1]
        self.stream = Stream(
            boards, market, bus, epoch=epoch or secrets.token_hex(4), limits=limits, prints=prints,
            newest_alerts=alerting.newest if alerting is not None else no_alerts,
        )  # fmt: skip
        self.gate = Gate(users, guests=guests)
        auth = AuthRest(users, self.gate, code, SIGN_IN if oidc is not None else "")
        more = (
            *auth.endpoints(), *UserRest(auth).endpoints(), *oidc_endpoints(auth, oidc),
            *quarantine_endpoints(quarantine), *_trading(orders, trader, portfolios),
            *print_endpoints(prints), *correlation_endpoints(correlations),
            *chain_endpoints(chains), *trial_endpoints(trials),
        )  # fmt: skip
        rest = Rest(
            boards, market, lambda: [*measures(), *self.measures()], past, scans, reasons, records,
            documents, more, alerting,
        )  # fmt: skip
        self.endpoints = rest.endpoints
        self._sessions: set[Session] = set()
        self.application = self._application(static)
        guard = Guard(self.gate.around(self.application), Door(host, hosts, origins))
        self.app: ASGIApp = self._proxies.around(guard)

    async def serve(self) -> None:
        """Serve until cancelled; then end within two seconds, closing clients with 1012."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.stream.sweep(), name="gateway sweep")
            group.create_task(self._dismiss(), name="gateway rights")
            group.create_task(self._serve_sockets(), name="gateway sockets")

    def close(self) -> None:
        """Give the port back when `serve` was never run."""
        self._listener.close()

    async def _serve_sockets(self) -> None:
        await serve_on(self._listener, self._config(), STOP_S)

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self.app,
            http=counting(self._crowd),
            ws=WebSocketProtocol,
            ws_max_size=INCOMING_BYTES,
            ws_per_message_deflate=False,
            ws_ping_interval=PING_S,
            ws_ping_timeout=PING_S,
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )

    def _application(self, static: Path) -> Starlette:
        routes = [
            *(Route(e.path, e.respond, methods=[e.method]) for e in self.endpoints),
            WebSocketRoute("/ws", self._websocket),
            Route("/api", self._unknown),
            Route("/api/{path:path}", self._unknown),
            Mount("/", Dashboard(static)),
        ]
        handlers = {
            HTTPException: on_http,
            Refused: on_error,
            TapelightError: on_error,
            Exception: on_error,
        }
        return Starlette(routes=routes, exception_handlers=handlers)

    async def _websocket(self, websocket: WebSocket) -> None:
        most = self.stream.limits.clients
        if len(self.stream.clients) >= most:
            detail = f"The gateway serves {most} clients at most: try again in a minute."
            await websocket.send_denial_response(problem(503, detail, "/ws"))
            return
        who = who_asks(websocket.scope)
        if not who.may("guest", "read"):
            detail = (
                "Log in first: the stream is for users, or for who shows a ticket or an API key."
            )
            await websocket.send_denial_response(problem(401, detail, "/ws"))
            return
        with self.gate.seat(websocket.scope) as free:
            if not free:
                detail = "Too many connections are open: close some of them first."
                await websocket.send_denial_response(problem(429, detail, "/ws"))
                return
            await self._serve_client(websocket, who)

    async def _serve_client(self, websocket: WebSocket, who: Who) -> None:
        await websocket.accept()
        session = Session(self.stream, websocket, who)
        self._sessions.add(session)
        try:
            await session.run()
        finally:
            self._sessions.discard(session)

    async def _dismiss(self) -> None:
        """Close the WebSockets of those who have logged out or lost their role, twice a second."""
        while True:
            await asyncio.sleep(DISMISS_S)
            for session in self._sessions:
                if not self.gate.holds(session.who):
                    session.dismiss()

    async def _unknown(self, request: Request) -> Response:
        path = request.url.path
        known = [endpoint.path.replace(":path}", "}") for endpoint in self.endpoints]
        raise Refused(
            404,
            f"Nothing is at {quoted(path)}.{nearest(path, known)} "
            "GET /api/openapi.json describes what there is.",
        )

    def measures(self) -> Iterator[Measure]:
        """Yield what the stream did, for /metrics."""
        counters, live = self.stream.counters, self.stream.clients
        behind_s = max((client.behind_s() for client in live), default=0.0)
        yield Measure("clients", "WebSocket clients now.", len(live))
        yield Measure("client_topics", "Topics that somebody watches.", self.stream.topics)
        yield Measure("client_behind_seconds", "Age of the oldest unsent message.", behind_s)
        yield from counted(
            "client_messages_total",
            "Messages: made for a topic, sent to clients, conflated away.",
            {
                "made": counters.messages,
                "sent": counters.sent + sum(client.sent for client in live),
                "conflated": counters.conflated + sum(client.conflated for client in live),
            },
            "fate",
        )
        sent_bytes = counters.sent_bytes + sum(client.sent_bytes for client in live)
        yield Measure("client_sent_bytes_total", "Bytes of the messages sent.", sent_bytes)
        ends = {
            "slow": counters.closed_slow, "refused": counters.refused,
            "address": self._crowd.refused,
        }  # fmt: skip
        words = "Closed as slow; topics refused; connections of an address that has too many."
        yield from counted("client_refusals_total", words, ends, "why")
        publications = counters.publications
        yield Measure("publications_total", "Publications on the bus.", publications)


def _trading(
    orders: OrderBooks | None, trader: TradeDesk | None, portfolios: Portfolios | None
) -> tuple[Endpoint, ...]:
    return (
        *order_endpoints(orders, trader), *trading_endpoints(orders, trader),
        *portfolio_endpoints(portfolios),
    )  # fmt: skip
