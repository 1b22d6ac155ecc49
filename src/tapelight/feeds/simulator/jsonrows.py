"""Columns of whole numbers as JSON objects, written byte by byte: msgspec would want an object for each."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numba
import numpy as np
import numpy.typing as npt

from tapelight.model.batch import Int64s

Bytes = npt.NDArray[np.uint8]
Kind = Literal["number", "dollars", "word"]
"""How a column is written: as it is, from ticks of a hundredth of a cent, or as the word of that number."""
NUMBER, DOLLARS, WORD = range(3)
KINDS: dict[Kind, int] = {"number": NUMBER, "dollars": DOLLARS, "word": WORD}
LONGEST = 20
"""Digits of a number at the most."""
TICKS, TICK_DIGITS = 10_000, 4
COMMA, END, POINT, MINUS, ZERO = (ord(c) for c in ",}.-0")

_loop: Any = numba.njit(cache=True, error_model="numpy")
_step: Any = numba.njit(error_model="numpy", inline="always")


class Words:
    """Hold texts that columns name by their number."""

    def __init__(self, texts: Iterable[bytes]) -> None:
        listed = list(texts)
        self.text: Bytes = np.frombuffer(b"".join(listed) or b" ", np.uint8)
        self.ends: Int64s = np.cumsum([0, *map(len, listed)], dtype=np.int64)
        self.longest = max(map(len, listed), default=0)


NO_WORDS = Words(())


class Form:
    """Write objects of one form: what stands before each column, and how it is written."""

    def __init__(self, fields: Sequence[tuple[str, Kind]], words: Words) -> None:
        self._before = Words(text.encode() for text, _ in fields)
        self._kinds = np.array([KINDS[kind] for _, kind in fields], np.int64)
        self._words = words
        self._size = len(self._before.text) + len(fields) * (LONGEST + 2) + 2
        self._out: Bytes = np.empty(0, np.uint8)

    def write(self, columns: Sequence[Any], more: Words = NO_WORDS) -> str:
        """Return the objects, divided by commas; word -1 is the first of `more`, -2 its second.

        `columns` are integers, one array or number for each field.
        """
        rows = len(np.asarray(columns[0]))
        table = np.empty((rows, len(columns)), np.int64)
        for field, column in enumerate(columns):
            table[:, field] = column
        words = (self._kinds == WORD).sum() * max(self._words.longest, more.longest)
        most = rows * (self._size + int(words))
        if len(self._out) < most:
            self._out = np.empty(most, np.uint8)
        end = _write(
            self._out, table, self._kinds, self._before.text, self._before.ends,
            self._words.text, self._words.ends, more.text, more.ends,
        )  # fmt: skip
        return self._out[:end].tobytes().decode("ascii")


@_step
def _copy(out: Bytes, at: int, text: Bytes, begin: int, end: int) -> int:
    for k in range(begin, end):
        out[at] = text[k]
        at += 1
    return at


@_step
def _digits(out: Bytes, at: int, value: int, least: int) -> int:
    """Write a number that is not negative, with zeros before it up to `least` digits."""
    left, count, beyond = np.uint64(value), 1, np.uint64(10)
    while left >= beyond and count < LONGEST:
        beyond *= np.uint64(10)
        count += 1
    count = max(count, least)
    for place in range(at + count - 1, at - 1, -1):
        rest = left // np.uint64(10)
        out[place] = np.uint64(ZERO) + left - rest * np.uint64(10)
        left = rest
    return at + count


@_step
def _decimal(out: Bytes, at: int, ticks: int) -> int:
    """Write ticks in dollars as the shortest decimal with a point."""
    at = _digits(out, at, ticks // TICKS, 1)
    rest, digits = ticks % TICKS, TICK_DIGITS
    while digits > 1 and rest % 10 == 0:
        rest //= 10
        digits -= 1
    out[at] = POINT
    return _digits(out, at + 1, rest, digits)


@_loop
def _write(
    out: Bytes, table: npt.NDArray[np.int64], kinds: Int64s, before: Bytes, before_ends: Int64s,
    words: Bytes, word_ends: Int64s, more: Bytes, more_ends: Int64s,
) -> int:  # fmt: skip
    """Write the rows of `table` (rows, fields) into `out`; return where the text ends."""
    at = 0
    for row in range(len(table)):
        if row:
            out[at] = COMMA
            at += 1
        for field in range(len(kinds)):
            at = _copy(out, at, before, before_ends[field], before_ends[field + 1])
            value, kind = table[row, field], kinds[field]
            if kind != WORD and value < 0:
                out[at] = MINUS
                at, value = at + 1, -value
            if kind == NUMBER:
                at = _digits(out, at, value, 1)
            elif kind == DOLLARS:
                at = _decimal(out, at, value)
            elif value >= 0:
                at = _copy(out, at, words, word_ends[value], word_ends[value + 1])
            else:
                at = _copy(out, at, more, more_ends[-value - 1], more_ends[-value])
        out[at] = END
        at += 1
    return at


def warm() -> None:
    """Compile the writer, or load what was compiled before."""
    form = Form((('{"a":', "number"), (',"b":', "dollars"), (',"c":', "word")), Words([b"1"]))
    form.write([[1], [2], [0]])
