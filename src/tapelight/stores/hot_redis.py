"""The hot state in Redis: each partition's top is a sorted set, each row a hash, both with a TTL."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from redis import asyncio as aioredis
from redis.exceptions import AuthenticationError, RedisError

from tapelight.errors import ConfigError, Unavailable
from tapelight.ports import Json, Ranked
from tapelight.stores.hot_memory import rank
from tapelight.telemetry import Stated

COMMAND_S = 5.0
OLDEST = (7, 0)
"""ZUNION is of 6.2; older servers than this are not tried."""
CELLS = "cells"


def open_client(url: str) -> "aioredis.Redis":
    """Return a client for commands; readers that wait need another one, without a time limit."""
    return aioredis.Redis.from_url(
        url, socket_timeout=COMMAND_S, socket_connect_timeout=COMMAND_S, protocol=3
    )


@contextmanager
def told(url: str) -> Iterator[None]:
    """Turn Redis's errors into ours; a password may be set anew while a process runs."""
    place = url.rpartition("@")[2].removeprefix("redis://")
    try:
        yield
    except AuthenticationError as error:
        raise Unavailable(f"Redis at {place} refuses the password: {error}.") from error
    except (RedisError, OSError) as error:
        raise Unavailable(f"Redis at {place} does not answer: {error}.") from error


async def check(client: "aioredis.Redis", url: str) -> None:
    """Raise ConfigError or Unavailable with the remedy, where the server will not do."""
    with told(url):
        try:
            info = await client.info("server")
        except AuthenticationError as error:
            raise ConfigError(f"Redis refuses the password ({error}): check its url.") from error
    version = str(info["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise ConfigError(f"Redis {version} is too old: install {'.'.join(map(str, OLDEST))}.")


class RedisHot(Stated):
    """Keep boards and rows under a prefix; one round trip a call."""

    def __init__(self, url: str, prefix: str = "tapelight") -> None:
        self._url = url
        self._prefix = prefix
        self._client = open_client(url)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            with told(self._url):
                yield
        except Unavailable as error:
            self.state = f"away: {error}"
            raise
        self.state = "ok"

    async def open(self) -> None:
        """Check the server; raises ConfigError or Unavailable."""
        with self._told():
            await check(self._client, self._url)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def put_top(
        self, board: str, partition: str, top: Sequence[Ranked], ttl_s: float
    ) -> None:
        """Replace what a partition has on a board, all at once."""
        key, known = self._key("top", board, partition), self._key("parts", board)
        ttl_ms = max(int(ttl_s * 1e3), 1)
        with self._told():
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.delete(key, f"{key}:cells")
                if top:
                    pipe.zadd(key, {ranked.symbol: ranked.score for ranked in top})
                    cells: Any = {r.symbol: msgspec.msgpack.encode(r.cells) for r in top}
                    pipe.hset(f"{key}:cells", mapping=cells)
                    pipe.pexpire(key, ttl_ms)
                    pipe.pexpire(f"{key}:cells", ttl_ms)
                pipe.sadd(known, partition)
                await pipe.execute()

    async def top(self, board: str, most: int) -> Sequence[Ranked]:
        """Return the first rows of the union of all partitions.

        Redis orders equal scores by the name downwards, so each partition gives all rows that are
        as good as its last one; who comes first is settled here.
        """
        with self._told():
            known: Any = await self._client.smembers(self._key("parts", board))
            parts = sorted(part.decode() for part in known)
            if not parts or most <= 0:
                return []
            keys = [self._key("top", board, part) for part in parts]
            async with self._client.pipeline(transaction=True) as pipe:
                for key in keys:
                    pipe.zrange(key, 0, -1, desc=True, withscores=True)
                    pipe.hgetall(f"{key}:cells")
                found = await pipe.execute()
        every = [
            Ranked(name.decode(), float(score), msgspec.msgpack.decode(cells[name]))
            for scores, cells in zip(found[::2], found[1::2], strict=True)
            for name, score in scores
        ]
        return sorted(every, key=rank)[:most]

    async def put_rows(self, rows: Mapping[str, Json], ttl_s: float) -> None:
        """Replace rows by symbol."""
        ttl_ms = max(int(ttl_s * 1e3), 1)
        with self._told():
            async with self._client.pipeline(transaction=False) as pipe:
                for symbol, row in rows.items():
                    key = self._key("row", symbol)
                    pipe.hset(key, CELLS, msgspec.msgpack.encode(row))
                    pipe.pexpire(key, ttl_ms)
                await pipe.execute()

    async def row(self, symbol: str) -> Json:
        """Return a row; None where there is none, or no longer."""
        with self._told():
            packed: Any = await self._client.hget(self._key("row", symbol), CELLS)
        return None if packed is None else msgspec.msgpack.decode(packed)

    def _key(self, *parts: str) -> str:
        return ":".join((self._prefix, *parts))
