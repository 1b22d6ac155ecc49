"""The workspace in a real browser: panels, links, layouts, time travel, scans, and who can use it."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from e2e.gateway import FakeGateway
from e2e.test_dashboard import COLUMNS, OPEN_S, ROWS, opened, prepare, signal

Json = Any
AXE = Path(__file__).parents[2] / "ui" / "node_modules" / "axe-core" / "axe.min.js"
UNKNOWN = "\u2013"
pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
CHECKED = {"ok": True, "faults": [], "warnings": [], "cost_us": 62.0}
LEAVES = [
    {"name": "chg_pct", "value": 12.3, "op": ">=", "bound": 3, "true": True, "within": []},
    {"name": "vol", "value": None, "op": ">=", "bound": 200_000, "true": None, "within": []},
    {"name": "type", "value": "ETF", "op": "in", "bound": "CS", "true": False, "within": ["gate"]},
]
HALT = {
    "symbol": "HALT", "last": 5.0, "chg_pct": 20.0, "halted": True, "halt_code": "LUDP",
    "halt_time": 62.0, "resume_time": 238.0, "halts_today": 1, "secs_since_resume": None,
    "luld_up": 5.5, "luld_dn": 4.5, "luld_dist_pct": 0.0, "limit_s": 0, "halt_suspected": False,
}  # fmt: skip
RECORD = {
    "scan": "hod_momo", "fires": 12, "mae_30m": -0.8, "mfe_30m": 1.9, "since": "2026-11-20",
    "until": "2026-11-20",
    "horizons": [{
        "horizon": "5m", "n": 12, "median": {"value": 0.42, "low": -0.1, "high": 0.9},
        "hit_rate": {"value": 0.58, "low": 0.4, "high": 0.7},
    }],
}  # fmt: skip
SIDE = {
    "bid": 3.2, "ask": 3.3, "volume": 1200, "iv": 28.44, "open_interest": 50, "delta": 0.523,
    "gamma": 0.0412, "theta": -0.0521, "vega": 0.112,
}  # fmt: skip
CHAIN = {
    "symbol": "AAPL", "spot": 268.4, "ts_ns": OPEN_S * 10**9, "expiry": "2026-12-18",
    "expirations": ["2026-12-18", "2027-01-15"], "rows": [
        {"strike": 265.0, "call": SIDE, "put": {**SIDE, "delta": -0.477, "iv": None}},
        {"strike": 270.0, "call": SIDE, "put": None},
    ],
}  # fmt: skip


def add(page: Page, kind: str) -> None:
    """Open a panel by the palette."""
    page.keyboard.press("Control+k")
    page.get_by_test_id("palette").fill(f"Add {kind}: ")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("palette")).to_have_count(0)


def tabs(page: Page) -> list[str]:
    return page.get_by_role("tab").all_inner_texts()


def answered(gateway: FakeGateway) -> None:
    """Let REST answer what every panel asks."""
    fired = {**signal("new high"), "why": LEAVES, "hops": {"text": "22 ms (net 3, table 1)"}}
    why = {"title": "Top gainers", "ts_ns": OPEN_S * 10**9, "true": False, "leaves": LEAVES}
    scan = {"name": "mine", "title": "Mine", "kind": "board", "version": "v1", "own": True}
    scan |= {"shipped": False, "running": True, "fault": "", "cost_us": 62.0}
    scan["text"] = '-- title = "Mine"\nSELECT symbol, last\nFROM market\nWHERE last > 5\nLIMIT 9\n'
    gateway.answers |= {
        "/api/market": {"rows": [HALT]},
        "/api/why": {**why, "text": "failed: vol unknown", "armed": ["AAPL"], "misses": []},
        "/api/signals": {"signals": [fired]},
        "/api/record": {"records": [RECORD]},
        "/api/scans": [scan],
        "/api/scans/mine": scan,
        "/api/scans/check": CHECKED,
        "/api/watchlists": [],
        "/api/alerts": [],
        "/api/levels": [],
        "/api/channels": [{"name": "browser", "kind": "browser", "own": False, "settings": {}}],
        "/api/deliveries": [],
        "/api/options/AAPL": CHAIN,
        "/api/correlation": {
            "symbols": ["AAPL", "MSFT"],
            "minutes": 60,
            "matrix": [[1.0, -0.4], [-0.4, 1.0]],
        },
        "/health": {"feed": {"name": "massive", "state": "live", "coverage": "SIP"}, "rows": 3},
    }


def test_panels_are_added_closed_and_brought_back(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    answered(gateway)
    opened(gateway, page)
    before = len(tabs(page))
    add(page, "System")
    expect(page.get_by_role("tab")).to_have_count(before + 1)
    page.get_by_role("button", name="Close System").click()
    expect(page.get_by_role("tab", name="System")).to_have_count(0)
    assert len(tabs(page)) == before
    page.keyboard.press("Control+z")
    expect(page.get_by_role("tab", name="System")).to_be_visible()
    page.reload()
    expect(page.get_by_role("tab", name="System")).to_be_visible()


def test_a_tab_is_dragged_to_another_group_and_to_an_edge(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    opened(gateway, page)
    groups = page.locator("[data-group]")
    count = groups.count()
    drag(page, page.get_by_role("tab", name="Events"), page.get_by_test_id("symbol-panel"), 0.5)
    expect(page.locator("[data-group]").last.get_by_role("tab", name="Events")).to_be_visible()
    drag(page, page.get_by_role("tab", name="Events"), page.get_by_test_id("chart"), 0.03)
    expect(groups).to_have_count(count + 1)
    expect(page.get_by_test_id("tape")).to_be_visible()


def drag(page: Page, tab: Locator, onto: Locator, across: float) -> None:
    """Drag a tab onto a place of `onto`: 0 is its left edge, 0.5 its middle."""
    start, end = tab.bounding_box(), onto.bounding_box()
    assert start is not None
    assert end is not None
    page.mouse.move(start["x"] + 8, start["y"] + 8)
    page.mouse.down()
    page.mouse.move(start["x"] + 30, start["y"] + 30)
    page.mouse.move(end["x"] + end["width"] * across, end["y"] + end["height"] * 0.5, steps=4)
    page.mouse.up()


def test_borders_move_by_keys(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    opened(gateway, page)
    border = page.get_by_role("separator").first
    share = int(border.get_attribute("aria-valuenow") or "0")
    border.focus()
    page.keyboard.press("ArrowRight")
    expect(border).to_have_attribute("aria-valuenow", str(share + 2))


def test_a_panel_of_no_link_keeps_its_symbol(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    gateway.snapshot("symbol:PNNY", {"values": {"last": 0.4321}, "columns": COLUMNS})
    gateway.snapshot("bars:PNNY:1m", {"bars": []})
    pane = opened(gateway, page)
    pane.locator('[data-symbol="AAPL"]').click()
    expect(page.get_by_test_id("symbol")).to_have_text("AAPL")
    card = page.locator("[data-group]").last
    card.get_by_label("Link colour").select_option("green")
    pane.locator('[data-symbol="PNNY"]').click()
    expect(page.get_by_role("tab", name="PNNY 1m")).to_be_visible()
    expect(page.get_by_test_id("symbol-panel")).to_contain_text("No symbol selected")
    card.get_by_label("Link colour").select_option("blue")
    expect(page.get_by_test_id("symbol")).to_have_text("PNNY")


def test_an_option_chain_is_shown_by_strike(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    answered(gateway)
    pane = opened(gateway, page)
    pane.locator('[data-symbol="AAPL"]').click()
    add(page, "Option chain")
    rows = page.get_by_test_id("chain").locator("tbody tr")
    expect(rows).to_have_count(2)
    call = ["50", "1.20K", "0.112", "\u22120.052", "0.0412", "0.52", "28.4", "3.20", "3.30"]
    put = ["3.30", "3.20", "\u2013", "\u22120.48", "0.0412", "\u22120.052", "0.112", "1.20K", "50"]
    expect(rows.first.locator("td, th")).to_have_text([*call, "265.00", *put])
    expect(rows.nth(1).locator("td").last).to_have_text("")
    expect(page.get_by_role("tab", name="Options AAPL")).to_be_visible()
    gateway.answers["/api/options/AAPL"] = {**CHAIN, "expiry": "2027-01-15", "rows": []}
    page.get_by_label("Expiration").select_option("2027-01-15")
    expect(rows).to_have_count(0)


def test_rows_are_filtered_and_columns_chosen(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    pane = opened(gateway, page)
    page.keyboard.press("f")
    pane.get_by_label("Filter Last").fill(">200")
    expect(pane.locator("[data-symbol]")).to_have_count(2)
    pane.get_by_label("Filter Last").fill("0..1")
    expect(pane.locator("[data-symbol]")).to_have_count(1)
    pane.get_by_label("Filter Last").fill("=7")
    expect(pane).to_contain_text("No row passes the filters")
    page.get_by_role("button", name="Filter").first.click()
    expect(pane.locator("[data-symbol]")).to_have_count(3)
    page.get_by_role("button", name="Columns").first.click()
    pane.get_by_role("checkbox", name="chg_pct").uncheck()
    expect(pane.locator('[data-column="chg_pct"]')).to_have_count(0)
    expect(pane.locator('[data-symbol="AAPL"] [data-column="vol"]')).to_have_text("1.23M")


def test_the_page_travels_in_time_and_comes_back(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    answered(gateway)
    past = {"name": "gainers", "title": "Top gainers", "kind": "list", "columns": COLUMNS}
    names = [column["name"] for column in COLUMNS]
    row = dict(zip(names, ["PAST", 5.0, 9.0, 10, 1.0, False], strict=True))
    gateway.answers["/api/boards/gainers"] = {**past, "rows": [row]}
    gateway.answers["/api/boards/losers"] = {**past, "title": "Top losers", "rows": []}
    gateway.answers["/api/symbols/AAPL"] = {"last": 200.0}
    pane = opened(gateway, page)
    page.keyboard.press("[")
    expect(pane.locator('[data-symbol="PAST"] [data-column="last"]')).to_have_text("5.00")
    expect(page.get_by_test_id("last")).to_have_text("200.00")
    expect(page.get_by_test_id("travel-time")).to_have_text("09:28:20")
    asked = [target for _, target, _ in gateway.asked_rest if "/boards/gainers" in target]
    at = parse_qs(urlsplit(asked[-1]).query)["at"][0]
    assert at.startswith("2026-11-20T14:28:2")
    gateway.diff("board:gainers", {"cells": [["AAPL", 1, 99.0]]})
    expect(pane.locator('[data-symbol="AAPL"]')).to_have_count(0)
    page.keyboard.press("0")
    expect(pane.locator('[data-symbol="AAPL"] [data-column="last"]')).to_have_text("231.46")
    expect(pane.locator('[data-symbol="PAST"]')).to_have_count(0)


def test_no_value_of_the_present_stands_under_a_past_time(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    answered(gateway)
    past = {"name": "gainers", "title": "Top gainers", "kind": "list", "columns": COLUMNS}
    gateway.answers["/api/boards/gainers"] = {**past, "rows": []}
    gateway.answers["/api/symbols/AAPL"] = {"last": 200.0, "prev_close": 199.0}
    gateway.topics["symbol:AAPL"].snapshot["values"]["prev_close"] = 220.0
    gateway.held |= {"/api/boards/gainers", "/api/symbols/AAPL"}
    pane = opened(gateway, page)
    chart = page.get_by_test_id("chart")
    expect(chart).to_have_attribute("data-levels", "1")
    live = page.get_by_test_id("last").inner_text()
    page.keyboard.press("[")
    card = page.get_by_test_id("symbol-panel")
    told = page.get_by_test_id("travel-time").inner_text()
    expect(pane).to_contain_text(f"Reading {told} …")
    expect(pane.locator("[data-symbol]")).to_have_count(0)
    expect(card).to_contain_text(f"Reading {told} …")
    expect(page.get_by_test_id("last")).to_have_text(UNKNOWN)
    expect(chart).to_have_attribute("data-levels", "0")
    # Back before the answer: what stood there stands again, without a word from the gateway.
    page.keyboard.press("0")
    expect(pane.locator("[data-symbol]")).to_have_count(len(ROWS))
    expect(page.get_by_test_id("last")).to_have_text(live)
    page.keyboard.press("[")
    expect(page.get_by_test_id("last")).to_have_text(UNKNOWN)
    gateway.release()
    expect(page.get_by_test_id("last")).to_have_text("200.00")
    expect(chart).to_have_attribute("data-levels", "1")


def test_what_is_not_recorded_is_told(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    opened(gateway, page)
    page.get_by_role("button", name="Time", exact=True).click()
    page.get_by_label("Go to a time").fill("09:00")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("travel")).to_contain_text("Nothing is at /api/")
    page.get_by_role("button", name="LIVE").click()
    expect(page.get_by_test_id("travel")).to_have_count(0)


def test_a_scan_is_written_in_sql_and_as_a_form(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    answered(gateway)
    opened(gateway, page)
    add(page, "Scan editor")
    editor = page.get_by_test_id("editor")
    editor.get_by_role("button", name="Mine").click()
    expect(editor.locator(".cm-content")).to_contain_text("WHERE last > 5")
    expect(editor).to_contain_text("62 µs")
    page.get_by_role("button", name="Form", exact=True).click()
    expect(editor.get_by_label("Value")).to_have_value("5")
    editor.get_by_label("Value").fill("")
    editor.get_by_label("Value").fill("7")
    editor.get_by_role("button", name="Add a condition").click()
    expect(editor.get_by_label("Value")).to_have_count(2)
    page.get_by_role("button", name="SQL", exact=True).click()
    expect(editor.locator(".cm-content")).to_contain_text("WHERE last > 7")
    fault = {"message": "Column lst isn't known.", "line": 2, "column": 8}
    gateway.answers["/api/scans/check"] = {**CHECKED, "ok": False, "faults": [fault]}
    editor.locator(".cm-content").press("Control+End")
    editor.locator(".cm-content").press_sequentially(" ")
    expect(editor.locator(".cm-lintRange-error")).to_be_visible()
    expect(editor.get_by_role("button", name="Save")).to_be_disabled()
    gateway.answers["/api/scans/check"] = CHECKED
    editor.locator(".cm-content").press_sequentially(" ")
    editor.get_by_role("button", name="Save").click()
    expect(editor).to_contain_text("Saved, and running.")
    method, target, body = next(each for each in gateway.asked_rest if each[0] == "PUT")
    assert (method, target) == ("PUT", "/api/scans/mine")
    assert "WHERE last > 7" in body["text"]


def test_a_layout_is_kept_and_opened_again(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    answered(gateway)
    gateway.answers |= {"/api/layouts": [], "/api/layouts/desk": {}}
    opened(gateway, page)
    page.get_by_role("button", name="Layout").click()
    page.get_by_label("Name of the layout").fill("desk")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("kept as")
    _, target, kept = next(each for each in gateway.asked_rest if each[0] == "PUT")
    assert target == "/api/layouts/desk"
    assert kept["body"]["format"] == 1
    info = {"owner": "local", "name": "desk", "version": 1, "shared": False, "mine": True}
    gateway.answers["/api/layouts"] = [{**info, "changed_ns": OPEN_S * 10**9}]
    gateway.answers["/api/layouts/desk"] = {**info, "body": kept["body"]}
    page.keyboard.press("Escape")
    add(page, "System")
    page.get_by_role("button", name="desk*").click()
    page.get_by_role("button", name="desk", exact=True).click()
    expect(page.get_by_role("tab", name="System")).to_have_count(0)


@pytest.mark.parametrize("text", ["{", '{"format": 9}', '{"format": 1, "panels": 3}'])
def test_a_layout_that_is_none_is_refused(gateway: FakeGateway, page: Page, text: str) -> None:
    prepare(gateway)
    gateway.answers["/api/layouts"] = []
    opened(gateway, page)
    before = tabs(page)
    page.get_by_role("button", name="Layout").click()
    file = {"name": "x.json", "mimeType": "application/json", "buffer": text.encode()}
    page.locator('input[type="file"]').set_input_files([file])  # type: ignore[list-item]
    expect(page.get_by_role("alert")).to_be_visible()
    page.keyboard.press("Escape")
    assert tabs(page) == before


def test_a_window_of_its_own_shows_one_panel(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    panel = json.dumps({"kind": "board", "link": "blue", "settings": {"board": "losers"}})
    page.goto(f"{gateway.url}?panel={panel}")
    expect(page.get_by_role("tab")).to_have_count(1)
    expect(page.get_by_test_id("alone").locator("[data-symbol]")).to_have_count(3)


def test_a_log_in_is_asked_where_it_must_be(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    nobody = {"name": "", "role": "nobody", "via": "", "csrf": "", "accounts": True}
    gateway.me = {**nobody, "setup": False}
    page.goto(gateway.url)
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password").fill("a long password")
    ann = {"name": "ann", "role": "trader", "via": "session", "csrf": "proof", "accounts": True}
    gateway.answers["/api/login"] = {**ann, "setup": False}
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_test_id("board-1").locator("[data-symbol]")).to_have_count(3)
    assert gateway.asked_rest[0][2] == {"name": "ann", "password": "a long password"}


def test_a_session_that_is_over_asks_for_a_log_in(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    ann = {"name": "ann", "role": "trader", "via": "session", "csrf": "proof", "accounts": True}
    gateway.me = {**ann, "setup": False}
    opened(gateway, page)
    page.evaluate("window.kept = true")
    gateway.me = {**ann, "name": "", "role": "nobody", "setup": False}
    gateway.refusing = True
    gateway.drop()
    expect(page.get_by_test_id("login")).to_contain_text("Your session is over. Log in to go on.")
    expect(page.get_by_text("Data stand still")).to_have_count(0)
    expect(page.get_by_test_id("board-1")).to_have_count(0)
    expect(page.get_by_test_id("phase")).to_have_text("NO STATUS YET")
    gateway.refusing = False
    gateway.me = gateway.answers["/api/login"] = {**ann, "setup": False}
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password").fill("a long password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_test_id("board-1").locator("[data-symbol]")).to_have_count(3)
    expect(page.get_by_test_id("phase")).to_have_text("pre-market")
    assert page.evaluate("window.kept")


PANELS = (
    "Watchlist", "Halts", "Armed", "Signal log", "Why", "Track record", "Market table", "Alerts",
    "Feeds and data", "System", "Scan editor", "Option chain", "Correlation",
)  # fmt: skip


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_who_can_not_see_or_point_can_use_it(gateway: FakeGateway, page: Page, theme: str) -> None:
    prepare(gateway, {**ROWS})
    answered(gateway)
    gateway.snapshot("signals", {"signals": [{**signal("new high"), "why": LEAVES}]})
    opened(gateway, page)
    if theme == "light":
        page.keyboard.press("t")
    page.evaluate(AXE.read_text("utf-8"))
    problems = serious(page)
    for panel in PANELS:
        add(page, panel)
        page.wait_for_load_state("networkidle")
        problems += [f"{panel}: {each}" for each in serious(page)]
    for sheet in ("F1", "Control+k", "/"):
        page.keyboard.press(sheet)
        problems += [f"{sheet}: {each}" for each in serious(page)]
        page.keyboard.press("Escape")
    assert sorted(set(problems)) == []


def serious(page: Page) -> list[str]:
    """Return what axe finds serious or critical, with the element."""
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{each['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"][:3]
    ]
