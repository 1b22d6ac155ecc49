"""One process alone uses a key; the one that waits takes over when the other ends."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tapelight.app import lease
from tapelight.app.lease import owning
from tapelight.errors import ConfigError

HOLD = """
import asyncio, sys
from pathlib import Path
from tapelight.app.lease import owning

async def main():
    async with owning(sys.argv[1], print, Path(sys.argv[2])):
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_the_second_waits_and_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LOOK_S", 0.01)
    told: list[int] = []
    taken, waiting = asyncio.Event(), asyncio.Event()

    def waits(pid: int) -> None:
        told.append(pid)
        waiting.set()

    async def second() -> None:
        async with owning("key", waits, tmp_path):
            taken.set()

    async with owning("key", waits, tmp_path):
        task = asyncio.create_task(second())
        async with asyncio.timeout(5):
            await waiting.wait()
        assert not taken.is_set()
    async with asyncio.timeout(5):
        await task
    assert told == [os.getpid()]


async def test_other_keys_are_free_and_none_is_written_down(tmp_path: Path) -> None:
    told: list[int] = []
    async with owning("key-1", told.append, tmp_path), owning("key-2", told.append, tmp_path):
        names = await asyncio.to_thread(os.listdir, tmp_path)
        assert len(names) == 2
        assert not any("key" in name for name in names)
    async with owning("", told.append, tmp_path / "none"):
        assert "none" not in await asyncio.to_thread(os.listdir, tmp_path)
    assert told == []


@pytest.mark.slow
async def test_a_killed_holder_lets_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LOOK_S", 0.01)
    told: list[int] = []
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, "key", str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"held\n"

    def waits(pid: int) -> None:
        told.append(pid)
        process.kill()

    async with asyncio.timeout(20), owning("key", waits, tmp_path):
        pass
    await process.wait()
    assert told == [process.pid]


async def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="give a TMPDIR"):
        async with owning("key", print, tmp_path / "file" / "under"):
            pass
