"""A clock is set by what a service tells, and not by an answer that was long on its way."""

import asyncio

import pytest

from faults.virtual import VirtualLoop
from tapelight.feeds._timing import SimulatorClock, Slept, Timing
from tapelight.model.clock import MarketClock

NS = 1_000_000_000


def after(loop: VirtualLoop, took_s: float, ahead_s: float, rate: float = 1.0) -> tuple[int, bool]:
    """Set a right clock anew by an answer that took so long; return how far it is off then (ns)."""
    clock = MarketClock(0, rate, loop.monotonic_ns)
    begin_s = loop.time()

    async def at_once() -> SimulatorClock:
        return SimulatorClock(clock.now_ns(), rate)

    async def ask() -> SimulatorClock:
        await asyncio.sleep(took_s)
        told = int((loop.time() - begin_s + ahead_s) * rate * NS)
        return SimulatorClock(told, rate)

    async def both() -> None:
        await timing.set(at_once)
        clock.on_set = lambda: calls.append(1)
        await timing.set(ask)

    timing, calls = Timing(clock), list[int]()
    loop.run_until_complete(both())
    right_ns = int((loop.time() - begin_s) * rate * NS)
    return abs(clock.now_ns() - right_ns), bool(calls)


def test_an_answer_after_tries_that_failed_moves_no_clock() -> None:
    loop = VirtualLoop()
    for took_s in (0.0, 0.37, 5.0):
        for rate in (1.0, 10.0):
            off_ns, moved = after(loop, took_s, 0.0, rate)
            assert not moved
            assert off_ns < 10_000
    loop.close()


def test_a_clock_that_is_off_by_more_than_an_answer_may_be_is_set() -> None:
    loop = VirtualLoop()
    off_ns, moved = after(loop, 0.02, 0.2)
    assert moved
    assert abs(off_ns - 210_000_000) < 1000, "half of the way is added"
    off_ns, moved = after(loop, 0.02, 0.04)
    assert not moved
    assert off_ns < 10_000
    loop.close()


def test_a_clock_that_stood_while_utc_went_on_is_found() -> None:
    utc = [10**18]
    clock = MarketClock(0, 1.0, lambda: 0)
    timing = Timing(clock, lambda: utc[0])
    timing.set_utc()
    utc[0] += 5 * NS
    timing.check()
    utc[0] += 595 * NS
    with pytest.raises(Slept, match="the clock is 600 s off; connecting anew"):
        timing.check()
    timing.set_utc()
    timing.check()
    assert clock.now_ns() == utc[0]
    timing.synthetic = True
    utc[0] += 10**12
    timing.check()


def test_utc_stands_where_no_simulator_answers() -> None:
    loop = VirtualLoop()
    clock = MarketClock(0, 2.0, loop.monotonic_ns)
    timing = Timing(clock, lambda: 7 * NS)

    async def nobody() -> None:
        await asyncio.sleep(3.0)

    loop.run_until_complete(timing.set(nobody))
    assert (clock.now_ns(), clock.rate, timing.synthetic) == (7 * NS, 1.0, False)
    loop.close()
