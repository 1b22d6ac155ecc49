"""Hostile text, typed into every field or sent by a provider: it is text, and nothing runs."""

import re
from collections.abc import Iterator
from pathlib import Path
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
TYPE = """async ([texts, send]) => {
  window.typed ??= new WeakSet();
  const done = new Set([...document.querySelectorAll('input')].filter((each) => window.typed.has(each)));
  const places = new Set();
  const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;
  for (const [at, text] of texts.entries()) {
    for (const field of document.querySelectorAll('input')) {
      if (!['text', 'password'].includes(field.type) || field.disabled || done.has(field)) continue;
      if (!field.isConnected) continue;
      window.typed.add(field);
      places.add(field.ariaLabel ?? field.labels[0].textContent.replace(/\\s+/g, ' ').trim());
      set.call(field, text);
      for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind, { bubbles: true }));
      const wish = new SubmitEvent('submit', { bubbles: true, cancelable: true });
      if (send && at % 25 === 0) field.form?.dispatchEvent(wish);
      await Promise.resolve();
    }
    await new Promise((resolve) => setTimeout(resolve));
  }
  return [...places];
}"""
"""Type every text into every field in sight that was not typed into before."""
SOURCE = Path(__file__).parents[2] / "ui" / "src"
FIELDS = {
    "panels/MarketPanel": ["SELECT", "WHERE", "ORDER BY"],
    "panels/WatchPanel": ["Add symbols", "New list"],
    "panels/CardPanel": ["Find a column"],
    "panels/AlertPanel": ["Symbol", "Price", "Name of the channel", "url"],
    "panels/EditorPanel": ["Find a scan", "Name", "Title", "silent s after"],
    "parts/SettingsSheet": ["Title", "Address, with {symbol} for the symbol"],
    "parts/SymbolSearch": ["Symbol or company"],
    "parts/ScanForm": ["Column", "Value", "Add a column", "Order by", "at most"],
    "parts/LoginPage": ["Name", "Password", "Code from the log"],
    "parts/RowTable": ["Filter Last"],
    "parts/TravelBar": ["Go to a time"],
    "parts/Palette": ["Command"],
    "parts/KillSheet": ["Type ARM to let entries go again", "Reason"],
    "parts/LayoutSheet": ["Name of the layout"],
}
"""Every text input of the page, by its file."""
INPUT = re.compile(r"<(?:input|textarea)\b[^>]*")
OTHER = re.compile(r'type="(?:checkbox|range|file|radio)"')


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


def typed(page: Page, *, send: bool = False) -> set[str]:
    """Type every string into every new field in sight, send some forms; return the fields."""
    return set(page.evaluate(TYPE, [list(STRINGS), send]))


def test_every_text_input_is_known() -> None:
    found = {}
    for path in SOURCE.rglob("*.svelte"):
        inputs = [each for each in INPUT.findall(path.read_text("utf-8")) if not OTHER.search(each)]
        if inputs:
            found[path.relative_to(SOURCE).with_suffix("").as_posix()] = len(inputs)
    assert found == {name: len(fields) for name, fields in FIELDS.items()}


def test_what_is_typed_into_every_field_is_text(gateway: FakeGateway, watched: Page) -> None:
    page = watched
    traded(gateway, state="killed", kill=ON)
    gateway.answers |= {"/api/layouts": []}
    opened(gateway, page).locator("[data-symbol]").first.click()
    page.get_by_role("button", name="Filter").first.click()
    page.get_by_role("button", name="Time", exact=True).click()
    places = typed(page)
    for panel in ("Watchlist", "Alerts", "Market table", "Scan editor"):
        add(page, panel)
        if panel == "Market table":
            page.get_by_role("button", name="Edit").dispatch_event("click")
        if panel == "Scan editor":
            editor = page.get_by_test_id("editor")
            editor.get_by_role("button", name="Mine").click()
            page.get_by_role("button", name="Form", exact=True).dispatch_event("click")
            expect(page.get_by_test_id("form")).to_be_visible()
            places |= typed(page)
            editor.get_by_label("Kind").select_option("events")
        places |= typed(page, send=panel in ("Watchlist", "Alerts"))
    for sheet in ("Layout", "Settings", "KILLED", "Search", "Panels"):
        page.get_by_role("button", name=sheet).first.click()
        places |= typed(page, send=sheet == "Layout")
        page.keyboard.press("Escape")
    wanted = {field for name, fields in FIELDS.items() for field in fields if "Login" not in name}
    assert wanted - places == set()


def test_what_is_typed_to_log_in_is_text(gateway: FakeGateway, watched: Page) -> None:
    page = watched
    nobody = {"name": "", "role": "nobody", "via": "", "csrf": "", "accounts": False}
    gateway.me = {**nobody, "setup": True}
    page.goto(gateway.url)
    expect(page.get_by_test_id("login")).to_be_visible()
    assert set(FIELDS["parts/LoginPage"]) - typed(page, send=True) == set()


def ready(gateway: FakeGateway, page: Page) -> None:
    """Open the page on a gateway that answers whatever is asked."""
    prepare(gateway)
    answered(gateway)
    opened(gateway, page)


def test_what_is_written_as_sql_is_text(gateway: FakeGateway, watched: Page) -> None:
    page = watched
    ready(gateway, page)
    add(page, "Scan editor")
    page.get_by_test_id("editor").locator(".cm-content").click()
    for text in STRINGS:
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(text)
    expect(page.get_by_test_id("editor").locator(".cm-content")).to_contain_text(STRINGS[-1])


def test_lists_may_have_any_name(gateway: FakeGateway, watched: Page) -> None:
    page = watched
    ready(gateway, page)
    add(page, "Watchlist")
    for name in ("constructor", "__proto__", STRINGS[0]):
        kept = {"name": name, "version": 1, "shared": False, "mine": True, "body": {"symbols": []}}
        gateway.answers[f"/api/watchlists/{name}"] = kept
        page.get_by_label("New list").fill(name)
        page.get_by_role("button", name="Make").click()
        expect(page.get_by_role("tab", name=f"Watchlist {name}"[:20]).first).to_be_visible()


def test_what_a_provider_sends_is_text(gateway: FakeGateway, watched: Page) -> None:
    page = watched
    ready(gateway, page)
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
