"""`tapelight run` where the feed is refused or finds nobody: one sentence that says what to do."""

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from feeds.simulator_service import free_port, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
ITS_END = "tapelight:"
FIRST_S = 300.0
"""A machine that does much else takes its time to start."""


@contextlib.asynccontextmanager
async def started(folder: Path, feed: str, settings: str) -> AsyncIterator[Process]:
    """Yield the command, running; interrupt it in the end unless it has ended by itself."""
    config = folder / "tapelight.toml"
    config.write_text(f"[feed.{feed}]\n{settings}\n")
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tapelight", "run", "--feed", feed, "--config", str(config),
        "--data", str(folder / "data"), "--port", str(free_port()),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield command
    finally:
        if command.returncode is None:
            command.send_signal(signal.SIGINT)
        await command.communicate()


async def line_with(command: Process, wanted: str) -> str:
    """Return the next line of stderr that has `wanted`."""
    assert command.stderr is not None
    lines: list[str] = []
    async with asyncio.timeout(FIRST_S):
        async for line in command.stderr:
            lines.append(line.decode())
            if wanted in lines[-1]:
                return lines[-1]
    raise AssertionError("".join(lines))


ALPACA = (
    'url = "ws://127.0.0.1:{0}"\nrest = "http://127.0.0.1:{0}"\nbroker = "http://127.0.0.1:{0}"'
)


async def test_a_wrong_key_ends_the_command(tmp_path: Path) -> None:
    keys = 'key = "PKWRONG"\nsecret = "canary-7"\n'
    async with (
        running(protocol="alpaca") as port,
        started(tmp_path, "alpaca", keys + ALPACA.format(port)) as command,
    ):
        line = await line_with(command, ITS_END)
        assert line.startswith("tapelight: Alpaca refuses the keys: check feed.alpaca.key and ")
        assert (await command.wait(), "canary-7" in line) == (2, False)


async def test_a_key_that_expires_ends_the_command(tmp_path: Path) -> None:
    port = free_port()
    keys = 'key = "demo"\nsecret = "demo"\n'
    async with started(tmp_path, "alpaca", keys + ALPACA.format(port)) as command:
        async with running(protocol="alpaca", port=port):
            await line_with(command, '"state": "live"')
        async with running(protocol="alpaca", port=port, api_secret="another"):
            line = await line_with(command, ITS_END)
            assert line.startswith("tapelight: Alpaca refuses the keys: check feed.alpaca.key and ")
            assert await command.wait() == 2


async def test_nobody_there_is_said_though_it_is_tried_again(tmp_path: Path) -> None:
    keys = 'key = "k"\nsecret = "s"\n'
    async with started(tmp_path, "alpaca", keys + ALPACA.format(free_port())) as command:
        line = await line_with(command, "Check the network")
    assert "127.0.0.1 gives no answer: All connection attempts failed." in line


async def test_a_venue_that_is_not_there_is_said(tmp_path: Path) -> None:
    port = free_port()
    where = f'url = "ws://127.0.0.1:{port}"\nrest = "http://127.0.0.1:{port}"'
    async with started(tmp_path, "coinbase", where) as command:
        line = await line_with(command, "Cannot connect")
    assert "Check the network; trying again." in line
