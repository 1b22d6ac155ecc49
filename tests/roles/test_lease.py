"""Two feeds with one key: the one that stands by takes over, and the one that was stopped sees it."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.services import Service
from roles.town import START_S, answers_until, town, wait
from tapelight.app.roles import tenure as tenures
from tapelight.app.roles.tenure import Tenure
from tapelight.errors import Unavailable
from tapelight.stores.leases import SqlLeases
from tapelight.testing.backends import until

pytestmark = pytest.mark.integration

STOPPED_S = 30.0 if os.environ.get("TAPELIGHT_CHAOS") else 8.0
"""More than the lease."""


async def test_a_lease_is_won_kept_and_seen_to_be_lost(tmp_path: Path) -> None:
    leases = SqlLeases(f"sqlite:///{tmp_path}/leases.db")
    first, second = Tenure(leases, "first", 1.0), Tenure(leases, "second", 1.0)
    await first.win("key")
    keeping = asyncio.create_task(first.keep())
    waited: list[bool] = []
    winning = asyncio.create_task(second.win("key", waits=lambda: waited.append(True)))
    await until(lambda: bool(waited), "the second waits")
    await asyncio.sleep(tenures.LOOK_S * 6)  # longer than the lease: it was renewed meanwhile
    assert not winning.done()
    token = first.token
    await first.give_up()
    keeping.cancel()
    await winning
    assert second.token > token
    other = Tenure(leases, "second", 1.0)
    await other.win("key")
    assert other.token > second.token, "a forerunner's token was used again"
    leases.close()


async def test_a_process_that_stood_still_asks_before_anything_else_runs(tmp_path: Path) -> None:
    leases = SqlLeases(f"sqlite:///{tmp_path}/leases.db")
    first, second = Tenure(leases, "first", 0.6), Tenure(leases, "second", 0.6)
    await first.win("key")
    keeping = asyncio.create_task(first.keep())
    await asyncio.sleep(0)
    ran: list[str] = []
    asyncio.get_running_loop().call_later(0.7, ran.append, "the reconnect")
    time.sleep(1.0)  # noqa: ASYNC251 - it is the standstill
    leases.take("key", "second", 60.0)
    with pytest.raises(ExceptionGroup) as caught:
        await keeping
    assert caught.group_contains(Unavailable, match="another process took it")
    assert second.token == 0
    leases.close()


async def test_a_holder_whose_database_was_away_goes_on_unless_another_has_it(
    tmp_path: Path,
) -> None:
    leases = SqlLeases(f"sqlite:///{tmp_path}/leases.db")
    first = Tenure(leases, "first", 0.3)
    lease = await first.win("key")
    await asyncio.sleep(0.4)  # over, as after an outage
    await first._renew()
    assert first.token == lease.token + 1
    await asyncio.sleep(0.4)
    leases.give_up(leases.take("key", "second", 5.0) or lease)
    with pytest.raises(Unavailable, match="lost"):
        await first._renew()
    leases.close()


@pytest.mark.service
@pytest.mark.slow
@pytest.mark.timeout(500)
def test_the_standby_takes_over_from_a_feed_that_is_stopped(
    tmp_path: Path, redis: Service, rabbit: Service, postgres: Service,
    record_property: Callable[[str, object], None],
) -> None:  # fmt: skip
    services = {"redis": redis, "rabbitmq": rabbit, "postgresql": postgres}
    with town(tmp_path, services, speed=1, shares=1) as t:
        t.begin("feed", "scan0", "archive")
        wait(lambda: t.mark_s("scan0") > 0, "the worker at work", START_S)
        t.role("feed", "feed2")
        wait(lambda: '"following"' in t.processes["feed2"].log, "the standby follows", START_S)
        token = t.measures("scan0")["tapelight_stream_token"]
        before, run = t.mark_s("scan0"), t.run()[1]
        t.processes["feed"].signal(signal.SIGSTOP)
        serves_s = wait(
            lambda: (
                t.measures("scan0").get("tapelight_stream_token", 0) > token
                and t.mark_s("scan0") > before + 1
            ),
            "the standby serves",
        )
        time.sleep(max(STOPPED_S - serves_s, 0.0))
        evicted = t.processes["market"].log.count("evicted")
        t.processes["feed"].signal(signal.SIGCONT)
        old = t.processes["feed"].process
        assert old is not None
        wait(lambda: old.poll() is not None, "the old feed ends")
        assert old.returncode == 1
        assert "is lost" in t.processes["feed"].log
        t.processes["feed"].start()
        wait(lambda: t.processes["feed"].log.count("standing by") == 1, "it stands by", START_S)
        assert t.processes["market"].log.count("evicted") == evicted <= 1, "an eviction loop"
        went_on = t.mark_s("scan0")
        wait(lambda: t.mark_s("scan0") > went_on + 3, "the new feed goes on")
        last_s = t.mark_s("scan0")
        folder, now = t.run("feed2")
        assert now == run, "the standby did not go on in the same run"
        one = answers_until(folder, last_s)
        wait(lambda: one.signals.keys() <= t.archived(run).signals.keys(), "all archived")
        kept = t.archived(run).signals
        assert {key: kept[key] for key in one.signals} == one.signals
    record_property("told", f"the standby served after {serves_s:.1f} s, evictions {evicted}")
