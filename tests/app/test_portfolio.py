"""The risk of what is held: closed forms, what is left out, and the route."""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import httpx
import numpy as np
import pytest

from market.tape import Tape
from tapelight.analytics.portfolio import one_index
from tapelight.app.portfolio import PATHS, Known, PortfolioRisk, known_of, reckon
from tapelight.buses.memory import MemoryBus
from tapelight.model.records import Reference
from tapelight.ports import Json, WantedOrders
from tapelight.web.server import Gateway
from web.by_hand import BoardsByHand, MarketByHand

INDEX = Known(None, 16.0, 1.0)
KNOWN = {
    "SPY": INDEX,
    "A": Known("Technology", 32.0, 1.5),
    "B": Known(None, 8.0, 1.0),
    "NEW": Known(None, None, None),
}
DAY = 16.0 / 100 / math.sqrt(252)


def row(symbol: str, quantity: str, last: float | None) -> dict[str, Json]:
    return {"symbol": symbol, "quantity": quantity, "last": last, "stale": symbol == "A"}


class Books:
    """Hold A and B, and count how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def positions(self, desk: str) -> Sequence[Mapping[str, Json]]:
        self.asked += 1
        return [row("A", "100", 10.0)] if desk == "main" else []

    async def orders(self, wanted: WantedOrders) -> Sequence[Mapping[str, Json]]:
        return []

    async def fills(self, wanted: WantedOrders) -> Sequence[Mapping[str, Json]]:
        return []

    async def pnl(self, desk: str) -> Mapping[str, Json]:
        return {}


def test_one_index_moves_all() -> None:
    found = one_index(np.array([0.02, 0.005]), np.array([1.5, 1.0]), 0.01)
    # The second has less of its own than its beta's part: that part is its variance.
    assert found == pytest.approx(np.array([[4e-4, 1.5e-4], [1.5e-4, 1e-4]]))


def test_a_position_alone_is_the_normal_quantile() -> None:
    told: Any = reckon([row("A", "-100", 10.0)], KNOWN, 0.99, 4.0)
    assert (told["net"], told["gross"], told["short"]) == (-1000.0, 1000.0, -1000.0)
    assert told["by_sector"] == {"Technology": -1000.0}
    assert told["beta_dollars"] == -1500.0
    expected = NormalDist().inv_cdf(0.99) * 1000.0 * 2 * DAY * 2.0
    assert told["parametric"]["value_at_risk"] == pytest.approx(expected)
    assert told["monte_carlo"]["value_at_risk"] == pytest.approx(expected, rel=0.05)
    (held,) = told["rows"]
    assert held["value_at_risk"] == pytest.approx(expected)
    assert (held["delta"], held["gamma"], held["vega"], held["stale"]) == (-100.0, 0.0, 0.0, True)
    picture = told["picture"]
    assert sum(picture["counts"]) == PATHS
    assert picture["low"] < 0.0 < picture["high"]
    assert picture["loss_share"] == pytest.approx(0.5, abs=0.02)
    assert told == reckon([row("A", "-100", 10.0)], KNOWN, 0.99, 4.0)


def test_what_is_hedged_risks_less() -> None:
    alone: Any = reckon([row("A", "100", 10.0)], KNOWN, 0.95, 1.0)
    hedged: Any = reckon([row("A", "100", 10.0), row("B", "-150", 10.0)], KNOWN, 0.95, 1.0)
    assert hedged["beta_dollars"] == 0.0
    risk = hedged["parametric"]["value_at_risk"]
    assert risk == pytest.approx(NormalDist().inv_cdf(0.95) * 1000.0 * DAY * math.sqrt(1.75))
    assert risk < alone["parametric"]["value_at_risk"]


def test_what_is_not_known_is_named_and_not_guessed() -> None:
    told: Any = reckon([row("NEW", "5", 3.0), row("A", "5", None)], KNOWN, 0.99, 1.0)
    assert [each["symbol"] for each in told["left_out"]] == ["NEW", "A"]
    assert told["left_out"][1]["reason"] == "no price is known"
    assert (told["parametric"], told["monte_carlo"], told["picture"]) == (None, None, None)
    blind = {**KNOWN, "SPY": Known(None, None, None)}
    (left,) = reckon([row("A", "5", 10.0)], blind, 0.99, 1.0)["left_out"]
    assert left["reason"] == "the volatility of SPY is not known"


def test_the_live_table_is_asked() -> None:
    tape = Tape("A", "SPY")
    tape.refer(
        Reference(symbol="A", sector="Energy", hv20=40.0, beta_spy=1.2), Reference(symbol="SPY")
    )
    tape.mark("09:29:59")
    assert known_of(tape.engine, "A") == Known("Energy", 40.0, pytest.approx(1.2))
    assert known_of(tape.engine, "SPY") == Known(None, None, None)
    assert known_of(tape.engine, "NOPE") == Known(None, None, None)


async def test_the_route_answers_by_desk_and_reckons_once_for_many() -> None:
    books = Books()
    gateway = Gateway(
        BoardsByHand(), MarketByHand(), MemoryBus(), port=0,
        portfolios=PortfolioRisk(books, lambda symbol: KNOWN[symbol]),
    )  # fmt: skip
    gateway.close()
    transport = httpx.ASGITransport(gateway.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        told = (await http.get("/api/portfolio?confidence=95&days=5")).json()
        again = (await http.get("/api/portfolio?confidence=95&days=5")).json()
        empty = (await http.get("/api/portfolio?desk=dry")).json()
        wrong = await http.get("/api/portfolio?confidence=50")
    assert (told["confidence"], told["days"], told["rows"][0]["symbol"]) == (0.95, 5.0, "A")
    assert again == told
    assert books.asked == 2
    assert (empty["rows"], empty["monte_carlo"]) == ([], None)
    assert wrong.status_code == 400


async def test_a_replay_holds_nothing() -> None:
    gateway = Gateway(BoardsByHand(), MarketByHand(), MemoryBus(), port=0)
    gateway.close()
    transport = httpx.ASGITransport(gateway.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        assert (await http.get("/api/portfolio")).status_code == 400
