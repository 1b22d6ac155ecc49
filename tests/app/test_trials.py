"""A text of a scan is tried on a recorded day: how often it fires, what a change would change."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from replay.tape import Tape, record_day
from tapelight.app.trials import Trials, tried
from tapelight.buses.memory import MemoryBus
from tapelight.errors import ConfigError, Unavailable
from tapelight.ports import Json
from tapelight.web.server import Gateway
from web.by_hand import BoardsByHand, MarketByHand

pytestmark = pytest.mark.integration

EVENTS = """-- kind = "events"
-- gate = "none"
-- cooldown_s = {}
SELECT symbol, last, hod FROM market WHERE new_hod AND vol > 100 AND last < 60
"""
FIXTURE = """[[case]]
name = "a new high"
rows = [{symbol = "A", new_hod = true, vol = 200, last = 5.0}]
expect = ["A"]
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    record_day(folder / "journal" / "2026-11-20" / "0001", Tape(seconds=15))
    return folder


def test_the_difference_to_the_saved_text_and_the_rate_are_told(data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.test.toml").write_text(FIXTURE, "utf-8")
    saved = {"mine": EVENTS.format("5.0")}
    told: Any = tried(data, tmp_path, "mine", EVENTS.format("1.0"), saved)
    found = told["difference"]
    assert found["added"] > 0
    assert told["fires"] == found["added"] + found["same"]
    assert told["per_hour"] == pytest.approx(told["fires"] / told["hours"], rel=0.1)
    changes = sorted(each["change"] for each in found["changes"])
    assert changes == ["+"] * found["added"] + ["-"] * found["gone"]
    assert [(case["case"], case["ok"]) for case in told["cases"]] == [("a new high", True)]
    fresh: Any = tried(data, tmp_path, "other", EVENTS.format("1.0"), saved)
    assert (fresh["fires"], fresh["difference"], fresh["cases"]) == (told["fires"], None, [])


def test_a_text_that_does_not_compile_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lst"):
        tried(data, tmp_path, "mine", "SELECT symbol, lst FROM market", {})


@pytest.mark.slow
async def test_a_process_of_its_own_tries_it_within_a_limit(data: Path, tmp_path: Path) -> None:
    told = await Trials(data, tmp_path, dict).run("mine", EVENTS.format("1.0"))
    assert told["fires"] == tried(data, tmp_path, "mine", EVENTS.format("1.0"), {})["fires"]
    with pytest.raises(ConfigError):
        await Trials(data, tmp_path, dict).run("mine", "SELECT nothing")
    short = Trials(data, tmp_path, dict, limit_s=0.0)
    with pytest.raises(Unavailable, match="tapelight scan diff mine FILE"):
        await short.run("mine", EVENTS.format("1.0"))


@pytest.mark.slow
async def test_a_trial_that_is_given_up_leaves_no_process(data: Path, tmp_path: Path) -> None:
    before = set(multiprocessing.active_children())
    trial = asyncio.create_task(Trials(data, tmp_path, dict).run("mine", EVENTS.format("1.0")))
    async with asyncio.timeout(30):
        while not (begun := set(multiprocessing.active_children()) - before):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        (pid,) = (process.pid for process in begun)
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # it answers nothing by itself
        trial.cancel()
        await asyncio.wait([trial])
        while alive(pid):  # noqa: ASYNC110 - a process tells no event
            await asyncio.sleep(0.01)
    assert trial.cancelled()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class ByHand:
    async def run(self, name: str, text: str) -> Mapping[str, Json]:
        return {"run": name, "kind": text, "hours": 1.0, "fires": 0, "per_hour": 0.0,
                "difference": None, "cases": []}  # fmt: skip


@pytest.mark.parametrize(("trials", "status"), [(ByHand(), 200), (None, 503)])
async def test_the_route_asks_for_a_trial(trials: ByHand | None, status: int) -> None:
    gateway = Gateway(BoardsByHand(), MarketByHand(), MemoryBus(), port=0, trials=trials)
    gateway.close()
    transport = httpx.ASGITransport(gateway.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        answer = await http.post("/api/scans/try", json={"name": "mine", "text": "events"})
    assert answer.status_code == status
    if status == 200:
        assert (answer.json()["run"], answer.json()["kind"]) == ("mine", "events")
