"""Posting: 60 ways to lead a webhook inside, none of which arrives, and what servers answer."""

import asyncio
import ssl
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from alerts.receiver import Receiver, Request
from tapelight.alerts._post import ANSWER_BYTES, Allowed, Later, Post, is_outside, receipt, resolve
from tapelight.errors import ConfigError, Rejected, Unavailable

INSIDE = """
127.0.0.1 127.1 127.255.255.254 0.0.0.0 0 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255
192.168.0.1 192.168.255.255 169.254.169.254 169.254.170.2 100.64.0.1 100.100.100.200 192.0.0.1
192.0.2.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1
255.255.255.255 2130706433 0x7f000001 0x7f.0.0.1 017700000001 0177.0.0.1 0x7f.1 2852039166
0xA9FEA9FE 0300.0250.0.1 [::1] [::] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1]
[::ffff:10.0.0.1] [::ffff:169.254.169.254] [::127.0.0.1] [fe80::1] [fc00::1] [fd00:ec2::254]
[ff02::1] [64:ff9b::7f00:1] [64:ff9b::a9fe:a9fe] [64:ff9b:1::1] [2002:7f00:1::] [2002:a00:1::1]
[2001:0:7f00:1::1] [2001:db8::1] localhost localhost.
""".split()
BY_NAME = {
    "one.example": ["127.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "mixed.example": ["93.184.216.34", "10.0.0.1"],
    "six.example": ["::1"],
    "mapped.example": ["::ffff:10.0.0.1"],
    "scoped.example": ["fe80::1%eth0"],
}
TARGETS = [*INSIDE, *BY_NAME]
WITHOUT_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def look_up(host: str, port: int) -> Sequence[str]:
    """Look names of ours up in a table; addresses in the system's own way, without a network."""
    if host.rstrip(".") == "localhost":
        return ["127.0.0.1"]
    return BY_NAME.get(host) or await resolve(host, port)


def test_there_are_sixty_targets() -> None:
    assert len(TARGETS) == len(set(TARGETS)) == 60


@pytest.mark.parametrize("host", TARGETS)
async def test_no_target_inside_is_connected_to(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[object] = []
    monkeypatch.setattr(
        "httpcore.AnyIOBackend.connect_tcp", lambda *args, **_: connected.append(args)
    )
    post = Post(look_up=look_up, context=WITHOUT_TLS)
    with pytest.raises((Rejected, Unavailable)) as told:
        await post(f"https://{host}/x", b"{}", {})
    assert connected == []
    if "can't be looked up" not in str(told.value):
        assert "is inside" in str(told.value)
    await post.close()


@pytest.mark.parametrize("url", [
    "http://93.184.216.34/", "http://example.com/", "ftp://example.com/", "file:///etc/passwd",
    "gopher://x/", "//example.com/", "https:///x", "https://user@example.com/",
    "https://user:pw@127.0.0.1/", "https://example.com\\@127.0.0.1/", "https://exa mple.com/",
    "https://example.com/#x", "https://example.com:99999/", "https://[::1/", "https://éxample.com/",
    "https://example.com/\r\nX: y", "", "x" * 3_000,
])  # fmt: skip
async def test_a_url_that_is_none_is_refused_before_anything_is_looked_up(url: str) -> None:
    post = Post(look_up=look_up)
    with pytest.raises(Rejected):
        post.check(url)
    await post.close()


@pytest.mark.integration
async def test_a_name_that_changes_between_two_looks_is_connected_as_it_was_checked() -> None:
    """DNS rebinding: the first look is fine, the second leads inside; there is no second look."""
    looks: list[str] = []

    async def changing(host: str, _port: int) -> Sequence[str]:
        looks.append(host)
        return ["127.0.0.1"] if len(looks) > 1 else ["192.0.2.1"]

    async with Receiver() as inside:
        allowed = Allowed(["192.0.2.1"])  # stands for an outside address that nobody answers at
        post = Post(allowed, look_up=changing, timeout_s=0.3)
        url = f"https://rebind.example:{inside.port}/x"
        with pytest.raises((Unavailable, Rejected)):
            async with asyncio.timeout(20):
                await post(url, b"{}", {})
        with pytest.raises(Rejected, match="is inside"):
            await post(url, b"{}", {})
        assert (inside.connections, len(looks)) == (0, 2)
        await post.close()


@pytest.mark.integration
async def test_where_a_names_first_address_is_dead_the_next_is_tried() -> None:
    async def two(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.2", "127.0.0.1"]

    connections = 0

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        post = Post(Allowed(["127.0.0.0/8"]), look_up=two, context=WITHOUT_TLS)
        with pytest.raises(Unavailable):  # it hangs up, but the connection was made
            await post(f"https://two.example:{port}/x", b"{}", {})
        assert connections == 1
        await post.close()


@pytest.mark.integration
async def test_a_redirect_is_not_followed() -> None:
    async with Receiver() as inside:

        def away(_request: Request) -> tuple[int, str, dict[str, str]]:
            return 302, "", {"location": inside.url}

        async with Receiver(away) as outside:
            post = Post(Allowed([f"127.0.0.1:{outside.port}"]))
            answer = await post(outside.url, b"{}", {})
            assert (answer.status, inside.connections) == (302, 0)
            with pytest.raises(Rejected, match="answers 302"):
                receipt(answer, outside.url)
            await post.close()


@pytest.mark.integration
async def test_what_the_operator_allows_is_that_address_and_port() -> None:
    async with Receiver() as one, Receiver() as other:
        post = Post(Allowed([f"127.0.0.1:{one.port}"]))
        assert (await post(one.url, b'{"a": 1}', {"x": "y"})).status == 200
        assert (one.requests[0].body, one.requests[0].headers["x"]) == (b'{"a": 1}', "y")
        assert one.requests[0].headers["host"] == f"127.0.0.1:{one.port}"
        with pytest.raises(Rejected, match="over https alone"):
            await post(other.url, b"{}", {})
        assert other.connections == 0
        await post.close()


@pytest.mark.parametrize("place", ["x", "127.0.0.1:x", "example.com:80", "10.0.0.1/8"])
def test_a_wrong_place_is_told_at_the_start(place: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        Allowed([place])


@pytest.mark.integration
async def test_a_long_answer_is_cut() -> None:
    async with Receiver(lambda _: (200, "x" * 300_000, {})) as server:
        post = Post(Allowed(["127.0.0.1"]))
        answer = await post(server.url, b"{}", {})
        assert len(answer.text) == ANSWER_BYTES
        assert len(receipt(answer, server.url)) == 500
        await post.close()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (400, {}, Rejected),
        (404, {}, Rejected),
        (410, {}, Rejected),
        (408, {}, Unavailable),
        (429, {"retry-after": "7"}, Later),
        (500, {}, Unavailable),
        (503, {}, Unavailable),
    ],
)
async def test_what_a_server_says_decides_whether_it_is_tried_again(
    status: int, headers: dict[str, str], error: type[Exception]
) -> None:
    async with Receiver(lambda _: (status, "no", headers)) as server:
        post = Post(Allowed(["127.0.0.1"]))
        with pytest.raises(error) as told:
            receipt(await post(server.url, b"{}", {}), server.url)
        assert type(told.value) is error
        if isinstance(told.value, Later):
            assert told.value.after_s == 7.0
        assert "/hook" not in str(told.value)
        await post.close()


@pytest.mark.integration
async def test_a_server_that_is_not_there_is_tried_again() -> None:
    async with Receiver() as server:
        url, place = server.url, f"127.0.0.1:{server.port}"
    post = Post(Allowed([place]))
    with pytest.raises(Unavailable, match="can't be reached"):
        await post(url, b"{}", {})
    await post.close()


@pytest.mark.parametrize("text", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "1.1.1.1"])
def test_addresses_of_the_public_internet_are_outside(text: str) -> None:
    assert is_outside(ip_address(text))
