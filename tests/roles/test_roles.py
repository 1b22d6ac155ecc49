"""One session through every role on real services, and through one process: the same answers."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.services import Service
from roles.scrape import empty_queries, firing, roles_up, scraped
from roles.town import COMMANDS, SHARES, answers_until, town, traded

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(400)]

WORKERS = [f"scan{n}" for n in range(SHARES)]
ROLE_ALERTS = {"ShareMissing", "SignalsWait", "ServiceAway", "StreamRefused", "StreamUnreadable"}
FULL = bool(os.environ.get("TAPELIGHT_CHAOS"))
SECONDS, INSTANTS = (70.0, 100) if FULL else (10.0, 5)
"""Of the wall, two market seconds each; and how many of these are looked at."""


def test_signals_and_boards_are_those_of_one_process(
    tmp_path: Path, redis: Service, rabbit: Service, postgres: Service,
    record_property: Callable[[str, object], None],
) -> None:  # fmt: skip
    services = {"redis": redis, "rabbitmq": rabbit, "postgresql": postgres}
    with town(tmp_path, services, speed=2) as t:
        t.begin("feed", *WORKERS, "archive", "web", "trade", "alert")
        assert all(t.mark_s(name) for name in WORKERS)
        if shutil.which("prometheus") is None:
            pytest.skip("prometheus is not installed")
        with scraped(t, tmp_path / "prometheus") as url:
            t.wait(lambda: roles_up(url) == set(COMMANDS), "every role scraped")
            t.wait(lambda: not empty_queries(url), "every panel of the roles' dashboard")
            assert not firing(url) & ROLE_ALERTS
        seen, instants = {}, set()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            got = t.boards()
            seen |= got
            instants |= {mark for mark, _ in got}
            time.sleep(0.2)
        last_s = min(t.mark_s(name) for name in WORKERS)
        folder, run = t.run()
        one = answers_until(folder, last_s)
        due = one.signals.keys()
        t.wait(lambda: due <= t.archived(run).signals.keys(), "every signal archived")
        kept = t.archived(run).signals
        assert {key: kept[key] for key in due} == one.signals
        t.wait(lambda: due <= traded(t.folder / "trade"), "every signal with the trader")
        extra = {key for key in kept if key not in due and key[2] <= last_s * 1e9}
        assert not extra, "signals that one process does not give"
    compared = _compare(one.boards, seen, int(last_s * 1e9))
    assert len(one.signals) >= 20
    assert len(instants) >= INSTANTS
    record_property(
        "told",
        f"{len(one.signals)} signals, {compared} boards at {len(instants)} instants are the same",
    )


def _compare(one: dict, seen: dict, last_ns: int) -> int:  # type: ignore[type-arg]
    compared = 0
    for (mark, name), (order, rows) in seen.items():
        if mark > last_ns:
            continue
        assert (order, rows) == one[mark, name], (mark, name)
        compared += 1
    assert compared >= 5 * INSTANTS
    return compared
