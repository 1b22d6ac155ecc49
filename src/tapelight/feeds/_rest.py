"""Ask a provider's REST service: retries, the waits that it asks for, typed answers."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
import stamina
from stamina.instrumentation import set_on_retry_hooks

from tapelight.errors import Rejected, Unavailable
from tapelight.feeds._websocket import LOOPBACK

# What the library says of its tries is told by `trying`, in words.
set_on_retry_hooks(())
_T = TypeVar("_T")
Params = Mapping[str, str | int | float | bool | list[str]]
ATTEMPTS = 4
LONGEST_WAIT_S = 65.0
"""A free plan's limit is by the minute."""
IN_THREAD_BYTES = 1 << 20
"""A body above this takes some 10 ms to decode: not on the event loop."""
CLOSE_S = 1.0
RETRIED = frozenset({408, 429, 499, 500, 502, 503, 504})
"""Answers after which the same question may be asked again."""
WHOLE_S = 90.0
"""One answer, however steadily it drips."""
MOST_BYTES = 128 << 20
"""Of one answer; a picture of the whole market has some 10 MB."""
CODED = frozenset({"content-encoding", "content-length", "transfer-encoding"})
TIMEOUT = httpx.Timeout(20.0, connect=5.0, write=5.0, pool=60.0)


class NotServed(Rejected):
    """Say that this service or plan does not answer a path: 403, 404, 422 and the like."""


class Busy(Unavailable):
    """Say that a request may be tried again, after `after_s` when the service asked for it."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = None if after_s is None else min(max(after_s, 0.0), LONGEST_WAIT_S)


class Service:
    """Hold the HTTP connections to one service; the key travels in headers only.

    `headers` is asked before each request. `refused` turns an answer that is not 200 into what it
    means: Busy where the question may be asked again, up to `attempts` times in all.
    """

    def __init__(
        self,
        base: str,
        headers: Callable[[], Mapping[str, str]],
        refused: Callable[[str, httpx.Response], Exception],
        connections: int = 8,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.calls = 0
        self.trying: Callable[[Busy], object] = lambda _error: None
        """Called when a request is to be tried again."""
        self._headers = headers
        self._refused = refused
        self._attempts = attempts
        self._sent: set[asyncio.Task[httpx.Response]] = set()
        self._client = httpx.AsyncClient(
            base_url=base,
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
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

        Raises what `body` raises, and Rejected for a body of another shape.
        """
        body = await self.body(path, params)
        try:
            if len(body) > IN_THREAD_BYTES:
                return await asyncio.to_thread(msgspec.json.decode, body, type=kind)
            return msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Rejected(
                f"{path} answered in a shape that is not documented: {error}."
            ) from error

    async def body(self, path: str, params: Params | None = None) -> bytes:
        """Return the body of the answer of `path`.

        Tries again after broken connections and what is Busy; then raises Unavailable. Raises
        at once what `refused` makes of other answers.
        """
        async for attempt in stamina.retry_context(
            on=self._wait_after, attempts=self._attempts, timeout=240.0, wait_initial=0.25,
            wait_max=4.0, wait_jitter=0.25,
        ):  # fmt: skip
            with attempt:
                found = await self._once(path, params)
        return found

    async def _once(self, path: str, params: Params | None) -> bytes:
        self.calls += 1
        plain = path.partition("?")[0]
        try:
            response = await self._send(path, params)
        except httpx.HTTPError as error:
            host, words = self._client.base_url.host, str(error) or type(error).__name__
            raise Busy(f"{host} gives no answer: {words}.") from error
        except TimeoutError as error:
            host = self._client.base_url.host
            raise Busy(f"{host} gives no whole answer within {WHOLE_S:g} s.") from error
        if response.status_code == 200:
            return response.content
        raise self._refused(plain, response)

    async def _send(self, path: str, params: Params | None) -> httpx.Response:
        """Send in a task of its own: httpx loses connections when cancelled while it tidies up."""
        task = asyncio.create_task(self._answer(path, params), name="request")
        self._sent.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _answer(self, path: str, params: Params | None) -> httpx.Response:
        """Return the whole answer; raises TimeoutError when it is late, Rejected when too large."""
        headers = dict(self._headers())
        async with (
            asyncio.timeout(WHOLE_S),
            self._client.stream("GET", path, params=params, headers=headers) as response,
        ):
            body = await _body(response)
            plain = [(k, v) for k, v in response.headers.multi_items() if k not in CODED]
            return httpx.Response(response.status_code, headers=plain, content=body)

    def _ended(self, task: asyncio.Task[httpx.Response]) -> None:
        self._sent.discard(task)
        if not task.cancelled():
            task.exception()  # taken note of, though whoever asked may be gone

    def _wait_after(self, error: Exception) -> bool | float:
        """Tell stamina whether to try again: True by its own backoff, a number by the service's."""
        if not isinstance(error, Busy):
            return False
        self.trying(error)
        return True if error.after_s is None else error.after_s


async def _body(response: httpx.Response) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise Rejected(f"An answer of over {MOST_BYTES >> 20} MB is not what was asked for.")
    return b"".join(parts)
