"""Hostile text, as a provider, the trader or a user may send it: it is text, and nothing runs."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from e2e.gateway import FakeGateway
from e2e.hostile import STRINGS
from e2e.test_dashboard import COLUMNS, ROWS, STATUS, board, opened, prepare, signal
from e2e.test_orders import FILL, ON, ORDER, TRADER, traded
from e2e.test_workspace import LEAVES, add, answered

Json = Any
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""
INJECTED = (
    "iframe, object, embed, base, math, marquee, audio, video, details[ontoggle], "
    "script:not([src]), [onerror], [onload], [onfocus], [onstart], [href^='javascript' i], "
    "[src^='javascript' i], [formaction]"
)
BATCH = 10


@pytest.fixture
def watched(page: Page) -> Iterator[Page]:
    """Return a page on which anything that runs, or tries to, fails the test."""
    dialogs: list[str] = []
    page.add_init_script(WATCH)
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    yield page
    assert dialogs == []
    assert page.evaluate("window.ran") is None
    assert page.evaluate("window.violations") == []
    assert page.locator(INJECTED).count() == 0


def until_shown(page: Page, symbols: set[str]) -> None:
    """Wait until the first board shows these symbols, beside those that are leaving it."""
    rows = page.get_by_test_id("board-1").locator("[data-symbol]")
    for _ in range(300):
        if symbols <= set(rows.evaluate_all("rows => rows.map((row) => row.dataset.symbol)")):
            return
        page.wait_for_timeout(50)
    raise AssertionError("the board does not show what was sent")


def test_five_hundred_strings_are_there() -> None:
    assert len(STRINGS) == 500


def test_lists_may_have_any_name(gateway: FakeGateway, watched: Page) -> None:
    page = watched
    prepare(gateway)
    answered(gateway)
    opened(gateway, page)
    add(page, "Watchlist")
    for name in ("constructor", "__proto__", STRINGS[0]):
        gateway.answers[f"/api/watchlists/{name}"] = {}
        page.get_by_label("New list").fill(name)
        page.get_by_role("button", name="Make").click()
        expect(page.get_by_role("tab", name=f"Watchlist {name}"[:20]).first).to_be_visible()


def test_what_a_provider_sends_is_text(gateway: FakeGateway, watched: Page) -> None:
    page = watched
    prepare(gateway)
    answered(gateway)
    opened(gateway, page)
    columns = [*COLUMNS, {"name": "headline", "unit": "", "doc": "The newest headline."}]
    tape = page.get_by_test_id("tape")
    for begin in range(0, len(STRINGS), BATCH):
        some = STRINGS[begin : begin + BATCH]
        rows = {text: [text, *ROWS["AAPL"][1:]] for text in some}
        gateway.snapshot("board:gainers", board("gainers", some[0], rows))
        told = [{**signal(text), "id": f"s{begin}-{at}", "symbol": text, "reason": text,
                 "scan": text, "values": {"headline": text}} for at, text in enumerate(some)]  # fmt: skip
        gateway.snapshot("signals", {"signals": told})
        values = dict(zip((c["name"] for c in columns), [*rows[some[0]], some[-1]], strict=True))
        gateway.snapshot("symbol:AAPL", {"values": {**values, "name": some[0]}, "columns": columns})
        expect(tape.locator(".event")).to_have_count(len(told))
        until_shown(page, set(some))
    tape.locator(".event").first.click()


def test_what_rest_answers_is_text(gateway: FakeGateway, watched: Page) -> None:
    page = watched
    traded(gateway)
    opened(gateway, page)
    for panel in ("Halts", "Why", "Signal log", "Orders", "Risk limits", "Market table", "Alerts"):
        add(page, panel)
    leaves = [{**LEAVES[0], "name": text, "value": text} for text in STRINGS]
    orders = [{**ORDER, "id": f"o{at}", "symbol": text, "strategy": text, "reason": text,
               "state": text} for at, text in enumerate(STRINGS)]  # fmt: skip
    rows = [{"symbol": text, "headline": text, "last": 1.0, "name": text} for text in STRINGS[:200]]
    kill = {**ON, "by": STRINGS[1], "reason": STRINGS[2]}
    gateway.snapshot("status", {"status": {**STATUS, "trader": {**TRADER, "kill": kill}}})
    gateway.answers |= {
        "/api/why": {"title": STRINGS[0], "ts_ns": 0, "true": False, "leaves": leaves,
                     "text": STRINGS[1], "armed": list(STRINGS), "misses": []},
        "/api/orders": orders,
        "/api/approvals": orders,
        "/api/fills": [{**FILL, "price": text, "strategy": text} for text in STRINGS],
        "/api/market": {"rows": rows},
        "/api/signals": {"signals": [{**signal(text), "id": text} for text in STRINGS]},
        "/api/deliveries": [],
    }  # fmt: skip
    for name, shown in (("Orders", "orders"), ("Approvals", "approvals"), ("Why", "why-panel")):
        page.get_by_role("tab", name=name).first.click()
        expect(page.get_by_test_id(shown).first).to_contain_text(STRINGS[3])
