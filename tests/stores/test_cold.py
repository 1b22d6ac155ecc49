"""The cold store: days, minute volumes, facts and splits, each with since when it is known."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tapelight.errors import ConfigError, Rejected
from tapelight.model.past import DayBars, Fact, Split, Told
from tapelight.model.session import NS, Session, calendar
from tapelight.model.universe import Universe
from tapelight.stores.cold.store import ColdStore, check_origin

CURVE = np.full(960, 1 / 960)
FAR_NS = 1 << 62
SIP = "massive-sip"


def session(date: str) -> Session:
    found = calendar("XNYS").session_on(dt.date.fromisoformat(date))
    assert found is not None
    return found


def bars(**closes: float) -> DayBars:
    close = np.array(list(closes.values()))
    return DayBars(list(closes), close - 1, close + 1, close - 2, close, np.full(len(close), 100.0))


@pytest.fixture
def store(tmp_path: Path) -> ColdStore:
    return ColdStore(tmp_path)


def test_a_day_comes_back_and_is_known_from_its_end(store: ColdStore) -> None:
    one = session("2026-11-18")
    kept = store.keep_day(SIP, one, bars(B=20.0, A=10.0), "test", FAR_NS)
    assert (kept.state, kept.symbols) == ("new", 2)
    found = store.day(SIP, one.date, one.end_ns)
    assert found is not None
    assert (found.symbols, found.close.tolist()) == (["A", "B"], [10.0, 20.0])
    assert store.day(SIP, one.date, one.end_ns - 1) is None
    assert store.day("alpaca-iex", one.date, FAR_NS) is None
    assert store.dates(SIP, FAR_NS) == [one.date]


def test_a_correction_is_known_only_from_when_it_came(store: ColdStore) -> None:
    one = session("2026-11-18")
    store.keep_day(SIP, one, bars(A=10.0), "first", one.end_ns + 5)
    later_ns = one.end_ns + 86_400 * NS
    assert store.keep_day(SIP, one, bars(A=10.0), "again", later_ns).state == "same"
    assert store.keep_day(SIP, one, bars(A=11.0), "corrected", later_ns).state == "corrected"
    before, after = (store.day(SIP, one.date, at) for at in (later_ns - 1, later_ns))
    assert before is not None
    assert after is not None
    assert (before.close[0], after.close[0]) == (10.0, 11.0)


def test_the_providers_day_replaces_the_one_we_reckoned_and_not_the_other_way(
    store: ColdStore,
) -> None:
    one = session("2026-11-18")
    store.keep_day(SIP, one, bars(A=10.0), "minutes", FAR_NS, derived=True)
    assert store.keep_day(SIP, one, bars(A=10.5), "days", FAR_NS).state == "better"
    assert store.keep_day(SIP, one, bars(A=10.0), "minutes", FAR_NS, derived=True).state == "same"
    found = store.day(SIP, one.date, one.end_ns)
    assert found is not None
    assert found.close[0] == 10.5


def write(store: ColdStore, date: str, volume: float, origin: str = SIP) -> None:
    matrix = np.zeros((2, 960), np.float32)
    matrix[0, 5], matrix[0, 6], matrix[1, 5] = volume, 10.0, 7.0
    store.keep_minutes(origin, session(date), ["AAA", "BBB"], matrix, "test", FAR_NS)


def profile(store: ColdStore, date: str, universe: Universe, known_ns: int = FAR_NS):  # type: ignore[no-untyped-def]
    day = dt.date.fromisoformat(date)
    found = store.usual_volumes(SIP, day, known_ns)
    return found and found.profile(CURVE, universe)


def test_means_by_minute_over_the_sessions_before(store: ColdStore) -> None:
    for day, volume in (("16", 100.0), ("17", 300.0), ("18", 9999.0)):
        write(store, f"2026-11-{day}", volume)
    universe = Universe(["BBB"])
    found = profile(store, "2026-11-18", universe)
    assert universe.symbols == ["BBB", "AAA"]
    assert found.rows.tolist() == [1, 0]
    assert found.sessions.tolist() == [2, 2]
    assert found.volume[0, [4, 5, 6]].tolist() == [0.0, 200.0, 10.0]
    assert found.volume[1, 5] == 7.0
    assert profile(store, "2026-11-16", Universe()) is None


def test_only_the_newest_twenty_count(store: ColdStore) -> None:
    dates = [d for i in range(1, 30) if calendar("XNYS").session_on(d := dt.date(2026, 10, i))]
    for date in dates:
        write(store, date.isoformat(), float(date.day))
    found = profile(store, "2026-10-30", Universe())
    assert len(dates) > 20
    assert found.sessions.tolist() == [20, 20]
    assert found.volume[0, 5] == pytest.approx(sum(d.day for d in dates[-20:]) / 20)


def test_profiles_are_in_the_shares_of_the_session(store: ColdStore) -> None:
    write(store, "2026-11-16", 100.0)
    write(store, "2026-11-17", 1000.0)
    store.keep(Told(splits=[Split("AAA", "2026-11-17", 1, 10)]), FAR_NS)
    assert profile(store, "2026-11-18", Universe()).volume[0, 5] == 1000.0
    assert profile(store, "2026-11-17", Universe()).volume[0, 5] == 1000.0


def test_another_feeds_volumes_are_not_mixed_in(store: ColdStore) -> None:
    write(store, "2026-11-16", 100.0)
    write(store, "2026-11-17", 3.0, "alpaca-iex")
    assert profile(store, "2026-11-18", Universe()).sessions.tolist() == [1, 1]
    strange = store.folder / "minutes" / "alpaca-iex" / "2026-11-17.parquet"
    mine = store.folder / "minutes" / SIP / "2026-11-16.parquet"
    mine.write_bytes(strange.read_bytes())
    with pytest.raises(
        Rejected, match=r"is of alpaca-iex, not of massive-sip: volumes .* not mixed"
    ):
        profile(store, "2026-11-18", Universe())


def test_a_file_that_is_no_parquet_is_named(store: ColdStore) -> None:
    write(store, "2026-11-16", 100.0)
    (store.folder / "minutes" / SIP / "2026-11-16.parquet").write_bytes(b"no parquet")
    with pytest.raises(Rejected, match="2026-11-16"):
        profile(store, "2026-11-18", Universe())


def fact(shares: float, valid: str, known_ns: int, symbol: str = "A") -> Fact:
    return Fact(
        symbol=symbol, kind="float", values={"float_shares": shares}, valid_from=valid,
        known_ns=known_ns, source="test",
    )  # fmt: skip


def shares(store: ColdStore, date: str, known_ns: int) -> list[float]:
    told = store.told(dt.date.fromisoformat(date), known_ns)
    return [float(f.values["float_shares"]) for f in told.facts]  # type: ignore[arg-type]


def test_a_fact_holds_from_its_date_and_is_seen_from_when_it_was_known(store: ColdStore) -> None:
    store.keep(Told([fact(5e6, "2026-10-01", 100)]), 100)
    store.keep(Told([fact(7e6, "2026-11-01", 200)]), 200)
    assert shares(store, "2026-11-20", 99) == []
    assert shares(store, "2026-11-20", 150) == [5e6]
    assert shares(store, "2026-11-20", 200) == [7e6]
    assert shares(store, "2026-10-20", 200) == [5e6]
    assert shares(store, "2026-09-30", 200) == []


def test_what_is_told_again_is_not_kept_again(store: ColdStore) -> None:
    told = Told([fact(5e6, "2026-10-01", 100)], [Split("A", "2026-11-20", 1, 2, "test")])
    assert store.keep(told, 100) == (1, 1)
    again = Told([fact(5e6, "2026-11-01", 300)], told.splits)
    assert ColdStore(store.folder.parent).keep(again, 300) == (0, 0)


def test_a_split_was_known_when_its_date_began_or_before(store: ColdStore) -> None:
    one = session("2026-11-20")
    store.keep(Told(splits=[Split("A", "2026-11-20", 1, 2)]), FAR_NS)
    store.keep(Told(splits=[Split("B", "2026-11-20", 1, 2)]), 77)
    assert [s.symbol for s in store.told(one.date, one.start_ns).splits] == ["A", "B"]
    assert [s.symbol for s in store.told(one.date, 77).splits] == ["B"]
    assert store.told(dt.date(2026, 11, 19), FAR_NS).splits == []


def test_two_stores_write_beside_each_other(store: ColdStore) -> None:
    other = ColdStore(store.folder.parent)
    for i in range(20):
        one = (store, other)[i % 2]
        one.keep(Told([fact(float(i), "2026-10-01", i, f"S{i}")]), i)
    assert len(store.told(dt.date(2026, 11, 20), 99).facts) == 20


@pytest.mark.parametrize("name", ["", "Massive SIP", "../x", "a_b"])
def test_an_origin_is_a_plain_name(name: str) -> None:
    with pytest.raises(ConfigError, match="massive-sip"):
        check_origin(name)


def test_a_damaged_catalogue_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "reference"
    folder.mkdir()
    (folder / "catalog.db").write_bytes(b"no database" * 100)
    with pytest.raises(ConfigError, match=r"catalog\.db can't be used"):
        ColdStore(tmp_path)


def test_a_day_file_names_its_origin(store: ColdStore) -> None:
    one = session("2026-11-18")
    store.keep_day(SIP, one, bars(A=10.0), "test", FAR_NS)
    path = store.folder / "days" / SIP / "2026-11-18.parquet"
    assert pl.read_parquet_metadata(path)["origin"] == SIP
