"""Every service and every role is killed under load: nothing is lost, nothing is there twice.

`make chaos` does it, TAPELIGHT_CHAOS times; `make test` does not.
"""

import os
import statistics
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backends.services import Service
from roles.town import SHARES, START_S, Town, answers_until, town, wait

ROUNDS = int(os.environ.get("TAPELIGHT_CHAOS", "1"))
pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(300 + 300 * ROUNDS)]

WORKERS = [f"scan{n}" for n in range(SHARES)]
ROLES = ["scan0", "archive", "web", "feed"]
AWAY_S = 1.0
BACK_S = 120.0
"""Whatever the machine does besides; what it took is told."""


class Watcher:
    """Look at the boards, and keep what was seen."""

    def __init__(self, t: Town) -> None:
        self.town = t
        self.seen: dict[tuple[int, str], Any] = {}

    def newest(self) -> int:
        """Return the mark up to which every board is shown; 0 where one is missing."""
        try:
            got = self.town.boards()
        except (urllib.error.URLError, OSError, ConnectionError):
            return 0
        self.seen |= got
        return min((mark for mark, _ in got), default=0) if len(got) >= 20 else 0

    def right_again(self, since_ns: int) -> float:
        return wait(lambda: self.newest() > since_ns, "boards right again", BACK_S)


def test_signals_and_boards_through_kills_of_everything(
    tmp_path: Path, redis: Service, rabbit: Service, postgres: Service,
    record_property: Callable[[str, object], None],
) -> None:  # fmt: skip
    services = {"redis": redis, "rabbitmq": rabbit, "postgresql": postgres}
    took: dict[str, list[float]] = {name: [] for name in (*services, *ROLES)}
    with town(tmp_path, services, speed=1) as t:
        t.begin("feed", *WORKERS, "archive", "web")
        watch = Watcher(t)
        wait(lambda: watch.newest() > 0, "the first boards", START_S)
        for _ in range(ROUNDS):
            for name, service in services.items():
                service.kill()
                time.sleep(AWAY_S)
                service.start()
                took[name].append(watch.right_again(_now(t)))
            for name in ROLES:
                t.processes[name].kill()
                t.processes[name].start()
                took[name].append(watch.right_again(_now(t)))
        last_s = min(t.mark_s(name) for name in WORKERS)
        folder, run = t.run()
        assert len(t.runs()) == 1, "a kill of the feed began another run"
        one = answers_until(folder, last_s)
        due = one.signals.keys()
        wait(lambda: due <= t.archived(run).signals.keys(), "every signal archived")
        kept = t.archived(run)
    assert {key: kept.signals[key] for key in due} == one.signals
    assert not {k for k in kept.signals if k not in due and k[2] <= last_s * 1e9}
    assert len(kept.signals) == kept.times, "a record is there twice"
    compared = [key for key in watch.seen if key[0] <= last_s * 1e9]
    assert all(watch.seen[key] == one.boards[key] for key in compared)
    assert len(one.signals) >= 20
    said = ", ".join(f"{name} {_told(times)}" for name, times in took.items())
    record_property(
        "told", f"{len(due)} signals, {len(compared)} boards; right again after (s): {said}"
    )


def _now(t: Town) -> int:
    """Return the market time that the feed's journal has reached, by the workers; ns."""
    return int(max(t.mark_s(name) for name in WORKERS) * 1e9)


def _told(times: list[float]) -> str:
    if len(times) == 1:
        return f"{times[0]:.1f}"
    return f"median {statistics.median(times):.1f} most {max(times):.1f}"
