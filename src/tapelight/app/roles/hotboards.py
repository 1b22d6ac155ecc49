"""Boards through the hot store: each worker writes those of its share, every gateway reads them all.

A board is a sorted set of its rows, the first one highest; each row's cells stand beside it with the
board's mark before them. A row of the hot store for each share tells which boards it has, how many rows
each, and its newest signals; it is written after the boards. A board that has fewer rows than it says,
because it was emptied since or its rows are gone, waits for the next look. All of it is gone when
nobody writes it any more. Signals come over the bus besides, at once.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from tapelight.app.armed import newest_armed
from tapelight.app.views import event_rows
from tapelight.errors import Unavailable
from tapelight.model.signals import Signal
from tapelight.ports import Bus, Hot, Json, Ranked
from tapelight.telemetry import Measure

log = structlog.get_logger()
SYMBOLS = "symbols"
"""The row of the hot store that lists what is watched."""
STATUS = "status"
"""The one in which the feed tells how it is."""
LOOK_S = 0.2
TTL_S = 10.0
"""How long a board is shown that nobody has confirmed."""
SIGNALS = "signals:"
"""What the topics of signals begin with: each is published once, so that none is conflated."""
KEPT = 2_000
MOST_ROWS = 1_000


class Written(msgspec.Struct, frozen=True):
    """Tell of one board or scan of a share: what is told of it, its head, and how many rows it has."""

    told: dict[str, Any]
    head: dict[str, Any]
    rows: int


class Share(msgspec.Struct, frozen=True):
    """Be a share's row in the hot store."""

    mark: int
    boards: list[Written]
    signals: list[Any]
    armed: list[dict[str, Any]] = []


class Newer(Exception):
    """Say that a board's rows are not those of its share's row."""


def share_row(number: int) -> str:
    """Return the name of a share's row in the hot store."""
    return f"share:{number}"


class HotBoards:
    """Be the gateway's boards, as the workers wrote them; and publish new signals to its bus."""

    def __init__(self, hot: Hot, shares: int, bus: Bus) -> None:
        self.mark = 0
        self.state = "connecting"
        """ok, or why not."""
        self.refused = 0
        """What others wrote or published that is none of ours."""
        self._hot, self._shares, self._bus = hot, shares, bus
        self._answered_s = 0.0
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

    def fault(self) -> str | None:
        """Return why boards are missing, if any are."""
        return None if self.state == "ok" else self.state

    def measures(self) -> list[Measure]:
        """Return what was read, for /metrics."""
        doc = "Rows and publications of others that are none of ours."
        shares = "Shares of the questions whose boards are there."
        return [
            Measure("hot_refused_total", doc, self.refused),
            Measure("hot_shares", shares, len(self._by_share)),
            Measure("hot_shares_due", "Shares of the questions there are.", self._shares),
        ]

    async def run(self) -> None:
        """Read what is new, five times a second; until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                for number in range(self._shares):
                    await self._read(number)
            except Unavailable as error:
                self.state = str(error)
                if loop.time() - self._answered_s > TTL_S:
                    for number in range(self._shares):
                        self._forget(number)
            else:
                self._answered_s = loop.time()
                self.state = "ok" if len(self._by_share) == self._shares else self._missing()
            await asyncio.sleep(LOOK_S)

    def _missing(self) -> str:
        gone = sorted(set(range(self._shares)) - self._by_share.keys())
        return f"No scan worker has share {', '.join(map(str, gone))}: start one for each share."

    async def _read(self, number: int) -> None:
        try:
            row = await self._hot.row(share_row(number))
            if row is None:
                self._forget(number)
                return
            share = msgspec.convert(row, Share)
            if share.mark == self._marks.get(number):
                return
            found = {one.told["name"]: await self._filled(one, share.mark) for one in share.boards}
        except (msgspec.MsgspecError, KeyError, TypeError, IndexError) as error:
            self._refuse(f"the row of share {number}", error)
            self._forget(number)
            return
        except Newer:
            return  # the share's row follows
        self._forget(number)
        self._marks[number], self._by_share[number] = share.mark, set(found)
        self._boards |= found
        self._told |= {one.told["name"]: one.told for one in share.boards}
        self._armed[number] = share.armed
        self.mark = max(self.mark, share.mark)
        if "armed" in self._bus.wanted():
            self._bus.publish("armed", self.armed())
        self._take(share.mark, share.signals)

    async def _filled(self, one: Written, mark: int) -> Mapping[str, Json]:
        """Return a board with its rows and their mark; raises Newer where they can't be told."""
        if one.head["kind"] != "board":
            return one.head
        top: Sequence[Ranked] = await self._hot.top(one.head["name"], MOST_ROWS)
        at = max((ranked.cells[0] for ranked in top), default=mark)
        rows = {ranked.symbol: ranked.cells[1:] for ranked in top if ranked.cells[0] == at}
        if at == mark and len(rows) != min(one.rows, MOST_ROWS):
            raise Newer
        return {**one.head, "mark": at, "ts_ns": at, "order": list(rows), "rows": rows}

    def _forget(self, number: int) -> None:
        """Let go of a share's boards: nothing old looks fresh."""
        self._marks.pop(number, None)
        self._armed.pop(number, None)
        for name in self._by_share.pop(number, ()):
            self._boards.pop(name, None)
            self._told.pop(name, None)

    def heard(self, state: Mapping[str, Json]) -> None:
        """Take signals that came over the bus."""
        try:
            self._take(int(state["mark"]), state["signals"])
        except (KeyError, TypeError, ValueError) as error:
            self._refuse("a publication of signals", error)

    def _take(self, mark: int, packed: object) -> None:
        try:
            self._hear(mark, msgspec.convert(packed, list[Signal]))
        except msgspec.MsgspecError as error:
            self._refuse("signals", error)

    def _refuse(self, what: str, error: Exception) -> None:
        if not self.refused:
            log.warning("what another process tells is none of ours", what=what, reason=str(error))
        self.refused += 1

    def _hear(self, mark: int, signals: Sequence[Signal]) -> None:
        new = [s for s in signals if (s.id, s.state, s.mark) not in self._seen]
        if not new:
            return
        self._signals = sorted([*new, *self._signals], key=lambda s: -s.ts_ns)[:KEPT]
        self._seen = {(s.id, s.state, s.mark) for s in self._signals}
        fresh = [
            s for s in sorted(new, key=lambda s: s.ts_ns) if (s.id, s.state, s.mark) in self._seen
        ]
        self._bus.publish("signals", {"mark": mark, "ts_ns": mark, "signals": fresh})
