"""Measures, logs, and the operator's listener."""

import asyncio
import contextlib
import json

import httpx
import numpy as np
import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from tapelight.app.costs import Costs
from tapelight.app.figures import Figures, LagHistogram
from tapelight.errors import ConfigError
from tapelight.telemetry import SECONDS, Histogram, LoopLag, Measure, log_to_stderr
from tapelight.web.metrics import MEDIA_TYPE, exposition
from tapelight.web.operations import Operations


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_histogram_counts_by_upper_edges() -> None:
    found = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        found.add(value)
    found.add(2.0, times=3)
    assert (found.counts, found.sum) == ([2, 4, 1], 18.0)


def test_lags_in_bins_of_a_millisecond_become_seconds() -> None:
    lags = LagHistogram()
    lags.add_prints(np.array([0, 3_000_000, 40_000_000, 99_000_000_000], np.int64))
    found = lags.seconds()
    assert sum(found.counts) == 4
    assert found.counts[SECONDS.index(0.0005)] == 1
    assert found.counts[SECONDS.index(0.005)] == 1
    assert found.counts[SECONDS.index(0.05)] == 1
    assert found.counts[-1] == 1
    assert found.sum == pytest.approx(0.0005 + 0.0035 + 0.0405 + 10.0005)


def test_measures_become_families_with_their_kinds() -> None:
    seconds = Histogram((0.1, 1.0))
    seconds.add(0.5)
    text = exposition(
        lambda: [
            Measure("events_total", "Events.", 3, {"stage": "table"}),
            Measure("events_total", "Events.", 4, {"stage": "line"}),
            Measure("clients", "Clients.", 2),
            Measure("cycle_seconds", "Cycle.", seconds),
            Measure("gap_open", "Hole.", True),
        ]
    )().decode()
    found = samples(text)
    assert found["tapelight_events_total", (("stage", "table"),)] == 3
    assert found["tapelight_events_total", (("stage", "line"),)] == 4
    assert found["tapelight_clients", ()] == 2
    assert found["tapelight_gap_open", ()] == 1
    assert found["tapelight_cycle_seconds_bucket", (("le", "0.1"),)] == 0
    assert found["tapelight_cycle_seconds_bucket", (("le", "1.0"),)] == 1
    assert found["tapelight_cycle_seconds_bucket", (("le", "+Inf"),)] == 1
    assert found["tapelight_cycle_seconds_sum", ()] == 0.5
    assert "# TYPE tapelight_cycle_seconds histogram" in text
    assert found["tapelight_process_resident_memory_bytes", ()] > 1e6
    assert found["tapelight_process_open_fds", ()] > 2
    assert {name for name, _ in found if not name.startswith("tapelight_")} == set()


def test_steps_are_added_up_by_kind_and_name() -> None:
    ticks = iter([1.0, 1.25, 1.5, 9.0, 9.5])
    costs = Costs(lambda: next(ticks))
    for step in (("mark", ""), ("scan", "a"), ("board", "b"), ("mark", ""), ("scan", "a")):
        costs.on_step(*step)
    told = {(m.name, m.labels["kind"], m.labels["name"]): m.value for m in costs.measures()}
    assert told["question_seconds_total", "scan", "a"] == 0.75
    assert told["question_evaluations_total", "scan", "a"] == 2
    assert told["question_seconds_total", "board", "b"] == 0.25


def test_a_mark_counts_once_in_both_forms() -> None:
    figures = Figures()
    figures.cycle(4_000_000)
    assert figures.cycle_ms()["p50"] == 4.0
    assert figures.cycle_seconds.sum == pytest.approx(0.004)


async def test_the_loops_lag_is_what_blocks_it() -> None:
    lag = LoopLag()
    task = asyncio.create_task(lag.run())
    async with asyncio.timeout(10):
        while not sum(lag.seconds.counts):  # noqa: ASYNC110 - it measures by itself
            await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    (measure,) = lag.measures()
    assert (measure.name, measure.value) == ("loop_lag_seconds", lag.seconds)
    assert lag.seconds.sum >= 0.0


@pytest.mark.integration
async def test_the_listener_serves_measures_and_says_why_it_is_not_fit() -> None:
    word: list[str | None] = [None]
    listener = Operations(
        lambda: [Measure("clients", "Clients.", 2)], lambda: word[0], "127.0.0.1", 0
    )
    task = asyncio.create_task(listener.serve())
    url = f"http://127.0.0.1:{listener.port}"
    async with httpx.AsyncClient(base_url=url) as http:
        told = await http.get("/metrics")
        assert told.headers["content-type"] == MEDIA_TYPE
        assert "tapelight_clients 2.0" in told.text
        assert (await http.get("/health")).json() == {"ok": True}
        word[0] = "The feed is closed."
        answer = await http.get("/health")
        assert (answer.status_code, answer.json()["reason"]) == (503, "The feed is closed.")
        assert (await http.get("/api/market")).status_code == 404
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    with pytest.raises(ConfigError, match="65536"):
        Operations(list, lambda: None, "127.0.0.1", 65_536)


def test_logs_are_json_with_the_level_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TAPELIGHT_LOG", "debug")
    try:
        log_to_stderr(as_json=True)
        structlog.get_logger().debug("signal", signal="ab12", scan="gainers")
        line = json.loads(capsys.readouterr().err)
        assert (line["event"], line["signal"], line["level"]) == ("signal", "ab12", "debug")
        monkeypatch.setenv("TAPELIGHT_LOG", "loud")
        with pytest.raises(ConfigError, match="'loud'"):
            log_to_stderr()
    finally:
        structlog.reset_defaults()
