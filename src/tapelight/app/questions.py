"""Boards and scans from files: the shipped ones, and the user's own folder."""

import re
import sys
import threading
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import structlog

from tapelight.errors import ConfigError
from tapelight.model.records import Questions
from tapelight.scan.questions import read_set

log = structlog.get_logger()
SUFFIX = ".sql"
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
Stamp = tuple[int, int]
"""Time of the last change in ns, and size."""


@cache
def shipped() -> Mapping[str, str]:
    """Return the texts of the questions that come with the package."""
    return {
        entry.name.removesuffix(SUFFIX): entry.read_text("utf-8")
        for entry in files("tapelight.boards").iterdir()
        if entry.name.endswith(SUFFIX)
    }


def read_questions(own: Path | None) -> Questions:
    """Return the texts of all questions, without the own ones that are not sound: stderr says why."""
    if own is None:
        return Questions(dict(shipped()))
    files = QuestionFiles(own)
    for fault in files.faults.values():
        sys.stderr.write(f"tapelight: {fault} This file is left out.\n")
    return files.questions


def _paths(own: Path) -> list[Path]:
    return sorted(own.glob(f"*{SUFFIX}")) if own.is_dir() else []


def check_name(name: str) -> None:
    """Raise ConfigError unless `name` is fit for a file's name."""
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name for a scan: use a letter, then letters, digits and _, all small."
        )


def _text(path: Path) -> str:
    try:
        check_name(path.stem)
    except ConfigError as error:
        raise ConfigError(f"{path} must be renamed: {error}") from error
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read as UTF-8 text: {error}.") from error


class QuestionFiles:
    """Read the user's folder, and follow it while the scanner runs.

    A file that is changed, added or deleted changes the running set when the whole set is sound
    with it; one that is not is refused: `faults` says why, and its running version stays;
    at the start that is the shipped one of its name, or none. May be called from several threads.
    """

    def __init__(self, own: Path) -> None:
        self.own = own
        self.questions = Questions(dict(shipped()))
        """The running set."""
        self.faults: dict[str, str] = {}
        """name -> why its file is refused."""
        self.replaced: Callable[[str, str], None] = lambda _name, _text: None
        """Called with name and text of a running own file that was changed from outside."""
        self.lock = threading.RLock()
        self.texts: dict[str, str] = {}
        """What stands in the folder, sound or not."""
        self._stamps: dict[str, Stamp] = {}
        self.poll()

    def _look(self) -> dict[str, Stamp]:
        """Return the stamps of the folder's files."""
        found: dict[str, Stamp] = {}
        for path in _paths(self.own):
            try:
                state = path.stat()
            except FileNotFoundError:
                continue  # deleted since the folder was read
            found[path.stem] = (state.st_mtime_ns, state.st_size)
        return found

    def poll(self) -> bool:
        """Look for changes; tell whether the running set or its faults are others now."""
        with self.lock:
            stamps = self._look()
            touched = {n for n in stamps | self._stamps if stamps.get(n) != self._stamps.get(n)}
            if not touched:
                return False
            self._stamps = stamps
            before = self.questions, dict(self.faults)
            changes: dict[str, str | None] = {}
            for name in sorted(touched):
                try:
                    changes[name] = _text(self.path(name)) if name in stamps else None
                except ConfigError as error:
                    self.faults[name] = str(error)
            for name in touched & set(self.texts):
                if self.texts[name] == self.questions.texts.get(name) != changes.get(name):
                    self.replaced(name, self.texts[name])
            self.take(changes)
            return before != (self.questions, self.faults)

    def path(self, name: str) -> Path:
        """Return where a question's file lies."""
        return self.own / f"{name}{SUFFIX}"

    def take(self, changes: Mapping[str, str | None]) -> None:
        """Take changed texts (None: deleted) into the running set, but for those that are bad.

        What was refused is tried again: it may have waited for these.
        """
        for name, text in changes.items():
            self.faults.pop(name, None)
            self.texts.pop(name, None)
            if text is not None:
                self.texts[name] = text
        again = {name: self.texts[name] for name in self.faults if name in self.texts}
        wanted: dict[str, str | None] = {**again, **changes}
        while wanted:
            fault = self._try(wanted)
            if not fault:
                return
            named = re.match(r"([^\s/]+)\.sql:", fault)
            if named is None or named[1] not in wanted:
                self._take_each(wanted)
                return
            self.faults[named[1]] = fault
            del wanted[named[1]]

    def _take_each(self, wanted: Mapping[str, str | None]) -> None:
        """Take changes one by one: the fault that they make together lies in an unchanged file."""
        for name, text in wanted.items():
            fault = self._try({name: text})
            if fault:
                self.faults[name] = fault

    def _try(self, wanted: Mapping[str, str | None]) -> str:
        """Take changes when the whole set is sound with them; return why not, else nothing."""
        texts = self.changed(wanted)
        try:
            read_set(texts)
        except ConfigError as error:
            return str(error)
        for name in wanted:
            self.faults.pop(name, None)
        self.questions = Questions(texts)
        return ""

    def changed(self, changes: Mapping[str, str | None]) -> dict[str, str]:
        """Return the running texts with `changes`; a deleted one is the shipped one again."""
        texts = dict(self.questions.texts)
        for name, text in changes.items():
            new = shipped().get(name) if text is None else text
            texts.pop(name, None)
            if new is not None:
                texts[name] = new
        return dict(sorted(texts.items()))

    def written(self, name: str, text: str | None) -> None:
        """Note that the file was written (None: deleted) by this process, and take it."""
        with self.lock:
            self._stamps = self._look()
            self.take({name: text})


def tell_change(had: Questions | None, has: Questions) -> None:
    """Log where a run goes on with other questions than it had: by another folder, perhaps."""
    if had is not None:
        gone, new = (
            sorted(had.texts.keys() - has.texts.keys()),
            sorted(has.texts.keys() - had.texts.keys()),
        )
        log.warning("the run goes on with other questions", gone=gone, new=new)
