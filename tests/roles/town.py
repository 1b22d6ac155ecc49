"""A market and every role as a process of its own, over real services."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from backends.services import Service, until
from conftest import ROOT
from roles.day import Answers
from tapelight.app.demo import free_port
from tapelight.app.roles.replica import identity
from tapelight.app.runs import open_journal
from tapelight.model.signals import Signal
from tapelight.model.stream import Run
from tapelight.stores.signalqueue import SignalQueue

SHARES = 3
OPEN = "2026-11-20T09:29:55-05:00"
"""Where the market begins: its first prints make highs of the day."""
START_S = 150.0
"""For eight processes to start, on a machine that others use too."""
PROBE = """-- title = "New highs"
-- kind = "events"
-- gate = "none"
SELECT symbol, last, hod FROM market WHERE new_hod
"""
"""A scan that has signals from the first second on."""
COMMANDS = {
    role: ["run", "--role", role, "--config", "/etc/tapelight/tapelight.toml", "--data", "/data"]
    for role in ("feed", "scan", "web", "archive", "trade", "alert")
}
"""As they stand in deploy/; a town puts its own files in their places."""
PORTS = {"trade": "receive_port", "alert": "alert_port"}
"""The listeners of the roles that share a machine with a gateway."""


class Process:
    """A process of the town, that may be killed and started again."""

    def __init__(self, folder: Path, name: str, arguments: list[str]) -> None:
        self.name, self.folder, self.arguments = name, folder, arguments
        self.process: subprocess.Popen[bytes] | None = None
        self.may_end = False

    def start(self) -> None:
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tapelight", *self.arguments],
                stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OPENBLAS_NUM_THREADS": "1"},
            )  # fmt: skip

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.process.wait(30)

    @property
    def has_ended(self) -> bool:
        """Tell whether it ended though nobody ended it."""
        if self.process is None or self.may_end:
            return False
        return self.process.poll() not in (None, -signal.SIGKILL)

    @property
    def log(self) -> str:
        path = self.folder / f"{self.name}.log"
        return path.read_text("utf-8", "replace") if path.exists() else "It was never started."


class Town:
    """The simulator, the roles, and what can be read of them."""

    def __init__(
        self, folder: Path, services: dict[str, Service], shares: int = SHARES, **market: object
    ) -> None:
        self.folder = folder
        self.shares = shares
        self.services = services
        (folder / "questions").mkdir()
        (folder / "questions" / "probe.sql").write_text(PROBE, "utf-8")
        self.prefix = f"t{free_port()}"
        self.ports: dict[str, int] = {}
        self.processes: dict[str, Process] = {}
        self.telemetry = self.more = ""
        """Settings of [telemetry], and further tables, for every role that starts from now on."""
        self.market_port, self.web_port = free_port(), free_port()
        options = {"symbols": 200, "rate": 1500, "speed": 4, "seed": 3, "start": OPEN} | market
        given = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        self.add("market", ["simulate", "--port", str(self.market_port), "--hold", *given])

    def add(self, name: str, arguments: list[str]) -> Process:
        self.processes[name] = made = Process(self.folder, name, arguments)
        return made

    def role(self, role: str, name: str = "", data: str = "") -> Process:
        """Start a role by the command line that deploy/ has; the alert role has the gateway's data."""
        name = name or role
        data = data or ("web" if role == "alert" else name)
        (self.folder / f"{name}.toml").write_text(self.settings(name), "utf-8")
        places = {
            "/etc/tapelight/tapelight.toml": str(self.folder / f"{name}.toml"),
            "/data": str(self.folder / data),
        }
        made = self.add(name, [places.get(word, word) for word in COMMANDS[role]])
        made.start()
        return made

    def settings(self, name: str) -> str:
        self.ports.setdefault(name, free_port())
        return f"""
workers = 0
questions = "{self.folder / "questions"}"
[web]
port = {self.web_port}
[telemetry]
{PORTS.get(name.rstrip("0123456789"), "port")} = {self.ports[name]}
{self.telemetry}
[scale_out]
rabbitmq = "{self.services["rabbitmq"].url}"
redis = "{self.services["redis"].url}"
postgres = "{self.services["postgresql"].url}"
prefix = "{self.prefix}"
shares = {self.shares}
trade = true
alert = true
[feed.massive]
url = "ws://127.0.0.1:{self.market_port}/stocks"
rest = "http://127.0.0.1:{self.market_port}"
api_key = "demo"
news_s = 0
[options]
symbols = 0
{self.more}
"""

    def begin(self, *roles: str) -> None:
        """Start the market and the roles; a number at a role's end is its name's."""
        self.processes["market"].start()
        for name in roles:
            self.role(name.rstrip("0123456789"), name)

    def end(self) -> None:
        for process in self.processes.values():
            if process.process is not None:
                process.kill()

    def wait(self, holds: Callable[[], Any], what: str, limit_s: float = 60.0) -> float:
        """Wait until something holds; return how long it took. Fails where a process ends meanwhile."""

        def looked() -> bool:
            for process in self.processes.values():
                assert not process.has_ended, f"{process.name} ended: {process.log[-3000:]}"
            return bool(holds())

        began = time.monotonic()
        until(looked, what, limit_s)
        return time.monotonic() - began

    # --- what can be read ----------------------------------------------------------------------

    def get(self, path: str, port: int | None = None) -> Any:
        url = f"http://127.0.0.1:{port or self.web_port}{path}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.loads(answer.read())

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Write at the gateway as the one who sits at it."""
        text = json.dumps(body or {}).encode()
        url = f"http://127.0.0.1:{self.web_port}{path}"
        asked = urllib.request.Request(
            url, text, {"content-type": "application/json"}, method=method
        )
        self.wait(self._serves, "the gateway")
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return json.loads(answer.read())

    def _serves(self) -> bool:
        """Tell whether the gateway takes connections: others may be ready before it."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.web_port)) == 0

    def measures(self, name: str) -> dict[str, float]:
        """Return a process's figures by name; those with labels as NAME{value,value}."""
        url = f"http://127.0.0.1:{self.ports[name]}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                text = answer.read().decode()
        except (urllib.error.URLError, OSError):
            return {}
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(sample.labels.values())
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return found

    def why(self, name: str) -> str:
        """Return why a process is not fit, by its /health; empty where it is."""
        try:
            self.get("/health", self.ports[name])
        except urllib.error.HTTPError as error:
            return str(json.loads(error.read())["reason"])
        except (urllib.error.URLError, OSError):
            return "It does not answer."
        return ""

    def mark_s(self, name: str) -> float:
        """Return the market time of a worker's last mark, seconds; waits until it tells."""
        found: list[float] = []

        def tells() -> bool:
            found[:] = [self.measures(name).get("tapelight_stream_mark_seconds", 0.0)]
            return bool(found[0])

        self.wait(tells, f"{name} at work", START_S)
        return found[0]

    def boards(self) -> dict[tuple[int, str], tuple[list[str], dict[str, list[Any]]]]:
        """Return every board as the gateway shows it now."""
        found = {}
        for one in self.get("/api/boards"):
            if one["kind"] != "board":
                continue
            try:
                board = self.get(f"/api/boards/{one['name']}")
            except urllib.error.HTTPError:
                continue
            names = [column["name"] for column in board["columns"]]
            rows = {r["symbol"]: [r[name] for name in names] for r in board["rows"]}
            found[board["mark"], one["name"]] = (list(rows), rows)
        return found

    def archived(self, run: Run) -> Answers:
        """Return what PostgreSQL has of a run."""
        answers = Answers()
        answers.hear_signals(self.signals(run))
        return answers

    def signals(self, run: Run) -> list[Signal]:
        import msgspec

        engine = sa.create_engine(self.services["postgresql"].url)
        try:
            with engine.connect() as connection:
                asked = sa.text("SELECT payload FROM signal_history WHERE run = :run")
                found = connection.execute(asked, {"run": run.label}).scalars().all()
        finally:
            engine.dispose()
        return [msgspec.json.decode(payload, type=Signal) for payload in found]

    def runs(self, feed: str = "feed") -> list[Path]:
        return sorted((self.folder / feed / "journal").glob("*/[0-9]*"))

    def run(self, feed: str = "feed") -> tuple[Path, Run]:
        """Return the newest run's folder and name."""
        folder = self.runs(feed)[-1]
        return folder, identity(folder)


@contextmanager
def town(
    folder: Path,
    services: dict[str, Service],
    shares: int = SHARES,
    of: type[Town] = Town,
    **market: object,
) -> Iterator[Town]:
    made = of(folder, services, shares, **market)
    try:
        yield made
    except BaseException as error:
        for process in made.processes.values():
            error.add_note(f"--- {process.name}\n{process.log[-2000:]}")
        raise
    finally:
        made.end()


def answers_until(folder: Path, last_s: float) -> Answers:
    """Return what one engine answers to a run's journal up to a mark."""
    answers = Answers()
    engine, records = open_journal(folder)
    for record in records:
        cycle = engine.apply(record)
        if cycle is not None and cycle.mark.ts_ns > last_s * 1e9:
            break
        if cycle is not None:
            answers.hear(cycle)
    return answers


def fired(answers: Answers, scan: str, symbols: Collection[str] = ()) -> set[tuple[str, str, int]]:
    """Return the keys of a scan's signals that fired, about some symbols or about all."""
    fields = Signal.__struct_fields__
    scan_at, symbol_at = fields.index("scan"), fields.index("symbol")
    facts: dict[tuple[str, str, int], Any] = dict(answers.signals)
    return {
        key
        for key, fact in facts.items()
        if (fact[scan_at], key[1]) == (scan, "fired")
        and (not symbols or fact[symbol_at] in symbols)
    }


def traded(data: Path) -> set[tuple[str, str, int]]:
    """Return what the trader's signal log has."""
    queue, found, cursor = SignalQueue(data), set(), 0
    while rows := queue.read(cursor):
        found |= {(s.id, s.state, s.mark) for _, s in rows}
        cursor = rows[-1][0]
    queue.close()
    return found
