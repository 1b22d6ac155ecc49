"""What the text of a scan would have said on a recorded day, tried in a process of its own."""

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import msgspec

from tapelight.app.loop import die_with_parent
from tapelight.app.scannoise import NEW, OLD, hours_of
from tapelight.app.scanplay import Played, Span, last_days, play
from tapelight.app.scantest import SUFFIX, fixture_of, run_cases
from tapelight.app.trust import Trust
from tapelight.errors import ConfigError, Unavailable
from tapelight.ports import Json
from tapelight.scan.questions import read_set
from tapelight.scan.source import trust

LIMIT_S = 120.0
"""How long a trial may take; a longer one is what the command is for."""
SHOWN = 200
"""Changes that are told one by one."""
NICE = 15


class Trials:
    """Try texts on the day before the running one, or on this where it is the first: one at a time."""

    def __init__(
        self, data: Path, folder: Path, texts: Callable[[], Mapping[str, str]],
        limit_s: float = LIMIT_S,
    ) -> None:  # fmt: skip
        self._data, self._folder, self._texts = data, folder, texts
        self._limit_s = limit_s
        self._busy = False
        self._context = multiprocessing.get_context("spawn")

    async def run(self, name: str, text: str) -> Mapping[str, Json]:
        """Return what `text` would have fired, and what the saved text of its name would have.

        Raises ConfigError for a text that does not compile, Unavailable when a trial runs already,
        or this one takes too long.
        """
        if self._busy:
            raise Unavailable("Another text is being tried: ask again when it has ended.")
        self._busy = True
        stopping, stop = self._context.Pipe(duplex=False)
        try:
            return await asyncio.to_thread(self._tried, name, text, stopping)
        finally:
            stop.close()  # of a trial that is given up, the process and the thread end at once
            self._busy = False

    def _tried(self, name: str, text: str, stopping: Connection) -> Mapping[str, Json]:
        receiving, sending = self._context.Pipe(duplex=False)
        given = (sending, self._data, self._folder, name, text, dict(self._texts()))
        process = self._context.Process(target=work, args=given, daemon=True)
        process.start()
        sending.close()
        try:
            if receiving not in wait([receiving, stopping], self._limit_s):
                raise Unavailable(
                    f"The day takes more than {self._limit_s:g} s to play: "
                    f"`tapelight scan diff {name} FILE` has no limit."
                )
            told, fault = receiving.recv()
        except EOFError as error:
            raise Unavailable("The process that tries the text has ended: ask again.") from error
        finally:
            process.kill()
            process.join()
            process.close()
            receiving.close()
            stopping.close()
        if fault:
            raise ConfigError(fault)
        found: Mapping[str, Json] = told
        return found


def work(
    sending: Connection, data: Path, folder: Path, name: str, text: str, texts: dict[str, str]
) -> None:
    """Try a text in a process of its own, and send what came of it, or the fault."""
    die_with_parent()
    os.nice(NICE)
    trust(Trust(data))
    try:
        sending.send((tried(data, folder, name, text, texts), ""))
    except ConfigError as error:
        sending.send((None, str(error)))


def tried(
    data: Path, folder: Path, name: str, text: str, texts: Mapping[str, str]
) -> dict[str, Json]:
    """Return signals an hour, the difference to the saved text, and the fixtures' outcomes."""
    saved = texts.get(name)
    asked = {NEW: text} | ({OLD: saved} if saved is not None else {})
    day = last_days(data, 2)[0]
    played = play(Span(day), {**texts, **asked}, tuple(asked), data)
    question = next(q for q in read_set({**texts, NEW: text}).questions if q.name == NEW)
    fires = sum(fire.scan == NEW for fire in played.fires)
    hours = hours_of(played, question)
    return {
        "run": played.run, "kind": question.header.kind, "hours": round(hours, 3), "fires": fires,
        "per_hour": round(fires / hours, 2) if hours else None,
        "difference": _difference(played) if saved is not None else None,
        "cases": _cases(data, folder, name, text, texts),
    }  # fmt: skip


def _difference(played: Played) -> dict[str, Json]:
    before = {fire.place: fire for fire in played.fires if fire.scan == OLD}
    after = {fire.place: fire for fire in played.fires if fire.scan == NEW}
    gone = [("-", before[place]) for place in before.keys() - after.keys()]
    added = [("+", after[place]) for place in after.keys() - before.keys()]
    changes = sorted([*gone, *added], key=lambda c: (c[1].ts_ns, c[1].symbol, c[0]))
    return {
        "added": len(added), "gone": len(gone), "same": len(before.keys() & after.keys()),
        "changes": [{"change": change, **fire.told()} for change, fire in changes[:SHOWN]],
    }  # fmt: skip


def _cases(
    data: Path, folder: Path, name: str, text: str, texts: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the outcomes of the fixtures beside the saved file; none where there are none."""
    path = folder / f"{name}{SUFFIX}"
    if not path.is_file():
        return []
    every = {**texts, name: text}
    question = next(q for q in read_set(every).questions if q.name == name)
    found = run_cases(question, fixture_of(path), every, data)
    return [msgspec.to_builtins(outcome) for outcome in found]
