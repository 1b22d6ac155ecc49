"""One trace over the roles: what a worker fires, a trader fills and people are told; from tick to fill."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alerts.hook import hook
from backends.services import Service
from conftest import ROOT
from e2e.live import STRATEGY, WIDE_LIMITS
from observing.collector import Collector
from roles.town import START_S, Town, town
from tapelight.app.otel import trace_id
from tapelight.errors import Unavailable
from tapelight.scan.source import shipped
from tapelight.stores.signalqueue import SignalQueue

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(400)]

SPANS = {
    ("batch", ""), ("cycle", "batch"), ("signal", "cycle"), ("order", "signal"), ("fill", "order"),
    ("alert", "signal"),
}  # fmt: skip
"""Of three processes: worker, trader and alert role."""
SETTINGS = """
[strategy.walk]
[trade.strategy.walk]
mode = "auto"
"""


class TradingTown(Town):
    """A strategy is routed to the trader, at the paper broker."""

    def settings(self, name: str) -> str:
        folder = self.folder / "strategies"
        folder.mkdir(exist_ok=True)
        wide = STRATEGY.replace("4e8", "1e5")
        (folder / "walk.py").write_text(wide, "utf-8")
        off = [f"[strategy.{other}]\nenabled = false\n" for other in shipped()]
        head = f'strategies = "{folder}"\n'
        return head + super().settings(name) + SETTINGS + WIDE_LIMITS + "\n".join(off)


def test_a_signal_is_told_from_tick_to_fill_over_the_roles(
    tmp_path: Path, redis: Service, rabbit: Service, postgres: Service,
    collector: Collector, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    services = {"redis": redis, "rabbitmq": rabbit, "postgresql": postgres}
    with (
        hook() as receiver,
        town(tmp_path, services, shares=1, of=TradingTown, speed=1, rate=600) as t,
    ):
        t.telemetry, t.more = f'traces = "{collector.url}"', receiver.allowed
        t.begin("web", "alert")
        t.wait(lambda: not t.why("alert"), "an alert role")
        t.send("PUT", "/api/channels/hook", receiver.channel)
        t.send("PUT", "/api/alerts/walk", {"scans": ["walk"], "channels": ["hook"]})
        t.role("feed")
        t.role("scan", "scan0")
        t.wait(lambda: t.mark_s("scan0"), "a worker", START_S)
        t.role("trade", data="web")
        data = tmp_path / "web"
        told: list[list[dict[str, Any]]] = []

        def filled() -> bool:
            for signal in entries(data):
                if spans(collector, signal) >= SPANS:
                    told.append(traced(data, signal))
                    return True
            return False

        t.wait(filled, "an order that is filled, an alert, and their spans", START_S)
    steps = [step["what"] for step in told[0]]
    stations = ["event", "received", "fired", "signal", "intent", "sent", "venue", "fill", "alert"]
    assert [what for what in dict.fromkeys(steps) if what in stations] == stations
    times = {step["what"]: step["ts_ns"] for step in reversed(told[0])}
    assert times["event"] <= times["received"] <= times["fired"] <= times["intent"] <= times["fill"]


def spans(collector: Collector, signal: str) -> set[tuple[str, str]]:
    """Return the spans of a signal's trace with what they stand under; empty for the trace itself."""
    found = list(collector.spans.get(trace_id(signal).to_bytes(16), ()))
    names = {span.span_id: span.name for span in found}
    return {(span.name, names.get(span.parent_span_id, "")) for span in found}


def entries(data: Path) -> list[str]:
    """Return the ids of the entries that the trader's log has."""
    if not (data / "signals.db").exists():
        return []
    queue = SignalQueue(data)
    try:
        rows = queue.read(0)
    except Unavailable:
        return []  # the trader is making it
    finally:
        queue.close()
    return [s.id for _, s in rows if s.scan == "walk" and s.state == "fired" and not s.of]


def traced(data: Path, signal: str) -> list[dict[str, Any]]:
    """Return what `tapelight trace` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tapelight", "trace", signal, "--data", str(data), "--json"],
        capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]
