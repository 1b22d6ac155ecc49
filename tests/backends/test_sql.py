"""History and leases: SQLite and PostgreSQL pass the same kits on the same migrations."""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from backends.services import Service
from tapelight.errors import ConfigError, Unavailable
from tapelight.stores import shared
from tapelight.stores.history import SqlHistory
from tapelight.stores.leases import SqlLeases
from tapelight.testing.backends import DAY, DAY_NS, check_history, check_leases

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
    history.forget(DAY + dt.timedelta(1))
    assert history.sums("trades", DAY) == (0, 0.0, 0.0)
    assert history.sums("trades", DAY + dt.timedelta(1))[0] == 1
    history.close()


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


def test_what_is_no_database_is_told() -> None:
    with pytest.raises(ConfigError, match="postgresql://"):
        SqlHistory("nonsense")
    with pytest.raises(Unavailable, match="can't be used"):
        SqlHistory("postgresql://tape@127.0.0.1:1/postgres")


@pytest.mark.service
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_day_lands_though_the_server_is_killed_twice(
    postgres: Service, record_property: Callable[[str, object], None]
) -> None:
    """40 blocks of 2,500 trades and 100 of bars, each repeated until the database has it."""
    history = SqlHistory(emptied(postgres))
    began = time.monotonic()
    for block in range(40):
        rows = [
            (DAY_NS + n, f"S{n % 500}", n, 10.0 + (n % 64) / 8, float(n % 900))
            for n in range(block * 2500, (block + 1) * 2500)
        ]
        if block in (13, 27):
            postgres.kill()
            with pytest.raises(Unavailable):
                history.write_trades(rows)
            postgres.start()
        assert landed(history, rows) == 2500
    took_s = time.monotonic() - began
    prices = sum(10.0 + (n % 64) / 8 for n in range(100_000))
    sizes = sum(float(n % 900) for n in range(100_000))
    assert history.sums("trades", DAY) == (100_000, prices, sizes)
    record_property("told", f"100,000 trades in {took_s:.1f} s with two kills between")
    history.close()


def landed(history: SqlHistory, rows: list[tuple[int, str, int, float, float]]) -> int:
    """Write rows as an archiver does: again until the database answers."""
    for _ in range(60):
        try:
            return history.write_trades(rows)
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
