"""The dashboard against a live demo: what it shows, and one walk through everything."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from e2e.live import LiveDemo, live_demo
from e2e.walk import PATIENCE_MS, Receiver, Walk

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1800)]


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
def patience(page: Page) -> Iterator[None]:
    """Wait long while the test lasts, and give the limits of the other tests back."""
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    yield
    expect.set_options(timeout=15_000)


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
