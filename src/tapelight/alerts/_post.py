"""Requests to the outside that reach nothing inside: resolve, check, connect to what was checked.

Sources: OWASP SSRF prevention; RFC 6890 (special addresses), RFC 6052 (NAT64), RFC 3056 (6to4).
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from ipaddress import (
    IPv4Address,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import httpcore

from tapelight.errors import ConfigError, Rejected, Unavailable

TIMEOUT_S = 5.0
ANSWER_BYTES = 64 * 1024
ADDRESSES = 2
"""Of one name so many are tried: the whole post has twice the time of a connection."""
URL_CHARS = 2_000
TOLD_CHARS = 500
"""How much of an answer a receipt keeps."""
CARRIERS = tuple(
    IPv6Network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
)
"""IPv6 addresses that lead to IPv4 ones."""
Address = IPv4Address | IPv6Address


class Later(Unavailable):
    """Try again, not before `after_s`."""

    def __init__(self, detail: str, after_s: float) -> None:
        super().__init__(detail)
        self.after_s = after_s


class Answer(NamedTuple):
    """Hold what a server said."""

    status: int
    text: str
    headers: Mapping[str, str]


class Resolve(Protocol):
    """Look a name up: addresses as text."""

    async def __call__(self, host: str, port: int) -> Sequence[str]: ...


async def resolve(host: str, port: int) -> Sequence[str]:
    """Look a name up in the system's way; it also reads 0x7f.1, 017700000001 and 2130706433."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Allowed:
    """Hold what inside addresses may be reached: ("127.0.0.1:9000", "10.1.0.0/16")."""

    def __init__(self, places: Iterable[str] = ()) -> None:
        self._places = [_place(text) for text in places]

    def holds(self, address: Address, port: int) -> bool:
        """Tell whether an address may be reached although it is inside."""
        return any(address in net and of in (0, port) for net, of in self._places)


def _place(text: str) -> tuple[Any, int]:
    host, _, port = (
        text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "0")
    )
    try:
        return ip_network(host.strip("[]")), int(port)
    except ValueError as error:
        raise ConfigError(
            f"allow under [alerts]: {text!r} is no address: give one as in 127.0.0.1:9000 or "
            "10.1.0.0/16."
        ) from error


def is_outside(address: Address) -> bool:
    """Tell whether an address is of the public internet, not of this machine or network."""
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return is_outside(mapped)
    if isinstance(address, IPv6Address) and any(address in net for net in CARRIERS):
        return False
    if isinstance(address, IPv6Address) and address.is_site_local:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class _Checked(httpcore.AsyncNetworkBackend):
    """Connect to addresses that were checked, never to a name."""

    def __init__(self, allowed: Allowed, look_up: Resolve) -> None:
        self._allowed = allowed
        self._look_up = look_up
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own argument
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of `host` that answers, where all of them may be reached."""
        *others, last = (await self._addresses(host, port))[:ADDRESSES]
        for address in others:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._inner.connect_tcp(
                    str(address), port, (timeout or TIMEOUT_S) / 2, local_address, socket_options
                )
        return await self._inner.connect_tcp(
            str(last), port, timeout, local_address, socket_options
        )

    async def _addresses(self, host: str, port: int) -> list[Address]:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                found = await self._look_up(host, port)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise Unavailable(f"{host} can't be looked up: {str(error) or 'no answer'}.") from error
        addresses = [ip_address(text.partition("%")[0]) for text in found]
        for address in addresses:
            if not is_outside(address) and not self._allowed.holds(address, port):
                raise Rejected(
                    f"{host} leads to {address}, which is inside: alerts go outside alone, unless "
                    "the operator lists the address in allow under [alerts]."
                )
        if not addresses:
            raise Unavailable(f"{host} has no address.")
        return addresses

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Post:
    """Send requests over HTTPS; plain HTTP only to addresses in `allowed`."""

    def __init__(
        self,
        allowed: Allowed | None = None,
        look_up: Resolve = resolve,
        context: ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._timeout_s = timeout_s
        self._allowed = allowed or Allowed()
        self._look_up = look_up
        self._context = context
        self._opened: httpcore.AsyncConnectionPool | None = None

    @property
    def _pool(self) -> httpcore.AsyncConnectionPool:
        """Return the connections, made when first asked for: the list of authorities is long."""
        if self._opened is None:
            self._opened = httpcore.AsyncConnectionPool(
                ssl_context=self._context or ssl.create_default_context(),
                max_connections=64,
                keepalive_expiry=10.0,
                network_backend=_Checked(self._allowed, self._look_up),
            )
        return self._opened

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post JSON; raises Rejected for what will never do, Unavailable to try again.

        Redirects aren't followed; of an answer 64 KiB are read at the most.
        """
        self.check(url)
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), self._timeout_s)
        try:
            async with asyncio.timeout(2 * self._timeout_s):
                return await self._ask(url, body, headers, {"timeout": timeout})
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            said = str(error) or type(error).__name__
            raise Unavailable(f"{_shown(url)} can't be reached: {said}.") from error
        except (TimeoutError, ssl.SSLError) as error:
            raise Unavailable(f"{_shown(url)} gives no answer in time.") from error

    def check(self, url: str) -> None:
        """Raise Rejected where a URL isn't one that may be posted to, before anything is looked up."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or 0
        except ValueError as error:
            raise Rejected(f"{url[:80]!r} is no URL: give one as in https://host/path.") from error
        if len(url) > URL_CHARS or not url.isascii() or not url.isprintable() or " " in url:
            raise Rejected("Give a URL of plain characters without blanks, 2,000 at the most.")
        if not host or "@" in parts.netloc or "\\" in url or parts.fragment:
            raise Rejected("Give a URL with a host and without user, password and fragment.")
        if parts.scheme != "https" and not (
            parts.scheme == "http" and self._is_allowed(host, port)
        ):
            raise Rejected(f"{parts.scheme or 'no scheme'}: alerts are posted over https alone.")

    def _is_allowed(self, host: str, port: int) -> bool:
        try:
            return self._allowed.holds(ip_address(host), port or 80)
        except ValueError:
            return False

    async def close(self) -> None:
        """Close the connections that are kept."""
        if self._opened is not None:
            await self._opened.aclose()

    async def _ask(
        self, url: str, body: bytes, headers: Mapping[str, str], extensions: dict[str, Any]
    ) -> Answer:
        sent = {"content-type": "application/json", "user-agent": "tapelight", **headers}
        sent["host"] = urlsplit(url).netloc
        listed = [(name.encode(), value.encode("utf-8")) for name, value in sent.items()]
        async with self._pool.stream(
            "POST", url, headers=listed, content=body, extensions=extensions
        ) as response:
            text = await _read(response)
            told = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in response.headers}
            return Answer(response.status, text, told)


async def _read(response: httpcore.Response) -> str:
    data = b""
    async for piece in response.aiter_stream():
        data += piece
        if len(data) >= ANSWER_BYTES:
            break
    return data[:ANSWER_BYTES].decode("utf-8", "replace")


def receipt(answer: Answer, url: str) -> str:
    """Return the words of an answer that took the alert; raises Rejected, Later or Unavailable."""
    said = f"{answer.status} {' '.join(answer.text.split())}"[:TOLD_CHARS]
    if 200 <= answer.status < 300:
        return said
    told = f"{_shown(url)} answers {said}"
    if answer.status == 429:
        raise Later(told, _after_s(answer.headers.get("retry-after", "")))
    if answer.status >= 500 or answer.status in (408, 425):
        raise Unavailable(told)
    raise Rejected(told)


def _after_s(text: str) -> float:
    try:
        return min(max(float(text), 1.0), 3_600.0)
    except ValueError:
        return 30.0


def _shown(url: str) -> str:
    """Return a URL's host alone: its path may be a secret."""
    return urlsplit(url).netloc
