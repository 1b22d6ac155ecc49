"""The scans of the dashboard and of the commands: the files of the questions folder."""

import asyncio
import datetime as dt
import hashlib
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import structlog

from tapelight.app.questions import QuestionFiles, check_name, shipped
from tapelight.errors import ConfigError, Conflict, Missing
from tapelight.model.records import Questions
from tapelight.ports import Json
from tapelight.scan.lint import lint
from tapelight.scan.question import Question
from tapelight.scan.questions import read_set

log = structlog.get_logger()
MAX_BYTES = 16_384
HISTORY = ".history"
KEEP_S = 30 * 86_400
ANY = "*"
"""The version that fits whatever is there."""


class ScanFiles:
    """List, read, write and check questions; the text that is replaced is kept for 30 days.

    Only the user's folder is written to. A shipped question is changed by an own one of its name.
    """

    def __init__(self, files: QuestionFiles, changed: Callable[[], None] = lambda: None) -> None:
        self._files = files
        files.replaced = self._keep
        self._changed = changed
        """Called in the loop after the running set has changed."""
        self._read: dict[str, Question] = {}
        self._read_from: Questions | None = None

    def scans(self) -> Sequence[Mapping[str, Json]]:
        """Return all questions, in the order of their numbers, then of their names."""
        with self._files.lock:
            names = {*self._files.questions.texts, *self._files.texts}
            told = [self._told(name) for name in sorted(names)]
        return sorted(told, key=lambda one: one["number"])

    def scan(self, name: str) -> Mapping[str, Json]:
        """Return one question; raises Missing."""
        with self._files.lock:
            if name not in self._files.texts and name not in shipped():
                raise Missing(f"No scan is called {name!r}: GET /api/scans lists them.")
            return self._told(name)

    async def write(self, name: str, text: str | None, version: str) -> Mapping[str, Json]:
        """Write a question (None: delete it) that still has `version`; return what is there now.

        `version` is empty for a new one. Raises ConfigError for what is no sound question,
        Conflict when somebody else changed it, Missing when there is nothing to delete.
        """
        told = await asyncio.to_thread(self.put, name, text, version)
        self._changed()
        return told

    def put(self, name: str, text: str | None, version: str) -> Mapping[str, Json]:
        """Write a question, as `write` does, in the caller's thread."""
        check_name(name)
        with self._files.lock:
            self._files.poll()
            there = self._files.texts.get(name)
            self._check_version(name, there, version)
            if text is None and there is None:
                raise Missing(f"{name} is not one of your own scans: there is nothing to delete.")
            if text is not None and len(text.encode()) > MAX_BYTES:
                raise ConfigError(f"{name}.sql: keep it within {MAX_BYTES:,} bytes.")
            read_set(self._files.changed({name: text}))
            if there is not None:
                keep(self._files.own, name, there)
            self._replace(name, text)
            self._files.written(name, text)
            known = name in self._files.texts or name in shipped()
            return self._told(name) if known else {"name": name, "deleted": True}

    def _keep(self, name: str, text: str) -> None:
        """Keep the text that somebody's editor has replaced, as a write keeps it."""
        try:
            keep(self._files.own, name, text)
        except OSError as error:
            log.warning("the replaced text of a scan can't be kept", name=name, reason=str(error))

    def _check_version(self, name: str, there: str | None, version: str) -> None:
        if version == ANY:
            return
        now = there if there is not None else shipped().get(name)
        if version and (now is None or version_of(now) != version):
            raise Conflict(f"{name} was changed meanwhile: read it again, then write.")
        if not version and there is not None:
            raise Conflict(f"{name} is there already: send If-Match with its version.")

    def _replace(self, name: str, text: str | None) -> None:
        path = self._files.path(name)
        if text is None:
            path.unlink()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        with draft.open("w", encoding="utf-8", newline="\n") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        draft.replace(path)

    def check(self, name: str, text: str) -> Mapping[str, Json]:
        """Return what is wrong with a text, what lint says of it and what it costs; saves nothing."""
        try:
            check_name(name)
            with self._files.lock:
                texts = self._files.changed({name: text})
            question = next(q for q in read_set(texts).questions if q.name == name)
        except ConfigError as error:
            return {"ok": False, "faults": [fault_of(str(error))], "warnings": [], "cost_us": None}
        return {
            "ok": True,
            "faults": [],
            "warnings": [msgspec.to_builtins(found) for found in lint(question)],
            "cost_us": cost_us(question),
            "kind": question.header.kind,
            "columns": [named.name for named in question.query.select],
        }

    def _running(self) -> dict[str, Question]:
        """Return the running questions by name; read again only when the set is another one."""
        running = self._files.questions
        if running is not self._read_from:
            self._read = {q.name: q for q in read_set(running.texts).questions}
            self._read_from = running
        return self._read

    def _told(self, name: str) -> dict[str, Json]:
        files = self._files
        running = files.questions.texts.get(name)
        text = files.texts.get(name, running or "")
        question = self._running().get(name)
        return {
            "name": name,
            "title": question.header.title if question else name,
            "kind": question.header.kind if question else "",
            "number": question.header.number if question else 1000.0,
            "header": msgspec.to_builtins(question.header) if question else {},
            "text": text,
            "version": version_of(text),
            "own": name in files.texts,
            "shipped": name in shipped(),
            "running": text == running,
            "fault": files.faults.get(name, ""),
            "cost_us": cost_us(question) if question else None,
        }


def version_of(text: str) -> str:
    """Return the hash that names a text's version."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def cost_us(question: Question) -> float:
    """Return what one evaluation is reckoned to cost over 11,000 rows, in us."""
    return round(sum(query.cost_us for query in question.queries()), 1)


def fault_of(message: str) -> dict[str, Json]:
    """Return a fault with its place, where the message tells it."""
    plain = re.sub(r"^[^\s/]+\.sql: ", "", message)
    place = re.search(r"\(line (\d+), column (\d+)\)|at line (\d+), column (\d+)", plain)
    line, column = (int(n) for n in place.groups() if n) if place else (None, None)
    return {"line": line, "column": column, "message": plain}


def keep(own: Path, name: str, text: str) -> None:
    """Keep a text that is about to be replaced, unless it was the last one kept; drop old ones."""
    folder = own / HISTORY / name
    folder.mkdir(parents=True, exist_ok=True)
    versions = history(own, name)
    if not versions or versions[0].read_text("utf-8") != text:
        now_ns = time.time_ns()
        stamp = dt.datetime.fromtimestamp(now_ns // 10**9, dt.UTC).strftime("%Y%m%dT%H%M%S")
        (folder / f"{stamp}.{now_ns % 10**9:09d}.sql").write_text(text, "utf-8")
    for path in versions:
        if path.stat().st_mtime < time.time() - KEEP_S:
            path.unlink()


def history(own: Path, name: str) -> list[Path]:
    """Return the kept texts of a question, the newest first."""
    return sorted((own / HISTORY / name).glob("*.sql"), reverse=True)


def undo(scans: ScanFiles, files: QuestionFiles, name: str) -> Mapping[str, Json]:
    """Put back the newest kept text that differs from the present one; raises Missing."""
    check_name(name)
    present = files.texts.get(name)
    for path in history(files.own, name):
        text = path.read_text("utf-8")
        if text != present:
            return scans.put(name, text, ANY)
    raise Missing(f"No earlier text of {name} is kept: there is nothing to undo.")


def template(name: str, events: bool) -> str:
    """Return a commented first text of a new question."""
    title = name.replace("_", " ").capitalize()
    return (EVENTS if events else BOARD).format(title=title)


BOARD = """\
-- title = "{title}"
-- doc = "What it shows, in a sentence."
-- kind = "board"
-- phases = ["pre", "regular", "post"]
SELECT symbol, last, chg_pct, vol, rvol_tod, spread_pct
FROM market
WHERE last BETWEEN 2 AND 20 AND chg_pct >= 3 AND rvol_tod >= 2
ORDER BY chg_pct DESC LIMIT 50

/* Columns: tapelight list columns. The default gate lets common stocks through, from $1, with a
   spread up to 1.5 % and live data; -- gate = "none" lets all through. */
"""
EVENTS = """\
-- title = "{title}"
-- doc = "What it waits for, in a sentence."
-- kind = "events"
-- phases = ["regular"]
-- cooldown_s = 300.0
-- text = "what became true"
SELECT symbol, last, chg_pct, rvol_5m, spread_pct
FROM market
WHERE new_hod AND last BETWEEN 2 AND 20 AND rvol_5m >= 3

/* It fires when the condition becomes true for a symbol, and again after the cooldown. */
"""
