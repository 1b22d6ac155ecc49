"""A service whose answer never ends, or is without measure, is given up; in virtual time."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import httpx
import pytest

from faults.virtual import VirtualLoop
from tapelight.errors import Rejected, Unavailable
from tapelight.feeds._rest import Service
from tapelight.sources._poll import Page

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
BASE = "http://127.0.0.1:80"


class Dripping(asyncio.Protocol):
    """Answer any request with a byte every ten seconds, or with all bytes at once."""

    at_once = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(HEAD + b" " * self.at_once)
        self._drip()

    def _drip(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(b" ")
            asyncio.get_running_loop().call_later(10.0, self._drip)


class Pouring(Dripping):
    at_once = 2_000


def took(
    ask: Callable[[], Awaitable[object]], accept: type[Dripping] = Dripping
) -> tuple[float, str]:
    """Return after how many seconds `ask` finds it unavailable, in virtual time, and its words."""
    loop = VirtualLoop()
    loop.network = {80: accept}

    async def all_of_it() -> tuple[float, str]:
        began = loop.time()
        try:
            await ask()
        except Unavailable as error:
            return loop.time() - began, str(error)
        return -1.0, "an answer"

    with contextlib.closing(loop):
        try:
            return loop.run_until_complete(all_of_it())
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(asyncio.sleep(20.0))  # the service finds that nobody listens


def service() -> Service:
    def refused(_path: str, _response: httpx.Response) -> Exception:
        raise AssertionError

    return Service(BASE, dict, refused, attempts=1)


async def asked() -> None:
    provider = service()
    try:
        await provider.body("/v1/all")
    finally:
        await provider.close()


def test_an_answer_that_drips_is_given_up_and_may_be_asked_for_again() -> None:
    after_s, words = took(asked)
    assert words == "127.0.0.1 gives no whole answer within 90 s."
    assert after_s == pytest.approx(90.0, abs=1.5)


def test_a_source_that_drips_is_given_up() -> None:
    async def ask() -> None:
        page = Page(BASE, "tests")
        try:
            await page.get(f"{BASE}/feed", len)
        finally:
            await page.close()

    after_s, words = took(ask)
    assert words == "127.0.0.1 gives no whole answer within 60 s."
    assert after_s == pytest.approx(60.0, abs=1.5)


def test_an_answer_without_measure_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapelight.feeds._rest.MOST_BYTES", 1_000)

    with pytest.raises(Rejected, match="An answer of over 0 MB"):
        took(asked, Pouring)
