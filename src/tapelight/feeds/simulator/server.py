"""The simulator's one socket: pace the market, fan it out, answer REST."""

import asyncio
import contextlib
import gc
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute, WebSocketRoute

from tapelight.errors import ConfigError
from tapelight.feeds.simulator.alpaca.service import Service
from tapelight.feeds.simulator.faults import Unreliable
from tapelight.feeds.simulator.halts import HaltList
from tapelight.feeds.simulator.hub import Hub
from tapelight.feeds.simulator.ledger import MAX_HELD, Ledger
from tapelight.feeds.simulator.market import MS
from tapelight.feeds.simulator.options import SimulatorOptions
from tapelight.feeds.simulator.protocol import Door
from tapelight.feeds.simulator.recent import Recent
from tapelight.feeds.simulator.rest import Rest
from tapelight.feeds.simulator.simulation import Simulation, Step
from tapelight.feeds.simulator.status import Status
from tapelight.model.clock import MarketClock

_SLICE_S = 0.02
"""How long the market may be drawn before connections get their turn."""
_FLUSH_S = 2.0
_STOP_S = 5.0
_FAREWELL_S = 2.0


class _Server(uvicorn.Server):
    """Leave signals to the caller."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Audience(Protocol):
    """Whoever hears the steps of the market: the side of a protocol that has clients."""

    def broadcast(self, step: Step) -> None: ...

    async def close(self, limit_s: float) -> None: ...


class Pace:
    """Advance the simulation with its clock and hand every step to those who want it."""

    def __init__(
        self, simulation: Simulation, clock: MarketClock, begin: asyncio.Event, audience: Audience
    ) -> None:
        self._simulation, self._clock = simulation, clock
        self._options = simulation.options
        self._begin, self._audience = begin, audience
        self.recent = Recent(simulation.listing)
        self._ledger: Ledger | None = None
        self._saving: asyncio.Task[None] | None = None
        self._saved_s = 0.0
        if self._options.ledger is not None:
            self._ledger = Ledger(self._options.ledger, simulation)

    async def run(self) -> None:
        """Run until the duration is over."""
        if self._options.hold:
            await self._begin.wait()
        self._clock.set(self._simulation.now_ms * MS, self._options.speed)
        end_ms = self._end_ms()
        while self._simulation.now_ms < end_ms:
            self._catch_up(end_ms)
            if self._ledger is not None:
                await self._save(self._ledger)
            until_ns = (self._simulation.now_ms + self._simulation.window_ms) * MS
            await asyncio.sleep(max(0.0, self._clock.wall_delay_s(until_ns)))

    async def _save(self, ledger: Ledger) -> None:
        """Write the ledger every few seconds, in a thread, one pair of files at a time."""
        now_s = asyncio.get_running_loop().time()
        if self._saving is not None and (self._saving.done() or ledger.held > MAX_HELD):
            saving, self._saving = self._saving, None
            await saving
        if self._saving is None and now_s - self._saved_s >= _FLUSH_S:
            self._saved_s = now_s
            self._saving = asyncio.create_task(asyncio.to_thread(ledger.write, *ledger.take()))

    def _end_ms(self) -> float:
        seconds = self._options.duration_s
        return float("inf") if seconds is None else self._simulation.start_ms + seconds * 1000.0

    def _catch_up(self, end_ms: float) -> None:
        loop, simulation = asyncio.get_running_loop(), self._simulation
        stop_s = loop.time() + _SLICE_S
        while loop.time() < stop_s and simulation.now_ms < end_ms:
            if (simulation.now_ms + simulation.window_ms) * MS > self._clock.now_ns():
                return
            step = simulation.advance()
            self._audience.broadcast(step)
            self.recent.add(step.window)
            if self._ledger is not None:
                self._ledger.add(step.window)

    async def close(self) -> None:
        """Write the rest of the ledger and send the clients home."""
        await self._audience.close(_FAREWELL_S)
        if self._saving is not None:
            await self._saving
        if self._ledger is not None:
            self._ledger.flush()


async def serve(options: SimulatorOptions) -> dict[str, int]:
    """Run the market on `options.host`:`options.port`; see the package's docstring."""
    listener = _listen(options.host, options.port)
    try:
        simulation = Simulation(options)
        clock = MarketClock(simulation.start_ms * MS, 0.0)
        server, pace, sent = _server(simulation, clock)
        gc.collect()
        gc.freeze()
        await _run(server, pace, listener)
        return dict(sent)
    finally:
        listener.close()


def _server(simulation: Simulation, clock: MarketClock) -> tuple[_Server, Pace, Mapping[str, int]]:
    begin = asyncio.Event()
    sent: Mapping[str, int] = {}
    if simulation.options.protocol == "alpaca":
        service = Service(simulation, clock, begin)
        pace = Pace(simulation, clock, begin, service)
        routes = service.routes()
    else:
        hub = Hub(simulation.frames, simulation.totals)
        pace, sent = Pace(simulation, clock, begin, hub), hub.sent
        routes = _massive(simulation, hub, pace.recent, begin)
    app = Unreliable(
        Starlette(
            routes=[*routes, *Status(simulation, clock).routes(), *HaltList(simulation).routes()]
        )
    )
    return _Server(uvicorn.Config(
        app, ws="websockets-sansio", ws_per_message_deflate=False, ws_ping_interval=None,
        log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1,
    )), pace, sent  # fmt: skip


def _massive(
    simulation: Simulation, hub: Hub, recent: Recent, begin: asyncio.Event
) -> list[BaseRoute]:
    options = simulation.options
    door = Door(hub, options.api_key, options.buffer_bytes, simulation.row_of, begin)
    return [WebSocketRoute("/stocks", door.stream), *Rest(simulation, recent).routes()]


async def _run(server: _Server, pace: Pace, listener: socket.socket) -> None:
    web = asyncio.create_task(server.serve(sockets=[listener]))
    market = asyncio.create_task(pace.run())
    try:
        with _terminated(market):
            done, _ = await asyncio.wait({web, market}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled():
                task.result()
    finally:
        market.cancel()
        await asyncio.gather(market, return_exceptions=True)
        await pace.close()
        server.should_exit = True
        await asyncio.wait({web}, timeout=_STOP_S)
        web.cancel()


@contextlib.contextmanager
def _terminated(market: asyncio.Task[None]) -> Iterator[None]:
    """Let SIGTERM end the market in an orderly way, where signals can be had."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, market.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio switches Nagle off on the connections it accepts.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"Port {port} on {host} is not free ({error.strerror}): "
            "stop what uses it or choose another with --port."
        ) from error
    return listener
