"""Session changes of a live feed: nothing is blank, nothing is asked for twice, splits are crossed.

The service is scripted, the almanac, the store, the journal and the table are the real ones.
"""

import asyncio
import datetime as dt
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

from feeds.massive_service import KEY, Service, massive_service
from tapelight.app.scanner import Scanner
from tapelight.feeds._symbols import Rows
from tapelight.feeds.massive.almanac import AHEAD_NS, JITTER_NS, Almanac
from tapelight.feeds.massive.config import MassiveConfig, Secret
from tapelight.feeds.massive.library import Library
from tapelight.feeds.massive.rest import Rest
from tapelight.model.batch import Batch, trades_of
from tapelight.model.records import Questions
from tapelight.model.session import NS, Session, calendar, session_after, session_before
from tapelight.stores.cold.store import ColdStore

pytestmark = pytest.mark.integration

CAL = calendar("XNYS")
SYMBOLS = [f"S{i:02d}" for i in range(12)]
GROUPED = "/v2/aggs/grouped/locale/us/market/stocks/"
EVERY = 9
"""A symbol splits on every so many days."""


def on(date: str) -> Session:
    found = CAL.session_on(dt.date.fromisoformat(date))
    assert found is not None
    return found


def splits_on(date: dt.date) -> list[tuple[str, float, float]]:
    """Return who splits on a date: (symbol, from, to)."""
    day = date.toordinal()
    if CAL.session_on(date) is None or day % EVERY:
        return []
    old, new = ((1, 4), (8, 1), (2, 3))[day // EVERY % 3]
    return [(SYMBOLS[day // EVERY % len(SYMBOLS)], old, new)]


def base(symbol: str, date: dt.date) -> float:
    """Return a price in the shares of the first day of all."""
    return 40.0 + SYMBOLS.index(symbol) * 7.0 + (date.toordinal() * 13 % 11) * 0.25


class World:
    """Know every close as traded, and what it is worth in the shares of a later day."""

    def __init__(self, begin: dt.date, days: int) -> None:
        self._shares: dict[tuple[str, dt.date], float] = {}
        product = dict.fromkeys(SYMBOLS, 1.0)
        for date in (begin + dt.timedelta(days=i) for i in range(days)):
            for symbol, old, new in splits_on(date):
                product[symbol] *= old / new
            self._shares |= {(symbol, date): factor for symbol, factor in product.items()}

    def factor(self, symbol: str, until: dt.date) -> float:
        """Return the product of all splits from the beginning to a date."""
        return self._shares[symbol, until]

    def close(self, symbol: str, date: dt.date) -> float:
        """Return the close as traded."""
        return base(symbol, date) * self.factor(symbol, date)

    def bars(self, date: dt.date) -> list[dict[str, Any]]:
        """Return the grouped daily bars as traded."""
        closes = {s: self.close(s, date) for s in SYMBOLS}
        volume = {s: 1e5 / self.factor(s, date) for s in SYMBOLS}
        return [
            {"T": s, "o": c, "h": c * 1.01, "l": c * 0.99, "c": c, "v": volume[s]}
            for s, c in closes.items()
        ]

    def split_rows(self, first: dt.date, last: dt.date) -> list[dict[str, Any]]:
        """Return the rows of the splits list."""
        days = (first + dt.timedelta(days=i) for i in range((last - first).days + 1))
        return [
            {"ticker": s, "execution_date": d.isoformat(), "split_from": old, "split_to": new}
            for d in days
            for s, old, new in splits_on(d)
        ]


@dataclass
class Desk:
    """Hold what runs: the scripted service, the scanner and its almanac."""

    world: World
    service: Service
    scanner: Scanner
    almanac: Almanac

    def reach(self, ts_ns: int) -> None:
        """Let market time be `ts_ns` and make the mark that is due then."""
        self.scanner.clock.set(ts_ns - 1, 0.0)
        self.scanner.clock.set(ts_ns, 0.0)
        self.scanner.alive(ts_ns)
        self.scanner.make_marks()

    def trade(self, session: Session, ts_ns: int, symbols: list[str]) -> None:
        """Let symbols trade at the day's close, as traded."""
        self.reach(ts_ns)
        rows = [self.scanner.universe.add(s) for s in symbols]
        prices = [self.world.close(s, session.date) for s in symbols]
        n, zero = len(rows), [0] * len(rows)
        trades = trades_of(rows, [ts_ns] * n, prices, [100.0] * n, zero, zero, zero)
        self.scanner.put(Batch(ts_ns, trades=trades))
        self.reach(ts_ns + NS)

    def column(self, name: str) -> np.ndarray:
        """Return a reference column of all symbols."""
        table = self.scanner.engine.table
        rows = [table.universe.rows[s] for s in SYMBOLS]
        return table.reference.numbers[name][rows]

    def live(self, name: str) -> np.ndarray:
        """Return a column of the rows themselves."""
        table = self.scanner.engine.table
        return table.live[name][[table.universe.rows[s] for s in SYMBOLS]]


def answers(world: World) -> dict[str, Any]:
    tickers = [{"ticker": s, "name": s, "primary_exchange": "XNAS", "type": "CS"} for s in SYMBOLS]
    floats = [{"ticker": s, "free_float": 1e6, "effective_date": "2025-01-02"} for s in SYMBOLS]

    def splits(query: dict[str, list[str]]) -> Any:
        first, last = (query[f"execution_date.{w}"][0] for w in ("gte", "lte"))
        dates = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
        return {"results": world.split_rows(*dates)}

    return {
        "/v3/reference/tickers": {"results": tickers},
        "/stocks/vX/float": {"results": floats},
        "/stocks/v1/short-interest": {"results": []},
        "/stocks/v1/splits": splits,
        "/v3/reference/conditions": {"results": []},
    }


@asynccontextmanager
async def desk(tmp_path: Path, first: Session, count: int) -> AsyncIterator[Desk]:
    world = World(first.date - dt.timedelta(days=400), count * 2 + 440)
    async with massive_service() as service:
        service.answers = answers(world)
        at = first
        for _ in range(30):
            at = session_before(CAL, at)
        for _ in range(count + 31):
            service.answers[f"{GROUPED}{at.date}"] = partial(_grouped, world, at.date)
            at = session_after(CAL, at.start_ns)
        scanner = Scanner(tmp_path, Questions({}), "XNYS")
        scanner.clock.set(first.start_ns - 60 * NS, 0.0)
        rest = Rest(f"http://127.0.0.1:{service.port}", Secret(KEY))
        store = ColdStore(tmp_path)
        library = Library(rest, store, scanner.clock.now_ns)
        config = MassiveConfig(api_key=KEY, history_sessions=0)
        almanac = Almanac(config, scanner, library, CAL, Rows(scanner.universe), store)
        try:
            yield Desk(world, service, scanner, almanac)
        finally:
            await scanner.ahead.settled()
            scanner.close()
            store.close()
            await rest.close()


def _grouped(world: World, date: dt.date, _query: Any) -> Any:
    return {"results": world.bars(date)}


async def change(desk: Desk, session: Session) -> tuple[Session, float]:
    """Live through a session and into the next; return that, and how long the bell took, ms."""
    scanner, number = desk.scanner, session.date.toordinal()
    traded = [s for i, s in enumerate(SYMBOLS) if (i + number) % 3]
    desk.trade(session, session.open_ns + 60 * NS, traded)
    coming = session_after(CAL, session.start_ns)
    desk.reach(coming.start_ns - 9 * 60 * NS)
    await scanner.ahead.settled()
    held, asked = desk.column("prev_close").copy(), len(desk.service.requests)
    await desk.almanac._read(coming)
    assert desk.column("prev_close").tolist() == held.tolist(), "nothing moves before the bell"
    requests = Counter(desk.service.requests[asked:])
    assert max(requests.values()) == 1
    assert [unquote(r).partition("?")[0] for r in requests if r.startswith(GROUPED)] == [
        f"{GROUPED}{session.date}"
    ]
    desk.reach(coming.start_ns - NS)
    begin = time.perf_counter()
    desk.reach(coming.start_ns)
    pause = (time.perf_counter() - begin) * 1e3
    check(desk, session, coming)
    desk.reach(coming.open_ns)
    check(desk, session, coming)
    return coming, pause


def check(desk: Desk, before: Session, session: Session) -> None:
    """Compare what holds in `session` with the world's own figures; no row is blank."""
    table, world = desk.scanner.engine.table, desk.world
    assert table.session is not None
    assert table.session.date == session.date
    now = np.array([world.factor(s, session.date) for s in SYMBOLS])
    closes = np.array([base(s, before.date) for s in SYMBOLS]) * now
    for found in (desk.column("prev_close"), desk.live("prev_close")):
        assert found == pytest.approx(closes, rel=1e-9)
    assert desk.column("prev_high") == pytest.approx(closes * 1.01, rel=1e-9)
    assert desk.column("adv20") == pytest.approx(1e5 / now, rel=1e-6)
    assert desk.column("float_shares").tolist() == [1e6] * len(SYMBOLS)
    told = {s: old / new for s, old, new in splits_on(session.date)}
    known = dict(zip(SYMBOLS, desk.column("split_today").tolist(), strict=True))
    assert {s: f for s, f in known.items() if f == f} == told


@pytest.mark.parametrize(
    ("first", "count"),
    [
        pytest.param("2025-11-24", 5, id="half day"),
        pytest.param("2026-03-05", 4, id="summer time begins"),
        pytest.param("2026-10-29", 4, id="summer time ends"),
        pytest.param(
            "2025-11-20", 250, id="a year", marks=[pytest.mark.slow, pytest.mark.timeout(900)]
        ),
    ],
)
async def test_no_open_finds_a_row_blank_or_asks_twice(
    tmp_path: Path, first: str, count: int, record_property: Callable[[str, object], None]
) -> None:
    session, pauses = on(first), []
    async with desk(tmp_path, session, count) as here:
        await here.almanac.open()
        here.reach(session.start_ns)
        for _ in range(count):
            session, pause = await change(here, session)
            pauses.append(pause)
    told = (
        f"{count} opens, the bell {statistics.median(pauses):.1f} ms, at most {max(pauses):.1f} ms"
    )
    record_property("told", told)


async def test_a_service_that_is_away_leaves_the_lists_of_the_store_and_the_tables_own_closes(
    tmp_path: Path,
) -> None:
    session = on("2026-11-16")
    async with desk(tmp_path, session, 3) as here:
        await here.almanac.open()
        here.reach(session.start_ns)
        here.trade(session, session.open_ns + 60 * NS, SYMBOLS)
        here.service.answers.clear()
        coming = session_after(CAL, session.start_ns)
        here.reach(coming.start_ns - 9 * 60 * NS)
        await here.almanac._read(coming)
        here.reach(coming.start_ns)
        closes = [here.world.close(s, session.date) for s in SYMBOLS]
        assert here.live("prev_close") == pytest.approx(closes)
        assert here.column("float_shares").tolist() == [1e6] * len(SYMBOLS)
        assert np.isfinite(here.column("adv20")).all()


async def test_a_restart_asks_for_no_day_again(tmp_path: Path) -> None:
    session = on("2026-11-16")
    async with desk(tmp_path, session, 3) as here:
        await here.almanac.open()
        days = [r for r in here.service.requests if r.startswith(GROUPED)]
        assert len(days) == len(set(days)) > 20
    async with desk(tmp_path / "other", session, 3) as again:
        again.almanac._library._cold = again.almanac._cold = ColdStore(tmp_path)
        await again.almanac.open()
        assert not [r for r in again.service.requests if r.startswith(GROUPED)]
        again.reach(session.start_ns)
        check(again, session_before(CAL, session), session)


async def test_two_who_ask_for_a_day_at_once_ask_the_service_once(tmp_path: Path) -> None:
    session = on("2026-11-16")
    async with desk(tmp_path, session, 3) as here:
        library = here.almanac._library
        before = session_before(CAL, session)
        one, two = await asyncio.gather(library._day(before), library._day(before))
        assert one is not None
        assert two is not None
        assert one.close.tolist() == two.close.tolist()
        asked = Counter(r.partition("?")[0] for r in here.service.requests)
        assert asked[f"{GROUPED}{before.date}"] == 1


def test_each_scanner_begins_at_a_moment_of_its_own() -> None:
    assert 0 < JITTER_NS < AHEAD_NS
