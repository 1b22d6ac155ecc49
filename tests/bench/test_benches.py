import re
from pathlib import Path

import pytest

from tapelight.bench import benches, cycle, e2e, roles, run_benches, scans
from tapelight.errors import ConfigError
from tapelight.feeds.massive.decode import Decoder
from tapelight.model.universe import Universe

pytestmark = pytest.mark.integration

KEYS = ["name", "value", "unit", "baseline", "ratio"]


def test_every_module_is_a_benchmark() -> None:
    assert {"cycle", "decode", "e2e"} <= set(benches())


@pytest.mark.parametrize(
    ("name", "hint"),
    [("cicle", "did you mean cycle?"), ("zzz", f"there are {', '.join(benches())}.")],
)
def test_an_unknown_name_is_told_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run_benches(["decode", name])
    assert str(caught.value) == f"Unknown benchmark {name!r}: {hint}"


def test_the_cycle_bench_asks_24_boards_100_scans_and_80_columns() -> None:
    rows = list(cycle.run(cycle.Size(symbols=200, changed=50, seconds=3, repeats=2)))
    assert [list(row) for row in rows] == [KEYS] * 4
    named = re.fullmatch(r"P3_mark_(\d+)_boards_(\d+)_scans_(\d+)_columns", rows[0]["name"])
    assert named is not None
    assert [int(number) for number in named.groups()] == [24, 100, 80]
    assert all(row["unit"] == "ms" and row["value"] > 0 for row in rows)
    assert all(
        row["ratio"] == pytest.approx(row["value"] / row["baseline"], rel=0.05) for row in rows
    )


def test_the_cycle_bench_has_members_and_changed_rows() -> None:
    market = cycle.Market(cycle.Size(symbols=200, changed=50, seconds=3, repeats=1))
    market.warm()
    rankings = [
        board.rank(cycle.View(market.engine.table)) for board in market.engine.boards.values()
    ]
    assert sum(len(r.order) > 0 for r in rankings) >= 6


def test_the_scans_bench_asks_scans_of_every_shape() -> None:
    rows = list(scans.run(cycle.Size(symbols=200, changed=50, seconds=3, repeats=2), scans=20))
    assert [list(row) for row in rows] == [KEYS] * 3
    assert [row["unit"] for row in rows] == ["%", "us", "ms"]
    assert len({scans.text(i) for i in range(1_000)}) == 1_000


def test_frames_are_those_of_the_provider_and_can_be_stamped_anew() -> None:
    pool = e2e.frames(200)
    assert len(pool) == 100
    frame = pool[3].replace(e2e.STAMP, b'"t":1795190407654').replace(e2e.NUMBER, b'"q":100007')
    decoded = Decoder(Universe()).decode([frame], e2e.START_NS)
    assert decoded.rejected == []
    assert decoded.batch is not None
    trades = decoded.batch.trades
    assert trades is not None
    assert set(trades.ts_ns.tolist()) == {1_795_190_407_654_000_000}
    assert trades.seq.tolist() == list(range(10_000_700_600, 10_000_700_800))


def test_a_lag_is_from_the_print_to_the_arrival() -> None:
    values = {"symbol": "BAC", "last": 1.0, "secs_since_hod": 0.02}
    message = {"signals": [{"scan": "probe", "ts_ns": 10**9, "values": values}, {"scan": "hod"}]}
    assert e2e._lags(message, 10**9 + 3_000_000) == [pytest.approx(23.0)]
    assert e2e._lags({"signals": []}, 1) == []


@pytest.mark.slow
async def test_throughput_rows_have_their_shape() -> None:
    rows = await e2e.throughput(200, e2e.Load(warm_s=0.5, measure_s=0.5))
    assert [list(row) for row in rows] == [KEYS] * 3
    assert rows[0]["name"] == "P1_trades_s_of_core_200_a_frame"
    assert all(row["value"] > 0 and row["baseline"] > 0 for row in rows)


@pytest.mark.slow
async def test_latency_rows_have_their_shape() -> None:
    load = e2e.Load(symbols=300, rate=2000, settle_s=0.5, latency_s=8.0)
    rows = await e2e.latency(load, ("T", "LULD"), "P2")
    assert [list(row) for row in rows] == [KEYS] * 3
    assert [row["unit"] for row in rows] == ["ms", "ms", "trades/s"]
    assert 0 < rows[0]["value"] <= rows[1]["value"]


async def test_the_roles_bench_counts_messages_that_do_not_grow_with_the_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roles, "SECONDS", 1)
    few = await roles.messages(tmp_path / "a", 1_000)
    many = await roles.messages(tmp_path / "b", 4_000)
    assert 1 <= few <= 12
    assert 1 <= many <= 12


def test_the_roles_bench_measures_a_reader(tmp_path: Path) -> None:
    bytes_each, cpu_us = roles.stream(tmp_path / "b", 4_000)
    assert 0 < bytes_each < 40
    assert cpu_us > 0
