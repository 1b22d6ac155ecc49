"""History on SQLite or PostgreSQL: validated trades, minute bars and signals, by UTC day.

PostgreSQL takes rows by COPY into a table of the transaction, and what is new goes from there into
the day's partition: a repeat after a lost answer changes nothing.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError

from tapelight.errors import Unavailable
from tapelight.model.signals import Signal
from tapelight.stores.shared import BARS, SIGNALS, TRADES, open_migrated, unavailable

DAY_NS = 86_400 * 10**9
PARTITIONED = {"trades": "ts_ns", "bars": "start_ns"}
FORGOTTEN = {
    "trades": ("trades", "ts_ns"),
    "bars": ("bars", "start_ns"),
    "signals": ("signal_history", "mark"),
}
"""Each table that is forgotten, and its time."""
BOUND = 5_000
LOCK_MS = 2_000
"""For so long a day waits for its readers; what writes beside waits with it."""
PRICES = {"trades": ("price", "size"), "bars": ("close", "volume")}


class SqlHistory:
    """Write and sum up; raises ConfigError where the database will not do, else Unavailable."""

    def __init__(self, url: str) -> None:
        self._engine = open_migrated(url)
        self._copies = self._engine.dialect.name == "postgresql"

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def write_trades(self, rows: Sequence[tuple[int, str, int, float, float]]) -> int:
        """Write trades; return how many are new."""
        return self._write(TRADES, rows, replace=False)

    def write_bars(self, rows: Sequence[tuple[int, str, float, float, float, float, float]]) -> int:
        """Write minute bars; newer ones replace."""
        return self._write(BARS, rows, replace=True)

    def write_signals(self, run: str, signals: Sequence[Signal]) -> int:
        """Write a run's records of signals; return how many are new."""
        rows = [
            (run, s.mark, s.scan, s.symbol, s.id, s.state, msgspec.json.encode(s).decode())
            for s in signals
        ]
        return self._write(SIGNALS, rows, replace=False)

    def sums(self, table: str, day: dt.date) -> tuple[int, float, float]:
        """Return count, sum of prices and sum of sizes of a UTC day."""
        chosen = {"trades": TRADES, "bars": BARS}[table]
        when, (price, size) = chosen.c[PARTITIONED[table]], PRICES[table]
        begin = _day_ns(day)
        asked = sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(chosen.c[price]), 0.0),
            sa.func.coalesce(sa.func.sum(chosen.c[size]), 0.0),
        ).where(when >= begin, when < begin + DAY_NS)
        with self._begun() as connection:
            count, prices, sizes = connection.execute(asked).one()
        return int(count), float(prices), float(sizes)

    def forget(self, table: str, before: dt.date) -> int:
        """Forget some of what is of the UTC days before a date, in one bounded statement; 0: nothing is left.

        `table` is trades, bars or signals. A day's partition goes whole, of other tables so many rows;
        return how many partitions or rows went. Raises Unavailable, also where readers hold the table.
        """
        with self._begun() as connection:
            if self._copies:
                connection.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_MS}ms'"))
            if not self._copies or table not in PARTITIONED:
                return self._delete(connection, table, before)
            last = _partition(table, before)
            oldest = [name for name in self._partitions(connection, table) if name < last][:1]
            for name in oldest:
                connection.execute(sa.text(f'DROP TABLE "{name}"'))
            return len(oldest)

    def _delete(self, connection: sa.Connection, table: str, before: dt.date) -> int:
        name, when = FORGOTTEN[table]
        place = "ctid" if self._copies else "rowid"
        done = connection.execute(
            sa.text(
                f"DELETE FROM {name} WHERE {place} IN "
                f"(SELECT {place} FROM {name} WHERE {when} < :before LIMIT {BOUND})"
            ),
            {"before": _day_ns(before)},
        )
        return int(done.rowcount)

    def _write(self, table: sa.Table, rows: Sequence[tuple[Any, ...]], *, replace: bool) -> int:
        if not rows:
            return 0
        with self._begun() as connection:
            if not self._copies:
                return _insert(connection, table, rows, replace)
            if table.name in PARTITIONED:
                self._make_partitions(connection, table.name, {_date(row[0]) for row in rows})
            return _copy(connection, table, rows, replace)

    def _make_partitions(
        self, connection: sa.Connection, table: str, days: Iterable[dt.date]
    ) -> None:
        known = set(self._partitions(connection, table))
        for day in sorted(days):
            name, begin = _partition(table, day), _day_ns(day)
            if name in known:
                continue
            # Two writers may make the same one: the lock lets the second see the first's.
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7417001)"))
            connection.execute(
                sa.text(
                    f'CREATE TABLE IF NOT EXISTS "{name}" PARTITION OF {table} '
                    f"FOR VALUES FROM ({begin}) TO ({begin + DAY_NS})"
                )
            )

    @staticmethod
    def _partitions(connection: sa.Connection, table: str) -> list[str]:
        asked = sa.text(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "JOIN pg_class p ON p.oid = i.inhparent WHERE p.relname = :table ORDER BY 1"
        )
        return list(connection.execute(asked, {"table": table}).scalars())

    @contextmanager
    def _begun(self) -> Iterator[sa.Connection]:
        # COPY goes past SQLAlchemy, and so does the driver's word that the server is gone.
        lost: type[Exception] = getattr(self._engine.dialect.dbapi, "OperationalError", OSError)
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise unavailable(error) from error
        except lost as error:
            raise Unavailable(f"The database can't be used: {error}.") from error


def _insert(
    connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]], replace: bool
) -> int:
    before = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
    made = sqlite.insert(table)
    keys = list(table.primary_key)
    if replace:
        values = {c.name: made.excluded[c.name] for c in table.c if c not in set(keys)}
        made = made.on_conflict_do_update(index_elements=keys, set_=values)
    else:
        made = made.on_conflict_do_nothing(index_elements=keys)
    names = names_of(table)
    connection.execute(made, [dict(zip(names, row, strict=True)) for row in rows])
    after = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
    return int(after - before)


def _copy(
    connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]], replace: bool
) -> int:
    """Copy rows beside the table, and take over what is new; of repeats the last one counts."""
    names = ", ".join(f'"{name}"' for name in names_of(table))
    keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
    connection.execute(
        sa.text(
            f"CREATE TEMP TABLE coming ON COMMIT DROP AS SELECT {names}, 0::bigint AS n "
            f"FROM {table.name} WITH NO DATA"
        )
    )
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(f"COPY coming ({names}, n) FROM STDIN") as copy:
        for n, row in enumerate(rows):
            copy.write_row((*row, n))
    rest = [column.name for column in table.c if not column.primary_key]
    then = "DO NOTHING"
    if replace:
        then = "DO UPDATE SET " + ", ".join(f'"{name}" = excluded."{name}"' for name in rest)
    done = connection.execute(
        sa.text(
            f"INSERT INTO {table.name} ({names}) SELECT {names} FROM (SELECT DISTINCT ON ({keys}) * "
            f"FROM coming ORDER BY {keys}, n DESC) AS one ON CONFLICT ({keys}) {then}"
        )
    )
    return int(done.rowcount)


def names_of(table: sa.Table) -> list[str]:
    """Return the names of a table's columns, in order."""
    return [column.name for column in table.c]


def _date(ts_ns: int) -> dt.date:
    return dt.date(1970, 1, 1) + dt.timedelta(ts_ns // DAY_NS)


def _day_ns(day: dt.date) -> int:
    return (day - dt.date(1970, 1, 1)).days * DAY_NS


def _partition(table: str, day: dt.date) -> str:
    return f"{table}_{day:%Y%m%d}"
