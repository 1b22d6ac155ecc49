"""/api/prints: time and sales of a symbol; the topic prints:SYMBOL goes on from there."""

import msgspec
from starlette.responses import Response

from tapelight.ports import Prints
from tapelight.web.endpoints import SYMBOL, Arguments, Endpoint, limit, reply
from tapelight.web.problems import Refused, unwatched

MOST = 1_000


class Print(msgspec.Struct):
    """Show one print; `n` rises with each print of the market.

    `moves` tells whether its sale conditions let it move the last price.
    """

    n: int
    ts_ns: int
    price: float
    size: float
    moves: bool
    conditions: list[str]


class PrintList(msgspec.Struct):
    """Hold the newest prints first."""

    symbol: str
    prints: list[Print]


def print_endpoints(prints: Prints | None) -> tuple[Endpoint, ...]:
    """Return the endpoint."""
    rest = PrintRest(prints)
    return (
        Endpoint(
            "/api/prints/{symbol:path}", "Show the newest prints of a symbol.",
            rest.prints, PrintList, (SYMBOL, limit(200, MOST)), (400, 404),
        ),
    )  # fmt: skip


class PrintRest:
    """Answer the endpoint."""

    def __init__(self, prints: Prints | None) -> None:
        self._prints = prints

    def prints(self, args: Arguments) -> Response:
        """Show the newest prints."""
        symbol = args["symbol"]
        if self._prints is None:
            raise Refused(400, "This gateway keeps no prints: ask a scanner that runs.")
        try:
            found = self._prints.prints(symbol, args["limit"])
        except KeyError:
            raise unwatched(symbol) from None
        return reply({"symbol": symbol, "prints": list(found)})
