"""A lane in Redis for what may be lost: a short list that goes when nobody adds to it.

What is taken is gone, whatever becomes of its taker; of two takers each gets a part.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tapelight.errors import Unavailable
from tapelight.ports import Message
from tapelight.telemetry import Stated

COMMAND_S = 5.0
AGAIN_S = 0.5
WAIT_S = 2.0
"""For a message, before it is asked for anew; the client's own limit is longer."""
MOST = 128
"""Messages that wait; the oldest beyond are shed."""
AGE_S = 10.0
"""So long after the last message the list goes."""


class RedisLane(Stated):
    """Carry messages under one key, at most once each."""

    def __init__(self, url: str, name: str, command_s: float = COMMAND_S) -> None:
        """`command_s` is for how long Redis may be silent."""
        self.name = name
        # Said, since the client's own default may be to try for a minute: who puts a message tries again.
        once = Retry(NoBackoff(), 0)
        self._commands = aioredis.Redis.from_url(
            url, socket_timeout=command_s, socket_connect_timeout=command_s, retry=once
        )
        # Without the client's limit, for which it calls asyncio.wait_for: that swallows cancellations.
        self._reader = aioredis.Redis.from_url(
            url, socket_timeout=None, socket_connect_timeout=command_s, retry=once
        )
        self._answer_s = WAIT_S + command_s

    async def put(self, body: bytes) -> None:
        """Put a message; raises Unavailable."""
        try:
            async with self._commands.pipeline(transaction=True) as pipe:
                pipe.rpush(self.name, body)
                pipe.ltrim(self.name, -MOST, -1)
                pipe.pexpire(self.name, int(AGE_S * 1e3))
                await pipe.execute()
        except (RedisError, OSError) as error:
            raise self._away(error) from error
        self.state = "ok"

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Yield messages, over every outage."""
        while True:
            try:
                async with asyncio.timeout(self._answer_s):
                    found: Any = await self._reader.blpop([self.name], timeout=WAIT_S)
            except (RedisError, OSError) as error:
                self._away(error)
                await asyncio.sleep(AGAIN_S)
                continue
            self.state = "ok"
            if found is not None:
                yield Message(found[1])

    async def close(self) -> None:
        """Close the connections."""
        for client in (self._commands, self._reader):
            with suppress(RedisError, OSError):
                await client.aclose()

    def _away(self, error: Exception) -> Unavailable:
        reason = str(error) or "it is silent"
        self.state = f"away: {reason}"
        return Unavailable(f"{self.name}: Redis does not answer: {reason}.")
