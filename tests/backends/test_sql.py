"""History and leases: SQLite and PostgreSQL pass the same kits on the same migrations."""

import contextlib
import datetime as dt
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from backends.services import Service
from tapelight.app.roles.forgetting import Forgetting
from tapelight.config import ScaleOut
from tapelight.errors import ConfigError, Unavailable
from tapelight.model.signals import Signal
from tapelight.stores import shared
from tapelight.stores.history import BOUND, SqlHistory
from tapelight.stores.leases import SqlLeases
from tapelight.testing.backends import DAY, DAY_NS, check_history, check_leases

FULL = bool(os.environ.get("TAPELIGHT_CHAOS"))
TRADES, SYMBOLS, MINUTES, BLOCK = (
    (1_000_000, 11_000, 390, 5_000) if FULL else (50_000, 110, 390, 5_000)
)
SERVICE = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=SERVICE)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'shared.db'}"
        return
    service: Service = request.getfixturevalue("postgres")
    yield emptied(service)


def emptied(service: Service) -> str:
    engine = shared.open_engine(service.url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    engine.dispose()
    return service.url


def test_history(url: str) -> None:
    history = SqlHistory(url)
    check_history(history)
    for table in ("trades", "bars"):
        assert history.forget(table, DAY + dt.timedelta(1)) > 0
        assert history.forget(table, DAY + dt.timedelta(1)) == 0
        assert history.sums(table, DAY) == (0, 0.0, 0.0)
    assert history.sums("trades", DAY + dt.timedelta(1))[0] == 1
    history.close()


async def test_what_is_older_than_its_days_goes(url: str) -> None:
    history, days = SqlHistory(url), 12
    times = [DAY_NS + day * 86_400 * 10**9 for day in range(days)]
    history.write_trades([(ns, "AAA", 1, 3.0, 2.0) for ns in times])
    history.write_bars([(ns, "AAA", 1.0, 2.0, 0.5, 1.5, 100.0) for ns in times])
    for day, ns in enumerate(times):
        count = 2 * BOUND + 1 if day == 0 else 3
        history.write_signals(
            f"{DAY + dt.timedelta(day)}/0001", [signal_at(ns, n) for n in range(count)]
        )
    settings = ScaleOut(keep_signals_days=4, keep_bars_days=7)
    forgetting = Forgetting(settings, history, today=lambda: DAY + dt.timedelta(days))
    await forgetting.forget()
    sums = {
        t: [history.sums(t, DAY + dt.timedelta(d))[0] for d in range(days)]
        for t in ("trades", "bars")
    }
    assert sums["trades"] == [1] * days, "for ever"
    assert sums["bars"] == [0] * 5 + [1] * 7
    assert marks(url) == dict.fromkeys(times[8:], 3)
    assert forgetting.counts == {"signals": 2 * BOUND + 1 + 7 * 3, "bars": 5, "trades": 0}
    await forgetting.forget()
    assert forgetting.counts["bars"] == 5
    history.close()


def test_days_below_none_are_refused(tmp_path: Path) -> None:
    history = SqlHistory(f"sqlite:///{tmp_path / 'shared.db'}")
    with pytest.raises(ConfigError, match="0 for ever"):
        Forgetting(ScaleOut(keep_bars_days=-1), history)
    history.close()


@pytest.mark.service
@pytest.mark.slow
def test_a_day_that_is_read_waits_with_a_limit(postgres: Service) -> None:
    history = SqlHistory(emptied(postgres))
    history.write_bars([(DAY_NS, "AAA", 1.0, 2.0, 0.5, 1.5, 100.0)])
    engine = shared.open_engine(postgres.url)
    with engine.begin() as reading:
        reading.execute(sa.text("SELECT count(*) FROM bars"))
        with pytest.raises(Unavailable, match="lock timeout"):
            history.forget("bars", DAY + dt.timedelta(1))
    assert history.forget("bars", DAY + dt.timedelta(1)) == 1
    engine.dispose()
    history.close()


def signal_at(mark: int, n: int) -> Signal:
    return Signal(
        id=f"s{n}", scan="own", symbol="AAA", state="fired", ts_ns=mark, mark=mark, values={}
    )


def marks(url: str) -> dict[int, int]:
    """Return how many records of signals there are, by mark."""
    engine = shared.open_engine(url)
    asked = sa.text("SELECT mark, count(*) FROM signal_history GROUP BY mark")
    with engine.connect() as connection:
        found = {int(mark): int(count) for mark, count in connection.execute(asked)}
    engine.dispose()
    return found


@pytest.mark.integration
def test_leases(url: str) -> None:
    one, other = SqlLeases(url), SqlLeases(url)
    check_leases(one, other, time.sleep)
    one.close()
    other.close()


def test_the_migrations_make_what_the_tables_say(url: str) -> None:
    engine = shared.open_engine(url)
    shared.migrate(engine)
    shared.migrate(engine)  # a second time there is nothing to do
    found = sa.inspect(engine)
    for table in shared.METADATA.sorted_tables:
        columns = {c["name"]: c["nullable"] for c in found.get_columns(table.name)}
        assert columns == {c.name: c.nullable for c in table.c}
        keys = found.get_pk_constraint(table.name)["constrained_columns"]
        assert set(keys) == {c.name for c in table.primary_key}
    engine.dispose()


def test_a_newer_schema_is_refused(url: str) -> None:
    engine = shared.open_engine(url)
    shared.migrate(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="newer than this program"):
        SqlHistory(url)
    engine.dispose()


@pytest.mark.integration
def test_what_is_no_database_is_told() -> None:
    with pytest.raises(ConfigError, match="postgresql://"):
        SqlHistory("nonsense")
    with pytest.raises(Unavailable, match="can't be used"):
        SqlHistory("postgresql://tape@127.0.0.1:1/postgres")


@pytest.mark.service
@pytest.mark.slow
@pytest.mark.timeout(1800 if FULL else 240)
def test_a_day_lands_though_the_server_is_killed_within_it(
    postgres: Service, record_property: Callable[[str, object], None]
) -> None:
    """Trades, and minute bars of each symbol, in blocks; killed between two, and within one, of each."""
    history = SqlHistory(emptied(postgres))
    began = time.monotonic()
    for block in range(0, TRADES, BLOCK):
        rows = [trade(n) for n in range(block, block + BLOCK)]
        fault(postgres, history.write_trades, rows, block // BLOCK)
        assert landed(history.write_trades, rows) <= BLOCK
    for block, first in enumerate(range(0, SYMBOLS * MINUTES, BLOCK)):
        bars = [bar(n) for n in range(first, min(first + BLOCK, SYMBOLS * MINUTES))]
        fault(postgres, history.write_bars, bars, block)
        landed(history.write_bars, bars)
    took_s = time.monotonic() - began
    trades = [trade(n) for n in range(TRADES)]
    assert history.sums("trades", DAY) == (
        TRADES, sum(t[3] for t in trades), sum(t[4] for t in trades),
    )  # fmt: skip
    bars = [bar(n) for n in range(SYMBOLS * MINUTES)]
    assert history.sums("bars", DAY) == (
        len(bars), sum(b[5] for b in bars), sum(b[6] for b in bars),
    )  # fmt: skip
    record_property("told", f"{TRADES} trades and {len(bars)} bars in {took_s:.1f} s, four kills")
    history.close()


def trade(n: int) -> tuple[int, str, int, float, float]:
    return (DAY_NS + n, f"S{n % 500}", n, 10.0 + (n % 64) / 8, float(n % 900))


def bar(n: int) -> tuple[int, str, float, float, float, float, float]:
    start_ns = DAY_NS + (n // SYMBOLS) * 60 * 10**9
    return (start_ns, f"S{n % SYMBOLS}", 1.0, 2.0, 0.5, 1.0 + (n % 8) / 8, float(n % 900))


def fault(postgres: Service, write: Callable[[Any], object], rows: Any, block: int) -> None:
    """Kill the server before the third block, and while the sixth one is written."""
    if block == 2:
        postgres.kill()
        with pytest.raises(Unavailable):
            write(rows)
        postgres.start()
    if block == 5:
        killing = threading.Timer(0.03, postgres.kill)
        killing.start()
        with contextlib.suppress(Unavailable):
            write(rows)
        killing.join()
        postgres.start()


def landed(write: Callable[[Any], Any], rows: Any) -> Any:
    """Write rows as an archiver does: again until the database answers."""
    for _ in range(60):
        try:
            return write(rows)
        except Unavailable:
            time.sleep(0.25)
    raise AssertionError("the database did not come back")


@pytest.mark.service
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_leases_are_durable(postgres: Service) -> None:
    leases = SqlLeases(emptied(postgres))
    first = leases.take("feed", "a", 600.0)
    assert first is not None
    postgres.kill()
    with pytest.raises(Unavailable):
        leases.holds(first)
    postgres.start()
    assert leases.holds(first)
    assert leases.take("feed", "b", 600.0) is None
    leases.close()
