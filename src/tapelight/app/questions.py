"""Boards and scans from files: the shipped ones, and the user's own folder."""

import re
import threading
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from tapelight.errors import ConfigError
from tapelight.model.records import Questions
from tapelight.scan.questions import read_set

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
    """Return the texts of all questions; raises ConfigError for one that does not compile.

    So does a file whose name is none for a question.
    """
    texts = dict(shipped())
    if own is not None:
        texts |= {path.stem: _text(path) for path in _paths(own)}
    read_set(texts)
    return Questions(texts)


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
    """Follow the user's folder while the scanner runs.

    A file that is changed, added or deleted changes the running set when the whole set is sound
    with it; one that is not is refused: `faults` says why, and its running version stays. May be
    called from several threads.
    """

    def __init__(self, own: Path) -> None:
        self.own = own
        self.questions = read_questions(own)
        """The running set."""
        self.faults: dict[str, str] = {}
        """name -> why its file is refused."""
        self.lock = threading.RLock()
        self._stamps = self._look()
        self.texts = {path.stem: _text(path) for path in _paths(own)}
        """What stands in the folder, sound or not."""

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
            self.take(changes)
            return before != (self.questions, self.faults)

    def path(self, name: str) -> Path:
        """Return where a question's file lies."""
        return self.own / f"{name}{SUFFIX}"

    def take(self, changes: Mapping[str, str | None]) -> None:
        """Take changed texts (None: deleted) into the running set, but for those that are bad."""
        for name, text in changes.items():
            self.faults.pop(name, None)
            self.texts.pop(name, None)
            if text is not None:
                self.texts[name] = text
        wanted = dict(changes)
        while wanted:
            texts = self.changed(wanted)
            try:
                read_set(texts)
            except ConfigError as error:
                for name in self._to_blame(str(error), wanted):
                    self.faults[name] = str(error)
                    del wanted[name]
            else:
                self.questions = Questions(texts)
                return

    def changed(self, changes: Mapping[str, str | None]) -> dict[str, str]:
        """Return the running texts with `changes`; a deleted one is the shipped one again."""
        texts = dict(self.questions.texts)
        for name, text in changes.items():
            new = shipped().get(name) if text is None else text
            texts.pop(name, None)
            if new is not None:
                texts[name] = new
        return dict(sorted(texts.items()))

    def _to_blame(self, fault: str, wanted: Mapping[str, str | None]) -> list[str]:
        """Return the changed file that a fault names, all of them when it names another."""
        named = re.match(r"([^\s/]+)\.sql:", fault)
        return [named[1]] if named and named[1] in wanted else list(wanted)

    def written(self, name: str, text: str | None) -> None:
        """Note that the file was written (None: deleted) by this process, and take it."""
        with self.lock:
            self._stamps = self._look()
            self.take({name: text})
