"""The benchmark of the roles: one and two workers on one journal, and the roles over real services."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.services import serve
from tapelight.bench import _services, _stack, benches, roles
from tapelight.bench._workers import at_once, compared
from tapelight.testing.services import Postgres, Rabbit, Redis

KEYS = ["name", "value", "unit", "baseline", "ratio"]


def test_a_part_of_a_benchmark_is_none() -> None:
    assert "roles" in benches()
    assert not [name for name in benches() if name.startswith("_")]


@pytest.mark.integration
@pytest.mark.slow
def test_two_workers_give_together_what_one_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roles, "SECONDS", 2)
    monkeypatch.setattr(roles, "SYMBOLS", 300)
    roles._record(tmp_path / "journal" / "2026-11-20" / "0001", 4_000, asked=roles._asked(scans=40))
    one, two = at_once(tmp_path, 1), at_once(tmp_path, 2)
    for what in ("boards", "signals"):
        assert one[0][what] == sum(worker[what] for worker in two)
    assert one[0]["boards"] > 0
    assert all(worker["boards"] > 0 for worker in two)
    rows = list(compared(tmp_path, "4000_trades_s"))
    assert [list(row) for row in rows] == [KEYS] * 2
    assert all(row["value"] > 0 and row["baseline"] > 0 for row in rows)


@pytest.fixture
def over() -> Iterator[_stack.Services]:
    kinds = (Redis, Rabbit, Postgres)
    started = [serve(kind) for kind in kinds]
    yield _stack.Services(*started)  # type: ignore[arg-type]
    for service in started:
        service.stop()


@pytest.mark.service
@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_is_lost_over_real_services(
    over: _stack.Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_services, "WINDOW_S", 3.0)
    bars = _stack.Market(2_000, channels=("A",), symbols=300)
    trades = _stack.Market(2_000, 0.5, symbols=300)
    rows = {row["name"]: row for row in _services.loads(over, bars, [trades])}
    rows |= {row["name"]: row for row in _services.gateways(over, trades, 4)}
    lost = [row for name, row in rows.items() if name.startswith("events_lost")]
    assert [row["value"] for row in lost] == [0, 0]
    assert all(row["baseline"] > 100 for row in lost)
    counted = ("rabbitmq_messages", "redis_commands", "redis_publications")
    assert all(rows[f"{name}_s_at_2000_trades_s"]["value"] > 0 for name in counted)
    assert rows["gateway_cpu_of_a_client_second"]["value"] > 0
