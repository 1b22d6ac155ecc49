"""Sign-in elsewhere by OpenID Connect: the flow and its checks, without any route.

Code flow with PKCE. Sources: OpenID Connect Core 1.0 section 3.1, RFC 7636 (PKCE), RFC 9207 (iss in
the answer), RFC 9700 (best current practice).
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx

from tapelight.errors import ConfigError, Rejected, Unavailable

if TYPE_CHECKING:
    import jwt

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""Signatures by a key pair alone: a shared secret or none is no proof of the issuer."""
CLAIMS = ("iss", "sub", "aud", "exp", "iat", "nonce")
LEEWAY_S = 30
FLOW_S = 600.0
FLOWS = 1_000
KEYS_S = 60.0
"""Keys are fetched anew for an unknown one at most so often."""
TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Provider:
    """Say where users sign in; `role` is that of who comes for the first time."""

    issuer: str
    client_id: str
    redirect: str
    """This gateway's own https://HOST/api/oidc/callback, as the provider knows it."""
    client_secret: str = ""
    role: str = "viewer"


@dataclass(frozen=True, slots=True)
class Flow:
    """Remember one sign-in that has begun."""

    nonce: str
    verifier: str
    browser: str
    """What only the browser that began it can show."""
    until_s: float


@dataclass(frozen=True, slots=True)
class Person:
    """Say who has signed in: `subject` is the issuer and its own name for the person."""

    subject: str
    wish: str
    """What the person likes to be called."""


class Oidc:
    """Begin and end sign-ins at one provider."""

    def __init__(
        self,
        provider: Provider,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider = provider
        self._jwt = _library()
        self._transport = transport
        self._clock = clock
        self._flows: dict[str, Flow] = {}
        self._metadata: Mapping[str, Any] = {}
        self._keys: jwt.PyJWKSet | None = None
        self._keys_s = -KEYS_S

    async def begin(self) -> tuple[str, str]:
        """Return the address to send the browser to, and what it must show at its return."""
        endpoint = (await self._about())["authorization_endpoint"]
        state, nonce, verifier, browser = (secrets.token_urlsafe(32) for _ in range(4))
        now_s = self._clock()
        self._flows = {s: flow for s, flow in self._flows.items() if flow.until_s > now_s}
        while len(self._flows) >= FLOWS:
            del self._flows[next(iter(self._flows))]
        self._flows[state] = Flow(nonce, verifier, browser, now_s + FLOW_S)
        digest = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": self.provider.redirect,
            "scope": "openid profile email",
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"{endpoint}?{urlencode(asked)}", browser

    async def end(self, code: str, state: str, issuer: str, browser: str) -> Person:
        """Return who has signed in; raises Rejected for what is not sound, whatever it is."""
        flow = self._flows.pop(state, None)
        if flow is None or flow.until_s <= self._clock():
            raise Rejected("This sign-in was not begun here, or too long ago: begin again.")
        if not hmac.compare_digest(flow.browser.encode(), browser.encode()):
            raise Rejected("Another browser began this sign-in: begin again.")
        if issuer not in ("", self.provider.issuer):
            raise Rejected("The answer is of another provider: begin again.")
        claims = await self._claims(await self._token(code, flow.verifier))
        if not hmac.compare_digest(str(claims["nonce"]).encode(), flow.nonce.encode()):
            raise Rejected("The token belongs to another sign-in: begin again.")
        wish = claims.get("preferred_username") or claims.get("email") or "user"
        return Person(f"{self.provider.issuer} {claims['sub']}", str(wish))

    async def _token(self, code: str, verifier: str) -> str:
        provider = self.provider
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": provider.redirect,
            "client_id": provider.client_id,
            "code_verifier": verifier,
        }
        if provider.client_secret:
            form["client_secret"] = provider.client_secret
        answer = await self._ask("POST", (await self._about())["token_endpoint"], form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise Rejected("The provider gave no id_token: is the client set up for openid?")
        return token

    async def _claims(self, token: str) -> Mapping[str, Any]:
        """Return what a token says, once it is proven to be the provider's and for this client."""
        provider = self.provider
        try:
            key = await self._key(self._jwt.get_unverified_header(token).get("kid"))
            claims: Mapping[str, Any] = self._jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=provider.client_id,
                issuer=provider.issuer,
                leeway=LEEWAY_S,
                options={"require": list(CLAIMS)},
            )
        except self._jwt.PyJWTError as error:
            raise Rejected(f"The provider's token isn't sound: {error}.") from error
        if claims.get("azp", provider.client_id) != provider.client_id:
            raise Rejected("The provider's token is for another client.")
        return claims

    async def _key(self, kid: object) -> "jwt.PyJWK":
        """Return the provider's key of a name, or its only one."""
        for fetch in (False, True):
            if fetch or self._keys is None:
                await self._fetch_keys()
            keys = self._keys.keys if self._keys is not None else []
            found = [key for key in keys if key.key_id == kid]
            if kid is None and len(keys) == 1:
                found = keys
            if found:
                return found[0]
        raise Rejected("The provider's token is signed by an unknown key.")

    async def _fetch_keys(self) -> None:
        now_s = self._clock()
        if now_s - self._keys_s < KEYS_S:
            return
        self._keys_s = now_s
        told = await self._ask("GET", (await self._about())["jwks_uri"])
        self._keys = self._jwt.PyJWKSet.from_dict(dict(told))

    async def _about(self) -> Mapping[str, Any]:
        """Return the provider's own description, fetched once."""
        if not self._metadata:
            issuer = self.provider.issuer
            told = await self._ask("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            wanted = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            if told.get("issuer") != issuer or not all(
                str(told.get(name, "")).startswith("https://") for name in wanted
            ):
                raise Unavailable(f"{issuer} describes another issuer, or one without https.")
            self._metadata = told
        return self._metadata

    async def _ask(
        self, method: str, url: str, form: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        try:
            async with httpx.AsyncClient(transport=self._transport, timeout=TIMEOUT_S) as client:
                answer = await client.request(method, url, data=form)
                told = answer.json() if answer.status_code == 200 else None
        except (httpx.HTTPError, ValueError) as error:
            said = str(error) or type(error).__name__
            raise Unavailable(f"The provider can't be asked: {said}.") from error
        if not isinstance(told, dict):
            raise Rejected(f"The provider answers {answer.status_code}: begin again.")
        return told


def _library() -> Any:
    try:
        import jwt
    except ImportError as error:
        raise ConfigError(
            "Sign-in elsewhere needs a package: pip install 'tapelight[oidc]'."
        ) from error
    return jwt
