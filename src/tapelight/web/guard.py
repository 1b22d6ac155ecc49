"""The gateway's door: Host against DNS rebinding, Origin against foreign pages, headers.

Sources: OWASP ASVS 5.0 4.4 (WebSocket), 3.4 (browser security headers).
"""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from tapelight.web.problems import problem
from tapelight.web.wire import quoted

LOCAL = ("localhost", "127.0.0.1", "::1")
WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
DEFAULT_PORTS = {"http": 80, "https": 443}

# The charting library puts its own <style> into the page, hence 'unsafe-inline' for styles.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' "
    "data:; font-src 'self'; media-src 'self'; manifest-src 'self'; worker-src 'self'; "
    "connect-src 'self' ws://{host} wss://{host}; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def host_name(host: str) -> str | None:
    """Return the name in a Host header, lower-case, without port; None if it is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname, parts.port
    except ValueError:
        return None
    plain = parts.netloc == host and "@" not in host and host.isascii()
    return name if plain and name and host.isprintable() and not set(host) & set(" ;,'\"") else None


class Door:
    """Decide who may come in.

    `bound` is the address that the server listens on. Where it is a wildcard, addresses in
    figures are allowed too: only names can be rebound. `hosts` are further names; `origins`
    further origins ("https://desk.example:8443") that may open the WebSocket.
    """

    def __init__(self, bound: str, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        self._hosts = {*LOCAL, bound.lower().strip("[]"), *(host.lower() for host in hosts)}
        self._hosts.discard("")
        self._any_address = bound.strip("[]") in WILDCARDS
        self._origins = {origin.lower().rstrip("/") for origin in origins}

    def knows(self, host: str) -> bool:
        """Tell whether the Host header names this gateway."""
        name = host_name(host)
        return name is not None and (
            name in self._hosts or (self._any_address and _is_address(name))
        )

    def welcomes(self, headers: Headers, client: str) -> bool:
        """Tell whether a WebSocket may be opened.

        The Origin must be of this same host or configured. Without one (no browser), the
        client must bring no cookie, and be on this machine or show an API key.
        """
        origin = headers.get("origin")
        if origin is None:
            is_program = is_loopback(client) or "authorization" in headers
            return is_program and "cookie" not in headers
        return self.trusts(origin, headers)

    def trusts(self, origin: str, headers: Headers) -> bool:
        """Tell whether an Origin is this same host or configured."""
        known = origin.lower() in self._origins
        return known or _same_origin(origin, headers.get("host", ""))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(client: str) -> bool:
    """Tell whether an address is this machine's own."""
    return _is_address(client) and ip_address(client).is_loopback


def _same_origin(origin: str, host: str) -> bool:
    """Compare host and port of an Origin with a Host header; default ports may be left out."""
    try:
        theirs, ours = urlsplit(origin), urlsplit(f"//{host}")
        scheme = DEFAULT_PORTS.get(theirs.scheme)
        if (
            scheme is None
            or "@" in origin
            or theirs.netloc.lower() != origin.lower().partition("://")[2]
        ):
            return False
        return (theirs.hostname, theirs.port or scheme) == (ours.hostname, ours.port or scheme)
    except ValueError:
        return False


def _is_foreign(method: str, headers: Headers) -> bool:
    """Tell whether another site's page asks; a link to here that is followed is no such thing.

    Source: W3C Fetch Metadata Request Headers. Programs don't send them, browsers always do.
    """
    if headers.get("sec-fetch-site") != "cross-site":
        return False
    return method != "GET" or headers.get("sec-fetch-mode") != "navigate"


class Guard:
    """Stand before the application: check the door, add the security headers."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket (ASGI)."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        host = headers.get("host", "localhost") if refusal is None else "localhost"
        dress = _dressed(send, POLICY.format(host=host))
        if refusal is None:
            await self._app(scope, receive, dress if scope["type"] == "http" else send)
        elif scope["type"] == "http":
            await problem(*refusal, scope["path"])(scope, receive, dress)
        else:
            response = problem(*refusal, scope["path"])
            await WebSocket(scope, receive, dress).send_denial_response(response)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._door.knows(host):
            return 421, (
                f"Host {quoted(host)} isn't this gateway's: open it as localhost, or add the "
                "name to hosts under [web] in tapelight.toml."
            )
        client = (scope.get("client") or ("",))[0]
        if scope["type"] == "websocket" and not self._door.welcomes(headers, client):
            return 403, (
                f"A page of origin {quoted(headers.get('origin', '(none)'))} may not open this "
                "WebSocket: add it to origins under [web] in tapelight.toml."
            )
        if scope["type"] == "http" and (
            _is_foreign(scope["method"], headers) or self._may_not_write(scope["method"], headers)
        ):
            return 403, (
                "A page of another site may not ask this gateway: open the address itself, "
                "or ask from a program."
            )
        return None

    def _may_not_write(self, method: str, headers: Headers) -> bool:
        """Tell whether a page of an unknown origin asks to change something."""
        origin = headers.get("origin")
        return (
            method not in ("GET", "HEAD")
            and origin is not None
            and not self._door.trusts(origin, headers)
        )


def _dressed(send: Send, policy: str) -> Send:
    """Return `send` that adds the security headers to each response."""

    async def dressed(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(scope=message)
            headers.setdefault("content-security-policy", policy)
            for name, value in HEADERS.items():
                headers[name] = value
        await send(message)

    return dressed
