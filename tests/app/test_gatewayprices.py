"""What the trader follows at the gateway."""

from tapelight.app.gatewayprices import MOST, GatewayPrices
from tapelight.model.clock import MarketClock
from tapelight.web.stream import TOPICS_A_CLIENT


def test_what_is_held_is_followed_before_the_newest_signals_and_no_more_than_a_client_may() -> None:
    prices = GatewayPrices("http://127.0.0.1:1", str, MarketClock(), lambda *_: None)
    for number in range(MOST + 20):
        prices.want(f"S{number:03}")
    prices.watch(frozenset({"HELD", "S000"}))
    status, *symbols = prices._topics()
    assert status == "status"
    newest = {f"symbol:S{number:03}" for number in range(22, MOST + 20)}
    assert set(symbols) == {"symbol:HELD", "symbol:S000", *newest}
    assert len(symbols) == MOST == TOPICS_A_CLIENT - 1
