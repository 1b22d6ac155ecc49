"""Text columns: codes into a list of words, so that a comparison is one look-up in integers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Text:
    """Hold one word a row; code -1 is null."""

    codes: Codes
    words: tuple[str, ...]
    code_of: Mapping[str, int] | None = field(default=None, compare=False)
    """The code of each word, and of words that came later; None where nobody keeps it."""

    def where(self, test: Callable[[str], bool]) -> Bools:
        """Return for each row whether its word passes `test`; null never does."""
        passes = np.array([*(test(w) for w in self.words), False], np.bool_)
        return np.asarray(passes[self.codes])

    def among(self, wanted: Iterable[str]) -> Bools:
        """Return for each row whether its word is one of `wanted`."""
        passes, codes = np.zeros(len(self.words) + 1, np.bool_), self.codes_by_word()
        found = [codes.get(word, -1) for word in wanted]
        passes[[code for code in found if 0 <= code < len(self.words)]] = True
        return np.asarray(passes[self.codes])

    def codes_by_word(self) -> Mapping[str, int]:
        """Return the code of each word, and perhaps of words that came later."""
        if self.code_of is not None:
            return self.code_of
        return {word: code for code, word in enumerate(self.words)}

    def known(self) -> Bools:
        """Return for each row whether it has a word."""
        return np.asarray(self.codes >= 0)

    def take(self, rows: npt.NDArray[np.intp]) -> "Text":
        """Return the words of `rows` alone."""
        return Text(self.codes[rows], self.words, self.code_of)

    def values(self) -> list[str | None]:
        """Return the words, None for null."""
        return [self.words[c] if c >= 0 else None for c in self.codes.tolist()]


class Words:
    """Collect a text column word by word."""

    def __init__(self, n: int = 0) -> None:
        self.codes: Codes = np.full(n, -1, np.int32)
        self._words: list[str] = []
        self._code_of: dict[str, int] = {}

    def resize(self, n: int) -> None:
        """Make room for `n` rows."""
        self.codes = np.concatenate([self.codes, np.full(n - len(self.codes), -1, np.int32)])

    def set(self, row: int, word: str | None) -> None:
        """Let `row` hold `word`."""
        self.codes[row] = -1 if word is None else self._code(word)

    def codes_of(self, words: Iterable[str | None]) -> Codes:
        """Return the codes of words, -1 for None; new ones are given a code, no row is changed."""
        return np.array([-1 if w is None else self._code(w) for w in words], np.int32)

    def words(self) -> list[str]:
        """Return the words by their codes."""
        return list(self._words)

    def know(self, words: Iterable[str]) -> None:
        """Give codes to words, in their order."""
        for word in words:
            self._code(word)

    def _code(self, word: str) -> int:
        code = self._code_of.get(word)
        if code is None:
            code = self._code_of[word] = len(self._words)
            self._words.append(word)
        return code

    def text(self, n: int) -> Text:
        """Return the first `n` rows as they are now."""
        return Text(self.codes[:n], tuple(self._words), self._code_of)

    def clear(self) -> None:
        """Make every row null."""
        self.codes[:] = -1


def nothing(n: int) -> Text:
    """Return a text column that is null in each of `n` rows."""
    return Text(np.full(n, -1, np.int32), ())


def joined(texts: Sequence[Text]) -> tuple[list[Codes], tuple[str, ...]]:
    """Return the codes of several text columns in one list of words, and the list.

    The longest list goes first as it is: only the words of the others are looked up in it.
    """
    longest = max(texts, key=lambda text: len(text.words))
    known, n = longest.codes_by_word(), len(longest.words)
    more: dict[str, int] = {}

    def code(word: str) -> int:
        found = known.get(word, n)
        return found if found < n else more.setdefault(word, n + len(more))

    found = []
    for text in texts:
        if text.words is longest.words or (
            text.code_of is not None and text.code_of is longest.code_of
        ):
            found.append(text.codes)
        else:
            found.append(np.array([*map(code, text.words), -1], np.int32)[text.codes])
    return found, (*longest.words, *more) if more else longest.words
