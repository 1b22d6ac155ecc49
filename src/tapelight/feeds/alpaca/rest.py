"""Ask Alpaca's REST services: what its answers mean."""

import time

import httpx

from tapelight.errors import ConfigError
from tapelight.feeds._rest import RETRIED, Busy, NotServed, Service

REFUSED = (
    "Alpaca refuses the keys: check feed.alpaca.key and feed.alpaca.secret in tapelight.toml; "
    "new keys end the old ones, and paper keys need the paper address as feed.alpaca.broker."
)
NO_PLAN = (
    "The plan of these Alpaca keys has no real-time SIP data: set feed.alpaca.feed to iex (free), "
    "or choose a plan that has it."
)
LEAST_WAIT_S = 0.5
LONGEST_TIME = 16
"""Digits of what may be a Unix time."""


def open_service(base: str, key: str, secret: str) -> Service:
    """Return the connections to one of Alpaca's services.

    They raise ConfigError for refused keys or a plan that lacks the data, NotServed for what is
    not there.
    """
    headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
    return Service(base, lambda: headers, _refused)


def _refused(path: str, response: httpx.Response) -> Exception:
    status = response.status_code
    if status in (401, 403):
        return ConfigError(NO_PLAN if "subscription" in response.text else REFUSED)
    if status in RETRIED:
        return Busy(f"{path} answers {status}.", _reset_s(response.headers))
    return NotServed(f"{path} answers {status}.")


def _reset_s(headers: httpx.Headers) -> float | None:
    """Return the seconds until the limit is lifted, as X-RateLimit-Reset (Unix time) says."""
    text = headers.get("x-ratelimit-reset", "")
    known = text.isdecimal() and len(text) < LONGEST_TIME
    return max(int(text) - time.time(), LEAST_WAIT_S) if known else None
