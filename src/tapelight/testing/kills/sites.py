"""The sites at which a trader is killed: named seams of its process, wrapped from outside.

`wrap` is for a process that is to be killed, never for one that trades. Which site it is, and the how
manyeth passing, stands in a file; without one the process lives.
"""

import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from tapelight.model.orders import Report
from tapelight.orders.desk import Desk
from tapelight.orders.ledger import Ledger
from tapelight.stores import orders
from tapelight.stores.commands import Commands
from tapelight.stores.orders import SqliteOrderLog
from tapelight.testing.kills.remote import RemoteBroker

SITES = (
    "begin: before", "begin: epoch begun", "append: before", "append: written, not committed",
    "append: durable, not in the book", "submit: before", "submit: answer not read",
    "submit: answer not booked", "cancel: before", "cancel: asked", "look: before",
    "look: answer not booked", "report: not booked", "signal: read, not taken",
    "signal: taken", "command: obeyed, not answered",
)  # fmt: skip


class Sites:
    """Kill this process when the site in the file is passed for the given time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._passed: Counter[str] = Counter()
        self._pid = 0
        self._chosen, self._nth = "", 0

    def at(self, site: str) -> None:
        """Pass a site; the keeper's child reads anew which one is its end."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._passed.clear()
            self._chosen, self._nth = chosen(self._path)
        self._passed[site] += 1
        if site == self._chosen and self._passed[site] == self._nth:
            os.kill(self._pid, signal.SIGKILL)


def choose(path: Path, site: str, nth: int) -> None:
    """Let the next process end at a site; empty = at none."""
    beside = path.with_suffix(".new")
    beside.write_text(f"{nth} {site}", "utf-8")
    beside.replace(path)


def chosen(path: Path) -> tuple[str, int]:
    """Return the site and the how manyeth passing."""
    try:
        nth, _, site = path.read_text("utf-8").partition(" ")
    except FileNotFoundError:
        return "", 0
    return site, int(nth)


def wrap(path: Path) -> None:
    """Put the sites of a file into every seam of this process."""
    at = Sites(path).at
    _around(SqliteOrderLog, "begin", at, "begin: before", "begin: epoch begun")
    _around(SqliteOrderLog, "append", at, "append: before", "")
    _around(orders, "_insert", at, "", "append: written, not committed")
    _around(Ledger, "write", at, "", "append: durable, not in the book")
    _around(Desk, "take", at, "signal: read, not taken", "signal: taken")
    _around(Commands, "answer", at, "command: obeyed, not answered", "")
    _awaited(RemoteBroker, "submit", at, "submit: before", "submit: answer not booked")
    _awaited(RemoteBroker, "cancel", at, "cancel: before", "cancel: asked")
    _awaited(RemoteBroker, "look", at, "look: before", "look: answer not booked")
    _reports(at)


def _around(where: Any, name: str, at: Callable[[str], None], before: str, after: str) -> None:
    inner = getattr(where, name)

    def outer(*args: Any, **kwargs: Any) -> Any:
        if before:
            at(before)
        value = inner(*args, **kwargs)
        if after:
            at(after)
        return value

    setattr(where, name, outer)


def _awaited(where: Any, name: str, at: Callable[[str], None], before: str, after: str) -> None:
    inner = getattr(where, name)

    async def outer(*args: Any, **kwargs: Any) -> Any:
        at(before)
        value = await inner(*args, **kwargs)
        at(after)
        return value

    setattr(where, name, outer)


def _reports(at: Callable[[str], None]) -> None:
    inner = RemoteBroker.reports

    async def outer(broker: RemoteBroker) -> AsyncIterator[Report]:
        async for report in inner(broker):
            at("report: not booked")
            yield report

    setattr(RemoteBroker, "reports", outer)  # noqa: B010 - mypy takes no other way
