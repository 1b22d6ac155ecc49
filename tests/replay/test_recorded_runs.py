"""Real processes: the demo over the bell, the close and 04:00, and a scanner killed in mid-stream."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from conftest import ROOT
from replay.command import replay
from tapelight.app.runs import find_run
from tapelight.engine import Engine
from tapelight.model.records import FeedState
from tapelight.model.signals import Signal
from tapelight.stores.journal.segments import read_records

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NS = 1_000_000_000
SPEED = 4
PROBE = """-- title = "New highs"
-- kind = "events"
-- gate = "none"
SELECT symbol, last, hod FROM market WHERE new_hod
"""


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tapelight", *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("scenario", ["open", "close", "premarket"])
def test_a_demo_over_an_edge_of_the_session_is_replayed(
    tmp_path: Path, scenario: str, record_property: Callable[[str, object], None]
) -> None:
    """125 market seconds from two minutes before the edge: it is inside."""
    done = subprocess.run(
        command(
            "demo", "--symbols", 200, "--rate", 1500, "--duration", 125, "--speed", SPEED,
            "--scenario", scenario, "--port", free_port(), "--data", tmp_path, "--json",
        ),
        capture_output=True, text=True, timeout=200, cwd=tmp_path, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout.splitlines()[-1])
    assert status["journal"]["state"] == "ok"
    for seed in ("1", "2"):
        told = replay(find_run(tmp_path, None), "--verify", "--json", PYTHONHASHSEED=seed)
        assert (told.code, told.err) == (0, "")
        verdict = told.rows[0]
        assert verdict["identical"] == verdict["of"] >= 125
        assert verdict["digest"] == status["digest"]
    record_property("told", f"{verdict['of']} digests, {status['counters']['trades']} trades")


@contextmanager
def running(*arguments: object, cwd: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command until the block ends; SIGTERM must end it within 30 s."""
    with (cwd / f"{arguments[0]}.log").open("ab") as log:
        child = subprocess.Popen(command(*arguments), cwd=cwd, env=environment(), stderr=log)
        try:
            yield child
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait(timeout=30)


def health(port: int) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            status: dict[str, Any] = json.load(answer)
            return status
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return {}


def wait_for(
    port: int, reached: Callable[[dict[str, Any]], bool], limit_s: float = 90
) -> dict[str, Any]:
    """Ask /health until `reached` says so."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        status = health(port)
        if status and reached(status):
            return status
        time.sleep(0.1)
    raise AssertionError(f"not reached within {limit_s} s: {status}")


def clock(status: dict[str, Any]) -> str:
    return str(status["market_time"])[11:19]


def settle(folder: Path, port: int) -> Path:
    """Write the configuration of a scanner on the simulator at `port`."""
    (folder / "questions").mkdir()
    (folder / "questions" / "probe.sql").write_text(PROBE)
    config = folder / "scanner.toml"
    config.write_text(
        f'use_feed = "massive"\nquestions = "{folder / "questions"}"\n[feed.massive]\n'
        f'url = "ws://127.0.0.1:{port}/stocks"\nrest = "http://127.0.0.1:{port}"\n'
        'api_key = "demo"\n'
    )
    return config


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record from a simulator, kill -9 after the bell, restart, stop; return the folder."""
    folder = tmp_path_factory.mktemp("killed")
    market, port = free_port(), free_port()
    config = settle(folder, market)
    scanner = ("run", "--config", config, "--data", folder / "data", "--port", port)
    simulator = (
        "simulate", "--port", market, "--symbols", 200, "--rate", 1500, "--seed", 3, "--hold",
        "--speed", 2, "--start", "2026-11-20T09:29:30-05:00", "--ledger", folder / "ledger",
    )  # fmt: skip
    with running(*simulator, cwd=folder):
        with running(*scanner, cwd=folder) as first:
            wait_for(port, lambda s: clock(s) >= "09:30:25" and s["feed"]["state"] == "live")
            first.send_signal(signal.SIGKILL)
            first.wait(timeout=10)
        with running(*scanner, cwd=folder) as second:
            status = wait_for(port, lambda s: s["feed"]["state"] == "live" and not s["gap_open"])
            end = f"09:3{1 + int(clock(status)[3:5]) % 10}:{clock(status)[6:8]}"
            wait_for(port, lambda s: clock(s) >= end)
        assert second.returncode == 0
    return folder


def test_a_killed_run_goes_on_and_is_replayed(killed: Path) -> None:
    told = replay("2026-11-20", "--data", killed / "data", "--verify", "--json")
    assert (told.code, told.err) == (0, "")
    assert told.rows[0]["identical"] == told.rows[0]["of"] > 100
    runs = list((killed / "data" / "journal" / "2026-11-20").iterdir())
    assert [r.name for r in runs] == ["0001"], "the run went on"


def replayed(folder: Path) -> tuple[list[Signal], int]:
    """Return all signals of the journal, and the market time of the restart."""
    engine, signals, restart_ns = Engine(), [], 0
    for record in read_records(find_run(folder / "data", None)):
        cycle = engine.apply(record)
        if cycle is not None:
            signals += cycle.signals
        if isinstance(record, FeedState) and record.detail == "restarted":
            restart_ns = record.ts_ns
    return signals, restart_ns


def test_a_killed_run_gives_no_signal_twice(killed: Path) -> None:
    signals, restart_ns = replayed(killed)
    told = [(s.id, s.state, s.kind) for s in signals]
    assert len(set(told)) == len(told)
    assert restart_ns > 0
    assert any(s.ts_ns < restart_ns for s in signals)
    assert any(s.ts_ns > restart_ns for s in signals)


def highs(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return by symbol when the true high of the day rose, and to what, from the ledger."""
    trades = pl.concat(
        [pl.read_parquet(p) for p in sorted((folder / "ledger").glob("trades-*.parquet"))]
    ).sort("n")
    start = pl.read_parquet(folder / "ledger" / "start.parquet")
    known = dict(start.select("symbol", "pm_high").iter_rows())
    # Odd lots, averages, derivative, prior-reference and out-of-sequence prints are no event.
    silent = [2, 7, 10, 13, 15, 16, 20, 21, 22, 29, 32, 37, 38, 52, 53]
    moves = ~pl.col("conditions").list.eval(pl.element().is_in(silent)).list.any()
    counted = trades.filter(moves.fill_null(value=True))
    told: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for (symbol,), mine in counted.group_by("symbol", maintain_order=True):
        before = known.get(symbol) or 0.0
        price = mine["price"].to_numpy()
        running_high = np.maximum.accumulate(np.concatenate([[before], price]))
        rises = np.flatnonzero(np.diff(running_high) > 0)
        told[symbol] = (mine["ts_ns"].to_numpy()[rises], price[rises])
    return told


def test_a_killed_run_has_no_false_new_high(killed: Path) -> None:
    """Each new high that was told after the restart is one of the tape, of that very second."""
    signals, restart_ns = replayed(killed)
    truth = highs(killed)
    told = [s for s in signals if s.scan == "probe" and s.ts_ns > restart_ns]
    assert len(told) > 20
    for event in told:
        at, price = truth[event.symbol]
        near = (at <= event.ts_ns) & (at > event.ts_ns - 3 * NS)
        assert event.values["hod"] in price[near], event
