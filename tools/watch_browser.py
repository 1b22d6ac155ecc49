"""Keep the dashboard open in Chromium and print what it costs the browser.

    .venv/bin/python tools/watch_browser.py --url http://127.0.0.1:8787/ --panels 12 --minutes 10

Prints one JSON object: how long the first board took, tasks above 50 ms after the first ten
seconds and when they were, the heap of each minute (the median of its readings, for each has some
messages in it that were just coming; garbage is collected before), DOM nodes, and with --pid the
resident memory of that process. Exit code 1 where a task was longer than 50 ms or the heap of the
last minute is 5 % or more above that of the second.
"""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import CDPSession, FilePayload, Page, sync_playwright

LOADED_S = 10.0
EVERY_S = 10.0
LONGEST_MS = 50.0
ROW = 4
MOST_TOLD = 200
MOST_GROWTH = 5.0
OBSERVE = """
window.longTasks = [];
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) window.longTasks.push([each.startTime, each.duration]);
}).observe({ type: 'longtask', buffered: true });
"""


def main() -> int:
    """Watch, print the figures and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8787/")
    parser.add_argument("--panels", type=int, default=12)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--pid", type=int, help="a process whose resident memory is read too")
    parser.add_argument("--picture", type=Path, help="where a picture of the page is left")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("There is no Chromium: apt-get install -y chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.set_default_timeout(60_000)
        told = watch(page, options)
        if options.picture is not None:
            page.screenshot(path=options.picture)
        browser.close()
    sys.stdout.write(json.dumps(told) + "\n")
    return int(told["longest_ms"] > LONGEST_MS or told["heap_growth_pct"] >= MOST_GROWTH)


def watch(page: Page, options: argparse.Namespace) -> dict[str, Any]:
    """Open the page with so many panels, and read its costs until the time is over."""
    page.add_init_script(OBSERVE)
    began_s = time.monotonic()
    page.goto(options.url)
    page.locator("[data-symbol]").first.wait_for()
    first_s = time.monotonic() - began_s
    panels = add_boards(page, options.panels)
    page.wait_for_timeout(LOADED_S * 1000)
    loaded_ms = float(page.evaluate("performance.now()"))
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    heaps, sizes, readings = [], [], []
    begun_s = time.monotonic()
    while time.monotonic() - begun_s < options.minutes * 60:
        page.wait_for_timeout(EVERY_S * 1000)
        begun_ms = page.evaluate("performance.now()")
        heaps.append(heap(session))
        readings.append((begun_ms, page.evaluate("performance.now()")))
        sizes.append(resident(options.pid))
    by_minute = minutes(heaps)
    after = min(int(60 / EVERY_S), len(heaps)) - 1
    tasks = [
        (at / 1e3, float(ms))
        for at, ms in page.evaluate("window.longTasks")
        if at > loaded_ms and not read_in(readings, at, at + ms)
    ]
    longest = [ms for _, ms in tasks]
    return {
        "panels": panels,
        "minutes": options.minutes,
        "first_board_s": round(first_s, 2),
        "long_tasks": len(longest),
        "longest_ms": max(longest, default=0.0),
        "long_at_s": [round(at, 1) for at, _ in tasks[:MOST_TOLD]],
        "heap_by_minute_mb": by_minute,
        "heap_growth_pct": round(100.0 * (by_minute[-1] / by_minute[:2][-1] - 1.0), 2),
        "nodes": page.evaluate("document.querySelectorAll('*').length"),
        "rss_after_a_minute_mb": sizes[after],
        "rss_mb": sizes[-1],
    }


def add_boards(page: Page, count: int) -> int:
    """Open a layout of so many boards side by side; return how many there are."""
    if not count:
        return page.locator("[data-group]").count()
    names = [each["name"] for each in page.request.get(f"{page.url}api/boards").json()]
    text = json.dumps(layout([names[at % len(names)] for at in range(count)]))
    page.get_by_role("button", name="Layout").click()
    file = FilePayload(name="boards.json", mimeType="application/json", buffer=text.encode())
    page.locator('input[type="file"]').set_input_files(file)
    page.locator("[data-group]").nth(count - 1).wait_for()
    return page.locator("[data-group]").count()


def layout(boards: list[str]) -> dict[str, object]:
    """Return a layout of boards in rows of four."""
    panels = {
        f"board-{at}": {"id": f"board-{at}", "kind": "board", "link": "blue",
                        "settings": {"board": board}}
        for at, board in enumerate(boards)
    }  # fmt: skip
    tabs: list[dict[str, object]] = [
        {"type": "tabs", "id": f"group-{at}", "panels": [name], "active": name}
        for at, name in enumerate(panels)
    ]
    rows = [_split("row", tabs[at : at + ROW]) for at in range(0, len(tabs), ROW)]
    return {"format": 1, "panels": panels, "root": _split("column", rows)}


def _split(direction: str, children: list[dict[str, object]]) -> dict[str, object]:
    if len(children) == 1:
        return children[0]
    sizes = [1 / len(children)] * len(children)
    return {"type": "split", "dir": direction, "sizes": sizes, "children": children}


def heap(session: CDPSession) -> float:
    """Return the live JavaScript heap, MB."""
    session.send("HeapProfiler.collectGarbage")
    metrics = session.send("Performance.getMetrics")["metrics"]
    used = float(next(each["value"] for each in metrics if each["name"] == "JSHeapUsedSize"))
    return round(used / 1e6, 2)


def read_in(readings: list[tuple[float, float]], begin_ms: float, end_ms: float) -> bool:
    """Tell whether the heap was read meanwhile: that collects garbage in a task that is not the page's."""
    return any(begin_ms < end and begin < end_ms for begin, end in readings)


def minutes(heaps: list[float]) -> list[float]:
    """Return the median of each minute's readings."""
    count = int(60 / EVERY_S)
    return [round(median(heaps[at : at + count]), 2) for at in range(0, len(heaps), count)]


def resident(pid: int | None) -> float:
    """Return a process's resident memory, MB; 0 where none is asked for."""
    if pid is None:
        return 0.0
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return round(pages * 4096 / 1e6, 1)


if __name__ == "__main__":
    sys.exit(main())
