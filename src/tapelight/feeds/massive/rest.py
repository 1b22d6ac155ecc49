"""Ask Massive's REST service: retries, rate limits, pages, typed answers."""

import asyncio
import datetime as dt
import email.utils
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
import stamina

from tapelight.errors import ConfigError, Rejected, Unavailable
from tapelight.feeds._websocket import LOOPBACK
from tapelight.feeds.massive.config import Secret

_T = TypeVar("_T")
Params = Mapping[str, str | int | float | bool]
ATTEMPTS = 4
MAX_RETRY_AFTER_S = 65.0
"""A free plan's limit is by the minute."""
MAX_PAGES = 200
IN_THREAD_BYTES = 1 << 20
"""A body above this takes some 10 ms to decode: not on the event loop."""
CLOSE_S = 1.0
_RETRIED = frozenset({429, 499, 500, 502, 503, 504})


class NotServed(Rejected):
    """Say that this service or plan does not answer a path: 403, 404 and the like."""


class _Busy(Unavailable):
    """Say that a request may be tried again, after `after_s` when the service asked for it."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class Rest:
    """Hold the HTTP connections to one service; the key travels in a header only."""

    def __init__(self, base: str, key: Secret) -> None:
        self.calls = 0
        self._sent: set[asyncio.Task[httpx.Response]] = set()
        self._client = httpx.AsyncClient(
            base_url=base,
            headers={"Authorization": f"Bearer {key.reveal()}"},
            timeout=httpx.Timeout(20.0, connect=5.0, write=5.0, pool=60.0),
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=16),
            trust_env=urlsplit(base).hostname not in LOOPBACK,
        )

    async def close(self) -> None:
        """Let what was sent end within CLOSE_S, then close the connections."""
        if self._sent:
            _, late = await asyncio.wait(self._sent, timeout=CLOSE_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        await self._client.aclose()

    async def get(self, path: str, kind: type[_T], params: Params | None = None) -> _T:
        """Return the answer of `path` as `kind`.

        Tries again after 429 (when Retry-After says), 5xx and broken connections, at most
        ATTEMPTS times; then raises Unavailable. Raises ConfigError for a refused key, NotServed
        for what the service or the plan does not have, Rejected for a body of another shape.
        """
        async for attempt in stamina.retry_context(
            on=_wait_after,
            attempts=ATTEMPTS,
            timeout=240.0,
            wait_initial=0.25,
            wait_max=4.0,
            wait_jitter=0.25,
        ):
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

    async def pages(self, path: str, kind: type[Any], params: Params) -> list[Any]:
        """Return `results` of all pages, following `next_url` on this service only."""
        results: list[Any] = []
        page = await self.get(path, kind, params)
        results += page.results or ()
        for _ in range(MAX_PAGES):
            if not page.next_url:
                break
            page = await self.get(_local(page.next_url), kind)
            results += page.results or ()
        return results

    async def _once(self, path: str, params: Params | None) -> bytes:
        self.calls += 1
        plain = path.partition("?")[0]
        try:
            response = await self._send(path, params)
        except httpx.TransportError as error:
            raise _Busy(f"{plain} gives no answer: {type(error).__name__}.") from error
        status = response.status_code
        if status == 200:
            return response.content
        if status == 401:
            raise ConfigError(
                "Massive refuses the key (401): check feed.massive.api_key in tapelight.toml."
            )
        if status in _RETRIED:
            after = _retry_after_s(response.headers.get("retry-after"))
            raise _Busy(f"{plain} answers {status}.", after)
        raise NotServed(f"{plain} answers {status}.")

    async def _send(self, path: str, params: Params | None) -> httpx.Response:
        """Send in a task of its own: httpx loses connections when cancelled while it tidies up."""
        task = asyncio.create_task(self._client.get(path, params=params), name="request")
        self._sent.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[httpx.Response]) -> None:
        self._sent.discard(task)
        if not task.cancelled():
            task.exception()  # taken note of, though whoever asked may be gone


def _wait_after(error: Exception) -> bool | float:
    """Tell stamina whether to try again: True by its own backoff, a number by the service's."""
    if not isinstance(error, _Busy):
        return False
    return True if error.after_s is None else error.after_s


def _retry_after_s(header: str | None) -> float | None:
    """Read Retry-After, seconds or a date (RFC 9110, 10.2.3)."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            until = email.utils.parsedate_to_datetime(header)
        except ValueError:
            return None
        seconds = (until - dt.datetime.now(dt.UTC)).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if seconds == seconds else None


def _local(url: str) -> str:
    """Return path and query of `next_url`: the key must not follow it to another host."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
