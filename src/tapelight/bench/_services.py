"""Measure roles over real Redis, RabbitMQ and PostgreSQL: messages by load, loss, CPU time, gateways.

Market time goes slower than the wall's where a load of trades is measured, by the same factor at each, so
that the simulator keeps up on two cores: rates are those of market seconds, messages those of the wall's.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tapelight.bench import Row, row
from tapelight.bench._stack import DECODED, IN, Market, Services, Stack, services, stack
from tapelight.bench.cycle import decode_ns

SLOW = 0.25
WINDOW_S = 6.0
AGGREGATES = Market(16_000, channels=("A",))
"""Some 1,490 bars of a second each second: the symbols that traded in it."""
LOADS = tuple(Market(rate, SLOW) for rate in (10_000, 100_000, 200_000))
CROWDED = Market(10_000)
CLIENTS = 400
IDLE_S = 4.0
SETTLED_S = 60.0
TESTS = 'tapelight_feed_total{count="test_symbols"}'
OUT = 'tapelight_events_total{{fate="{}",stage="decode"}}'
STILL_S = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """Hold what a load cost; times in us an event, counts a second of the wall's."""

    events_s: float
    """Events a market second, as they came."""
    sent: int
    lost: int
    feed_us: float
    worker_us: float
    rabbit_s: float
    redis_s: float
    published_s: float


def run() -> Iterator[Row]:
    """Yield rows {name, value, unit, baseline, ratio}; each baseline is of the same run."""
    with services() as over:
        yield from loads(over, AGGREGATES, LOADS)
        yield from gateways(over, CROWDED, CLIENTS)


def loads(over: Services, aggregates: Market, trades: Sequence[Market]) -> Iterator[Row]:
    """Yield loss, CPU time and messages at each load; the messages of the first load of trades are the baseline."""
    decoded_us = decode_ns() / 1e3
    seen = measured(over, aggregates)
    yield row("aggregates_s", seen.events_s, aggregates.rate, "1/s")
    yield from _costs("aggregates", seen, decoded_us)
    first: Seen | None = None
    for market in trades:
        seen = measured(over, market, "web")
        first = first or seen
        name = f"{market.rate}_trades_s"
        yield row(name, seen.events_s, market.rate, "1/s")
        yield from _costs(name, seen, decoded_us)
        yield row(f"rabbitmq_messages_s_at_{name}", seen.rabbit_s, first.rabbit_s, "1/s")
        yield row(f"redis_commands_s_at_{name}", seen.redis_s, first.redis_s, "1/s")
        yield row(f"redis_publications_s_at_{name}", seen.published_s, first.published_s, "1/s")


def _costs(name: str, seen: Seen, decoded_us: float) -> Iterator[Row]:
    yield row(f"events_lost_at_{name}", seen.lost, seen.sent, "events")
    yield row(f"feed_role_cpu_of_an_event_at_{name}", seen.feed_us, decoded_us, "us")
    yield row(f"scan_role_cpu_of_an_event_at_{name}", seen.worker_us, decoded_us, "us")


def measured(over: Services, market: Market, *webs: str) -> Seen:
    """Run a feed, a worker and gateways under a load; then count what the worker has of what was sent."""
    with stack(over, market, "feed", "scan", *webs) as made:
        watching = [_clients(made, web, 4, WINDOW_S + 10.0) for web in webs]
        begin = _reading(made)
        time.sleep(WINDOW_S)
        end = _reading(made)
        for child in watching:
            child.terminate()
            child.communicate()
        sent = sum(made.sent().values())
        _settle(made)
        folded, feed = made.measures("scan")[IN], made.measures("feed")
    left_out = feed[TESTS] + sum(feed[OUT.format(fate)] for fate in ("rejected", "superseded"))
    gone = {name: end[name] - begin[name] for name in begin}
    return Seen(
        gone["decoded"] / gone["wall_s"] / market.speed, sent, sent - int(left_out + folded),
        1e6 * gone["feed_s"] / gone["decoded"], 1e6 * gone["scan_s"] / gone["folded"],
        gone["rabbit"] / gone["rabbit_s"], gone["redis"] / gone["redis_s"],
        gone["published"] / gone["redis_s"],
    )  # fmt: skip


def _settle(made: Stack) -> None:
    """Wait until the worker has what the feed has, and no more comes."""
    still: list[tuple[float, float]] = []

    def settled() -> bool:
        time.sleep(STILL_S)
        still.append((made.measures("feed").get(IN, -1.0), made.measures("scan").get(IN, -2.0)))
        return still[-1][0] == still[-1][1] and still[-2:-1] == still[-1:]

    made.wait(settled, "a worker that has what the feed has", SETTLED_S)


def _reading(made: Stack) -> dict[str, float]:
    """Return the counters of the processes and services as of now."""
    rabbit_s, rabbit = made.services.rabbit.counted()
    redis_s, redis = made.services.redis.counted()
    return {
        "rabbit_s": rabbit_s, "rabbit": rabbit["messages_received_total"],
        "redis_s": redis_s, "redis": sum(redis.values()), "published": redis.get("publish", 0),
        "feed_s": made.cpu_s("feed"), "decoded": made.measures("feed")[DECODED],
        "scan_s": made.cpu_s("scan"), "folded": made.measures("scan")[IN],
        "wall_s": time.monotonic(),
    }  # fmt: skip


def gateways(over: Services, market: Market, clients: int) -> Iterator[Row]:
    """Yield what clients cost one gateway, and two that have half of them each."""
    with stack(over, market, "feed", "scan", "web1", "web2") as made:
        begin_s = made.cpu_s("web1")
        time.sleep(IDLE_S)
        idle = (made.cpu_s("web1") - begin_s) / IDLE_S
        one = _crowd(made, {"web1": clients})
        two = _crowd(made, {"web1": clients // 2, "web2": clients - clients // 2})
    yield row("gateway_cpu_of_a_second_without_clients", 1e3 * idle, 1e3)
    yield row("gateway_cpu_of_a_client_second", 1e3 * two.cpu / clients, 1e3 * one.cpu / clients)
    yield row(
        "clients_of_a_core_a_gateway_with_2",
        clients / two.busiest,
        clients / one.busiest,
        "clients",
    )
    yield row(f"delivery_p50_{clients}_clients_2_gateways", two.p50_ms, one.p50_ms)
    yield row(f"delivery_p99_{clients}_clients_2_gateways", two.p99_ms, one.p99_ms)
    yield row("messages_s_of_a_client_2_gateways", two.messages_s, one.messages_s, "1/s")


@dataclass(frozen=True, slots=True)
class Crowd:
    """Hold what clients got, and what it cost; CPU in seconds a second."""

    cpu: float
    busiest: float
    p50_ms: float
    p99_ms: float
    messages_s: float
    """Of one client."""


def _crowd(made: Stack, spread: dict[str, int]) -> Crowd:
    """Let clients watch boards at gateways."""
    children = {web: _clients(made, web, count, WINDOW_S) for web, count in spread.items()}
    begin_s, begin = time.monotonic(), {web: made.cpu_s(web) for web in spread}
    told = {web: _told(child) for web, child in children.items()}
    took_s = time.monotonic() - begin_s
    spent = [(made.cpu_s(web) - begin[web]) / took_s for web in spread]
    return Crowd(
        sum(spent), max(spent), max(one["p50_ms"] for one in told.values()),
        max(one["p99_ms"] for one in told.values()),
        sum(one["messages"] for one in told.values()) / WINDOW_S / sum(spread.values()),
    )  # fmt: skip


def _clients(made: Stack, web: str, count: int, seconds: float) -> "subprocess.Popen[bytes]":
    """Start clients, and return when each has its board."""
    boards = made.shown(web)[:8]
    child = subprocess.Popen(
        [sys.executable, "-m", "tapelight.bench._clients",
         *map(str, (made.webs[web], made.market_port, count, seconds)), *boards],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    child.stdout.readline()
    return child


def _told(child: "subprocess.Popen[bytes]") -> dict[str, Any]:
    out, _ = child.communicate(timeout=WINDOW_S + 60.0)
    found: dict[str, Any] = json.loads(out)
    return found
