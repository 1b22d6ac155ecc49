"""The simulated strategies: plans near the market, and what becomes of them."""

from random import Random

from msgspec.structs import replace

from tapelight.model.signals import Plan, Signal
from tapelight.orders.case import NS
from tapelight.testing.sim.market import SYMBOLS, Market


def fire(rng: Random, market: Market, number: int, now_ns: int) -> Signal:
    """Return a new signal with a plan; now and then it comes late."""
    symbol = rng.choice(SYMBOLS)
    long, price = rng.random() < 0.7, market.bid_cents[symbol] / 100
    sign = 1 if long else -1
    entry = price + sign * rng.choice((-0.02, 0.0, 0.04))
    return Signal(
        id=f"s{number}",
        scan="hand" if rng.random() < 0.3 else "auto",
        symbol=symbol,
        state="fired",
        ts_ns=now_ns - rng.choice((0, 0, 0, 0, 2 * NS)),
        mark=now_ns,
        values={},
        plan=Plan(
            side="long" if long else "short",
            entry=entry,
            limit=entry + sign * 0.06,
            stop=entry - sign * rng.choice((0.08, 0.15, 0.3)),
            targets=(entry + sign * 0.12,) if rng.random() < 0.6 else (),
            expires_ns=now_ns + int(rng.uniform(0.5, 4) * NS),
            exit_ns=now_ns + int(rng.uniform(2, 9) * NS) if rng.random() < 0.6 else 0,
        ),
    )


def follow(signal: Signal, number: int, now_ns: int, void: bool) -> Signal:
    """Return a later record of a signal: it no longer holds, or its position is to end."""
    if void:
        return replace(signal, state="invalidated", ts_ns=now_ns, mark=now_ns)
    of = signal.of or signal.id
    return replace(signal, id=f"x{number}", kind="exit", of=of, ts_ns=now_ns, mark=now_ns)
