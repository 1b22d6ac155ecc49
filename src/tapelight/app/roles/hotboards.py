"""Boards through the hot store: each worker writes those of its share, every gateway reads them all.

A board is a sorted set of its rows, the first one highest; each row's cells stand beside it with the
board's mark before them. A row of the hot store for each share tells which boards it has, and its
newest signals. All of it is gone when nobody writes it any more.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tapelight.app.armed import newest_armed
from tapelight.app.views import event_rows
from tapelight.errors import Unavailable
from tapelight.model.signals import Signal
from tapelight.ports import Bus, Hot, Json

SYMBOLS = "symbols"
"""The row of the hot store that lists what is watched."""
STATUS = "status"
"""The one in which the feed tells how it is."""
LOOK_S = 0.2
KEPT = 2_000
MOST_ROWS = 1_000


def share_row(number: int) -> str:
    """Return the name of a share's row in the hot store."""
    return f"share:{number}"


class HotBoards:
    """Be the gateway's boards, as the workers wrote them; and publish new signals to its bus."""

    def __init__(self, hot: Hot, shares: int, bus: Bus) -> None:
        self.mark = 0
        self.state = "connecting"
        """ok, or why not."""
        self._hot, self._shares, self._bus = hot, shares, bus
        self._marks: dict[int, int] = {}
        self._told: dict[str, Mapping[str, Json]] = {}
        self._boards: dict[str, Mapping[str, Json]] = {}
        self._by_share: dict[int, set[str]] = {}
        self._armed: dict[int, list[dict[str, Json]]] = {}
        self._signals: list[Signal] = []
        self._seen: set[tuple[str, str, int]] = set()

    def board_names(self) -> Sequence[Mapping[str, Json]]:
        """Return what boards and scans there are."""
        return [self._told[name] for name in sorted(self._told)]

    def board(self, name: str) -> Mapping[str, Json]:
        """Return a board as of the last whole second that was written; raises KeyError."""
        board = self._boards[name]
        if board["kind"] == "board":
            return board
        columns = [column["name"] for column in board["columns"]]
        rows = event_rows(name, columns, self._signals)
        stamp = {"mark": self.mark, "ts_ns": self.mark}
        return {**board, **stamp, "order": list(rows), "rows": rows}

    def signals(self, limit: int) -> Sequence[Signal]:
        """Return the newest signals first."""
        return self._signals[:limit]

    def armed(self) -> Mapping[str, Json]:
        """Return who is armed, as the workers told last, the newest first."""
        told = newest_armed(row for share in self._armed.values() for row in share)
        return {"mark": self.mark, "ts_ns": self.mark, "armed": told}

    async def run(self) -> None:
        """Read what is new, five times a second; until cancelled."""
        while True:
            try:
                for number in range(self._shares):
                    await self._read(number)
                self.state = "ok" if len(self._by_share) == self._shares else self._missing()
            except Unavailable as error:
                self.state = str(error)
            await asyncio.sleep(LOOK_S)

    def _missing(self) -> str:
        gone = sorted(set(range(self._shares)) - self._by_share.keys())
        return f"No scan worker has share {', '.join(map(str, gone))}: start one for each share."

    async def _read(self, number: int) -> None:
        row = await self._hot.row(share_row(number))
        if row is None:
            self._forget(number)
            return
        if row["mark"] == self._marks.get(number):
            return
        found: dict[str, Mapping[str, Json]] = {}
        for one in row["boards"]:
            head = one["head"]
            found[head["name"]] = await self._filled(head, row["mark"])
        self._forget(number)
        self._marks[number], self._by_share[number] = row["mark"], set(found)
        self._boards |= found
        self._told |= {one["told"]["name"]: one["told"] for one in row["boards"]}
        self._armed[number] = row["armed"]
        self.mark = max(self.mark, row["mark"])
        if "armed" in self._bus.wanted():
            self._bus.publish("armed", self.armed())
        self._hear(row["mark"], msgspec.convert(row["signals"], list[Signal]))

    async def _filled(self, head: dict[str, Any], mark: int) -> Mapping[str, Json]:
        if head["kind"] != "board":
            return head
        top = await self._hot.top(head["name"], MOST_ROWS)
        at = top[0].cells[0] if top else mark
        rows = {one.symbol: one.cells[1:] for one in top}
        return {**head, "mark": at, "ts_ns": at, "order": list(rows), "rows": rows}

    def _forget(self, number: int) -> None:
        """Let go of a share's boards: nothing old looks fresh."""
        self._marks.pop(number, None)
        self._armed.pop(number, None)
        for name in self._by_share.pop(number, ()):
            self._boards.pop(name, None)
            self._told.pop(name, None)

    def _hear(self, mark: int, signals: Sequence[Signal]) -> None:
        new = [s for s in signals if (s.id, s.state, s.mark) not in self._seen]
        if not new:
            return
        self._signals = sorted([*new, *self._signals], key=lambda s: -s.ts_ns)[:KEPT]
        self._seen = {(s.id, s.state, s.mark) for s in self._signals}
        fresh = [s for s in reversed(new) if (s.id, s.state, s.mark) in self._seen]
        self._bus.publish("signals", {"mark": mark, "ts_ns": mark, "signals": fresh})
