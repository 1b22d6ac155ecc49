"""Option chains by REST, and what the live table says of one."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

import httpx
import numpy as np
import pytest

from market.tape import Tape
from tapelight.app.chains import EngineChains
from tapelight.buses.memory import MemoryBus
from tapelight.errors import Missing
from tapelight.model.options import Chain
from tapelight.ports import Json
from tapelight.web.server import Gateway
from web.by_hand import BoardsByHand, MarketByHand

NOW_NS = int(dt.datetime(2026, 11, 20, 15, 0, tzinfo=dt.UTC).timestamp()) * 10**9
CLOSE_NS = int(dt.datetime(2026, 12, 18, 21, 0, tzinfo=dt.UTC).timestamp()) * 10**9
SIDE = {
    "bid": 1.0, "ask": 1.1, "volume": 3.0, "iv": 30.0, "open_interest": 9.0, "delta": 0.5,
    "gamma": 0.01, "theta": -0.02, "vega": 0.1,
}  # fmt: skip
TOLD: dict[str, Json] = {
    "symbol": "BRK.B", "spot": 100.0, "ts_ns": 1, "expirations": ["2026-12-18"],
    "expiry": "2026-12-18", "rows": [{"strike": 100.0, "call": SIDE, "put": None}],
}  # fmt: skip


class ByHand:
    def chain(self, symbol: str, expiry: str) -> Mapping[str, Json]:
        if symbol == "NOPE":
            raise KeyError(symbol)
        if expiry:
            raise Missing(f"{symbol} has no expiration {expiry}.")
        return TOLD


async def ask(path: str, chains: ByHand | None) -> httpx.Response:
    gateway = Gateway(BoardsByHand(), MarketByHand(), MemoryBus(), port=0, chains=chains)
    gateway.close()
    transport = httpx.ASGITransport(gateway.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        return await http.get(f"/api/options/{path}")


async def test_a_chain_is_told_by_strike() -> None:
    assert (await ask("BRK.B", ByHand())).json() == TOLD


@pytest.mark.parametrize(
    ("path", "chains", "status", "said"),
    [
        ("NOPE", ByHand(), 404, "isn't watched"),
        ("A?expiry=2027-01-15", ByHand(), 404, "no expiration 2027-01-15"),
        ("A", None, 400, "no option chains"),
    ],
)
async def test_what_can_not_be_answered_is_told(
    path: str, chains: ByHand | None, status: int, said: str
) -> None:
    found = await ask(path, chains)
    assert (found.status_code, said in found.json()["detail"]) == (status, True)


def quoted(strikes: list[float], bids: list[float], calls: list[int]) -> Chain:
    n, bid = len(strikes), np.array(bids)
    return Chain(
        NOW_NS, "A", 100.0, np.full(n, CLOSE_NS), np.array(calls, np.uint8), np.array(strikes),
        bid, bid + 0.1, np.full(n, 5.0), np.full(n, 50.0), np.full(n, np.nan), np.zeros(0),
    )  # fmt: skip


def test_the_live_tables_chain_has_a_row_a_strike() -> None:
    engine = Tape("A", "B").engine
    chains = EngineChains(engine)
    with pytest.raises(Missing, match="No option chain of A"):
        chains.chain("A", "")
    with pytest.raises(KeyError):
        chains.chain("NOPE", "")
    strikes = [95.0, 100.0, 105.0, 95.0, 100.0]
    chain = quoted(strikes, [6.2, 3.2, 0.0, 1.0, 2.9], [1, 1, 1, 0, 0])
    later = np.where(chain.strike == 105.0, CLOSE_NS + 28 * 86_400 * 10**9, CLOSE_NS)
    engine.table.options.take_chain(replace(chain, expiry_ns=later))
    told = chains.chain("A", "")
    assert told["expirations"] == ["2026-12-18", "2027-01-15"]
    assert (told["expiry"], [row["strike"] for row in told["rows"]]) == (
        "2026-12-18",
        [95.0, 100.0],
    )
    call, put = told["rows"][1]["call"], told["rows"][1]["put"]
    assert (call["bid"], call["ask"], call["volume"], call["open_interest"]) == (
        3.2,
        3.3,
        5.0,
        50.0,
    )
    assert 26 < call["iv"] < 30
    assert 0.4 < call["delta"] < 0.6
    assert call["delta"] - put["delta"] == pytest.approx(1.0, abs=0.02)
    assert call["theta"] < 0 < call["vega"]
    beyond = chains.chain("A", "2027-01-15")["rows"]
    assert beyond == [{"strike": 105.0, "put": None, "call": {
        **dict.fromkeys(SIDE), "bid": 0.0, "ask": 0.1, "volume": 5.0, "open_interest": 50.0,
    }}]  # fmt: skip
    with pytest.raises(Missing, match="it has 2026-12-18, 2027-01-15"):
        chains.chain("A", "2026-11-27")
