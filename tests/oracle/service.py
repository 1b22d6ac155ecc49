"""Start the commands as a user does, and read the simulator's REST service."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from oracle.market import NAN, Reference

ROOT = Path(__file__).parents[2]
START_S = 90.0
STOP_S = 20.0


def free_port() -> int:
    """Return a port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def command(folder: Path, *arguments: object) -> Iterator[None]:
    """Run `python -m tapelight ...` in `folder`; end it in an orderly way."""
    environment = {"PYTHONPATH": str(ROOT / "src"), **os.environ}
    with (folder / f"{arguments[0]}.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "tapelight", *(str(a) for a in arguments)],
            cwd=folder, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield
        finally:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(STOP_S)
            finally:
                child.kill()
                child.wait(STOP_S)


def wait_until_listening(port: int) -> None:
    """Wait until something accepts connections on `port`."""
    end_s = time.monotonic() + START_S
    while True:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < end_s, f"nothing listens on port {port} within {START_S:g} s"
        time.sleep(0.05)


def write_config(folder: Path, simulator_port: int) -> None:
    """Write a tapelight.toml that names the simulator as the Massive service."""
    (folder / "tapelight.toml").write_text(
        'use_feed = "massive"\n[feed.massive]\napi_key = "demo"\n'
        f'url = "ws://127.0.0.1:{simulator_port}/stocks"\n'
        f'rest = "http://127.0.0.1:{simulator_port}"\n'
    )


def references(port: int, day: str, day_before: str) -> dict[str, Reference]:
    """Ask the service for types, previous closes, floats and the minute bars of `day` so far."""
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": "Bearer demo"}, timeout=30
    ) as rest:
        types = {t["ticker"]: t["type"] for t in _pages(rest, "/v3/reference/tickers")}
        floats = {f["ticker"]: f["free_float"] for f in _pages(rest, "/stocks/vX/float")}
        path = f"/v2/aggs/grouped/locale/us/market/stocks/{day_before}"
        closes = {b["T"]: b["c"] for b in _pages(rest, path)}
        return {
            symbol: Reference(
                kind, closes.get(symbol, NAN), floats.get(symbol, NAN), _dollars(rest, symbol, day)
            )
            for symbol, kind in types.items()
        }


@contextmanager
def without_snapshots(port: int, until_ns: int) -> Iterator[Callable[[], None]]:
    """Let the service refuse its snapshot; what is yielded waits for market time `until_ns`.

    The snapshot that a scanner then gets holds prints of the minute that the stream told, too.
    """
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as rest:
        faults = {"status": 503, "under": "/v2/snapshot"}
        rest.put("/simulator/line", json=faults).raise_for_status()

        def wait() -> None:
            end_s = time.monotonic() + START_S
            while rest.get("/simulator/clock").raise_for_status().json()["now_ns"] < until_ns:
                assert time.monotonic() < end_s, f"the market did not begin within {START_S:g} s"
                time.sleep(0.05)
            rest.delete("/simulator/line").raise_for_status()

        yield wait


def _dollars(rest: httpx.Client, symbol: str, day: str) -> float:
    bars = _pages(rest, f"/v2/aggs/ticker/{symbol}/range/1/minute/{day}/{day}")
    return float(sum(bar["v"] * bar["vw"] for bar in bars))


def _pages(rest: httpx.Client, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    following: str | None = f"{path}?limit=1000" if "/aggs/" not in path else f"{path}?limit=50000"
    while following:
        answer = rest.get(following)
        answer.raise_for_status()
        body = answer.json()
        found += body.get("results", [])
        following = body.get("next_url")
    return found
