"""Sign-in elsewhere, against a provider of our own: one way in, and the many that are none."""

import base64
import hashlib
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tapelight.ports import Account
from tapelight.web.auth_oidc import COOKIE
from tapelight.web.gate import SECURE_COOKIE
from tapelight.web.oidc import Oidc, Provider
from web.conftest import HOST, PASSWORD, Town

pytestmark = pytest.mark.integration

ISSUER = "https://id.example"
CLIENT = "tapelight"
SECRET = "a client's secret, thirty-two bytes"
REDIRECT = f"https://{HOST}/api/oidc/callback"
KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


class IdP:
    """A provider: it gives one code for each sign-in, and tokens as `change` makes them."""

    def __init__(self) -> None:
        self.asked: dict[str, str] = {}
        self.claims: dict[str, Any] = {}
        self.change: Callable[[dict[str, Any]], str] = self.signed
        self.about: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
        }
        self.refusal = 200

    def sign_in(self, place: str) -> None:
        """Take the browser that comes to `place`."""
        self.asked = {name: values[0] for name, values in parse_qs(urlsplit(place).query).items()}

    def signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, KEY, "RS256", {"kid": "k1"})

    def handle(self, request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/.well-known/openid-configuration":
                return httpx.Response(200, json=self.about)
            case "/keys":
                key = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
                return httpx.Response(200, json={"keys": [{**key, "kid": "k1", "use": "sig"}]})
        form = {name: v[0] for name, v in parse_qs(request.content.decode()).items()}
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert (
            base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
            == (self.asked["code_challenge"])
        )
        assert (form["redirect_uri"], form["client_secret"]) == (REDIRECT, SECRET)
        now = int(time.time())
        claims = {
            "iss": ISSUER, "sub": "42", "aud": CLIENT, "exp": now + 60, "iat": now,
            "nonce": self.asked["nonce"], "preferred_username": "Ann O'Hara", **self.claims,
        }  # fmt: skip
        kept = {name: value for name, value in claims.items() if value is not None}
        return httpx.Response(self.refusal, json={"id_token": self.change(kept)})


@pytest.fixture
def idp() -> IdP:
    return IdP()


@pytest.fixture
def home(empty_town: Town, idp: IdP) -> Town:
    """A gateway with a provider."""
    provider = Provider(ISSUER, CLIENT, REDIRECT, SECRET, "analyst")
    empty_town.site.oidc = Oidc(provider, httpx.MockTransport(idp.handle))
    empty_town.site.gateway.close()
    empty_town.site.gateway = empty_town.site.open()
    return empty_town


async def begin(town: Town, idp: IdP) -> tuple[httpx.AsyncClient, dict[str, str]]:
    """Return a browser that was sent to the provider and back, and what it brings."""
    browser = town.client("10.0.0.9")
    sent = await browser.get("/api/oidc/login")
    assert sent.status_code == 302
    idp.sign_in(sent.headers["location"])
    cookie = sent.headers["set-cookie"]
    assert "; HttpOnly; SameSite=Lax; Secure" in cookie
    browser.headers["cookie"] = cookie.partition(";")[0]
    return browser, {"code": "c1", "state": idp.asked["state"]}


async def end(browser: httpx.AsyncClient, brought: dict[str, str]) -> httpx.Response:
    return await browser.get("/api/oidc/callback", params=brought)


def session_of(answer: httpx.Response) -> str | None:
    for cookie in answer.headers.get_list("set-cookie"):
        if cookie.startswith(SECURE_COOKIE):
            return str(cookie).partition(";")[0]
    return None


async def test_who_signs_in_has_an_account_from_then_on(home: Town, idp: IdP) -> None:
    await home.settle()
    for _ in range(2):
        browser, brought = await begin(home, idp)
        more = {**brought, "iss": ISSUER, "session_state": "x", "scope": "openid"}
        answer = await end(browser, more)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = session_of(answer)
        assert cookie is not None
        told = (await home.client(cookie=cookie).get("/api/me")).json()
        assert (told["name"], told["role"], told["via"]) == ("annohara", "analyst", "session")
        assert told["sign_in"] == "/api/oidc/login"
    names = [account.name for account in await home.control.users.accounts()]
    assert names == ["ann", "annohara", "root", "tess", "vic"]
    login = {"name": "annohara", "password": ""}
    assert (await home.client().post("/api/login", json=login)).status_code == 400


async def test_a_name_that_is_taken_is_never_taken_over(home: Town, idp: IdP) -> None:
    await home.settle()
    idp.claims = {"preferred_username": "root", "sub": "7"}
    browser, brought = await begin(home, idp)
    cookie = session_of(await end(browser, brought))
    told = (await home.client(cookie=cookie or "").get("/api/me")).json()
    assert (told["name"], told["role"]) == ("root2", "analyst")


def unsigned(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "", "none")


def by_the_secret(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, SECRET, "HS256", {"kid": "k1"})


def by_the_public_key(claims: dict[str, Any]) -> str:
    """Sign with the public key as if it were a secret: what an open `alg` would take."""
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, _, rest = jwt.encode(claims, "x" * 32, "HS256", {"kid": "k1"}).partition(".")
    body = rest.partition(".")[0]
    mac = hashlib.sha256(pem + f"{head}.{body}".encode()).digest()
    return f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def by_another_key(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, OTHER_KEY, "RS256", {"kid": "k1"})


def by_an_unknown_key(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, OTHER_KEY, "RS256", {"kid": "k2"})


TOKENS: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], str] | None]] = {
    "another issuer": ({"iss": "https://evil.example"}, None),
    "another audience": ({"aud": "other"}, None),
    "no audience": ({"aud": None}, None),
    "another party": ({"aud": [CLIENT, "other"], "azp": "other"}, None),
    "expired": ({"exp": 1_000}, None),
    "no end": ({"exp": None}, None),
    "issued in the future": ({"iat": int(time.time()) + 3_600}, None),
    "another sign-in's": ({"nonce": "n0"}, None),
    "no nonce": ({"nonce": None}, None),
    "no subject": ({"sub": None}, None),
    "unsigned": ({}, unsigned),
    "signed with the secret": ({}, by_the_secret),
    "signed with the public key": ({}, by_the_public_key),
    "signed by another key": ({}, by_another_key),
    "signed by an unknown key": ({}, by_an_unknown_key),
    "no token": ({}, lambda _claims: "x.y"),
}


@pytest.mark.parametrize("kind", TOKENS)
async def test_a_token_that_is_not_sound_opens_nothing(home: Town, idp: IdP, kind: str) -> None:
    await home.settle()
    claims, change = TOKENS[kind]
    idp.claims, idp.change = claims, change or idp.change
    browser, brought = await begin(home, idp)
    answer = await end(browser, brought)
    assert (answer.status_code, session_of(answer)) == (400, None), answer.text
    assert len(await home.control.users.accounts()) == 4


RETURNS: dict[str, dict[str, str]] = {
    "unknown state": {"state": "x"},
    "no state": {"state": ""},
    "another provider": {"iss": "https://evil.example"},
    "refused": {"error": "access_denied"},
}


@pytest.mark.parametrize("kind", RETURNS)
async def test_a_return_that_is_not_sound_opens_nothing(home: Town, idp: IdP, kind: str) -> None:
    await home.settle()
    browser, brought = await begin(home, idp)
    answer = await end(browser, {**brought, **RETURNS[kind]})
    assert (answer.status_code, session_of(answer)) == (400, None), answer.text


async def test_a_return_is_for_the_browser_that_began_and_once(home: Town, idp: IdP) -> None:
    await home.settle()
    for cookie in ("", f"{COOKIE}=x"):
        _, brought = await begin(home, idp)
        victim = home.client("10.0.0.8", **({"cookie": cookie} if cookie else {}))
        answer = await end(victim, brought)
        assert (answer.status_code, session_of(answer)) == (400, None)
    browser, brought = await begin(home, idp)
    codes = [(await end(browser, brought)).status_code for _ in range(2)]
    assert codes == [303, 400]


async def test_nobody_signs_in_before_there_is_an_admin_or_while_disabled(
    home: Town, idp: IdP
) -> None:
    browser, brought = await begin(home, idp)
    answer = await end(browser, brought)
    assert (answer.status_code, "first admin" in answer.json()["detail"]) == (403, True)
    await home.settle()
    browser, brought = await begin(home, idp)
    assert (await end(browser, brought)).status_code == 303
    gone = Account("annohara", "analyst", disabled=True, subject=f"{ISSUER} 42")
    await home.control.users.write(gone, None, new=False)
    browser, brought = await begin(home, idp)
    assert (await end(browser, brought)).status_code == 403


@pytest.mark.parametrize(
    "about",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://id.example/token"},
        {"jwks_uri": None},
    ],
)
async def test_a_provider_that_describes_another_is_not_gone_to(
    home: Town, idp: IdP, about: dict[str, Any]
) -> None:
    idp.about |= about
    answer = await home.client().get("/api/oidc/login")
    assert (answer.status_code, "another issuer" in answer.json()["detail"]) == (503, True)


async def test_nobody_pushes_out_the_sign_ins_of_others(home: Town) -> None:
    greedy = [
        (await home.client("203.0.113.9").get("/api/oidc/login")).status_code for _ in range(33)
    ]
    assert greedy == [302] * 30 + [429] * 3
    assert (await home.client("203.0.113.10").get("/api/oidc/login")).status_code == 302


async def test_without_a_provider_passwords_are_the_way(town: Town) -> None:
    answer = await town.client().get("/api/oidc/login")
    assert (answer.status_code, "[users.oidc]" in answer.json()["detail"]) == (404, True)
    entered = await town.client().post("/api/login", json={"name": "vic", "password": PASSWORD})
    assert entered.json()["sign_in"] == ""
