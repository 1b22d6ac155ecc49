"""/api/oidc: sign in at a provider and come back with a session."""

import re
import time
from math import ceil

from starlette.datastructures import Headers
from starlette.responses import Response

from tapelight.errors import Rejected
from tapelight.ports import Account
from tapelight.web.address import network_of
from tapelight.web.auth import NAME, RESERVED, AuthRest
from tapelight.web.endpoints import Arguments, Endpoint, Param
from tapelight.web.gate import client_of, cookies
from tapelight.web.oidc import FLOW_S, Oidc, Person
from tapelight.web.problems import Refused
from tapelight.web.quota import Quota

COOKIE = "tapelight-oidc"
PATH = "/api/oidc"
SIGN_IN = f"{PATH}/login"
BEGUN_A_MINUTE, BEGUN_AT_ONCE = 10.0, 30
ANSWERED = ("code", "state", "iss", "error")
PASSED_OVER = (
    "error_description", "error_uri", "scope", "session_state", "authuser", "hd", "prompt",
)  # fmt: skip
"""What providers add."""


def oidc_endpoints(auth: AuthRest, oidc: Oidc | None) -> tuple[Endpoint, ...]:
    """Return the endpoints; without a provider they say so."""
    rest = OidcRest(auth, oidc)
    params = tuple(
        Param(name, f"The provider's {name}.", default="", most=4_000)
        for name in (*ANSWERED, *PASSED_OVER)
    )
    return (
        Endpoint(
            SIGN_IN, "Go to the provider to sign in.", rest.begin, "text/html", (),
            (404, 429, 503), role="nobody",
        ),
        Endpoint(
            f"{PATH}/callback", "Come back from the provider.", rest.end, "text/html", params,
            (400, 403, 404, 503), role="nobody",
        ),
    )  # fmt: skip


class OidcRest:
    """Answer the endpoints."""

    def __init__(self, auth: AuthRest, oidc: Oidc | None) -> None:
        self._auth = auth
        self._given = oidc
        self._begun = Quota(BEGUN_A_MINUTE, BEGUN_AT_ONCE, time.monotonic)

    @property
    def _oidc(self) -> Oidc:
        if self._given is None:
            raise Refused(404, "No provider is set up: [users.oidc] in tapelight.toml names one.")
        return self._given

    @property
    def _is_secure(self) -> bool:
        return self._oidc.provider.redirect.startswith("https://")

    async def begin(self, args: Arguments) -> Response:
        """Send the browser to the provider; an address alone can't push out the others' sign-ins."""
        wait_s = self._begun.take(network_of(client_of(args["scope"])))
        if self._given is not None and wait_s > 0:
            raise Refused(429, f"Too many sign-ins were begun: try again in {ceil(wait_s)} s.")
        place, browser = await self._oidc.begin()
        return Response(None, 302, {"location": place, "cache-control": "no-store",
                                    "set-cookie": self._cookie(browser, int(FLOW_S))})  # fmt: skip

    async def end(self, args: Arguments) -> Response:
        """Make a session for who has signed in, and go to the dashboard."""
        if args["error"]:
            raise Refused(400, f"The provider refuses: {args['error'][:80]!a}. Begin again.")
        headers = Headers(scope=args["scope"])
        browser = cookies(headers).get(COOKIE, "")
        person = await self._oidc.end(args["code"], args["state"], args["iss"], browser)
        account = await self._account(person)
        cookie = await self._auth.session_cookie(account, args["scope"], secure=self._is_secure)
        response = Response(None, 303, {"location": "/", "cache-control": "no-store"})
        response.headers.append("set-cookie", cookie)
        response.headers.append("set-cookie", self._cookie("", 0))
        return response

    async def _account(self, person: Person) -> Account:
        """Return the account of a person, made at the first sign-in; never one with a password."""
        accounts = await self._auth.directory.accounts()
        if not accounts:
            raise Refused(403, "Set up the first admin on the machine itself before signing in.")
        for account in accounts:
            if account.subject == person.subject:
                if account.disabled:
                    raise Refused(403, f"The account {account.name} is disabled: ask an admin.")
                return account
        name = _free(person.wish, {account.name for account in accounts})
        fresh = Account(name, self._oidc.provider.role, subject=person.subject)
        return await self._auth.directory.write(fresh, None, new=True)

    def _cookie(self, value: str, age_s: int) -> str:
        """Return the cookie that ties a sign-in to its browser; Lax, as it comes from elsewhere."""
        secure = "; Secure" if self._is_secure else ""
        return f"{COOKIE}={value}; Max-Age={age_s}; Path={PATH}; HttpOnly; SameSite=Lax{secure}"


def _free(wish: str, taken: set[str]) -> str:
    """Return a user's name near to the one that is wished for."""
    plain = re.sub(r"[^a-z0-9._-]+", "", wish.lower().partition("@")[0])[:28].lstrip(
        "0123456789._-"
    )
    name = plain if NAME.fullmatch(plain) and plain not in RESERVED else "user"
    if name not in taken:
        return name
    for number in range(2, 1_000):
        if f"{name[:28]}{number}" not in taken:
            return f"{name[:28]}{number}"
    raise Rejected(f"There are too many users called {name!r}: ask an admin.")
