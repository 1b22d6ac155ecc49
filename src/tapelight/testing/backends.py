"""Conformance of what carries and keeps: one kit for the embedded default and for each service."""

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from tapelight.errors import Bug
from tapelight.model.signals import Signal
from tapelight.ports import Bus, History, Hot, Leases, Lost, Message, Queue, QueueLimits, Ranked

LIMIT_S = 20.0
DAY = dt.date(2026, 11, 20)
DAY_NS = 1_795_132_800 * 10**9
MINUTE_NS = 60 * 10**9


async def until(ask: Callable[[], Any], what: str) -> Any:
    """Wait until `ask` gives something true; AssertionError after 20 s."""
    end = asyncio.get_running_loop().time() + LIMIT_S
    while True:
        found = ask()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert asyncio.get_running_loop().time() < end, f"{what} did not come about"
        await asyncio.sleep(0.01)


# --- bus -----------------------------------------------------------------------------------------


async def check_bus(engine: Bus, gateway: Bus) -> None:
    """Hold the contract of a bus between two ends, which may be one object.

    Wants of one end are seen at the other; states of a topic arrive in order, the newest always;
    every listener hears them; giving up more than was wanted is a fault.
    """
    heard: list[tuple[str, Any]] = []
    also: list[str] = []
    gateway.subscribe(lambda topic, state: heard.append((topic, state["n"])))
    gateway.subscribe(lambda topic, _state: also.append(topic))
    for topic, wanted in (("board:a", True), ("symbol:B C/ü", True), ("board:a", True)):
        gateway.want(topic, wanted)
    await until(lambda: engine.wanted() >= {"board:a", "symbol:B C/ü"}, "the other end's wants")
    await _published(engine, heard)
    for n in range(200):
        engine.publish("board:a", {"n": n, "rows": {"AAA": [1.5, None, True, "x"]}})
        engine.publish("symbol:B C/ü", {"n": 1000 + n})
    await until(lambda: heard[-2:] and ("board:a", 199) in heard and ("symbol:B C/ü", 1199) in heard,
                "the newest state")  # fmt: skip
    for name in ("board:a", "symbol:B C/ü"):
        numbers = [n for topic, n in heard if topic == name]
        assert numbers == sorted(numbers), "states came in another order"
    assert len(also) == len(heard), "a listener missed something"
    gateway.want("board:a", False)
    gateway.want("symbol:B C/ü", False)
    await until(lambda: engine.wanted() == {"board:a"}, "the topic given up")
    gateway.want("board:a", False)
    await until(lambda: not engine.wanted(), "the last topic given up")
    try:
        gateway.want("board:a", False)
    except Bug:
        return
    raise AssertionError("a topic was given up more often than it was wanted")


async def _published(engine: Bus, heard: list[tuple[str, Any]]) -> None:
    """Publish until the gateway listens."""

    def again() -> bool:
        engine.publish("board:a", {"n": -1})
        return bool(heard)

    await until(again, "a first publication")


# --- hot state -----------------------------------------------------------------------------------


async def check_hot(hot: Hot) -> None:
    """Hold the contract of a hot store: the union of tops is the market's top, and what is over goes."""
    market = [Ranked(f"S{i:03}", float((i * 37) % 50), [i, None, f"{i}"]) for i in range(300)]
    best = sorted(market, key=lambda r: (-r.score, r.symbol))
    for part in range(3):
        mine = [r for i, r in enumerate(market) if i % 3 == part]
        top = sorted(mine, key=lambda r: (-r.score, r.symbol))[:40]
        await hot.put_top("gainers", f"p{part}", top, 60.0)
    for most in (1, 7, 40):
        assert list(await hot.top("gainers", most)) == best[:most], "the union's top is another"
    assert list(await hot.top("nobody", 5)) == []
    await hot.put_top("gainers", "p0", [], 60.0)
    left = [r for r in best if market.index(r) % 3]
    assert list(await hot.top("gainers", 20)) == left[:20], "an emptied partition still shows"
    await hot.put_top("short", "p0", best[:3], 0.2)
    await until(lambda: _empty(hot), "the end of a top's time")
    await hot.put_rows({"AAA": {"last": 1.5, "halted": False, "name": None}}, 60.0)
    assert await hot.row("AAA") == {"last": 1.5, "halted": False, "name": None}
    await hot.put_rows({"AAA": {"last": 2.5}}, 0.2)
    assert await hot.row("AAA") in ({"last": 2.5}, None), "a row keeps what it was replaced for"
    await until(lambda: _gone(hot), "the end of a row's time")
    assert await hot.row("ZZZ") is None


async def _empty(hot: Hot) -> bool:
    return not await hot.top("short", 3)


async def _gone(hot: Hot) -> bool:
    return await hot.row("AAA") is None


# --- queues --------------------------------------------------------------------------------------

Make = Callable[[str, QueueLimits], Queue]
"""Return the queue of a name; a second call gives another end of it."""


async def check_queue(make: Make) -> None:
    """Hold the contract of a queue: order, one consumer, again after a failure, bounds told, readers end."""
    await _check_order(make)
    await _check_one_consumer(make)
    await _check_poison(make)
    await _check_bounds(make)
    await reading_ends(make("ends", QueueLimits()).messages)


async def _check_order(make: Make) -> None:
    queue = make("order", QueueLimits(tries=3))
    bodies = [f"{n}".encode() for n in range(50)]
    for body in bodies:
        await queue.put(body)
    async with aclosing(queue.messages()) as found:  # type: ignore[type-var]
        for body in bodies[:25]:
            message = await _next(found)
            assert message.body == body, "messages came in another order"
            await queue.done(message)
        left = await _next(found)  # taken, and not dealt with
        assert left.body == bodies[25]
    seen: list[bytes] = []
    async with aclosing(queue.messages()) as found:  # type: ignore[type-var]
        while len(set(seen)) < 25:
            message = await _next(found)
            seen.append(message.body)
            await queue.done(message)
    assert sorted(set(seen)) == sorted(bodies[25:]), "a message that was not dealt with is gone"


async def _check_one_consumer(make: Make) -> None:
    queue, other = make("single", QueueLimits()), make("single", QueueLimits())
    first, second = queue.messages(), other.messages()
    await queue.put(b"1")
    message = await _next(first)
    waiting = asyncio.ensure_future(_next(second))
    await queue.done(message)
    await queue.put(b"2")
    message = await _next(first)
    assert (message.body, waiting.done()) == (b"2", False), "two consumers at once"
    await queue.done(message)
    await first.aclose()  # type: ignore[attr-defined]
    await queue.put(b"3")
    taken = await waiting
    assert taken.body == b"3"
    await other.done(taken)
    await second.aclose()  # type: ignore[attr-defined]


async def _check_poison(make: Make) -> None:
    queue = make("poison", QueueLimits(tries=2))
    await queue.put(b"poison")
    await queue.put(b"good")
    losses: list[Lost] = []
    seen: Counter[bytes] = Counter()

    async def consume() -> None:
        async with aclosing(queue.messages()) as found:  # type: ignore[type-var]
            async for message in found:
                seen[message.body] += 1
                await queue.done(message, ok=message.body == b"good")

    tasks = [asyncio.ensure_future(work) for work in (_gather(queue, losses), consume())]
    await until(lambda: losses and seen[b"good"], "the good message and the quarantine")
    await _end(tasks)
    assert losses == [Lost("quarantined", b"poison")]
    assert seen == {b"good": 1, b"poison": 3}, "a message was tried more often than it may be"


async def _end(tasks: Sequence["asyncio.Future[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _check_bounds(make: Make) -> None:
    queue = make("bounds", QueueLimits(age_s=0.3, length=5))
    losses: list[Lost] = []
    for n in range(8):
        await queue.put(b"%d" % n)
    reader = asyncio.ensure_future(_gather(queue, losses))
    await until(lambda: len(losses) >= 8, "every loss")
    await _end([reader])
    assert sorted(losses, key=lambda one: one.body) == [
        Lost("shed" if n < 3 else "expired", b"%d" % n) for n in range(8)
    ]


async def _gather(queue: Queue, losses: list[Lost]) -> None:
    async with aclosing(queue.lost()) as found:  # type: ignore[type-var]
        async for lost in found:  # one by one: the list is looked at meanwhile
            losses.append(lost)  # noqa: PERF401


async def reading_ends(read: Callable[[], AsyncIterator[Any]]) -> None:
    """Hold that a reader ends when it is cancelled, whenever that is: a client may swallow it."""

    async def take() -> None:
        async with aclosing(read()) as found:  # type: ignore[type-var]
            async for _ in found:
                pass

    for turns in sorted({int(1.06**n) for n in range(150)}):
        reader = asyncio.create_task(take())
        for _ in range(turns):
            await asyncio.sleep(0)
        reader.cancel()
        await asyncio.wait([reader], timeout=LIMIT_S)
        assert reader.cancelled(), f"a reader that was cancelled after {turns} turns goes on"


async def _next(found: AsyncIterator[Message]) -> Message:
    async with asyncio.timeout(LIMIT_S):
        return await anext(found)


# --- leases and history --------------------------------------------------------------------------


def check_leases(leases: Leases, others: Leases, wait: Callable[[float], None]) -> None:
    """Hold the contract of leases: one owner at a time, tokens only grow; `wait` lets time pass."""
    first = leases.take("feed", "a", 0.3)
    assert first is not None
    assert others.take("feed", "b", 30.0) is None, "two owners"
    assert leases.holds(first)
    again = leases.take("feed", "a", 0.3)
    assert again is not None
    assert again.token == first.token, "a renewal is no new lease"
    wait(0.5)
    assert not leases.holds(first), "a lease that is over still holds"
    second = others.take("feed", "b", 30.0)
    assert second is not None
    assert second.token > first.token, "a successor's token is not higher"
    assert (leases.holds(first), others.holds(second)) == (False, True)
    leases.give_up(first)
    assert others.holds(second), "an old owner gave up what is another's"
    others.give_up(second)
    third = leases.take("feed", "a", 30.0)
    assert third is not None
    assert third.token > second.token
    assert leases.take("key", "a", 30.0) is not None, "names are not apart"
    _check_own_leases(leases, others, wait)


def _check_own_leases(leases: Leases, others: Leases, wait: Callable[[float], None]) -> None:
    """Hold what an owner may do with what was its own, and others with what ran out."""
    lease = leases.take("share", "a", 0.2)
    assert lease is not None
    wait(0.4)
    assert others.take("share", "b", 0.2, grace_s=30.0) is None, "not left to its owner"
    assert leases.take("share", "a", 0.2) == lease, "nobody had it since: the token holds"
    newer = leases.take("share", "a", 0.2, anew=True)
    assert newer is not None
    assert newer.token > lease.token, "a forerunner's token was used again"
    assert not leases.holds(lease)
    wait(0.4)
    taken = others.take("share", "b", 0.2, grace_s=0.1)
    assert taken is not None
    assert taken.token > newer.token
    wait(0.4)
    back = leases.take("share", "a", 0.2)
    assert back is not None
    assert back.token > taken.token, "another had it since: the token has to tell"


def check_history(history: History) -> None:
    """Hold the contract of history: what is written twice is there once, and sums are right."""
    trades = [(DAY_NS + n, f"S{n % 7}", n, 10.0 + n / 8, float(n)) for n in range(1000)]
    assert history.write_trades(trades) == 1000
    assert history.write_trades([*trades[500:], (DAY_NS + 5000, "S1", 5000, 1.0, 1.0)]) == 1
    prices = sum(price for _, _, _, price, _ in trades) + 1.0
    sizes = sum(size for *_, size in trades) + 1.0
    assert history.sums("trades", DAY) == (1001, prices, sizes)
    assert history.sums("trades", DAY + dt.timedelta(1)) == (0, 0.0, 0.0)
    bars = [(DAY_NS + n * MINUTE_NS, "AAA", 1.0, 2.0, 0.5, 1.5, 100.0) for n in range(390)]
    history.write_bars(bars)
    history.write_bars([(DAY_NS, "AAA", 1.0, 2.0, 0.5, 1.75, 300.0)])
    assert history.sums("bars", DAY) == (390, 390 * 1.5 + 0.25, 390 * 100.0 + 200.0)
    late = [(DAY_NS + 86_400 * 10**9 + 1, "S1", 1, 3.0, 2.0)]
    assert history.write_trades(late) == 1, "another day has no place"
    assert history.sums("trades", DAY + dt.timedelta(1)) == (1, 3.0, 2.0)
    signals = [
        Signal(id=f"s{n}", scan="own", symbol="AAA", state="fired", ts_ns=n, mark=n, values={})
        for n in range(20)
    ]
    assert history.write_signals("2026-11-20/0001", signals) == 20
    assert history.write_signals("2026-11-20/0001", signals) == 0
    assert history.write_signals("2026-11-20/0002", signals[:3]) == 3
