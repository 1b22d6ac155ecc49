"""Text columns: codes into a list of words, so that a comparison is one look-up in integers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Text:
    """Hold one word a row; code -1 is null."""

    codes: Codes
    words: tuple[str, ...]

    def where(self, test: Callable[[str], bool]) -> Bools:
        """Return for each row whether its word passes `test`; null never does."""
        passes = np.array([*(test(w) for w in self.words), False], np.bool_)
        return np.asarray(passes[self.codes])

    def known(self) -> Bools:
        """Return for each row whether it has a word."""
        return np.asarray(self.codes >= 0)

    def take(self, rows: npt.NDArray[np.intp]) -> "Text":
        """Return the words of `rows` alone."""
        return Text(self.codes[rows], self.words)

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
        if word is None:
            self.codes[row] = -1
            return
        code = self._code_of.get(word)
        if code is None:
            code = self._code_of[word] = len(self._words)
            self._words.append(word)
        self.codes[row] = code

    def text(self, n: int) -> Text:
        """Return the first `n` rows as they are now."""
        return Text(self.codes[:n], tuple(self._words))

    def clear(self) -> None:
        """Make every row null."""
        self.codes[:] = -1
