"""The Massive feed against the simulator: its totals equal the tape's ledger."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from feeds.simulator_service import free_port
from tapelight.feeds.massive import MassiveConfig, MassiveFeed
from tapelight.model.batch import Batch, Trades
from tapelight.model.clock import MarketClock
from tapelight.model.records import FeedState, History, Record, Reference, References, Snapshot
from tapelight.model.universe import Universe

SYMBOLS, MARKET_S = 300, 20.0


class Totals:
    """A sink that adds up each symbol's day as the engine does, in plain Python."""

    def __init__(self) -> None:
        self.universe = Universe()
        self.clock = MarketClock()
        self.volume: dict[int, float] = {}
        self.trades: dict[int, int] = {}
        self.prices: dict[int, float] = {}
        self.quotes: dict[int, tuple[float, float]] = {}
        self.updated_ns: dict[int, int] = {}
        self.snapshots: list[Snapshot] = []
        self.references: dict[str, Reference] = {}
        self.history: list[History] = []
        self.states: list[FeedState] = []
        self.rejected: list[str] = []
        self.lags_ns: list[int] = []

    def put(self, record: Record) -> None:
        match record:
            case Batch():
                self._batch(record)
            case Snapshot():
                self._snapshot(record)
            case References():
                self.references |= {r.symbol: r for r in record.references}
            case History():
                self.history.append(record)
            case FeedState():
                self.states.append(record)

    def alive(self, complete_ns: int) -> None:
        self.lags_ns.append(self.clock.now_ns() - complete_ns)

    def raw(self, frames: Sequence[bytes]) -> None: ...

    def reject(self, kind: str, sample: bytes | str) -> None:
        self.rejected.append(kind)

    def _snapshot(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)
        for row, volume, last, updated in zip(
            snapshot.row.tolist(),
            snapshot.volume.tolist(),
            snapshot.last.tolist(),
            snapshot.updated_ns.tolist(),
            strict=True,
        ):
            self.volume[row], self.prices[row], self.updated_ns[row] = volume, last, updated

    def _batch(self, batch: Batch) -> None:
        if batch.trades is not None:
            self._trades(batch.trades)
        if batch.quotes is not None:
            columns = (batch.quotes.row, batch.quotes.bid, batch.quotes.ask)
            for row, bid, ask in zip(*(c.tolist() for c in columns), strict=True):
                self.quotes[row] = (bid, ask)

    def _trades(self, trades: Trades) -> None:
        no_volume = (1 << 15) | (1 << 16) | (1 << 38)
        columns = (trades.row, trades.ts_ns, trades.size, trades.conditions)
        for row, ts_ns, size, conditions in zip(*(c.tolist() for c in columns), strict=True):
            if ts_ns <= self.updated_ns.get(row, 0):
                continue
            self.trades[row] = self.trades.get(row, 0) + 1
            if not conditions & no_volume:
                self.volume[row] = self.volume.get(row, 0.0) + size


SIMULATOR = """
import asyncio, pathlib, sys
from tapelight.feeds.simulator import SimulatorOptions, serve
asyncio.run(serve(SimulatorOptions(
    port=int(sys.argv[1]), ledger=pathlib.Path(sys.argv[2]), symbols=int(sys.argv[3]),
    duration_s=float(sys.argv[4]), rate=2000.0, seed=11, speed=5.0, hold=True, start="09:29:50",
)))
"""


@contextlib.asynccontextmanager
async def market(folder: Path, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the simulator in a process of its own, as the demo does."""
    arguments = (str(port), str(folder), str(SYMBOLS), str(MARKET_S))
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SIMULATOR, *arguments, env=paths
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _fed(folder: Path) -> tuple[Totals, dict[str, int]]:
    """Feed a sink from a market's begin to its end."""
    port, totals = free_port(), Totals()
    config = MassiveConfig(
        url=f"ws://127.0.0.1:{port}/stocks",
        rest=f"http://127.0.0.1:{port}",
        api_key="demo",
        backfill=20,
        history_sessions=0,
    )
    feed = MassiveFeed(config=config)
    counts: dict[str, int] = {}
    async with market(folder, port) as process:
        run = asyncio.create_task(feed.run(totals))
        end = asyncio.create_task(process.wait())
        async with asyncio.timeout(100):
            while not end.done() and not run.done():
                counts = dict(feed.counts()) or counts
                await asyncio.wait({end, run}, timeout=0.05)
        run.cancel()
        await asyncio.wait({run, end})
        assert run.cancelled(), run.exception()
    return totals, counts


@pytest.mark.slow
async def test_totals_equal_the_ledger(tmp_path: Path) -> None:
    totals, counts = await _fed(tmp_path)
    start = pl.read_parquet(tmp_path / "start.parquet")
    trades = pl.read_parquet(tmp_path / "trades-*.parquet")
    quotes = pl.read_parquet(tmp_path / "quotes-*.parquet").sort("n_trades_before", "ts_ns")
    listed = set(totals.universe.symbols)
    trades = trades.filter(pl.col("symbol").is_in(list(listed)))
    assert len(trades) > 5_000
    assert counts["rejected"] == 0
    assert totals.rejected == []
    assert next(s.state for s in totals.states if s.state != "connecting") == "live"

    sent = dict(trades.group_by("symbol").len().iter_rows())
    got = {totals.universe.symbols[row]: n for row, n in totals.trades.items()}
    in_snapshot = {s: n - got.get(s, 0) for s, n in sent.items()}
    assert min(in_snapshot.values()) >= 0
    assert sum(got.values()) > 0.9 * len(trades)

    counted = trades.filter(
        ~pl.col("conditions").list.eval(pl.element().is_in([15, 16, 38])).list.any()
    )
    volume = dict(counted.group_by("symbol").agg(pl.col("size").sum()).iter_rows())
    for symbol, before in start.select("symbol", "volume_before").iter_rows():
        if symbol in listed:
            ours = totals.volume[totals.universe.rows[symbol]]
            assert ours == pytest.approx(before + volume.get(symbol, 0.0), rel=1e-12), symbol

    last = quotes.group_by("symbol", maintain_order=True).agg(pl.col("bid", "ask").last())
    for symbol, bid, ask in last.iter_rows():
        if symbol in listed:
            assert totals.quotes[totals.universe.rows[symbol]] == (bid, ask), symbol


@pytest.mark.slow
async def test_references_and_history_of_the_simulated_market(tmp_path: Path) -> None:
    totals, _ = await _fed(tmp_path)
    start = pl.read_parquet(tmp_path / "start.parquet")
    for symbol, prev_close, free in start.select(
        "symbol", "prev_close", "float_shares"
    ).iter_rows():
        reference = totals.references.get(symbol)
        if reference is not None:
            assert reference.prev_close == pytest.approx(prev_close, rel=1e-9), symbol
            assert reference.float_shares in (None, free)
    assert len(totals.references) >= SYMBOLS - 5
    assert len(totals.history) >= 20
    for record in totals.history:
        assert (np.diff(record.bars.start_ns) >= 60_000_000_000).all()
        assert (record.bars.span_s[:-1] == 60).all(), "the snapshot's own minute is the last"
        assert len(set(record.bars.row.tolist())) == 1
