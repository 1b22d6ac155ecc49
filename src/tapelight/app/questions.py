"""Boards and scans from files: the shipped ones, and the user's own folder."""

from importlib.resources import files
from pathlib import Path

from tapelight.errors import ConfigError
from tapelight.model.records import Questions
from tapelight.scan.question import read_question


def read_questions(own: Path | None) -> Questions:
    """Return the texts of all questions; raises ConfigError for one that does not compile."""
    texts: dict[str, str] = {}
    for entry in files("tapelight.boards").iterdir():
        if entry.name.endswith(".sql"):
            texts[entry.name.removesuffix(".sql")] = entry.read_text("utf-8")
    if own is not None and own.is_dir():
        for path in sorted(own.glob("*.sql")):
            texts[path.stem] = _text(path)
    for name, text in texts.items():
        read_question(name, text)
    return Questions(texts)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read as UTF-8 text: {error}.") from error
