"""The simulator's list of halts is what the source of halts reads."""

import httpx
from starlette.applications import Starlette

from tapelight.feeds.simulator.halts import HaltList
from tapelight.feeds.simulator.options import SimulatorOptions
from tapelight.feeds.simulator.simulation import Simulation
from tapelight.sources.nasdaq_halts import Item, items_of


async def test_pauses_are_listed_with_their_end() -> None:
    simulation = Simulation(SimulatorOptions(port=0, symbols=20, rate=10.0, seed=1))
    app = Starlette(routes=HaltList(simulation).routes())
    transport = httpx.ASGITransport(app)
    begin_ms = simulation.start_ms + 180_500
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        before = (await client.get("/rss.aspx")).content
        simulation.tape.day.luld.pauses.append((3, begin_ms, begin_ms + 300_500))
        after = (await client.get("/rss.aspx", params={"feed": "tradehalts"})).content
    assert items_of(before) == ([], [])
    symbol = simulation.listing.companies[3].symbol
    begin_ns = begin_ms * 1_000_000
    told = Item(symbol, begin_ns, "LUDP", begin_ns + 300_500 * 1_000_000)
    assert items_of(after) == ([told], [])
