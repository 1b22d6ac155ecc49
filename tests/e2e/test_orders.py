"""Orders on the page: what is asked of the trader, the kill switch, and what the past forbids."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.gateway import FakeGateway
from e2e.test_dashboard import OPEN_S, STATUS, opened, prepare
from e2e.test_workspace import AXE, add, answered, serious

Json = Any
NS = 1_000_000_000
pytestmark = [pytest.mark.browser, pytest.mark.timeout(90)]
OFF = {"on": False, "reason": "", "by": "", "ts_ns": 0, "flatten": False}
ON = {"on": True, "reason": "by hand", "by": "local", "ts_ns": OPEN_S * NS, "flatten": False}
TRADER = {"state": "ready", "mode": "dry-run", "reason": "", "kill": OFF}
ORDER = {
    "id": "tl-1", "state": "held", "purpose": "entry", "symbol": "AAPL", "side": "buy",
    "quantity": "100", "kind": "stop_limit", "limit": "10.05", "stop": "10.00", "filled": "0",
    "average": None, "strategy": "new_hod", "cause": "s1", "rule": "", "reason": "",
    "signal_ns": OPEN_S * NS, "made_ns": OPEN_S * NS, "sent_ns": 0, "ts_ns": OPEN_S * NS,
    "plan_stop": "9.80", "plan_target": "10.50", "until_ns": (OPEN_S + 30) * NS,
}  # fmt: skip
REFUSED = {**ORDER, "id": "tl-2", "state": "refused", "rule": "spread",
           "reason": "spread 0.90 % is above 0.50 %"}  # fmt: skip
FILL = {"ts_ns": OPEN_S * NS, "symbol": "AAPL", "side": "buy", "quantity": "100", "price": "231.5",
        "fee": "0.5", "order": "tl-1", "purpose": "entry", "strategy": "new_hod"}  # fmt: skip
HELD = {"symbol": "AAPL", "quantity": "100", "average": "10.02", "strategy": "new_hod",
        "stop": "9.8", "target": "10.5", "covered": "100", "guard": "venue",
        "leaving": "", "last": 10.4, "unrealised": "38.00"}  # fmt: skip
PNL = {
    "rows": [
        {"symbol": "AAPL", "realised": "-1.00", "fees": "0.50", "unrealised": "38.00",
         "net": "36.50"},
        {"symbol": "total", "realised": "-1.00", "fees": "0.50", "unrealised": None, "net": None},
    ],
    "account": {"equity": "100036.50", "buying_power": "200000", "last_equity": "100000",
                "peak": "100040", "blocked": ""},
}  # fmt: skip
LIMITS = [
    {"name": "order_value", "unit": "$", "most": "10000", "used": None, "where": "",
     "reached": False},
    {"name": "orders_per_day", "unit": "orders", "most": "40", "used": "40", "where": "AAPL",
     "reached": True},
]  # fmt: skip
DESK = {"name": "main", "broker": "paper", "fault": "", "unknown": 1, "strangers": 0,
        "limits": LIMITS, "strategies": {"new_hod": "approve"}}  # fmt: skip


def traded(gateway: FakeGateway, **trader: Json) -> None:
    """Let a trader be there."""
    prepare(gateway)
    answered(gateway)
    told = {**TRADER, **trader}
    gateway.snapshot("status", {"status": {**STATUS, "trader": told}})
    gateway.answers |= {
        "/api/orders": [ORDER, REFUSED],
        "/api/fills": [FILL],
        "/api/positions": [HELD],
        "/api/pnl": PNL,
        "/api/approvals": [ORDER],
        "/api/trader": {**told, "approve_s": 30.0, "desks": [DESK]},
        "/api/kill": {"kill": ON, "cancels": ["tl-1"]},
        "/api/kill/arm": OFF,
        "/api/approvals/tl-1/approve": {"subject": "tl-1", "answer": "Approved: it goes."},
        "/api/positions/AAPL/close": {"subject": "AAPL", "answer": "AAPL is being closed."},
    }


def posted(gateway: FakeGateway) -> list[tuple[str, Json]]:
    """Return the paths and bodies of what changes something."""
    return [(path, body) for method, path, body in gateway.asked_rest if method == "POST"]


@pytest.mark.parametrize(
    ("trader", "text"),
    [
        ({"mode": "live"}, "LIVE"),
        ({"mode": "dry-run"}, "DRY-RUN"),
        ({"mode": "paper", "state": "halted", "reason": "no beat"}, "PAPER halted"),
        ({"mode": "live", "state": "killed", "kill": ON}, "LIVE killed"),
    ],
)
def test_the_badge_says_where_orders_go(
    gateway: FakeGateway, page: Page, trader: dict[str, Json], text: str
) -> None:
    traded(gateway, **trader)
    opened(gateway, page)
    expect(page.get_by_test_id("mode")).to_have_text(text)


def test_an_order_is_approved_and_a_position_closed(gateway: FakeGateway, page: Page) -> None:
    traded(gateway)
    opened(gateway, page)
    page.get_by_role("tab", name="Approvals").click()
    row = page.get_by_test_id("approvals")
    expect(row).to_contain_text("buy 100 stop-limit 10.00 / 10.05")
    row.get_by_role("button", name="Approve").click()
    sure = row.get_by_role("button", name="Sure?")
    expect(sure).to_have_attribute("aria-disabled", "false")
    sure.click()
    expect(page.get_by_text("Approved: it goes.")).to_be_visible()
    page.get_by_role("tab", name="Positions").click()
    held = page.get_by_test_id("positions")
    expect(held).to_contain_text("+38.00")
    expect(held).to_contain_text("today +36.50")
    held.get_by_role("button", name="Close").click()
    sure = held.get_by_role("button", name="Sure?")
    expect(sure).to_have_attribute("aria-disabled", "false")
    sure.click()
    expect(page.get_by_text("AAPL is being closed.")).to_be_visible()
    assert posted(gateway) == [
        ("/api/approvals/tl-1/approve", None), ("/api/positions/AAPL/close", None),
    ]  # fmt: skip


def test_orders_tell_why_they_were_refused_and_fills_stand_on_the_chart(
    gateway: FakeGateway, page: Page
) -> None:
    traded(gateway)
    pane = opened(gateway, page)
    pane.locator('[data-symbol="AAPL"]').click()
    expect(page.get_by_test_id("chart")).to_have_attribute("data-fills", "1")
    page.get_by_role("tab", name="Orders").click()
    orders = page.get_by_test_id("orders")
    orders.locator('[data-state="refused"]').click()
    expect(orders).to_contain_text("Refused by spread: spread 0.90 % is above 0.50 %")
    page.get_by_label("Which orders").select_option("fills")
    expect(orders).to_contain_text("100 at 231.5")
    add(page, "Risk limits")
    expect(page.get_by_test_id("risk")).to_contain_text("40")
    expect(page.locator(".reached")).to_contain_text("orders_per_day")


def test_nothing_is_ordered_from_the_past_but_the_kill_switch_works(
    gateway: FakeGateway, page: Page
) -> None:
    traded(gateway)
    opened(gateway, page)
    page.get_by_role("tab", name="Approvals").click()
    page.keyboard.press("[")
    approve = page.get_by_test_id("approvals").get_by_role("button", name="Approve")
    expect(approve).to_be_disabled()
    page.get_by_role("button", name="Kill", exact=True).click()
    page.get_by_role("button", name="Switch off trading now").click()
    expect(page.get_by_text("The kill switch is on")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("0")
    expect(approve).to_be_enabled()
    assert posted(gateway) == [("/api/kill", {"reason": "by hand", "flatten": False})]


def test_the_keys_of_the_kill_switch_must_be_held(gateway: FakeGateway, page: Page) -> None:
    traded(gateway)
    opened(gateway, page)
    for key in ("Control", "Alt", "k"):
        page.keyboard.down(key)
    expect(page.get_by_text("Hold on for the kill switch.")).to_be_visible()
    page.keyboard.up("k")
    expect(page.get_by_text("Hold on for the kill switch.")).to_have_count(0)
    assert posted(gateway) == []
    page.keyboard.down("k")
    expect(page.get_by_text("The kill switch is on")).to_be_visible()
    assert posted(gateway) == [("/api/kill", {"reason": "held Ctrl+Alt+K", "flatten": False})]
    for key in ("k", "Alt", "Control"):
        page.keyboard.up(key)


def test_a_person_arms_again_by_a_word(gateway: FakeGateway, page: Page) -> None:
    traded(gateway, state="killed", kill=ON)
    opened(gateway, page)
    page.get_by_role("button", name="KILLED").click()
    sheet = page.get_by_test_id("kill")
    expect(sheet).to_contain_text("local: by hand")
    expect(sheet.get_by_role("button", name="Arm")).to_be_disabled()
    sheet.get_by_label("Type ARM").fill("ARM")
    sheet.get_by_role("button", name="Arm").click()
    expect(page.get_by_text("Entries may go again.")).to_be_visible()
    sheet.get_by_role("button", name="Drill").click()
    expect(sheet).to_contain_text("Would be cancelled: tl-1")
    assert posted(gateway) == [
        ("/api/kill/arm", {"confirm": "ARM"}),
        ("/api/kill", {"reason": "drill", "drill": True}),
    ]


def test_on_a_telephone_the_kill_switch_is_two_taps_away(
    gateway: FakeGateway, browser: Browser
) -> None:
    traded(gateway)
    context = browser.new_context(viewport={"width": 390, "height": 780}, has_touch=True)
    page = context.new_page()
    page.goto(gateway.url)
    page.get_by_role("navigation").get_by_role("button", name="Positions").tap()
    expect(page.get_by_test_id("positions")).to_contain_text("AAPL")
    page.get_by_role("navigation").get_by_role("button", name="Kill").tap()
    page.get_by_role("button", name="Switch off trading now").tap()
    expect(page.get_by_text("The kill switch is on")).to_be_visible()
    context.close()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_who_can_not_see_or_point_can_order(gateway: FakeGateway, page: Page, theme: str) -> None:
    traded(gateway, state="killed", kill=ON)
    opened(gateway, page)
    if theme == "light":
        page.keyboard.press("t")
    page.evaluate(AXE.read_text("utf-8"))
    problems = []
    for panel, shown in (
        ("Orders", "orders"), ("Approvals", "approvals"), ("Positions", "positions"),
        ("Risk limits", "risk"),
    ):  # fmt: skip
        add(page, panel)
        expect(page.get_by_test_id(shown).locator(".entry").first).to_be_visible()
        problems += [f"{panel}: {each}" for each in serious(page)]
    page.get_by_role("button", name="KILLED").first.click()
    problems += [f"kill: {each}" for each in serious(page)]
    assert sorted(set(problems)) == []
