"""Cells on the screen beside the API's values: equal but for rounding, and soon."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page

from e2e.live import LiveDemo

Json = Any
Key = tuple[str, str, str]
"""Board, symbol, column."""
Wrong = tuple[float, int, str, Json]
"""Since when, and since which look; the text, and the API's value."""
ABSENT: Wrong = (0.0, 0, "", None)
MINUS = "\u2212"
UNKNOWN = "\u2013"
NUMBER = re.compile(r"([+-]?)([\d.]+)([KMBT]?)")
SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:([\d.]+)s)?")
UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
OLD_S = 5.0
LEAST_LOOKS = 20
"""On a machine so busy that a look takes seconds, the page has no more time than we."""
READ = """() => [...document.querySelectorAll('[data-board]')].flatMap((board) =>
  [...board.querySelectorAll('[data-symbol]:not(.ghost)')].flatMap((row) =>
    [...row.querySelectorAll('[data-column]')].map((cell) =>
      [board.dataset.board, row.dataset.symbol, cell.dataset.column, cell.textContent.trim()])))"""


def is_shown(text: str, value: Json) -> bool:
    """Tell whether a cell's text is an API's value, rounded to the digits that are shown."""
    if value is None or value == "":
        return text == UNKNOWN
    if isinstance(value, bool):
        return text == ("yes" if value else "·")
    if isinstance(value, str):
        return text == value
    match = NUMBER.fullmatch(text.replace(MINUS, "-"))
    if match is None:
        return _is_length(text, value)
    sign, digits, unit = match.groups()
    _, _, decimals = digits.partition(".")
    shown = float(sign + digits) * UNITS[unit]
    half = 0.5 * 10.0 ** -len(decimals) * UNITS[unit]
    return abs(shown - value) <= half * (1 + 1e-6)


def _is_length(text: str, value_s: float) -> bool:
    """Tell whether a text such as 3m07s is a length of time, cut to its last unit."""
    match = SPAN.fullmatch(text)
    if match is None or not text:
        return False
    hours, minutes, seconds = (float(each or 0) for each in match.groups())
    step_s = 60.0 if match[1] else 1.0 if match[2] else 0.1
    shown_s = hours * 3600 + minutes * 60 + seconds
    return shown_s - 1e-6 <= value_s < shown_s + step_s + 1e-6


@dataclass
class Comparison:
    """Count the cells that were equal, and since when the others are not."""

    demo: LiveDemo
    page: Page
    boards: list[str]
    equal: int = 0
    seen: set[Key] = field(default_factory=set)
    wrong: dict[Key, Wrong] = field(default_factory=dict)
    looks: int = 0

    def look(self) -> None:
        """Compare every cell in sight that the API gives twice alike, before and after."""
        self.looks += 1
        before = self._told()
        screen = {(b, s, c): text for b, s, c, text in self.page.evaluate(READ)}
        after = self._told()
        now_s = time.monotonic()
        for key in set(self.wrong) - set(screen):
            del self.wrong[key]
        for key, text in screen.items():
            if key not in before or key not in after or before[key] != after[key]:
                self.wrong.pop(key, None)
            elif is_shown(text, after[key]):
                self.wrong.pop(key, None)
                self.equal += 1
                self.seen.add(key)
            else:
                since_s, look = self.wrong.get(key, (now_s, self.looks))[:2]
                self.wrong[key] = since_s, look, text, after[key]

    def waits(self, some: Mapping[Key, Wrong]) -> bool:
        """Tell whether one of `some` cells that were wrong has been so ever since."""
        return any(self.wrong.get(key, ABSENT)[1] == look for key, (_, look, _, _) in some.items())

    def late(self) -> list[tuple[Key, str, Json]]:
        """Return the cells that have shown another value than the API's for more than 5 s."""
        now_s = time.monotonic()
        return [
            (key, text, value)
            for key, (since_s, look, text, value) in self.wrong.items()
            if now_s - since_s > OLD_S and self.looks - look >= LEAST_LOOKS
        ]

    def _told(self) -> dict[Key, Json]:
        return {
            (board, row["symbol"], column): value
            for board in self.boards
            for row in self.demo.ask(f"/api/boards/{board}")["rows"]
            for column, value in row.items()
            if column != "symbol"
        }


def tiled(boards: list[str]) -> Json:
    """Return a layout of boards in two rows."""
    panels = {
        name: {"id": name, "kind": "board", "link": "blue", "settings": {"board": name}}
        for name in boards
    }
    tabs = [{"type": "tabs", "id": f"in-{n}", "panels": [n], "active": n} for n in boards]
    half = len(tabs) // 2
    rows = [_split("row", each) for each in (tabs[:half], tabs[half:])]
    return {"format": 1, "panels": panels, "root": _split("column", rows)}


def _split(direction: str, children: list[Json]) -> Json:
    sizes = [1 / len(children)] * len(children)
    return {"type": "split", "dir": direction, "sizes": sizes, "children": children}
