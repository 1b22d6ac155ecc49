"""Two feeds with one key: the one that stands by takes over, and the one that was stopped sees it."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.services import Service
from roles.town import START_S, answers_until, town
from tapelight.app.roles import tenure as tenures
from tapelight.app.roles.tenure import Lost, Tenure
from tapelight.errors import Unavailable
from tapelight.ports import Lease
from tapelight.stores.leases import SqlLeases
from tapelight.testing.backends import until

pytestmark = pytest.mark.integration

FULL = bool(os.environ.get("TAPELIGHT_CHAOS"))
SERVES_S = 5.0
"""Within this another process serves; held by `make chaos`."""
NEAR = "tapelight_stream_near"
STOPPED_S = 30.0 if FULL else 8.0
"""More than the lease."""


async def test_a_lease_is_won_kept_and_seen_to_be_lost(tmp_path: Path) -> None:
    leases = SqlLeases(f"sqlite:///{tmp_path}/leases.db")
    first, second = Tenure(leases, "first", 1.0), Tenure(leases, "second", 1.0)
    await first.win(["key"])
    keeping = asyncio.create_task(first.keep())
    waited: list[bool] = []
    winning = asyncio.create_task(second.win(["key"], lambda: waited.append(True)))
    await until(lambda: bool(waited), "the second waits")
    await asyncio.sleep(tenures.LOOK_S * 6)  # longer than the lease: it was renewed meanwhile
    assert not winning.done()
    token = first.token
    await first.give_up()
    keeping.cancel()
    await winning
    assert second.token > token
    other = Tenure(leases, "second", 1.0)
    await other.win(["key"])
    assert other.token > second.token, "a forerunner's token was used again"
    await second.give_up()
    await other.give_up()
    leases.close()


class Away:
    """Be leases whose database may be away, or a process whose thread does not run."""

    def __init__(self, inner: SqlLeases) -> None:
        self.inner, self.away = inner, False

    def take(self, *given: object, **named: object) -> Lease | None:
        if self.away:
            raise Unavailable("away")
        return self.inner.take(*given, **named)  # type: ignore[arg-type]

    def holds(self, lease: Lease) -> bool:
        if self.away:
            raise Unavailable("away")
        return self.inner.holds(lease)

    def give_up(self, lease: Lease) -> None:
        self.inner.give_up(lease)


async def test_a_process_that_stood_still_asks_before_anything_else_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases = SqlLeases(f"sqlite:///{tmp_path}/leases.db")
    first = Tenure(leases, "first", 0.6)
    monkeypatch.setattr(first, "_renewing", lambda: None)  # a standstill stops the thread too
    await first.win(["key"])
    keeping = asyncio.create_task(first.keep())
    await asyncio.sleep(0)
    knew: list[bool] = []

    async def reconnect() -> None:
        await asyncio.sleep(0.7)
        knew.append(first._fault is not None)

    reconnecting = asyncio.create_task(reconnect())
    await asyncio.sleep(0)
    time.sleep(1.0)  # noqa: ASYNC251 - it is the standstill
    leases.take("key", "second", 60.0)
    with pytest.raises(Lost, match="another process took it"):
        await keeping
    await reconnecting
    assert knew == [True]
    leases.close()


async def test_a_loop_that_is_busy_for_long_keeps_its_lease(tmp_path: Path) -> None:
    leases = SqlLeases(f"sqlite:///{tmp_path}/leases.db")
    first = Tenure(leases, "first", 0.6)
    lease = await first.win(["key"])
    keeping = asyncio.create_task(first.keep())
    await asyncio.sleep(0)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert leases.take("key", "second", 60.0) is None, "taken while its loop was busy"
        time.sleep(0.05)  # noqa: ASYNC251 - a restore, or a fold
    await asyncio.sleep(tenures.LOOK_S * 2)
    assert not keeping.done()
    assert first.lease == lease
    keeping.cancel()
    await first.give_up()
    leases.close()


async def test_a_standstill_while_the_database_is_away_is_no_end(tmp_path: Path) -> None:
    inner = SqlLeases(f"sqlite:///{tmp_path}/leases.db")
    leases = Away(inner)
    first = Tenure(leases, "first", 0.4)
    lease = await first.win(["key"])
    keeping = asyncio.create_task(first.keep())
    await asyncio.sleep(0)
    leases.away = True
    time.sleep(1.0)  # noqa: ASYNC251 - it is the standstill
    await asyncio.sleep(tenures.LOOK_S * 3)
    assert not keeping.done(), "its holder ends where nobody can take it over"
    leases.away = False
    await asyncio.sleep(tenures.LOOK_S * 3)
    assert first.lease == lease
    assert inner.holds(lease)
    keeping.cancel()
    await first.give_up()
    inner.close()


async def test_a_holder_whose_database_was_away_goes_on_unless_another_has_it(
    tmp_path: Path,
) -> None:
    leases = SqlLeases(f"sqlite:///{tmp_path}/leases.db")
    first = Tenure(leases, "first", 0.3)
    lease = await first.win(["key"])
    first._ending.set()
    await asyncio.sleep(0.6)  # over, as after an outage
    assert not leases.holds(lease)
    first._renew()
    assert leases.holds(lease)
    assert first.lease == lease
    leases.give_up(leases.take("key", "second", 5.0, grace_s=-60.0) or lease)
    first._renew()
    with pytest.raises(Lost, match="another process had it"):
        await first.keep()
    leases.close()


async def test_who_waits_leaves_a_lease_to_its_holder_when_the_database_is_back(
    tmp_path: Path,
) -> None:
    inner = SqlLeases(f"sqlite:///{tmp_path}/leases.db")
    leases = Away(inner)
    assert inner.take("key", "first", 0.1) is not None
    leases.away = True
    second = Tenure(leases, "second", 1.0)
    winning = asyncio.create_task(second.win(["key"]))
    await until(lambda: second._away, "it has seen that the database is away")
    leases.away = False
    back_s = time.monotonic()
    await until(lambda: not second._away, "it has seen that it is back")
    assert not winning.done()
    await winning
    assert time.monotonic() - back_s >= 1.0, "taken before its holder could ask"
    await second.give_up()
    inner.close()


def test_a_database_made_anew_gives_higher_tokens(tmp_path: Path) -> None:
    tokens = []
    for name in ("one", "two"):
        leases = SqlLeases(f"sqlite:///{tmp_path}/{name}.db")
        for owner in ("first", "second"):
            lease = leases.take("key", owner, 5.0)
            assert lease is not None
            tokens.append(lease.token)
            leases.give_up(lease)
        leases.close()
        time.sleep(0.005)  # the database's clock has to go on
    assert tokens == sorted(set(tokens)), "readers would refuse the feed for good"


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
        assert t.mark_s("scan0") > 0
        t.role("feed", "feed2")
        t.role("scan", "scan1")
        for name in ("feed2", "scan1"):
            t.wait(lambda n=name: t.measures(n).get(NEAR), f"{name} follows", START_S)
            assert t.measures(name)["tapelight_role_active"] == 0
            assert "Stands by" in t.why(name)
        token = t.measures("scan0")["tapelight_stream_token"]
        before, run = t.mark_s("scan0"), t.run()[1]
        t.processes["feed"].may_end = True
        t.processes["feed"].signal(signal.SIGSTOP)
        serves_s = t.wait(
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
        t.wait(lambda: old.poll() is not None, "the old feed ends")
        assert old.returncode == 1
        assert "is lost" in t.processes["feed"].log
        t.processes["feed"].may_end = False
        t.processes["feed"].start()
        t.wait(lambda: t.processes["feed"].log.count("standing by") == 1, "it stands by", START_S)
        assert t.processes["market"].log.count("evicted") == evicted <= 1, "an eviction loop"
        went_on = t.mark_s("scan0")
        t.wait(lambda: t.mark_s("scan0") > went_on + 3, "the new feed goes on")
        last_s = t.mark_s("scan0")
        folder, now = t.run("feed2")
        assert now == run, "the standby did not go on in the same run"
        one = answers_until(folder, last_s)
        t.wait(lambda: one.signals.keys() <= t.archived(run).signals.keys(), "all archived")
        kept = t.archived(run).signals
        assert {key: kept[key] for key in one.signals} == one.signals
        t.processes["scan0"].kill()
        taken_s = t.wait(
            lambda: t.measures("scan1").get("tapelight_role_active") == 1, "a new worker"
        )
        follows_s = taken_s + t.wait(
            lambda: t.mark_s("scan1") > last_s + 1, "it is where the feed is"
        )
        last_s = t.mark_s("scan1")
        one = answers_until(folder, last_s)
        t.wait(lambda: one.signals.keys() <= t.archived(run).signals.keys(), "all archived again")
        kept = t.archived(run).signals
        assert {key: kept[key] for key in one.signals} == one.signals
        assert "what was followed while standing by" in t.processes["scan1"].log
    record_property(
        "told",
        f"the standby served after {serves_s:.1f} s, evictions {evicted}; a scan worker's after "
        f"{taken_s:.1f} s, with the newest mark after {follows_s:.1f} s",
    )
    if FULL:
        assert max(serves_s, follows_s) <= SERVES_S
