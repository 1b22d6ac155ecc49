"""Ask Alpaca's REST services: retries, the budget of requests, pages, typed answers."""

import asyncio
import time
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
import stamina

from tapelight.errors import ConfigError, Rejected, Unavailable
from tapelight.feeds._websocket import LOOPBACK

_T = TypeVar("_T")
Params = Mapping[str, str | int]
ATTEMPTS = 4
MAX_WAIT_S = 65.0
IN_THREAD_BYTES = 1 << 20
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
REFUSED = (
    "Alpaca refuses the keys: check feed.alpaca.key and feed.alpaca.secret in tapelight.toml; "
    "new keys end the old ones, and paper keys need the paper address as feed.alpaca.broker."
)
NO_PLAN = (
    "The plan of these Alpaca keys has no real-time SIP data: set feed.alpaca.feed to iex (free), "
    "or choose a plan that has it."
)


class NotServed(Rejected):
    """Say that this service does not answer a path: 404, 422 and the like."""


class _Busy(Unavailable):
    """Say that a request may be tried again, after `after_s` when the service asked for it."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class Rest:
    """Hold the HTTP connections to one service; the keys travel in headers only."""

    def __init__(self, base: str, key: str, secret: str) -> None:
        self.calls = 0
        self._client = httpx.AsyncClient(
            base_url=base,
            headers={"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret},
            timeout=httpx.Timeout(20.0, connect=5.0, write=5.0, pool=60.0),
            limits=httpx.Limits(max_connections=8, max_keepalive_connections=8),
            trust_env=urlsplit(base).hostname not in LOOPBACK,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(self, path: str, kind: type[_T], params: Params | None = None) -> _T:
        """Return the answer of `path` as `kind`.

        Tries again after 429 (when X-RateLimit-Reset says), 5xx and broken connections, at most
        ATTEMPTS times; then raises Unavailable. Raises ConfigError for refused keys or a plan that
        lacks the data, NotServed for what is not there, Rejected for a body of another shape.
        """
        async for attempt in stamina.retry_context(
            on=_wait_after, attempts=ATTEMPTS, timeout=240.0, wait_initial=0.25, wait_max=4.0,
            wait_jitter=0.25,
        ):  # fmt: skip
            with attempt:
                body = await self._once(path, params)
        try:
            if len(body) > IN_THREAD_BYTES:
                return await asyncio.to_thread(msgspec.json.decode, body, type=kind)
            return msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Rejected(
                f"{path} answered in a shape that is not documented: {error}."
            ) from error

    async def _once(self, path: str, params: Params | None) -> bytes:
        self.calls += 1
        try:
            response = await self._client.get(path, params=params)
        except httpx.TransportError as error:
            host = self._client.base_url.host
            raise _Busy(f"{host} gives no answer ({type(error).__name__}).") from error
        status = response.status_code
        if status == 200:
            return response.content
        if status in (401, 403):
            raise ConfigError(NO_PLAN if "subscription" in response.text else REFUSED)
        if status in _RETRIED:
            raise _Busy(f"{path} answers {status}.", _reset_s(response.headers))
        raise NotServed(f"{path} answers {status}.")


def _wait_after(error: Exception) -> bool | float:
    """Tell stamina whether to try again: True by its own backoff, a number by the service's."""
    if not isinstance(error, _Busy):
        return False
    return True if error.after_s is None else error.after_s


def _reset_s(headers: httpx.Headers) -> float | None:
    """Return the seconds until the limit is lifted, as X-RateLimit-Reset (Unix time) says."""
    text = headers.get("x-ratelimit-reset", "")
    if not text.isdigit():
        return None
    return min(max(int(text) - time.time(), 0.5), MAX_WAIT_S)
