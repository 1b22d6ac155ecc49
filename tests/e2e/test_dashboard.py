"""The built dashboard in a real browser: what is sent is what is seen."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from e2e.gateway import FakeGateway

Json = Any
MINUS = "\u2212"
UNKNOWN = "\u2013"
pytestmark = [pytest.mark.browser, pytest.mark.timeout(90)]
expect.set_options(timeout=15_000)

COLUMNS = [
    {"name": "symbol", "unit": "", "doc": "The ticker."},
    {"name": "last", "unit": "$", "doc": "The last eligible print."},
    {"name": "chg_pct", "unit": "%", "doc": "100 * (last - prev_close) / prev_close"},
    {"name": "vol", "unit": "shares", "doc": "Shares since 04:00."},
    {"name": "rvol_tod", "unit": "", "doc": "Volume over its mean at this time of day."},
    {"name": "halted", "unit": "", "doc": "Trading is halted."},
]
ROWS: dict[str, list[Json]] = {
    "AAPL": ["AAPL", 231.4567, 12.345, 1_234_567, 3.21, False],
    "PNNY": ["PNNY", 0.4321, -3.5, 987, None, False],
    "HALT": ["HALT", 1234.5, 0.0, 2_500_000_000, 12.0, True],
}
SEEN = {
    "AAPL": {"last": "231.46", "chg_pct": "+12.35", "vol": "1.23M", "rvol_tod": "3.21"},
    "PNNY": {"last": "0.4321", "chg_pct": f"{MINUS}3.50", "vol": "987", "rvol_tod": UNKNOWN},
    "HALT": {"last": "1234.50", "chg_pct": "0.00", "vol": "2.50B", "rvol_tod": "12.00"},
}
OPEN_S = 1_795_185_000  # 2026-11-20 09:30 New York
STATUS = {
    "phase": "pre",
    "session": "2026-11-20",
    "feed": {"name": "massive", "state": "live", "coverage": "SIP", "detail": "T.* Q.*"},
    "events_s": 12_345.0,
    "lag_ms": {"p50": 9.0, "p99": 41.6},
    "rows": 11_000,
    "stale": 3,
    "gaps": 1,
    "quarantined": 2,
    "rate": 1.0,
}
BARS = [[OPEN_S - 120 + 60 * n, 230.0, 232.0, 229.0, 231.0 + n, 1000 * n] for n in range(4)]


def board(name: str, title: str, rows: dict[str, list[Json]]) -> dict[str, Json]:
    head = {"name": name, "title": title, "board_kind": "list", "columns": COLUMNS}
    return {**head, "order": list(rows), "rows": {name: [*row] for name, row in rows.items()}}


def prepare(gateway: FakeGateway, rows: dict[str, list[Json]] = ROWS) -> None:
    """Give the gateway two boards, one symbol, a status and no signal."""
    gateway.ts_ns = (OPEN_S - 90) * 10**9 + 250_000_000
    for name, title in (("gainers", "Top gainers"), ("losers", "Top losers")):
        gateway.boards.append({"name": name, "title": title, "kind": "list", "doc": "chg_pct >= 3"})
        gateway.snapshot(f"board:{name}", board(name, title, rows))
    values = {c["name"]: v for c, v in zip(COLUMNS, ROWS["AAPL"], strict=True)}
    columns = [{**column, "topic": "price"} for column in COLUMNS]
    columns += [{"name": "prev_close", "unit": "$", "doc": "Official close.", "topic": "price"}]
    body = {"values": {**values, "prev_close": 206.02}, "columns": columns}
    gateway.snapshot("symbol:AAPL", body)
    gateway.snapshot("bars:AAPL:1m", {"bars": BARS})
    gateway.snapshot("signals", {"signals": []})
    gateway.snapshot("status", {"status": STATUS})


def opened(gateway: FakeGateway, page: Page) -> Locator:
    """Open the page and return its first board, when it has its rows."""
    page.goto(gateway.url)
    pane = page.get_by_test_id("board-1")
    expect(pane.locator("[data-symbol]").first).to_be_visible()
    return pane


def cell(pane: Locator, symbol: str, column: str) -> Locator:
    return pane.locator(f'[data-symbol="{symbol}"] [data-column="{column}"]')


def order(pane: Locator) -> list[str]:
    rows = pane.locator("[data-symbol]")
    return [str(row.get_attribute("data-symbol")) for row in rows.all()]


def signal(text: str, symbol: str = "AAPL") -> dict[str, Json]:
    head = {"id": text, "scan": "hod_momo", "symbol": symbol, "state": "fired", "values": {}}
    return {**head, "ts_ns": OPEN_S * 10**9, "text": text}


def test_a_small_screen_keeps_the_marks_of_doubtful_data(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    page.set_viewport_size({"width": 1280, "height": 720})
    opened(gateway, page)
    expect(page.get_by_test_id("stale")).to_have_text("3")
    facts = page.get_by_test_id("facts").bounding_box()
    assert facts is not None
    for mark in ("feed", "lag", "stale", "gaps", "bad"):
        box = page.get_by_test_id(mark).bounding_box()
        assert box is not None, mark
        assert box["y"] < facts["y"] + facts["height"], mark
    assert page.evaluate("document.querySelector('header').scrollWidth") <= 1280


def test_values_on_the_screen_are_those_sent(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    pane = opened(gateway, page)
    assert order(pane) == ["AAPL", "PNNY", "HALT"]
    for symbol, columns in SEEN.items():
        for column, text in columns.items():
            expect(cell(pane, symbol, column)).to_have_text(text)
    expect(page.get_by_test_id("board-2").locator("[data-symbol]")).to_have_count(3)
    expect(pane.locator('[data-symbol="HALT"] .flag')).to_have_text("H")
    expect(page.get_by_test_id("events")).to_have_text("12.35K")
    expect(page.get_by_test_id("lag")).to_have_text("42 ms")
    expect(page.get_by_test_id("stale")).to_have_text("3")
    expect(page.get_by_test_id("gaps")).to_have_text("1")
    expect(page.get_by_test_id("phase")).to_have_text("pre-market")
    expect(page.get_by_test_id("feed")).to_have_text("massive live")
    expect(page.get_by_test_id("clock")).to_contain_text("09:28:3")


def test_a_row_opens_chart_and_card(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    pane = opened(gateway, page)
    pane.locator('[data-symbol="AAPL"]').click()
    expect(page.get_by_test_id("symbol")).to_have_text("AAPL")
    expect(page.get_by_test_id("chart")).to_have_attribute("data-bars", "4")
    expect(page.locator('[data-value="vol"]')).to_have_text("1.23M")
    expect(page.locator('[data-value="prev_close"]')).to_have_text("206.02")
    gateway.diff("symbol:AAPL", {"values": {"last": 240.0}})
    gateway.diff("bars:AAPL:1m", {"bars": [[OPEN_S + 120, 234.0, 240.0, 234.0, 240.0, 5]]})
    expect(page.get_by_test_id("last")).to_have_text("240.00")
    expect(page.get_by_test_id("chart")).to_have_attribute("data-bars", "5")
    expect(page.locator("#tv-attr-logo")).to_be_visible()
    assert {"symbol:AAPL", "bars:AAPL:1m"} <= gateway.followed()


def test_diffs_are_applied(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    pane = opened(gateway, page)
    newcomer = ["NEWC", 5.0, 40.0, 1000, 9.0, False]
    gateway.diff(
        "board:gainers",
        {
            "order": ["NEWC", "PNNY", "AAPL"],
            "rows": {"NEWC": newcomer},
            "cells": [["PNNY", 1, 0.5], ["AAPL", 4, None]],
        },
    )
    expect(cell(pane, "NEWC", "chg_pct")).to_have_text("+40.00")
    expect(cell(pane, "PNNY", "last")).to_have_text("0.5000")
    expect(cell(pane, "AAPL", "rvol_tod")).to_have_text(UNKNOWN)
    expect(pane.locator('[data-symbol="PNNY"] .rank')).to_have_text("2")
    expect(pane.locator('[data-symbol="AAPL"] .rank')).to_contain_text("▼")
    # The row that left is a ghost first, then gone.
    expect(pane.locator('[data-symbol="HALT"]')).to_have_count(0)
    assert order(pane) == ["NEWC", "PNNY", "AAPL"]
    assert order(page.get_by_test_id("board-2")) == ["AAPL", "PNNY", "HALT"]


def test_space_holds_the_order_and_values_go_on(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    pane = opened(gateway, page)
    page.keyboard.press("Space")
    expect(page.get_by_test_id("held").first).to_be_visible()
    gateway.diff("board:gainers", {"order": ["PNNY", "AAPL", "HALT"], "cells": [["AAPL", 1, 99.0]]})
    expect(cell(pane, "AAPL", "last")).to_have_text("99.00")
    assert order(pane) == ["AAPL", "PNNY", "HALT"]
    page.keyboard.press("Space")
    expect(pane.locator("[data-symbol]").first).to_have_attribute("data-symbol", "PNNY")


def test_events_come_newest_first(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    opened(gateway, page)
    tape = page.get_by_test_id("tape")
    expect(tape).to_contain_text("No event yet")
    gateway.diff("signals", {"signals": [signal("first")]})
    gateway.diff("signals", {"signals": [{**signal("second"), "ts_ns": (OPEN_S + 1) * 10**9}]})
    expect(tape.locator(".event")).to_have_count(2)
    expect(tape.locator(".event .text").first).to_have_text("second")
    expect(tape.locator(".event").first).to_contain_text("09:30:01")


def test_a_lost_connection_is_told_and_resumed(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    pane = opened(gateway, page)
    page.evaluate("window.sameDocument = true")
    gateway.refusing = True
    gateway.drop()
    expect(page.get_by_role("alert")).to_contain_text("Data stand still since 09:28:3")
    expect(page.get_by_role("alert")).to_contain_text("the gateway restarts")
    gateway.diff("board:gainers", {"cells": [["AAPL", 1, 250.0]]})
    gateway.refusing = False
    expect(cell(pane, "AAPL", "last")).to_have_text("250.00")
    expect(page.get_by_role("alert")).to_have_count(0)
    (resumed,) = gateway.asked("resume")
    assert resumed["epoch"] == "run-1"
    assert resumed["topics"]["board:gainers"] == 1
    assert page.evaluate("window.sameDocument") is True


def test_a_restarted_gateway_is_followed(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    pane = opened(gateway, page)
    gateway.epoch = "run-2"
    gateway.snapshot("board:gainers", board("gainers", "Top gainers", {"AAPL": ROWS["AAPL"]}))
    gateway.drop()
    expect(pane.locator("[data-symbol]")).to_have_count(1)
    expect(page.get_by_role("status")).to_contain_text("was not filled")


def test_a_hole_in_the_sequence_is_mended(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    pane = opened(gateway, page)
    gateway.diff("board:gainers", {"cells": [["AAPL", 1, 1.0]]}, lose=True)
    gateway.topics["board:gainers"].snapshot["rows"]["AAPL"] = ["AAPL", 77.0, 1, 1, 1, False]
    gateway.diff("board:gainers", {"cells": [["PNNY", 1, 0.9]]})
    expect(cell(pane, "AAPL", "last")).to_have_text("77.00")


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=window.pwned=1>",
        "</bdi><script>window.pwned=1</script>",
        "{@html '<b>x</b>'} ${window.pwned=1} javascript:window.pwned=1",
        "\u202egnp.exe\u202c \u0000\ufeff\U0001f680",
    ],
)
def test_hostile_text_is_inert(gateway: FakeGateway, page: Page, text: str) -> None:
    prepare(gateway, {text: [text, 1.0, 5.0, 10, 1.0, False]})
    gateway.snapshot("signals", {"signals": [{**signal(text, text), "scan": text, "state": text}]})
    gateway.snapshot(f"symbol:{text}", {"values": {"name": text}, "columns": COLUMNS})
    gateway.snapshot(f"bars:{text}:1m", {"bars": []})
    pane = opened(gateway, page)
    row = pane.locator("[data-symbol]").first
    assert row.get_attribute("data-symbol") == text
    assert row.locator("bdi").first.evaluate("node => node.textContent") == text
    row.click()
    expect(page.locator("#app img, #app script, #app b b")).to_have_count(0)
    assert page.get_by_test_id("symbol").evaluate("node => node.textContent") == text
    assert page.get_by_test_id("tape").locator(".text").evaluate("node => node.textContent") == text
    assert page.evaluate("window.pwned") is None


def test_the_keyboard_leads_through_the_page(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    opened(gateway, page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("symbol")).to_have_text("AAPL")
    page.keyboard.press("2")
    picker = page.get_by_role("combobox", name="Board", exact=True).first
    expect(picker).to_have_value("losers")
    page.keyboard.press("F1")
    expect(page.get_by_test_id("help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("help")).to_have_count(0)
    page.keyboard.press("/")
    page.get_by_test_id("search").fill("nope")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("symbol:NOPE is not watched.")
    expect(page.get_by_test_id("symbol-panel")).to_contain_text("symbol:NOPE is not watched.")


def test_a_symbol_of_another_feed_gives_way_to_the_top_row(
    gateway: FakeGateway, page: Page
) -> None:
    prepare(gateway)
    opened(gateway, page)
    expect(page.get_by_test_id("symbol")).to_have_text("AAPL")
    page.evaluate("""localStorage.setItem("tapelight-links", '{"blue": "GONE"}')""")
    page.reload()
    expect(page.get_by_test_id("symbol")).to_have_text("AAPL")
    expect(page.get_by_test_id("last")).to_have_text("231.46")


def test_many_rows_are_virtualised(gateway: FakeGateway, page: Page) -> None:
    rows = {f"S{n:03d}": [f"S{n:03d}", 1.0 + n, 5.0, 10, 1.0, False] for n in range(500)}
    prepare(gateway, rows)
    pane = opened(gateway, page)
    assert pane.locator("[data-symbol]").count() < 60
    pane.get_by_role("table").evaluate("node => node.scrollTo(0, node.scrollHeight)")
    expect(cell(pane, "S499", "last")).to_have_text("500.00")
    assert pane.locator("[data-symbol]").count() < 60


def test_one_websocket_and_nothing_foreign(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    sockets: list[str] = []
    asked: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.on("request", lambda request: asked.append(request.url))
    pane = opened(gateway, page)
    pane.locator('[data-symbol="AAPL"]').click()
    expect(page.get_by_test_id("chart")).to_have_attribute("data-bars", "4")
    assert len(sockets) == 1
    assert [url for url in asked if not url.startswith(gateway.url)] == []
    assert {url for url in asked if "/api/" in url} == {
        f"{gateway.url}api/me",
        f"{gateway.url}api/boards",
        f"{gateway.url}api/mutes",
    }


def test_an_empty_board_says_what_to_do(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway, {})
    gateway.boards[1]["phases"] = ["post"]
    page.goto(gateway.url)
    page.get_by_role("combobox", name="Board", exact=True).nth(1).select_option("losers")
    expect(page.get_by_test_id("board-1")).to_contain_text("No symbol meets the rule")
    expect(page.get_by_test_id("board-1")).to_contain_text("chg_pct >= 3")
    expect(page.get_by_test_id("board-2")).to_contain_text(
        "ranked in: after hours. Now: pre-market."
    )
    expect(page.get_by_test_id("symbol-panel")).to_contain_text("No symbol selected")


def test_the_bell_changes_boards_that_nobody_chose(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    gateway.boards[0]["phases"] = ["pre"]
    gateway.boards.append({"name": "open", "title": "From open", "kind": "list"})
    gateway.snapshot("board:open", board("open", "From open", {"PNNY": ROWS["PNNY"]}))
    opened(gateway, page)
    pickers = page.get_by_role("combobox", name="Board", exact=True)
    expect(pickers.nth(0)).to_have_value("gainers")
    gateway.diff("status", {"status": {**STATUS, "phase": "regular"}})
    expect(pickers.nth(0)).to_have_value("open")
    expect(pickers.nth(1)).to_have_value("losers")
    expect(page.get_by_test_id("board-1").locator("[data-symbol]")).to_have_count(1)
    pickers.nth(0).select_option("gainers")
    page.reload()
    expect(pickers.nth(0)).to_have_value("gainers")
    expect(page.get_by_test_id("board-1").locator("[data-symbol]")).to_have_count(3)


def test_a_column_explains_itself(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    pane = opened(gateway, page)
    pane.get_by_text("Chg %").hover()
    expect(page.get_by_role("tooltip")).to_contain_text("100 * (last - prev_close) / prev_close")


def test_themes_are_kept(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    opened(gateway, page)
    page.keyboard.press("t")
    page.keyboard.press("b")
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "light")
    page.reload()
    expect(root).to_have_attribute("data-theme", "light")
    expect(root).to_have_attribute("data-palette", "blue-orange")
