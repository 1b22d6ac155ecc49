"""`tapelight run` where the feed is refused or finds nobody: one sentence that says what to do."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from feeds.simulator_service import free_port, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
ITS_END = "tapelight:"
FIRST_S = 300.0
"""A machine that does much else takes its time to start."""


async def told(folder: Path, feed: str, settings: str, wanted: str) -> tuple[str, int]:
    """Run the command until a line of stderr has `wanted`; return the line and the exit code."""
    config = folder / "tapelight.toml"
    config.write_text(f"[feed.{feed}]\n{settings}\n")
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tapelight", "run", "--feed", feed, "--config", str(config),
        "--data", str(folder / "data"), "--port", str(free_port()),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert command.stderr is not None
    lines: list[str] = []
    try:
        async with asyncio.timeout(FIRST_S):
            async for line in command.stderr:
                lines.append(line.decode())
                if wanted in lines[-1]:
                    break
        assert wanted in lines[-1], "".join(lines)
    finally:
        if command.returncode is None and not (lines and lines[-1].startswith(ITS_END)):
            command.send_signal(signal.SIGINT)
        await command.communicate()
    assert command.returncode is not None
    return lines[-1], command.returncode


ALPACA = (
    'url = "ws://127.0.0.1:{0}"\nrest = "http://127.0.0.1:{0}"\nbroker = "http://127.0.0.1:{0}"'
)


async def test_a_wrong_key_ends_the_command(tmp_path: Path) -> None:
    async with running(protocol="alpaca") as port:
        keys = 'key = "PKWRONG"\nsecret = "canary-7"\n'
        line, code = await told(tmp_path, "alpaca", keys + ALPACA.format(port), ITS_END)
    assert line.startswith("tapelight: Alpaca refuses the keys: check feed.alpaca.key and ")
    assert (code, "canary-7" in line) == (2, False)


async def test_nobody_there_is_said_though_it_is_tried_again(tmp_path: Path) -> None:
    keys = 'key = "k"\nsecret = "s"\n'
    line, _ = await told(tmp_path, "alpaca", keys + ALPACA.format(free_port()), "Check the network")
    assert "127.0.0.1 gives no answer: All connection attempts failed." in line


async def test_a_venue_that_is_not_there_is_said(tmp_path: Path) -> None:
    port = free_port()
    where = f'url = "ws://127.0.0.1:{port}"\nrest = "http://127.0.0.1:{port}"'
    line, _ = await told(tmp_path, "coinbase", where, "Cannot connect")
    assert "Check the network; trying again." in line
