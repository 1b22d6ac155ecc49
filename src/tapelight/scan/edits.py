"""Edits: what the boards and scans of a new set of questions take over from those before."""

from typing import Any

from tapelight.scan.board import Board
from tapelight.scan.question import Question
from tapelight.scan.scan import Scan


def same(old: Board | Scan, new: Board | Scan | None) -> bool:
    """Tell whether `new` asks what `old` asked."""
    return new is not None and new.question.version == old.question.version


def kept(old: Any, question: Question, make: Any) -> Any:
    """Return the board or scan of a question, with the memory of `old` where that asked the same."""
    if old is None or old.question.version != question.version:
        return make(question)
    if old.question.header == question.header:
        return old
    new = make(question)
    new.thaw(old.freeze())
    return new


def edited(old: Scan | None, question: Question, begun: bool) -> Scan:
    """Return the scan of a question; what fired under `old`, its former text, is not fired again.

    Where the session has `begun`, what is true already when it is asked first does not fire.
    """
    scan: Scan = kept(old, question, Scan)
    if old is None or not same(old, scan):
        scan.begin(old, begun)
    return scan
