"""`tapelight data import` against Polars: flat files of trades, minutes and days, and Parquet."""

import datetime as dt
import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tapelight.app.data.imports import Imported, import_files
from tapelight.errors import ConfigError
from tapelight.model.session import MINUTE_NS, calendar
from tapelight.stores.cold.store import ColdStore

pytestmark = pytest.mark.integration

FAR_NS = 1 << 62
SIP = "massive-sip"
DAY = dt.date(2019, 2, 14)
NEW_YORK = "America/New_York"
HEADER = "ticker,volume,open,close,high,low,window_start,transactions"
TRADES = (
    "ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,"
    "sip_timestamp,size,tape,trf_id,trf_timestamp"
)
SESSION = calendar("XNYS").session_on(DAY)
assert SESSION is not None


def take(data: Path, *paths: Path, origin: str | None = None) -> list[Imported]:
    return list(import_files(paths, data, origin, lambda *_: None))


def gz(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()))
    return path


def kept(data: Path, origin: str = SIP) -> pl.DataFrame:
    bars = ColdStore(data).day(origin, DAY, FAR_NS)
    assert bars is not None
    columns = {c: getattr(bars, n) for c, n in zip("ohlcv", ("open", "high", "low", "close", "volume"), strict=True)}  # fmt: skip
    return pl.DataFrame({"symbol": bars.symbols, **columns}).sort("symbol")


def volumes(data: Path) -> dict[str, np.ndarray]:
    found = ColdStore(data).usual_volumes(SIP, DAY + dt.timedelta(days=1), FAR_NS)
    assert found is not None
    return dict(zip(found.symbols, found.mean, strict=True))


@pytest.fixture(scope="module")
def minutes(shared: Path) -> pl.DataFrame:
    """Return the real minute bars of one session, with minute of the day in New York."""
    bars = pl.read_parquet(shared / "data" / "bars_1m_us.parquet")
    local = pl.col("ts").dt.convert_time_zone(NEW_YORK)
    clock = local.dt.hour().cast(pl.Int32) * 60 + local.dt.minute().cast(pl.Int32)
    return bars.with_columns(clock=clock).filter(local.dt.date() == DAY).sort("symbol", "ts")


def test_a_flat_file_of_real_minutes_equals_polars(minutes: pl.DataFrame, tmp_path: Path) -> None:
    rows = minutes.select(
        "symbol", "v", "o", "c", "h", "l", pl.col("ts").dt.epoch("ns"), pl.lit(7)
    ).sample(fraction=1.0, shuffle=True, seed=3)  # fmt: skip
    text = rows.write_csv(include_header=False)
    path = gz(tmp_path / "2019-02-14.csv.gz", f"{HEADER}\n{text}")
    (found,) = take(tmp_path, path)
    assert (found.kind, found.date, found.rows, found.rejected) == (
        "minutes", "2019-02-14", len(minutes), 0,
    )  # fmt: skip
    regular = pl.col("clock").is_between(570, 959)
    oracle = minutes.group_by("symbol").agg(
        pl.col("o").filter(regular).sort_by(pl.col("ts").filter(regular)).first(),
        pl.col("h").filter(regular).max(),
        pl.col("l").filter(regular).min(),
        pl.col("c").filter(regular).sort_by(pl.col("ts").filter(regular)).last(),
        pl.col("v").sum().cast(pl.Float64),
    )
    assert kept(tmp_path).equals(oracle.sort("symbol"))
    mine = volumes(tmp_path)
    for symbol, clock, v in minutes.select("symbol", "clock", "v").iter_rows():
        assert mine[symbol][clock - 240] == np.float32(v)
    assert sum(m.sum(dtype=np.float64) for m in mine.values()) == minutes["v"].sum()


def test_real_days_and_minutes_of_parquet_agree_with_the_flat_file(
    minutes: pl.DataFrame, shared: Path, tmp_path: Path
) -> None:
    flat, parquet = tmp_path / "flat", tmp_path / "parquet"
    rows = minutes.select("symbol", "v", "o", "c", "h", "l", pl.col("ts").dt.epoch("ns"), pl.lit(7))
    text = rows.write_csv(include_header=False)
    take(flat, gz(tmp_path / "f.csv.gz", f"{HEADER}\n{text}"))
    found = take(parquet, shared / "data" / "bars_1m_us.parquet", origin=SIP)
    assert found[0].date == "2018-11-07"
    assert kept(parquet).equals(kept(flat))
    daily = shared / "data" / "daily_us.parquet"
    days = pl.read_parquet(daily).filter(pl.col("date") == DAY)
    days.write_parquet(tmp_path / "days.parquet")
    (one,) = take(parquet, tmp_path / "days.parquet", origin=SIP)
    assert "replaces what was reckoned" in one.text
    assert kept(parquet)["c"].to_list() == days.sort("symbol")["c"].to_list()


def at(clock: str) -> int:
    moment = dt.datetime.combine(DAY, dt.time.fromisoformat(clock), calendar("XNYS").zone)
    return int(moment.timestamp() * 1_000_000) * 1000


def print_of(
    symbol: str, clock: str, price: float, size: float, conditions: str = "", correction: int = 0,
    seq: int = 1,
) -> str:  # fmt: skip
    ts = at(clock)
    return f'{symbol},"{conditions}",{correction},4,52983525029461,{ts},{price},{seq},{ts},{size},3,0,0'


def test_each_trade_moves_what_its_conditions_allow(tmp_path: Path) -> None:
    rows = [
        print_of("NA", "08:00:00", 9.0, 50, "12"),  # Form T: shares alone
        print_of("NA", "09:30:00", 10.0, 100, "10"),  # derivatively priced: opens, does not close
        print_of("NA", "09:30:01", 10.5, 200, "14,41"),
        print_of("NA", "09:30:02", 12.0, 5, "37"),  # odd lot above the high
        print_of("NA", "09:31:00", 11.0, 300),
        print_of("NA", "09:31:01", 40.0, 400, "", 8),  # cancelled
        print_of("NA", "15:59:59", 10.8, 1.5),  # fractional shares
        print_of("NA", "16:00:01", 10.9, 1000, "8"),  # closing print
        print_of("NA", "16:00:02", 10.9, 1000, "15"),  # the official close repeats them
        print_of("NA", "17:00:00", 13.0, 10, "12"),
        print_of("WEAK", "10:00:00", 5.0, 100, "22"),  # the only one: it is last
        print_of("NULL", "18:00:00", 7.0, 100, "12"),  # no price of the regular session
        print_of("", "10:00:00", 7.0, 100),
        print_of("BAD", "10:00:00", -7.0, 100),
        "short,row",
        print_of("LATE", "20:30:00", 7.0, 100, "12"),
    ]
    path = gz(tmp_path / "2019-02-14.csv.gz", "\n".join([TRADES, *rows]) + "\n")
    (found,) = take(tmp_path, path)
    assert (found.kind, found.rows, found.rejected) == ("trades", 16, 5)
    assert kept(tmp_path).rows() == [
        ("NA", 10.0, 11.0, 10.0, 10.9, 50 + 100 + 200 + 5 + 300 + 1.5 + 1000 + 10),
        ("WEAK", 5.0, 5.0, 5.0, 5.0, 100.0),
    ]
    mine = volumes(tmp_path)
    assert sorted(mine) == ["NA", "NULL", "WEAK"]
    assert mine["NA"][[240, 330, 331, 719, 720, 780]].tolist() == [50, 305, 300, 1.5, 1000, 10]
    assert mine["NULL"].sum() == 100


def test_pieces_of_a_long_file_are_put_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    times = np.sort(rng.integers(SESSION.open_ns, SESSION.close_ns, 4000))
    prices, sizes = np.round(rng.uniform(5, 6, 4000), 2), rng.integers(1, 900, 4000)
    symbols = rng.choice(["AA", "BB", "CC"], 4000)
    rows = [
        f"{s},,0,4,1,{t},{p},{i},{t},{v},3,0,0"
        for i, (s, t, p, v) in enumerate(zip(symbols, times, prices, sizes, strict=True))
    ]
    path = gz(tmp_path / "t.csv.gz", "\n".join([TRADES, *rows]))
    monkeypatch.setattr("tapelight.feeds.massive.flatfiles.PIECE", 4096)
    take(tmp_path, path)
    frame = pl.DataFrame({"symbol": symbols, "p": prices, "v": sizes.astype(np.float64)})
    oracle = frame.group_by("symbol", maintain_order=True).agg(
        o=pl.col("p").first(), h=pl.col("p").max(), l=pl.col("p").min(), c=pl.col("p").last(),
        v=pl.col("v").sum(),
    )  # fmt: skip
    assert kept(tmp_path).equals(oracle.sort("symbol"))
    minute = (times - SESSION.start_ns) // MINUTE_NS
    expected = np.zeros(960)
    np.add.at(expected, minute[symbols == "BB"], sizes[symbols == "BB"])
    assert volumes(tmp_path)["BB"].tolist() == expected.tolist()


def test_day_aggregates_are_told_by_their_midnight(tmp_path: Path) -> None:
    midnight = at("00:00:00")
    text = f"{HEADER}\nAAPL,1000.5,1,2,3,0.5,{midnight},9\nTRUE,7,1,1,0.5,1,{midnight},9\n"
    (found,) = take(tmp_path, gz(tmp_path / "d.csv.gz", text))
    assert (found.kind, found.rejected) == ("days", 1)
    assert kept(tmp_path).rows() == [("AAPL", 1.0, 3.0, 0.5, 2.0, 1000.5)]


def test_a_half_day_makes_no_profile(tmp_path: Path) -> None:
    half = dt.datetime(2026, 11, 27, 10, tzinfo=calendar("XNYS").zone)
    text = f"{HEADER}\nAAPL,1000,1,2,3,0.5,{int(half.timestamp()) * 10**9},9\n"
    (found,) = take(tmp_path, gz(tmp_path / "m.csv.gz", text))
    assert found.text == "day: 1 symbols, new; a half day makes no volume profile"
    assert ColdStore(tmp_path).dates(SIP, FAR_NS, "minutes") == []


def test_splits_and_facts_come_from_parquet_with_when_they_were_known(tmp_path: Path) -> None:
    splits, facts = tmp_path / "splits.parquet", tmp_path / "facts.parquet"
    pl.DataFrame(
        {"symbol": ["A"], "date": [DAY], "split_from": [1], "split_to": [4]}
    ).write_parquet(splits)
    known = dt.datetime(2019, 2, 1, tzinfo=dt.UTC)
    pl.DataFrame(
        {
            "symbol": ["A", "B"], "valid_from": ["2019-01-31", "2019-01-31"],
            "known_at": [known, None], "float_shares": [5e6, 6e6], "sector": ["Energy", None],
        }
    ).write_parquet(facts)  # fmt: skip
    assert [one.text for one in take(tmp_path, splits, facts)] == [
        "0 facts and 1 splits that were not known", "3 facts and 0 splits that were not known",
    ]  # fmt: skip
    told = ColdStore(tmp_path).told(DAY, SESSION.start_ns)
    assert [(f.kind, f.values) for f in told.facts] == [
        ("float", {"float_shares": 5e6}), ("page", {"sector": "Energy"}),
    ]  # fmt: skip
    assert told.splits[0].factor == 0.25


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv.gz", "a,b\n1,2\n", "a flat file of trades needs ticker, conditions"),
        ("a.csv", f"{HEADER}\n", "has a header and no rows"),
        ("a.csv", f"{HEADER}\nAAPL,1,1,1,1,1,soon,1\n", "no row with a time in window_start"),
        ("a.csv", f"{HEADER}\nAAPL,1,1,1,1,1,1550300000000000000,1\n", "New York does not trade"),
        ("a.csv", f"{HEADER}\nAAPL,1,1,-1,1,1,{1550160000 * 10**9},1\n", "no sound row"),
    ],
)
def test_what_is_no_flat_file_is_one_sentence(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    with pytest.raises(ConfigError, match=said):
        take(tmp_path, path)


def test_a_torn_download_is_told(tmp_path: Path) -> None:
    whole = gzip.compress(f"{HEADER}\n{'AAPL,1,1,1,1,1,1550160000000000000,1' * 50}\n".encode())
    (tmp_path / "a.csv.gz").write_bytes(whole[:-9])
    with pytest.raises(ConfigError, match="damaged or not whole"):
        take(tmp_path, tmp_path / "a.csv.gz")


def test_mixing_is_refused(tmp_path: Path) -> None:
    path = gz(tmp_path / "a.csv.gz", f"{HEADER}\nAAPL,1,1,1,1,1,1550160000000000000,1\n")
    with pytest.raises(ConfigError, match="can't be a baseline of alpaca-iex"):
        take(tmp_path, path, origin="alpaca-iex")
    days = tmp_path / "days.parquet"
    pl.DataFrame(
        {"symbol": ["A"], "date": [DAY], **{c: [1.0] for c in "ohlc"}, "v": [1.0]}
    ).write_parquet(days)
    with pytest.raises(ConfigError, match="doesn't say who counted its shares: add --origin"):
        take(tmp_path, days)
    with pytest.raises(ConfigError, match="is not there"):
        take(tmp_path, tmp_path / "nothing.parquet")
