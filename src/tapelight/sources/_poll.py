"""Ask one address again and again: politely, bounded, and with a word for each failure."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

import httpx

from tapelight.errors import Rejected, Unavailable

T = TypeVar("T")
MAX_BYTES = 16 * 1024 * 1024
TIMEOUT_S = 20.0
WHOLE_S = 60.0
"""One answer, however steadily it drips."""
LONGEST_WAIT_S = 600.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
REFUSED = frozenset({401, 403})


class Page:
    """Hold the connection to one service, which gives a body only where it has changed."""

    def __init__(self, url: str, user_agent: str) -> None:
        self.requests = 0
        self._tags: dict[str, dict[str, str]] = {}
        self._client = httpx.AsyncClient(
            headers={"user-agent": user_agent, "accept-encoding": "gzip, deflate"},
            timeout=httpx.Timeout(TIMEOUT_S, connect=5.0),
            follow_redirects=False,
            trust_env=urlsplit(url).hostname not in LOOPBACK,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(self, url: str, read: Callable[[bytes], T]) -> T | None:
        """Return what `read` makes of the body at `url`, None where that is what it was.

        Raises Unavailable where it may be asked for again, Rejected for an answer that is none.
        """
        self.requests += 1
        host = urlsplit(url).hostname
        try:
            async with (
                asyncio.timeout(WHOLE_S),
                self._client.stream("GET", url, headers=self._tags.get(url, {})) as answer,
            ):
                if answer.status_code == httpx.codes.NOT_MODIFIED:
                    return None
                _check(answer, host)
                found = read(await _body(answer))
                self._remember(url, answer.headers)
                return found
        except TimeoutError as error:
            raise Unavailable(f"{host} gives no whole answer within {WHOLE_S:g} s.") from error
        except httpx.TransportError as error:
            detail = str(error) or type(error).__name__
            raise Unavailable(f"{host} can't be reached ({detail}): check the network.") from error
        except httpx.HTTPError as error:
            raise Rejected(f"{host} answers what can't be read: {error}.") from error

    def _remember(self, url: str, headers: httpx.Headers) -> None:
        pairs = (("etag", "if-none-match"), ("last-modified", "if-modified-since"))
        self._tags[url] = {ask: headers[told] for told, ask in pairs if told in headers}


def _check(answer: httpx.Response, host: str | None) -> None:
    code = answer.status_code
    if code == httpx.codes.OK:
        return
    if code in REFUSED:
        raise Unavailable(
            f"{host} refuses us (HTTP {code}): give a user_agent with your name and e-mail, "
            "and ask less often."
        )
    if code == httpx.codes.TOO_MANY_REQUESTS:
        raise Unavailable(f"{host} says that we ask too often (HTTP 429): raise every_s.")
    raise Unavailable(f"{host} answers HTTP {code}: trying again.")


async def _body(answer: httpx.Response) -> bytes:
    parts, size = [], 0
    async for part in answer.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise Rejected(f"An answer of over {MAX_BYTES >> 20} MB is not what was asked for.")
    return b"".join(parts)


class Standing:
    """Tell how a source stands: waiting, live, or failing with the reason; and what it counted."""

    def __init__(self) -> None:
        self.state = "waiting"
        self.detail = ""
        self.counts = {"asked": 0, "failed": 0, "told": 0}
        self.failures = 0
        """In a row."""

    def worked(self) -> None:
        """Note an answer."""
        self.state, self.detail, self.failures = "live", "", 0

    def failed(self, reason: str) -> None:
        """Note a failure."""
        self.failures += 1
        self.counts["failed"] += 1
        self.state, self.detail = "failing", reason

    def status(self) -> dict[str, object]:
        """Return what /health shows."""
        return {"state": self.state, "detail": self.detail, **self.counts}


async def keep_asking(
    ask: Callable[[], Awaitable[None]],
    standing: Standing,
    every_s: float,
    reject: Callable[[str], None],
) -> None:
    """Call `ask` every `every_s` seconds until cancelled; after failures in a row more seldom."""
    while True:
        standing.counts["asked"] += 1
        try:
            await ask()
        except (Unavailable, Rejected) as error:
            standing.failed(str(error))
            reject(str(error))
        else:
            standing.worked()
        wait_s = every_s * 2 ** min(standing.failures, 5)
        await asyncio.sleep(max(every_s, min(wait_s, LONGEST_WAIT_S)))
