"""The same trials over real sockets and in real time, with a proxy that breaks the connection."""

import asyncio
import random
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from faults.provider import Provider, Rest, Stream
from faults.trial import (
    AFTER_S,
    BEGIN_MS,
    MS,
    SECONDS,
    Fault,
    Place,
    Seen,
    Verdict,
    first_equal_s,
    judge,
    market_of,
    replay_differs_in,
    scan,
    unbroken,
)
from tapelight.testing.proxy import Proxy

KINDS = ("cut", "reset", "truncate", "half-open", "black hole")


def fault_of(seed: int) -> Fault:
    """Draw a fault."""
    draw = random.Random(1000 + seed)
    return Fault(KINDS[seed % len(KINDS)], draw.uniform(4.0, 7.0), draw.uniform(0.5, 4.0))


async def trial(seed: int, markets: int = 2) -> Verdict:
    """Run one seeded trial; the unbroken run is a virtual one."""
    fault = fault_of(seed)
    whole = await asyncio.to_thread(unbroken, seed % markets, calm=True)
    with tempfile.TemporaryDirectory() as folder:
        seen = await _run(seed, markets, fault, Path(folder))
        seen.replay_differs = replay_differs_in(Path(folder))
    return judge(seed, fault, seen, whole, first_equal_s)


async def _run(seed: int, markets: int, fault: Fault, folder: Path) -> Seen:
    loop, market = asyncio.get_running_loop(), market_of(seed % markets, calm=True)
    begin_ns = time.monotonic_ns()

    def now_ms() -> float:
        return BEGIN_MS + (time.monotonic_ns() - begin_ns) / MS

    provider = Provider(replace(market, ts_ms=market.ts_ms + BEGIN_MS), now_ms)
    streams = await loop.create_server(lambda: Stream(provider), "127.0.0.1", 0)
    rest = await loop.create_server(lambda: Rest(provider), "127.0.0.1", 0)
    ports = [server.sockets[0].getsockname()[1] for server in (streams, rest)]
    seen = Seen()
    async with streams, rest, Proxy("127.0.0.1", ports[0]) as proxy:
        addresses = f"ws://127.0.0.1:{proxy.port}/stocks", f"http://127.0.0.1:{ports[1]}"
        place = Place(provider, addresses, time.monotonic_ns, BEGIN_MS, SECONDS)
        seen = await scan(place, fault, _break(provider, proxy, fault, seen), seen, seed, folder)
    seen.most_open = 1  # a link that the proxy swallowed still stands at the provider's end
    return seen


async def _break(provider: Provider, proxy: Proxy, fault: Fault, seen: Seen) -> None:
    await asyncio.sleep(fault.at_s - (provider.now_ms() - BEGIN_MS) / 1000.0)
    before = provider.connections
    match fault.kind:
        case "cut":
            proxy.cut()
        case "reset":
            proxy.reset(41)
        case "truncate":
            proxy.truncate(57)
        case "half-open":
            proxy.half_open()
        case "black hole":
            proxy.black_hole()
    if fault.kind in ("cut", "reset"):
        proxy.refuse()
    await asyncio.sleep(fault.lasts_s)
    proxy.heal()
    seen.recovered_ns = round(provider.now_ms()) * MS
    await provider.subscribed(before)
    seen.back_ns = round(provider.now_ms()) * MS
    await asyncio.sleep(AFTER_S)
