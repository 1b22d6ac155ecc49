"""`tapelight data pull` against a scripted service: what is there is not asked for again."""

import datetime as dt
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feeds.massive_service import KEY, NOW_NS, Service, massive_service
from tapelight.app.data.pulls import pull
from tapelight.config import Config
from tapelight.errors import ConfigError
from tapelight.model.session import Session, calendar, latest_session, session_before
from tapelight.stores.cold.store import ColdStore

pytestmark = pytest.mark.integration

CAL = calendar("XNYS")
GROUPED = "/v2/aggs/grouped/locale/us/market/stocks"
ORIGIN = "massive-synthetic"
FAR_NS = 1 << 62


def past(count: int) -> list[Session]:
    found, at = [], latest_session(CAL, NOW_NS)
    for _ in range(count):
        at = session_before(CAL, at)
        found.append(at)
    return found


def script(service: Service, count: int) -> None:
    """Let the service know some days of three symbols, and minutes of two."""
    for i, session in enumerate(past(count)):
        bars = [
            {"T": s, "o": c, "h": c, "l": c, "c": c, "v": 100.0 + i}
            for s, c in (("BIG", 50.0), ("MID", 20.0), ("LOW", 1.0))
        ]
        service.answers[f"{GROUPED}/{session.date}"] = {"results": bars}
    names = [{"ticker": s, "name": s} for s in ("BIG", "MID", "LOW")]
    service.answers["/v3/reference/tickers"] = {"results": names}
    service.prefixes["/v2/aggs/ticker/BIG/"] = partial(minutes, count, 3.0)
    service.prefixes["/v2/aggs/ticker/MID/"] = (403, b"", {})


def minutes(count: int, shares: float, _query: Any) -> Any:
    bars = [
        {"t": (s.open_ns + i * 60 * 10**9) // 10**6, "o": 1, "h": 1, "l": 1, "c": 1, "v": shares}
        for s in past(count)
        for i in range(2)
    ]
    return {"results": sorted(bars, key=lambda bar: bar["t"])}


def config(service: Service, key: str = KEY) -> Config:
    where = {"rest": f"http://127.0.0.1:{service.port}", "url": f"ws://127.0.0.1:{service.port}"}
    return Config(feed={"massive": {**where, "api_key": key}})


async def pulled(
    service: Service, data: Path, sessions: int, minutes: int = 0,
    tell: Callable[[str, int, int], object] = lambda *_: None,
) -> dict[str, Any]:  # fmt: skip
    return await pull(config(service), None, data, sessions, minutes, tell)


async def test_days_and_lists_are_kept_and_not_asked_for_again(tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    async with massive_service() as service:
        script(service, 4)
        found = await pulled(service, tmp_path, 3, tell=lambda *step: steps.append(step))
        assert (found["origin"], found["days"]) == (ORIGIN, 3)
        assert steps[-1] == ("days", 3, 3)
        asked = [r for r in service.requests if r.startswith(GROUPED)]
        assert len(asked) == 3
        assert all("adjusted=false" in r for r in asked)
        await pulled(service, tmp_path, 4)
        again = [r for r in service.requests if r.startswith(GROUPED)][3:]
        assert [r.partition("?")[0] for r in again] == [f"{GROUPED}/{past(4)[3].date}"]
    store = ColdStore(tmp_path)
    bars = store.day(ORIGIN, past(1)[0].date, FAR_NS)
    assert bars is not None
    assert bars.symbols == ["BIG", "LOW", "MID"]


async def test_minute_volumes_of_the_most_traded_are_pulled(tmp_path: Path) -> None:
    async with massive_service() as service:
        script(service, 6)
        found = await pulled(service, tmp_path, 6, minutes=2)
        assert found["missing"][-1] == "minutes of MID"
        asked = [r for r in service.requests if r.startswith("/v2/aggs/ticker/")]
        assert [r.split("/")[4] for r in asked] == ["BIG", "MID"]
    full = [session for session in past(6) if not session.half_day]
    usual = ColdStore(tmp_path).usual_volumes(ORIGIN, dt.date(2026, 11, 20), FAR_NS)
    assert usual is not None
    assert (usual.symbols, usual.sessions.tolist()) == (["BIG"], [len(full)])
    assert usual.mean[0, 330:333].tolist() == [3.0, 3.0, 0.0]


async def test_a_whole_markets_minutes_replace_the_pulled_ones(tmp_path: Path) -> None:
    async with massive_service() as service:
        script(service, 6)
        await pulled(service, tmp_path, 6, minutes=1)
    store, session = ColdStore(tmp_path), past(1)[0]
    whole = np.full((2, 960), 1.0, np.float32)
    assert (
        store.keep_minutes(ORIGIN, session, ["BIG", "LOW"], whole, "own", FAR_NS).state == "better"
    )
    async with massive_service() as service:
        script(service, 6)
        await pulled(service, tmp_path, 6, minutes=1)
    usual = store.usual_volumes(ORIGIN, dt.date(2026, 11, 20), FAR_NS)
    assert usual is not None
    assert usual.symbols == ["BIG", "LOW"]


async def test_what_cannot_be_had_is_named_and_a_wrong_key_is_the_users_fault(
    tmp_path: Path,
) -> None:
    async with massive_service() as service:
        script(service, 2)
        service.answers[f"{GROUPED}/{past(1)[0].date}"] = (403, b"", {})
        found = await pulled(service, tmp_path, 2)
        assert found["days"] == 1
        assert f"daily bars: {GROUPED}/{past(1)[0].date} answers 403." in found["missing"]
        with pytest.raises(ConfigError, match=r"feed\.massive\.api_key"):
            await pull(config(service, "wrong"), None, tmp_path, 2, 0, lambda *_: None)
        with pytest.raises(ConfigError, match="--sessions is 0"):
            await pulled(service, tmp_path, 0)
        with pytest.raises(ConfigError, match="--minutes is -1"):
            await pulled(service, tmp_path, 2, -1)
