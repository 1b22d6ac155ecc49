"""The gate: who asks, found out once for each request and WebSocket, behind the door (guard.py).

Ways in, in this order: an API key (Authorization: Bearer), a ticket (WebSocket only), a session's
cookie, and without accounts the machine itself. Sources: OWASP ASVS 5.0 7.2, 7.4, 3.5.1, 4.4.
"""

import hashlib
import hmac
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from tapelight.ports import Identities, Identity
from tapelight.web.address import network_of
from tapelight.web.guard import LOCAL, host_name, is_loopback
from tapelight.web.problems import problem
from tapelight.web.quota import Quota
from tapelight.web.who import GUEST, KEY, NOBODY, OPEN, Who, who_asks

COOKIE = "tapelight"
SECURE_COOKIE = "__Host-tapelight"
"""The same behind HTTPS: the browser then takes it from this host over TLS alone."""
CSRF_HEADER = "x-csrf-token"
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""A proxy says that somebody else asks: then this machine's own rights are not given."""
TICKET_S = 30.0
TICKETS = 1_000
QUERY_CHARS = 1_000
SAFE = ("GET", "HEAD", "OPTIONS")
GUEST_A_MINUTE = 120
GUEST_BURST = 60
SOCKETS_A_GUEST = 4
SOCKETS_A_USER = 64


class Tickets:
    """Give out tickets for one WebSocket each, valid for 30 s."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waiting: dict[str, tuple[float, Who]] = {}

    def make(self, who: Who) -> str:
        """Return a ticket for `who`."""
        now_s = self._clock()
        self._waiting = {t: kept for t, kept in self._waiting.items() if kept[0] > now_s}
        while len(self._waiting) >= TICKETS:
            del self._waiting[next(iter(self._waiting))]
        ticket = secrets.token_urlsafe(24)
        self._waiting[ticket] = now_s + TICKET_S, who
        return ticket

    def take(self, ticket: str) -> Who | None:
        """Return whose ticket it is, once."""
        until_s, who = self._waiting.pop(ticket, (0.0, None))
        return who if until_s > self._clock() else None


class Gate:
    """Find out who asks; `guests` lets the public read, within quotas.

    Without `identities` (a replay) there are no accounts: this machine alone may ask.
    """

    def __init__(
        self,
        identities: Identities | None = None,
        *,
        guests: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._identities = identities
        self._guests = guests
        self._quota = Quota(GUEST_A_MINUTE, GUEST_BURST, clock)
        self._sockets: Counter[str] = Counter()
        self.tickets = Tickets(clock)
        self.local_token = secrets.token_urlsafe(32)
        """Lets programs read that may read the data folder."""

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return `app` behind the gate."""

        async def gated(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] not in ("http", "websocket"):
                await app(scope, receive, send)
                return
            scope[KEY] = who = await self.who(scope)
            refusal = self._refusal(scope, who)
            if refusal is None:
                await app(scope, receive, send)
            else:
                await _refuse(scope, receive, send, refusal)

        return gated

    async def who(self, scope: Scope) -> Who:
        """Return who asks."""
        headers = Headers(scope=scope)
        if (bearer := _bearer(headers)) is not None:
            return await self._of_key(bearer)
        ticket = _ticket(scope)
        if ticket:
            return self.tickets.take(ticket) or NOBODY
        for cookie in (SECURE_COOKIE, COOKIE):
            token = cookies(headers).get(cookie)
            if token and (who := await self._shown(token, "session")) is not None:
                return who
        if not self.has_accounts and is_here(scope):
            return OPEN
        return GUEST if self._guests else NOBODY

    @property
    def has_accounts(self) -> bool:
        """Tell whether somebody has set up an account."""
        return self._identities is not None and self._identities.any()

    def holds(self, who: Who) -> bool:
        """Tell whether the rights of an open WebSocket still hold."""
        if who.via == "open":
            return not self.has_accounts
        if who.via not in ("session", "key") or not who.token or self._identities is None:
            return True
        return self._identities.holds(who.token, who.role)

    @contextmanager
    def seat(self, scope: Scope) -> Iterator[bool]:
        """Count a WebSocket of whoever asks; gives whether there was room."""
        who = who_asks(scope)
        most = SOCKETS_A_GUEST if who.via == "guest" else SOCKETS_A_USER
        key = f"guest {network_of(client_of(scope))}" if who.via == "guest" else f"user {who.name}"
        free = who.via == "open" or self._sockets[key] < most
        self._sockets[key] += free
        try:
            yield free
        finally:
            self._sockets[key] -= free
            self._sockets += Counter()  # drops what is down to nought

    async def _of_key(self, token: str) -> Who:
        if hmac.compare_digest(token.encode(), self.local_token.encode()):
            return Who("local", "viewer", "key", frozenset({"read"}))
        return await self._shown(token, "key") or NOBODY

    async def _shown(self, token: str, kind: str) -> Who | None:
        identity = await self._identities.identify(token) if self._identities else None
        if identity is None or identity.credential.kind != kind:
            return None
        return who_of(identity)

    def _refusal(self, scope: Scope, who: Who) -> tuple[int, str, Mapping[str, str]] | None:
        headers = Headers(scope=scope)
        if who.via == "nobody" and (_bearer(headers) is not None or _ticket(scope)):
            return 401, "The API key or ticket isn't valid (any more): make a new one.", {}
        if who.via == "guest":
            wait_s = self._quota.take(network_of(client_of(scope)))
            if wait_s > 0:
                again = {"retry-after": str(ceil(wait_s))}
                return 429, "Guests may ask so much a minute: wait, or log in.", again
        changes = scope["type"] == "http" and scope["method"] not in SAFE
        if changes and who.via == "session" and not _bears_csrf(headers):
            return 403, f"Send the header {CSRF_HEADER} with `csrf` of GET /api/me.", {}
        return None


def who_of(identity: Identity) -> Who:
    """Return the rights that a credential gives."""
    account, credential = identity.account, identity.credential
    if credential.kind == "session":
        return Who(account.name, account.role, "session", token=credential.id)
    return Who(account.name, account.role, "key", credential.scopes, credential.id)


def csrf_of(token: str) -> str:
    """Return what a page must send beside a session's cookie; other sites can't read it."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()[:32]


def session_token(headers: Headers) -> str:
    """Return the session's token of a request, empty without one."""
    found = cookies(headers)
    return found.get(SECURE_COOKIE) or found.get(COOKIE) or ""


def is_here(scope: Scope) -> bool:
    """Tell whether this machine itself asks, by a name of its own, with no proxy between.

    A proxy that says nothing of itself often speaks HTTP/1.0: nginx, as it is installed.
    """
    headers = Headers(scope=scope)
    return (
        scope.get("http_version") != "1.0"
        and is_loopback(client_of(scope))
        and host_name(headers.get("host", "")) in LOCAL
        and not any(name in headers for name in FORWARDED)
    )


def client_of(scope: Scope) -> str:
    """Return the address that asks."""
    return str((scope.get("client") or ("",))[0])


def cookies(headers: Headers) -> Mapping[str, str]:
    """Return the cookies of a request."""
    return cookie_parser("; ".join(headers.getlist("cookie")))


def _bears_csrf(headers: Headers) -> bool:
    given = headers.get(CSRF_HEADER, "").encode()
    return hmac.compare_digest(given, csrf_of(session_token(headers)).encode())


def _bearer(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _ticket(scope: Scope) -> str:
    if scope["type"] != "websocket":
        return ""
    asked: dict[str, str] = dict(
        parse_qsl(scope.get("query_string", b"").decode("latin-1")[:QUERY_CHARS])
    )
    return asked.get("ticket", "")


async def _refuse(
    scope: Scope, receive: Receive, send: Send, refusal: tuple[int, str, Mapping[str, str]]
) -> None:
    status, detail, headers = refusal
    response = problem(status, detail, scope["path"])
    response.headers.update(headers)
    if scope["type"] == "http":
        await response(scope, receive, send)
    else:
        await WebSocket(scope, receive, send).send_denial_response(response)
