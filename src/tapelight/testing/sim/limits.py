"""The limits of a session: tight ones by the seed, and wide ones where many orders have to go."""

from decimal import Decimal
from random import Random

from tapelight.model.limits import Limits, Route, Trade
from tapelight.testing.sim.network import FLIGHT_MOST_S

WIDE = Limits(
    order_value=Decimal(1_000), orders_per_s=1_000, orders_per_min=10_000, orders_per_day=100_000,
    reducing_per_min=100_000, repeat_s=0, repeats_per_day=100_000, open_positions=4, shorts=True,
    symbol_pct=Decimal(100), total_pct=Decimal(200),
)  # fmt: skip


def trade_of(rng: Random) -> Trade:
    """Return the desk's rules of a seed: limits that are met often."""
    limits = Limits(
        orders_per_s=rng.choice((1, 2, 5)),
        orders_per_min=rng.choice((5, 20, 60)),
        orders_per_day=1_000,
        reducing_per_min=600,
        repeat_s=rng.choice((0.0, 2.0)),
        repeats_per_day=1_000,
        open_positions=rng.choice((1, 2, 3)),
        shorts=rng.random() < 0.7,
        total_pct=Decimal(100),
    )
    return Trade(
        limits=limits,
        strategy={"auto": Route(mode="auto"), "hand": Route(mode="approve")},
        approve_s=2.0,
        send_s=1.0,
        ask_s=0.5,
        lost_s=2 * FLIGHT_MOST_S,
        look_s=5.0,
    )
