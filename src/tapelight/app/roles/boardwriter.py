"""A worker's side of the boards: those of its share go into the hot store at whole seconds."""

import asyncio
from collections.abc import Sequence

import msgspec

from tapelight.app.roles.hotboards import TTL_S, share_row
from tapelight.app.views import EngineBoards, board_state
from tapelight.errors import Unavailable
from tapelight.ports import Hot, Json, Ranked
from tapelight.scan.board import Ranking

AGAIN_S = 0.3
SIGNALS = 200
"""Newest signals that a share's row holds, for a gateway that comes later; all go over the bus."""


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
        await self._hot.put_rows({share_row(self._number): self._row(mark, rankings)}, TTL_S)

    def _row(self, mark: int, rankings: Sequence[Ranking]) -> dict[str, Json]:
        rows = {ranking.name: len(ranking.order) for ranking in rankings}
        known = {board["name"]: board for board in self._boards.board_names()}
        engine = self._boards.engine
        asked = {n: b.question for n, b in engine.boards.items()}
        asked |= {n: s.question for n, s in engine.scans.items()}
        described = [
            {
                "told": known[name],
                "head": board_state(asked[name], _blank(name)),
                "rows": rows.get(name, 0),
            }
            for name in self._mine
            if name in known
        ]
        signals = msgspec.to_builtins(self._boards.signals(SIGNALS))
        armed = [row for row in self._boards.armed()["armed"] if engine.share(row["scan"])]
        return {"mark": mark, "boards": described, "signals": signals, "armed": armed}


def _blank(name: str) -> Ranking:
    return Ranking(name, 0, [], [])
