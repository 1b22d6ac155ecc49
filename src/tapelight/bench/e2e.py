"""Measure end to end: trades/s of CPU on one core (P1), and frame due -> signal at a client (P2).

P1: a child process sends raw Massive frames as fast as they are read, over a WebSocket on
loopback; this process decodes, journals, folds, answers boards and scans, and publishes 24
boards ten times a second. The journal's thread is told apart. P2: simulator, scanner and
subscriber are three processes; a trade is due at its event time by the simulator's clock. It is
measured with trades alone, and with as many quotes beside them, and without the pass over the
year's days, which the first minutes after a first start share the machine with.
"""

import asyncio
import contextlib
import itertools
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tapelight.app.prints import PrintTape
from tapelight.app.publish import Publisher
from tapelight.app.scanner import Scanner
from tapelight.app.views import EngineBoards, EngineMarket
from tapelight.bench.cycle import decode_ns, questions, references
from tapelight.bench.decode import trade_frames
from tapelight.buses.memory import MemoryBus
from tapelight.errors import Unavailable
from tapelight.feeds._websocket import Stream, open_stream
from tapelight.feeds.massive.decode import Decoder
from tapelight.feeds.massive.line import Line
from tapelight.model.records import FeedState, References
from tapelight.testing.services import free_port

NS = 1_000_000_000
START_NS = 1_795_190_400 * NS
"""2026-11-20 11:00 New York, and in the frames the text that is replaced by the time."""
STAMP, NUMBER = b'"t":1795190400000', b'"q":100000'
PROBE = """-- title = "Probe"
-- kind = "events"
-- gate = "none"
SELECT symbol, last, secs_since_hod FROM market WHERE new_hod
"""
"""Only a print can make it true, and its age is known: it fires at the mark after that print."""
START_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """Say how much is sent, and for how long it is measured."""

    warm_s: float = 4.0
    measure_s: float = 6.0
    symbols: int = 11_000
    rate: int = 100_000
    """P2: trades a second."""
    settle_s: float = 15.0
    """P2: from the feed's going live to the first signal that counts."""
    latency_s: float = 30.0
    """P2: how long signals are taken."""


def run(load: Load | None = None) -> Iterator[dict[str, Any]]:
    """Yield rows {name, value, unit, baseline, ratio}; baselines are of the same run."""
    load = load or Load()
    for size in (200, 20):
        yield from asyncio.run(throughput(size, load))
    yield from asyncio.run(latency(load, ("T", "LULD"), "P2"))
    yield from asyncio.run(latency(load, ("T", "Q", "LULD"), "P2_with_quotes"))


def frames(size: int) -> list[bytes]:
    """Return frames of `size` trades over 11,000 symbols whose prices stay near each symbol's."""
    events = [msgspec.json.decode(frame)[0] for frame in trade_frames(1)]
    for k, event in enumerate(events):
        base = 5.0 + sum(event["sym"].encode()) % 97
        event |= {"p": round(base * (1.0 + k % 41 / 4000), 2), "t": START_NS // 1_000_000}
        event["q"] = 10_000_000_000 + k
    return [msgspec.json.encode(events[at : at + size]) for at in range(0, len(events), size)]


async def send_frames(size: int) -> None:
    """Serve frames on a free port, whose number goes to stdout, as fast as they are taken."""
    pool = frames(size)
    ended = asyncio.Event()

    async def flood(connection: ServerConnection) -> None:
        clock = time.monotonic_ns()
        with contextlib.suppress(ConnectionClosed):
            for lap in itertools.count(100_001):
                number = b'"q":%d' % lap
                for frame in pool:
                    now_ms = (START_NS + time.monotonic_ns() - clock) // 1_000_000
                    stamped = frame.replace(STAMP, b'"t":%d' % now_ms)
                    await connection.send(stamped.replace(NUMBER, number), text=True)
        ended.set()

    async with serve(flood, "127.0.0.1", 0, compression=None) as server:
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await ended.wait()


async def throughput(size: int, load: Load) -> list[dict[str, Any]]:
    """Return trades a second of CPU, with the journal's thread and without."""
    decode = 1e9 / decode_ns()
    with tempfile.TemporaryDirectory(prefix="tapelight-bench-") as folder:
        async with child("-m", "tapelight.bench.e2e", "--send", size) as sender:
            assert sender.stdout is not None
            async with asyncio.timeout(START_LIMIT_S):
                port = int(await sender.stdout.readline())
            async with open_stream(f"ws://127.0.0.1:{port}", lambda: None) as stream:
                core, journal, trades = await _measure(stream, Path(folder), load)
    return [
        _rate(f"P1_trades_s_of_core_{size}_a_frame", trades / core, decode),
        _rate(f"P1_with_journal_thread_{size}_a_frame", trades / (core + journal), decode),
        {
            "name": f"journal_thread_share_{size}_a_frame",
            "value": round(journal / core, 4),
            "unit": "of CPU",
            "baseline": 1.0,
            "ratio": round(journal / core, 4),
        },
    ]


def _rate(name: str, value: float, baseline: float) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value),
        "unit": "trades/s",
        "baseline": round(baseline),
        "ratio": round(value / baseline, 4),
    }


async def _measure(stream: Stream, folder: Path, load: Load) -> tuple[float, float, int]:
    """Return CPU seconds of the loop's thread and of the journal's, and the trades folded."""
    scanner = scanner_of(folder)
    line = Line(stream, Decoder(scanner.universe), scanner)
    line.held.release()
    loop = asyncio.get_running_loop()
    await _read_until(line, loop.time() + load.warm_s)
    begin = _spent(scanner)
    await _read_until(line, loop.time() + load.measure_s)
    end = _spent(scanner)
    scanner.close()
    return end[0] - begin[0], end[1] - begin[1], end[2] - begin[2]


def scanner_of(folder: Path, start_ns: int = START_NS) -> Scanner:
    """Return a scanner at work: its clock set, references known, 24 boards watched."""
    scanner = Scanner(folder, questions(scans=0), "XNYS")
    boards = EngineBoards(scanner.engine)
    market = EngineMarket(scanner.engine, scanner.status)
    bus = MemoryBus()
    bus.subscribe(lambda _topic, _state: None)
    prints = PrintTape(lambda: scanner.engine)
    publisher = Publisher(boards, market, bus, scanner.status, prints, lambda: scanner.behind)
    scanner.listeners.append(publisher.on_cycle)
    scanner.clock.set(start_ns)
    symbols = sorted({e["sym"] for f in trade_frames(200) for e in msgspec.json.decode(f)})
    closes = [5.0 + sum(symbol.encode()) % 97 for symbol in symbols]
    scanner.put(References("2026-11-20", references(symbols, closes)))
    scanner.put(FeedState(start_ns, "bench", "live"))
    for board in scanner.engine.boards:
        bus.want(f"board:{board}", True)
    boards.engine = market.engine = scanner.engine
    return scanner


def _spent(scanner: Scanner) -> tuple[float, float, int]:
    trades = scanner.status()["counters"]["trades"]
    loop_s, all_s = time.thread_time(), time.process_time()
    return loop_s, all_s - loop_s, int(trades)


async def _read_until(line: Line, end_s: float) -> None:
    loop = asyncio.get_running_loop()
    while loop.time() < end_s:
        await line.read()


async def latency(load: Load, channels: Sequence[str], name: str) -> list[dict[str, Any]]:
    """Return p50 and p99 of frame due -> signal on a subscriber's socket, in ms.

    There are as many quotes as trades, where they are asked for.
    """
    market, port = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="tapelight-bench-") as folder:
        config = _configuration(Path(folder), market, channels)
        simulator = (
            "-m", "tapelight", "simulate", "--port", market, "--symbols", load.symbols,
            "--rate", load.rate, "--hold", "--start", "2026-11-20T09:30:05-05:00",
        )  # fmt: skip
        scanner = ("-m", "tapelight", "run", "--config", config, "--data", folder, "--port", port)
        async with child(*simulator), httpx.AsyncClient() as client:
            await _answers(client, f"http://127.0.0.1:{market}/simulator/clock")
            async with child(*scanner):
                await _live(client, f"http://127.0.0.1:{port}/health")
                offset = await _offset_ns(client, market)
                await asyncio.sleep(load.settle_s)
                lags = await _listen(port, offset, load.latency_s)
                health = (await client.get(f"http://127.0.0.1:{port}/health")).json()
    if health["feed"]["state"] != "live" or not lags:
        raise Unavailable(
            f"{len(lags)} signals came and the feed is {health['feed']['state']} "
            f"({health['feed']['detail']}): the machine is too busy to measure."
        )
    frame = 1e-6 * decode_ns() * load.rate / 50
    p50, p99 = np.quantile(lags, (0.5, 0.99))
    return [
        _ms(f"{name}_due_to_signal_p50", float(p50), frame),
        _ms(f"{name}_due_to_signal_p99", float(p99), frame),
        _rate(f"{name}_trades_s_at_the_end", health["trades_s"], load.rate),
    ]


def _ms(name: str, value: float, baseline: float) -> dict[str, Any]:
    """Return a latency; its baseline is the decoding of one 20 ms frame by msgspec."""
    return {
        "name": name,
        "value": round(value, 2),
        "unit": "ms",
        "baseline": round(baseline, 3),
        "ratio": round(value / baseline, 2),
    }


def _configuration(folder: Path, port: int, channels: Sequence[str]) -> Path:
    own = folder / "questions"
    own.mkdir()
    (own / "probe.sql").write_text(PROBE)
    config = folder / "tapelight.toml"
    config.write_text(
        f'questions = "{own}"\n[feed.massive]\nurl = "ws://127.0.0.1:{port}/stocks"\n'
        f'rest = "http://127.0.0.1:{port}"\napi_key = "demo"\nchannels = {list(channels)}\n'
        "history_sessions = 20\n"
    )
    return config


async def _live(client: httpx.AsyncClient, url: str) -> None:
    """Wait until the scanner's feed is live."""
    for _ in range(int(START_LIMIT_S / 0.2)):
        status = await _answers(client, url)
        if status["feed"]["state"] == "live" and not status["gap_open"]:
            return
        await asyncio.sleep(0.2)
    raise Unavailable(f"The scanner's feed was not live within {START_LIMIT_S:.0f} s.")


async def _answers(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    """Return the JSON that `url` answers, once it does."""
    for _ in range(int(START_LIMIT_S / 0.1)):
        with contextlib.suppress(httpx.TransportError):
            found: dict[str, Any] = (await client.get(url, timeout=5.0)).json()
            return found
        await asyncio.sleep(0.1)
    raise Unavailable(f"{url} did not answer within {START_LIMIT_S:.0f} s.")


async def _offset_ns(client: httpx.AsyncClient, port: int) -> int:
    """Return market time less monotonic time, by the quickest of some answers."""
    best, offset = NS, 0
    for _ in range(20):
        begin = time.monotonic_ns()
        now_ns = (await client.get(f"http://127.0.0.1:{port}/simulator/clock")).json()["now_ns"]
        took = time.monotonic_ns() - begin
        if took < best:
            best, offset = took, now_ns - begin - took // 2
    return offset


async def _listen(port: int, offset_ns: int, seconds: float) -> list[float]:
    """Return for each signal of the probe the ms from its trade's event time to its arrival."""
    lags: list[float] = []
    async with connect(f"ws://127.0.0.1:{port}/ws", compression=None, max_size=None) as client:
        await client.send('{"op":"subscribe","topics":["signals"]}')
        await client.recv()
        end = asyncio.get_running_loop().time() + seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                while True:
                    message = msgspec.json.decode(await client.recv(decode=False))
                    now_ns = time.monotonic_ns() + offset_ns
                    lags += _lags(message, now_ns)
    return lags


def _lags(message: dict[str, Any], now_ns: int) -> list[float]:
    signals = [s for s in message.get("signals", []) if s["scan"] == "probe"]
    return [(now_ns - s["ts_ns"]) / 1e6 + 1e3 * s["values"]["secs_since_hod"] for s in signals]


@contextlib.asynccontextmanager
async def child(*arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run Python with these arguments until the block ends."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, *map(str, arguments), stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, env=dict(os.environ),
    )  # fmt: skip
    try:
        yield child
    finally:
        if child.returncode is None:
            child.terminate()
        try:
            async with asyncio.timeout(15.0):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()


if __name__ == "__main__":
    asyncio.run(send_frames(int(sys.argv[sys.argv.index("--send") + 1])))
