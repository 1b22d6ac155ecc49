"""/api/portfolio: exposure and risk of what is held, with the picture of the simulation."""

import msgspec
from starlette.responses import Response

from tapelight.model.trading import DRY, MAIN
from tapelight.ports import Portfolios
from tapelight.web.endpoints import Arguments, Endpoint, Param, reply
from tapelight.web.problems import tradeless

DESK = Param("desk", "main: that of the broker; dry: the paper desk.", default=MAIN,
             choices=(MAIN, DRY))  # fmt: skip
CONFIDENCE = Param("confidence", "In percent: 99, 95 or 90.", int, 99, 90, 99)
DAYS = Param("days", "The horizon in trading days.", int, 1, 1, 20)


class RiskRow(msgspec.Struct):
    """Hold a loss in $: what is exceeded with probability 1 - confidence, and the mean beyond."""

    value_at_risk: float
    expected_shortfall: float


class Picture(msgspec.Struct):
    """Hold the simulated profits in $: paths by equal steps from `low` to `high`."""

    low: float
    high: float
    counts: list[int]
    mean: float
    deviation: float
    loss_share: float


class HeldRisk(msgspec.Struct):
    """Tell one position's Greeks and its risk alone; shares have a delta of 1 and no others."""

    symbol: str
    quantity: float
    last: float
    stale: bool
    sector: str | None
    volatility_pct: float
    beta: float
    delta_dollars: float
    delta: float
    gamma: float
    theta: float
    vega: float
    value_at_risk: float


class LeftOut(msgspec.Struct):
    """Name a position that is in no figure, and why."""

    symbol: str
    reason: str


class Portfolio(msgspec.Struct):
    """Hold the risk of what is held, $; null where nothing that can be reckoned is held.

    Returns move together by the index alone: beta x its volatility, and each symbol's own rest.
    """

    days: float
    confidence: float
    paths: int
    index: str
    net: float
    gross: float
    long: float
    short: float
    beta_dollars: float
    by_sector: dict[str, float]
    parametric: RiskRow | None
    monte_carlo: RiskRow | None
    picture: Picture | None
    rows: list[HeldRisk]
    left_out: list[LeftOut]


def portfolio_endpoints(portfolios: Portfolios | None) -> tuple[Endpoint, ...]:
    """Return the endpoint; a replay holds nothing."""

    async def risk(args: Arguments) -> Response:
        if portfolios is None:
            raise tradeless()
        told = await portfolios.risk(args["desk"], args["confidence"] / 100.0, float(args["days"]))
        return reply(told)

    return (
        Endpoint(
            "/api/portfolio", "Show exposure and risk of what is held.", risk, Portfolio,
            (DESK, CONFIDENCE, DAYS), (400, 503), role="viewer",
        ),
    )  # fmt: skip
