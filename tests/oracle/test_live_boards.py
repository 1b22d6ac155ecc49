"""The running scanner against the oracle: every board, every second from 09:28 to 09:33."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from oracle.boards import BOARDS
from oracle.market import Hours, Ledger, Reference
from oracle.recorder import Recorder
from oracle.service import (
    command,
    free_port,
    references,
    wait_until_listening,
    without_snapshots,
    write_config,
)
from oracle.verdict import NS, Trial

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

DAY, DAY_BEFORE = "2026-11-20", "2026-11-19"
MARKET = ("--symbols", 400, "--rate", 1500, "--seed", 7)
SPEED = 4
START_LIMIT_S, RUN_LIMIT_S = 90.0, 150.0


def at(clock: str) -> int:
    """Return a New York time of the simulated day in ns UTC."""
    local = dt.datetime.fromisoformat(f"{DAY}T{clock}").replace(tzinfo=ZoneInfo("America/New_York"))
    return int(local.timestamp()) * NS


HOURS = Hours(at("09:30:00"), at("16:00:00"))
INSTANTS = 20


class Run(NamedTuple):
    """A run as seen from outside, and the ledger of what was sent."""

    trial: Trial
    ledger: Ledger
    answers: dict[str, dict[int, Any]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Scan the market with bad prints from 09:28 to 09:33, then reckon it anew."""
    folder = tmp_path_factory.mktemp("run")
    market, web = free_port(), free_port()
    simulate = (
        "simulate", "--port", market, *MARKET, "--scenario", "badprints", "--speed", SPEED,
        "--hold", "--ledger", folder / "ledger",
    )  # fmt: skip
    with command(folder, *simulate):
        wait_until_listening(market)
        known = references(market, DAY, DAY_BEFORE)
        write_config(folder, market)
        scan = ("run", "--port", web, "--config", "tapelight.toml", "--data", folder / "data")
        with (
            without_snapshots(market, at("09:28:03")) as wait,
            command(folder, *scan),
            Recorder(web, list(BOARDS)) as recorder,
        ):
            wait()
            recorder.wait_for(at("09:28:00"), START_LIMIT_S)
            recorder.wait_for(at("09:33:01"), RUN_LIMIT_S)
    return _judge(folder / "ledger", recorder, known)


def _judge(folder: Path, recorder: Recorder, known: dict[str, Reference]) -> Run:
    ledger = Ledger(folder, sorted(known))
    answers = {name: recorder.answers(name) for name in BOARDS}
    trial = Trial(answers, recorder.complete_ns(), HOURS)
    trial.run(ledger, known)
    return Run(trial, ledger, answers)


def test_the_feed_never_broke(run: Run) -> None:
    connections = {
        a["taken"].get("connections", 1) for s in run.answers.values() for a in s.values()
    }
    assert connections == {1}, "the scanner had to connect anew: what it saw is no prefix"


@pytest.mark.parametrize("board", sorted(BOARDS))
def test_ranks_and_values_are_the_oracles(
    run: Run, board: str, record_property: Callable[[str, object], None]
) -> None:
    found = [d for d in run.trial.differences if d.board == board]
    assert not found, f"{len(found)} differences; {'; '.join(str(d) for d in found[:3])}"
    compared = run.trial.compared[board]
    record_property("told", f"{board}: equal at {len(compared)} seconds")
    assert len(compared) >= INSTANTS
    assert min(compared) < HOURS.open_ns < at("09:33:00") <= max(compared)


def test_the_boards_were_not_empty(run: Run) -> None:
    most = {name: max(len(a["rows"]) for a in s.values()) for name, s in run.answers.items()}
    assert most["top_volume"] == most["most_active"] == 100
    assert min(most.values()) >= 3


def test_the_tape_had_what_is_hard(run: Run) -> None:
    truths = run.ledger.trades["truth"].value_counts()
    told = dict(truths.iter_rows())
    assert told["bad"] >= 20
    assert told["late"] >= 20


def test_the_demo_has_rows_at_once(tmp_path: Path) -> None:
    web = free_port()
    folders = ("--ledger", tmp_path / "ledger", "--data", tmp_path / "data")
    demo = ("demo", "--port", web, *MARKET, *folders)
    with command(tmp_path, *demo), Recorder(web, ["gainers"]) as recorder:
        first = recorder.first_rows("gainers", START_LIMIT_S)
    assert at("09:28:00") < first <= at("09:28:15")
