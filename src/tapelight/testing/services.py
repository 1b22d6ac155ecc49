"""Redis, RabbitMQ and PostgreSQL on free ports of loopback, each in a folder of its own.

For tests and benchmarks: each may be killed, stopped, and started again on the same port with the same data.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tapelight.errors import Unavailable

START_S = 90.0
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
RABBIT = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin"))[-1:]
LOOK_S = 0.05


def free_port() -> int:
    """Return a port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(holds: Callable[[], bool], what: str, limit_s: float = START_S) -> None:
    """Wait until something holds; raises Unavailable where it does not within a limit."""
    end = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() >= end:
            raise Unavailable(f"{what} did not come about within {limit_s:g} s.")
        time.sleep(LOOK_S)


class Service:
    """A server that tests may kill, stop, and start again on the same port with the same data."""

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.prepare()
        self.start()

    def prepare(self) -> None:
        """Make what the server needs before its first start."""

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def answers(self) -> bool:
        raise NotImplementedError

    @property
    def url(self) -> str:
        raise NotImplementedError

    def start(self) -> None:
        self._spawn()
        until(self._up, f"{self.name}: {self.folder / 'log'}")

    def _up(self) -> bool:
        """Tell whether it answers; one that ended, for its forerunner's remains, is begun again."""
        assert self._process is not None
        if self._process.poll() is not None:
            time.sleep(0.2)
            self._spawn()
        return self.answers()

    def _spawn(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), env=self.environment(), stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        """End the whole process group with SIGKILL."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)

    def stop(self) -> None:
        """Let it end by itself."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def pause(self, paused: bool) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP if paused else signal.SIGCONT)


class Redis(Service):
    """Be a Redis that keeps nothing."""

    name = "redis"

    def command(self) -> list[str]:
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--requirepass", "light",
                "--appendonly", "no", "--dir", str(self.folder)]  # fmt: skip

    def answers(self) -> bool:
        return _says(
            ["redis-cli", "--no-auth-warning", "-a", "light", "-p", str(self.port), "ping"]
        )

    def counted(self) -> tuple[float, dict[str, int]]:
        """Return the server's time in s, and how often each command was carried out; these two included."""
        done = subprocess.run(
            ["redis-cli", "--no-auth-warning", "-a", "light", "-p", str(self.port)],
            input=b"TIME\nINFO commandstats\n", capture_output=True, check=True, timeout=10,
        )  # fmt: skip
        told = done.stdout.decode()
        seconds, micros = re.findall(r"^\d+$", told, re.MULTILINE)[:2]
        counts = re.findall(r"^cmdstat_(\S+?):calls=(\d+)", told, re.MULTILINE)
        return int(seconds) + int(micros) / 1e6, {name: int(calls) for name, calls in counts}

    @property
    def url(self) -> str:
        return f"redis://:light@127.0.0.1:{self.port}/0"


class Rabbit(Service):
    """Be a RabbitMQ without plugins."""

    name = "rabbitmq"

    def prepare(self) -> None:
        self.distribution, self.mapper = free_port(), free_port()
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = 127.0.0.1:{self.port}\ndefault_user = tape\n"
            "default_pass = light\nloopback_users = none\ndisk_free_limit.absolute = 50MB\n"
        )

    def command(self) -> list[str]:
        return [str(RABBIT[0] / "rabbitmq-server")]

    def environment(self) -> dict[str, str]:
        own = {
            "RABBITMQ_NODENAME": f"tape{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +A 4 +sbwt none",
            "ERL_EPMD_PORT": str(self.mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "HOME": str(self.folder),
        }
        return {**os.environ, **own}

    def answers(self) -> bool:
        done = subprocess.run(
            ["/usr/bin/env", "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{self.port}"],
            capture_output=True, check=False, timeout=10,
        )  # fmt: skip
        return done.returncode == 0

    def counted(self) -> tuple[float, dict[str, int]]:
        """Return the server's time in s, and its counters since it started, such as messages_received_total."""
        asked = "{erlang:monotonic_time(microsecond), rabbit_global_counters:overview()}."
        node = self.environment()["RABBITMQ_NODENAME"]
        done = subprocess.run(
            [str(RABBIT[0] / "rabbitmqctl"), "-q", "-n", node, "eval", asked],
            env=self.environment(), capture_output=True, check=True, text=True, timeout=60,
            start_new_session=True,
        )  # fmt: skip
        found: dict[str, int] = {}
        for name, count in re.findall(r"(\w+) => (\d+)", done.stdout):
            found[name] = found.get(name, 0) + int(count)
        return int(re.findall(r"-?\d+", done.stdout)[0]) / 1e6, found

    def stop(self) -> None:
        super().stop()
        subprocess.run(
            ["epmd", "-port", str(self.mapper), "-kill"],
            capture_output=True, check=False, timeout=10,
        )  # fmt: skip

    @property
    def url(self) -> str:
        return f"amqp://tape:light@127.0.0.1:{self.port}/"


class Postgres(Service):
    """Be a PostgreSQL; where root starts it, as the user that Debian makes for it."""

    name = "postgresql"

    def prepare(self) -> None:
        shutil.chown(self.folder, *self._owner())
        done = subprocess.run(
            [*self._as(), str(POSTGRES[0] / "initdb"), "-D", str(self.folder / "data"),
             "-U", "tape", "--auth=trust", "--no-sync"],
            capture_output=True, text=True, check=False, timeout=120, cwd="/",
        )  # fmt: skip
        if done.returncode:
            raise Unavailable(f"PostgreSQL can't be prepared: {done.stderr.strip()}")

    def _owner(self) -> tuple[str | int, ...]:
        return ("postgres", "postgres") if os.getuid() == 0 else (os.getuid(),)

    def _as(self) -> list[str]:
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] * (
            os.getuid() == 0
        )

    def command(self) -> list[str]:
        return [
            *self._as(), str(POSTGRES[0] / "postgres"), "-D", str(self.folder / "data"),
            "-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.folder),
        ]  # fmt: skip

    def answers(self) -> bool:
        return _says([
            str(POSTGRES[0] / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-q",
        ])  # fmt: skip

    def stop(self) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # a fast shutdown: clients are cut
        super().stop()

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://tape@127.0.0.1:{self.port}/postgres"


def _says(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0


def missing(name: str) -> str:
    """Return why a service can't be started here, or an empty text."""
    there = {
        "redis": shutil.which("redis-server") is not None,
        "rabbitmq": bool(RABBIT),
        "postgresql": bool(POSTGRES),
    }
    return "" if there[name] else f"{name} is not installed"
