"""What a backtest asks: a scan by its file, a question of the journal, or a strategy."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tapelight.app.backtest.tapes import Asking, Journal, Tape
from tapelight.app.questions import QuestionFiles
from tapelight.app.strategies import StrategyFiles
from tapelight.errors import ConfigError
from tapelight.model.records import Mark, Questions, Strategies, StrategyChoice
from tapelight.scan.question import Question
from tapelight.scan.questions import read_set
from tapelight.scan.source import shipped
from tapelight.stores.journal.segments import read_records

PLANNED = frozenset("last side entry limit stop risk_pct target1 target2 target3".split())
"""What a strategy's entries bear."""
NAMED = re.compile(r"\b([A-Za-z_]\w*)\s*\.")
"""A question whose column another one uses: hod_momo.thrust."""


@dataclass(frozen=True, slots=True)
class Files:
    """Say where the user's questions and strategies stand, and how the latter are configured."""

    questions: Path
    strategies: Path = Path("strategies")
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subject:
    """Hold what is put to the test."""

    name: str
    title: str
    text: str
    asking: Asking
    bears: frozenset[str]
    """Names of the values that its signals bear."""
    notes: tuple[str, ...] = ()


def subject(name: str | None, sql: Path | None, files: Files, tapes: Sequence[Tape]) -> Subject:
    """Return what to ask; raises ConfigError that names the nearest scan there is.

    A file given by --sql stands for itself. A name is that of a scan in the own folder or of a
    shipped one, then of a strategy, then of what the last journal asked.
    """
    own = QuestionFiles(files.questions)
    texts = dict(own.questions.texts)
    if sql is None and name in own.faults:
        raise ConfigError(own.faults[name])
    if sql is not None:
        name = name or sql.stem
        return _scan(name, texts | {name: _read(sql)})
    if name is None:
        raise ConfigError("Say what to test: the name of a scan or strategy, or --sql FILE.")
    asked = {t.date: first_asked(t.folder) for t in tapes if isinstance(t, Journal)}
    if name in texts:
        return _noted(_scan(name, texts), {day: was.texts.get(name) for day, was in asked.items()})
    if name in shipped() or (files.strategies / f"{name}.py").is_file():
        return _noted(_strategy(name, files), {d: _version(was, name) for d, was in asked.items()})
    was = list(asked.values())[-1] if asked else Asking({}, {})
    note = f"{name} is no file here: it is asked as the journal asked it."
    if name in was.texts:
        return replace(_scan(name, was.texts), notes=(note,))
    if name in was.chosen:
        return _of_choice(name, was.chosen[name], (note,))
    raise ConfigError(_unknown(name, {**was.texts, **texts}, {*shipped(), *was.chosen}))


def _unknown(name: str, texts: Mapping[str, str], strategies: set[str]) -> str:
    scans = {q.name for q in read_set(texts).questions if q.header.kind == "events"}
    known = sorted(scans | strategies)
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
    return f"No scan or strategy is called {name!r}: {hint}"


def _scan(name: str, texts: Mapping[str, str]) -> Subject:
    """Return a scan with the questions whose columns it uses."""
    needed = _needed(name, texts)
    question = _one(name, needed)
    if question.header.kind != "events":
        raise ConfigError(
            f"{name} is a board, which fires nothing: a backtest takes a scan, whose header says "
            '-- kind = "events".'
        )
    bears = frozenset(named.name for named in question.query.select)
    return Subject(name, question.header.title, texts[name], Asking(needed, {}), bears)


def _one(name: str, texts: Mapping[str, str]) -> Question:
    return next(q for q in read_set(texts).questions if q.name == name)


def _needed(name: str, texts: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    due = [name]
    while due:
        one = due.pop()
        found[one] = texts[one]
        due += [n for n in NAMED.findall(texts[one]) if n in texts and n not in found]
    return found


def _strategy(name: str, files: Files) -> Subject:
    """Return a strategy with its configured parameters, on whether or not it runs live."""
    table = {**files.tables.get(name, {}), "enabled": True}
    found = StrategyFiles(files.strategies, {**files.tables, name: table})
    if name in found.faults:
        raise ConfigError(found.faults[name])
    return _of_choice(name, found.strategies.chosen[name])


def _of_choice(name: str, choice: StrategyChoice, notes: tuple[str, ...] = ()) -> Subject:
    kind = shipped().get(name)
    title = kind.title if kind is not None and not choice.source else name.replace("_", " ")
    text = choice.source or f"strategy {name}\n{choice.parameters}"
    return Subject(name, title, text, Asking({}, {name: choice}), PLANNED, notes)


def _version(was: Asking, name: str) -> str | None:
    choice = was.chosen.get(name)
    return choice.version if choice is not None else None


def _noted(found: Subject, live: Mapping[str, str | None]) -> Subject:
    """Tell where it is not as it was live: other signals than live are right then."""
    choice = found.asking.chosen.get(found.name)
    mine = choice.version if choice is not None else found.text
    differs = [day for day, was in live.items() if was != mine]
    if not differs:
        return found
    days = ", ".join(differs[:3]) + (" ..." if len(differs) > 3 else "")
    note = f"{found.name} is not as it was live on {days}."
    return replace(found, notes=(note,))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read as UTF-8 text: {error}.") from error


def first_asked(folder: Path) -> Asking:
    """Return the questions and strategies that a journal begins with."""
    texts: Mapping[str, str] = {}
    chosen: Mapping[str, StrategyChoice] = {}
    for record in read_records(folder):
        if isinstance(record, Questions):
            texts = record.texts
        elif isinstance(record, Strategies):
            chosen = record.chosen
        elif isinstance(record, Mark):
            break
    return Asking(texts, chosen)
