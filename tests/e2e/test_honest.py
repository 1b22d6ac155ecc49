"""The page never shows what it does not know: the past, old values, what is no more, what is muted."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.gateway import FakeGateway
from e2e.test_dashboard import (
    COLUMNS,
    OPEN_S,
    ROWS,
    STATUS,
    board,
    cell,
    opened,
    order,
    prepare,
    signal,
)
from e2e.test_orders import HELD, ORDER, PNL, traded
from e2e.test_workspace import AXE, add, answered, serious

Json = Any
NS = 10**9
pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
PAST = {
    "name": "gainers", "title": "Top gainers", "kind": "list", "columns": COLUMNS,
    "order": ["PNNY"], "rows": [{"symbol": "PNNY", "last": 0.4, "chg_pct": 3.0, "vol": 5}],
}  # fmt: skip


def asked(gateway: FakeGateway, path: str) -> list[str]:
    """Return the queries that were asked of a path."""
    return [target for _, target, _ in gateway.asked_rest if target.startswith(path)]


def test_a_board_without_an_answer_shows_no_row_of_the_present(
    gateway: FakeGateway, page: Page
) -> None:
    prepare(gateway)
    answered(gateway)
    gateway.answers["/api/boards/gainers"] = PAST
    pane = opened(gateway, page)
    page.keyboard.press("[")
    expect(page.locator("main.past")).to_have_count(1)
    expect(page.locator("main.behind")).to_have_count(0)
    # The rows that left are no ghosts: they are of another time.
    assert order(pane) == ["PNNY"]
    other = page.get_by_test_id("board-2")
    expect(other).to_contain_text("Nothing is at /api/boards/losers.")
    expect(other.locator("[data-symbol]")).to_have_count(0)
    expect(page.get_by_test_id("facts")).to_contain_text("NOW")
    page.keyboard.press("0")
    expect(other.locator("[data-symbol]")).to_have_count(3)
    expect(pane.locator("[data-symbol]")).to_have_count(3)
    expect(page.locator("main.behind")).to_have_count(0)


def test_a_past_firing_has_its_time_and_the_tape_is_of_then(
    gateway: FakeGateway, page: Page
) -> None:
    prepare(gateway)
    answered(gateway)
    told = {"kind": "events", "order": [f"PNNY@{(OPEN_S - 300) * 1000}"]}
    gateway.answers["/api/boards/gainers"] = {**PAST, **told}
    then = [
        {**signal("then"), "ts_ns": (OPEN_S - 200) * NS},
        {**signal("later"), "ts_ns": OPEN_S * NS},
    ]
    gateway.answers["/api/signals"] = {"signals": then}
    pane = opened(gateway, page)
    page.keyboard.press("[")
    expect(pane.locator('[data-symbol="PNNY"] .rank')).to_have_text("09:25:00")
    tape = page.get_by_test_id("tape")
    expect(tape.locator(".event .text")).to_have_text(["then"])
    (query,) = [each for each in asked(gateway, "/api/signals") if "until=" in each]
    assert "state=fired" in query
    assert "armed" not in query
    page.get_by_role("tab", name="Armed").click()
    expect(page.get_by_test_id("armed")).to_contain_text("is known by scan")
    page.get_by_role("tab", name="Positions").click()
    expect(page.get_by_text("Of the present, not of the time in the bar.")).to_be_visible()


def test_what_is_old_bears_its_mark(gateway: FakeGateway, page: Page) -> None:
    traded(gateway)
    values = {"last": 231.5, "chg_pct": 1.0, "stale": True, "provisional": True}
    gateway.snapshot("symbol:AAPL", {"values": values, "columns": COLUMNS})
    gateway.answers["/api/positions"] = [{**HELD, "stale": True}]
    rows = [{**row, "stale": True} for row in PNL["rows"]]
    gateway.answers["/api/pnl"] = {**PNL, "rows": rows}
    row = {**gateway.answers["/api/market"]["rows"][0], "stale": True, "provisional": False}
    gateway.answers["/api/market"] = {"rows": [row]}
    opened(gateway, page)
    expect(page.get_by_test_id("symbol-panel").locator(".bar")).to_contain_text("STALE")
    expect(page.get_by_test_id("symbol-panel").locator(".bar")).to_contain_text("PROVISIONAL")
    expect(page.locator(".legend")).to_contain_text("STALE")
    page.get_by_role("tab", name="Positions").click()
    expect(page.get_by_test_id("positions").locator(".mark")).to_have_count(3)
    page.get_by_role("tab", name="Halts").click()
    expect(page.get_by_test_id("halts").locator(".mark")).to_have_text("STALE")
    page.get_by_role("tab", name="Market table").click()
    expect(page.locator('[data-symbol="HALT"] .flag', has_text="STALE").last).to_be_visible()
    queries = [each for each in asked(gateway, "/api/market") if "columns=" in each]
    assert len(queries) >= 2
    assert all("stale" in each and "provisional" in each for each in queries)
    page.evaluate(AXE.read_text("utf-8"))
    assert serious(page) == []


def test_the_halt_desk_knows_what_it_does_not_know(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    opened(gateway, page)
    page.get_by_role("tab", name="Halts").click()
    halts = page.get_by_role("tabpanel").filter(has=page.get_by_test_id("halts"))
    expect(halts.get_by_role("alert")).to_contain_text("Nothing is at /api/market.")
    expect(halts).not_to_contain_text("Nothing is halted")
    near = {"halted": False, "luld_dist_pct": 1.0, "secs_since_resume": None, "stale": False}
    blank = dict.fromkeys(
        ("last", "chg_pct", "halt_code", "halt_time", "resume_time", "halts_today", "luld_up",
         "luld_dn", "limit_s", "halt_suspected", "provisional")
    )  # fmt: skip
    rows = [{**blank, **near, "symbol": f"S{n}"} for n in range(200)]
    gateway.answers["/api/market"] = {"rows": rows}
    expect(halts).to_contain_text("200+")
    expect(halts).to_contain_text("More than 200 symbols")
    assert all(
        "order=CASE" in each for each in asked(gateway, "/api/market?columns=symbol%2C+name")
    )


def test_a_board_that_is_no_more_says_so(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    pane = opened(gateway, page)
    page.get_by_role("combobox", name="Board", exact=True).first.select_option("gainers")
    gateway.boards.pop(0)
    gateway.refuse("board:gainers", "There is no board gainers.")
    expect(pane).to_contain_text("There is no board gainers.")
    expect(pane.locator("[data-symbol]")).to_have_count(0)
    # The list of boards was read again: it is offered no more.
    picker = page.get_by_role("combobox", name="Board", exact=True).nth(1)
    expect(picker.locator("option")).to_have_count(1)


def test_one_symbols_fills_are_not_anothers(gateway: FakeGateway, page: Page) -> None:
    traded(gateway)
    gateway.snapshot("symbol:PNNY", {"values": {"last": 0.4}, "columns": COLUMNS})
    gateway.snapshot("bars:PNNY:1m", gateway.topics["bars:AAPL:1m"].snapshot)
    pane = opened(gateway, page)
    pane.locator('[data-symbol="AAPL"]').click()
    expect(page.get_by_test_id("chart")).to_have_attribute("data-fills", "1")
    del gateway.answers["/api/fills"]
    pane.locator('[data-symbol="PNNY"]').click()
    expect(page.get_by_test_id("chart")).to_have_attribute("data-fills", "0")
    expect(page.locator(".legend")).to_contain_text("Fills are not known")


def test_a_mute_is_kept_by_the_gateway(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    gateway.answers |= {"/api/mutes": [], "/api/mutes/AAPL": {"name": "AAPL", "until_ns": 1}}
    gateway.snapshot("signals", {"signals": [signal("first"), signal("second", "PNNY")]})
    gateway.snapshot("alerts:local", {"alerts": []})
    pane = opened(gateway, page)
    tape = page.get_by_test_id("tape")
    expect(tape.locator(".event")).to_have_count(2)
    pane.locator('[data-symbol="AAPL"]').hover()
    page.keyboard.press("j")
    page.keyboard.press("m")
    expect(page.get_by_text("AAPL is muted today.")).to_be_visible()
    expect(tape.locator(".event")).to_have_count(1)
    # 09:28:30 in New York: ten hours and 32 minutes are left.
    assert ("PUT", "/api/mutes/AAPL", {"minutes": 632}) in gateway.asked_rest
    about = {"rule": "r", "kind": "signal", "scan": "s", "ts_ns": OPEN_S * NS, "sound": "",
             "speak": False}  # fmt: skip
    gateway.diff("alerts:local", {"alerts": [{**about, "id": "1", "symbol": "AAPL", "text": "no"}]})
    gateway.diff("alerts:local", {"alerts": [{**about, "id": "2", "symbol": "PNNY", "text": "up"}]})
    expect(page.get_by_text("PNNY up")).to_be_visible()
    # A second browser of the user knows it without having muted anything.
    gateway.answers["/api/mutes"] = [{"name": "PNNY", "until_ns": 2}]
    page.evaluate("localStorage.clear()")
    page.reload()
    expect(tape.locator(".event .text")).to_have_text(["first"])


def test_alerts_that_came_meanwhile_are_told(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    about = {"rule": "r", "kind": "signal", "scan": "s", "ts_ns": (OPEN_S - 9_000) * NS,
             "sound": "", "speak": False, "symbol": "AAPL"}  # fmt: skip
    old = {**about, "id": "1", "text": "was told"}
    gateway.snapshot("alerts:local", {"alerts": [old]})
    opened(gateway, page)
    expect(page.get_by_role("status")).to_have_count(0)
    page.goto("about:blank")
    fresh = [{**about, "id": "2", "text": "new high"}, old]
    gateway.snapshot("alerts:local", {"alerts": fresh})
    opened(gateway, page)
    expect(page.get_by_role("status")).to_have_text("AAPL new high")
    # An alert's own time moves no clock.
    expect(page.get_by_test_id("clock")).to_contain_text("09:28:3")


def test_an_order_keeps_its_place_and_is_approved_by_a_second_press(
    gateway: FakeGateway, page: Page
) -> None:
    traded(gateway, mode="live")
    other = {**ORDER, "id": "tl-0", "symbol": "PNNY", "made_ns": (OPEN_S + 5) * NS}
    gateway.answers["/api/approvals"] = [other, ORDER]
    opened(gateway, page)
    page.get_by_role("tab", name="Approvals").click()
    entries = page.get_by_test_id("approvals").locator(".entry")
    expect(entries.locator("button.symbol")).to_have_text(["AAPL", "PNNY"])
    entries.nth(1).hover()
    gateway.answers["/api/approvals"] = [other]
    expect(entries.first).to_contain_text("waits no more")
    expect(entries.first.get_by_role("button", name="Approve")).to_be_disabled()
    entries.nth(1).get_by_role("button", name="Approve").click()
    sure = entries.nth(1).get_by_role("button", name="LIVE: sure?")
    expect(sure).to_have_attribute("aria-disabled", "false")  # sooner it is a double click
    assert [each for each in gateway.asked_rest if each[0] == "POST"] == []
    gateway.answers["/api/approvals/tl-0/approve"] = {"subject": "tl-0", "answer": "It goes."}
    sure.click()
    expect(page.get_by_text("It goes.")).to_be_visible()
    page.mouse.move(5, 5)
    expect(entries).to_have_count(1)


def test_a_list_that_could_not_be_read_is_not_written_over(
    gateway: FakeGateway, page: Page
) -> None:
    prepare(gateway)
    opened(gateway, page)
    page.keyboard.press("j")
    page.keyboard.press("w")
    expect(page.get_by_text("nothing was changed, for the list can't be read")).to_be_visible()
    assert [each for each in gateway.asked_rest if each[0] == "PUT"] == []
    kept = {"name": "Main", "version": 4, "shared": True, "mine": True, "body": {"symbols": ["X"]}}
    gateway.answers |= {"/api/watchlists": [kept], "/api/watchlists/Main": {**kept, "version": 5}}
    page.keyboard.press("w")
    expect(page.get_by_text("AAPL is on the watchlist Main.")).to_be_visible()
    written = {"symbols": ["X", "AAPL"], "shared": True}
    assert ("PUT", "/api/watchlists/Main", written) in gateway.asked_rest


def test_a_tap_on_a_telephone_shows_the_symbol(gateway: FakeGateway, browser: Browser) -> None:
    prepare(gateway)
    gateway.snapshot("signals", {"signals": [signal("first")]})
    gateway.snapshot("status", {"status": {**STATUS, "stale": 7}})
    context = browser.new_context(viewport={"width": 390, "height": 780}, has_touch=True)
    page = context.new_page()
    page.goto(gateway.url)
    page.get_by_test_id("tape").locator(".event").first.tap()
    page.get_by_role("navigation").get_by_role("button", name="Symbol").tap()
    expect(page.get_by_test_id("symbol")).to_have_text("AAPL")
    expect(page.get_by_test_id("last")).to_have_text("231.46")
    expect(page.get_by_test_id("stale")).to_have_text("7 stale")
    page.get_by_role("navigation").get_by_role("button", name="Events").tap()
    page.get_by_label("Scan").select_option("hod_momo")
    expect(page.get_by_label("Scan")).to_have_value("hod_momo")
    context.close()


def test_a_rule_keeps_what_it_had(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    answered(gateway)
    gateway.boards.append({"name": "hod", "title": "Highs", "kind": "events"})
    rule = {"scans": ["hod"], "cooldown_s": 60.0, "watchlist": "Main", "channels": ["hook"]}
    doc = {"name": "hod", "version": 3, "shared": False, "mine": True, "body": rule}
    level = {"symbol": "AAPL", "side": "above", "price": 9.0, "expires_ns": (OPEN_S - 900) * NS}
    past = {"name": "l", "version": 1, "shared": False, "mine": True, "body": level}
    gateway.answers |= {"/api/alerts": [doc], "/api/alerts/hod": doc, "/api/levels": [past]}
    opened(gateway, page)
    add(page, "Alerts")
    alerts = page.get_by_test_id("alerts")
    expect(alerts).to_contain_text("expired 09:15:00")
    alerts.get_by_test_id("level").fill("1,000")
    alerts.get_by_role("button", name="Alert me").first.click()
    expect(alerts.get_by_role("alert")).to_contain_text("“1,000” is no price")
    alerts.get_by_label("Scan", exact=True).select_option("hod")
    with page.expect_response(lambda response: response.request.method == "PUT"):
        alerts.get_by_role("button", name="Alert me").nth(1).click()
    expect(alerts.get_by_role("alert")).to_have_count(0)
    ((_, _, written),) = [each for each in gateway.asked_rest if each[0] == "PUT"]
    assert written == {**rule, "new_only": False, "sound": "hod", "shared": False}


def test_cells_never_stand_under_other_columns(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    pane = opened(gateway, page)
    page.keyboard.press("Space")
    turned = board("gainers", "Top gainers", {"PNNY": ["PNNY", 7, 3.0, 0.5, 1.0, False]})
    turned["columns"] = [COLUMNS[0], COLUMNS[3], COLUMNS[2], COLUMNS[1], *COLUMNS[4:]]
    gateway.snapshot("board:gainers", turned)
    expect(cell(pane, "PNNY", "last")).to_have_text("0.5000")
    assert order(pane) == ["PNNY"]
    assert set(ROWS) == {"AAPL", "PNNY", "HALT"}


def test_the_risk_of_what_is_held_has_a_picture(gateway: FakeGateway, page: Page) -> None:
    traded(gateway)
    held = {
        "symbol": "AAPL", "quantity": 100.0, "last": 231.5, "stale": True, "sector": "Technology",
        "volatility_pct": 28.0, "beta": 1.2, "delta_dollars": 23150.0, "delta": 100.0,
        "gamma": 0.0, "theta": 0.0, "vega": 0.0, "value_at_risk": 950.0,
    }  # fmt: skip
    counts = [1, 3, 9, 30, 80, 160, 240, 240, 160, 80, 30, 9, 3, 1]
    gateway.answers["/api/portfolio"] = {
        "days": 1.0, "confidence": 0.99, "paths": 20_000, "index": "SPY", "net": 23150.0,
        "gross": 23150.0, "long": 23150.0, "short": 0.0, "beta_dollars": 27780.0,
        "by_sector": {"Technology": 23150.0}, "rows": [held],
        "parametric": {"value_at_risk": 950.0, "expected_shortfall": 1088.0},
        "monte_carlo": {"value_at_risk": 943.0, "expected_shortfall": 1080.0},
        "picture": {"low": -1700.0, "high": 1700.0, "counts": counts, "mean": 1.0,
                    "deviation": 408.0, "loss_share": 0.498},
        "left_out": [{"symbol": "NEWC", "reason": "its volatility is not known"}],
    }  # fmt: skip
    opened(gateway, page)
    add(page, "Portfolio risk")
    panel = page.get_by_test_id("portfolio")
    expect(panel.locator("svg rect")).to_have_count(len(counts))
    expect(panel.get_by_test_id("var")).to_have_text("943.00")
    expect(panel).to_contain_text("50 % end in a loss")
    expect(panel.locator(".entry .mark")).to_have_text("STALE")
    expect(panel).to_contain_text("NEWC its volatility is not known")
    page.get_by_label("Confidence").select_option("95")
    page.get_by_label("Horizon").select_option("10")
    gateway.answers["/api/portfolio"] = {**gateway.answers["/api/portfolio"], "rows": []}
    expect(panel.locator(".entry")).to_have_count(0)
    assert "/api/portfolio?confidence=95&days=10" in asked(gateway, "/api/portfolio")
    page.evaluate(AXE.read_text("utf-8"))
    assert serious(page) == []


def test_a_text_is_tried_before_it_is_saved(gateway: FakeGateway, page: Page) -> None:
    prepare(gateway)
    answered(gateway)
    change = {"change": "+", "symbol": "AAPL", "at": "x", "ts_ns": OPEN_S * NS}
    case = {"scan": "mine", "case": "a new high", "ok": False, "expected": ["A"], "got": []}
    gateway.answers["/api/scans/try"] = {
        "run": "2026-11-19/0001", "kind": "events", "hours": 6.5, "fires": 26, "per_hour": 4.0,
        "difference": {"added": 3, "gone": 1, "same": 23, "changes": [change]}, "cases": [case],
    }  # fmt: skip
    opened(gateway, page)
    add(page, "Scan editor")
    editor = page.get_by_test_id("editor")
    editor.get_by_role("button", name="Mine").click()
    expect(editor).to_contain_text("✓ sound")
    editor.get_by_role("button", name="Try").click()
    told = page.get_by_test_id("tried")
    expect(told).to_contain_text("4.0 signals an hour: 26 in 6.5 h of 2026-11-19/0001.")
    expect(told).to_contain_text("+3 \u22121, 23 the same.")
    expect(told).to_contain_text("✗ a new high")
    expect(told.get_by_role("button")).to_have_text("+AAPL 09:30:00")
    asked_for = [body for _, target, body in gateway.asked_rest if target == "/api/scans/try"]
    assert [body["name"] for body in asked_for] == ["mine"]
    page.evaluate(AXE.read_text("utf-8"))
    assert serious(page) == []
