"""Entries: what order a signal's plan asks for, and how large."""

from decimal import ROUND_FLOOR, Decimal

from msgspec.structs import replace

from tapelight.model.limits import Limits, Mode, Route, Trade
from tapelight.model.orders import (
    BUY,
    SELL,
    ZERO,
    Account,
    Kind,
    OrderRequest,
    Picture,
    Side,
    derived_id,
    price_of,
)
from tapelight.model.session import REGULAR
from tapelight.model.signals import Plan, Signal
from tapelight.orders.case import HUNDRED, Moment

FIRED = ("fired",)
VOID = ("invalidated", "expired", "halted", "retracted")
"""States after which an entry that has not filled is cancelled."""
ONE = Decimal(1)


def routes(trade: Trade, dry: bool) -> Trade:
    """Return the desk's rules for the paper desk (`dry`) or for the broker's.

    The paper desk takes every strategy that is not off and lets it go by itself: what it makes of
    those that the broker's desk takes too is held against that.
    """

    def mode(route: Route) -> Mode:
        if dry:
            return "off" if route.mode == "off" else "auto"
        return "off" if route.mode == "dry-run" else route.mode

    chosen = {name: replace(route, mode=mode(route)) for name, route in trade.strategy.items()}
    return replace(trade, strategy=chosen)


def entry_of(
    signal: Signal, route: Route, account: Account | None, picture: Picture | None,
    limits: Limits, moment: Moment,
) -> OrderRequest | None:  # fmt: skip
    """Return the order that a signal asks for; None where it asks for none.

    The same signal gives the same id, whatever the market has done since. A quantity of 0 says
    that the risk per trade buys no share: risk refuses it by name.
    """
    plan = signal.plan
    if plan is None or plan.signal_only or signal.kind != "entry" or signal.state not in FIRED:
        return None
    side: Side = BUY if plan.side == "long" else SELL
    tick = picture.tick if picture else None
    away = "down" if side == BUY else "up"
    limit = price_of(plan.limit, tick, away)
    stop = price_of(plan.stop, tick, away)
    extended = moment.phase != REGULAR
    crossed = extended or _crossed(plan, picture)
    kind: Kind = "limit" if crossed else "stop_limit"
    return OrderRequest(
        id=derived_id(signal.id, "entry"),
        cause=signal.id,
        purpose="entry",
        symbol=signal.symbol,
        side=side,
        quantity=shares(limit, stop, route, account, limits),
        kind=kind,
        limit=limit,
        stop=None if crossed else price_of(plan.entry, tick),
        strategy=signal.scan,
        extended=extended,
        made_ns=moment.now_ns,
        signal_ns=signal.ts_ns,
        expires_ns=plan.expires_ns,
        plan_stop=stop,
        plan_target=price_of(plan.targets[0], tick) if plan.targets else None,
        exit_ns=plan.exit_ns,
    )


def _crossed(plan: Plan, picture: Picture | None) -> bool:
    """Tell whether the trigger is behind the market: a venue would refuse such a stop."""
    if picture is None or picture.bid is None or picture.ask is None:
        return False
    return picture.ask >= plan.entry if plan.side == "long" else picture.bid <= plan.entry


def shares(
    limit: Decimal, stop: Decimal, route: Route, account: Account | None, limits: Limits
) -> Decimal:
    """Return how many whole shares risk no more than the route's share of equity, and fit a limit."""
    risked = abs(limit - stop)
    if account is None or risked == 0 or limit <= 0:
        return ZERO
    most = (
        account.equity * route.risk_pct / HUNDRED / risked,
        limits.order_value / limit,
        limits.order_shares,
        account.equity * limits.symbol_pct / HUNDRED / limit,
    )
    return max(min(most), ZERO).quantize(ONE, ROUND_FLOOR)
