"""What Alpaca says of the account: whose money it is, and which rules hold for it."""

import asyncio
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from brokers.answers import ACCOUNT, NOTHING, answering
from tapelight.brokers import alpaca
from tapelight.brokers.alpaca import Alpaca, Config
from tapelight.errors import ConfigError, Unavailable
from tapelight.model.orders import Account

pytestmark = pytest.mark.integration


def told(**account: Any) -> Account:
    """Return the account of a look at a machine that answers with it."""

    async def ask() -> Account:
        async with answering(NOTHING | {"/v2/account": ACCOUNT | account}) as url:
            broker = Alpaca(Config("k", "s", url))
            assert (broker.host, broker.live) == ("127.0.0.1", False)
            try:
                return (await broker.look([])).account
            finally:
                await broker.close()

    return asyncio.run(ask())


def test_the_account_has_its_number() -> None:
    assert told().number == "PA0TEST"


def test_real_money_behind_a_tunnel_is_not_taken_for_play_money() -> None:
    with pytest.raises(ConfigError, match=r"to the account 123456789, and that is none of play"):
        told(account_number="123456789")


@pytest.mark.parametrize(
    ("equity", "count", "flagged", "left"),
    [
        ("24999.99", 1, False, 2),
        ("24999.99", 5, False, 0),
        ("24999.99", 0, True, 0),
        ("25000", 9, True, None),
    ],
)
def test_how_many_day_trades_are_left(
    equity: str, count: int, flagged: bool, left: int | None
) -> None:
    account = told(equity=equity, daytrade_count=count, pattern_day_trader=flagged)
    assert account.day_trades_left == left


def test_a_stream_that_never_answers_the_keys_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alpaca, "OPEN_S", 0.5)

    async def mute(stream: ServerConnection) -> None:
        await stream.wait_closed()

    async def main() -> None:
        async with serve(mute, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            broker = Alpaca(Config("k", "s", f"http://127.0.0.1:{port}"))
            with pytest.raises(Unavailable, match="trade updates broke"):
                await anext(broker.reports())
            await broker.close()

    asyncio.run(main())
