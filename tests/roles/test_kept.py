"""The archive's bars and trades in PostgreSQL: those of one process, through kills."""

import signal
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import sqlalchemy as sa

from backends.services import Service
from roles.town import START_S, Town, town
from tapelight.app.runs import open_journal
from tapelight.engine import Engine
from tapelight.model.batch import Batch

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(400)]

MINUTE_NS = 60 * 10**9
MINUTES = 3
"""Closed between two kills."""


class ArchiveTown(Town):
    """Trades are kept, too."""

    def settings(self, name: str) -> str:
        return super().settings(name).replace("trade = true", "trade = true\narchive_trades = true")


def test_bars_and_trades_are_those_of_one_process_through_kills(
    tmp_path: Path, redis: Service, rabbit: Service, postgres: Service
) -> None:
    services = {"redis": redis, "rabbitmq": rabbit, "postgresql": postgres}
    with town(tmp_path, services, of=ArchiveTown, speed=15, rate=300) as t:
        forget(postgres)
        t.begin("feed", "archive")
        t.wait(lambda: written(t) > 0, "the first bars", START_S)
        for outage in (t.processes["archive"], postgres):
            outage.kill()
            outage.start()
            since_s = t.mark_s("archive")
            done = lambda s=since_s: t.mark_s("archive") > s + 60 * MINUTES and written(t) > 0  # noqa: E731
            t.wait(done, "more bars", START_S)
        t.processes["market"].kill()
        t.processes["market"].may_end = t.processes["feed"].may_end = True
        t.processes["feed"].signal(signal.SIGTERM)
        assert t.processes["feed"].process is not None
        t.processes["feed"].process.wait(60)
        folder, _ = t.run()
        seen: list[dict[str, set[tuple[object, ...]]]] = []

        def same() -> bool:
            """Tell whether the rows are those of one process at the record that the archive is at.

            Its feed is gone: what that had not sent yet does not come any more.
            """
            at = t.measures("archive").get("tapelight_stream_record")
            found = {name: set(rows_of(postgres, name)) for name in ("bars", "trades")}
            engine, traded = one_process(folder, int(at or 0))
            seen[:] = [found]
            return found == {"bars": set(bars_of(engine)), "trades": set(traded)}

        t.wait(same, "the same rows", START_S)
    assert len(seen[0]["bars"]) >= 100
    assert len(seen[0]["trades"]) >= 1_000


def forget(postgres: Service) -> None:
    """Let no other test's bars be there."""
    engine = sa.create_engine(postgres.url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    engine.dispose()


def written(t: Town) -> float:
    return t.measures("archive").get("tapelight_archived_rows_total{bars}", 0.0)


def rows_of(postgres: Service, table: str) -> list[tuple[object, ...]]:
    engine = sa.create_engine(postgres.url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(f"SELECT * FROM {table}"))]
    engine.dispose()
    return found


def one_process(folder: Path, last: int) -> tuple[Engine, list[tuple[object, ...]]]:
    """Return the engine after so many records of a run, and the trades in them."""
    engine, records = open_journal(folder)
    traded: list[tuple[object, ...]] = []
    for record in islice(records, last):
        if isinstance(record, Batch) and record.trades is not None:
            t = record.trades
            symbols = [engine.table.universe.symbols[row] for row in t.row.tolist()]
            columns = (t.ts_ns, t.seq, t.price, t.size)
            for symbol, ts, seq, price, size in zip(
                symbols, *(c.tolist() for c in columns), strict=True
            ):
                traded.append((ts, symbol, seq, price, size))
        engine.apply(record)
    return engine, traded


def bars_of(engine: Engine) -> Iterator[tuple[object, ...]]:
    """Yield the session's bars as rows of the database."""
    bars = engine.table.bars.all()
    symbols = engine.table.universe.symbols
    for bar in bars:
        prices = (float(bar[name]) for name in ("open", "high", "low", "close", "volume"))
        yield (int(bar["minute"]) * MINUTE_NS, symbols[bar["row"]], *prices)
