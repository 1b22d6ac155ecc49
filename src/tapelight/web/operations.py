"""The operator's listener: /metrics and /health of a process, for its own network alone.

The gateway has both too, for who may read. A process without one, and a scraper on another machine
that has no account, ask here; nothing else is served.
"""

from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tapelight.telemetry import Measures
from tapelight.web.endpoints import reply
from tapelight.web.metrics import MEDIA_TYPE, exposition
from tapelight.web.sockets import Http, bind, serve_on

STOP_S = 1.0


class Operations:
    """Serve measures and the word of `unfit`: why the process isn't fit, or None.

    Raises ConfigError when the port can't be had; port 0 takes a free one.
    """

    def __init__(
        self, measures: Measures, unfit: Callable[[], str | None], host: str, port: int
    ) -> None:
        self._listener = bind(host, port)
        self.port: int = self._listener.getsockname()[1]
        self._render = exposition(measures)
        self._unfit = unfit

    async def serve(self) -> None:
        """Serve until cancelled."""
        routes = [Route("/metrics", self._metrics), Route("/health", self._health)]
        config = uvicorn.Config(
            Starlette(routes=routes), http=Http, ws="none", lifespan="off", interface="asgi3",
            access_log=False, log_config=None, proxy_headers=False, server_header=False,
        )  # fmt: skip
        await serve_on(self._listener, config, STOP_S)

    async def _metrics(self, _request: Request) -> Response:
        return Response(self._render(), headers={"content-type": MEDIA_TYPE})

    async def _health(self, _request: Request) -> Response:
        reason = self._unfit()
        body = {"ok": reason is None, **({"reason": reason} if reason else {})}
        return reply(body, 503 if reason else 200)
