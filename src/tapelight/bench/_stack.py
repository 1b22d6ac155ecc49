"""The roles as processes over real services on ports of their own: what the benchmarks measure of them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tapelight.errors import Unavailable
from tapelight.testing.services import Postgres, Rabbit, Redis, Service, free_port, missing, until

START = "2026-11-20T09:30:05-05:00"
START_S = 120.0
END_S = 30.0
TICKS = os.sysconf("SC_CLK_TCK")
IN = 'tapelight_events_total{fate="in",stage="table"}'
DECODED = 'tapelight_events_total{fate="in",stage="decode"}'
SAMPLE = re.compile(r"^(\w+(?:\{.*\})?) (\S+)$", re.MULTILINE)


@dataclass
class Services:
    """Hold the three services."""

    redis: Redis
    rabbit: Rabbit
    postgres: Postgres


def lacking() -> str:
    """Return which services are not installed, as a sentence; empty where all are."""
    told = [why for kind in (Redis, Rabbit, Postgres) if (why := missing(kind.name))]
    return f"Left out what needs real services: {', '.join(told)}." if told else ""


@contextmanager
def services() -> Iterator[Services]:
    """Run Redis, RabbitMQ and PostgreSQL until the block ends."""
    with ExitStack() as held:
        # Whoever ends the benchmark ends what it has started, too.
        held.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, _ended))
        yield Services(*(_served(held, kind) for kind in (Redis, Rabbit, Postgres)))  # type: ignore[arg-type]


def _ended(_number: int, _frame: object) -> None:
    raise SystemExit("The benchmark was ended.")


def _served(held: ExitStack, kind: type[Service]) -> Service:
    # In a folder that another user may enter: PostgreSQL does not run as root.
    folder = Path(tempfile.mkdtemp(prefix="tapelight-bench-"))
    held.callback(shutil.rmtree, folder, ignore_errors=True)
    made = kind(folder)
    held.callback(made.stop)
    return made


@dataclass(frozen=True, slots=True)
class Market:
    """Say what is sent: `rate` trades a market second, and how many of these pass in one of the wall's."""

    rate: int
    speed: float = 1.0
    channels: tuple[str, ...] = ("T", "LULD")
    symbols: int = 5_200


@dataclass
class Stack:
    """A simulated market, and roles that follow it."""

    folder: Path
    services: Services
    market: Market
    ports: dict[str, int] = field(default_factory=dict)
    webs: dict[str, int] = field(default_factory=dict)
    children: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    prefix: str = field(default_factory=lambda: f"bench{free_port()}")
    market_port: int = field(default_factory=free_port)

    def begin(self, *roles: str) -> None:
        """Start the market, which waits for the feed, and roles; a number at the end is the name's."""
        market = self.market
        self._spawn(
            "market", "simulate", "--port", self.market_port, "--symbols", market.symbols,
            "--rate", market.rate, "--speed", market.speed, "--hold", "--start", START,
        )  # fmt: skip
        for name in roles:
            self.start(name)

    def start(self, name: str) -> None:
        """Start one more role."""
        settings, data = self.folder / f"{name}.toml", self.folder / name
        settings.write_text(self._settings(name), "utf-8")
        role = name.rstrip("0123456789")
        self._spawn(name, "run", "--role", role, "--config", settings, "--data", data)

    def _spawn(self, name: str, *arguments: object) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.children[name] = subprocess.Popen(
                [sys.executable, "-m", "tapelight", *map(str, arguments)],
                stdout=subprocess.PIPE, stderr=log, cwd=self.folder, start_new_session=True,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )  # fmt: skip

    def _settings(self, name: str) -> str:
        self.ports[name], self.webs[name] = free_port(), free_port()
        return f"""
workers = 0
questions = "{self.folder / "questions"}"
strategies = "{self.folder / "strategies"}"
[web]
port = {self.webs[name]}
[telemetry]
port = {self.ports[name]}
[scale_out]
rabbitmq = "{self.services.rabbit.url}"
redis = "{self.services.redis.url}"
postgres = "{self.services.postgres.url}"
prefix = "{self.prefix}"
shares = 1
[feed.massive]
url = "ws://127.0.0.1:{self.market_port}/stocks"
rest = "http://127.0.0.1:{self.market_port}"
api_key = "demo"
channels = {json.dumps(self.market.channels)}
news_s = 0
[options]
symbols = 0
"""

    def measures(self, name: str) -> dict[str, float]:
        """Return a role's figures by their names and labels; none while it does not answer."""
        url = f"http://127.0.0.1:{self.ports[name]}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                found = SAMPLE.findall(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return {}
        return {key: float(value) for key, value in found}

    def cpu_s(self, name: str) -> float:
        """Return the CPU time that a process has had."""
        stat = Path(f"/proc/{self.children[name].pid}/stat").read_text("utf-8")
        spent = stat.rpartition(")")[2].split()[11:13]
        return sum(map(int, spent)) / TICKS

    def get(self, path: str, web: str = "web") -> Any:
        """Return what a gateway answers."""
        url = f"http://127.0.0.1:{self.webs[web]}{path}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.loads(answer.read())

    def wait(self, holds: Callable[[], object], what: str, limit_s: float = START_S) -> None:
        """Wait until something holds; raises Unavailable where it does not, or where a process ends."""

        def looked() -> bool:
            for name, child in self.children.items():
                if child.poll() is not None and name != "market":
                    told = (self.folder / f"{name}.log").read_text("utf-8", "replace")
                    raise Unavailable(f"{name} ended: {told[-2000:]}")
            return bool(holds())

        until(looked, what, limit_s)

    def followed(self) -> bool:
        """Tell whether the worker has the newest there is, and the feed is live."""
        return bool(
            self.measures("scan").get("tapelight_stream_near")
            and self.measures("feed").get('tapelight_feed_state{feed="massive",state="live"}')
        )

    def shown(self, web: str = "web") -> list[str]:
        """Return the boards that a gateway shows."""
        try:
            return [one["name"] for one in self.get("/api/boards", web) if one["kind"] == "board"]
        except (urllib.error.URLError, OSError):
            return []

    def sent(self) -> dict[str, int]:
        """End the market, and return how many events of each channel it has sent."""
        child = self.children["market"]
        child.terminate()
        out, _ = child.communicate(timeout=END_S)
        found: dict[str, int] = json.loads(out)["sent"]
        return found

    def end(self) -> None:
        """End every process."""
        for child in self.children.values():
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in self.children.values():
            try:
                child.communicate(timeout=END_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()


@contextmanager
def stack(over: Services, market: Market, *roles: str) -> Iterator[Stack]:
    """Run a market and roles until the block ends; it begins when the worker has caught up."""
    with tempfile.TemporaryDirectory(prefix="tapelight-bench-") as folder:
        made = Stack(Path(folder), over, market)
        try:
            made.begin(*roles)
            made.wait(made.followed, "a worker that follows the market")
            for name in (role for role in roles if role.startswith("web")):
                made.wait(lambda web=name: len(made.shown(web)) > 1, "boards at a gateway")  # type: ignore[misc]
            time.sleep(1.0)  # what is done once
            yield made
        finally:
            made.end()
