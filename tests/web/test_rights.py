"""Who may what: every route and verb for every role and every scope of a key.

A new endpoint without a line here fails. A role may what those before it may.
"""

import itertools
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from tapelight.web.endpoints import Endpoint
from tapelight.web.quota import Quota
from tapelight.web.who import ROLES, SCOPES
from web.conftest import HOST, PEOPLE, Socket, Town

pytestmark = pytest.mark.integration

READ, SCAN, ALERT, TRADE, PERSON = "read", "scan", "alert", "trade", ""
"""What a key must be for; PERSON: no key will do."""

RIGHTS: Mapping[str, tuple[str, str]] = {
    "GET /health": ("nobody", READ),
    "GET /api/openapi.json": ("nobody", READ),
    "GET /metrics": ("viewer", READ),
    "GET /api/boards": ("guest", READ),
    "GET /api/boards/{name}": ("guest", READ),
    "GET /api/market": ("guest", READ),
    "GET /api/symbols/{symbol}": ("guest", READ),
    "GET /api/bars/{symbol}": ("guest", READ),
    "GET /api/prints/{symbol}": ("guest", READ),
    "GET /api/correlation": ("guest", READ),
    "GET /api/options/{symbol}": ("guest", READ),
    "GET /api/why": ("guest", READ),
    "GET /api/signals": ("guest", READ),
    "GET /api/armed": ("guest", READ),
    "GET /api/record": ("guest", READ),
    "GET /api/scans": ("guest", READ),
    "GET /api/scans/{name}": ("guest", READ),
    "POST /api/scans/check": ("analyst", SCAN),
    "PUT /api/scans/{name}": ("analyst", SCAN),
    "DELETE /api/scans/{name}": ("analyst", SCAN),
    "GET /api/quarantine": ("guest", READ),
    "POST /api/quarantine": ("analyst", SCAN),
    "GET /api/me": ("nobody", READ),
    "POST /api/setup": ("nobody", PERSON),
    "POST /api/login": ("nobody", PERSON),
    "POST /api/logout": ("nobody", PERSON),
    "GET /api/oidc/login": ("nobody", READ),
    "GET /api/oidc/callback": ("nobody", READ),
    "POST /api/password": ("viewer", PERSON),
    "POST /api/ticket": ("viewer", READ),
    "GET /api/users": ("admin", PERSON),
    "POST /api/users": ("admin", PERSON),
    "PUT /api/users/{name}": ("admin", PERSON),
    "DELETE /api/users/{name}": ("admin", PERSON),
    "GET /api/sessions": ("viewer", PERSON),
    "DELETE /api/sessions/{id}": ("viewer", PERSON),
    "GET /api/keys": ("viewer", PERSON),
    "POST /api/keys": ("viewer", PERSON),
    "DELETE /api/keys/{id}": ("viewer", PERSON),
    "POST /api/alerts/{name}/snooze": ("viewer", ALERT),
    "GET /api/mutes": ("viewer", ALERT),
    "PUT /api/mutes/{name}": ("viewer", ALERT),
    "GET /api/channels": ("viewer", ALERT),
    "PUT /api/channels/{name}": ("viewer", ALERT),
    "DELETE /api/channels/{name}": ("viewer", ALERT),
    "POST /api/channels/{name}/test": ("viewer", ALERT),
    "GET /api/deliveries": ("viewer", ALERT),
    "GET /api/trader": ("viewer", READ),
    "GET /api/risk": ("viewer", READ),
    "POST /api/scans/try": ("analyst", SCAN),
    "GET /api/portfolio": ("viewer", READ),
    "GET /api/orders": ("viewer", READ),
    "GET /api/orders.csv": ("viewer", READ),
    "GET /api/fills": ("viewer", READ),
    "GET /api/fills.csv": ("viewer", READ),
    "GET /api/positions": ("viewer", READ),
    "GET /api/positions.csv": ("viewer", READ),
    "GET /api/pnl": ("viewer", READ),
    "GET /api/pnl.csv": ("viewer", READ),
    "GET /api/approvals": ("viewer", READ),
    "GET /api/kill": ("viewer", READ),
    "POST /api/kill": ("trader", TRADE),
    "POST /api/kill/arm": ("trader", PERSON),
    "POST /api/approvals/{id}/approve": ("trader", TRADE),
    "POST /api/approvals/{id}/decline": ("trader", TRADE),
    "POST /api/positions/{symbol}/close": ("trader", TRADE),
    **{
        f"{verb} /api/{kind}{rest}": ("viewer", scope)
        for kind, scope in (
            ("layouts", READ),
            ("watchlists", READ),
            ("alerts", ALERT),
            ("levels", ALERT),
        )
        for verb, rest in (
            ("GET", ""),
            ("POST", "/import"),
            ("GET", "/{name}"),
            ("PUT", "/{name}"),
            ("DELETE", "/{name}"),
            ("GET", "/{name}/history"),
            ("POST", "/{name}/undo"),
            ("GET", "/{name}/export"),
        )
    },
}
LAST = "POST /api/logout"
DENIED = (401, 403)


def title(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path.replace(':path}', '}')}"


def test_every_route_has_its_line(town: Town) -> None:
    endpoints = town.site.gateway.endpoints
    assert {title(e): (e.least, e.scope) for e in endpoints} == RIGHTS


def test_docs_tell_every_route_of_users_and_alerts() -> None:
    folder = Path(__file__).parents[2] / "docs"
    text = (folder / "users.md").read_text() + (folder / "alerts.md").read_text()
    told = text.replace("NAME", "{name}").replace("SYMBOL", "{name}").replace("/ID", "/{id}")
    told = told.replace("/api/layouts", "/api/watchlists").replace("/api/oidc/callback", "")
    paths = {route.partition(" ")[2] for route, (_, scope) in RIGHTS.items() if scope != SCAN}
    own = ("me", "setup", "log", "password", "ticket", "users", "sessions", "keys", "watchlists",
           "alerts", "levels", "mutes", "channels", "deliveries")  # fmt: skip
    mine = {path for path in paths if path.removeprefix("/api/").startswith(own)}
    generic = {p for p in mine if p.startswith(("/api/alerts/{name}/", "/api/levels/"))}
    lists = {"/api/alerts", "/api/levels", "/api/mutes", "/api/alerts/import", "/api/alerts/{name}"}
    assert {path for path in mine - generic - lists if path not in told} == set()


async def ask(client: httpx.AsyncClient, route: str) -> int:
    """Ask a route for something that is not there or not sound: what is admitted changes nothing."""
    verb, _, path = route.partition(" ")
    for word in ("name", "symbol", "scan", "id"):
        path = path.replace(f"{{{word}}}", "no.such.one")
    body = None if verb == "GET" else {}
    return (await client.request(verb, path, json=body)).status_code


async def outcomes(client: httpx.AsyncClient) -> dict[str, bool]:
    """Return for each route whether the client was let in; log-out comes last, as it ends that."""
    routes = sorted(RIGHTS, key=lambda route: route == LAST)
    return {route: await ask(client, route) not in DENIED for route in routes}


def expected(role: str) -> dict[str, bool]:
    found = {route: ROLES.index(role) >= ROLES.index(least) for route, (least, _) in RIGHTS.items()}
    return found | {"POST /api/setup": True}


@pytest.mark.parametrize("name", PEOPLE)
async def test_a_role_may_its_own_and_what_is_below(town: Town, name: str) -> None:
    assert await outcomes(await town.enter(name)) == expected(PEOPLE[name])


@pytest.mark.parametrize(("role", "guests"), [("nobody", False), ("guest", True)])
async def test_strangers(town: Town, role: str, guests: bool) -> None:
    town.site.guests = guests
    town.site.gateway.close()
    town.site.gateway = town.site.open()
    town.site.gateway.gate._quota = Quota(10_000, 10_000, time.monotonic)
    assert await outcomes(town.client("10.0.0.9")) == expected(role)


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_key_may_what_its_scope_and_its_owner_may(town: Town, scope: str) -> None:
    root = await town.enter("root")
    made = await root.post("/api/keys", json={"label": "x", "scopes": [scope]})
    program = town.client("10.0.0.9", authorization=f"Bearer {made.json()['key']}")
    found = await outcomes(program)
    assert found == {
        route: least == "nobody" or needed == scope for route, (least, needed) in RIGHTS.items()
    }


# --- 60 origin and cookie variants ----------------------------------------------------------

ORIGINS = {
    "own": f"http://{HOST}",
    "none": None,
    "null": "null",
    "empty": "",
    "evil": "http://evil.example",
    "suffix": f"http://{HOST}.evil.example",
    "prefix": f"http://evil-{HOST}",
    "user": f"http://{HOST}@evil.example",
    "port": "http://127.0.0.1:8788",
    "no port": "http://127.0.0.1",
    "other name of this machine": "http://localhost:8787",
    "file": "file://",
    "path": f"http://{HOST}/x",
    "two": f"http://{HOST} http://evil.example",
    "subdomain": f"http://desk.{HOST}",
}
COOKIES = ("valid", "none", "forged", "logged out")
VARIANTS = list(itertools.product(ORIGINS, COOKIES))


async def cookie_for(town: Town, kind: str) -> str:
    if kind == "none":
        return ""
    if kind == "forged":
        return "tapelight=tl0000000000000000.forged"
    vic = await town.enter("vic")
    cookie = f"tapelight={vic.cookies['tapelight']}"
    if kind == "logged out":
        await vic.post("/api/logout")
    return cookie


def test_there_are_sixty_variants() -> None:
    assert len(VARIANTS) == 60


@pytest.mark.parametrize(("origin", "cookie"), VARIANTS)
async def test_a_websocket_opens_for_a_session_from_our_own_page_alone(
    town: Town, origin: str, cookie: str
) -> None:
    headers = {"host": HOST}
    if (text := ORIGINS[origin]) is not None:
        headers["origin"] = text
    if value := await cookie_for(town, cookie):
        headers["cookie"] = value
    socket = Socket(town.site.gateway.app, headers, "127.0.0.1")
    opened = (await socket.open())["type"] == "websocket.accept"
    await (socket.close() if opened else socket.task)
    assert opened == (origin == "own" and cookie == "valid")


# --- the stream: who may watch what, by subscribe and by resume ---------------------------------

TOPICS = {
    "board:gainers": "guest",
    "symbol:AAPL": "guest",
    "bars:AAPL:1m": "guest",
    "signals": "guest",
    "armed": "guest",
    "status": "guest",
    "alerts:{me}": "viewer",
    "alerts:somebody": "nobody at all",
    "alerts:": "nobody at all",
    "orders": "nobody at all",
}


@pytest.mark.parametrize("op", ["subscribe", "resume"])
@pytest.mark.parametrize("name", ["guest", *PEOPLE])
async def test_topics_are_for_whom_they_are_for(town: Town, name: str, op: str) -> None:
    town.site.guests = True
    town.site.gateway.close()
    town.site.gateway = town.site.open()
    headers = {"host": HOST, "origin": f"http://{HOST}"}
    if name != "guest":
        client = await town.enter(name)
        headers["cookie"] = f"tapelight={client.cookies['tapelight']}"
    socket = Socket(town.site.gateway.app, headers, "10.0.0.9")
    assert (await socket.open())["type"] == "websocket.accept"
    allowed = {}
    for topic in TOPICS:
        asked = topic.replace("{me}", name)
        topics = [asked] if op == "subscribe" else {asked: 0}
        socket.send({"op": op, "epoch": "e1", "topics": topics})
        answers = await socket.barrier()
        allowed[topic] = not any(answer.get("op") == "error" for answer in answers)
    assert allowed == {
        topic: role == "guest" or (role == "viewer" and name != "guest")
        for topic, role in TOPICS.items()
    }
    await socket.close()


# --- what another site's page can send without being asked -------------------------------------

FORMS = {
    "form": {"content-type": "application/x-www-form-urlencoded"},
    "text": {"content-type": "text/plain"},
    "json": {"content-type": "application/json"},
    "no origin": {"content-type": "application/json", "origin": None},
    "fetch metadata": {"content-type": "text/plain", "sec-fetch-site": "cross-site"},
}


@pytest.mark.parametrize("form", FORMS)
async def test_another_sites_page_changes_nothing_with_a_stolen_cookie(
    town: Town, form: str
) -> None:
    root = await town.enter("root")
    await root.put("/api/layouts/mine", json={"body": {"format": 1}})
    cookie = f"tapelight={root.cookies['tapelight']}"
    given = {"origin": "http://evil.example", "cookie": cookie, **FORMS[form]}
    headers = {name: value for name, value in given.items() if value is not None}
    changing = [route for route in RIGHTS if not route.startswith("GET")]
    for route in changing:
        verb, _, path = route.partition(" ")
        path = path.replace("{name}", "mine").replace("{id}", "x")
        answer = await town.client().request(verb, path, content=b"{}", headers=headers)
        assert answer.status_code == 403, (route, answer.text)
    assert [d["version"] for d in (await root.get("/api/layouts")).json()] == [1]
