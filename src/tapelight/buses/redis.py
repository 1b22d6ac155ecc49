"""The bus over Redis: publications are conflated here and fanned out by pub/sub.

A topic's newest state is sent at most every `every_s`; states between are dropped, for the newest
wins. Pub/sub keeps nothing: a gateway that was away asks the hot state, and gets the next state.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import structlog
from redis import asyncio as aioredis
from redis.exceptions import RedisError

from tapelight.errors import Bug
from tapelight.ports import Json
from tapelight.tasks import Heed
from tapelight.telemetry import Stated

log = structlog.get_logger()
Listener = Callable[[str, Mapping[str, Json]], None]
EVERY_S = 0.1
LOOK_S = 0.25
WANTED_S = 3.0
"""How long a gateway's wants outlive it."""
COMMAND_S = 5.0
AGAIN_S = 0.5
_states = msgspec.json.Decoder(dict[str, Any])
TOPICS = 20_000
"""Topics that may wait while Redis is away; newer ones are shed and counted."""


class RedisBus(Stated):
    """Publish to, and hear from, every process on the same Redis under one prefix.

    Everything happens in the loop that runs `run`; `publish` only notes the state.
    """

    def __init__(self, url: str, prefix: str = "tapelight", every_s: float = EVERY_S) -> None:
        self.conflated = 0
        self.shed = 0
        self.sent = 0
        self.refused = 0
        """Messages of others that are none of ours."""
        self._every_s = every_s
        self._prefix = prefix
        self._id = secrets.token_hex(6)
        self._commands = aioredis.Redis.from_url(
            url, socket_timeout=COMMAND_S, socket_connect_timeout=COMMAND_S
        )
        # The client's own limit would end a reader on a quiet bus.
        self._reader = aioredis.Redis.from_url(
            url, socket_timeout=None, socket_connect_timeout=COMMAND_S
        )
        self._listeners: list[Listener] = []
        self._waiting: dict[str, Mapping[str, Json]] = {}
        self._wants: Counter[str] = Counter()
        self._wanted: frozenset[str] = frozenset()
        self._changed = asyncio.Event()

    def publish(self, topic: str, state: Mapping[str, Json]) -> None:
        """Let `state` be sent; an older one of the topic that still waits is dropped for it."""
        if topic in self._waiting:
            self.conflated += 1
        elif len(self._waiting) >= TOPICS:
            self.shed += 1
            return
        self._waiting[topic] = state

    def subscribe(self, listener: Listener) -> None:
        """Call `listener(topic, state)` for each publication that arrives from now on."""
        self._listeners.append(listener)

    def want(self, topic: str, wanted: bool) -> None:
        """Count one more (or one fewer) party of this process that watches `topic`."""
        if not wanted and self._wants[topic] <= 0:
            raise Bug(f"Topic {topic!r} was given up more often than it was wanted.")
        self._wants[topic] += 1 if wanted else -1
        self._wants += Counter()
        self._changed.set()

    def wanted(self) -> frozenset[str]:
        """Return the topics that somebody watches, in whatever process, as of a moment ago."""
        return self._wanted | frozenset(self._wants)

    async def run(self) -> None:
        """Send, listen, and tell wants; while Redis is away, try again. Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._trying(self._send), name="bus sender")
                group.create_task(self._trying(self._tell), name="bus wants")
                group.create_task(self._trying(self._listen), name="bus listener")
        finally:
            await self._commands.aclose()
            await self._reader.aclose()

    async def _trying(self, work: Callable[[], Awaitable[None]]) -> None:
        heed = Heed()
        while True:
            heed()
            try:
                await work()
            except (RedisError, OSError) as error:
                if not self.is_away:
                    log.warning("Redis is away, trying again", reason=str(error))
                self.state = f"away: {error}"
                await asyncio.sleep(AGAIN_S)

    async def _send(self) -> None:
        heed = Heed()
        while True:
            heed()
            await asyncio.sleep(self._every_s)
            if not self._waiting:
                continue
            batch, self._waiting = self._waiting, {}
            try:
                await self._flush(batch)
            except (RedisError, OSError):
                self._waiting = {**batch, **self._waiting}
                raise
            self.sent += len(batch)

    async def _flush(self, batch: Mapping[str, Mapping[str, Json]]) -> None:
        async with self._commands.pipeline(transaction=False) as pipe:
            for topic, state in batch.items():
                pipe.publish(f"{self._prefix}:topic:{topic}", msgspec.json.encode(state))
            await pipe.execute()

    async def _tell(self) -> None:
        """Keep this process's wants alive, and read those of all."""
        mine = f"{self._prefix}:wants:{self._id}"
        heed = Heed()
        while True:
            heed()
            self._changed.clear()
            async with self._commands.pipeline(transaction=True) as pipe:
                pipe.delete(mine)
                if self._wants:
                    pipe.sadd(mine, *self._wants)
                    pipe.pexpire(mine, int(WANTED_S * 1e3))
                await pipe.execute()
            self._wanted = await self._of_all()
            self.state = "ok"
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _of_all(self) -> frozenset[str]:
        keys = [key async for key in self._commands.scan_iter(f"{self._prefix}:wants:*", 100)]
        found: Any = await self._commands.sunion(keys) if keys else ()
        return frozenset(topic.decode(errors="replace") for topic in found)

    async def _listen(self) -> None:
        lead = f"{self._prefix}:topic:"
        async with self._reader.pubsub() as heard:
            await heard.psubscribe(f"{lead}*")
            async for message in heard.listen():
                if message["type"] != "pmessage":
                    continue
                topic = message["channel"].decode(errors="replace").removeprefix(lead)
                try:
                    state = _states.decode(message["data"])
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    if not self.refused:
                        log.warning("a publication is none of ours", topic=topic, reason=str(error))
                    self.refused += 1
                    continue
                for listener in self._listeners:
                    listener(topic, state)
