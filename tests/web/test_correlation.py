"""How symbols move together, by REST."""

from collections.abc import Sequence

import httpx
import pytest

from market.tape import Tape
from tapelight.app.correlation import EngineCorrelations
from tapelight.buses.memory import MemoryBus
from tapelight.web.server import Gateway
from web.by_hand import BoardsByHand, MarketByHand


class ByHand:
    def correlation(self, symbols: Sequence[str], minutes: int) -> list[list[float | None]]:
        if "NOPE" in symbols:
            raise KeyError("NOPE")
        return [[1.0, None], [None, 1.0]]


async def ask(query: str, correlations: ByHand | None) -> httpx.Response:
    gateway = Gateway(
        BoardsByHand(), MarketByHand(), MemoryBus(), port=0, correlations=correlations
    )
    gateway.close()
    transport = httpx.ASGITransport(gateway.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        return await http.get(f"/api/correlation?{query}")


async def test_the_matrix_is_told_by_symbol() -> None:
    found = await ask("symbols=A,B&minutes=30", ByHand())
    assert found.json() == {
        "symbols": ["A", "B"], "minutes": 30, "matrix": [[1.0, None], [None, 1.0]],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "correlations", "status", "said"),
    [
        ("symbols=A,A", ByHand(), 400, "Name 2 to 40 symbols"),
        ("symbols=A,NOPE", ByHand(), 404, "isn't watched"),
        ("symbols=A,B&minutes=9", ByHand(), 400, "minutes"),
        ("symbols=A,B", None, 400, "correlates nothing"),
    ],
)
async def test_what_can_not_be_answered_is_told(
    query: str, correlations: ByHand | None, status: int, said: str
) -> None:
    found = await ask(query, correlations)
    assert (found.status_code, said in found.json()["detail"]) == (status, True)


def test_minutes_in_common_are_correlated() -> None:
    made = Tape("A", "B", "C")
    made.mark("09:29:59")
    for minute, move in enumerate((0.0, 0.2, -0.1, 0.4, 0.3, 0.5, 0.1, 0.6, 0.2, 0.7, 0.4, 0.9)):
        made.trade(f"09:{30 + minute}:10", 10 + move, symbol="A")
        made.trade(f"09:{30 + minute}:10", 20 - move, symbol="B")
        if minute % 3 == 0:
            made.trade(f"09:{30 + minute}:10", 30 + move, symbol="C")
        made.mark(f"09:{30 + minute}:59")
    made.mark("09:42:01")
    matrix = EngineCorrelations(made.engine).correlation(["A", "B", "C"], 10)
    assert matrix[0][0] == 1.0
    assert matrix[0][1] == matrix[1][0]
    assert matrix[0][1] is not None
    assert matrix[0][1] < -0.99
    assert matrix[0][2] is None
    none = EngineCorrelations(Tape("A", "B").engine).correlation(["A", "B"], 10)
    assert none == [[None, None], [None, None]]
