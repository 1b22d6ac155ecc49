"""The services of the roles, by [scale_out]; what is missing is told before anything starts."""

import hashlib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import structlog

from tapelight.app.roles.detour import Detour, NoWay, Way
from tapelight.config import ScaleOut
from tapelight.errors import ConfigError, Unavailable
from tapelight.ports import Queue, QueueLimits
from tapelight.stores.history import SqlHistory
from tapelight.stores.leases import SqlLeases
from tapelight.stores.lockfile import locked
from tapelight.telemetry import Measure, Stated, counted

if TYPE_CHECKING:
    from tapelight.buses.redis import RedisBus
    from tapelight.engine import Share
    from tapelight.queues.rabbitmq import RabbitQueue
    from tapelight.stores.hot_redis import RedisHot

log = structlog.get_logger()
STREAM = QueueLimits(age_s=60.0, length=2_000, size_bytes=64 << 20, idle_s=86_400.0, quiet=True)
"""Pieces of the journal: what ages or is shed is asked for again, so nobody counts it."""
WORDS = QueueLimits(age_s=10.0, length=5_000, shared=True, quiet=True)
"""Shared, since a feed that is stopped, but still connected, must not keep a standby from hearing."""
SIGNALS = QueueLimits(tries=20)
"""A quorum queue: what is in it arrives."""
LOCK = "role.lock"


class Services:
    """Open what a role needs; each raises ConfigError where its address or its extra is missing."""

    def __init__(self, settings: ScaleOut) -> None:
        self.settings = settings
        self._opened: list[tuple[str, Stated]] = []
        self._round = Counter({"sent": 0, "taken": 0, "refused": 0})
        """Messages that went over Redis while RabbitMQ was away."""
        if settings.shares < 1:
            raise ConfigError("[scale_out] shares is the number of scan workers: 1 or more.")

    def stream(self, reader: str) -> Detour:
        """Return the queue that carries the stream to one reader."""
        return self._detour(f"stream.{reader}", STREAM)

    async def check(self, *names: str) -> None:
        """Ask redis or rabbitmq at a role's start; raises ConfigError for what no retry mends.

        What does not answer is told, and tried again where it is used.
        """
        for name in names:
            opened = self.hot() if name == "redis" else self._queue("words", WORDS)
            try:
                await opened.open()
            except Unavailable as error:
                log.warning("a service is away, trying again", service=name, reason=str(error))
            finally:
                await opened.close()

    def words(self) -> Detour:
        """Return the queue that carries the readers' words to the feed."""
        return self._detour("words", WORDS)

    def signals(self, consumer: str) -> Queue:
        """Return the queue of the signals for `archive`, `trade` or `alert`."""
        return self._queue(f"signals.{consumer}", SIGNALS)

    def hot(self) -> "RedisHot":
        """Return the hot store."""
        url = self._needed("redis")
        try:
            from tapelight.stores.hot_redis import RedisHot
        except ImportError as error:
            raise _extra("redis") from error
        made = RedisHot(url, self.settings.prefix)
        self._opened.append(("redis", made))
        return made

    def bus(self) -> "RedisBus":
        """Return the bus between workers and gateways."""
        url = self._needed("redis")
        try:
            from tapelight.buses.redis import RedisBus
        except ImportError as error:
            raise _extra("redis") from error
        made = RedisBus(url, self.settings.prefix)
        self._opened.append(("redis", made))
        return made

    def leases(self) -> SqlLeases:
        """Return the leases; raises Unavailable where the database does not answer."""
        return SqlLeases(self._needed("postgres"))

    def history(self) -> SqlHistory:
        """Return the history; raises Unavailable where the database does not answer."""
        return SqlHistory(self._needed("postgres"))

    def _newest(self) -> dict[str, Stated]:
        """Return of each service the adapter that used it last."""
        ordered = sorted(self._opened, key=lambda found: found[1].told_s)
        return dict(ordered)

    def fault(self) -> str | None:
        """Return which service is away, if any."""
        away = [f"{name} is {one.state}" for name, one in self._newest().items() if one.is_away]
        return f"{'; '.join(sorted(away))}." if away else None

    def measures(self) -> list[Measure]:
        """Return whether each service answers, for /metrics."""
        doc = "Whether a service answered when it was used last."
        up = [
            Measure("service_up", doc, int(not one.is_away), {"service": name})
            for name, one in self._newest().items()
        ]
        doc = "Messages over Redis while RabbitMQ was away: sent, taken, refused (key unknown, or came before)."
        return [*up, *counted("stream_round_total", doc, self._round, "what")]

    def _queue(self, name: str, limits: QueueLimits) -> "RabbitQueue":
        url = self._needed("rabbitmq")
        try:
            from tapelight.queues.rabbitmq import RabbitQueue
        except ImportError as error:
            raise _extra("rabbitmq") from error
        made = RabbitQueue(url, f"{self.settings.prefix}.{name}", limits)
        self._opened.append(("rabbitmq", made))
        return made

    def _detour(self, name: str, limits: QueueLimits) -> Detour:
        """Return a queue that goes on over Redis while RabbitMQ is away, where there is a Redis."""
        return Detour(self._queue(name, limits), self._way(name), self._round)

    def _way(self, name: str) -> Way:
        if not self.settings.redis:
            return NoWay()
        try:
            from tapelight.queues.redis import RedisLane
        except ImportError as error:
            raise _extra("redis") from error
        made = RedisLane(self.settings.redis, f"{self.settings.prefix}.{name}")
        self._opened.append(("redis", made))
        return made

    def _needed(self, name: str) -> str:
        url = str(getattr(self.settings, name))
        if not url:
            raise ConfigError(
                f"This role needs [scale_out] {name}: give its url in tapelight.toml."
            )
        return url


def _extra(name: str) -> ConfigError:
    return ConfigError(f"{name} needs its client: pip install 'tapelight[{name}]'.")


def share_of(number: int, shares: int) -> "Share":
    """Return which boards, scans and strategies a worker answers: by a stable hash of their names."""

    @cache
    def mine(name: str) -> bool:
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % shares == number

    return mine


def nothing(_name: str) -> bool:
    """Answer nothing: the feed does so, and a standby."""
    return False


def lock(data: Path) -> BinaryIO:
    """Hold a data folder for one role's process; raises ConfigError where another one has it."""
    data.mkdir(parents=True, exist_ok=True)
    handle = locked(data / LOCK)
    if handle is None:
        raise ConfigError(f"Another role runs in {data}: give each process its own --data.")
    return handle
