"""What Alpaca says of the account: whose money it is, and which rules hold for it."""

import asyncio
from typing import Any

import pytest

from brokers.answers import ACCOUNT, NOTHING, answering
from tapelight.brokers.alpaca import Alpaca, Config
from tapelight.errors import ConfigError
from tapelight.model.orders import Account


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
