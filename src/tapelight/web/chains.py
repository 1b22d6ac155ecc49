"""/api/options: the option chain of a symbol, one expiration, with Greeks."""

import msgspec
from starlette.responses import Response

from tapelight.ports import Chains
from tapelight.web.endpoints import SYMBOL, Arguments, Endpoint, Param, reply
from tapelight.web.problems import Refused, unwatched


class OptionSide(msgspec.Struct):
    """Hold one contract; null is unknown. Volatility in % a year, Greeks as docs/options-and-risk.md."""

    bid: float | None
    ask: float | None
    volume: float | None
    iv: float | None
    open_interest: float | None
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None


class OptionRow(msgspec.Struct):
    """Hold the call and the put of one strike; null where it is not listed."""

    strike: float
    call: OptionSide | None
    put: OptionSide | None


class OptionChain(msgspec.Struct):
    """Hold one expiration of a chain as it was received."""

    symbol: str
    spot: float | None
    ts_ns: int
    expirations: list[str]
    expiry: str
    rows: list[OptionRow]


def chain_endpoints(chains: Chains | None) -> tuple[Endpoint, ...]:
    """Return the endpoint."""
    rest = ChainRest(chains)
    expiry = Param(
        "expiry", "One of the expirations, YYYY-MM-DD; left out, the nearest.", default=""
    )
    return (
        Endpoint(
            "/api/options/{symbol:path}", "Show a symbol's option chain with Greeks.",
            rest.chain, OptionChain, (SYMBOL, expiry), (400, 404),
        ),
    )  # fmt: skip


class ChainRest:
    """Answer the endpoint."""

    def __init__(self, chains: Chains | None) -> None:
        self._chains = chains

    def chain(self, args: Arguments) -> Response:
        """Show one expiration."""
        if self._chains is None:
            raise Refused(400, "This gateway has no option chains: ask a scanner that runs.")
        try:
            return reply(self._chains.chain(args["symbol"], args["expiry"]))
        except KeyError:
            raise unwatched(args["symbol"]) from None
