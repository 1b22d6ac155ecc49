"""A market small enough to write down: hand-made Boards and Market for the gateway's tests."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any

from tapelight.errors import ConfigError, Missing
from tapelight.model.signals import Signal
from tapelight.ports import Json, Row

OPEN_NS = 1_795_185_000_000_000_000
OPEN_S = OPEN_NS // 1_000_000_000
COLUMNS = [
    {"name": "last", "unit": "USD", "doc": "Last price."},
    {"name": "chg_pct", "unit": "%", "doc": "Change from the previous close."},
]
GAINERS: dict[str, Any] = {
    "name": "gainers",
    "title": "Top gainers",
    "kind": "list",
    "mark": 7,
    "ts_ns": OPEN_NS,
    "columns": COLUMNS,
    "order": ["TSLA", "AAPL"],
    "rows": {"AAPL": [190.5, math.nan], "TSLA": [250.0, 3.25]},
}
BARS = [
    [float(OPEN_S + 60 * i), 10.0 + i, 11.0 + i, 9.0 + i, 10.5 + i, 100.0 * (i + 1)]
    for i in range(7)
]


def signal(n: int) -> Signal:
    return Signal(
        id=f"s{n}",
        scan="hod",
        symbol="AAPL",
        state="fired",
        ts_ns=OPEN_NS + n,
        mark=n,
        values={"last": 190.0 + n, "rvol": math.nan},
        text=f"AAPL new high {n}",
    )


def armed(scan: str, symbol: str, since_ns: int) -> dict[str, Json]:
    return {"scan": scan, "symbol": symbol, "since_ns": since_ns}


class BoardsByHand:
    def __init__(self) -> None:
        self.states: dict[str, dict[str, Any]] = {
            "gainers": GAINERS,
            "losers": {**GAINERS, "name": "losers", "title": "Top losers"},
        }
        self.past = [signal(2), signal(1)]
        self.near: list[dict[str, Json]] = [armed("hod", "TSLA", 9), armed("gap", "AAPL", 8)]

    def board_names(self) -> Sequence[Mapping[str, Json]]:
        return [
            {"name": s["name"], "title": s["title"], "kind": s["kind"], "columns": COLUMNS}
            for s in self.states.values()
        ]

    def board(self, name: str) -> Mapping[str, Json]:
        return self.states[name]

    def signals(self, limit: int) -> Sequence[Signal]:
        return self.past[:limit]

    def armed(self) -> Mapping[str, Json]:
        return {"mark": 7, "ts_ns": OPEN_NS, "armed": self.near}


class MarketByHand:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.rows: dict[str, dict[str, Any]] = {
            "AAPL": {"last": 190.5, "chg_pct": math.nan, "halted": False},
            "TSLA": {"last": 250.0, "chg_pct": 3.25, "halted": False},
            "BTC/USD": {"last": 90_000.0, "chg_pct": None, "halted": False},
        }
        self.report: dict[str, Any] = {
            "feed": {"name": "massive", "state": "live", "detail": ""},
            "journal": {"state": "writing", "bytes": 12_345},
            "lag_ms": {"p50": 1.5, "p99": 20.25},
            "stale": 3,
            "counters": {"trades": 1_000, "shed": {"quotes_superseded": 17}},
        }

    def query(self, sql: str) -> Sequence[Row]:
        self.asked.append(sql)
        if "nope" in sql:
            raise ConfigError("Column 'nope' isn't known: did you mean 'last'?")
        return [{"symbol": symbol, **row} for symbol, row in self.rows.items()]

    def symbol(self, symbol: str) -> Row:
        return self.rows[symbol]

    def bars(self, symbol: str, span_s: int) -> Sequence[Sequence[float]]:
        assert span_s == 60
        _ = self.rows[symbol]
        return BARS

    def status(self) -> Mapping[str, Json]:
        return self.report


THEN = {"run": "2026-11-20/0001", "as_of_ns": OPEN_NS + 1}


class PastByHand:
    """Answers for one second, and is patient until told otherwise."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.begun = asyncio.Event()
        self.slow: asyncio.Event | None = None

    async def board(self, name: str, at: str) -> Mapping[str, Json]:
        await self._ask(name, at)
        return {**GAINERS, "name": name, **THEN}

    async def query(self, sql: str, at: str) -> Mapping[str, Json]:
        await self._ask(sql, at)
        return {**THEN, "rows": [{"symbol": "AAPL", "last": 1.0}]}

    async def symbol(self, symbol: str, at: str) -> Row:
        await self._ask(symbol, at)
        if symbol == "NOBODY":
            raise Missing("'NOBODY' was not watched then.")
        return {"last": 2.0, **THEN}

    async def _ask(self, what: str, at: str) -> None:
        self.asked.append((what, at))
        self.begun.set()
        if at == "never":
            raise Missing("Nothing is recorded at never. Recorded are 2026-11-20.")
        if self.slow is not None:
            try:
                await asyncio.Event().wait()
            finally:
                self.slow.set()
