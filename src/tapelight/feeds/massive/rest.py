"""Ask Massive's REST service: pages, and what its answers mean."""

import datetime as dt
import email.utils
from typing import Any
from urllib.parse import urlsplit

import httpx

from tapelight.errors import ConfigError
from tapelight.feeds._rest import RETRIED, Busy, NotServed, Params, Service
from tapelight.feeds.massive.config import Secret

MAX_PAGES = 200
CONNECTIONS = 16


class Rest(Service):
    """Hold the HTTP connections to Massive.

    They raise ConfigError for a refused key, NotServed for what the service or plan does not have.
    """

    def __init__(self, base: str, key: Secret) -> None:
        headers = {"Authorization": f"Bearer {key.reveal()}"}
        super().__init__(base, lambda: headers, _refused, CONNECTIONS)

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


def _refused(path: str, response: httpx.Response) -> Exception:
    status = response.status_code
    if status == 401:
        return ConfigError(
            "Massive refuses the key (401): check feed.massive.api_key in tapelight.toml."
        )
    if status in RETRIED:
        after_s = _retry_after_s(response.headers.get("retry-after"))
        return Busy(f"{path} answers {status}.", after_s)
    return NotServed(f"{path} answers {status}.")


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
    return seconds if seconds == seconds else None


def _local(url: str) -> str:
    """Return path and query of `next_url`: the key must not follow it to another host."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
