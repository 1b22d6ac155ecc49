"""A real run on a simulator: what the gateway showed is what ?at= shows, and edits are replayed."""

import json
import random
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from replay.command import replay
from replay.test_recorded_runs import clock, free_port, running, settle, wait_for
from tapelight.model.session import iso

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BOARDS = ("gainers", "top_volume", "momentum_tape", "volume_bursts")
LATER = (
    '-- title = "Later"\n-- gate = "none"\nSELECT symbol, vol FROM market ORDER BY vol DESC LIMIT 7'
)


def get(port: int, path: str, **query: str) -> tuple[int, dict[str, Any]]:
    """Ask; what is busy (503) is asked again, as it says."""
    for _ in range(4):
        code, told = get_once(port, path, **query)
        if code != 503:
            break
    return code, told


def get_once(port: int, path: str, **query: str) -> tuple[int, dict[str, Any]]:
    url = f"http://127.0.0.1:{port}{path}?{urllib.parse.urlencode(query)}"
    try:
        with urllib.request.urlopen(url, timeout=100) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def watch(port: int, seconds: float) -> dict[tuple[str, int], dict[str, Any]]:
    """Note the boards as a client sees them, for so long."""
    seen: dict[tuple[str, int], dict[str, Any]] = {}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for name in BOARDS:
            board = get(port, f"/api/boards/{name}")[1]
            seen[name, board["ts_ns"]] = board
        time.sleep(0.1)
    return seen


def test_a_past_second_is_what_the_gateway_showed(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    market, port = free_port(), free_port()
    config = settle(tmp_path, market)
    scanner = ("run", "--config", config, "--data", tmp_path / "data", "--port", port)
    simulator = (
        "simulate", "--port", market, "--symbols", 200, "--rate", 1500, "--seed", 5, "--hold",
        "--speed", 2, "--start", "2026-11-20T09:29:40-05:00",
    )  # fmt: skip
    with running(*simulator, cwd=tmp_path), running(*scanner, cwd=tmp_path):
        wait_for(port, lambda s: clock(s) >= "09:30:05" and s["feed"]["state"] == "live")
        seen = watch(port, 4.0)
        (tmp_path / "questions" / "later.sql").write_text(LATER)
        wait_for(port, lambda s: get(port, "/api/boards/later")[0] == 200)
        (tmp_path / "questions" / "later.sql").write_text(LATER.replace("vol", "vool"))
        status = wait_for(port, lambda s: bool(s["questions"]["faults"]))
        assert "Unknown column 'vool'" in status["questions"]["faults"]["later"]
        keys = random.Random(1).sample(sorted(seen), 6)
        for name, ts_ns in keys:
            code, then = get(port, f"/api/boards/{name}", at=iso(ts_ns))
            assert code == 200, then
            told = {k: then[k] for k in ("mark", "ts_ns", "columns", "rows")}
            assert told == {k: seen[name, ts_ns][k] for k in told}, (name, iso(ts_ns))
        assert any(seen[key]["rows"] for key in keys)
        code, early = get(port, "/api/boards/later", at=iso(keys[0][1]))
        assert (code, "There was no board" in early["detail"]) == (404, True)
        code, now = get(port, "/api/boards/later", at=status["market_time"])
        assert (code, len(now["rows"])) == (200, 7), "the running version goes on"
    verdict = replay("2026-11-20", "--data", tmp_path / "data", "--verify", "--json")
    assert verdict.rows[0]["identical"] == verdict.rows[0]["of"] > 20
    record_property("told", f"{len(keys)} past boards of {len(seen)} equal what was shown")
