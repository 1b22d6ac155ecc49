"""Work one option position through: its chain's volatility, its Greeks, what it may bring.

An iron condor on a stock at $100 that pays a 1 % dividend, 45 days out: sell the $90 put and the
$110 call, buy the $85 put and the $115 call as insurance. Run it with
`.venv/bin/python examples/options_position.py`; every figure is the same on each run.
"""

import sys

import numpy as np

from tapelight.analytics.implied import implied_volatility
from tapelight.analytics.options import contracts
from tapelight.analytics.portfolio import exposure, monte_carlo, parametric
from tapelight.analytics.position import Leg, Underlying, position_greeks, simulate

SPOT, RATE, DIVIDEND, DAYS = 100.0, 0.04, 0.01, 45.0
QUOTES = (  # kind, strike, contracts, middle of the quote in $
    ("put", 85.0, +1, 0.62),
    ("put", 90.0, -1, 1.35),
    ("call", 110.0, -1, 1.55),
    ("call", 115.0, +1, 0.80),
)


def legs() -> list[Leg]:
    """Return the legs, each with the volatility that its own price implies."""
    of = contracts(
        [kind == "call" for kind, *_ in QUOTES], SPOT, [strike for _, strike, *_ in QUOTES],
        DAYS / 365.0, RATE, DIVIDEND,
    )  # fmt: skip
    implied = implied_volatility(of, [paid for *_, paid in QUOTES]).tolist()
    return [
        Leg(kind, quantity, paid, strike, DAYS, volatility)
        for (kind, strike, quantity, paid), volatility in zip(QUOTES, implied, strict=True)
    ]


def report() -> str:
    """Return what there is to say of the position, line by line."""
    condor = legs()
    market = Underlying(SPOT, volatility=0.27, rate=RATE, dividend=DIVIDEND)
    now = position_greeks(condor, market)
    dollars = np.array([float(now.delta[0]) * SPOT, 20_000.0])
    whole = exposure(["ABC", "SPY"], ["Technology", "ETF"], dollars)
    returns = np.array([[2.9e-4, 0.9e-4], [0.9e-4, 1.2e-4]])  # daily covariance
    normal = parametric(dollars, returns, 0.99)
    gamma = np.array([float(now.gamma[0]) * SPOT**2, 0.0])
    curved = monte_carlo(np.random.default_rng(7), dollars, returns, 0.99, gamma_dollars=gamma)
    lines = [f"{leg.kind:4} {leg.strike:5.0f}  iv {leg.volatility:6.2%}" for leg in condor]
    lines += [
        f"delta {now.delta[0]:+.2f} shares, theta {now.theta[0]:+.2f} $ a day, "
        f"vega {now.vega[0]:+.2f} $ a point",
    ]
    for days in (15.0, DAYS):
        found = simulate(np.random.default_rng(7), condor, market, days)
        lines += [
            f"in {days:.0f} days: profit in {found.probability_of_profit:.1%} of paths, "
            f"median {found.quantiles[0.5]:+.0f} $, 5 % below {found.quantiles[0.05]:+.0f} $, "
            f"{found.worst:+.0f} to {found.best:+.0f} $",
        ]
    lines += [
        f"with $20,000 of SPY: net {whole.net:+.0f} $, gross {whole.gross:.0f} $",
        f"99 % one-day value at risk {normal.value_at_risk:.0f} $ by delta, "
        f"{curved.value_at_risk:.0f} $ with gamma, shortfall {curved.expected_shortfall:.0f} $",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(report())
