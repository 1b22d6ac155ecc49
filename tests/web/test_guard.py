import itertools
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers

from tapelight.web.files import IMMUTABLE, Dashboard
from tapelight.web.guard import Door, Guard
from web.conftest import HOST, Site, Socket


@pytest.mark.parametrize(
    ("bound", "host", "known"),
    [
        ("127.0.0.1", "localhost:8787", True),
        ("127.0.0.1", "LOCALHOST", True),
        ("127.0.0.1", "127.0.0.1:8787", True),
        ("127.0.0.1", "[::1]:8787", True),
        ("127.0.0.1", "desk.lan:8787", True),
        ("127.0.0.1", "evil.example", False),
        ("127.0.0.1", "127.0.0.1.evil.example", False),
        ("127.0.0.1", "localhost.evil.example:8787", False),
        ("127.0.0.1", "localhost@evil.example", False),
        ("127.0.0.1", "evil.example@localhost", False),
        ("127.0.0.1", "192.168.1.5:8787", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "localhost:99999", False),
        ("127.0.0.1", "localhost:x", False),
        ("127.0.0.1", "localhost/x", False),
        ("127.0.0.1", "localhost; script-src *", False),
        ("127.0.0.1", "[::1", False),
        ("192.168.1.5", "192.168.1.5:8787", True),
        ("::1", "[::1]", True),
        ("0.0.0.0", "192.168.1.5:8787", True),
        ("0.0.0.0", "evil.example", False),
    ],
)
def test_only_hosts_of_our_own_are_known(bound: str, host: str, known: bool) -> None:
    assert Door(bound, hosts=["desk.lan"]).knows(host) is known


FOREIGN = [
    "http://evil.example",
    "null",
    "",
    "http://127.0.0.1:8787.evil.example",
    "http://127.0.0.1:87870",
    "http://127.0.0.1",
    "http://localhost:8787",
    "ftp://127.0.0.1:8787",
    "http://user@127.0.0.1:8787",
    "http://127.0.0.1:8787/path",
    "file://",
    "http://[",
]
WELCOME = ["http://127.0.0.1:8787", "https://127.0.0.1:8787", "HTTPS://desk.example:8443"]


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_foreign_origin_opens_nothing(site: Site, origin: str) -> None:
    socket = Socket(site.gateway.app, {"host": HOST, "origin": origin}, "127.0.0.1")
    answer = await socket.open()
    assert (answer["type"], answer["status"]) == ("websocket.http.response.start", 403)
    assert (b"content-type", b"application/problem+json") in answer["headers"]
    await socket.task
    assert site.gateway.stream.clients == {}


@pytest.mark.parametrize("origin", WELCOME)
def test_our_own_and_configured_origins_are_welcome(origin: str) -> None:
    door = Door("127.0.0.1", origins=["https://desk.example:8443"])
    assert door.welcomes(Headers({"host": HOST, "origin": origin}), "10.0.0.9")


@pytest.mark.parametrize(
    ("client", "cookie"),
    list(itertools.product(["127.0.0.1", "::1", "10.0.0.9", ""], [False, True])),
)
def test_no_origin_is_for_programs_on_this_machine(client: str, cookie: bool) -> None:
    headers = Headers({"host": HOST, **({"cookie": "a=b"} if cookie else {})})
    expected = client in ("127.0.0.1", "::1") and not cookie
    assert Door("127.0.0.1").welcomes(headers, client) is expected


def test_default_ports_may_be_left_out() -> None:
    door = Door("127.0.0.1", hosts=["desk.lan"])
    assert door.welcomes(Headers({"host": "desk.lan", "origin": "http://desk.lan:80"}), "")
    assert door.welcomes(Headers({"host": "desk.lan:443", "origin": "https://desk.lan"}), "")
    assert not door.welcomes(Headers({"host": "desk.lan:8080", "origin": "http://desk.lan"}), "")


async def test_a_foreign_host_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/boards", headers={"host": "evil.example"})
    assert answer.status_code == 421
    assert "hosts under [web]" in answer.json()["detail"]


FOREIGN_ASK = {"sec-fetch-site": "cross-site"}
CROSS_SITE = [
    ("GET", "/api/boards", {**FOREIGN_ASK, "sec-fetch-mode": "no-cors"}, 403),
    ("GET", "/api/boards", FOREIGN_ASK, 403),
    ("POST", "/", {**FOREIGN_ASK, "sec-fetch-mode": "navigate"}, 403),
    ("GET", "/api/boards", {**FOREIGN_ASK, "sec-fetch-mode": "navigate"}, 200),
    ("GET", "/api/boards", {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, 200),
    ("GET", "/api/boards", {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, 200),
    ("GET", "/api/boards", {}, 200),
]


@pytest.mark.parametrize(("method", "path", "headers", "code"), CROSS_SITE)
async def test_another_sites_page_may_follow_a_link_and_nothing_else(
    http: httpx.AsyncClient, method: str, path: str, headers: dict[str, str], code: int
) -> None:
    answer = await http.request(method, path, headers=headers)
    assert answer.status_code == code
    if code == 403:
        assert answer.headers["content-type"] == "application/problem+json"
        assert "another site" in answer.json()["detail"]


async def test_every_answer_bears_the_security_headers(http: httpx.AsyncClient) -> None:
    for path in ("/", "/health", "/api/nothing", "/api/market?limit=x"):
        headers = (await http.get(path)).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert f"connect-src 'self' ws://{HOST} wss://{HOST};" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"


def _served(folder: Path) -> httpx.AsyncClient:
    app: Any = Guard(Dashboard(folder), Door("127.0.0.1"))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{HOST}")


async def test_hashed_files_are_kept_and_the_page_is_asked_again(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<p>board</p>")
    (tmp_path / "assets" / "index-BcD3_fGh.js").write_text("1")
    (tmp_path / "assets" / "plain.js").write_text("2")
    async with _served(tmp_path) as client:
        index = await client.get("/")
        assert (index.text, index.headers["cache-control"]) == ("<p>board</p>", "no-cache")
        hashed = await client.get("/assets/index-BcD3_fGh.js")
        assert (hashed.text, hashed.headers["cache-control"]) == ("1", IMMUTABLE)
        assert hashed.headers["content-type"].startswith("text/javascript")
        assert (await client.get("/assets/index-BcD3_fGh.js")).text == "1"
        assert (await client.head("/assets/index-BcD3_fGh.js")).headers["content-length"] == "1"
        plain = await client.get("/assets/plain.js")
        assert (plain.text, plain.headers["cache-control"]) == ("2", "no-cache")
        again = await client.get("/", headers={"if-none-match": index.headers["etag"]})
        assert again.status_code == 304


async def test_an_unbuilt_dashboard_says_what_to_run(tmp_path: Path) -> None:
    async with _served(tmp_path / "missing") as client:
        answer = await client.get("/")
    assert answer.status_code == 503
    assert "make setup" in answer.text
