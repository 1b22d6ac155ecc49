"""One walk through everything that the dashboard does, a method a step."""

import datetime as dt
import http.server
import re
import threading
import time
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Locator, Page, expect

from e2e.live import LiveDemo, until
from e2e.test_workspace import AXE, add, serious
from tapelight.alerts.webhook import verify

Json = Any
PASSWORD = "a long password"
SECRET = "sixteen letters or more"
SCAN = """-- title = "Walk in SQL"
-- kind = "events"
-- cooldown_s = 5.0
SELECT symbol, last, chg_1m
FROM market
WHERE chg_1m > 0
"""
BACK_S = 300
PATIENCE_MS = 120_000
"""The demo and the browser share a machine that may be busy; what is waited for is a condition."""


class Receiver:
    """Be the web server that a webhook is posted to."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append((headers, body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, name="receiver").start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Walk:
    """The steps, in order; each leaves a picture and is looked at by axe."""

    def __init__(self, page: Page, demo: LiveDemo, receiver: Receiver, shots: Path) -> None:
        self.page, self.demo, self.receiver, self.shots = page, demo, receiver, shots
        self.problems: list[str] = []
        self.began = ""
        self.count = 0

    def seen(self, view: str) -> None:
        """Take a picture of a view, and let axe look at it."""
        self.count += 1
        self.page.screenshot(path=self.shots / f"{self.count:02}-{view}.png")
        self.page.evaluate(AXE.read_text("utf-8"))
        self.problems += [f"{view}: {each}" for each in serious(self.page)]

    def ask(self, path: str, **query: Json) -> Json:
        """Return what the gateway answers to the page's user."""
        answer = self.page.request.get(
            self.demo.url + path.lstrip("/"), params=query, timeout=PATIENCE_MS
        )
        assert answer.ok, answer.text()
        return answer.json()

    def market_s(self) -> float:
        return dt.datetime.fromisoformat(self.ask("/health")["market_time"]).timestamp()

    def open(self) -> None:
        self.page.goto(self.demo.url)
        expect(self.page.get_by_test_id("board-1").locator("[data-symbol]").first).to_be_visible()
        expect(self.page.get_by_test_id("mode")).to_have_text("DRY-RUN")
        self.seen("open")

    def set_up(self) -> None:
        page = self.page
        page.get_by_role("button", name="Settings").click()
        page.get_by_role("button", name="Make accounts").click()
        page.get_by_label("Name").fill("ann")
        page.get_by_label("Password").fill(PASSWORD)
        self.seen("set-up")
        page.get_by_role("button", name="Make the account").click()
        expect(page.get_by_test_id("login")).to_have_count(0)
        expect(page.get_by_test_id("board-1").locator("[data-symbol]").first).to_be_visible()
        assert self.ask("/api/me")["name"] == "ann"
        assert httpx.get(self.demo.url + "api/boards").status_code == 401

    def boards(self) -> None:
        page = self.page
        page.keyboard.press("3")
        third = self.ask("/api/boards")[2]["title"]
        expect(page.get_by_role("tab", name=third).first).to_be_visible()
        page.keyboard.press("g")
        page.get_by_test_id("palette").fill("Most active")
        page.keyboard.press("Enter")
        expect(page.get_by_role("tab", name="Most active").first).to_be_visible()
        expect(page.get_by_test_id("board-1").locator("[data-symbol]").first).to_be_visible()

    def link(self) -> None:
        page = self.page
        row = page.get_by_test_id("board-1").locator("[data-symbol]").first
        symbol = row.get_attribute("data-symbol")
        row.click()
        expect(page.get_by_role("tab", name=f"{symbol} 1m")).to_be_visible()
        expect(page.get_by_test_id("symbol")).to_have_text(symbol or "")
        expect(page.get_by_test_id("chart")).not_to_have_attribute("data-bars", "0")
        page.get_by_role("tab", name="Time and sales").click()
        expect(page.get_by_test_id("prints").locator(".entry").first).to_be_visible()
        self.seen("linked")

    def scan_in_sql(self) -> None:
        page = self.page
        add(page, "Scan editor")
        editor = page.get_by_test_id("editor")
        editor.get_by_role("button", name="New scan").click()
        editor.get_by_label("Name", exact=True).fill("walk_sql")
        text = editor.locator(".cm-content")
        text.click()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(SCAN)
        expect(editor).to_contain_text("✓ sound")
        editor.get_by_role("button", name="Save").click()
        expect(editor).to_contain_text("Saved, and running.")
        assert "chg_1m > 0" in self.ask("/api/scans/walk_sql")["text"]
        self.seen("editor-sql")

    def scan_in_a_form(self) -> None:
        page = self.page
        editor = page.get_by_test_id("editor")
        editor.get_by_role("button", name="New scan").click()
        editor.get_by_label("Name", exact=True).fill("walk_form")
        page.get_by_role("button", name="Form", exact=True).click()
        form = editor.get_by_test_id("form")
        while form.get_by_label("Value").count() > 1:
            form.get_by_label("Remove the condition").last.click()
        form.get_by_label("Column", exact=True).fill("vol")
        form.get_by_label("Value").fill("1000")
        expect(editor).to_contain_text("✓ sound")
        self.seen("editor-form")
        sql = editor.get_by_label("The same in SQL").inner_text()
        assert "WHERE vol >= 1000" in sql
        editor.get_by_role("button", name="Save").click()
        expect(editor).to_contain_text("Saved, and running.")
        assert sql.strip() in self.ask("/api/scans/walk_form")["text"]
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Close Scan walk_form").click()

    def fires(self) -> str:
        page = self.page
        page.get_by_role("tab", name="Events").click()
        page.get_by_label("Scan", exact=True).first.select_option("walk_sql")
        first = page.get_by_test_id("tape").locator(".event").first
        expect(first).to_contain_text("walk_sql")
        symbol = first.locator(".symbol").inner_text()
        self.events(symbol).first.click()  # a newer event may be above it by now
        expect(page.get_by_role("tab", name=f"{symbol} 1m")).to_be_visible()
        expect(page.get_by_test_id("tape")).to_contain_text("spread_pct")
        self.seen("event-with-reasons")
        return symbol

    def events(self, symbol: str) -> Locator:
        """Return the events of a symbol that the tape shows."""
        return self.page.get_by_test_id("tape").locator(".event").filter(has=self.named(symbol))

    def named(self, symbol: str) -> Locator:
        """Return where a symbol, the whole of it, is named."""
        return self.page.locator(".symbol", has_text=re.compile(rf"^\s*{re.escape(symbol)}\s*$"))

    def why(self, symbol: str) -> None:
        page = self.page
        page.get_by_role("tab", name="Why").click()
        why = page.get_by_test_id("why-panel")
        page.get_by_label("Board or scan").select_option("walk_sql")
        expect(why).to_contain_text(symbol)
        expect(why).to_contain_text("chg_1m")
        self.seen("why")

    def mute(self, symbol: str) -> None:
        page = self.page
        page.keyboard.press("/")
        page.keyboard.insert_text(symbol)
        page.keyboard.press("Enter")
        page.get_by_test_id("board-1").locator("[data-symbol]").first.hover()
        page.keyboard.press("Escape")
        page.keyboard.press("m")
        expect(page.get_by_text(f"{symbol} is muted today.")).to_be_visible()
        expect(self.events(symbol)).to_have_count(0)
        assert [each["name"] for each in self.ask("/api/mutes")] == [symbol]

    def price_alert(self) -> None:
        page = self.page
        add(page, "Alerts")
        alerts = page.get_by_test_id("alerts")
        alerts.get_by_label("Name of the channel").fill("hook")
        alerts.get_by_label("url", exact=True).fill(self.receiver.url)
        alerts.get_by_label("secret", exact=True).fill(SECRET)
        alerts.get_by_role("button", name="Add").click()
        alerts.get_by_label("Send besides").select_option("hook")
        alerts.get_by_role("textbox", name="Symbol").fill("NVDA")
        alerts.get_by_label("Side", exact=True).select_option("above")
        alerts.get_by_test_id("level").fill("1")
        alerts.get_by_role("button", name="Alert me").first.click()
        until(lambda: bool(self.receiver.requests))
        headers, body = self.receiver.requests[0]
        assert verify(SECRET, headers, body, time.time()) == headers["tapelight-delivery"]
        assert b"NVDA" in body
        expect(alerts).to_contain_text("reached")
        expect(alerts.locator(".line").filter(has_text="sent").first).to_be_visible()
        self.seen("alerts")
        page.get_by_role("button", name="Close Alerts").click()

    def order(self) -> None:
        page = self.page
        page.get_by_role("tab", name="Approvals").click()
        waiting = page.get_by_test_id("approvals")
        expect(waiting.get_by_role("button", name="Approve").first).to_be_visible()
        self.seen("approvals")
        until(self.filled)
        fill = self.ask("/api/fills")[-1]
        page.get_by_role("tab", name="Orders").click()
        page.get_by_label("Which orders").select_option("fills")
        rows = page.get_by_test_id("orders").locator(".entry")
        rows.filter(has=self.named(fill["symbol"])).first.click()
        expect(page.get_by_role("tab", name=f"{fill['symbol']} 1m")).to_be_visible()
        expect(page.get_by_test_id("chart")).not_to_have_attribute("data-bars", "0")
        expect(page.get_by_test_id("chart")).not_to_have_attribute("data-fills", "0")
        self.seen("fill-on-the-chart")
        page.get_by_role("tab", name="Positions").click()
        expect(page.get_by_test_id("positions")).to_contain_text(fill["symbol"])
        self.seen("positions")

    def filled(self) -> bool:
        """Tell whether there is a fill; approve another order where there is none.

        The entry is at the last price of its signal: not every one fills.
        """
        if self.ask("/api/fills"):
            return True
        rows = self.page.get_by_test_id("approvals").locator(".entry")
        if rows.count():
            row = rows.first.element_handle()
            row.query_selector("button.go").click()  # type: ignore[union-attr]
            row.wait_for_selector('button.go:has-text("Sure?")[aria-disabled="false"]').click()  # type: ignore[union-attr]
            self.page.mouse.move(5, 5)  # under the pointer, an order keeps its place
            row.wait_for_element_state("hidden")
        return False

    def kill(self) -> None:
        page = self.page
        for key in ("Control", "Alt", "k"):
            page.keyboard.down(key)
        expect(page.get_by_role("button", name="KILLED")).to_be_visible()
        for key in ("k", "Alt", "Control"):
            page.keyboard.up(key)
        expect(page.get_by_test_id("mode")).to_have_text("DRY-RUN killed")
        kill = self.ask("/api/kill")
        assert (kill["on"], kill["by"]) == (True, "ann")
        page.get_by_role("button", name="KILLED").click()
        expect(page.get_by_test_id("kill")).to_contain_text("ann: held Ctrl+Alt+K")
        self.seen("killed")
        page.keyboard.press("Escape")
        add(page, "Risk limits")
        expect(page.get_by_test_id("risk")).to_contain_text("order_value")
        self.seen("risk")

    def travel(self, began_s: float) -> None:
        page = self.page
        until(lambda: self.market_s() > began_s + BACK_S + 20, 300)
        before = page.get_by_test_id("clock").inner_text()
        page.keyboard.press("{")
        bar = page.get_by_test_id("travel")
        expect(bar).to_contain_text("PAST")
        expect(page.locator("main.behind")).to_have_count(0)
        expect(page.get_by_test_id("board-1").locator("[data-symbol]").first).to_be_visible()
        told = page.get_by_test_id("travel-time").inner_text()
        after = page.get_by_test_id("clock").inner_text()
        assert _seconds(before) - 1 < _seconds(told) + BACK_S < _seconds(after) + 1
        self.seen("past")
        page.get_by_role("button", name="LIVE", exact=True).click()
        expect(bar).to_have_count(0)
        expect(page.locator("main.past")).to_have_count(0)

    def layout(self) -> None:
        page = self.page
        page.get_by_role("button", name="Layout").click()
        page.get_by_label("Name of the layout").fill("walk")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("kept as")).to_be_visible()
        self.seen("layouts")
        page.keyboard.press("Escape")

    def found_again(self) -> None:
        page = self.page
        page.reload()
        expect(page.get_by_test_id("board-1").locator("[data-symbol]").first).to_be_visible()
        expect(page.get_by_role("tab", name="Risk limits")).to_be_visible()
        page.locator("header").get_by_role("button", name="walk").click()
        expect(page.get_by_role("listitem").filter(has_text="walk").first).to_be_visible()
        assert [each["name"] for each in self.ask("/api/layouts")] == ["walk"]


def _seconds(text: str) -> float:
    hours, minutes, seconds = text.split("\n", maxsplit=1)[0].replace("ET", "").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
