"""What stands before every answer: the keys, the limit a minute, and the faults."""

import asyncio
import hmac
import time
from collections import deque
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tapelight.feeds.simulator.alpaca.faults import Switches
from tapelight.feeds.simulator.alpaca.refusal import TOO_MANY, Refusal, bad
from tapelight.feeds.simulator.rest import answer

Handler = Callable[[Request], Awaitable[Response]]
MINUTE_S = 60.0


class Broken(Response):
    """Begin an answer and break the connection: the client sees that nothing came."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Promise a body that never comes; the server then closes the connection."""
        headers = [(b"content-length", b"1"), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


class Keys:
    """Hold the one pair of keys that is accepted."""

    def __init__(self, key: str, secret: str) -> None:
        self._key, self._secret = key.encode(), secret.encode()

    def fit(self, key: str, secret: str) -> bool:
        """Tell whether these are the keys."""
        same = hmac.compare_digest(key.encode(), self._key)
        return hmac.compare_digest(secret.encode(), self._secret) and same


class Guard:
    """Wrap handlers; the limit counts requests of the wall's last minute."""

    def __init__(
        self, keys: Keys, faults: Switches, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.keys = keys
        self._faults, self._clock = faults, clock
        self._asked: deque[float] = deque()

    def data(self, handler: Handler) -> Handler:
        """Return a handler of market data behind the keys."""

        async def guarded(request: Request) -> Response:
            return self._stranger(request) or await _answered(handler, request)

        return guarded

    def trading(self, handler: Handler) -> Handler:
        """Return a handler of the trading API behind keys, limit and faults."""

        async def guarded(request: Request) -> Response:
            response = self._stranger(request) or self._crowd()
            if response is None:
                changes = request.method != "GET"
                response = self._before(changes) or await _answered(handler, request)
                response = self._after(changes) or response
            if self._faults.now.delay_s > 0:
                await asyncio.sleep(self._faults.now.delay_s)
            return response

        return guarded

    def _stranger(self, request: Request) -> Response | None:
        given = request.headers
        key, secret = given.get("apca-api-key-id", ""), given.get("apca-api-secret-key", "")
        if not self.keys.fit(key, secret):
            return answer({"message": "forbidden."}, 403 if key else 401)
        return None

    def _crowd(self) -> Response | None:
        now, limit = self._clock(), self._faults.now.limit_a_minute
        while self._asked and self._asked[0] <= now - MINUTE_S:
            self._asked.popleft()
        if len(self._asked) < limit and not self._faults.use("too_many"):
            self._asked.append(now)
            return None
        response = answer({"code": TOO_MANY, "message": "rate limit exceeded"}, 429)
        wait_s = int(self._asked[0] + MINUTE_S - now) + 1 if self._asked else 1
        response.headers["X-RateLimit-Limit"] = str(limit)
        response.headers["X-RateLimit-Remaining"] = "0"
        response.headers["X-RateLimit-Reset"] = str(int(time.time()) + wait_s)
        return response

    def _before(self, changes: bool) -> Response | None:
        if changes and self._faults.use("lose_request"):
            return Broken()
        if changes and self._faults.use("server_error"):
            return answer({"code": 50010000, "message": "internal server error"}, 500)
        return None

    def _after(self, changes: bool) -> Response | None:
        if changes and self._faults.loses_reply():
            return Broken()
        if changes and self._faults.use("timeout_504"):
            return answer({"code": 50410000, "message": "gateway timeout"}, 504)
        return None


async def _answered(handler: Handler, request: Request) -> Response:
    try:
        return await handler(request)
    except Refusal as refusal:
        return answer(refusal.body, refusal.status)
    except ValueError as error:
        return answer(bad(f"request is invalid: {error}").body, 422)
