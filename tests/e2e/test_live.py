"""The dashboard against a live demo: what it shows, and one walk through everything."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, expect

from e2e.cells import Comparison, tiled
from e2e.live import LiveDemo, live_demo
from e2e.walk import PATIENCE_MS, Receiver, Walk

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1800)]
CELLS = int(os.environ.get("TAPELIGHT_CELLS", "200"))


@pytest.fixture(scope="module")
def demo(dashboard: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDemo]:
    assert (dashboard / "index.html").is_file()
    with live_demo(tmp_path_factory.mktemp("walk")) as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def may_be_busy() -> str:
    """Allow 503 where a slow machine makes it true.

    An answer of the past may take longer than its limit, the trader's answer longer than it is
    waited for, and the health may say that nothing comes in. The page says it, or asks again.
    """
    return r"[?&]at=|/api/(approvals|positions)/[^/]+/|/health$"


@pytest.fixture
def patience(page: Page) -> Iterator[None]:
    """Wait long while the test lasts, and give the limits of the other tests back."""
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    yield
    expect.set_options(timeout=15_000)


@pytest.mark.usefixtures("patience")
def test_cells_are_the_apis(
    demo: LiveDemo, page: Page, record_property: Callable[[str, str], None]
) -> None:
    boards = [each["name"] for each in demo.ask("/api/boards") if each["kind"] == "board"]
    sizes = {name: len(demo.ask(f"/api/boards/{name}")["rows"]) for name in boards}
    names = sorted(boards, key=lambda name: -sizes[name])[:4]
    page.goto(demo.url)
    page.get_by_role("button", name="Layout").click()
    file = FilePayload(
        name="boards.json", mimeType="application/json", buffer=json.dumps(tiled(names)).encode()
    )
    page.locator('input[type="file"]').set_input_files(file)
    page.keyboard.press("Escape")
    expect(page.locator("[data-board] [data-symbol]").first).to_be_visible()
    cells, open_ = Comparison(demo, page, names), {}
    end_s = time.monotonic() + 900
    while cells.equal < CELLS or cells.waits(open_):
        cells.look()
        assert cells.late() == []
        assert time.monotonic() < end_s, f"{cells.equal} cells compared"
        if cells.equal < CELLS:
            open_ = dict(cells.wrong)
    assert len(cells.seen) > CELLS / 5
    told = f"{cells.equal} cells equal, {len(cells.seen)} places, {cells.looks} looks"
    record_property("told", told)


@pytest.mark.usefixtures("patience")
def test_values_are_marked_when_nothing_comes(demo: LiveDemo, page: Page) -> None:
    page.goto(demo.url)
    expect(page.get_by_test_id("board-1").locator("[data-symbol]").first).to_be_visible()
    expect(page.locator("main.lost")).to_have_count(0)
    os.kill(demo.pid, signal.SIGSTOP)
    began_s = time.monotonic()
    try:
        expect(page.locator("main.lost")).to_have_count(1)
        expect(page.get_by_role("alert")).to_contain_text("Data stand still")
        assert time.monotonic() - began_s > 2
    finally:
        os.kill(demo.pid, signal.SIGCONT)
    expect(page.locator("main.lost")).to_have_count(0)


@pytest.mark.usefixtures("patience")
def test_a_day_with_the_dashboard(
    demo: LiveDemo, page: Page, receiver: Receiver, tmp_path: Path
) -> None:
    walk = Walk(page, demo, receiver, tmp_path)
    walk.open()
    began_s = walk.market_s()
    walk.set_up()
    walk.boards()
    walk.link()
    walk.scan_in_sql()
    walk.scan_in_a_form()
    symbol = walk.fires()
    walk.why(symbol)
    walk.mute(symbol)
    walk.price_alert()
    walk.order()
    walk.kill()
    walk.layout()
    walk.travel(began_s)
    walk.found_again()
    assert sorted(set(walk.problems)) == []
