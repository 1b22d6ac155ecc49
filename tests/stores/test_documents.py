"""The documents of users.db: owners, versions, bounds, and what a restart finds."""

import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tapelight.app.control import FILE, Control
from tapelight.buses.memory import MemoryBus
from tapelight.config import Config
from tapelight.errors import Conflict, Missing, Rejected
from tapelight.ports import Document
from tapelight.stores import documents as stored
from tapelight.stores.documents import DocumentStore


def layout(owner: str, name: str, body: object = 1, *, shared: bool = False) -> Document:
    return Document("layout", owner, name, 0, body, shared)


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[Control]:
    control = Control(tmp_path, Config(), MemoryBus())
    yield control
    await control.close()


async def test_only_own_and_shared_ones_are_listed(control: Control) -> None:
    store = control.documents
    await store.write(layout("ann", "a"), "")
    await store.write(layout("ann", "b", shared=True), "")
    await store.write(layout("bob", "c"), "")
    await store.write(Document("watchlist", "bob", "w", 0, 1), "")
    assert [(d.owner, d.name) for d in await store.list("layout", "bob")] == [
        ("ann", "b"),
        ("bob", "c"),
    ]
    assert [d.name for d in await store.all("layout")] == ["a", "b", "c"]


async def test_of_two_writers_one_is_told(control: Control) -> None:
    store = control.documents
    await store.write(layout("ann", "a", 1), "")
    await store.write(layout("ann", "a", 2), "1")
    with pytest.raises(Conflict, match="changed meanwhile"):
        await store.write(layout("ann", "a", 3), "1")
    with pytest.raises(Missing, match="nothing is deleted"):
        await store.write(layout("bob", "a", None), "*")
    assert (await store.show("layout", "ann", "a")).body == 2


async def test_it_is_there_after_a_restart_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    first = Control(tmp_path, Config(), MemoryBus())
    await first.documents.write(layout("ann", "a", {"x": [1, None, "é"]}), "")
    await first.close()
    second = Control(tmp_path, Config(), MemoryBus())
    assert (await second.documents.show("layout", "ann", "a")).body == {"x": [1, None, "é"]}
    assert modes(tmp_path) == {0o600}
    await second.close()


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.glob(f"{FILE}*")}


async def test_versions_and_documents_are_bounded(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "KEPT", 5)
    monkeypatch.setattr(stored, "MOST", 2)
    clock = iter(range(1, 1_000))
    store = DocumentStore(control._database, lambda: next(clock))
    for n in range(9):
        await store.write(layout("ann", "a", n), "*")
    assert [d.version for d in await store.history("layout", "ann", "a")] == [9, 8, 7, 6, 5]
    await store.write(layout("ann", "b"), "")
    with pytest.raises(Rejected, match="delete some first"):
        await store.write(layout("ann", "c"), "")


async def test_replaced_versions_go_after_thirty_days(control: Control) -> None:
    times = iter((0, 1, stored.KEPT_NS + 2))
    store = DocumentStore(control._database, lambda: next(times))
    for n in range(3):
        await store.write(layout("ann", "a", n), "*")
    assert [d.body for d in await store.history("layout", "ann", "a")] == [2]
