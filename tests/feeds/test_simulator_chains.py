"""The simulated market's option chains: as Massive gives them, and sound as prices."""

import asyncio
import datetime as dt
from typing import Any

import httpx
import numpy as np
import pytest
from massive import RESTClient

from feeds.simulator_service import running
from tapelight.analytics.chain import RATE
from tapelight.analytics.implied import implied_volatility
from tapelight.analytics.options import contracts, greeks, price
from tapelight.feeds.simulator.chains import YEAR_NS, Chains, chosen
from tapelight.feeds.simulator.options import SimulatorOptions
from tapelight.feeds.simulator.simulation import Simulation
from tapelight.feeds.simulator.surface import Surface, worth
from tapelight.model.options import parse_contract
from tapelight.model.session import calendar

DECEMBER = dt.date(2026, 12, 18)


@pytest.fixture(scope="module")
def market() -> tuple[Simulation, Chains, int]:
    simulation = Simulation(
        SimulatorOptions(port=1, symbols=150, rate=200.0, seed=5, start="10:00:00")
    )
    for _ in range(20):
        simulation.advance()
    return simulation, Chains(simulation), simulation.row_of["AAPL"]


def columns(bodies: list[Any], *path: str) -> np.ndarray:
    def reach(body: Any) -> Any:
        for name in path:
            body = body[name]
        return body

    return np.array([reach(body) for body in bodies])


def test_the_pricer_is_the_one_of_the_textbooks() -> None:
    """It shares no code with the analytics, which the textbooks' figures hold."""
    rng = np.random.default_rng(1)
    for call in (True, False):
        for spot, strike, years, volatility in rng.uniform(
            (50, 50, 0.01, 0.1), (150, 150, 2.0, 1.0), (50, 4)
        ).tolist():
            of = contracts(call, spot, strike, years, RATE)
            found = worth(call, spot, strike, years, volatility)
            told = [price(of, volatility)[0], *(g[0] for g in greeks(of, volatility)[:4])]
            assert found == pytest.approx(told, abs=1e-9)
    assert worth(True, 110.0, 100.0, 0.0, 0.3) == (10.0, 1.0, 0.0, 0.0, 0.0)


def test_quotes_surround_what_the_surface_says(market: tuple[Simulation, Chains, int]) -> None:
    _, chains, row = market
    listed = chosen(chains.listed(row), {"expiration_date": "2026-12-18"})
    bodies = chains.snapshots(row, listed)
    spot = columns(bodies, "underlying_asset", "price")[0]
    expires = calendar("XNYS").session_on(DECEMBER)
    assert expires is not None
    years = (expires.close_ns - columns(bodies, "last_quote", "last_updated")[0]) / YEAR_NS
    strike = columns(bodies, "details", "strike_price")
    of = contracts([c.call for c in listed], spot, strike, years, RATE)
    bid, ask = columns(bodies, "last_quote", "bid"), columns(bodies, "last_quote", "ask")
    assert (ask > bid).all()
    assert (bid >= 0.0).all()
    quoted = np.array(["implied_volatility" in b for b in bodies])
    told = np.array([b.get("implied_volatility", np.nan) for b in bodies])
    fair = price(of, told)
    assert (bid - 1e-6 <= fair)[quoted].all()
    assert (fair <= ask + 1e-6)[quoted].all()
    assert implied_volatility(of, fair)[quoted & (bid > 0)] == pytest.approx(
        told[quoted & (bid > 0)], abs=1e-6
    )
    delta = np.array([b["greeks"]["delta"] for b in bodies if "greeks" in b])
    assert delta == pytest.approx(greeks(of, told).delta[quoted], abs=1e-4)


def test_the_surface_has_a_smile_and_a_term_structure(
    market: tuple[Simulation, Chains, int],
) -> None:
    simulation, _, row = market
    surface, date = Surface(simulation.listing, 5), dt.date(2026, 11, 20)
    low, middle, high = (
        surface.volatility(row, date, 100.0, strike, 0.1) for strike in (80.0, 100.0, 120.0)
    )
    assert low > middle
    assert low > high
    near, far = (surface.at_the_money(row, date, years) for years in (0.02, 2.0))
    long_run = surface.at_the_money(row, date, 500.0)
    assert abs(far - long_run) < abs(near - long_run)
    assert Surface(simulation.listing, 5).at_the_money(row, date, 0.1) == middle
    assert Surface(simulation.listing, 6).at_the_money(row, date, 0.1) != middle


def test_contracts_are_those_that_a_market_lists(market: tuple[Simulation, Chains, int]) -> None:
    simulation, chains, row = market
    listed = chains.listed(row)
    expiries = sorted({c.expiry for c in listed})
    assert expiries[0] == dt.date(2026, 11, 20)
    assert DECEMBER in expiries
    assert dt.date(2026, 11, 27) in expiries, "a half day"
    assert all(simulation.calendar.session_on(e) for e in expiries)
    strikes = sorted({c.strike for c in listed})
    reference = simulation.totals.prev_close[row]
    assert strikes[0] < 0.55 * reference
    assert strikes[-1] > 1.9 * reference
    warrants = [r for r, c in enumerate(simulation.listing.companies) if c.type == "WARRANT"]
    assert all(chains.listed(r) == [] for r in warrants)
    assert chains.listed(simulation.row_of["ZVZZT"]) == []


def test_before_the_open_stand_yesterdays_quotes() -> None:
    simulation = Simulation(SimulatorOptions(port=1, symbols=150, seed=5, start="09:20:00"))
    simulation.advance()
    chains, row = Chains(simulation), simulation.row_of["AAPL"]
    (body, *_) = chains.snapshots(row, chains.listed(row)[:1])
    assert body["last_quote"]["last_updated"] == simulation.previous().session.close_ns  # type: ignore[index]
    assert body["day"] == {}
    assert "last_trade" not in body


def test_the_past_is_a_years_walk_of_the_same_surface(
    market: tuple[Simulation, Chains, int],
) -> None:
    simulation, chains, row = market
    past = chains.history(row)
    assert len(past["iv30"]) == len(past["dates"]) == 260  # type: ignore[arg-type]
    assert past["dates"][-1] == "2026-11-19"  # type: ignore[index]
    surface = Surface(simulation.listing, 5)
    last = surface.at_the_money(row, dt.date(2026, 11, 19), 30 / 365)
    assert past["iv30"][-1] == pytest.approx(last, abs=1e-6)  # type: ignore[index]


@pytest.mark.integration
async def test_the_official_client_reads_the_whole_chain() -> None:
    async with running(start="10:00:00") as port:
        rest = RESTClient("demo", base=f"http://127.0.0.1:{port}", retries=0)

        def ask() -> tuple[list[Any], Any]:
            wanted = {"expiration_date.lte": "2027-01-19", "contract_type": "put", "limit": 100}
            found = list(rest.list_snapshot_options_chain("AAPL", params=wanted))
            return found, rest.get_snapshot_option("AAPL", found[7].details.ticker)

        found, one = await asyncio.to_thread(ask)
    assert len(found) > 200, "more than two pages"
    symbols = [s.details.ticker for s in found]
    assert symbols == sorted(set(symbols))
    assert {s.details.contract_type for s in found} == {"put"}
    assert max(s.details.expiration_date for s in found) == "2027-01-15"
    parsed = parse_contract(symbols[0])
    assert (parsed.root, parsed.strike) == ("AAPL", found[0].details.strike_price)
    assert all(s.last_quote.bid <= s.last_quote.midpoint <= s.last_quote.ask for s in found)
    assert one.details == found[7].details
    assert one.open_interest == found[7].open_interest


@pytest.mark.integration
async def test_the_filters_are_massives() -> None:
    async with running(start="10:00:00") as port:
        headers = {"Authorization": "Bearer demo"}
        base = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base, headers=headers) as rest:
            path = "/v3/snapshot/options/AAPL"
            ten = (await rest.get(path)).json()
            assert len(ten["results"]) == 10
            assert "cursor=10" in ten["next_url"]
            near = {"strike_price.gte": "250", "strike_price.lt": "300", "limit": "9999"}
            some = (await rest.get(path, params={**near, "sort": "strike_price"})).json()
            strikes = [r["details"]["strike_price"] for r in some["results"]]
            assert strikes == sorted(strikes)
            assert (min(strikes), max(strikes)) == (250.0, 290.0)
            assert (await rest.get(path, params={"strike_price": "x"})).status_code == 400
            assert (await rest.get(f"{path}/O:AAPL261218C00000001")).status_code == 404
            unknown = await rest.get("/v3/snapshot/options/NOPE")
            assert (unknown.status_code, unknown.json()["results"]) == (200, [])
            assert (await rest.get("/simulator/volatility/NOPE")).status_code == 404
            past = (await rest.get("/simulator/volatility/AAPL")).json()
            assert len(past["iv30"]) == 260
