"""/api/me, /api/setup, /api/login and what else a user needs to be known."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from math import ceil
from typing import Protocol

import msgspec
import structlog
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from tapelight.errors import Rejected
from tapelight.ports import Account, Accounts, Credential, Credentials, Json
from tapelight.web.address import network_of
from tapelight.web.endpoints import Arguments, Endpoint, reply
from tapelight.web.gate import (
    COOKIE,
    SECURE_COOKIE,
    TICKET_S,
    Gate,
    client_of,
    csrf_of,
    is_here,
    session_token,
)
from tapelight.web.problems import Refused
from tapelight.web.quota import Quota
from tapelight.web.who import NOBODY, ROLES, Who
from tapelight.web.wire import quoted

log = structlog.get_logger()
NAME = re.compile(r"[a-z][a-z0-9._-]{1,31}")
RESERVED = ("local", "guest", "nobody", "anonymous", "system")
PASSWORD_CHARS = (10, 256)
SESSION_NS = 30 * 86_400 * 10**9
PAIR_A_MINUTE, PAIR_AT_ONCE = 1.0, 5
ADDRESS_A_MINUTE, ADDRESS_AT_ONCE = 10.0, 20
"""Wrong passwords: few for one name from one address, more from an address for all names. A name
alone is never locked: then anybody could lock it out."""


class Me(msgspec.Struct):
    """Say who asks. `csrf` goes into the header x-csrf-token of what changes something.

    `setup` tells that there are no accounts yet and one may be made from here.
    """

    name: str
    role: str
    via: str
    scopes: list[str]
    csrf: str
    accounts: bool
    setup: bool
    sign_in: str
    """Where to go to sign in elsewhere; empty where there is no provider."""


class SetUp(msgspec.Struct, forbid_unknown_fields=True):
    """Bring the first admin; `code` is that of the log, where another machine asks."""

    name: str
    password: str
    code: str = ""


class Login(msgspec.Struct, forbid_unknown_fields=True):
    """Bring a name and a password."""

    name: str
    password: str


class NewPassword(msgspec.Struct, forbid_unknown_fields=True):
    """Bring the password so far, and the new one; all other sessions end."""

    old: str
    new: str


class Ticket(msgspec.Struct):
    """Open one WebSocket with it: /ws?ticket=..."""

    ticket: str
    expires_s: float


class Directory(Accounts, Credentials, Protocol):
    """Users and what they show."""


class AuthRest:
    """Answer the endpoints; `code` must be given to set up from another machine."""

    def __init__(
        self,
        directory: Directory | None,
        gate: Gate,
        code: str = "",
        sign_in: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._given = directory
        self._gate = gate
        self._code = code
        self._sign_in = sign_in
        self._setting_up = asyncio.Lock()
        self._by_address = Quota(ADDRESS_A_MINUTE, ADDRESS_AT_ONCE, clock)
        self._by_pair = Quota(PAIR_A_MINUTE, PAIR_AT_ONCE, clock)

    @property
    def directory(self) -> Directory:
        """Return the users; raises Refused where there are none."""
        if self._given is None:
            raise Refused(503, "A replay has no users: ask a scanner that runs.")
        return self._given

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the table."""
        post = "POST"
        return (
            Endpoint("/api/me", "Say who asks.", self.me, Me, role="nobody"),
            Endpoint(
                "/api/setup", "Make the first admin.", self.set_up, Me, (), (400, 403, 413, 429),
                post, SetUp, "nobody", "",
            ),
            Endpoint(
                "/api/login", "Log in.", self.log_in, Me, (), (400, 413, 429), post, Login,
                "nobody", "",
            ),
            Endpoint(
                "/api/logout", "Log out.", self.log_out, Me, (), (), post, None, "nobody", ""
            ),
            Endpoint(
                "/api/password", "Change the own password.", self.password, Me, (),
                (400, 413, 429), post, NewPassword, "viewer", "",
            ),
            Endpoint(
                "/api/ticket", "Get a ticket for one WebSocket.", self.ticket, Ticket,
                method=post, role="viewer",
            ),
        )  # fmt: skip

    def me(self, args: Arguments) -> Response:
        """Say who asks."""
        scope: Scope = args["scope"]
        return reply(self._told(args["who"], scope, session_token(Headers(scope=scope))))

    async def set_up(self, args: Arguments) -> Response:
        """Make the first admin, and a session."""
        given: SetUp = args["body"]
        scope: Scope = args["scope"]
        async with self._setting_up:
            if self._gate.has_accounts:
                raise Refused(403, "There are accounts already: log in, or ask an admin for one.")
            if not is_here(scope):
                self._check_code(given.code, scope)
            account = Account(user_name(given.name), "admin")
            check_password(given.password, given.name)
            await self.directory.write(account, given.password, new=True)
        log.info("set up", user=account.name, address=client_of(scope))
        return await self._session(account, scope)

    async def log_in(self, args: Arguments) -> Response:
        """Compare the password, and make a session."""
        given: Login = args["body"]
        account = await self._verified(given.name, given.password, args["scope"])
        return await self._session(account, args["scope"])

    async def log_out(self, args: Arguments) -> Response:
        """End the session; its WebSockets are closed within a second."""
        who: Who = args["who"]
        if who.via == "session":
            await self.directory.end(who.name, who.token)
            log.info("logged out", user=who.name)
        cookie = _cookie("", secure=_is_secure(args["scope"]))
        return reply(self._told(NOBODY, args["scope"], ""), 200, **{"set-cookie": cookie})

    async def password(self, args: Arguments) -> Response:
        """Change the password; the other sessions end."""
        who: Who = args["who"]
        given: NewPassword = args["body"]
        if who.via != "session":
            raise Refused(400, "There is no password to change: set up an account first.")
        account = await self._verified(who.name, given.old, args["scope"])
        check_password(given.new, who.name)
        await self.directory.write(account, given.new, new=False)
        await self.directory.end_sessions(who.name, who.token)
        return self.me(args)

    def ticket(self, args: Arguments) -> Response:
        """Give a ticket."""
        return reply({"ticket": self._gate.tickets.make(args["who"]), "expires_s": TICKET_S})

    async def _verified(self, name: str, password: str, scope: Scope) -> Account:
        """Return whose password it is; wrong ones are slowed by address and by name."""
        address = network_of(client_of(scope))
        pair = f"{address} {name[:64]}"
        wait_s = max(self._by_address.take(address), self._by_pair.take(pair))
        if wait_s > 0:
            raise Refused(429, f"Too many wrong passwords: try again in {ceil(wait_s)} s.")
        if len(password) > PASSWORD_CHARS[1]:
            raise Rejected(f"A password has up to {PASSWORD_CHARS[1]} characters.")
        try:
            account = await self.directory.verify(name, password)
        except Rejected:
            log.warning("a log-in failed", user=quoted(name), address=client_of(scope))
            raise
        self._by_address.forgive(address)
        self._by_pair.forgive(pair)
        return account

    def _check_code(self, code: str, scope: Scope) -> None:
        if self._by_address.take(network_of(client_of(scope))) > 0:
            raise Refused(429, "Too many wrong codes: try again in a minute.")
        if not self._code or not secrets.compare_digest(code.encode(), self._code.encode()):
            raise Refused(
                403,
                "Set up on the machine itself (http://localhost), or send the code that "
                "the scanner's log shows.",
            )

    async def _session(self, account: Account, scope: Scope) -> Response:
        """Return who has logged in, with the cookie of a new session."""
        token = await self._token(account, scope)
        who = Who(account.name, account.role, "session", token=token.partition(".")[0])
        cookie = _cookie(token, secure=_is_secure(scope))
        return reply(self._told(who, scope, token), 200, **{"set-cookie": cookie})

    async def session_cookie(self, account: Account, scope: Scope, *, secure: bool) -> str:
        """Make a session and return its cookie."""
        return _cookie(await self._token(account, scope), secure=secure)

    async def _token(self, account: Account, scope: Scope) -> str:
        label = Headers(scope=scope).get("user-agent", "")[:120]
        expires_ns = time.time_ns() + SESSION_NS
        made = Credential("", account.name, "session", label, frozenset(), 0, expires_ns, 0)
        token = await self.directory.make(made)
        log.info("logged in", user=account.name, address=client_of(scope))
        return token

    def _told(self, who: Who, scope: Scope, token: str) -> Json:
        accounts = self._gate.has_accounts
        return Me(
            who.name,
            who.role,
            who.via,
            sorted(who.scopes),
            csrf_of(token) if who.via == "session" else "",
            accounts,
            not accounts and self._given is not None and (is_here(scope) or bool(self._code)),
            self._sign_in,
        )


def user_name(name: str) -> str:
    """Return a name that an account may have; raises Rejected."""
    if not NAME.fullmatch(name) or name in RESERVED:
        raise Rejected(
            f"{quoted(name)} can't be a user's name: take 2 to 32 small letters, digits, '.', '_' "
            "or '-', a letter first."
        )
    return name


def check_password(password: str, name: str) -> None:
    """Raise Rejected where a password is too short, too long or too plain."""
    least, most = PASSWORD_CHARS
    if not least <= len(password) <= most:
        raise Rejected(f"Take a password of {least} to {most} characters.")
    if len(set(password)) < 5 or name in password.lower():
        raise Rejected("The password is too easily guessed: take other words, without your name.")


def user_role(role: str) -> str:
    """Return a role that an account may have; raises Rejected."""
    known = ROLES[ROLES.index("viewer") :]
    if role not in known:
        raise Rejected(f"{quoted(role)} is no role: use {', '.join(known)}.")
    return role


def _is_secure(scope: Scope) -> bool:
    """Tell whether the page came over HTTPS: a browser says so in the Origin of what it sends."""
    origin = Headers(scope=scope).get("origin", "")
    return scope.get("scheme") == "https" or origin.lower().startswith("https://")


def _cookie(token: str, *, secure: bool) -> str:
    """Return a session's cookie; without a token, the one that takes it away."""
    name, rules = (SECURE_COOKIE, "; Secure") if secure else (COOKIE, "")
    age_s = SESSION_NS // 10**9 if token else 0
    return f"{name}={token}; Max-Age={age_s}; Path=/; HttpOnly; SameSite=Strict{rules}"
