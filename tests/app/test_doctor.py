"""`tapelight doctor`: what it says of the port."""

import asyncio
import socket
from pathlib import Path

import pytest

from tapelight.app.doctor import Finding, diagnose
from tapelight.app.views import EngineBoards, EngineMarket
from tapelight.buses.memory import MemoryBus
from tapelight.config import Config, Web
from tapelight.engine import Engine
from tapelight.web.server import Gateway

pytestmark = pytest.mark.integration


def of_port(port: int, data: Path) -> Finding:
    return next(f for f in diagnose(Config(web=Web(port=port)), data) if f["name"] == "port")


def test_a_port_that_another_program_has_is_a_failure(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        found = of_port(port, tmp_path)
        assert found["state"] == "fail"
        assert "another program uses it" in found["text"]
    assert of_port(port, tmp_path)["state"] == "ok"


async def test_a_port_at_which_a_scanner_serves_is_none(tmp_path: Path) -> None:
    engine = Engine()
    gateway = Gateway(
        EngineBoards(engine), EngineMarket(engine, dict), MemoryBus(), port=0,
    )  # fmt: skip
    serving = asyncio.create_task(gateway.serve())
    try:
        found = await asyncio.to_thread(of_port, gateway.port, tmp_path)
    finally:
        serving.cancel()
        await asyncio.wait({serving})
    assert found["state"] == "ok"
    assert found["text"] == f"A Tapelight serves at 127.0.0.1:{gateway.port} already."
