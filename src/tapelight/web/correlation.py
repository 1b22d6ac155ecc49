"""/api/correlation: how today's minute returns of some symbols move together."""

import msgspec
from starlette.responses import Response

from tapelight.ports import Correlations
from tapelight.web.endpoints import Arguments, Endpoint, Param, reply
from tapelight.web.problems import Refused, unwatched

MOST = 40
LEAST_MINUTES = 10


class CorrelationMap(msgspec.Struct):
    """Hold the matrix by symbol; null where a pair has too few minutes in common."""

    symbols: list[str]
    minutes: int
    """How many closed minutes the returns span."""
    matrix: list[list[float | None]]


def correlation_endpoints(correlations: Correlations | None) -> tuple[Endpoint, ...]:
    """Return the endpoint."""
    rest = CorrelationRest(correlations)
    symbols = Param("symbols", f"Up to {MOST} symbols, with commas between.", default="")
    minutes = Param("minutes", "The newest closed minutes of today.", int, 60, LEAST_MINUTES, 390)
    return (
        Endpoint(
            "/api/correlation", "Correlate the minute returns of symbols.", rest.correlation,
            CorrelationMap, (symbols, minutes), (400, 404),
        ),
    )  # fmt: skip


class CorrelationRest:
    """Answer the endpoint."""

    def __init__(self, correlations: Correlations | None) -> None:
        self._correlations = correlations

    def correlation(self, args: Arguments) -> Response:
        """Show the matrix."""
        if self._correlations is None:
            raise Refused(400, "This gateway correlates nothing: ask a scanner that runs.")
        symbols = list(dict.fromkeys(each for each in args["symbols"].split(",") if each))
        if not 2 <= len(symbols) <= MOST:
            raise Refused(400, f"Name 2 to {MOST} symbols: symbols=AAPL,MSFT.")
        try:
            matrix = self._correlations.correlation(symbols, args["minutes"])
        except KeyError as error:
            raise unwatched(str(error.args[0])) from None
        return reply({"symbols": symbols, "minutes": args["minutes"], "matrix": matrix})
