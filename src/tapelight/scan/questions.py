"""The set of questions: one may use the columns that another names, as `hod_momo.thrust`."""

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from tapelight.errors import ConfigError
from tapelight.market.memory import DELTA
from tapelight.scan.compile import Names
from tapelight.scan.expr import Expr
from tapelight.scan.parse import ScanSql
from tapelight.scan.question import Question, read_question, written_parts

MAX_DELTAS = 32
"""Different deltas of all questions: each keeps up to 121 values of every row."""


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Hold all questions, in the order of their names, and what they name."""

    questions: tuple[Question, ...]
    names: Names


def read_set(texts: Mapping[str, str]) -> QuestionSet:
    """Read all questions at once; raises ConfigError that names file and fault."""
    reader = _Reader(texts)
    found = tuple(reader.read(name) for name in sorted(texts))
    _check_deltas(found)
    names = Names(reader.named, tuple((q.name, q.version) for q in found))
    return QuestionSet(found, names)


class _Reader:
    """Read each question after those whose names it uses."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts
        self.done: dict[str, Question] = {}
        self.named: dict[str, Mapping[str, Expr]] = {name: {} for name in texts}
        self._path: list[str] = []

    def read(self, name: str) -> Question:
        if name in self.done:
            return self.done[name]
        if name in self._path:
            circle = " -> ".join([*self._path[self._path.index(name) :], name])
            raise ConfigError(
                f"{name}.sql: names go round in a circle, {circle}: "
                "let one of them write the expression itself."
            )
        self._path.append(name)
        others = [self.read(other) for other in self._others(name)]
        self._path.pop()
        self.done[name] = question = self._one(name, others)
        self.named[name] = {n.name: n.expr for n in question.query.select}
        return question

    def _others(self, name: str) -> list[str]:
        """Return the questions that a text names, in the order of its words."""
        found: dict[str, None] = {}
        for part in written_parts(self.texts[name]):
            if "." not in part:
                continue
            try:
                tokens = ScanSql().tokenize(part)
            except SqlglotError:
                continue  # reading it will say what is wrong
            for token, following in itertools.pairwise(tokens):
                if following.token_type is TokenType.DOT and token.text in self.texts:
                    found[token.text] = None
        return list(found)

    def _one(self, name: str, others: list[Question]) -> Question:
        versions = tuple((other.name, other.version) for other in others)
        question = read_question(name, self.texts[name], Names(dict(self.named), versions))
        if not versions:
            return question
        told = repr((question.version, versions)).encode()
        version = hashlib.blake2b(told, digest_size=8).hexdigest()
        return msgspec.structs.replace(question, version=version)


def _check_deltas(questions: tuple[Question, ...]) -> None:
    deltas: dict[str, str] = {}
    for question in questions:
        for query in question.queries():
            deltas |= {kept.key: question.name for kept in query.kept if kept.kind == DELTA}
    if len(deltas) > MAX_DELTAS:
        last = list(deltas.values())[MAX_DELTAS]
        raise ConfigError(
            f"{last}.sql: the questions together ask for {len(deltas)} different deltas; "
            f"{MAX_DELTAS} are allowed, for each keeps the past of every row: use the same spans."
        )
