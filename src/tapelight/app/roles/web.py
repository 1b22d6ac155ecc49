"""The gateway as a role: boards from the hot store, rows and bars over the bus, no table of its own.

There may be many of them. What only a table can answer, a query over the market or a past second, is
not theirs: they say so.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from tapelight.app.control import Belongings
from tapelight.app.observing import Observing
from tapelight.app.roles.dashboards import Dashboards
from tapelight.app.roles.hotboards import STATUS, SYMBOLS, HotBoards
from tapelight.app.roles.services import Services, lock
from tapelight.app.roles.sieve import Sieve, refusals
from tapelight.app.trading import Asking, Books
from tapelight.buses.memory import MemoryBus
from tapelight.config import Config
from tapelight.errors import Unavailable
from tapelight.ports import Bus, Hot, Json, Row
from tapelight.web.rest import fault as unfit
from tapelight.web.server import Gateway

log = structlog.get_logger()
LOOK_S = 0.5
WANTS_S = 0.1
ASKED_S = 15.0
"""How long a row is kept up after somebody asked for it by REST."""


class HotMarket:
    """Be the gateway's market: rows and bars that the first scan worker publishes when asked for."""

    def __init__(self, hot: Hot, bus: Bus) -> None:
        self.symbols: frozenset[str] = frozenset()
        self.told: Mapping[str, Json] = {}
        self._hot, self._bus = hot, bus
        self._states: dict[str, tuple[float, Mapping[str, Json]]] = {}
        self._asked: dict[str, float] = {}
        bus.subscribe(self._heard)

    def query(self, _sql: str) -> Sequence[Row]:
        """Refuse: a gateway without a table can't answer it."""
        raise Unavailable(
            "This gateway has no table of its own, so that it can't answer a query: write it as a "
            "board (/api/scans), or ask a scanner that runs as one process."
        )

    def symbol(self, symbol: str) -> Row:
        """Return a row as it came last; raises KeyError, or Unavailable until it has come."""
        if symbol not in self.symbols:
            raise KeyError(symbol)
        state = self._state(f"symbol:{symbol}")
        values: Row = state["values"] if state is not None else {"symbol": symbol}
        return values

    def bars(self, symbol: str, span_s: int) -> Sequence[Sequence[float]]:
        """Return the bars as they came last; none until they have come."""
        if symbol not in self.symbols:
            raise KeyError(symbol)
        state = self._state(f"bars:{symbol}:{span_s // 60}m")
        bars: Sequence[Sequence[float]] = state["bars"] if state is not None else ()
        return bars

    def status(self) -> Mapping[str, Json]:
        """Return what the feed told of itself last."""
        if self.told:
            return self.told
        return {"feed": {"name": "", "state": "away", "detail": "no feed has told of itself"}}

    def now_ns(self) -> int:
        """Return the market's time as the feed told it last; 0 where it has not."""
        return int(self.told.get("ts_ns", 0))

    def _state(self, topic: str) -> Mapping[str, Json] | None:
        """Return a topic's newest state, and let it be kept up for a while."""
        now_s = asyncio.get_running_loop().time()
        if topic not in self._asked:
            self._bus.want(topic, True)
        self._asked[topic] = now_s + ASKED_S
        kept = self._states.get(topic)
        return kept[1] if kept is not None else None

    def _heard(self, topic: str, state: Mapping[str, Json]) -> None:
        if topic in self._asked:
            self._states[topic] = asyncio.get_running_loop().time(), state

    async def run(self) -> None:
        """Read what is watched and how the feed is, and let go of what nobody asks for any more."""
        while True:
            try:
                symbols = msgspec.convert(await self._hot.row(SYMBOLS) or (), list[str])
                self.symbols = frozenset(symbols)
                self.told = msgspec.convert(await self._hot.row(STATUS) or {}, dict[str, Any])
            except (Unavailable, msgspec.MsgspecError) as error:
                self.told = {"feed": {"name": "", "state": "away", "detail": str(error)}}
            self._beat()
            self._let_go()
            await asyncio.sleep(LOOK_S)

    def _beat(self) -> None:
        ts = self.told.get("ts_ns", 0)
        if ts and STATUS in self._bus.wanted():
            self._bus.publish(STATUS, {"mark": ts, "ts_ns": ts, "status": self.told})

    def _let_go(self) -> None:
        now_s = asyncio.get_running_loop().time()
        for topic in [topic for topic, until in self._asked.items() if until < now_s]:
            del self._asked[topic]
            self._states.pop(topic, None)
            self._bus.want(topic, False)


async def bridge(near: MemoryBus, far: Bus) -> None:
    """Let the other processes know what this gateway's clients want."""
    wanted: frozenset[str] = frozenset()
    while True:
        now = frozenset(
            t for t in near.wanted() if t.partition(":")[0] in ("board", "symbol", "bars")
        )
        for topic in now - wanted:
            far.want(topic, True)
        for topic in wanted - now:
            far.want(topic, False)
        wanted = now
        await asyncio.sleep(WANTS_S)


async def serve(config: Config, data: Path) -> None:
    """Serve a gateway until cancelled."""
    held = lock(data)
    services = Services(config.scale_out)
    await services.check("redis")
    hot, far, near = services.hot(), services.bus(), MemoryBus()
    boards, market = HotBoards(hot, config.scale_out.shares, near), HotMarket(hot, near)
    sieve = Sieve(near, boards)
    far.subscribe(sieve.hear)
    control = Belongings(data, config)
    told = (
        Dashboards(data, control, config, near, market.now_ns) if config.scale_out.alert else None
    )
    web, telemetry = config.web, config.telemetry
    observing = Observing(
        telemetry, "web", telemetry.port, (boards.measures, services.measures, lambda: [refusals(sieve.refused + far.refused)]),
        lambda: unfit(market.status()),
    )  # fmt: skip
    books, trading = Books(data, lambda _symbol: None), Asking(data)
    gateway = Gateway(
        boards, market, near, host=web.host, port=web.port, hosts=web.hosts, origins=web.origins,
        proxies=web.trusted_proxies,
        documents=control.documents, users=control.users, guests=config.users.guests,
        code=control.code, oidc=control.oidc, measures=observing.measures, orders=books, trader=trading,
        alerting=told.desk if told is not None else None,
    )  # fmt: skip
    observing.more = gateway.measures
    control.show(gateway, web.host)
    log.info("gateway", port=gateway.port)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(far.run(), name="bus")
            group.create_task(bridge(near, far), name="bridge")
            group.create_task(boards.run(), name="boards")
            group.create_task(market.run(), name="market")
            group.create_task(gateway.serve(), name="gateway")
            group.create_task(observing.run(), name="observing")
            if told is not None:
                group.create_task(told.run(), name="alerts of dashboards")
    finally:
        if told is not None:
            await told.close()
        await control.close()
        books.close()
        trading.close()
        await hot.close()
        held.close()
