"""What a backtest asks: a scan by its file, a question of the journal, or a strategy."""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from tapelight.app.backtest.tapes import Asking, Journal, Tape
from tapelight.app.questions import read_questions
from tapelight.errors import ConfigError
from tapelight.model.records import Mark, Questions
from tapelight.scan.question import Question, read_question
from tapelight.stores.journal.segments import read_records


@dataclass(frozen=True, slots=True)
class Subject:
    """Hold what is put to the test."""

    name: str
    title: str
    text: str
    asking: Asking
    notes: tuple[str, ...] = ()


def subject(name: str | None, sql: Path | None, own: Path, tapes: list[Tape]) -> Subject:
    """Return what to ask; raises ConfigError that names the nearest scan there is.

    A file given by --sql stands for itself. A name is that of a scan in the own folder or of a
    shipped one, then of one that the last journal asked.
    """
    if sql is not None:
        return _scan(name or sql.stem, _read(sql), own)
    if name is None:
        raise ConfigError("Say what to test: the name of a scan, or --sql FILE.")
    texts = read_questions(own).texts
    if name in texts:
        return _noted(_scan(name, texts[name], own), tapes)
    recorded = _recorded(tapes)
    if name in recorded:
        found = _scan(name, recorded[name], own)
        note = f"{name} is no file here: the text is that of the journal."
        return Subject(found.name, found.title, found.text, found.asking, (note,))
    known = [n for n, text in {**recorded, **texts}.items() if _is_scan(n, text)]
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}."
    raise ConfigError(f"No scan is called {name!r}: {hint}")


def _scan(name: str, text: str, own: Path) -> Subject:
    question = read_question(name, text)
    if question.header.kind != "events":
        raise ConfigError(
            f"{name} is a board, which fires nothing: a backtest takes a scan, whose header says "
            '-- kind = "events".'
        )
    del own
    return Subject(name, question.header.title, text, Asking({name: text}, {}))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read as UTF-8 text: {error}.") from error


def _is_scan(name: str, text: str) -> bool:
    question: Question = read_question(name, text)
    return question.header.kind == "events"


def _noted(found: Subject, tapes: list[Tape]) -> Subject:
    """Tell where the text is another one than the journal's: other signals than live are right then."""
    differs = [
        t.date
        for t in tapes
        if isinstance(t, Journal) and first_questions(t.folder).get(found.name) != found.text
    ]
    if not differs:
        return found
    days = ", ".join(differs[:3]) + (" ..." if len(differs) > 3 else "")
    note = f"The text of {found.name} is not the one that was live on {days}."
    return Subject(found.name, found.title, found.text, found.asking, (note,))


def _recorded(tapes: list[Tape]) -> dict[str, str]:
    journals = [t for t in tapes if isinstance(t, Journal)]
    return first_questions(journals[-1].folder) if journals else {}


def first_questions(folder: Path) -> dict[str, str]:
    """Return the questions that a journal begins with."""
    for record in read_records(folder):
        if isinstance(record, Questions):
            return record.texts
        if isinstance(record, Mark):
            break
    return {}
