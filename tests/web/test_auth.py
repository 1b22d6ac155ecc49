"""First-run set-up, log-in, sessions, keys, tickets and guests, over HTTP and the real store."""

import asyncio
import random
import string
import time
from typing import Any

import httpx
import pytest

from tapelight.ports import Credential
from tapelight.web.gate import COOKIE, GUEST_BURST, SECURE_COOKIE
from web.conftest import HOST, PASSWORD, Site, Socket, Town

pytestmark = pytest.mark.integration

ADMIN = {"name": "root", "password": PASSWORD}


async def me(client: httpx.AsyncClient) -> dict[str, Any]:
    return dict((await client.get("/api/me")).json())


async def test_without_accounts_this_machine_may_do_everything(empty_town: Town) -> None:
    here = empty_town.client()
    told = await me(here)
    assert (told["name"], told["role"], told["via"], told["setup"]) == (
        "local",
        "admin",
        "open",
        True,
    )
    assert (await here.get("/api/boards")).status_code == 200
    assert (await here.put("/api/layouts/a", json={"body": {"format": 1}})).status_code == 200


ELSEWHERE = [
    ("10.0.0.9", {}),
    ("127.0.0.1", {"x-forwarded-for": "10.0.0.9"}),
    ("127.0.0.1", {"forwarded": "for=10.0.0.9"}),
]


@pytest.mark.parametrize(("ip", "headers"), ELSEWHERE)
async def test_without_accounts_nobody_else_may_read(
    empty_town: Town, ip: str, headers: dict[str, str]
) -> None:
    there = empty_town.client(ip, **headers)
    answer = await there.get("/api/boards")
    assert (answer.status_code, "Log in" in answer.json()["detail"]) == (401, True)
    assert (await there.get("/health")).json() == {"ok": True}
    refused = await there.post("/api/setup", json=ADMIN)
    assert (refused.status_code, "the code" in refused.json()["detail"]) == (403, True)
    assert (await there.post("/api/setup", json={**ADMIN, "code": "c0de"})).status_code == 200


async def test_an_old_http_is_a_proxys(empty_town: Town) -> None:
    app: Any = empty_town.site.gateway.app

    async def as_nginx(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "http_version": "1.0"}, receive, send)

    transport = httpx.ASGITransport(as_nginx, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as proxy:
        assert (await proxy.get("/api/boards")).status_code == 401


async def test_set_up_makes_the_first_admin_who_takes_over_what_was_kept(empty_town: Town) -> None:
    here = empty_town.client(origin=f"http://{HOST}")
    await here.put("/api/layouts/a", json={"body": {"format": 1, "n": 7}})
    short = await here.post("/api/setup", json={"name": "root", "password": "short"})
    assert (short.status_code, "10 to 256" in short.json()["detail"]) == (400, True)
    made = await here.post("/api/setup", json=ADMIN)
    assert (made.json()["name"], made.json()["role"], made.json()["setup"]) == (
        "root",
        "admin",
        False,
    )
    assert "HttpOnly; SameSite=Strict" in made.headers["set-cookie"]
    assert (await here.get("/api/layouts/a")).json()["body"]["n"] == 7
    again = await here.post(
        "/api/setup", json={**ADMIN, "name": "eve"}, headers={"x-csrf-token": made.json()["csrf"]}
    )
    assert again.status_code == 403
    assert (await empty_town.client().get("/api/boards")).status_code == 401


async def test_of_two_who_set_up_at_once_one_is_admin(empty_town: Town) -> None:
    answers = await asyncio.gather(
        *(
            empty_town.client().post("/api/setup", json={**ADMIN, "name": name})
            for name in ("eve", "bob")
        )
    )
    assert sorted(a.status_code for a in answers) == [200, 403]


async def test_a_page_over_https_gets_the_cookie_that_only_tls_carries(town: Town) -> None:
    page = town.client(origin=f"https://{HOST}")
    entered = await page.post("/api/login", json={"name": "vic", "password": PASSWORD})
    assert entered.headers["set-cookie"].startswith(f"{SECURE_COOKIE}=tl")
    assert entered.headers["set-cookie"].endswith("; Secure")
    assert "Domain" not in entered.headers["set-cookie"]


async def test_wrong_passwords_are_told_alike_and_slowed(town: Town) -> None:
    there = town.client("10.0.0.9")
    wrong = [
        await there.post("/api/login", json={"name": name, "password": "wrong wrong"})
        for name in ("vic", "nobody-of-that-name", "x" * 1_000)
    ]
    assert {w.status_code for w in wrong} == {400}
    assert len({w.json()["detail"] for w in wrong}) == 1
    for _ in range(4):
        await there.post("/api/login", json={"name": "vic", "password": "wrong wrong"})
    late = await there.post("/api/login", json={"name": "vic", "password": PASSWORD})
    assert (late.status_code, "try again in" in late.json()["detail"]) == (429, True)
    known = town.client("10.0.0.11")
    assert (
        await known.post("/api/login", json={"name": "vic", "password": PASSWORD})
    ).status_code == 200, "the name is not locked out"
    for n in range(25):
        await town.client(f"10.1.0.{n}").post("/api/login", json={"name": "ann", "password": "x"})
    mine = town.client("10.0.0.12")
    assert (
        await mine.post("/api/login", json={"name": "ann", "password": PASSWORD})
    ).status_code == 200, "nor is it from many addresses"
    network = [
        await town.client(f"2001:db8:1:2::{n:x}").post(
            "/api/login", json={"name": f"name{n}", "password": "x"}
        )
        for n in range(25)
    ]
    assert [m.status_code for m in network] == [400] * 20 + [429] * 5
    elsewhere = town.client("10.0.0.10")
    assert (
        await elsewhere.post("/api/login", json={"name": "tess", "password": PASSWORD})
    ).status_code == 200


async def test_log_out_ends_the_session_and_its_websocket(town: Town) -> None:
    vic = await town.enter("vic")
    cookie = "; ".join(f"{name}={value}" for name, value in vic.cookies.items())
    headers = {"host": HOST, "origin": f"http://{HOST}", "cookie": cookie}
    socket = Socket(town.site.gateway.app, headers, "127.0.0.1")
    dismissing = asyncio.create_task(town.site.gateway._dismiss())
    assert (await socket.open())["type"] == "websocket.accept"
    assert (await vic.post("/api/logout")).json()["name"] == ""
    async with asyncio.timeout(2):
        closed = await socket.message()
    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)
    dismissing.cancel()
    await socket.task
    assert (await town.client(cookie=cookie).get("/api/boards")).status_code == 401


async def test_a_new_password_ends_the_other_sessions(town: Town) -> None:
    one, two = await town.enter("vic"), await town.enter("vic")
    changed = await one.post("/api/password", json={"old": PASSWORD, "new": "another long one 7"})
    assert changed.json()["name"] == "vic"
    assert (await one.get("/api/boards")).status_code == 200
    assert (await two.get("/api/boards")).status_code == 401


async def test_a_session_without_the_csrf_token_changes_nothing(town: Town) -> None:
    vic = await town.enter("vic")
    del vic.headers["x-csrf-token"]
    for token in (None, "", "0" * 32, "ü"):
        headers = {} if token is None else {"x-csrf-token": token.encode("latin-1")}
        answer = await vic.put("/api/layouts/a", json={"body": {"format": 1}}, headers=headers)
        assert (answer.status_code, "x-csrf-token" in answer.json()["detail"]) == (403, True)
    assert (await vic.get("/api/layouts")).json() == []


async def test_keys_open_what_their_scopes_say_and_no_more(town: Town) -> None:
    ann = await town.enter("ann")
    made = await ann.post("/api/keys", json={"label": "notebook", "scopes": ["read"]})
    key = made.json()["key"]
    program = town.client("10.0.0.9", authorization=f"Bearer {key}")
    assert (await program.get("/api/boards")).status_code == 200
    scan = await program.put("/api/scans/mine", json={"text": "SELECT symbol FROM market"})
    assert (scan.status_code, "scope scan" in scan.json()["detail"]) == (403, True)
    more = await program.post("/api/keys", json={"label": "x", "scopes": ["scan"]})
    assert more.status_code == 403
    (told,) = (await ann.get("/api/keys")).json()
    assert (told["label"], told["scopes"], key in str(told)) == ("notebook", ["read"], False)
    assert (await ann.delete(f"/api/keys/{told['id']}")).status_code == 200
    assert (await program.get("/api/boards")).status_code == 401
    bad = await ann.post("/api/keys", json={"label": "x", "scopes": ["admin"]})
    assert (bad.status_code, "read, scan, alert, trade" in bad.json()["detail"]) == (400, True)


async def test_two_hundred_forged_tokens_open_nothing(town: Town) -> None:
    ann = await town.enter("ann")
    made = (await ann.post("/api/keys", json={"label": "x", "scopes": ["read"]})).json()
    id_, _, secret = made["key"].partition(".")
    session = str(ann.cookies[COOKIE])
    forged = [id_, f"{id_}.", f"{id_}.{secret[:-1]}", f"{id_}.{secret}x", f".{secret}", ".", ""]
    forged += [f"{id_}.{secret[:n]}é{secret[n + 1 :]}" for n in range(20)]
    forged += [session, "eyJhbGciOiJub25lIn0.e30.", "local", "null"]
    dice = random.Random(3)
    letters = string.ascii_letters + string.digits + "-_"
    for _ in range(200 - len(forged)):
        at, letter = dice.randrange(len(secret)), dice.choice(letters)
        if letter != secret[at]:
            forged.append(f"{id_}.{secret[:at]}{letter}{secret[at + 1 :]}")
    stranger = town.client("10.0.0.9")
    for token in forged:
        headers = {"authorization": f"Bearer {token}".encode()}
        answer = await stranger.get("/api/boards", headers=headers)
        assert answer.status_code == 401, token
    as_cookie = town.client("10.0.0.9", cookie=f"{COOKIE}={made['key']}")
    assert (await as_cookie.get("/api/boards")).status_code == 401


async def test_what_has_expired_or_was_not_used_for_long_opens_nothing(town: Town) -> None:
    now = [time.time_ns()]
    users = town.control.users
    users._now_ns = lambda: now[0]
    day = 86_400 * 10**9
    made = {
        "key": Credential("", "vic", "key", "x", frozenset({"read"}), 0, now[0] + 3 * day, 0),
        "session": Credential("", "vic", "session", "x", frozenset(), 0, now[0] + 3 * day, 0),
    }
    tokens = {kind: await users.make(credential) for kind, credential in made.items()}
    alive = []
    for hours in (0, 23, 23, 25, 2):
        now[0] += hours * 3_600 * 10**9
        alive.append([kind for kind, token in tokens.items() if await users.identify(token)])
    assert alive == [["key", "session"]] * 3 + [["key"], []]


async def test_a_ticket_opens_one_websocket(town: Town) -> None:
    vic = await town.enter("vic")
    ticket = (await vic.post("/api/ticket")).json()["ticket"]
    opened = [await open_with(town.site, f"ticket={t}") for t in (ticket, ticket, "x", "")]
    assert opened == ["websocket.accept", 401, 401, 401]


async def open_with(site: Site, query: str) -> Any:
    socket = Socket(site.gateway.app, {"host": HOST, "origin": f"http://{HOST}"}, "10.0.0.9")
    socket._scope["query_string"] = query.encode()
    answer = await socket.open()
    if answer["type"] != "websocket.accept":
        await socket.task
        return answer["status"]
    await socket.close()
    return answer["type"]


async def test_admins_make_change_and_delete_users_but_never_the_last_admin(town: Town) -> None:
    root = await town.enter("root")
    new = {"name": "newbie", "role": "viewer", "password": PASSWORD}
    assert (await root.post("/api/users", json=new)).json()["role"] == "viewer"
    newbie = await town.enter("newbie")
    assert (await root.put("/api/users/newbie", json={"role": "trader"})).json()["role"] == "trader"
    assert (await newbie.get("/api/boards")).status_code == 401
    for change in ({"role": "viewer"}, {"disabled": True}):
        answer = await root.put("/api/users/root", json=change)
        assert (answer.status_code, "only admin" in answer.json()["detail"]) == (400, True)
    assert (await root.delete("/api/users/root")).status_code == 400
    vic = await town.enter("vic")
    await vic.put("/api/layouts/a", json={"body": {"format": 1}})
    assert (await root.delete("/api/users/vic")).status_code == 200
    assert (await vic.get("/api/boards")).status_code == 401
    assert list(await town.control.documents.all("layout")) == []
    names = [user["name"] for user in (await root.get("/api/users")).json()]
    assert names == ["ann", "newbie", "root", "tess"]


@pytest.mark.parametrize("name", ["", "x", "Root", "a b", "local", "guest", "é", "a" * 33, "a\x00"])
async def test_a_name_that_could_mislead_is_refused(town: Town, name: str) -> None:
    root = await town.enter("root")
    new = {"name": name, "role": "viewer", "password": PASSWORD}
    assert (await root.post("/api/users", json=new)).status_code == 400


async def test_shared_things_are_seen_by_others_and_changed_by_their_owner(town: Town) -> None:
    ann, vic = await town.enter("ann"), await town.enter("vic")
    await ann.put("/api/watchlists/w", json={"symbols": ["AAPL"], "shared": True})
    await ann.put("/api/watchlists/mine", json={"symbols": ["TSLA"]})
    assert [d["name"] for d in (await vic.get("/api/watchlists")).json()] == ["w"]
    assert (await vic.get("/api/watchlists/w?owner=ann")).json()["body"] == {"symbols": ["AAPL"]}
    for path in ("w", "mine?owner=ann", "w?owner=ann&version=1", "w/export?owner=root"):
        assert (await vic.get(f"/api/watchlists/{path}")).status_code == 404
    await vic.put("/api/watchlists/w", json={"symbols": ["IBM"]})
    assert (await ann.get("/api/watchlists/w")).json()["body"] == {"symbols": ["AAPL"]}


async def test_guests_read_within_their_quota_where_the_operator_lets_them(town: Town) -> None:
    town.site.guests = True
    town.site.gateway.close()
    town.site.gateway = town.site.open()
    guest = town.client("10.0.0.9")
    assert (await me(guest))["role"] == "guest"
    assert (await guest.get("/api/boards")).status_code == 200
    town.site.market.report["trader"] = {"state": "killed", "kill": {"by": "ann"}}
    assert "trader" not in (await guest.get("/health")).json()
    vic = await town.enter("vic")
    assert (await vic.get("/health")).json()["trader"]["kill"] == {"by": "ann"}
    for path in ("/api/layouts", "/api/users", "/metrics"):
        assert (await guest.get(path)).status_code == 401
    codes = [(await guest.get("/api/boards")).status_code for _ in range(GUEST_BURST + 5)]
    assert codes.count(429) >= 5
    assert (await town.client("10.0.0.10").get("/api/boards")).status_code == 200


async def test_programs_that_may_read_the_data_folder_may_read(town: Town) -> None:
    program = town.client(authorization=f"Bearer {town.site.gateway.gate.local_token}")
    assert (await program.get("/api/boards")).status_code == 200
    assert (await program.get("/api/users")).status_code == 403
    answer = await program.put("/api/scans/x", json={"text": ""})
    assert answer.status_code == 403


async def test_a_body_that_is_no_json_is_refused(town: Town) -> None:
    text = '{"name": "vic", "password": "x"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = await town.client().post(
            "/api/login", content=text, headers={"content-type": kind}
        )
        assert answer.status_code == 415
