"""Boards through the hot store: each worker writes those of its share, every gateway reads them all.

A board is a sorted set of its rows, the first one highest; each row's cells stand beside it with the
board's mark before them. A row of the hot store for each share tells which boards it has, and its
newest signals. All of it is gone when nobody writes it any more.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from tapelight.app.views import EngineBoards, board_state
from tapelight.errors import Unavailable
from tapelight.model.signals import Signal
from tapelight.ports import Bus, Hot, Json, Ranked
from tapelight.scan.board import Ranking

log = structlog.get_logger()
TTL_S = 10.0
AGAIN_S = 0.3
LOOK_S = 0.2
SIGNALS = 200
"""Newest signals that a share's row holds."""
KEPT = 2_000
MOST_ROWS = 1_000


def share_row(number: int) -> str:
    """Return the name of a share's row in the hot store."""
    return f"share:{number}"


class BoardWriter:
    """Write a share's boards at whole seconds; what was not written yet gives way to what is newer."""

    def __init__(self, hot: Hot, number: int, boards: EngineBoards) -> None:
        self.written = 0
        self._hot, self._number, self._boards = hot, number, boards
        self._due = asyncio.Event()
        self._rankings: list[Ranking] = []
        self._mark = 0
        self._mine: list[str] = []

    def note(self, mark: int, rankings: Sequence[Ranking], mine: Sequence[str]) -> None:
        """Note what a whole second brought; `mine` are the boards and scans of the share."""
        self._mark, self._rankings, self._mine = mark, list(rankings), list(mine)
        self._due.set()

    async def run(self) -> None:
        """Write what is noted; until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._write(self._mark, self._rankings)
            except Unavailable:
                self._due.set()
                await asyncio.sleep(AGAIN_S)

    async def _write(self, mark: int, rankings: Sequence[Ranking]) -> None:
        part = str(self._number)
        for ranking in rankings:
            rows, most = ranking.rows(), len(ranking.order)
            top = [
                Ranked(symbol, float(most - place), [mark, *rows[symbol]])
                for place, symbol in enumerate(ranking.order)
            ]
            await self._hot.put_top(ranking.name, part, top, TTL_S)
            self.written += 1
        await self._hot.put_rows({share_row(self._number): self._row(mark)}, TTL_S)

    def _row(self, mark: int) -> dict[str, Json]:
        known = {board["name"]: board for board in self._boards.board_names()}
        engine = self._boards.engine
        asked = {n: b.question for n, b in engine.boards.items()}
        asked |= {n: s.question for n, s in engine.scans.items()}
        described = [
            {"told": known[name], "head": board_state(asked[name], _blank(name))}
            for name in self._mine
            if name in known
        ]
        signals = msgspec.to_builtins(self._boards.signals(SIGNALS))
        return {"mark": mark, "boards": described, "signals": signals}


def _blank(name: str) -> Ranking:
    return Ranking(name, 0, [], [])


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
        mine = [s for s in self._signals if s.scan == name and s.state == "fired"][:100]
        rows = {f"{s.symbol}@{s.ts_ns // 1_000_000}": list(s.values.values()) for s in mine}
        stamp = {"mark": self.mark, "ts_ns": self.mark}
        return {**board, **stamp, "order": list(rows), "rows": rows}

    def signals(self, limit: int) -> Sequence[Signal]:
        """Return the newest signals first."""
        return self._signals[:limit]

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
        self.mark = max(self.mark, row["mark"])
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
