"""Every service and every role is killed, and every service stopped, under load.

Nothing is lost, nothing is there twice, no board is wrong. `make chaos` does it TAPELIGHT_CHAOS times,
`make test` once.
"""

import math
import os
import statistics
import time
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alerts.hook import hook
from backends.services import Service
from roles.town import SHARES, START_S, Town, answers_until, fired, town, traded
from tapelight.app.roles.outbox import SETTLED_S

FULL = bool(os.environ.get("TAPELIGHT_CHAOS"))
ROUNDS = int(os.environ.get("TAPELIGHT_CHAOS", "1"))
pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(600 + 600 * ROUNDS)]

WORKERS = [f"scan{n}" for n in range(SHARES)]
ROLES = ["feed", *WORKERS, "archive", "web", "trade", "alert"]
SOME = ["KII", "QQQ", "XOM", "FAL", "LLY", "GE", "YAGG", "MARA"]
RULE = {
    "scans": ["probe"], "symbols": SOME, "channels": ["hook"], "cooldown_s": 0, "per_hour": 3600,
}  # fmt: skip
"""Not of every symbol of this market: a person gets 120 alerts a minute at the most."""
BACK_S = 120.0
"""Whatever the machine does besides; what it took is told."""
RIGHT_S = 5.0
"""Within this boards are right again, of 100 outages of services all but one; held by `make chaos`."""
LONG = {6: 60.0, 13: 60.0} if FULL else {}
"""Rounds in which a service is stopped for a minute."""


class Watcher:
    """Look at the boards, and keep what was seen, and when."""

    def __init__(self, t: Town) -> None:
        self.town = t
        self.seen: dict[tuple[int, str], tuple[Any, float]] = {}

    def newest(self) -> int:
        """Return the mark up to which every board is shown; 0 where one is missing."""
        try:
            got = self.town.boards()
        except (urllib.error.URLError, OSError, ConnectionError):
            return 0
        now_s = time.time()
        for key, shown in got.items():
            self.seen.setdefault(key, (shown, now_s))
        return min((mark for mark, _ in got), default=0) if len(got) >= 20 else 0

    def right_again(self, since_ns: int) -> float:
        return self.town.wait(lambda: self.newest() > since_ns, "boards right again", BACK_S)


def outages(
    t: Town, services: dict[str, Service], number: int
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a round's outages: a name, and what makes it and returns when it is over."""

    def killed(service: Service) -> None:
        service.kill()
        time.sleep(1.0)
        service.start()

    def stopped(service: Service) -> None:
        service.stop()
        time.sleep(LONG.get(number, 1.0 + number * 3.7 % 9.0))
        service.start()

    def role(name: str) -> None:
        t.processes[name].kill()
        t.processes[name].start()

    for name, service in services.items():
        yield f"{name} killed", lambda s=service: killed(s)  # type: ignore[misc]
        yield f"{name} stopped", lambda s=service: stopped(s)  # type: ignore[misc]
    for name in ROLES:
        yield f"{name} killed", lambda n=name: role(n)  # type: ignore[misc]


def test_signals_and_boards_through_kills_of_everything(
    tmp_path: Path, redis: Service, rabbit: Service, postgres: Service,
    record_property: Callable[[str, object], None],
) -> None:  # fmt: skip
    services = {"redis": redis, "rabbitmq": rabbit, "postgresql": postgres}
    took: dict[str, list[float]] = {}
    with hook() as receiver, town(tmp_path, services, speed=1) as t:
        t.more = receiver.allowed
        t.begin(*ROLES)
        watch = Watcher(t)
        t.wait(lambda: watch.newest() > 0, "the first boards", START_S)
        t.wait(lambda: all(_settled(t, n) for n in WORKERS), "queues that stay", 6 * SETTLED_S)
        t.send("PUT", "/api/channels/hook", receiver.channel)
        t.send("PUT", "/api/alerts/highs", RULE)
        t.wait(lambda: t.measures("alert").get("tapelight_alert_rules{rules}"), "the rule")
        ruled_ns = _now(t)
        for number in range(ROUNDS):
            for name, outage in outages(t, services, number):
                outage()
                took.setdefault(name, []).append(watch.right_again(_now(t)))
        last_s = min(t.mark_s(name) for name in WORKERS)
        folder, run = t.run()
        assert len(t.runs()) == 1, "a kill of the feed began another run"
        one = answers_until(folder, last_s)
        due = one.signals.keys()
        t.wait(lambda: due <= t.archived(run).signals.keys(), "every signal archived", BACK_S)
        kept = t.archived(run)
        t.wait(lambda: due <= traded(t.folder / "trade"), "every signal with the trader", BACK_S)
        told = {key[0] for key in fired(one, "probe", SOME) if key[2] > ruled_ns}
        t.wait(lambda: told <= receiver.ids().keys(), "every signal told", BACK_S)
    assert {key: kept.signals[key] for key in due} == one.signals
    assert not {k for k in kept.signals if k not in due and k[2] <= last_s * 1e9}
    assert len(kept.signals) == kept.times, "a record is there twice"
    assert {len(ids) for ids in receiver.ids().values()} <= {1}, "a signal under two ids"
    compared = [key for key in watch.seen if key[0] <= last_s * 1e9]
    wrong = {
        k: (watch.seen[k], one.boards[k]) for k in compared if watch.seen[k][0] != one.boards[k]
    }
    assert not wrong
    assert len(one.signals) >= 20
    assert told
    record_property(
        "told",
        f"{ROUNDS} rounds: {len(due)} signals, {len(told)} alerts, {len(compared)} boards; right again after (s): "
        + ", ".join(f"{name} {_told(times)}" for name, times in took.items()),
    )
    if FULL:
        of_services = [
            s for name in services for how in ("killed", "stopped") for s in took[f"{name} {how}"]
        ]
        assert sorted(of_services)[math.ceil(len(of_services) * 0.99) - 1] <= RIGHT_S


def _settled(t: Town, name: str) -> bool:
    found = t.measures(name)
    return all(
        found.get(f"tapelight_outbox_settled{{{to}}}") for to in ("archive", "trade", "alert")
    )


def _now(t: Town) -> int:
    """Return the market time that the feed's journal has reached, by the workers; ns."""
    return int(max(t.mark_s(name) for name in WORKERS) * 1e9)


def _told(times: list[float]) -> str:
    return f"median {statistics.median(times):.1f} most {max(times):.1f}"
