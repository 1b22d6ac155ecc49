"""The services of tests; where one is not installed the test is skipped."""

import asyncio
import tempfile
from pathlib import Path

import pytest

from tapelight.testing.services import Postgres, Rabbit, Redis, Service, missing, until

__all__ = ["Postgres", "Rabbit", "Redis", "Service", "serve", "tidy", "until"]


def serve(kind: type[Service]) -> Service:
    """Start a service, or skip the test where it is not installed."""
    if why := missing(kind.name):
        pytest.skip(why)
    # Not one of pytest's: those are for their owner alone, and PostgreSQL runs as another.
    return kind(Path(tempfile.mkdtemp(prefix=f"tapelight-{kind.name}-")))


async def tidy() -> None:
    """End what the client leaves behind for each connection that broke."""
    for _ in range(100):
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if not left:
            return
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
